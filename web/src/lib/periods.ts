// Periods of the statistics: `2026-11`, `2026-Q4`, `2026`, as people choose and read them.

import type { Past, Rate } from './loop'
import { localTime } from './time'

/** What can be chosen of a year: its ending in the period's name, and its word. */
export const PARTS: [ending: string, word: string][] = [
  ['', '全年'],
  ...[1, 2, 3, 4].map((quarter): [string, string] => [`-Q${quarter}`, `第${'一二三四'[quarter - 1]}季度`]),
  ...Array.from({ length: 12 }, (_, at): [string, string] => [`-${String(at + 1).padStart(2, '0')}`, `${at + 1} 月`]),
]

/** Null for what is none; of years as the server takes them. */
export function splitPeriod(period: string): { year: number; ending: string } | null {
  const found = /^(20\d{2}|2100)(-Q[1-4]|-0[1-9]|-1[0-2])?$/.exec(period)
  return found === null ? null : { year: Number(found[1]), ending: found[2] ?? '' }
}

/** The month that the county is in. */
export const monthOf = (now: Date): string => localTime(now.toISOString()).slice(0, 7)

export function periodText(period: string): string {
  const split = splitPeriod(period)
  const word = PARTS.find(([ending]) => ending === split?.ending)?.[1] ?? ''
  return split === null ? period : `${split.year} 年${word === '全年' ? '' : ` ${word}`}`
}

/** How much a number has changed, `—` where there was nothing then. */
export const changeText = ({ change }: Past): string => signed(change.basis_points, change.text)

/** By how many percentage points a rate has changed. */
export function pointsText(now: Rate, then: Rate): string {
  if (now.basis_points == null || then.basis_points == null) return '—'
  const points = now.basis_points - then.basis_points
  return signed(points, (points / 100).toFixed(2))
}

const signed = (of: number | null | undefined, text: string): string => (of != null && of > 0 ? `+${text}` : text.replace('-', '−'))
