// @vitest-environment node
// The third tier of what goes home: records, then photos, then clips.

import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Client } from './client'
import { openDb } from './db'
import { freshKey } from './device'
import { type Draft, type FieldSession, Store } from './store'

vi.mock('tus-js-client', () => vi.importActual('tus-js-client/lib.es5/browser/index.js'))

const TIME = '2026-11-26T01:00:00.000Z'
const [PHOTO, FILM] = ['b'.repeat(64), 'a'.repeat(64)]
const CASE = crypto.randomUUID()
let store: Store

beforeEach(async () => {
  store = new Store(await openDb(`clips-${crypto.randomUUID()}`))
  await store.enrolled({ device: crypto.randomUUID(), name: 'h', kind: 'handheld', epoch: 1 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
})

afterEach(() => vi.unstubAllGlobals())

const file = (sha256: string, mime: string, bytes: Blob) => ({
  evidence: { sha256, size: bytes.size, mime, role: 'scene', need: 'none' as const, captured_at: TIME }, filename: 'f', blob: bytes,
})
const film = () => file(FILM, 'video/mp4', new Blob(['film']))
const photo = () => file(PHOTO, 'image/jpeg', new Blob(['photo']))
const report = (files: Draft['files'], occurred_at = TIME): Draft => ({
  op_id: crypto.randomUUID(), type: 'case.note', target: { kind: 'case', id: CASE }, actor: 'u', session: 's', occurred_at,
  mono_ms: 1, boot: 'b', args: { text: '占道' }, files, ends: ['u/report/clip'],
})
/** As if the server had answered every record. */
const arrived = () => store.db.write((tx) => tx.clear('outbox'))

describe('what is uploaded next', () => {
  it('is a clip only when neither a record nor a photo waits, however old it is', async () => {
    await store.save(report([film()]))
    await store.save(report([photo()], '2026-11-26T02:00:00.000Z'))
    expect((await store.nextMedia(new Set()))?.sha256).toBe(PHOTO)
    await arrived()
    // A photo that did not go now is still before it.
    expect(await store.nextMedia(new Set([PHOTO]))).toBeNull()
    await store.changeMedia(PHOTO, { state: 'stored' })
    expect((await store.nextMedia(new Set()))?.sha256).toBe(FILM)
    await store.save(report([]))
    expect(await store.nextMedia(new Set())).toBeNull()
  })

  it('goes on after a restart at the address where it stopped, with the same bytes', async () => {
    await store.save(report([film()]))
    await arrived()
    await store.changeMedia(FILM, { upload_url: '/api/v1/uploads/7' })
    const again = new Store(store.db)
    expect(await again.nextMedia(new Set())).toMatchObject({ sha256: FILM, upload_url: '/api/v1/uploads/7', mime: 'video/mp4' })
    expect(await (await again.blob(FILM))?.text()).toBe('film')
  })
})

describe('a clip that is kept', () => {
  it('moves from the draft to the operation in one step, signed with its hash, or stays in the draft', async () => {
    await store.setDraft('u/report/clip', { blob: new Blob(['film']), sha256: FILM })
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore) {
      throw new DOMException('no room', 'QuotaExceededError')
    })
    await expect(store.save(report([photo(), film()]))).rejects.toMatchObject({ name: 'QuotaExceededError' })
    put.mockRestore()
    expect([await store.outbox(), await store.media(), await store.capturesWaiting()]).toEqual([[], [], []])
    expect(await (await store.draft<{ blob: Blob }>('u/report/clip'))?.blob.text()).toBe('film')

    await store.save(report([photo(), film()]))
    expect(await store.draft('u/report/clip')).toBeNull()
    expect(JSON.parse((await store.capturesWaiting())[0]?.raw ?? '').media).toEqual([{ sha256: PHOTO, size: 5 }, { sha256: FILM, size: 4 }])
    expect(await (await store.blob(FILM))?.text()).toBe('film')
  })
})

describe('an upload of a clip', () => {
  let begun = 0
  let client: Client

  /** A connection on which nothing comes back. */
  class Silent {
    upload = {}
    open(): void {}
    setRequestHeader(): void {}
    abort(): void {}
    send(): void {
      begun += 1
    }
  }

  beforeEach(async () => {
    begun = 0
    vi.stubGlobal('XMLHttpRequest', Silent)
    client = new Client(store, { app: 'test/1', storagePersisted: () => true }, () => undefined)
    await store.setSession({ session_id: 's', user: { id: 'u' } } as FieldSession)
    await store.save(report([film()]))
    await arrived()
  })

  it('makes room at once for what is saved, with no blame and no wait', async () => {
    const round = client['upload']()
    await vi.waitFor(() => expect(begun).toBe(1))
    await client.save('u', { type: 'case.note', target: { kind: 'case', id: CASE }, args: { text: '路灯' }, files: [photo()] })
    expect(await round).toBe(0)
    expect(client.standing.uploadTrouble).toEqual({})
    expect((await store.nextMedia(new Set()))?.sha256).toBe(PHOTO)
    expect((await store.media()).map(({ state }) => state)).toEqual(['waiting', 'waiting'])
  })

  it('waits for a WLAN when the person wished so, as photos do', async () => {
    await store.setMeta('wlan_only', true)
    vi.stubGlobal('navigator', { connection: { type: 'cellular' } })
    await client['upload']()
    expect([client.standing.paused, begun]).toEqual([true, 0])
    vi.stubGlobal('navigator', { connection: { type: 'wifi' } })
    const round = client['upload']()
    await vi.waitFor(() => expect(begun).toBe(1))
    expect(client.standing.paused).toBe(false)
    client.reconnected()
    await round
  })
})
