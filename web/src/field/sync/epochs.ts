// New epochs of the device and new lives of the server: what becomes of operations that wait and of those answered.

import { doubtCaptures } from './captures'
import type { Tx } from './db'
import { again } from './feed'
import { type Life, lifeOf, relabel, storedUnderItsNumber } from './keep'
import type { Identity, MediaRow, OutboxRow, SentRow } from './store'

/** Makes this the device's identity and numbers what waits from 1 on, in its order. */
export async function enter(tx: Tx, identity: Identity, pushToken: string | null): Promise<void> {
  const before = await tx.get<Identity>('meta', 'identity')
  await tx.put('meta', identity, 'identity')
  await tx.put('meta', 0, 'attempt')
  if (pushToken === null) await tx.delete('meta', 'push_token')
  else await tx.put('meta', pushToken, 'push_token')
  // A label of another device, or of none, tells this device's history nothing.
  const same = before?.device === identity.device
  // Nor do its numbers mean what was answered under the other's.
  if (!same) for (const row of await tx.all<SentRow>('sent')) await tx.put('sent', { ...row, epoch: 0 })
  let seq = 0
  for (const { arrived: _arrived, ...row } of await tx.all<OutboxRow>('outbox')) {
    seq += 1
    const old = same && row.epoch > 0 ? { epoch: row.epoch, seq: row.seq } : null
    await tx.put('outbox', { ...row, epoch: identity.epoch, seq, raw: relabel(row.raw, seq, old) })
  }
  await tx.put('meta', seq + 1, 'next_seq')
}

/** Judges a generation and, when it is a new life, brings everything that was settled back into the outbox. */
export async function live(tx: Tx, asked: string | null, said: string): Promise<Life> {
  const life = lifeOf(asked, (await tx.get<string>('meta', 'generation')) ?? null, said)
  if (life !== 'new') return life
  await tx.put('meta', said, 'generation')
  await tx.delete('meta', 'place')
  for (const row of await tx.all<SentRow>('sent')) await again(tx, row)
  const here = new Set(await tx.keys('blobs'))
  for (const row of await tx.all<MediaRow>('media', 'stored', 'state')) {
    if (here.has(row.sha256)) await tx.put('media', { ...row, state: 'waiting', upload_url: null })
  }
  await doubtCaptures(tx)
  return life
}

/**
 * Brings back what was answered under a number that the server says never arrived: it was restored from a backup, and
 * nobody has noticed.
 */
export async function doubt(tx: Tx, epoch: number, missing: number[]): Promise<void> {
  for (const seq of missing) {
    for (const row of await tx.all<SentRow>('sent', [epoch, seq], 'label')) {
      if (storedUnderItsNumber(row.result)) await again(tx, row)
    }
  }
}
