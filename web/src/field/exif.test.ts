import { expect, it } from 'vitest'
import { withExif } from './exif'

const JPEG = new Uint8Array([0xff, 0xd8, 0xff, 0xd9])

/** The entries of a directory of the segment: tag → [type, count, the four bytes as a number]. */
function entries(tiff: DataView, at: number): Map<number, [number, number, number]> {
  const found = new Map<number, [number, number, number]>()
  for (let index = 0; index < tiff.getUint16(at); index += 1) {
    const entry = at + 2 + index * 12
    found.set(tiff.getUint16(entry), [tiff.getUint16(entry + 2), tiff.getUint32(entry + 4), tiff.getUint32(entry + 8)])
  }
  return found
}

it('a photo says when and where it was taken, and stays the same picture', () => {
  const out = withExif(JPEG, Date.parse('2026-11-23T01:02:03.456Z'), { lat: 27.440112, lon: 109.945217 })
  expect([...out.subarray(0, 4), ...out.subarray(-2)]).toEqual([0xff, 0xd8, 0xff, 0xe1, 0xff, 0xd9])
  const length = new DataView(out.buffer).getUint16(4)
  expect(out.length).toBe(JPEG.length + 2 + length)
  const tiff = new DataView(out.buffer, 12)
  const text = (at: number, count: number) => String.fromCharCode(...new Uint8Array(out.buffer, 12 + at, count - 1))
  const root = entries(tiff, 8)
  const taken = entries(tiff, root.get(0x8769)?.[2] ?? 0)
  const time = taken.get(0x9003) ?? [0, 0, 0]
  expect(text(time[2], time[1])).toBe('2026:11:23 09:02:03')
  const where = entries(tiff, root.get(0x8825)?.[2] ?? 0)
  const at = where.get(2)?.[2] ?? 0
  const part = (index: number) => tiff.getUint32(at + index * 8) / tiff.getUint32(at + index * 8 + 4)
  expect(part(0) + part(1) / 60 + part(2) / 3600).toBeCloseTo(27.440112, 7)
})

it('a photo without a position names none', () => {
  const tiff = new DataView(withExif(JPEG, 0, null).buffer, 12)
  expect([...entries(tiff, 8).keys()]).toEqual([0x8769])
})
