// The handheld at work, where what it hears or what it writes on is not to be trusted.
// @vitest-environment node

import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Client, NotSignedIn } from './client'
import { openDb } from './db'
import { freshKey } from './device'
import { type FieldSession, Store } from './store'

let store: Store
let client: Client
const TIME = new Date().toISOString()
const PHOTO = 'a'.padEnd(64, '0')
const DAY = 86_400_000
const A = { session_id: 'sa', access_token: 'ta', refresh_token: 'ra', user: { id: 'A' } } as FieldSession
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })

beforeEach(async () => {
  store = new Store(await openDb(`r-${crypto.randomUUID()}`))
  await store.enrolled({ device: crypto.randomUUID(), name: 'h', kind: 'handheld', epoch: 1 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
  await store.setSession(A)
  client = new Client(store, { app: 'test/1', storagePersisted: () => true }, () => undefined)
  vi.stubGlobal('navigator', { locks: { request: (_: string, work: () => unknown) => Promise.resolve().then(work) } })
})
afterEach(() => { vi.unstubAllGlobals(); vi.restoreAllMocks() })

const file = (text: string) => ({
  evidence: { sha256: text.padEnd(64, '0'), size: text.length, mime: 'image/jpeg', role: 'scene', need: 'none' as const, captured_at: TIME }, filename: 'f', blob: new Blob([text]),
})
const note = (files: ReturnType<typeof file>[] = []) => client.save('A', { type: 'case.note', target: { kind: 'case', id: 'c' }, args: { text: 'x' }, files })

describe('a box on the way', () => {
  it('that says 403 with a page of its own does not end the session of a person in the street', async () => {
    await client.persons.setPin('135790')
    vi.stubGlobal('fetch', async () => new Response('<h1>Forbidden', { status: 403 }))
    await client['read']()
    expect(await store.session()).not.toBeNull()
    await note()
  })
  it('that says 401 to the renewal does not end it', async () => {
    let n = 0
    vi.stubGlobal('fetch', async () => (n++ === 0 ? json({ code: 'token_expired' }, 401) : new Response('<h1>Proxy auth', { status: 403 })))
    await client['read']()
    await client['read']()
    expect(await store.session()).not.toBeNull()
  })
  it('that says 200 with a JSON of its own to the renewal does not replace the session by nothing', async () => {
    let n = 0
    vi.stubGlobal('fetch', async () => (n++ === 0 ? json({ code: 'token_expired' }, 401) : json({ result: 0 })))
    await client['read']()
    await client['read']()
    expect((await store.session())?.session_id).toBe('sa')
  })
  it('that says 200 with a JSON of its own to a read of the feed is no new life of the server', async () => {
    await store.setMeta('generation', 'g')
    await store.setMeta('place', { generation: 'g', cursor: 'c1', seq: 1 })
    vi.stubGlobal('fetch', async () => json({ result: 0 }))
    await client['read']().catch(() => undefined)
    expect([await store.generation(), await store.place()]).toEqual(['g', { generation: 'g', cursor: 'c1', seq: 1 }])
  })
})

describe('a store that takes no more', () => {
  it('does not keep its photos from leaving', async () => {
    await note([file('a')])
    vi.spyOn(store, 'beginAttempt').mockRejectedValue(new DOMException('no room', 'QuotaExceededError'))
    const next = vi.spyOn(store, 'nextMedia').mockResolvedValue(null)
    await client['send']().catch(() => undefined)
    await client['upload']()
    expect(next).toHaveBeenCalled()
  })
})

describe('a photo that waited four days for a network', () => {
  it('is kept for three days after it is stored, should the server be restored', async () => {
    const now = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(now - 4 * DAY)
    await note([file('a')])
    vi.mocked(Date.now).mockRestore()
    await store.changeMedia(PHOTO, { state: 'stored' })
    await store.forget(new Date(now - 30 * DAY).toISOString())
    await store.live(null, 'g1')
    await store.live('g1', 'g2')
    expect([(await store.blob(PHOTO)) !== undefined, (await store.media())[0]?.state]).toEqual([true, 'waiting'])
  })
  it('is kept as long on a device whose clock is years behind, and leaves nothing then', async () => {
    const now = Date.now()
    const server = (days: number) => new Date(now + days * DAY).toISOString()
    vi.spyOn(Date, 'now').mockReturnValue(now - 400 * DAY)
    await store.setOffset({ offset_ms: -400 * DAY, measured_at: 0 })
    await note([file('a')])
    await store.changeMedia(PHOTO, { state: 'stored' })
    const kept = async () => [(await store.media()).length, (await store.db.read((tx) => tx.keys('blobs'))).length]
    await store.forget(server(-30))
    expect(await kept()).toEqual([1, 1])
    vi.mocked(Date.now).mockReturnValue(now - 396 * DAY)
    await store.forget(server(-26))
    expect(await kept()).toEqual([1, 0])
    vi.mocked(Date.now).mockReturnValue(now - 369 * DAY)
    await store.forget(server(1))
    expect(await kept()).toEqual([0, 0])
  })
})

describe('all uploaded', () => {
  it('is not said while a photo was not taken by the server', async () => {
    await note([file('a')])
    await store.db.write((tx) => tx.clear('outbox'))
    await store.changeMedia(PHOTO, { state: 'refused', reason: 'x' })
    await client['upload']()
    expect(client.standing.settledAt).toBeNull()
  })
})

describe('what a person builds on', () => {
  it('is their own step and not that of a colleague, which they do not see', async () => {
    await store.db.write((tx) => tx.put('base', { kind: 'case', id: 'c', ver: 4, gone: 0, data: {}, keys: [] }))
    const base = await store.baseFor({ kind: 'case', id: 'c' }, 'A')
    await client.save('A', { type: 'case.handle', target: { kind: 'case', id: 'c' }, base: base!, args: { note: 'A did' }, files: [] })
    await store.setSession({ ...A, session_id: 'sb', user: { id: 'B' } } as FieldSession)
    // B's list shows only the record (`unseen` of other actors is left out).
    expect(await store.baseFor({ kind: 'case', id: 'c' }, 'B')).toEqual({ ver: 4 })
    expect(await store.baseFor({ kind: 'case', id: 'c' }, 'A')).not.toEqual({ ver: 4 })
  })
})

describe('a photo that was refused and is attached once more', () => {
  it('waits again, with its bytes', async () => {
    await note([file('a')])
    await store.changeMedia(PHOTO, { state: 'refused', reason: 'x' })
    await store.db.write((tx) => tx.delete('blobs', PHOTO))
    await note([file('a')])
    expect([(await store.media())[0]?.state, (await store.blob(PHOTO)) !== undefined]).toEqual(['waiting', true])
  })
})

describe('what a person began', () => {
  it('is not saved in the name of whoever is signed in now', async () => {
    const late = client.save('B', { type: 'case.note', target: { kind: 'case', id: 'c' }, args: { text: 'x' }, files: [] })
    await expect(late).rejects.toBeInstanceOf(NotSignedIn)
    expect(await store.outbox()).toEqual([])
  })
})

describe('a firewall that forbids everything', () => {
  it('leaves a person who has digits able to work', async () => {
    await client.persons.setPin('135790')
    vi.stubGlobal('fetch', async () => new Response('<h1>Forbidden', { status: 403 }))
    await client['read']()
    await client.lock()
    expect(await client.unlock('A', '135790')).toMatchObject({ t: 'open' })
  })
})
