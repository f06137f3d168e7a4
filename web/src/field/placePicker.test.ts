import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, h, nextTick, shallowRef } from 'vue'
import PlacePicker from './PlacePicker.vue'
import { outbox, sent } from './field'
import type { Frame } from './geo'
import type { Place } from './place'
import type { OutboxRow, SentRow } from './sync/store'

const grid = { code: '1', rings: [[[109, 27], [110, 27], [110, 28], [109, 28]]] }
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({ store: { meta: async (name: string) => (name === 'grid_map' ? { grids: [grid] } : null), records: async () => [] } }),
}))
vi.mock('./basemap', () => ({ basemapSource: async () => null }))
const frames: Frame[] = []
vi.mock('./drawing', () => ({ sizeOf: () => [336, 260], drawMap: (_on: unknown, frame: Frame) => frames.push(frame) }))

const measured = { lat: 27.44, lon: 109.945, datum: 'wgs84', accuracy_m: 6 }
const aiming = vi.fn()
const scrolled = vi.fn()
let app: App
function open(gps: typeof measured | null): void {
  const place = shallowRef<Place | null>(null)
  document.body.innerHTML = '<div id="app"></div>'
  const picker = () => h(PlacePicker, { measured: gps, place: place.value, onAiming: aiming, onPut: (put: Place | null) => void (place.value = put) })
  app = createApp({ render: picker })
  app.mount('#app')
}
const at = (id: string) => document.querySelector<HTMLElement>(`[data-testid=${id}]`)
const tap = async (id: string) => {
  at(id)?.click()
  await nextTick()
}

beforeEach(() => {
  outbox.value = []
  sent.value = []
  frames.length = 0
  aiming.mockClear()
  scrolled.mockClear()
  Element.prototype.scrollIntoView = scrolled
})
afterEach(() => app.unmount())

it('says when somebody aims, and that nobody does any more once it is gone', async () => {
  open(measured)
  await tap('place-correct')
  expect([aiming.mock.calls, scrolled.mock.calls]).toEqual([[[true]], [[{ block: 'start' }]]])
  await tap('place-done')
  expect(aiming).toHaveBeenLastCalledWith(false)
  await tap('place-correct')
  app.unmount()
  expect(aiming.mock.calls).toEqual([[true], [false], [true], [false]])
  open(measured)
})

it('puts what is said of the place and the end of aiming where neither moves the map nor lies under a bar', async () => {
  open(measured)
  await tap('place-correct')
  const follows = (one: string, other: string) => ((at(one) as Node).compareDocumentPosition(at(other) as Node) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0
  expect(at('place-map')?.parentElement?.contains(at('place-done'))).toBe(true)
  expect(follows('place-map', 'place')).toBe(true)
  at('place-map')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))
  await nextTick()
  expect([at('place')?.textContent?.includes('从定位处移了'), follows('place-map', 'place')]).toEqual([true, true])
  await tap('place-done')
  expect(at('place-undo')).not.toBeNull()
})

const op = (op_id: string, lat: number | null): OutboxRow => ({ op_id, raw: JSON.stringify({ type: 'case.handle', ...(lat === null ? {} : { gps: { ...measured, lat } }) }) }) as OutboxRow

it('begins without a fix where the device last was, not at all grids', async () => {
  sent.value = [op('b', 27.2), op('a', 27.1)] as SentRow[]
  open(null)
  await vi.waitFor(() => expect(frames.at(-1)?.centre).toEqual([109.945, 27.2]))
  app.unmount()
  outbox.value = [op('c', 27.3), op('d', null)]
  open(null)
  await vi.waitFor(() => expect(frames.at(-1)?.centre).toEqual([109.945, 27.3]))
  await new Promise((done) => setTimeout(done, 20))
  expect(at('place')?.textContent).toContain('没有定位')
  app.unmount()
  outbox.value = []
  sent.value = []
  open(null)
  await vi.waitFor(() => expect(frames.at(-1)?.centre).toEqual([109.5, 27.5]))
})
