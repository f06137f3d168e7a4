// What a person on the street did, as the office reads it.

import { phrases } from './language'
import { fieldLabel, positionText, priorityLabel } from './labels'
import { localTime } from './time'
import type { Case, Position } from './types'

const ARGS: Record<string, string> = {
  note: '说明',
  text: '备注',
  reason: '理由',
  unit_id: '派往单位',
  due_at: '截止时间',
  priority: '优先级',
  passed: '核查结果',
  until: '申请延至',
  granted: '审批结果',
  site_id: '点位',
  week: '周次',
  items: '发现的问题',
}

const say = phrases(
  {
    empty: '（空）', passed: '通过', failed: '未通过', granted: '同意', refused: '不同意', none: '无',
    finding: '{code} {text}（扣 {points} 分）',
  },
  {
    empty: '(empty)', passed: 'Passed', failed: 'Failed', granted: 'Granted', refused: 'Refused', none: 'None',
    finding: '{code} {text} (−{points} points)',
  },
)

/** What was filled in, line by line; corrections are told by `corrections`. */
export function filledIn(args: Record<string, unknown>, unitNames: Map<string, string>): [label: string, value: string][] {
  return Object.entries(args)
    .filter(([, value]) => !isReplacement(value))
    .map(([name, value]) => [ARGS[name] ?? fieldLabel(name), valueText(name, value, unitNames)])
}

export interface Correction {
  label: string
  /** What stood there when the person corrected it. */
  old: string
  /** What the person wrote. */
  new: string
  /** What stands there now; `null` when that is not known. */
  now: string | null
  /** Somebody else wrote there meanwhile. */
  contested: boolean
}

/** The fields that a correction (`case.edit`) changes, beside what stands there now. */
export function corrections(args: Record<string, unknown>, record: Case | null): Correction[] {
  const none = new Map<string, string>()
  return Object.entries(args).flatMap(([name, value]) => {
    if (!isReplacement(value)) return []
    const said = (what: unknown): string => valueText(name, what, none)
    const now = record === null ? null : said((record as unknown as Record<string, unknown>)[name])
    const wanted = said(value.new)
    return [{ label: fieldLabel(name), old: said(value.old), new: wanted, now, contested: now !== null && now !== said(value.old) && now !== wanted }]
  })
}

function isReplacement(value: unknown): value is { old: unknown; new: unknown } {
  return typeof value === 'object' && value !== null && 'old' in value && 'new' in value
}

function valueText(name: string, value: unknown, unitNames: Map<string, string>): string {
  if (value === null || value === undefined || value === '') return say('empty')
  switch (name) {
    case 'unit_id':
      return unitNames.get(String(value)) ?? String(value)
    case 'due_at':
    case 'until':
      return localTime(String(value))
    case 'priority':
      return priorityLabel(Number(value))
    case 'passed':
      return say(value === true ? 'passed' : 'failed')
    case 'granted':
      return say(value === true ? 'granted' : 'refused')
    case 'position':
      return positionText(value as Position)
    case 'items':
      return Array.isArray(value) && value.length === 0 ? say('none') : (findings(value) ?? JSON.stringify(value))
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value)
  }
}

/** The findings of a spot check; deductions are thousandths of a point. */
function findings(value: unknown): string | null {
  if (!Array.isArray(value)) return null
  const lines = (value as { code?: unknown; text?: unknown; deduction?: unknown }[]).map(({ code, text, deduction }) =>
    typeof text === 'string' && typeof deduction === 'number' ? say('finding', { code: String(code), text, points: deduction / 1000 }) : null,
  )
  return lines.includes(null) ? null : lines.join('；')
}
