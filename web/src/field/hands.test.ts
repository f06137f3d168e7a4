// Two people on one device, through the whole of field.ts: nobody sees what was read for the other.

import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { FieldSession } from './sync/store'

const who = (id: string) => ({ session_id: `s${id}`, access_token: `t${id}`, refresh_token: `r${id}`, user: { id, name: id, role: 'inspector' } }) as FieldSession
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })
const TIME = '2026-11-23T01:00:00.000Z'
const record = (id: string, key: string) => ({
  seq: 1, t: 'upsert', kind: 'case', id, ver: 1, keys: [key],
  data: { id, number: id, title: `of ${key}`, state: 'dispatched', reported_at: TIME, overdue: false, on_hold: false, rework_count: 0 },
})
const snapshot = (id: string) => ({
  generation: 'g', server_time: TIME, cursor: `c${id}`, seq: 10, scope: [`user:${id}`], of: [`user:${id}`], items: [record(`case${id}`, `user:${id}`)],
})
const changes = (prev: string) => ({
  generation: 'g', server_time: TIME, prev, next: prev, seq: 10, has_more: false, changes: [], floor: 0, next_poll_s: 60,
})

let up = true
/** A server that knows A and B by their tokens. */
async function server(url: string, init: { headers?: Record<string, string> } = {}): Promise<Response> {
  if (!up) throw new TypeError('no network')
  const id = (init.headers?.['Authorization'] ?? '').slice(-1)
  if (url.includes('/sync/snapshot')) return json(snapshot(id))
  if (url.includes('/sync/changes')) {
    const cursor = new URL(url, 'http://x').searchParams.get('cursor') ?? ''
    return cursor === `c${id}` ? json(changes(cursor)) : json({ code: 'scope_changed' }, 409)
  }
  return json({ code: 'not_found' }, 404)
}

const idle = () => new Promise((done) => setTimeout(done, 150))
let field: typeof import('./field')

beforeEach(async () => {
  vi.resetModules()
  indexedDB.deleteDatabase('chengguan-field')
  up = true
  vi.stubGlobal('fetch', server)
  Object.defineProperty(navigator, 'locks', { configurable: true, value: {
    request: (name: string, work: () => unknown) => (name === 'chengguan-field-sync' ? new Promise(() => undefined) : Promise.resolve().then(work)),
  } })
  Object.defineProperty(navigator, 'storage', { configurable: true, value: { persisted: async () => true, estimate: async () => ({}) } })
  field = await import('./field')
  await field.start()
})

const read = () => field.client()['read']()
const titles = () => field.cases.value.map(({ title }) => title)

describe('a change of shift while the network goes away', () => {
  it('the one who comes back sees nothing that was read for the other', async () => {
    const { client } = field
    const { store } = client()
    await store.setSession(who('A'))
    await client().persons.setPin('135790')
    await read() // snapshot
    await read() // changes, idle
    await idle()
    expect(titles()).toEqual(['of user:A'])
    await client().handOver()
    // B signs in; the server says scope_changed, then gives the snapshot; then the network is gone.
    await store.setSession(who('B'))
    client()['changedHands']()
    await read()
    await read()
    up = false
    await read()
    await store.setSession(null)
    expect((await client().unlock('A', '135790')).t).toBe('open')
    await idle()
    expect(titles()).not.toContain('of user:B')
  })

  it('the second person of a new device sees nothing that was read for the first', async () => {
    const { client } = field
    const { store } = client()
    await store.setSession(who('A'))
    await read() // the snapshot came, and then the network was gone
    up = false
    await read()
    await store.setSession(null)
    await store.setSession(who('B'))
    client()['changedHands']()
    await idle()
    expect(titles()).not.toContain('of user:A')
  })
})
