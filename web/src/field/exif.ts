// Writes into a photo when and where it was taken: a canvas makes JPEGs that say nothing, and a file that is passed on
// should still tell. EXIF 2.3 in an APP1 segment behind the first marker; big-endian.

const ASCII = 2
const LONG = 4
const RATIONAL = 5

interface Entry {
  tag: number
  type: number
  count: number
  bytes: number[]
}

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255]
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)]
const ascii = (tag: number, text: string): Entry => {
  const bytes = [...text].map((char) => char.charCodeAt(0)).concat(0)
  return { tag, type: ASCII, count: bytes.length, bytes }
}
const long = (tag: number, value: number): Entry => ({ tag, type: LONG, count: 1, bytes: u32(value) })
const rationals = (tag: number, pairs: [number, number][]): Entry => ({
  tag, type: RATIONAL, count: pairs.length, bytes: pairs.flatMap(([over, under]) => [...u32(over), ...u32(under)]),
})

const sizeOf = (entries: Entry[]): number =>
  6 + entries.reduce((sum, { bytes }) => sum + 12 + (bytes.length > 4 ? bytes.length + (bytes.length & 1) : 0), 0)

/** A directory that begins at `start`; longer values follow it. */
function directory(entries: Entry[], start: number): number[] {
  const head: number[] = u16(entries.length)
  const tail: number[] = []
  for (const { tag, type, count, bytes } of entries) {
    head.push(...u16(tag), ...u16(type), ...u32(count))
    if (bytes.length <= 4) {
      head.push(...bytes, ...Array<number>(4 - bytes.length).fill(0))
      continue
    }
    head.push(...u32(start + 6 + entries.length * 12 + tail.length))
    tail.push(...bytes, ...(bytes.length & 1 ? [0] : []))
  }
  return [...head, ...u32(0), ...tail]
}

/** Degrees, minutes and seconds to a hundred-thousandth. */
function angle(degrees: number): [number, number][] {
  const value = Math.abs(degrees)
  const whole = Math.floor(value)
  const minutes = Math.floor((value - whole) * 60)
  const seconds = ((value - whole) * 60 - minutes) * 60
  return [[whole, 1], [minutes, 1], [Math.round(seconds * 1e5), 1e5]]
}

/** `at` in milliseconds since 1970; the zone of the county is written with it. */
export function withExif(jpeg: Uint8Array, at: number, place: { lat: number; lon: number } | null): Uint8Array<ArrayBuffer> {
  const local = new Date(at + 8 * 3_600_000).toISOString()
  const time = local.slice(0, 19).replaceAll('-', ':').replace('T', ' ')
  const taken = [ascii(0x9003, time), ascii(0x9011, '+08:00'), ascii(0x9291, local.slice(20, 23))]
  const where =
    place === null
      ? []
      : [
          ascii(1, place.lat < 0 ? 'S' : 'N'),
          rationals(2, angle(place.lat)),
          ascii(3, place.lon < 0 ? 'W' : 'E'),
          rationals(4, angle(place.lon)),
          ascii(0x12, 'WGS-84'),
        ]
  const pointers = where.length === 0 ? 1 : 2
  const takenAt = 8 + 6 + pointers * 12
  const whereAt = takenAt + sizeOf(taken)
  const root = [long(0x8769, takenAt), ...(where.length === 0 ? [] : [long(0x8825, whereAt)])]
  const body = [
    ...[...'Exif'].map((char) => char.charCodeAt(0)), 0, 0,
    0x4d, 0x4d, 0, 42, ...u32(8),
    ...directory(root, 8),
    ...directory(taken, takenAt),
    ...(where.length === 0 ? [] : directory(where, whereAt)),
  ]
  const segment = [0xff, 0xe1, ...u16(body.length + 2), ...body]
  const out = new Uint8Array(jpeg.length + segment.length)
  out.set(jpeg.subarray(0, 2))
  out.set(segment, 2)
  out.set(jpeg.subarray(2), 2 + segment.length)
  return out
}
