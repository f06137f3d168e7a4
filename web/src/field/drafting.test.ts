import 'fake-indexeddb/auto'
import { beforeEach, expect, it, vi } from 'vitest'
import { drafting } from './drafting'
import { openDb } from './sync/db'
import { Store } from './sync/store'

let store: Store
vi.mock('./field', () => ({ client: () => ({ store }), signal: () => undefined }))

beforeEach(async () => {
  Object.defineProperty(navigator, 'storage', { configurable: true, value: { estimate: async () => ({}) } })
  store = new Store(await openDb(`drafting-${crypto.randomUUID()}`))
})

const photo = (slot: string) => ({ slot, blob: new Blob([slot]), sha256: slot, taken_at: '', gps: null })
const kept = async () => ((await store.draft<{ slot: string }[]>('u/report/photos')) ?? []).map(({ slot }) => slot)

it('keeps both of two photos that follow each other quickly', async () => {
  const one = drafting('u', 'report', () => ({}))
  expect(await Promise.all([one.take(photo('far')), one.take(photo('near'))])).toEqual([true, true])
  expect(await kept()).toEqual(['far', 'near'])
})

it('lets go of one photo while the next one is being kept', async () => {
  const one = drafting('u', 'report', () => ({}))
  await one.take(photo('far'))
  await Promise.all([one.drop('far'), one.take(photo('near'))])
  expect(await kept()).toEqual(['near'])
  expect(one.photos.value.map(({ slot }) => slot)).toEqual(['near'])
})

it('keeps the second photo and still says why the first was not kept', async () => {
  const one = drafting('u', 'report', () => ({}))
  vi.spyOn(console, 'error').mockReturnValue()
  vi.spyOn(store, 'setDraft').mockRejectedValueOnce(new DOMException('no room', 'QuotaExceededError'))
  expect(await Promise.all([one.take(photo('far')), one.take(photo('near'))])).toEqual([false, true])
  expect(await kept()).toEqual(['near'])
  expect(one.trouble.value).toContain('存储空间不足')
})

it('has everything still when the work could not be begun anew, and says so', async () => {
  const one = drafting('u', 'report', () => ({ text: '' }))
  await one.keep({ text: 'words' })
  await one.take(photo('far'))
  vi.spyOn(console, 'error').mockReturnValue()
  vi.spyOn(store, 'setDraft').mockRejectedValueOnce(new DOMException('gone', 'UnknownError'))
  expect(await one.clear()).toBe(false)
  expect([one.draft.value.text, one.photos.value.length, await kept()]).toEqual(['words', 1, ['far']])
  expect(one.trouble.value).not.toBe('')
})

it('leaves nothing of a photo that was still being kept when the work was begun anew', async () => {
  const one = drafting('u', 'report', () => ({}))
  await Promise.all([one.take(photo('far')), one.clear()])
  expect([await kept(), one.photos.value]).toEqual([[], []])
})
