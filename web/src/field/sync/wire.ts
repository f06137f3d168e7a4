// The words of sync, as api-spec/openapi.json has them; api-spec/sync.md says what they mean. Times are RFC 3339 in UTC.

import type { Spec } from '../../lib/spec'

export const PROTOCOL = 1
/** The most operations of a push, and its largest body in bytes of JSON. */
export const MAX_OPS = 200
export const MAX_PUSH_BYTES = 1024 * 1024

export type Status = Spec['Status']

/** Statuses that may still become others. */
export const OPEN: readonly Status[] = ['held', 'conflict', 'quarantined']

export type Target = Spec['Target']
/** What the person saw: a version from the feed, or their own earlier operation. Never a guess. */
export type Base = Spec['Base']

/** As this device writes it: what it does not know it leaves out. */
type Written<T> = T extends (infer Item)[]
  ? Written<Item>[]
  : T extends object
    ? { [Name in keyof T]: Written<Exclude<T[Name], null>> }
    : T
export type Was = Written<Spec['Was']>
export type Gps = Written<Spec['Gps']>
export type EvidenceRef = Written<Spec['EvidenceRef']> & { captured_at: string }
/** One thing a person did. Never changed but for its label, `seq` and `was`. */
export type Op = Written<Spec['Op']> & { args: Record<string, unknown> }

export type OpResult = Spec['OpResult']
export type PushRequest = Spec['PushRequest']
export type PushResponse = Spec['PushResponse']
export type EpochResponse = Spec['EpochResponse']
export type RawResponse = Spec['RawResponse']
export type Change = Spec['Change']
export type Changes = Spec['Changes']
export type Snapshot = Spec['Snapshot']
export type DigestCheck = Spec['DigestCheck']

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
