// Rectangles over a picture, thousandths of its width and height; see src/evidence/custody/rules.rs.

import type { Region } from './evidence'

export const MOST_REGIONS = 50
const WHOLE = 1000
/** Anything smaller was a click. */
const LEAST = 8

export interface Point {
  x: number
  y: number
}

const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most)

/** The rectangle between two corners; `null` when it is too small to have been meant. */
export function between(a: Point, b: Point): Region | null {
  const span = (from: number, to: number): [start: number, length: number] => {
    const [low, high] = [Math.min(from, to), Math.max(from, to)].map((at) => clamp(at, 0, WHOLE))
    const start = Math.floor(low ?? 0)
    return [start, Math.ceil(high ?? 0) - start]
  }
  const [x, w] = span(a.x, b.x)
  const [y, h] = span(a.y, b.y)
  return w < LEAST || h < LEAST ? null : { x, y, w, h }
}

/** The same size elsewhere, never outside. */
export const moved = (region: Region, dx: number, dy: number): Region => ({
  ...region,
  x: clamp(region.x + dx, 0, WHOLE - region.w),
  y: clamp(region.y + dy, 0, WHOLE - region.h),
})

/** The same corner with another size, never outside. */
export const resized = (region: Region, dw: number, dh: number): Region => ({
  ...region,
  w: clamp(region.w + dw, LEAST, WHOLE - region.x),
  h: clamp(region.h + dh, LEAST, WHOLE - region.y),
})

/** In the middle, for whoever has no pointer. */
export const MIDDLE: Region = { x: 400, y: 400, w: 200, h: 200 }
