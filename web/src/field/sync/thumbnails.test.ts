// @vitest-environment node

import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { thumbnailOf } from './beside'
import { openDb } from './db'
import { Store } from './store'
import type { Snapshot } from './wire'

let store: Store
let asked: string[]
let answer: () => Response
const get = async (path: string): Promise<Response> => {
  asked.push(path)
  return answer()
}
const look = (id: string) => thumbnailOf(store, get, id)
const picture = () => new Response(new Blob(['x'], { type: 'image/jpeg' }), { headers: { 'Content-Type': 'image/jpeg' } })
const snapshotOf = (user: string) =>
  store.snapshotFinish({ generation: 'g', server_time: '2026-11-27T01:00:00Z', cursor: 'c', scope: ['all', `user:${user}`], of: [], items: [] } as Snapshot, 'whole', 0)

beforeEach(async () => {
  store = new Store(await openDb(`t-${crypto.randomUUID()}`))
  asked = []
  answer = picture
  await snapshotOf('a')
})

describe('a small picture of evidence', () => {
  it('is there without a network once it was looked at, and is not asked for again', async () => {
    expect((await look('1'))?.size).toBe(1)
    answer = () => {
      throw new TypeError('no network')
    }
    expect([(await look('1'))?.size, await look('2'), asked.length]).toEqual([1, null, 2])
  })

  it('is not kept of what the server refuses, nor of the page of a box on the way', async () => {
    answer = () => Response.json({ code: 'reason_required' }, { status: 403 })
    expect(await look('1')).toBeNull()
    answer = () => new Response('<h1>Welcome', { headers: { 'Content-Type': 'text/html' } })
    expect(await look('1')).toBeNull()
    answer = picture
    expect(await look('1')).not.toBeNull()
  })

  it('goes when another person reads, and stays for the same', async () => {
    await look('1')
    await snapshotOf('a')
    await look('1')
    expect(asked.length).toBe(1)
    await snapshotOf('b')
    await look('1')
    expect(asked.length).toBe(2)
  })

  it('makes room for a newer one when there are many', async () => {
    for (let n = 0; n <= 200; n += 1) await look(String(n))
    expect((await store.db.read((tx) => tx.keys('blobs'))).length).toBe(200)
    await look('200')
    await look('0')
    expect(asked.length).toBe(202)
  })
})
