// The words of sync, as api-spec/openapi.json has them; api-spec/sync.md says what they mean. Times are RFC 3339 in UTC.

import type { Position } from '../../lib/types'

export const PROTOCOL = 1
/** The most operations of a push, and its largest body in bytes of JSON. */
export const MAX_OPS = 200
export const MAX_PUSH_BYTES = 1024 * 1024

export type Status = 'applied' | 'merged' | 'superseded' | 'rejected' | 'conflict' | 'held' | 'quarantined'

/** Statuses that may still become others. */
export const OPEN: readonly Status[] = ['held', 'conflict', 'quarantined']

export interface Target {
  kind: string
  id: string
}

/** What the person saw: a version from the feed, or their own earlier operation. Never a guess. */
export type Base = { ver: number } | { op: string }

export interface Was {
  epoch: number
  seq: number
  was?: Was
}

export interface Gps extends Position {
  /** Metres. */
  accuracy_m?: number
  /** Seconds. */
  fix_age_s?: number
  source?: string
}

export interface EvidenceRef {
  sha256: string
  size: number
  mime: string
  role: string
  need: 'none' | 'before_close'
  captured_at: string
}

/** One thing a person did. Never changed but for its label, `seq` and `was`. */
export interface Op {
  op_id: string
  seq: number
  was?: Was
  type: string
  v: number
  target?: Target
  base?: Base
  depends_on?: string[]
  actor: string
  session: string
  occurred_at: string
  mono_ms?: number
  boot?: string
  gps?: Gps
  evidence?: EvidenceRef[]
  args: Record<string, unknown>
}

export interface OpResult {
  op_id: string | null
  status: Status
  duplicate?: boolean
  code?: string | null
  detail?: string | null
  ver?: number | null
  result_seq?: number | null
  winner?: string | null
  conflict_id?: string | null
  waiting?: string[]
  adjusted?: string[]
  resolved_by?: string | null
}

export interface PushResponse {
  generation: string
  server_time: string
  push_token: string
  results: OpResult[]
  unprocessed_from: number | null
  retry_after_ms: number
  missing_seqs: number[]
}

export interface EpochResponse {
  epoch: number
  push_token: string
  generation: string
  server_time: string
}

export interface RawResponse {
  status: Status
  sha256: string
}

export interface Change {
  seq: number
  t: 'upsert' | 'leave' | 'op_result'
  kind: string
  id: string
  ver?: number | null
  keys?: string[]
  data?: unknown
}

export interface Changes {
  generation: string
  server_time: string
  prev: string
  next: string
  seq?: number
  has_more: boolean
  changes: Change[]
  digest?: Record<string, string> | null
}

export interface Snapshot {
  generation: string
  server_time: string
  cursor: string
  seq?: number
  next_page?: string | null
  scope: string[]
  of: string[]
  items: Change[]
}

export interface DigestCheck {
  at: string
  matched: boolean
}

const MASK = (1n << 64n) - 1n

/** The number of a record in a digest: the first 8 bytes of SHA-256 over kind, id and version. */
export async function digestOf(kind: string, id: string, ver: number): Promise<bigint> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${kind}\n${id}\n${ver}`))
  return new DataView(hash).getBigUint64(0)
}

/** For each key the sum, modulo 2⁶⁴, over the records that carry it; 16 hexadecimal digits. */
export async function digestsOf(
  records: { kind: string; id: string; ver: number; keys: string[] }[],
  keys: string[],
): Promise<Record<string, string>> {
  const sums = new Map(keys.map((key) => [key, 0n]))
  const numbers = await Promise.all(records.map(({ kind, id, ver }) => digestOf(kind, id, ver)))
  for (const [index, record] of records.entries()) {
    for (const key of record.keys) {
      const sum = sums.get(key)
      if (sum !== undefined) sums.set(key, (sum + (numbers[index] as bigint)) & MASK)
    }
  }
  return Object.fromEntries([...sums].map(([key, sum]) => [key, sum.toString(16).padStart(16, '0')]))
}
