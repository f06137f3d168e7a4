import { expect, it } from 'vitest'
import { type Frame, toGcj02, toPixels } from './geo'
import { tilesOf, zoomOf } from './tiles'

const ZOOMS = { least: 0, most: 18 }
/** Zhongfang, 2 metres a pixel. */
const frame: Frame = { centre: [109.9448, 27.4404], scale: 0.5 }

it('takes the zoom whose pixels are nearest, within what there is', () => {
  expect(zoomOf(frame, 0, 18)).toBe(16)
  expect(zoomOf(frame, 0, 14)).toBe(14)
  expect(zoomOf({ ...frame, scale: 0.00001 }, 3, 18)).toBe(3)
})

it('covers the screen without a gap, and the centre lies in the tile that the formula of web Mercator gives', () => {
  const tiles = tilesOf(frame, 360, 640, 'wgs84', ZOOMS)
  // floor(2^16 · (lon + 180) / 360), floor(2^16 · (1 − ln(tan φ + sec φ) / π) / 2)
  const middle = tiles.find(({ left, top, width, height }) => left <= 180 && left + width > 180 && top <= 320 && top + height > 320)
  expect([middle?.z, middle?.x, middle?.y]).toEqual([16, 52_782, 27_569])
  expect(Math.min(...tiles.map(({ left }) => left))).toBeLessThanOrEqual(0)
  expect(Math.max(...tiles.map(({ left, width }) => left + width))).toBeGreaterThanOrEqual(360)
  expect(Math.min(...tiles.map(({ top }) => top))).toBeLessThanOrEqual(0)
  expect(Math.max(...tiles.map(({ top, height }) => top + height))).toBeGreaterThanOrEqual(640)
  for (const one of tiles) {
    const right = tiles.find(({ x, y }) => x === one.x + 1 && y === one.y)
    if (right !== undefined) expect(right.left).toBeCloseTo(one.left + one.width, 6)
  }
})

it('puts tiles of GCJ-02 where they lie in WGS-84', () => {
  const plain = tilesOf(frame, 360, 640, 'wgs84', ZOOMS)
  const shifted = tilesOf(frame, 360, 640, 'gcj02', ZOOMS)
  const same = shifted.find(({ x, y }) => plain.some((one) => one.x === x && one.y === y))
  const before = plain.find(({ x, y }) => x === same?.x && y === same.y)
  const [east, south] = toPixels(frame, toGcj02(frame.centre), 360, 640)
  // What GCJ-02 says lies to the east and south by so much is drawn that much to the west and north.
  expect(Math.abs((before?.left ?? 0) - (same?.left ?? 0) - (east - 180))).toBeLessThan(2)
  expect(Math.abs((before?.top ?? 0) - (same?.top ?? 0) - (south - 320))).toBeLessThan(2)
  expect(Math.hypot(east - 180, south - 320)).toBeGreaterThan(100)
})

it('asks for no tiles where they would be thousands', () => {
  expect(tilesOf({ ...frame, scale: 0.01 }, 1000, 1000, 'wgs84', { least: 16, most: 18 })).toEqual([])
})
