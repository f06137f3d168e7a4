// Problems that are known where somebody stands: to say "this is it" (补拍) makes no second case of the same thing. Pure.

import type { Role } from '../lib/types'
import { type Point, distance, wgs84 } from './geo'
import type { CaseView } from './sync/view'

/** What the feed says of a spot. */
export interface SpotRecord {
  id: string
  class_code: string
  address: string | null
  /** WGS-84, degrees. */
  lat: number
  lon: number
  /** How far it reaches, metres. */
  radius_m: number
  state: string
  last_seen_at: string
}

export interface Near {
  spot: SpotRecord
  metres: number
  /** The newest open case of the same class there, if this person sees it. */
  case: CaseView | null
}

/** As many as a person looks at. */
const MOST = 3
/** The largest doubt about a fix that is forgiven, metres (`MOST_DOUBT_M` in src/spots/actions.rs). */
const MOST_DOUBT_M = 50
/** Whose word the server takes (`OBSERVES` in src/spots/actions.rs). */
const OBSERVERS: Role[] = ['inspector', 'dispatcher']

export const mayObserve = (role: Role | undefined): boolean => role !== undefined && OBSERVERS.includes(role)

/**
 * The open spots that reach to where somebody stands, the nearest first; of the chosen class alone once there is one.
 * `doubt` is the fix's accuracy, metres.
 */
export function nearby(spots: SpotRecord[], cases: CaseView[], at: Point, doubt: number, classCode: string | null): Near[] {
  const reach = Math.min(MOST_DOUBT_M, Math.max(0, doubt))
  return spots
    .filter(({ state, class_code }) => state === 'open' && (classCode === null || class_code === classCode))
    .map((spot) => ({ spot, metres: distance(at, [spot.lon, spot.lat]) }))
    .filter(({ spot, metres }) => metres <= spot.radius_m + reach)
    .sort((a, b) => a.metres - b.metres)
    .slice(0, MOST)
    .map((found) => ({ ...found, case: caseAt(found.spot, cases) }))
}

/** The newest open case of the same class there. */
export function caseAt(spot: SpotRecord, cases: CaseView[]): CaseView | null {
  const there = cases.filter(
    ({ class_code, position, state }) =>
      class_code === spot.class_code && state !== 'closed' && state !== 'void' && position !== null &&
      distance(wgs84(position), [spot.lon, spot.lat]) <= spot.radius_m,
  )
  return there.sort((a, b) => (a.reported_at < b.reported_at ? 1 : -1))[0] ?? null
}
