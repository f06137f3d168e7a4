import { describe, expect, it } from 'vitest'
import { placeOf, shift } from './place'

const measured = { lat: 27.44, lon: 109.945, datum: 'wgs84', accuracy_m: 6 }

describe('the place of a report', () => {
  it('is what was measured, in its own datum, until a person puts it right', () => {
    expect(placeOf(null, { ...measured, datum: 'gcj02' })).toEqual({ lat: 27.44, lon: 109.945, datum: 'gcj02' })
    expect(placeOf({ lat: 27.5, lon: 110 }, measured)).toEqual({ lat: 27.5, lon: 110, datum: 'wgs84' })
  })

  it('can be put without a fix, and is unknown without either', () => {
    expect(placeOf({ lat: 27.5, lon: 110 }, null)?.lat).toBe(27.5)
    expect(placeOf(null, null)).toBeNull()
  })

  it('says how far and whither it was moved', () => {
    const east = shift(measured, { lat: 27.44, lon: 109.9455 })
    expect(east.metres).toBeCloseTo(49.4, 1)
    expect(east.bearing).toBeCloseTo(90, 3)
    expect(shift(measured, { lat: 27.439, lon: 109.945 }).bearing).toBeCloseTo(180, 3)
  })
})
