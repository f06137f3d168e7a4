// Which tiles of web Mercator a map shows, and where on the screen. Pure. The tiles' own datum is theirs: what they show
// is put where it lies in WGS-84.

import type { Position } from '../lib/types'
import { type Frame, type Point, moved, toGcj02, toPixels, wgs84 } from './geo'

export interface Tile {
  z: number
  x: number
  y: number
}

/** A tile and its rectangle on the screen, pixels. */
export interface Placed extends Tile {
  left: number
  top: number
  width: number
  height: number
}

/** Metres of a pixel at the equator when one tile of 256 pixels holds the world. */
const METRES_PER_PIXEL = 156_543.034
/** More than a screen ever needs: a frame that asks for more is not one. */
const MOST = 80

/** The zoom whose pixels are nearest to those of the screen. */
export function zoomOf({ centre: [, lat], scale }: Frame, least: number, most: number): number {
  const wanted = Math.log2(METRES_PER_PIXEL * Math.cos((lat * Math.PI) / 180) * scale)
  return Math.min(most, Math.max(least, Math.round(wanted)))
}

/** The tiles that a screen of this size shows, none when they would be too many. */
export function tilesOf(
  frame: Frame, width: number, height: number, datum: Position['datum'], zooms: { least: number; most: number },
): Placed[] {
  const z = zoomOf(frame, zooms.least, zooms.most)
  const side = 2 ** z
  const known = (point: Point): Point => (datum === 'gcj02' ? toGcj02(point) : point)
  const [west, north] = known(moved(frame, width / 2, height / 2).centre)
  const [east, south] = known(moved(frame, -width / 2, -height / 2).centre)
  const inside = (index: number): number => Math.min(side - 1, Math.max(0, Math.floor(index)))
  const [left, right] = [inside(xOf(west) * side), inside(xOf(east) * side)]
  const [top, bottom] = [inside(yOf(north) * side), inside(yOf(south) * side)]
  if ((right - left + 1) * (bottom - top + 1) > MOST) return []
  const place = (x: number, y: number) => {
    const [lon, lat] = corner(x / side, y / side)
    return toPixels(frame, wgs84({ lon, lat, datum }), width, height)
  }
  const found: Placed[] = []
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const [from, to] = [place(x, y), place(x + 1, y + 1)]
      found.push({ z, x, y, left: from[0], top: from[1], width: to[0] - from[0], height: to[1] - from[1] })
    }
  }
  return found
}

/** From the west, 0…1. */
const xOf = (lon: number): number => (lon + 180) / 360

/** From the north, 0…1. */
function yOf(lat: number): number {
  const angle = (lat * Math.PI) / 180
  return (1 - Math.asinh(Math.tan(angle)) / Math.PI) / 2
}

/** Longitude and latitude of a place of the world's square. */
function corner(x: number, y: number): Point {
  return [x * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI]
}
