import { expect, it } from 'vitest'
import { fileOf, photoFrom } from './camera'
import { withExif } from './exif'

const JPEG = new Uint8Array([0xff, 0xd8, 0xff, 0xd9])
const HERE = { lat: 27.44, lon: 109.945, datum: 'wgs84', accuracy_m: 6, source: 'gps', fix_age_s: 1 }
const file = (bytes: Uint8Array<ArrayBuffer>, lastModified = Date.now()) => new File([bytes], 'IMG_1.jpg', { lastModified })
const MINUTE = 60_000

it('a photo of the camera app keeps its bytes and its own time, and is where the device is', async () => {
  const at = Math.floor(Date.now() / 1000) * 1000 - 2 * MINUTE
  const bytes = withExif(JPEG, at, { lat: 27.5, lon: 109.9 })
  const photo = await photoFrom(file(bytes), HERE)
  expect(new Uint8Array(await photo.blob.arrayBuffer())).toEqual(bytes)
  expect([photo.taken_at, photo.gps, photo.offsite]).toEqual([new Date(at).toISOString(), HERE, undefined])
  expect(fileOf({ ...photo, slot: 'far' }, '远景', 'scene', 'none').filename).toMatch(/^远景-\d/)
})

it('without a fix it is where it says itself', async () => {
  const { gps } = await photoFrom(file(withExif(JPEG, Date.now(), { lat: 27.5, lon: 109.9 })), null)
  expect(gps).toMatchObject({ lat: expect.closeTo(27.5, 6) as number, datum: 'wgs84', source: 'exif' })
})

it('an older photo was not taken where the device is now, and is marked', async () => {
  const old = await photoFrom(file(withExif(JPEG, Date.now() - 11 * MINUTE, null)), HERE)
  expect([old.gps, old.offsite]).toEqual([null, true])
  expect(fileOf({ ...old, slot: 'far' }, '远景', 'scene', 'none').filename).toContain('远景（非现场）-')
  const placed = await photoFrom(file(withExif(JPEG, Date.now() - 11 * MINUTE, { lat: 27.5, lon: 109.9 })), HERE)
  expect(placed.gps?.source).toBe('exif')
})

it('a photo that says no time has that of its file, and none of the future', async () => {
  const then = Date.now() - MINUTE
  expect((await photoFrom(file(JPEG, then), null)).taken_at).toBe(new Date(then).toISOString())
  const ahead = withExif(JPEG, Date.now() + 60 * MINUTE, null)
  expect(Date.parse((await photoFrom(file(ahead), null)).taken_at)).toBeLessThanOrEqual(Date.now())
})

it('takes nothing that is no JPEG', async () => {
  await expect(photoFrom(file(new Uint8Array([0x89, 0x50, 0x4e, 0x47])), HERE)).rejects.toThrow()
  await expect(photoFrom(file(new Uint8Array()), HERE)).rejects.toThrow()
})
