// The shapes of /api/v1 that the pages use. Names are the wire's own; times are RFC 3339 in UTC.

export type Role =
  | 'inspector'
  | 'officer'
  | 'spot_checker'
  | 'liaison'
  | 'dispatcher'
  | 'verifier'
  | 'supervisor'
  | 'admin'

export interface User {
  id: string
  username: string
  name: string
  role: Role
  unit_id: string | null
}

/** What a login or a refresh answers. */
export interface Session {
  access_token: string
  refresh_token: string
  expires_in: number
  user: User
}

export interface Unit {
  id: string
  code: string
  name: string
  /** Of this year; none where nobody has said it yet. */
  class: 'A' | 'B' | null
}

export const CASE_STATES = [
  'reported',
  'dispatched',
  'handled',
  'closing_applied',
  'verifying',
  'verified',
  'closed',
  'void',
  'returned',
] as const

export type CaseState = (typeof CASE_STATES)[number]

export interface Position {
  lat: number
  lon: number
  datum: string
}

export interface Case {
  id: string
  number: string
  ver: number
  state: CaseState
  title: string
  description: string
  class_code: string | null
  address: string | null
  position: Position | null
  unit_id: string | null
  reported_at: string
  reported_by: string
  due_at: string | null
  /** An extension that waits for a decision. */
  extension: { until: string; reason: string } | null
  rework_count: number
  closed_at: string | null
  priority: number
  /** Judged by the server's clock, which alone decides. */
  overdue: boolean
  /** Its clock stands still (挂账). */
  on_hold: boolean
  /** Why the unit asks for that, while it waits for a decision. */
  hold_reason?: string | null
  /** Closed before its deadline; null while it is not closed. */
  timely?: boolean | null
  /** The city's collector found it solved. */
  passed?: boolean
}

export interface TimelineEntry {
  seq: number
  at: string
  actor_id: string
  actor_name: string
  command: string
  state: CaseState
  note: string | null
  /** `superseded`: somebody had done it already. */
  outcome: 'applied' | 'superseded'
  /** Set when the entry came from a handheld's queue. */
  op_id: string | null
}

/** One page of a keyset-paged list; `next` is opaque and goes back as `cursor`. */
export interface Page<T> {
  items: T[]
  next: string | null
}

export interface Paging {
  limit?: number
  cursor?: string
}

export interface CaseQuery extends Paging {
  state?: CaseState | ''
  unit_id?: string
  queue?: string
  class_code?: string
  /** Moments of the report: from, and before. */
  from?: string | undefined
  until?: string | undefined
  mine?: boolean | undefined
  q?: string
  order?: 'oldest' | ''
}
