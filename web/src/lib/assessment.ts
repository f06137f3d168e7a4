// The wire of /api/v1/assessment. Scores are whole thousandths of a point; times are RFC 3339 in UTC.

export const PARTS_OF_SCORE = ['digital_cases', 'spot_checks', 'supervision', 'merits'] as const

export type ScorePart = (typeof PARTS_OF_SCORE)[number]

export type WhenNone = 'full' | 'zero'

export interface RuleSet {
  title: string
  digital_cases: { points: number; late_percent: number }
  spot_checks: { points: number; when_none: WhenNone }
  supervision: { points: number; when_none: WhenNone }
  merits: {
    cap: number
    /** For each time an item happened; of `fewer_cases` for each whole percent fewer than a year before. */
    amounts: Record<string, number>
  }
  confidence_percent: number
  /** Working days. */
  objection_days: number
}

export interface Rules {
  /** 0 came with the program. */
  version: number
  rules: RuleSet
  /** The first month it holds for, `2026-10`. */
  effective_from: string
  note: string
  drafted_by: string | null
  drafted_at: string | null
  approved_by: string | null
  approved_at: string | null
}

export type Phase = 'trial' | 'open' | 'published'

export interface AssessmentMonth {
  month: string
  phase: Phase
  rules_version: number
  /** The moment whose records were counted. */
  as_of: string
  opened_at: string | null
  objections_until: string | null
  published_at: string | null
  pack_sha256: string | null
  /** The newest one, from 1, or the one that was asked for. */
  edition: number | null
  /** Why there is a second edition, or a later one. */
  correction: string | null
}

export interface UnitScore {
  unit_id: string
  code: string
  name: string
  class: 'A' | 'B' | null
  total: number
  digital_cases: number
  spot_checks: number
  supervision: number
  merits: number
  /** How much lower and higher the part of the spot checks may be by chance. */
  spot_low: number
  spot_high: number
  cases: number
  checks: number
  /** Null when it is not ranked. */
  rank: number | null
  band: number | null
  veto: boolean
}

export interface MonthResult extends AssessmentMonth {
  rules: RuleSet
  /** What is typed beside the downloaded pack, once there is one. */
  replay: string | null
  units: UnitScore[]
}

export type RecordKind = 'case' | 'spot_check' | 'letter' | 'merit' | 'objection' | 'correction'

export interface ScoreLine {
  n: number
  unit_id: string
  part: ScorePart
  item: string
  record_kind: RecordKind | null
  record_id: string | null
  delta: number
  why: string
  /** The line that a counter-line stands beside. */
  counters: number | null
}

export interface RecordFile {
  id: string
  sha256: string
  media_type: string
  state: 'declared' | 'stored' | 'deleted'
  role: string
  captured_at: string | null
  restricted: boolean
}

export interface CaseRecord {
  kind: 'case'
  number: string
  title: string
  description: string
  class_code: string | null
  address: string | null
  unit_id: string | null
  state: string
  reported_at: string
  dispatched_at: string | null
  due_at: string | null
  handled_at: string | null
  applied_at: string | null
  closed_at: string | null
  timely: boolean | null
  extension_count: number
  rework_count: number
  steps: { at: string; command: string; outcome: string; state: string; note: string | null }[]
  files: RecordFile[]
}

export interface VisitRecord {
  kind: 'spot_check'
  week: string
  site: string
  site_kind: string
  address: string | null
  unit_id: string
  score: number
  /** What was found, and what it took off the visit's score. */
  items: { code: string; text: string; deduction: number }[]
  note: string | null
  checked_at: string
  arrived_at: string | null
  left_at: string | null
  /** From the site's point. */
  distance_m: number | null
  outside_fence: boolean | null
  checklist_version: number | null
  seal_sha256: string | null
  files: RecordFile[]
}

export interface LetterRecord {
  kind: 'letter'
  number: string | null
  unit_id: string
  subject: string
  text: string
  state: string
  due_at: string | null
  replied_at: string | null
  score: number | null
  files: RecordFile[]
}

export interface MeritRecord {
  kind: 'merit'
  unit_id: string
  month: string
  item: string
  times: number
  summary: string
  source: string
  happened_on: string
  files: RecordFile[]
}

export type Verdict = 'upheld' | 'dismissed'

export interface Finding {
  /** 1–3: 初核, 复核, 终审. */
  step: number
  verdict: Verdict
  delta: number
  words: string
  decided_at: string
}

export interface ObjectionRecord {
  kind: 'objection'
  line: number
  unit_id: string
  reason: string
  filed_at: string
  verdict: Verdict | null
  steps: Finding[]
}

/** A counter-line of an edition. */
export interface EditionCounter {
  line: number
  delta: number
  why: string
}

export interface CorrectionRecord {
  kind: 'correction'
  edition: number | null
  reason: string
  counters: EditionCounter[]
  opened_at: string
  words: string | null
  published_at: string | null
  pack_sha256: string | null
}

/** What judged the unit, without the people in it. */
export type ScoreRecord = CaseRecord | VisitRecord | LetterRecord | MeritRecord | ObjectionRecord | CorrectionRecord

export interface ScoreEdition {
  id: string
  month: string
  /** From 1; null before it is published. */
  edition: number | null
  /** Empty for the first. */
  reason: string
  counters: EditionCounter[]
  opened_by: string
  opened_at: string
  /** Null while it waits for a second person. */
  verdict: Verdict | null
  words: string | null
  decided_by: string | null
  decided_at: string | null
  pack_sha256: string | null
}

export interface ScoreObjection {
  id: string
  month: string
  line: number
  unit_id: string
  reason: string
  filed_by: string
  filed_at: string
  verdict: Verdict | null
  steps: (Finding & { decided_by: string })[]
}

export interface ReviewedUnit {
  unit_id: string
  class: 'A' | 'B' | null
  /** Months it was ranked in. */
  months: number
  mean: number | null
  rank: number | null
}

export interface ScoreReview {
  period: string
  /** Months of the period that are not published. */
  missing: string[]
  /** Which edition of each published month counts: its newest. */
  editions: Record<string, number>
  units: ReviewedUnit[]
}

export const BULLETIN_FORMATS = ['pdf', 'docx', 'xlsx', 'html'] as const

export type BulletinFormat = (typeof BULLETIN_FORMATS)[number]
