// The map's arithmetic: datums, and from degrees to pixels. Pure. A county is small enough to be flat.

import { phrases } from '../lib/language'
import type { Position } from '../lib/types'

/** Longitude and latitude, degrees, WGS-84. */
export type Point = [lon: number, lat: number]

/** What the map shows: its centre, and how many pixels a metre is. */
export interface Frame {
  centre: Point
  scale: number
}

const METRES_PER_DEGREE = 111_320
const radians = (degrees: number): number => (degrees * Math.PI) / 180

export function toPixels(frame: Frame, [lon, lat]: Point, width: number, height: number): [x: number, y: number] {
  const metres = METRES_PER_DEGREE * frame.scale
  const x = width / 2 + (lon - frame.centre[0]) * metres * Math.cos(radians(frame.centre[1]))
  return [x, height / 2 - (lat - frame.centre[1]) * metres]
}

/** Moved by so many pixels: what lies under a finger stays under it. */
export function moved({ centre: [lon, lat], scale }: Frame, dx: number, dy: number): Frame {
  const metres = METRES_PER_DEGREE * scale
  return { centre: [lon - dx / (metres * Math.cos(radians(lat))), lat + dy / metres], scale }
}

/** From a village (1 px = 100 m) to a doorstep (1 m = 5 px). */
export const zoomed = ({ centre, scale }: Frame, by: number): Frame => ({ centre, scale: Math.min(5, Math.max(0.01, scale * by)) })

/** The frame in which all of these are seen; a single one with its neighbourhood. */
export function around(points: Point[], width: number, height: number): Frame | null {
  if (points.length === 0) return null
  const [lons, lats] = [points.map(([lon]) => lon), points.map(([, lat]) => lat)]
  const [west, east, south, north] = [Math.min(...lons), Math.max(...lons), Math.min(...lats), Math.max(...lats)]
  const centre: Point = [(west + east) / 2, (south + north) / 2]
  const wide = Math.max(200, (east - west) * METRES_PER_DEGREE * Math.cos(radians(centre[1])))
  const high = Math.max(200, (north - south) * METRES_PER_DEGREE)
  return zoomed({ centre, scale: 0.85 * Math.min(width / wide, height / high) }, 1)
}

/** Metres between two points. */
export function distance([lon1, lat1]: Point, [lon2, lat2]: Point): number {
  const east = (lon2 - lon1) * METRES_PER_DEGREE * Math.cos(radians((lat1 + lat2) / 2))
  return Math.hypot(east, (lat2 - lat1) * METRES_PER_DEGREE)
}

/** Whether a point lies in a shape; what the inner rings of a shape cut out does not. */
export function inside(rings: Point[][], [lon, lat]: Point): boolean {
  let odd = false
  for (const ring of rings) {
    for (const [index, [x1, y1]] of ring.entries()) {
      const [x2, y2] = ring[(index + 1) % ring.length] as Point
      if (y1 > lat !== y2 > lat && lon < x1 + ((lat - y1) / (y2 - y1)) * (x2 - x1)) odd = !odd
    }
  }
  return odd
}

const say = phrases({ m: '{n} 米', km: '{n} 公里' }, { m: '{n} m', km: '{n} km' })

/** 850 米, 2.4 公里. */
export const distanceText = (metres: number): string =>
  metres < 1000 ? say('m', { n: Math.round(metres / 10) * 10 }) : say('km', { n: (metres / 1000).toFixed(1) })

/** A position in WGS-84, whatever datum it was measured in; CGCS2000 differs by centimetres. */
export function wgs84({ lon, lat, datum }: Position): Point {
  if (datum === 'bd09') return fromGcj02(fromBd09([lon, lat]))
  return datum === 'gcj02' ? fromGcj02([lon, lat]) : [lon, lat]
}

function fromBd09([lon, lat]: Point): Point {
  const [x, y] = [lon - 0.0065, lat - 0.006]
  const z = Math.hypot(x, y) - 0.00002 * Math.sin((y * Math.PI * 3000) / 180)
  const angle = Math.atan2(y, x) - 0.000003 * Math.cos((x * Math.PI * 3000) / 180)
  return [z * Math.cos(angle), z * Math.sin(angle)]
}

/** The shift is known one way only; three steps bring the other way below a centimetre. */
function fromGcj02(wanted: Point): Point {
  let guess = wanted
  for (let step = 0; step < 3; step += 1) {
    const [lon, lat] = toGcj02(guess)
    guess = [guess[0] + wanted[0] - lon, guess[1] + wanted[1] - lat]
  }
  return guess
}

/** The ellipsoid of Krasovsky, metres, and its eccentricity squared. */
const [A, E2] = [6_378_245, 0.006_693_421_622_965_943]

export function toGcj02([lon, lat]: Point): Point {
  const [x, y] = [lon - 105, lat - 35]
  const wave = (20 * Math.sin(6 * x * Math.PI) + 20 * Math.sin(2 * x * Math.PI)) * (2 / 3)
  const along = (a: number, b: number, c: number, v: number) =>
    ((20 * Math.sin(v * Math.PI) + 40 * Math.sin((v / 3) * Math.PI)) * 2 + (a * Math.sin((v / 12) * Math.PI) + b * Math.sin((v * Math.PI) / 30)) * 2) / 3 + c
  const north = along(160, 320, -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + wave, y)
  const east = along(150, 300, 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + wave, x)
  const flat = 1 - E2 * Math.sin(radians(lat)) ** 2
  const dLat = (north * 180) / (((A * (1 - E2)) / (flat * Math.sqrt(flat))) * Math.PI)
  const dLon = (east * 180) / ((A / Math.sqrt(flat)) * Math.cos(radians(lat)) * Math.PI)
  return [lon + dLon, lat + dLat]
}
