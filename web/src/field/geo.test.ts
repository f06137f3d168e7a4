import { describe, expect, it } from 'vitest'
import { type Point, around, distance, inside, moved, toGcj02, toPixels, wgs84, zoomed } from './geo'

const near = ([lon, lat]: Point, [x, y]: Point, digits: number) => {
  expect(lon).toBeCloseTo(x, digits)
  expect(lat).toBeCloseTo(y, digits)
}

describe('datums', () => {
  // The vectors of src/evidence/datum.rs.
  const seat: Point = [109.944, 27.44]

  it('the shift agrees with what was published, and with the server', () => {
    near(toGcj02([116.404, 39.915]), [116.41024449916938, 39.91640428150164], 11)
    near(toGcj02(seat), [109.94851351, 27.43653417], 8)
  })

  it('every datum comes back to where the satellites saw it', () => {
    near(wgs84({ lon: 109.94851351, lat: 27.43653417, datum: 'gcj02' }), seat, 6)
    near(wgs84({ lon: 109.95499233, lat: 27.44255613, datum: 'bd09' }), seat, 5)
    near(wgs84({ lon: 109.944, lat: 27.44, datum: 'cgcs2000' }), seat, 12)
  })
})

describe('the frame', () => {
  const points: Point[] = [[109.94, 27.43], [109.96, 27.45]]

  it('holds all that it was made around, and what is under a finger stays there', () => {
    const frame = around(points, 320, 400)!
    for (const point of points) {
      const [x, y] = toPixels(frame, point, 320, 400)
      expect(x > 0 && x < 320 && y > 0 && y < 400).toBe(true)
    }
    const [x, y] = toPixels(frame, points[0]!, 320, 400)
    const [x2, y2] = toPixels(moved(frame, 30, -20), points[0]!, 320, 400)
    expect([x2 - x, y2 - y].map(Math.round)).toEqual([30, -20])
    expect(around([], 320, 400)).toBeNull()
  })

  it('goes neither beyond the county nor into a doorstep', () => {
    const frame = around(points, 320, 400)!
    expect(zoomed(frame, 1e9).scale).toBe(5)
    expect(zoomed(frame, 1e-9).scale).toBe(0.01)
    expect(distance(points[0]!, points[1]!)).toBeGreaterThan(2900)
  })
})

describe('a shape', () => {
  const square = (west: number): Point[] => [[west, 27], [west + 1, 27], [west + 1, 28], [west, 28], [west, 27]]
  const hole: Point[] = [[109.4, 27.4], [109.6, 27.4], [109.6, 27.6], [109.4, 27.6], [109.4, 27.4]]

  it('holds what lies in it, and not what lies in its hole or beside it', () => {
    expect(inside([square(109), hole], [109.1, 27.5])).toBe(true)
    expect(inside([square(109), hole], [109.5, 27.5])).toBe(false)
    expect(inside([square(109), hole], [110.5, 27.5])).toBe(false)
    expect(inside([], [109.5, 27.5])).toBe(false)
  })
})
