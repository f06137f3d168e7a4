// The shapes of the Centre's workbench: queues, claims, many dispatches at once, urging, appeals, words and views. Names
// are the wire's own; times are RFC 3339 in UTC.

import type { ClassKind } from './loop'
import type { Case } from './types'
import type { Limit } from './workTime'

/** What a case waits for; one case may be in several. As src/cases/queue.rs has them. */
export const QUEUES = [
  'accept',
  'redispatch',
  'handle',
  'rework',
  'overdue',
  'extension',
  'hold_request',
  'held',
  'audit',
  'verify',
  'confirm',
] as const

export type Queue = (typeof QUEUES)[number]

export interface QueueState {
  queue: string
  cases: number
  /** When the oldest of them was reported. */
  oldest_at?: string | null
}

/** Who has a case in hand. */
export interface Claim {
  case_id: string
  claimed_by: string
  name: string
  claimed_at: string
}

/** At most one of the three that say how long it may take. */
export interface Term {
  due_at?: string
  limit?: Limit
  condition?: { kind: ClassKind; scheme_version: string; number: number }
}

export interface DispatchItem extends Term {
  case_id: string
  unit_id: string
  priority: number
  base_ver: number
}

/** A case as it stands now, or why it was refused. */
export interface Dispatched {
  case_id: string
  case?: Case | null
  code?: string | null
  title?: string | null
  detail?: string | null
}

export interface DueCase {
  case: Case
  /** Counted seconds, as is `usual_s`. */
  left_s: number
  /** Four of five of the unit's own cases took at most so long. */
  usual_s?: number | null
  basis?: 'class' | 'unit' | null
  past_cases: number
  /** Null when nothing can be said. */
  likely_late?: boolean | null
}

export type UrgingKind = 'half' | 'letter_draft' | 'person'

export interface Urging {
  id: string
  case_id: string
  unit_id: string
  kind: UrgingKind
  /** The deadline then. */
  due_at: string
  used_percent: number
  text: string
  /** Null when the clock did it. */
  urged_by?: string | null
  urged_at: string
}

export interface UrgingQuery {
  unit_id?: string
  case_id?: string
  kind?: UrgingKind
}

export interface Appeal {
  id: string
  case_id: string
  unit_id: string
  /** The deadline that passed. */
  due_at: string
  reason: string
  filed_by: string
  filed_at: string
  /** Null while it waits for a decision. */
  exempt?: boolean | null
  words?: string | null
  decided_by?: string | null
  decided_at?: string | null
}

export interface AppealQuery {
  unit_id?: string
  case_id?: string
  open?: boolean | undefined
}

export interface NewTemplate {
  /** Of the loop, such as `return`. */
  command: string
  title: string
  text: string
  class_code?: string
}

export interface Template extends Omit<NewTemplate, 'class_code'> {
  id: string
  class_code?: string | null
  made_by: string
  made_at: string
}

export interface NewView {
  name: string
  /** The filters as they stand in the address. */
  query: string
  shared: boolean
}

export interface View extends NewView {
  id: string
  owner_id: string
  saved_at: string
}
