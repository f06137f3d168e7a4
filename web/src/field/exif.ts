// Writes into a photo when and where it was taken: a canvas makes JPEGs that say nothing, and a file that is passed on
// should still tell. EXIF 2.3 in an APP1 segment behind the first marker; big-endian. And reads the same from photos that
// another app took.

import type { Position } from '../lib/types'

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

/** What a photo says of itself; null where it says nothing that can be. */
export interface ExifFacts {
  /** When it was taken, milliseconds since 1970; a time without a zone is the county's. */
  at: number | null
  place: Position | null
}

/** Never fails: of a file that is cut off, or no JPEG, nothing is known. */
export function readExif(jpeg: Uint8Array): ExifFacts {
  const nothing = { at: null, place: null }
  try {
    const tiff = tiffOf(new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength))
    if (tiff === null) return nothing
    const root = entriesOf(tiff, tiff.long(4))
    const taken = entriesOf(tiff, root.get(0x8769)?.first ?? null)
    const where = entriesOf(tiff, root.get(0x8825)?.first ?? null)
    return { at: timeOf(taken), place: placeOf(where) }
  } catch (error) {
    // An offset that points behind the end.
    if (error instanceof RangeError) return nothing
    throw error
  }
}

interface Tiff {
  view: DataView
  short(at: number): number
  long(at: number): number
}

/** The first EXIF segment before the picture itself begins. */
function tiffOf(view: DataView): Tiff | null {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return null
  for (let at = 2; view.getUint8(at) === 0xff && view.getUint8(at + 1) !== 0xda; at += 2 + view.getUint16(at + 2)) {
    if (view.getUint8(at + 1) !== 0xe1 || view.getUint32(at + 4) !== 0x45786966) continue
    // Not behind the end of a file that was cut off.
    const size = Math.min(view.getUint16(at + 2) - 8, view.byteLength - at - 10)
    const inner = new DataView(view.buffer, view.byteOffset + at + 10, size)
    const little = inner.getUint16(0) === 0x4949
    return { view: inner, short: (place) => inner.getUint16(place, little), long: (place) => inner.getUint32(place, little) }
  }
  return null
}

interface Found {
  /** The value itself where it is one number, or where it lies. */
  first: number
  text(): string
  rationals(): number[]
}

function entriesOf(tiff: Tiff, start: number | null): Map<number, Found> {
  const found = new Map<number, Found>()
  if (start === null) return found
  for (let index = 0; index < tiff.short(start); index += 1) {
    const at = start + 2 + index * 12
    const count = tiff.long(at + 4)
    const first = tiff.long(at + 8)
    const text = () => {
      let out = ''
      for (let place = count > 4 ? first : at + 8, left = count; left > 0 && tiff.view.getUint8(place) !== 0; place += 1, left -= 1) {
        out += String.fromCharCode(tiff.view.getUint8(place))
      }
      return out
    }
    const rationals = () => Array.from({ length: Math.min(count, 3) }, (_, part) => tiff.long(first + part * 8) / tiff.long(first + part * 8 + 4))
    found.set(tiff.short(at), { first, text, rationals })
  }
  return found
}

function timeOf(taken: Map<number, Found>): number | null {
  const [day, time] = (taken.get(0x9003)?.text() ?? '').split(' ')
  const zone = taken.get(0x9011)?.text() ?? ''
  const at = Date.parse(`${day?.replaceAll(':', '-')}T${time}${/^[+-]\d\d:\d\d$/.test(zone) ? zone : '+08:00'}`)
  return Number.isNaN(at) ? null : at
}

function placeOf(where: Map<number, Found>): Position | null {
  const degrees = (tag: number): number => {
    const [whole = NaN, minutes = NaN, seconds = NaN] = where.get(tag)?.rationals() ?? []
    return whole + minutes / 60 + seconds / 3600
  }
  const lat = degrees(2) * (where.get(1)?.text() === 'S' ? -1 : 1)
  const lon = degrees(4) * (where.get(3)?.text() === 'W' ? -1 : 1)
  // Cameras that know no place write zeros.
  if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180) || (lat === 0 && lon === 0)) return null
  const datum = where.get(0x12)?.text().toUpperCase() ?? ''
  return { lat, lon, datum: datum.includes('GCJ') ? 'gcj02' : datum.includes('BD') ? 'bd09' : 'wgs84' }
}
