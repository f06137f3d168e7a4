// What a device keeps, as the engine needs it. Each method is one transaction: when its promise is fulfilled, all of
// it is durable; when it fails or the device dies, none of it happened. Nothing here knows time. After src/client/keep.rs.

import type { ClockOffset } from './rules'
import type { Changes, DigestCheck, EpochResponse, Op, OpResult, PushResponse, Snapshot, Was } from './wire'

/** An operation that waits for its answer, and its JSON. */
export interface Queued {
  op_id: string
  raw: string
}

/** How far the feed was read. */
export interface Place {
  generation: string
  cursor: string
  /** The highest number in the feed that was seen. */
  seq: number
}

/** A try to push, and what the device believed when it was begun. */
export interface Attempt {
  device: string
  epoch: number
  /** From 1, in the epoch. */
  number: number
  push_token: string | null
  generation: string | null
}

export interface OutboxSummary {
  depth: number
  oldest?: string
  high_seq: number
}

/** `new`: the server's data began a new life. `over`: the answer is of a life that has ended; it says nothing any more. */
export type Life = 'same' | 'new' | 'over'

/**
 * Judges the generation of an answer: `asked` was known when the question was put, `kept` is known now. Generations
 * have no order for a client, so an answer may only move a device on that has not moved since it asked.
 */
export function lifeOf(asked: string | null, kept: string | null, said: string): Life {
  if (kept === said) return 'same'
  return asked === kept ? 'new' : 'over'
}

export type Extent = 'whole' | 'part'

export interface Keep {
  device(): Promise<{ device: string; epoch: number }>
  generation(): Promise<string | null>
  offset(): Promise<ClockOffset | null>
  setOffset(offset: ClockOffset): Promise<void>
  waiting(limit: number): Promise<Queued[]>
  outboxSummary(): Promise<OutboxSummary>
  mediaWaiting(): Promise<number>
  /** Counts a try before anything is sent: a copy of the store would count the same number again. */
  beginAttempt(): Promise<Attempt>
  /** False, and nothing changed, when the attempt is not the newest one begun or the answer's life is over. */
  acknowledge(attempt: Attempt, batch: Queued[], response: PushResponse, now: number): Promise<boolean>
  acknowledgeRaw(opId: string, now: number): Promise<void>
  beginEpoch(old: number, asked: string | null, response: EpochResponse, now: number): Promise<boolean>
  live(asked: string | null, said: string): Promise<Life>
  place(): Promise<Place | null>
  /** False, and nothing changed, for a page that does not continue what is here. */
  apply(page: Changes, now: number): Promise<boolean>
  snapshotBegin(): Promise<void>
  snapshotPage(page: Snapshot): Promise<void>
  snapshotFinish(last: Snapshot, extent: Extent, now: number): Promise<void>
  digests(keys: string[]): Promise<Record<string, string>>
  digestCheck(): Promise<DigestCheck | null>
  setDigestCheck(check: DigestCheck): Promise<void>
  /** Removes everything that was read. Outbox and photos stay. */
  wipe(): Promise<void>
  /** Forgets what was settled for good before this moment and whose effect the feed has shown. */
  forget(before: string): Promise<void>
}

/**
 * Whether an answer shows that the server had the operation under the very number that this device gave it. If it says
 * later that the number never arrived, it was restored from a backup.
 */
export function storedUnderItsNumber(result: OpResult): boolean {
  const unread = ['op_malformed', 'nul_character', 'op_id_reused']
  return result.duplicate !== true && !unread.includes(result.code ?? '')
}

/** Labels that an operation remembers. */
const LABELS = 32

/** The operation under its new label; `old` is the one it had in this device's history, if it had any. */
export function relabel(raw: string, seq: number, old: { epoch: number; seq: number } | null): string {
  const { was: before, ...op } = JSON.parse(raw) as Op
  if (old === null) return JSON.stringify(before === undefined ? { ...op, seq } : { ...op, seq, was: before })
  const labels = [old]
  for (let label = before; label !== undefined && labels.length < LABELS; label = label.was) labels.push(label)
  const was = labels.reduceRight<Was | undefined>(
    (older, { epoch, seq }) => (older === undefined ? { epoch, seq } : { epoch, seq, was: older }),
    undefined,
  )
  return JSON.stringify({ ...op, seq, was })
}
