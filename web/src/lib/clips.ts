// The shapes of /api/v1/clips and of the use of devices. Names are the wire's own.

import type { Evidence, Flag } from './evidence'
import type { Page } from './types'

export const CLIP_STATES = ['unclaimed', 'proposed', 'linked', 'dismissed'] as const

export type ClipState = (typeof CLIP_STATES)[number]

/** A body camera's video. */
export interface Clip {
  id: string
  camera: string
  device_id: string | null
  user_id: string | null
  /** `roster` or `name`. */
  user_from: string | null
  recorded_at: string
  recorded_from: string
  /** The camera's clock minus the true time. */
  clock_offset_ms: number | null
  clock_from: string | null
  started_at: string
  ended_at: string
  key_file: boolean
  doubts: Flag[]
  state: ClipState
  best_case: string | null
  /** Thousandths. */
  best_score: number | null
  decided_by: string | null
  decided_at: string | null
  reason: string | null
  arrived_at: string
  age_s: number
}

export interface ClipPage extends Page<Clip> {
  /** For the Centre. */
  counts?: { state: ClipState; count: number; oldest_age_s: number | null }[]
}

/** One part of a score, thousandths. */
export interface ScorePart {
  part: string
  points: number
  of: number
  why: string
  /** Seconds or metres. */
  figure: number | null
}

export interface ProposedCase {
  case_id: string
  number: string
  title: string
  score: number
  parts: ScorePart[]
}

export interface WholeClip {
  clip: Clip
  /** `null` when the reader may not see it before it is linked to a case of theirs. */
  evidence: Evidence | null
  proposals: ProposedCase[]
}

export interface CameraUse {
  files: number
  key_files: number
  recorded_s: number
  linked_s: number
  unclaimed_s: number
  dismissed_s: number
  within_24h_milli: number | null
  rostered_s: number
  recorded_milli: number | null
  linked_milli: number | null
}

/** One device's line of 一机一账. */
export interface DeviceUse {
  device_id: string | null
  name: string
  kind: string
  state: 'in_use' | 'idle' | 'lost' | 'repair'
  /** Whole days unused, or without a word. */
  days: number | null
  reasons: string[]
  repair: string | null
  last_used_at: string | null
  last_seen_at: string | null
  days_used: number
  camera?: CameraUse
  handheld?: { pushes: number; ops: number; evidence: number }
  dock?: { files: number; bytes: number }
}

export interface DevicesUse {
  from: string
  to: string
  items: DeviceUse[]
}
