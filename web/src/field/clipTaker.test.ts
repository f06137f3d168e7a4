import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, h, ref, shallowRef } from 'vue'
import ClipTaker from './ClipTaker.vue'
import type { Clip } from './clip'
import { route } from './field'

const stopTrack = vi.fn()
vi.mock('./camera', async (whole) => ({
  ...(await whole<typeof import('./camera')>()),
  openFilmCamera: async () => ({ getTracks: () => [{ stop: stopTrack }] }),
}))

/** Says what it has a while after it was told to stop, as a browser does. */
class Recorder {
  static isTypeSupported = () => true
  state = 'inactive'
  ondataavailable: (event: { data: Blob }) => void = () => undefined
  onstop: () => void = () => undefined
  start(): void {
    this.state = 'recording'
  }
  stop(): void {
    this.state = 'inactive'
    setTimeout(() => {
      this.ondataavailable({ data: new Blob([filmed]) })
      this.onstop()
    })
  }
}

let filmed = 'film'
/** The draft as the device keeps it. */
let stored: Clip | null
let disk: () => Promise<unknown>
let pages: App[] = []
/** A page as it is opened: it reads the draft once. */
function open() {
  const [clip, working, shown] = [shallowRef(stored), ref(false), ref(true)]
  const keep = async (wanted: Clip | null): Promise<boolean> => {
    if ((await disk()) === false) return false
    stored = wanted
    clip.value = wanted
    return true
  }
  document.body.innerHTML = '<div id="app"></div>'
  const taker = () => h(ClipTaker, { clip: clip.value, keep, working: working.value, 'onUpdate:working': (now: boolean) => void (working.value = now) })
  const app = createApp({ render: () => (shown.value ? taker() : null) })
  app.mount('#app')
  pages.push(app)
  return { app, clip, working, shown }
}

const button = (id: string) => document.querySelector<HTMLButtonElement>(`[data-testid=${id}]`)
async function film() {
  const page = open()
  button('clip-open')?.click()
  await vi.waitFor(() => expect(button('clip-start')?.disabled).toBe(false))
  button('clip-start')?.click()
  await vi.waitFor(() => expect(button('clip-stop')).not.toBeNull())
  return page
}
const later = () => new Promise((done) => setTimeout(done, 50))
const text = () => document.body.textContent

beforeEach(() => {
  vi.stubGlobal('MediaRecorder', Recorder)
  HTMLMediaElement.prototype.play = async () => undefined
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', { value: null, writable: true, configurable: true })
  route.page = 'report'
  filmed = 'film'
  stored = null
  disk = async () => true
  stopTrack.mockClear()
})
afterEach(() => {
  for (const page of pages.splice(0)) page.unmount()
  vi.unstubAllGlobals()
})

it('keeps what was recorded when the page is left, and lets go of the camera', async () => {
  const { app } = await film()
  route.page = 'tasks'
  app.unmount()
  expect(stopTrack).toHaveBeenCalled()
  await vi.waitFor(() => expect(stored?.blob.size).toBe(4))
  route.page = 'report'
  const back = open()
  await later()
  expect([button('clip-remove') === null, back.working.value, text()?.includes('没有保存')]).toEqual([false, false, false])
})

it('gives the clip to a page that was open again before it was kept, which waits for it', async () => {
  let write: (done: boolean) => void = () => undefined
  disk = () => new Promise((done) => (write = done))
  const { app } = await film()
  app.unmount()
  const back = open()
  await vi.waitFor(() => expect(back.working.value).toBe(true))
  expect(text()).toContain('正在保存录像')
  await later()
  disk = async () => true
  write(true)
  await vi.waitFor(() => expect(back.clip.value?.blob.size).toBe(4))
  await vi.waitFor(() => expect(back.working.value).toBe(false))
})

it('says on return that it could not be kept, once, and on that page only', async () => {
  disk = async () => false
  const { app } = await film()
  app.unmount()
  route.page = 'case/1/finish'
  open()
  await later()
  expect(text()).not.toContain('没有保存')
  route.page = 'report'
  open()
  await vi.waitFor(() => expect(text()).toContain('离开时正在录的录像没有保存下来'))
  open()
  await later()
  expect(text()).not.toContain('没有保存')
})

it('says so, too, when nothing had been recorded yet', async () => {
  filmed = ''
  const { shown } = await film()
  shown.value = false
  await later()
  shown.value = true
  await vi.waitFor(() => expect(text()).toContain('离开时正在录的录像没有保存下来'))
  expect(stored).toBeNull()
})
