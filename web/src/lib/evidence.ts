// The shapes of /api/v1 about evidence: what is known of a piece, its record, its signature, its place in the log.
// Names are the wire's own.

/** A difference, for a person to judge. `detail` holds figures and stable words. */
export interface Flag {
  code: string
  detail: string
}

export interface Place {
  lat: number
  lon: number
  datum: string | null
  accuracy_m: number | null
  fix_age_s: number | null
  source: string | null
  wgs84: { lat: number; lon: number } | null
}

export interface Link {
  target_kind: string
  target_id: string
  role: string
}

/** What the file says about itself. */
export interface Facts {
  kind: string
  media_type: string
  width?: number | null
  height?: number | null
  duration_ms?: number | null
  taken_at?: { at: string; source: string } | null
  position?: { lat: number; lon: number } | null
  device?: string | null
  notes?: string[]
}

export interface Evidence {
  id: string
  sha256: string
  /** As declared. */
  media_type: string
  size: number
  state: string
  filename: string | null
  captured_at: string | null
  gps: Place | null
  role: string | null
  device_id: string | null
  declared_at: string
  stored_at: string | null
  facts: Facts | null
  flags: Flag[]
  links: Link[]
  access_class: 'normal' | 'restricted'
  /** Restricted, and no reason was given: name, place and facts are left out. */
  masked: boolean
  /** The original of a redacted picture. */
  derived_from: string | null
  /** When its bytes go, or went. */
  delete_at: string | null
  /** Of a video: whether there is a picture of it. */
  poster?: 'by_ffmpeg' | 'no_decoder'
}

/** A way to the bytes that needs no token; it ends. */
export interface Ticket {
  url: string
  expires_at: string
}

/** Who and what an id stands for; for the Centre. */
export interface Names {
  users: { id: string; name: string }[]
  devices: { id: string; name: string }[]
}

export interface CustodyEvent {
  id: string
  action: string
  user_id: string | null
  device_id: string | null
  at: string
  reason: string | null
  detail: Record<string, unknown>
  request_id: string | null
  log_entry_id: string
}

export interface Hold {
  id: string
  reason: string
  set_by: string
  set_at: string
  lifted_by: string | null
  lifted_at: string | null
  lift_reason: string | null
}

export const DELETION_STATES = ['proposed', 'approved', 'done', 'undone'] as const

export type DeletionState = (typeof DELETION_STATES)[number]

export interface Deletion {
  id: string
  evidence_id: string
  state: DeletionState
  reason: string
  proposed_by: string
  proposed_at: string
  approved_by: string | null
  approved_at: string | null
  approval_reason: string | null
  delete_at: string | null
  undone_by: string | null
  undone_at: string | null
  undo_reason: string | null
  done_at: string | null
}

export interface Retention {
  class: string
  raised_to: string
  delete_after: string | null
  holds: Hold[]
  deletion: Deletion | null
}

export interface DueEvidence {
  evidence: Evidence
  class: string
  delete_after: string | null
}

/** A rectangle of the upright picture, thousandths of its width and height. */
export interface Region {
  x: number
  y: number
  w: number
  h: number
}

export interface Capture {
  id: string
  device_id: string
  device_name: string
  status: 'accepted' | 'forked' | 'quarantined'
  signed: boolean
  epoch: number | null
  seq: number | null
  sha256: string
  wall_at: string | null
  lower_at: string | null
  upper_at: string
  findings: Flag[]
  /** The signed bytes. */
  record: unknown
}

/** How a device's chains of signed records stand. */
export interface ChainStatus {
  records: number
  /** What came under its name and is kept apart. */
  quarantined: number
  missing: number
  forks: number
  edited: number
  epochs: {
    epoch: number
    /** On what the first record was made. */
    begins: 'genesis' | 'linked' | 'missing'
    records: number
    last_seq: number
    last_received_at: string | null
    gaps: { from: number; to: number }[]
    forks: number[]
    edited: number[]
  }[]
}

export interface LogEntry {
  id: string
  kind: string
  subject: string
  /** The leaf, canonical JSON. */
  leaf: string
  leaf_hash: string
  recorded_at: string
  /** `null` until it has its place, about a second. */
  index: number | null
}

export interface Inclusion {
  index: number
  size: number
  path: string[]
  checkpoint: string
}

/** What a nightly check saw, the body of its leaf. */
export interface Checked {
  leaves: number
  trees: number
  evidence: number
  originals: number
  bytes: number
  next: string | null
  findings: number
  named: { disagreement: string; subject: string }[]
}

export interface MatchSide {
  evidence: Evidence
  author_name: string | null
  target_kind: string
  target_id: string
}

/** Two photos that look the same where they should not. */
export interface Match {
  id: string
  class: 'exact_reuse' | 'near_reuse' | 'before_after_same'
  /** Bits of 256. */
  distance: number
  later: MatchSide
  earlier: MatchSide
  found_at: string
  decision: 'reuse' | 'legitimate' | null
  reason: string | null
  decided_by_name: string | null
  decided_at: string | null
}
