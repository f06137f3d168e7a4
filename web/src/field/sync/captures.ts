// What is saved with photos is signed where and when it was done (api-spec/captures.md): a chain of records by the
// device's key. After src/client/store/captures.rs.

import { type Content, GENESIS, sha256, sign } from '../../lib/capture'
import type { Tx } from './db'
import type { Draft, Identity } from './store'

/** The last record that this store signed: the next one goes on from it. */
export interface Head {
  device: string
  epoch: number
  seq: number
  sha256: string
}

/** The newest checkpoint of the server's log that the device has seen. */
export interface Beacon {
  size: number
  root: string
}

export interface CaptureRow {
  /** The order of signing; the store counts. */
  place?: number
  epoch: number
  seq: number
  sha256: string
  raw: string
  /** When the server had it; empty while it waits. */
  answered_at: string
}

/** A record that goes on from `head`, signed. */
export async function signed(
  identity: Identity,
  key: CryptoKey,
  head: Head | null,
  beacon: Beacon | null,
  draft: Draft,
): Promise<CaptureRow> {
  const before = head?.device === identity.device ? head : null
  const seq = before?.epoch === identity.epoch ? before.seq + 1 : 1
  const { gps } = draft
  const content: Content = {
    v: 1,
    device: identity.device,
    epoch: identity.epoch,
    seq,
    prev: before?.sha256 ?? GENESIS,
    type: 'action',
    body: { op_id: draft.op_id, op_type: draft.type, target_kind: draft.target.kind, target_id: draft.target.id },
    media: draft.files.map(({ evidence }) => ({ sha256: evidence.sha256, size: evidence.size })),
    ...(gps === undefined
      ? {}
      : {
          lat_e6: Math.round(gps.lat * 1e6),
          lon_e6: Math.round(gps.lon * 1e6),
          datum: 'wgs84' as const,
          ...(gps.accuracy_m === undefined ? {} : { accuracy_mm: Math.round(gps.accuracy_m * 1e3) }),
          ...(gps.fix_age_s === undefined ? {} : { fix_age_ms: Math.round(gps.fix_age_s * 1e3) }),
        }),
    wall_ms: Date.parse(draft.occurred_at),
    mono_ms: draft.mono_ms,
    boot: draft.boot,
    ...(beacon === null ? {} : { beacon }),
  }
  const raw = await sign(content, key)
  return { epoch: identity.epoch, seq, sha256: await sha256(raw), raw, answered_at: '' }
}

/** Keeps a record that was signed upon `head`; false when another has been signed since, or the epoch has ended. */
export async function append(tx: Tx, identity: Identity, head: Head | null, row: CaptureRow): Promise<boolean> {
  const newest = await tx.get<Head>('meta', 'capture_head')
  if (newest?.sha256 !== head?.sha256 || identity.epoch !== row.epoch) return false
  await tx.add('captures', row)
  const { epoch, seq, sha256 } = row
  await tx.put('meta', { device: identity.device, epoch, seq, sha256 } satisfies Head, 'capture_head')
  return true
}

/** A new life of the server may have forgotten what an earlier one had answered, and its log is another one. */
export async function doubtCaptures(tx: Tx): Promise<void> {
  for (const row of await tx.all<CaptureRow>('captures')) await tx.put('captures', { ...row, answered_at: '' })
  await tx.delete('meta', 'beacon')
}
