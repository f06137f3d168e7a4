// What stands on the map, and what it stands for: cases, the day's visits, known problems. Pure.

import { deadline } from '../lib/time'
import { type Point, distance, wgs84 } from './geo'
import { type SpotRecord, caseAt } from './nearby'
import type { Visit } from './spots'
import type { CaseView } from './sync/view'

/** How a mark looks: its shape says the kind, its sign the state, and the colour says the state once more. */
export interface Look {
  shape: 'circle' | 'square' | 'diamond'
  /** The name of a colour of the page. */
  colour: string
  sign: string
}

export type Mark = Look & { key: string; at: Point } & (
    | { kind: 'case'; one: CaseView }
    | { kind: 'visit'; visit: Visit }
    | { kind: 'spot'; spot: SpotRecord; of: CaseView | null }
  )

export const CASE_LOOKS = {
  overdue: { shape: 'circle', colour: '--red', sign: '!' },
  soon: { shape: 'circle', colour: '--amber', sign: '⋯' },
  calm: { shape: 'circle', colour: '--green', sign: '·' },
  none: { shape: 'circle', colour: '--ink-soft', sign: '·' },
} as const satisfies Record<string, Look>

/** An open visit has its place in the way for a sign. */
export const VISIT_LOOKS = {
  open: { shape: 'square', colour: '--accent', sign: '1' },
  visited: { shape: 'square', colour: '--green', sign: '✓' },
  unreachable: { shape: 'square', colour: '--ink-soft', sign: '✗' },
} as const satisfies Record<Visit['state'], Look>

export const SPOT_LOOK: Look = { shape: 'diamond', colour: '--amber', sign: '↻' }

export const caseMarks = (cases: CaseView[], now: number): Mark[] =>
  cases.flatMap((one) =>
    one.position === null
      ? []
      : [{ kind: 'case', key: `case/${one.id}`, at: wgs84(one.position), one, ...CASE_LOOKS[deadline(one, now).tone] }],
  )

/** The visits in the order of the way. */
export const visitMarks = (visits: Visit[]): Mark[] =>
  visits.flatMap((visit, index) => {
    const { site, state } = visit
    if (site?.lat == null || site.lon == null) return []
    const look = VISIT_LOOKS[state]
    const sign = state === 'open' ? String(index + 1) : look.sign
    return [{ kind: 'visit', key: `visit/${visit.id}`, at: [site.lon, site.lat], visit, ...look, sign }]
  })

export const spotMarks = (spots: SpotRecord[], cases: CaseView[]): Mark[] =>
  spots
    .filter(({ state }) => state === 'open')
    .map((spot) => ({ kind: 'spot', key: `spot/${spot.id}`, at: [spot.lon, spot.lat], spot, of: caseAt(spot, cases), ...SPOT_LOOK }))

/** The nearest first; as they came when nobody knows from where. */
export function byDistance(marks: Mark[], from: Point | null): Mark[] {
  if (from === null) return marks
  const away = new Map(marks.map((mark) => [mark.key, distance(from, mark.at)]))
  return [...marks].sort((a, b) => (away.get(a.key) ?? 0) - (away.get(b.key) ?? 0))
}

/** The next or the one before, round and round; the first when none was chosen. */
export function beside(marks: Mark[], key: string | null, step: 1 | -1): Mark | null {
  const at = marks.findIndex((mark) => mark.key === key)
  return marks[at === -1 ? 0 : (at + step + marks.length) % marks.length] ?? null
}
