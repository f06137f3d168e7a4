import { expect, it } from 'vitest'
import type { Point } from './geo'
import { type SpotRecord, mayObserve, nearby } from './nearby'
import type { CaseView } from './sync/view'

const HERE: Point = [109.9452, 27.4401]
/** So many metres north of here. */
const spot = (id: string, metres: number, more: Partial<SpotRecord> = {}): SpotRecord => ({
  id, class_code: '0101', address: null, lat: HERE[1] + metres / 111_320, lon: HERE[0], radius_m: 30, state: 'open',
  last_seen_at: '2026-11-20T00:00:00Z', ...more,
})
const one = (id: string, metres: number, more: Partial<CaseView> = {}): CaseView => ({
  id, number: id, title: '占道', description: '', address: null, class_code: '0101',
  position: { lat: HERE[1] + metres / 111_320, lon: HERE[0], datum: 'wgs84' }, unit_id: null, state: 'dispatched',
  reported_at: `2026-11-2${id}T00:00:00Z`, due_at: null, overdue: false, on_hold: false, asked_extension: false, asked_hold: false,
  passed: false, rework_count: 0, pending: [], ...more,
})
const ids = (spots: SpotRecord[], doubt = 5, code: string | null = null) => nearby(spots, [], HERE, doubt, code).map((near) => near.spot.id)

it('offers the open spots that reach here, the nearest first and no more than three', () => {
  expect(ids([spot('far', 34), spot('near', 3), spot('away', 36), spot('over', 1, { state: 'closed' })])).toEqual(['near', 'far'])
  expect(ids([1, 2, 3, 4].map((at) => spot(String(at), at)))).toEqual(['1', '2', '3'])
})

it('forgives a poor fix, but no more of it than the server does', () => {
  expect(ids([spot('a', 70)], 45)).toEqual(['a'])
  expect(ids([spot('a', 90)], 500)).toEqual([])
})

it('offers one class alone once it is chosen', () => {
  expect(ids([spot('a', 3), spot('b', 2, { class_code: '0202' })], 5, '0101')).toEqual(['a'])
})

it('names the newest open case of the same class there', () => {
  const cases = [one('1', 2), one('2', 4), one('3', 3, { state: 'closed' }), one('4', 2, { class_code: '9' }), one('5', 60)]
  expect(nearby([spot('a', 3)], cases, HERE, 5, null)[0]?.case?.id).toBe('2')
})

it('is for those whose word the server takes', () => {
  expect([mayObserve('inspector'), mayObserve('officer'), mayObserve(undefined)]).toEqual([true, false, false])
})
