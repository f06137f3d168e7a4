// The self-evaluation (绩效自评): the wire of /api/v1/self-evaluations and its words. Points, values and amounts are whole
// thousandths (98 % is 98,000, 60 万元 is 60,000); times are RFC 3339 in UTC.

import type { Wire } from './api'
import type { BulletinFormat } from './assessment'
import type { Page, Paging } from './types'

export const INDICATOR_LEVELS = ['output', 'benefit', 'satisfaction'] as const

export const INDICATOR_KINDS = ['positive', 'negative', 'qualitative'] as const

export type IndicatorKind = (typeof INDICATOR_KINDS)[number]

export const INDICATOR_GRADES = ['reached', 'partly', 'missed'] as const

export type IndicatorGrade = (typeof INDICATOR_GRADES)[number]

export interface FundRow {
  fund: 'total' | 'appropriation' | 'carried' | 'other'
  planned: number | null
  adjusted: number | null
  executed: number | null
}

export interface Indicator {
  level: (typeof INDICATOR_LEVELS)[number]
  aspect: string
  name: string
  kind: IndicatorKind
  target: string
  target_value: number | null
  actual: string
  actual_value: number | null
  grade: IndicatorGrade | null
  points: number
  score: number
  reason: string
}

export interface CommonIndicator {
  level: string
  aspect: string
  name: string
  meaning: string
  guidance: string
  points: number
  score: number
}

export interface SelfEvaluation {
  project: string
  authority: string
  implementer: string
  goal: string
  outcome: string
  funds: FundRow[]
  level_points: { output: number; benefit: number; satisfaction: number; budget: number }
  budget_score: number
  indicators: Indicator[]
  /** As somebody else's table has it; null to print the sum. */
  printed_total: number | null
  common_indicators: CommonIndicator[]
  common_printed_total: number | null
}

export interface TableFinding {
  code: string
  severity: 'error' | 'warning'
  /** A path in the document: `indicators/3`, `printed_total`. */
  place: string
  words: string
}

export interface Acknowledgement {
  code: string
  place: string
  words: string
}

export interface SelfEvaluationHead {
  year: number
  version: number
  saved_by: string
  saved_at: string
  /** Null while it is a draft. */
  submitted_by: string | null
  submitted_at: string | null
}

export interface SelfEvaluationVersion {
  head: SelfEvaluationHead
  tables: SelfEvaluation
  assessed: {
    total: number
    common_total: number
    /** Thousandths of a percent. */
    execution: number | null
    budget_rule_score: number | null
    /** What the rule gives for each indicator of annex 1. */
    rule_scores: (number | null)[]
    findings: TableFinding[]
  }
  acknowledgements: Acknowledgement[]
}

export interface SuggestedValue {
  name: string
  text: string
  value: number
}

export function selfevalCalls({ json, page, blob, query }: Wire) {
  const of = (year: number, rest = ''): string => `/self-evaluations/${year}${rest}`

  return {
    selfEvaluations: (asked: Paging, signal?: AbortSignal): Promise<Page<SelfEvaluationHead>> =>
      page(`/self-evaluations${query({ ...asked })}`, signal),

    selfEvaluation: (year: number, version: number, signal?: AbortSignal): Promise<SelfEvaluationVersion> =>
      json(of(year, query({ version })), { signal }),

    /** Made from the version `base`, 0 for a year's first one. */
    saveSelfEvaluation: (year: number, base: number, tables: SelfEvaluation): Promise<SelfEvaluationVersion> =>
      json(of(year), { method: 'PUT', body: { base, tables } }),

    submitSelfEvaluation: (year: number, version: number, acknowledgements: Acknowledgement[]): Promise<SelfEvaluationVersion> =>
      json(of(year, '/submit'), { method: 'POST', body: { version, acknowledgements } }),

    suggestedValues: async (year: number, signal?: AbortSignal): Promise<SuggestedValue[]> =>
      (await json<{ items: SuggestedValue[] }>(of(year, '/suggestions'), { signal })).items,

    selfEvaluationDocument: (year: number, version: number, format: BulletinFormat): Promise<Blob> =>
      blob(of(year, `/document${query({ format, version })}`)),
  }
}

const FUNDS: Record<FundRow['fund'], string> = {
  total: '年度资金总额',
  appropriation: '其中：当年财政拨款',
  carried: '上年结转资金',
  other: '其他资金',
}

export const fundLabel = (fund: string): string => FUNDS[fund as FundRow['fund']] ?? fund

const LEVELS: Record<Indicator['level'], string> = { output: '产出指标', benefit: '效益指标', satisfaction: '满意度指标' }

export const levelOfIndicator = (level: string): string => LEVELS[level as Indicator['level']] ?? level

const KINDS: Record<IndicatorKind, string> = { positive: '正向 ≥', negative: '反向 ≤', qualitative: '定性' }

export const indicatorKindLabel = (kind: string): string => KINDS[kind as IndicatorKind] ?? kind

const GRADES: Record<IndicatorGrade, string> = {
  reached: '达成预期（80–100%）',
  partly: '部分达成（50–80%）',
  missed: '未达成（0–50%）',
}

export const gradeLabel = (grade: string): string => GRADES[grade as IndicatorGrade] ?? grade

/** Thousandths that were typed; null for nothing, NaN for what is no number of at most three decimals. */
export function amountOf(text: string): number | null {
  const typed = text.trim()
  if (typed === '') return null
  return /^\d{1,9}(\.\d{1,3})?$/.test(typed) ? Math.round(Number(typed) * 1000) : Number.NaN
}
