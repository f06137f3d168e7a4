// A's form stands open in a tab whose timers rest (Android freezes what is in the background), while B takes over in another.

import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { afterEach, expect, it, vi } from 'vitest'
import { type App, createApp } from 'vue'
import { uuidv7 } from './sync/device'
import type { FieldSession, Store } from './sync/store'

const TIME = '2026-11-23T01:00:00.000Z'
const SEEN = 'what A alone has seen'
const who = (id: string) => ({ session_id: `s${id}`, access_token: `t${id}`, refresh_token: `r${id}`, user: { id, name: id, role: 'officer', unit_id: 'unit' } }) as unknown as FieldSession
const idle = () => new Promise((done) => setTimeout(done, 150))

let app: App | null = null
afterEach(() => {
  app?.unmount()
  app = null
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
})

const box = (name: string) => document.querySelector<HTMLTextAreaElement>(`textarea[name=${name}]`)
const submit = () => document.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }))
const saved = async (store: Store) => (await store.outbox()).map(({ raw }) => JSON.parse(raw) as unknown)

/** A at their work in this tab, and then B in the other one; `wake` lets this one hear of it. */
async function overtaken(hash: string, name: string, drafts: Record<string, unknown>): Promise<{ store: Store; wake: () => Promise<void> }> {
  vi.resetModules()
  vi.stubGlobal('indexedDB', new IDBFactory())
  vi.stubGlobal('isSecureContext', true)
  vi.stubGlobal('fetch', async () => { throw new TypeError('no network') })
  Object.defineProperty(navigator, 'locks', { configurable: true, value: {
    request: (lock: string, work: () => unknown) => (lock === 'chengguan-field-sync' ? new Promise(() => undefined) : Promise.resolve().then(work)),
  } })
  Object.defineProperty(navigator, 'storage', { configurable: true, value: { persisted: async () => true, estimate: async () => ({}) } })
  location.hash = `#${hash}`
  const { openDb } = await import('./sync/db')
  const { Store } = await import('./sync/store')
  const { Client } = await import('./sync/client')
  const { freshKey } = await import('./sync/device')
  const store = new Store(await openDb())
  const others = new BroadcastChannel('chengguan-field')
  store.changed = () => others.postMessage(null)
  await store.enrolled({ device: uuidv7(0), name: 'h', kind: 'handheld', epoch: 1 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
  const data = { id: 'c', number: '1', title: '占道', state: 'dispatched', unit_id: 'unit', reported_at: TIME, overdue: false, on_hold: false, rework_count: 0 }
  await store.db.write((tx) => tx.put('base', { kind: 'case', id: 'c', ver: 4, gone: 0, data, keys: ['unit:unit'] }))
  const otherTab = new Client(store, { app: 't/1', storagePersisted: () => true }, () => undefined)
  // B worked here in the morning, and A after them.
  await store.setSession(who('B'))
  await otherTab.persons.setPin('246802')
  await otherTab.handOver()
  await store.setSession(who('A'))
  await store.setMeta('read_as', 'A')
  await otherTab.persons.setPin('135790')
  for (const [entry, value] of Object.entries(drafts)) await store.setDraft(entry, value)

  const root = document.createElement('div')
  document.body.append(root)
  app = createApp((await import('./App.vue')).default)
  app.mount(root)
  await vi.waitFor(() => expect(box(name)).not.toBeNull())

  const rest: (() => void)[] = []
  const timer = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void) => rest.push(work)) as never)
  await otherTab.handOver()
  expect(await otherTab.unlock('B', '246802')).toMatchObject({ t: 'open' })
  timer.mockRestore()
  const { session } = await import('./field')
  return {
    store,
    async wake() {
      for (const work of rest) work()
      await vi.waitFor(() => {
        others.postMessage(null)
        expect(session.value?.user.id).toBe('B')
      })
      await idle()
      others.close()
    },
  }
}

const STEP = { 'A/step/c/note': { words: SEEN, until: '' } }
const REPORT = { 'A/report': { chosen: null, condition: '', description: SEEN, address: '', place: null, handled: null } }

it.each([['case/c/note', 'words', STEP], ['report', 'description', REPORT], ['case/c/edit', 'description', {}]])('what A began is neither shown to B nor saved as B’s: %s', async (hash, name, drafts) => {
  const { store, wake } = await overtaken(hash, name, drafts)
  const field = box(name)
  if (field !== null && field.value === '') {
    field.value = SEEN
    field.dispatchEvent(new Event('input'))
  }
  expect(field?.value).toBe(SEEN)
  await wake()
  const shown = document.body.textContent + [...document.querySelectorAll('textarea')].map(({ value }) => value).join()
  submit()
  await idle()
  expect(shown).not.toContain(SEEN)
  expect(await saved(store)).toEqual([])
  for (const [entry, value] of Object.entries(drafts)) expect(await store.draft(entry)).toEqual(value)
})

it('a form that is submitted before its page hears of the other person says so and keeps its draft', async () => {
  const { store, wake } = await overtaken('case/c/note', 'words', STEP)
  submit()
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toBe('现在登录本机的不是您，这一步没有保存；存在本机的草稿仍在，请您登录或解锁后再提交。'))
  expect(await saved(store)).toEqual([])
  expect(await store.draft('A/step/c/note')).toEqual(STEP['A/step/c/note'])
  await wake()
})
