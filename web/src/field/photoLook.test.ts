import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, nextTick } from 'vue'
import PhotoLook from './PhotoLook.vue'

const photo = { blob: new Blob(['photo']), taken_at: '2026-11-26T01:00:00Z', gps: null }
const removed = vi.fn()
let app: App | null = null

const byId = (id: string): HTMLElement | null => document.querySelector(`[data-testid=photo-${id}]`)

function look(props: object = {}): void {
  app = createApp(PhotoLook, { photo, name: '远景', onRemove: removed, ...props })
  app.mount(document.body.appendChild(document.createElement('div')))
}

async function tap(): Promise<void> {
  byId('remove')?.click()
  await nextTick()
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('createImageBitmap', async () => ({ width: 4, height: 3, close: () => undefined }))
  removed.mockReset()
})

afterEach(() => {
  app?.unmount()
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

it('asks in place before a photo is deleted', async () => {
  look()
  await tap()
  expect(removed).not.toHaveBeenCalled()
  expect(byId('remove')?.textContent).toBe('再点一次删除')
  vi.advanceTimersByTime(1_000)
  await tap()
  expect(removed).toHaveBeenCalledTimes(1)
})

it('takes a double tap for one, and forgets it after some seconds', async () => {
  look()
  await tap()
  vi.advanceTimersByTime(200)
  await tap()
  expect(removed).not.toHaveBeenCalled()
  vi.advanceTimersByTime(6_000)
  await nextTick()
  expect(byId('remove')?.textContent).toBe('删除')
})

it('offers neither to delete nor to retake what is sent, and says nothing of a place it does not know', () => {
  look({ photo: { blob: photo.blob, taken_at: null }, fixed: true })
  expect(byId('remove')).toBeNull()
  expect(byId('retake')).toBeNull()
  expect(byId('close')).not.toBeNull()
  expect(byId('look')?.textContent).not.toContain('定位')
})
