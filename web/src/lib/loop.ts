// The shapes of the case loop: clocks, the calendar, the catalogue, the map of responsibilities, the city's platform,
// statistics. Names are the wire's own; times are RFC 3339 in UTC.

import type { Limit, SpecialDay, Why, WorkingCalendar as Known } from './workTime'

export const STAGE_CLOCKS = ['accept', 'dispatch', 'handle', 'verify'] as const

/** Whose time it is: the Centre's before it dispatches (again), the unit's, the verification's. */
export type StageClock = (typeof STAGE_CLOCKS)[number]

export interface Interval {
  from: string
  until: string
  why: Why
  /** The holiday's. */
  name?: string | null
}

export interface Due {
  /** Null while it is suspended without an end. */
  at?: string | null
  /** The holidays of that year are not known yet. */
  beyond_calendar: boolean
  intervals: Interval[]
}

export interface StageTime {
  stage: StageClock
  from: string
  until: string
  /** Seconds by the measure of the case's limit. */
  counted_s: number
}

export interface CaseClocks {
  /** The stage that took most of the counted time. */
  ate?: StageClock | null
  due?: Due | null
  due_at?: string | null
  limit?: Limit | null
  /** Counted seconds, as is `used_s`. */
  limit_s?: number | null
  used_s?: number | null
  pauses: { from: string; until?: string | null }[]
  stages: StageTime[]
}

export interface WorkingCalendar extends Known {
  imports: { year: number; source: string; imported_at: string }[]
}

export interface YearList {
  source: string
  days: SpecialDay[]
}

export const CLASS_KINDS = ['component', 'event'] as const

export type ClassKind = (typeof CLASS_KINDS)[number]

export interface CaseClass {
  kind: ClassKind
  scheme_version: string
  /** Big and small class together. */
  code: string
  big_name: string
  name: string
  conditions: { number: number; filing: string; closing: string; limit: Limit; remark: string }[]
}

export interface ClassQuery {
  kind?: ClassKind | undefined
  q?: string
  version?: number | undefined
}

export interface CatalogueVersions {
  in_force: number
  items: { version: number; source: string; imported_by?: string | null; imported_at?: string | null }[]
}

export interface CatalogueImported {
  version: number
  classes: number
  conditions: number
}

export interface Grid {
  code: string
  name: string
}

export interface GridsImported {
  grids: number
  overlaps: { a: string; b: string; area_m2: number }[]
}

export interface Scope {
  /** A grid's code or the beginning of one; empty for everywhere. */
  area: string
  class_kind: ClassKind | null
  class_code: string
  /** Minutes after midnight; past midnight when they end before they begin. */
  hours: { from_min: number; until_min: number } | null
}

export interface ResponsibilityEntry {
  scope: Scope
  unit_id: string
  reason: string
}

export interface Responsibility extends ResponsibilityEntry {
  id: string
  /** Whether an arbitration wrote it. */
  ruling: boolean
  set_by?: string | null
  set_at: string
  ended_at?: string | null
}

export interface ResponsibilityQuery {
  unit_id?: string
  ruling?: boolean | undefined
  ended?: boolean
}

export type Standing = 'unset' | 'one' | 'several' | 'disputed'

export interface Suggestion {
  standing: Standing
  unit?: { id: string; name: string } | null
  units: { id: string; name: string }[]
  grids: string[]
  /** In Chinese. */
  reason: string
}

export interface SuggestionQuery {
  grid?: string
  lat?: number
  lon?: number
  datum?: string
  class_kind?: ClassKind | undefined
  class_code: string
  at?: string
}

export interface Doubt {
  standing: Standing
  class_code: string
  grids: string[]
  units: string[]
  /** Reported in the 365 days before. */
  cases: number
}

export interface Bounce {
  from: string
  to: string
  times: number
}

export interface CityStatus {
  linked: boolean
  applied_seq: number
  /** Messages that came ahead of a missing one. */
  waiting: number
  heard_at?: string | null
  given_seq: number
  queued: number
  queued_since?: string | null
  last_error?: string | null
  dead: number
}

export const OUTBOX_STATES = ['queued', 'refused', 'delivered', 'replaced'] as const

export type OutboxState = (typeof OUTBOX_STATES)[number]

export interface OutboxMessage {
  msg_id: string
  seq: number
  kind: string
  state: OutboxState
  case_id?: string | null
  body: unknown
  attempts: number
  last_error?: string | null
  queued_at: string
  next_try_at: string
  settled_at?: string | null
  settled_by?: string | null
  settled_note?: string | null
}

export const INBOX_OUTCOMES = ['waiting', 'invalid', 'ok'] as const

export type InboxOutcome = (typeof INBOX_OUTCOMES)[number]

export interface InboxMessage {
  seq: number
  msg_id: string
  kind: string
  outcome: InboxOutcome
  reason?: string | null
  detail?: string | null
  envelope: unknown
  received_at: string
  applied_at?: string | null
}

export interface Reconciliation {
  seq: number
  received_at: string
  /** Cases it named. */
  items: number
  in_flight: number
  differences: { cityCaseNo: string; city: string | null; county: string | null }[]
}

export interface CityCase {
  city_number: string
  case_id: string
  number: string
  state: string
  city_due_at: string
  due_at?: string | null
  due_differs: boolean
  city_unit_code?: string | null
  received_at: string
}

export interface CityCode {
  kind: 'unit' | 'class'
  city_code: string
  county_code: string
}

export const STATISTICS_BY = ['all', 'unit', 'class', 'reporter'] as const

export type By = (typeof STATISTICS_BY)[number]

export const FIGURES = [
  'total',
  'closed',
  'timely',
  'late',
  'not_handled',
  'not_applied',
  'not_passed',
  'in_verification',
  'overdue',
  'handled',
  'handled_in_time',
  'reworked',
  'extended',
  'self_handled',
] as const

export type Figure = (typeof FIGURES)[number]

export const RATES = [
  'resolution',
  'timely',
  'comprehensive',
  'handled',
  'handled_in_time',
  'overdue',
  'rework',
  'extension',
] as const

/** `—` where there is nothing to divide by. */
export interface Rate {
  basis_points?: number | null
  text: string
}

export type Counts = Record<Figure, number>
export type Rates = Record<(typeof RATES)[number], Rate>

export interface Past {
  counts: Counts
  rates: Rates
  /** How much the total has changed since, of then. */
  change: Rate
}

export interface StatisticsLine {
  key: string
  name: string
  counts: Counts
  rates: Rates
  before: Past
  year_before: Past
}

export interface Statistics {
  period: string
  by: By
  from: string
  until: string
  rule: string
  lines: StatisticsLine[]
}

export interface RecordsQuery {
  period: string
  by: By
  key: string
  figure: Figure
}
