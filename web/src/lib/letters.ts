// The wire of /api/v1/letters and /api/v1/merits. Scores are whole thousandths of a point; times are RFC 3339 in UTC.

import type { Limit } from './workTime'

export const LETTER_KINDS = ['repeated', 'overdue', 'from_above', 'complaint', 'campaign'] as const

export type LetterKind = (typeof LETTER_KINDS)[number]

export const LETTER_STATES = ['drafted', 'issued', 'received', 'replied', 'fulfilled', 'partly', 'unfulfilled', 'withdrawn'] as const

export type LetterState = (typeof LETTER_STATES)[number]

export const LETTER_OUTCOMES = ['fulfilled', 'partly', 'unfulfilled'] as const

export type LetterOutcome = (typeof LETTER_OUTCOMES)[number]

/** What letters wait for. */
export const LETTER_QUEUES = ['issue', 'receive', 'reply', 'extension', 'grade', 'escalated'] as const

export type LetterQueue = (typeof LETTER_QUEUES)[number]

export interface Letter {
  id: string
  /** Null while it is not issued. */
  number: string | null
  unit_id: string
  kind: LetterKind
  subject: string
  text: string
  /** Where the task comes from. */
  note: string | null
  case_ids: string[]
  spot_ids: string[]
  state: LetterState
  /** How long it gives from its issue on; null when it names a day. */
  limit: Limit | null
  due_at: string | null
  extension_until: string | null
  replied_at: string | null
  score: number | null
  /** How far its being late has gone up: 0 in time, 1–3. */
  level: number
  ver: number
  /** Null while it is the clock's. */
  drafted_by: string | null
  drafted_at: string
  issued_at: string | null
  received_at: string | null
  graded_at: string | null
  updated_at: string
}

/** A case that a letter is about. */
export interface LetterCase {
  id: string
  number: string
  title: string
}

export interface LetterQuery {
  unit_id?: string | undefined
  state?: LetterState | undefined
  kind?: LetterKind | undefined
  queue?: LetterQueue | undefined
  case_id?: string | undefined
}

export interface LetterCounts {
  states: { state: LetterState; letters: number }[]
  extensions: number
  /** Late and not answered. */
  levels: { level: number; letters: number }[]
}

export interface LetterStep {
  id: string
  ver: number
  at: string
  /** Null when the clock did it. */
  actor_id: string | null
  name: string | null
  command: string
  state: LetterState
  words: string | null
  /** SHA-256 of what came with it. */
  evidence: string[]
  args: Record<string, unknown>
}

/** Either a limit or a day. */
export interface LetterDraft {
  unit_id: string
  kind: LetterKind
  subject: string
  text: string
  note?: string
  case_ids: string[]
  spot_ids: string[]
  evidence: string[]
  limit?: Limit
  due_at?: string
}

/** A place of a problem that comes back. */
export interface RecurringSpot {
  id: string
  class_code: string
  address: string | null
  grid_code: string | null
  case_count: number
  /** How often it came back within 90 days after it was solved. */
  recurrence_count: number
  last_seen_at: string
}

export type LetterCommand =
  | { type: 'receive' | 'issue'; args: Record<string, never> }
  | { type: 'reply'; args: { words: string; evidence: string[] } }
  | { type: 'request_extension'; args: { until: string; words: string } }
  | { type: 'revise'; args: LetterDraft }
  | { type: 'refuse_reply' | 'withdraw'; args: { words: string } }
  | { type: 'decide_extension'; args: { granted: boolean; words: string } }
  | { type: 'grade'; args: { outcome: LetterOutcome; score?: number; words: string } }

export type LetterFormat = 'pdf' | 'docx'

/** Of the positive and negative list, what people enter. */
export const MERIT_ITEMS = ['praised', 'reputation_kept', 'reputation_won', 'criticised', 'fault', 'exposed', 'not_reporting'] as const

export type MeritItem = (typeof MERIT_ITEMS)[number]

export const MERIT_STATES = ['entered', 'approved', 'refused', 'withdrawn'] as const

export type MeritState = (typeof MERIT_STATES)[number]

export interface Merit {
  id: string
  unit_id: string
  month: string
  item: MeritItem
  times: number
  summary: string
  happened_on: string
  source: string
  evidence: string[]
  state: MeritState
  entered_by: string
  entered_at: string
  decided_by: string | null
  decided_at: string | null
  decision_words: string | null
  withdrawn_by: string | null
  withdrawn_at: string | null
  withdrawn_reason: string | null
}

export interface MeritQuery {
  month?: string | undefined
  unit_id?: string | undefined
  state?: MeritState | undefined
}

export type NewMerit = Pick<Merit, 'unit_id' | 'month' | 'item' | 'times' | 'summary' | 'happened_on' | 'source' | 'evidence'>
