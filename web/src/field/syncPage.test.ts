import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, nextTick } from 'vue'
import SyncPage from './SyncPage.vue'
import { media, outbox, sent, standing } from './field'
import type { MediaRow } from './sync/store'

const changeMedia = vi.fn(async () => undefined)
const ring = vi.fn()
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({ store: { changeMedia }, ring }),
  signal: () => undefined,
}))

const file = (sha256: string, mime: string, state: MediaRow['state'], reason: string | null = null) =>
  ({ sha256, mime, state, reason, size: 2_000_000, filename: `${sha256}.file` }) as MediaRow

let app: App
beforeEach(() => {
  changeMedia.mockClear()
  ring.mockClear()
  outbox.value = []
  sent.value = []
  standing.value = null
  media.value = [file('far', 'image/jpeg', 'refused', '文件类型不被接收')]
  document.body.innerHTML = '<div id="app"></div>'
  app = createApp(SyncPage)
  app.mount('#app')
})
afterEach(() => app.unmount())

const text = () => document.body.textContent ?? ''
const retries = () => [...document.querySelectorAll<HTMLButtonElement>('[data-testid=retry]')]

it('counts a photo that the server refused as not uploaded, and offers to export it', async () => {
  expect(text()).not.toContain('全部已上传')
  expect(document.querySelector('[data-testid=count-photos]')?.textContent).toBe('1')
  expect(document.querySelector('[data-testid=export]')).not.toBeNull()
  media.value = [file('far', 'image/jpeg', 'stored')]
  await nextTick()
  expect(text()).toContain('全部已上传')
  expect(document.querySelector('[data-testid=export]')).toBeNull()
})

it('sends a refused photo or clip once more when a person asks for it, and only then', async () => {
  media.value = [...media.value, file('film', 'video/mp4', 'refused', 'x'), file('near', 'image/jpeg', 'waiting')]
  await nextTick()
  expect(text()).toContain('文件类型不被接收')
  expect(retries().map(({ textContent }) => textContent)).toEqual(['重试', '重试'])
  expect(changeMedia).not.toHaveBeenCalled()
  for (const button of retries()) {
    button.click()
    await vi.waitFor(() => expect(ring).toHaveBeenCalledOnce())
    ring.mockClear()
  }
  expect(changeMedia.mock.calls).toEqual([['far', { state: 'waiting', reason: null }], ['film', { state: 'waiting', reason: null }]])
})

it('says so when it could not be sent once more', async () => {
  vi.spyOn(console, 'error').mockReturnValue()
  changeMedia.mockRejectedValueOnce(new DOMException('no room', 'QuotaExceededError'))
  retries()[0]?.click()
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toContain('存储空间不足'))
  expect(ring).not.toHaveBeenCalled()
})
