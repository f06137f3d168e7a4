import { expect, it } from 'vitest'
import { readExif, withExif } from './exif'

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

it('what was written into a photo is read from it again', () => {
  const at = Date.parse('2026-11-23T01:02:03Z')
  const { at: read, place } = readExif(withExif(JPEG, at, { lat: -27.440112, lon: 109.945217 }))
  expect(read).toBe(at)
  expect(place?.lat).toBeCloseTo(-27.440112, 7)
  expect(place?.lon).toBeCloseTo(109.945217, 7)
  expect(place?.datum).toBe('wgs84')
})

/** As the phones of the street write it: little-endian, behind another segment, the time without a zone. */
function little(time: string, datum: string): Uint8Array {
  const text = (words: string) => [...words].map((char) => char.charCodeAt(0)).concat(0)
  const u16 = (value: number) => [value & 255, value >> 8]
  const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)]
  const entry = (tag: number, type: number, count: number, value: number[]) => [...u16(tag), ...u16(type), ...u32(count), ...value]
  const dms = (parts: number[]) => parts.flatMap((part) => [...u32(part), ...u32(1)])
  // The root at 8, the photo's directory at 38, the place's at 56; what they point at follows.
  const [takenAt, whereAt, free] = [38, 56, 122]
  const head = [
    0x49, 0x49, ...u16(42), ...u32(8),
    ...u16(2), ...entry(0x8769, 4, 1, u32(takenAt)), ...entry(0x8825, 4, 1, u32(whereAt)), ...u32(0),
    ...u16(1), ...entry(0x9003, 2, 20, u32(free)), ...u32(0),
    ...u16(5), ...entry(1, 2, 2, [78, 0, 0, 0]), ...entry(2, 5, 3, u32(free + 20)), ...entry(3, 2, 2, [69, 0, 0, 0]),
    ...entry(4, 5, 3, u32(free + 44)), ...entry(0x12, 2, datum.length + 1, u32(free + 68)), ...u32(0),
  ]
  const tiff = [...head, ...text(time), ...dms([27, 26, 24]), ...dms([109, 56, 42]), ...text(datum)]
  const size = tiff.length + 8
  return new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xe1, size >> 8, size & 255, ...text('Exif'), 0, ...tiff, 0xff, 0xd9])
}

it('reads what other cameras write', () => {
  const { at, place } = readExif(little('2026:11:23 09:02:03', 'GCJ-02'))
  expect(at).toBe(Date.parse('2026-11-23T01:02:03Z'))
  expect(place).toEqual({ lat: 27.44, lon: expect.closeTo(109.945, 9) as number, datum: 'gcj02' })
})

it('knows nothing of a photo that says nothing, or was cut off anywhere', () => {
  const nothing = { at: null, place: null }
  const whole = little('2026:11:23 09:02:03', 'WGS-84')
  for (const bytes of [JPEG, new Uint8Array(), new TextEncoder().encode('no photo at all'), little('    :  :     :  :  ', 'x').subarray(0, 40)]) {
    expect(readExif(bytes)).toEqual(nothing)
  }
  for (let length = 0; length < whole.length; length += 1) expect(() => readExif(whole.subarray(0, length))).not.toThrow()
})
