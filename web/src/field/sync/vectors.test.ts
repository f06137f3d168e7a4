// api-spec/sync-vectors.json: what the Rust client runs in tests/it/vectors.rs, here on IndexedDB.

import 'fake-indexeddb/auto'
import { describe, expect, it } from 'vitest'
import vectors from '../../../../api-spec/sync-vectors.json'
import { openDb } from './db'
import { Store } from './store'
import { type Change, type Snapshot, digestOf, digestsOf } from './wire'

let stores = 0

/** A device's own store, enrolled in an epoch. */
async function device(epoch: number): Promise<Store> {
  const store = new Store(await openDb(`vectors-${stores++}`))
  await store.db.write((tx) => tx.put('meta', { device: 'd', name: 'h', kind: 'handheld', epoch }, 'identity'))
  return store
}

describe('the vectors of sync', () => {
  it('digests are those of the vectors', async () => {
    for (const { kind, id, ver, number } of vectors.digest_of) {
      expect((await digestOf(kind, id, ver)).toString(16).padStart(16, '0')).toBe(number)
    }
    const { records, digest } = vectors.digests
    expect(await digestsOf(records, Object.keys(digest))).toEqual(digest)
  })

  it('a new epoch numbers what waits as the vector says', async () => {
    const { from_epoch, to_epoch, outbox, becomes, next_seq } = vectors.renumber
    const store = await device(from_epoch)
    await store.db.write(async (tx) => {
      for (const [place, op] of outbox.entries()) {
        const { op_id, seq, target } = op
        const row = { place: place - 100, epoch: from_epoch, seq, op_id, chains: false, target_kind: 'case', target_id: target.id }
        await tx.put('outbox', { ...row, made_at: op.occurred_at, raw: JSON.stringify(op) })
      }
    })
    const answer = { epoch: to_epoch, push_token: 't', generation: 'g', server_time: '2026-11-23T01:00:00Z' }
    expect(await store.beginEpoch(from_epoch, null, answer, 0)).toBe(true)
    expect((await store.waiting(100)).map(({ raw }) => JSON.parse(raw) as unknown)).toEqual(becomes)
    expect(await store.beginAttempt()).toMatchObject({ epoch: to_epoch, number: 1, push_token: 't' })
    const saved = await store.save({
      op_id: 'x', type: 'case.note', target: { kind: 'case', id: 'c' }, actor: 'u', session: 's',
      occurred_at: '2026-11-23T01:00:00Z', mono_ms: 1, boot: 'b', args: { text: 'x' }, files: [],
    })
    expect(saved.seq).toBe(next_seq)
  })

  it.each(vectors.snapshot_end)('a snapshot ends as the vectors say: $why', async (vector) => {
    const store = await device(1)
    await store.live(null, 'g')
    type Row = { id: string; ver: number; keys?: string[] }
    const read = async (rows: Row[], of: string[], extent: 'whole' | 'part') => {
      const items = rows.map(({ id, ver, keys }): Change => ({ seq: 1, t: 'upsert', kind: 'case', id, ver, keys: keys ?? [], data: {} }))
      const page: Snapshot = {
        generation: 'g', server_time: '2026-11-23T01:00:00Z', cursor: 'c', seq: 1, scope: vector.scope, of, items,
      }
      await store.snapshotBegin()
      await store.snapshotPage(page)
      await store.snapshotFinish(page, extent, 0)
    }
    await read(vector.here, vector.scope, 'whole')
    await read(vector.came, vector.of, vector.extent as 'whole' | 'part')
    const then = (await store.records('case')).map(({ id, ver }) => ({ id, ver }))
    expect(then).toEqual(vector.then)
  })
})
