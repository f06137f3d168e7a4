import { expect, it } from 'vitest'
import { type Point, inside } from './geo'
import { type Mark, beside, byDistance, caseMarks, spotMarks, visitMarks } from './marks'
import type { SpotRecord } from './nearby'
import type { Visit } from './spots'
import type { CaseView } from './sync/view'
import { trackOf } from './track'

const NOW = Date.parse('2026-11-26T04:00:00Z')
const HERE: Point = [109.944, 27.44]

const oneCase = (some: Partial<CaseView>): CaseView =>
  ({ id: 'c', class_code: '0101', state: 'dispatched', due_at: null, overdue: false, on_hold: false, reported_at: '', position: { lat: HERE[1], lon: HERE[0], datum: 'wgs84' }, ...some }) as CaseView
const visit = (id: string, some: Partial<Visit>): Visit => ({ id, state: 'open', site: { lat: 27.44, lon: 109.95 }, ...some }) as Visit
const spot = (some: Partial<SpotRecord>): SpotRecord => ({
  id: 's', class_code: '0101', address: null, lat: HERE[1], lon: HERE[0], radius_m: 30, state: 'open', last_seen_at: '2026-11-20T00:00:00Z', ...some,
})

it('shows the state of a case by its sign, and leaves out one without a position', () => {
  const cases = [
    oneCase({ id: 'late', overdue: true, due_at: '2026-11-26T03:00:00Z' }),
    oneCase({ id: 'soon', due_at: '2026-11-26T05:00:00Z' }),
    oneCase({ id: 'calm', due_at: '2026-11-28T05:00:00Z' }),
    oneCase({ id: 'nowhere', position: null }),
  ]
  expect(caseMarks(cases, NOW).map(({ key, sign }) => [key, sign])).toEqual([['case/late', '!'], ['case/soon', '⋯'], ['case/calm', '·']])
})

it('puts a case where the satellites saw it, whatever datum it was reported in', () => {
  const [mark] = caseMarks([oneCase({ position: { lon: 109.94851351, lat: 27.43653417, datum: 'gcj02' } })], NOW)
  expect(mark?.at[0]).toBeCloseTo(HERE[0], 6)
  expect(mark?.at[1]).toBeCloseTo(HERE[1], 6)
})

it('numbers the open visits by their place in the way, and ticks those that are done', () => {
  const visits = [visit('a', { state: 'visited' }), visit('b', {}), visit('c', { state: 'unreachable' }), visit('lost', { site: null }), visit('d', {})]
  expect(visitMarks(visits).map(({ key, sign }) => [key, sign])).toEqual([['visit/a', '✓'], ['visit/b', '2'], ['visit/c', '✗'], ['visit/d', '5']])
})

it('shows a known problem while it is open, with the case that is open there', () => {
  const marks = spotMarks([spot({}), spot({ id: 'gone', state: 'closed' })], [oneCase({})])
  expect(marks.map((mark) => mark.kind === 'spot' && mark.of?.id)).toEqual(['c'])
})

it('goes from one to the next by distance, round and round, and back', () => {
  const far = (metres: number): Point => [HERE[0], HERE[1] + metres / 111_320]
  const marks = [300, 100, 200].map((metres) => ({ key: String(metres), at: far(metres) }) as Mark)
  const ordered = byDistance(marks, HERE)
  expect(ordered.map(({ key }) => key)).toEqual(['100', '200', '300'])
  expect(byDistance(marks, null)).toEqual(marks)
  const walk = [null, '100', '300', 'gone'].map((key) => beside(ordered, key, 1)?.key)
  expect(walk).toEqual(['100', '200', '100', '100'])
  expect(beside(ordered, '100', -1)?.key).toBe('300')
  expect(beside([], null, 1)).toBeNull()
})

it('knows the grid that one stands in, and that a hole is not of it', () => {
  const ring = (west: number, south: number, side: number): Point[] => [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
  const grid = [ring(0, 0, 10), ring(4, 4, 2)]
  expect(inside(grid, [1, 1])).toBe(true)
  expect(inside(grid, [5, 5])).toBe(false)
  expect(inside(grid, [11, 1])).toBe(false)
  expect(inside([], [1, 1])).toBe(false)
})

it('draws the way of today from a person’s own work, in the order of making', () => {
  const row = (place: number, made_at: string, actor: string, gps: object | null) => ({ place, made_at, raw: JSON.stringify({ actor, ...(gps === null ? {} : { gps }) }) })
  const at = (lon: number) => ({ lon, lat: 27, datum: 'wgs84' })
  const rows = [
    row(3, '2026-11-26T03:00:00Z', 'me', at(3)),
    row(1, '2026-11-25T15:59:00Z', 'me', at(1)),
    // Midnight in Huaihua.
    row(2, '2026-11-25T16:00:00Z', 'me', at(2)),
    row(4, '2026-11-26T03:10:00Z', 'other', at(4)),
    row(5, '2026-11-26T03:20:00Z', 'me', null),
  ]
  expect(trackOf(rows, 'me', NOW)).toEqual([[2, 27], [3, 27]])
})
