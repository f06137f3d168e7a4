import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Json, canonical, sha256 } from '../../lib/capture'
import type { Role, User } from '../../lib/types'
import { openDb } from './db'
import { Store } from './store'
import { renewVisits, visitsOf } from './visits'

const user = (id: string, role: Role): User => ({ id, username: id, name: id, role, unit_id: null }) as User
const frame = { units: [{ code: 'A01', name: '县公安局', sites: [{ code: 's1', kind: 'market', weight: 1 }] }] }
const draw = async () => ({
  frame, frame_sha256: await sha256(canonical(frame as unknown as Json)), result_sha256: 'aa', frame_entry: 'e', result_entry: 'f', open_from: 'o',
  picks: [{ id: 'p', unit_id: 'u', site_code: 's1', turn: 0 }], sites: [{ id: 'i', code: 's1' }],
})
const answer = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })
const asked: string[] = []

/** A server with this draw. */
const server = (drawn: () => Response) => async (path: string) => {
  asked.push(path)
  return path.startsWith('/draws/') ? drawn() : answer({ checklist: { version: 2, kinds: [] }, fence_m: 80 })
}

let stores = 0
async function device(who: User): Promise<Store> {
  const store = new Store(await openDb(`visits-${stores++}`))
  await signIn(store, who)
  return store
}
const signIn = (store: Store, who: User) =>
  store.setSession({ session_id: 's', access_token: 'a', refresh_token: 'r', user: who })

describe('the visits that are taken along', () => {
  beforeEach(() => asked.splice(0))

  it('are there without a network, each person’s own, with what the draw is checked by', async () => {
    const store = await device(user('zhang', 'spot_checker'))
    const found = await draw()
    await renewVisits(store, server(() => answer(found)))
    expect(await visitsOf(store, 'zhang')).toMatchObject({
      checklist: { version: 2 }, fence_m: 80, units: { u: '县公安局' }, sites: [{ code: 's1' }], ticket: { frame_agrees: true, result_sha256: 'aa' },
    })
    await signIn(store, user('wang', 'inspector'))
    await renewVisits(store, server(() => answer({ ...found, frame_sha256: 'bb' })))
    expect((await visitsOf(store, 'wang'))?.ticket?.frame_agrees).toBe(false)
    expect((await visitsOf(store, 'zhang'))?.ticket?.frame_agrees).toBe(true)
    await store.wipe()
    expect(await visitsOf(store, 'zhang')).toBeNull()
  })

  it('are not asked for again while they are fresh, and stay when there is no way to the server', async () => {
    const store = await device(user('zhang', 'spot_checker'))
    const found = await draw()
    await renewVisits(store, server(() => answer(found)))
    await renewVisits(store, server(() => answer(found)))
    expect(asked).toHaveLength(2)
    const away = async (): Promise<Response> => Promise.reject(new Error('offline'))
    await renewVisits(store, away, 0)
    await renewVisits(store, server(() => answer({}, 503)), 0)
    expect((await visitsOf(store, 'zhang'))?.picks).toHaveLength(1)
  })

  it('are none in a week without a draw, and of whoever makes no visits', async () => {
    const store = await device(user('zhang', 'spot_checker'))
    await renewVisits(store, server(() => answer({}, 404)))
    expect(await visitsOf(store, 'zhang')).toMatchObject({ ticket: null, picks: [] })
    const other = await device(user('li', 'officer'))
    asked.splice(0)
    await renewVisits(other, server(() => answer({})))
    expect([asked, await visitsOf(other, 'li')]).toEqual([[], null])
  })
})
