// The shapes of /api/v1/sync that the Centre's pages use. Names are the wire's own. What the server leaves out when
// there is nothing to say is optional here.

import type { Case } from './types'

export const REVIEW_STATUSES = ['conflict', 'held', 'quarantined'] as const

export type OpStatus = (typeof REVIEW_STATUSES)[number] | 'applied' | 'merged' | 'superseded' | 'rejected'

export type Confidence = 'good' | 'aged' | 'suspect'

export interface OpResult {
  op_id: string | null
  status: OpStatus
  code?: string
  detail?: string
  ver?: number
  /** The operation that was there first. */
  winner?: string
  /** `op:<id>`, `evidence:<sha256>`, `login:<user>:<device>` or `type:<type>:<version>`. */
  waiting?: string[]
  adjusted?: string[]
}

/** An operation that waits for a person, or once did. */
export interface Waiting {
  result: OpResult
  type: string
  target_kind: string | null
  target_id: string | null
  actor_id: string | null
  actor_name: string | null
  device_id: string
  device_name: string | null
  /** By the device's clock. */
  occurred_at: string | null
  /** By the server's clock. */
  corrected_at: string | null
  time_confidence: Confidence
  received_at: string
  /** How many operations wait for this one. */
  followers: number
  resolution: 'apply' | 'discard' | null
  resolution_reason: string | null
}

/** What a device wrote down. It may be newer than this page, so nothing but these members is relied on. */
export interface RawOp {
  v: number
  args?: Record<string, unknown>
  base?: { ver?: number; op?: string }
  depends_on?: string[]
  evidence?: { sha256: string; mime: string; role: string }[]
  gps?: { lat: number; lon: number; datum: string; accuracy_m?: number }
}

/** A line of what others did. */
export interface Line {
  command: string
  actor_name: string
  at: string
  ver: number | null
  note: string | null
}

/** An operation with both sides of the disagreement. */
export interface Sides extends Waiting {
  op: RawOp
  seen_ver: number | null
  /** The case as it is; absent when the operation is about something else. */
  record: Case | null
  since: Line[]
  /** What builds on it and is decided with it, in order. */
  chain: Waiting[]
}

export interface RawBytes {
  id: string
  device_id: string
  received_at: string
  code: string
  sha256: string
  size: number
  /** `null` where the bytes are no text. */
  text: string | null
}

/** What a new device enrols with. */
export interface EnrolmentCode {
  device: { id: string; name: string }
  /** Works once, for 7 days. */
  code: string
}

export interface DeviceHealth {
  device_id: string
  name: string
  kind: string
  epoch: number
  last_push_at: string | null
  app: string | null
  /** What waited on it at its last push, that push included. */
  depth: number
  oldest_at: string | null
  media_waiting: number | null
  /** Its clock minus the server's. */
  clock_offset_ms: number | null
  storage_persisted: boolean | null
  digest_at: string | null
  digest_matched: boolean | null
  behind: number
  in_review: number
  /** Made there and not here: on the device still, or lost. */
  missing: number
  /** Of those, the ones that no store has any more. */
  lost: number
  revoked_at: string | null
}

/** What a device made in one epoch, and what of it is not here. */
export interface Losses {
  epoch: number
  reason: string
  started_at: string
  last_push_at: string | null
  made: number
  received: number
  /** At most 1,000 numbers. */
  missing: number[]
  lost: boolean
}

export interface SignedReceipt {
  /** A compact JWS. */
  receipt: string
  claims: Record<string, unknown>
}

export interface ReviewQuery {
  status?: (typeof REVIEW_STATUSES)[number] | ''
  /** `false` also lists what waits for another operation. */
  heads?: boolean
}
