// Writes that fail: nothing of them is there, and whoever saved hears it.

import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { STORES, type StoreName, openDb } from './db'
import { freshKey } from './device'
import { type Draft, Store } from './store'

const TIME = '2026-11-23T01:00:00.000Z'
const [O, P] = [crypto.randomUUID(), crypto.randomUUID()]
const CASE = crypto.randomUUID()
let stores = 0
let name: string
let store: Store

beforeEach(async () => {
  name = `db-${stores++}`
  store = new Store(await openDb(name))
  const identity = { device: crypto.randomUUID(), name: 'h', kind: 'handheld', epoch: 1 }
  await store.enrolled(identity, await freshKey(), { offset_ms: 0, measured_at: 0 })
  await store.setDraft('u/report', { title: '占道' })
})

afterEach(() => vi.restoreAllMocks())

const report = (op_id: string): Draft => ({
  op_id, type: 'case.report', target: { kind: 'case', id: CASE }, actor: 'u', session: 's', occurred_at: TIME,
  mono_ms: 1, boot: 'b', args: { title: '占道' }, ends: ['u/report'],
  files: ['a', 'b'].map((letter) => ({
    evidence: { sha256: letter.repeat(64), size: 3, mime: 'image/jpeg', role: 'scene', need: 'none', captured_at: TIME },
    filename: `${letter}.jpg`, blob: new Blob(['abc']),
  })),
})

/** How many rows each store has, and the counters. */
const everything = () =>
  store.db.read(async (tx) => {
    const counts: [StoreName, number][] = []
    for (const one of STORES) counts.push([one, await tx.count(one)])
    return { counts, place: await tx.get('meta', 'next_place'), seq: await tx.get('meta', 'next_seq') }
  })

const full = () => new DOMException('no room', 'QuotaExceededError')

/** The so-manieth request that writes from now on fails; says whether it came to that. */
function failAt(number: number): () => boolean {
  let left = number
  for (const method of ['put', 'add', 'delete'] as const) {
    const original = IDBObjectStore.prototype[method] as (...of: unknown[]) => IDBRequest
    vi.spyOn(IDBObjectStore.prototype, method).mockImplementation(function (this: IDBObjectStore, ...of: unknown[]) {
      left -= 1
      if (left === 0) throw full()
      return original.apply(this, of) as never
    })
  }
  return () => left <= 0
}

describe('a write that fails', () => {
  it('at any of its requests leaves nothing, and the draft stays', async () => {
    const before = await everything()
    let requests = 0
    for (;;) {
      const failed = failAt(requests + 1)
      const saved = await store.save(report(O)).catch((error: unknown) => error)
      vi.restoreAllMocks()
      if (!failed()) break
      requests += 1
      expect(saved).toMatchObject({ name: 'QuotaExceededError' })
      expect(await everything()).toEqual(before)
    }
    // The operation, its record and the head, two counters, two photos with their bytes, the draft.
    expect(requests).toBe(10)
    expect((await everything()).counts).toContainEqual(['outbox', 1])
  })

  it('at its very end, when the bytes are to go to the disk, leaves nothing and says so', async () => {
    const before = await everything()
    const original = IDBObjectStore.prototype.delete
    vi.spyOn(IDBObjectStore.prototype, 'delete').mockImplementation(function (this: IDBObjectStore, key) {
      const request = original.call(this, key)
      // The draft is the last thing that a save touches.
      this.transaction.abort()
      return request
    })
    await expect(store.save(report(O))).rejects.toMatchObject({ name: 'AbortError' })
    vi.restoreAllMocks()
    expect(await everything()).toEqual(before)
  })

  it('is not called saved before it is complete, and asks for the disk each time', async () => {
    const begin = vi.spyOn(IDBDatabase.prototype, 'transaction')
    await store.save(report(O))
    await store.setDraft('u/report', { title: '占道' })
    await store.beginAttempt()
    const writes = begin.mock.calls.filter(([, mode]) => mode === 'readwrite')
    expect(writes.length).toBe(3)
    for (const [, , options] of writes) expect(options).toEqual({ durability: 'strict' })
  })
})

describe('a store that the browser closed', () => {
  it('is opened again by whoever needs it next, with all that was in it', async () => {
    await store.save(report(O))
    store.db.close()
    const both = await Promise.all([store.save({ ...report(P), files: [] }), store.outbox()])
    expect(both[0].op_id).toBe(P)
    expect((await store.outbox()).map(({ op_id }) => op_id)).toEqual([O, P])
  })

  it('for a newer app fails in words that say so, and keeps what is there', async () => {
    await store.save(report(O))
    const newer = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open(name, 1_000)
      opening.onsuccess = () => resolve(opening.result)
      opening.onerror = () => reject(opening.error)
    })
    await expect(store.save(report(P))).rejects.toMatchObject({ name: 'VersionError' })
    const count = newer.transaction('outbox').objectStore('outbox').count()
    expect(await new Promise((resolve) => (count.onsuccess = () => resolve(count.result)))).toBe(1)
    newer.close()
  })
})

describe('the number of the records', () => {
  const row = { kind: 'case', id: CASE, ver: 1, gone: 0, data: {}, keys: [] }

  it('is another one after each change of a record, also of one that was taken away', async () => {
    expect(await store.recordsNumber()).toBeNull()
    await store.db.write((tx) => tx.put('base', row))
    const first = await store.recordsNumber()
    await store.db.write((tx) => tx.delete('base', ['case', CASE]))
    const second = await store.recordsNumber()
    await store.wipe()
    expect(new Set([null, first, second, await store.recordsNumber()]).size).toBe(4)
  })

  it('stays when something else is saved, or a change of a record fails', async () => {
    await store.db.write((tx) => tx.put('base', row))
    const number = await store.recordsNumber()
    await store.setMeta('read_at', 1)
    await store.save(report(O))
    const fails = store.db.write(async (tx) => {
      await tx.put('base', { ...row, ver: 2 })
      throw full()
    })
    await expect(fails).rejects.toMatchObject({ name: 'QuotaExceededError' })
    expect(await store.recordsNumber()).toBe(number)
  })
})

describe('a store that is full', () => {
  it('gives up a photo that the server has for work that is new, and none that waits', async () => {
    await store.save(report(O))
    const [first, second] = (await store.media()).map(({ sha256 }) => sha256) as [string, string]
    await store.changeMedia(first, { state: 'stored' })
    const room = async () => (await store.blob(first)) === undefined
    const add = IDBObjectStore.prototype.add as (...of: unknown[]) => IDBRequest
    let freed = await room()
    vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(function (this: IDBObjectStore, ...of: unknown[]) {
      if (!freed) {
        freed = true
        throw full()
      }
      return add.apply(this, of) as never
    })
    await store.save({ ...report(P), files: [] })
    expect([(await store.outbox()).length, await room(), (await store.blob(second)) !== undefined]).toEqual([2, true, true])
  })
})
