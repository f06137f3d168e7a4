// What the server says: pages of the feed, snapshots, and the words about operations.

import type { Tx } from './db'
import { type Extent, type Place, storedUnderItsNumber } from './keep'
import { measured } from './rules'
import type { BaseRow, MediaRow, OutboxRow, SentRow } from './store'
import { dropThumbnails } from './thumbnails'
import { type Change, type Changes, OPEN, type OpResult, type Snapshot } from './wire'

/** The key that each person holds alone. */
const USER_KEY = 'user:'

type ShadowRow = Omit<BaseRow, 'gone'>

/** Moves an operation from the outbox to the answered ones; false when it does not wait. */
export async function settle(tx: Tx, opId: string, result: OpResult, at: string): Promise<boolean> {
  const row = await tx.get<OutboxRow>('outbox', opId, 'op_id')
  if (row === undefined) return false
  await tx.delete('outbox', row.place)
  const { arrived, ...queued } = row
  const word = arrived === true ? { ...result, duplicate: false } : result
  await tx.put('sent', { ...queued, answered_at: at, status: result.status, result: word } satisfies SentRow)
  return true
}

/** Puts an answered operation at its old place in the queue. */
export async function again(tx: Tx, row: SentRow, more: { arrived?: true } = {}): Promise<void> {
  const { answered_at: _at, status: _status, result: _result, ...queued } = row
  await tx.put('outbox', { ...queued, ...more } satisfies OutboxRow)
  await tx.delete('sent', row.op_id)
}

/** Keeps a newer word about an operation that was answered before. */
async function amend(tx: Tx, opId: string, result: OpResult): Promise<void> {
  const row = await tx.get<SentRow>('sent', opId)
  if (row === undefined) return
  // Whether it had come under its own number is the first answer's word, not the feed's.
  const { duplicate } = row.result
  const word = duplicate === undefined ? result : { ...result, duplicate }
  await tx.put('sent', { ...row, status: result.status, result: word })
}

/** Applies a page that continues what is here. */
export async function applyPage(tx: Tx, page: Changes, now: number): Promise<boolean> {
  const here = await tx.get<Place>('meta', 'place')
  if (here?.cursor !== page.prev || here.generation !== page.generation) return false
  for (const change of page.changes) await applyOne(tx, change, page.server_time)
  // An older server says no number; then what came is as far as can be known.
  const seq = Math.max(here.seq, page.seq ?? 0, ...page.changes.map((change) => change.seq))
  await tx.put('meta', { generation: page.generation, cursor: page.next, seq } satisfies Place, 'place')
  await tx.put('meta', measured(now, page.server_time), 'offset')
  await sweep(tx)
  return true
}

async function applyOne(tx: Tx, change: Change, at: string): Promise<void> {
  const { kind, id } = change
  const known = await tx.get<BaseRow>('base', [kind, id])
  switch (change.t) {
    case 'upsert':
      // A snapshot's later pages may be newer than its cursor; the feed then repeats older versions.
      if (known === undefined || known.gone === 1 || (change.ver ?? 0) >= known.ver) await tx.put('base', rowOf(change))
      return
    case 'leave':
      // What unsent work belongs to stays; the sweep takes the others at once.
      if (known !== undefined) await tx.put('base', { ...known, gone: 1 })
      return
    case 'op_result': {
      const result = change.data as OpResult
      const opId = result.op_id ?? id
      // Also for one that still waits here: its answer was lost, and this is the same answer.
      if (!(await settle(tx, opId, result, at))) await amend(tx, opId, result)
    }
  }
}

const rowOf = ({ kind, id, ver, keys, data }: Change): BaseRow => ({
  kind, id, ver: ver ?? 0, gone: 0, data: data ?? null, keys: keys ?? [],
})

/** Removes records that are gone and that nothing unsent belongs to any more. */
export async function sweep(tx: Tx): Promise<void> {
  for (const { kind, id } of await tx.all<BaseRow>('base', 1, 'gone')) {
    if ((await tx.count('outbox', [kind, id], 'target')) > 0) continue
    const photos = await tx.all<MediaRow>('media', `${kind}/${id}`, 'of')
    if (photos.some(({ state }) => state === 'waiting')) continue
    await tx.delete('base', [kind, id])
  }
}

export async function keepPage(tx: Tx, page: Snapshot): Promise<void> {
  for (const change of page.items) {
    if (change.t !== 'upsert') continue
    const { gone: _gone, ...row } = rowOf(change)
    await tx.put('shadow', row satisfies ShadowRow)
  }
}

/** Swaps the snapshot in and moves the cursor. The outbox is not touched. */
export async function finishSnapshot(tx: Tx, last: Snapshot, extent: Extent, now: number): Promise<void> {
  const came = await tx.all<ShadowRow>('shadow')
  const here = await tx.all<BaseRow>('base', 0, 'gone')
  if (extent === 'whole') {
    for (const row of here) await tx.put('base', { ...row, gone: 1 })
  } else {
    await outOfSight(tx, last, came, here)
  }
  for (const row of came) {
    const known = await tx.get<BaseRow>('base', [row.kind, row.id])
    // The feed may have been read further than a partial snapshot's pages for a record both have.
    const newer = extent === 'part' && known?.gone === 0 && known.ver > row.ver
    if (!newer) await tx.put('base', { ...row, gone: 0 } satisfies BaseRow)
  }
  await tx.clear('shadow')
  // A snapshot says nothing about operations, and its cursor may lie behind the word about one: the repeat brings it.
  for (const row of await tx.all<SentRow>('sent')) {
    if (OPEN.includes(row.status)) await again(tx, row, storedUnderItsNumber(row.result) ? { arrived: true } : {})
  }
  await sweep(tx)
  // Whose keys it was read with: what is here now is for nobody else to see.
  const reader = last.scope.find((key) => key.startsWith(USER_KEY))?.slice(USER_KEY.length) ?? ''
  if ((await tx.get('meta', 'read_as')) !== reader) await dropThumbnails(tx)
  await tx.put('meta', reader, 'read_as')
  const { generation, cursor, seq } = last
  await tx.put('meta', { generation, cursor, seq: seq ?? 0 } satisfies Place, 'place')
  await tx.put('meta', measured(now, last.server_time), 'offset')
}

/** Marks what a partial snapshot shows to be out of sight, and takes lost keys from the others. */
async function outOfSight(tx: Tx, last: Snapshot, came: ShadowRow[], here: BaseRow[]): Promise<void> {
  const scope = new Set(last.scope)
  const of = new Set(last.of)
  const arrived = new Set(came.map(({ kind, id }) => `${kind}/${id}`))
  for (const row of here) {
    const left = row.keys.filter((key) => scope.has(key))
    const missing = left.length === 0 || row.keys.some((key) => of.has(key))
    if (missing && !arrived.has(`${row.kind}/${row.id}`)) await tx.put('base', { ...row, gone: 1 })
    else if (left.length < row.keys.length) await tx.put('base', { ...row, keys: left })
  }
}
