// Where a problem is: what the device measured, unless the person put it right (人工修正). Both go along: the report says
// the place, the operation what was measured. Pure.

import type { Position } from '../lib/types'
import { type Point, distance, wgs84 } from './geo'
import type { Gps } from './sync/wire'

/** What a person put by hand, WGS-84. */
export interface Place {
  lat: number
  lon: number
}

/** The position that a report states. */
export function placeOf(put: Place | null, measured: Gps | null): Position | null {
  if (put !== null) return { lat: put.lat, lon: put.lon, datum: 'wgs84' }
  return measured === null ? null : { lat: measured.lat, lon: measured.lon, datum: measured.datum as Position['datum'] }
}

/** How far the place was moved, metres, and whither, degrees from north clockwise. */
export function shift(measured: Gps, put: Place): { metres: number; bearing: number } {
  const from = wgs84(measured as Position)
  const to: Point = [put.lon, put.lat]
  const east = (to[0] - from[0]) * Math.cos((from[1] * Math.PI) / 180)
  const bearing = (Math.atan2(east, to[1] - from[1]) * 180) / Math.PI
  return { metres: distance(from, to), bearing: (bearing + 360) % 360 }
}
