// Photos are taken in the page: browsers on Android take the position out of any file that comes from elsewhere. Where the
// page gets no camera, the device's own app takes them.

import { phrases } from '../lib/language'
import { readExif, withExif } from './exif'
import type { Gps } from './sync/wire'

const say = phrases(
  {
    far: '远景', near: '近景', reference: '参照物', forbidden: '没有使用相机的权限。请在浏览器的网站设置中允许相机，再返回此页。',
    none: '没有找到相机。', absent: '此浏览器不能在页面里打开相机。', taken: '相机正被别的应用占用。请关闭那个应用，再返回此页。', failed: '相机打不开。', offsite: '{name}（非现场）',
  },
  {
    far: 'Wide', near: 'Close', reference: 'Landmark',
    forbidden: 'The camera is not allowed. Allow it in the browser’s site settings, then come back to this page.',
    none: 'No camera was found.', absent: 'This browser can’t open a camera in the page.', taken: 'Another app is using the camera. Close it, then come back to this page.',
    failed: 'The camera does not open.', offsite: '{name} (not on site)',
  },
)

export const SLOTS = (['far', 'near', 'reference'] as const).map((id) => ({
  id,
  get name() {
    return say(id)
  },
}))

export interface Photo {
  /** The place it fills. */
  slot: string
  blob: Blob
  sha256: string
  taken_at: string
  gps: Gps | null
  /** 非现场拍摄: it came as a file, and was taken a while before. */
  offsite?: boolean
}

export function openCamera(): Promise<MediaStream> {
  const video = { facingMode: { ideal: 'environment' }, width: { ideal: 1920 }, height: { ideal: 1080 } }
  return navigator.mediaDevices.getUserMedia({ audio: false, video })
}

/** With sound where the person allows it: a film without is worth more than none. */
export async function openFilmCamera({ width, height }: { width: number; height: number }): Promise<MediaStream> {
  const video = { facingMode: { ideal: 'environment' }, width: { ideal: width }, height: { ideal: height } }
  const ask = (audio: boolean) => navigator.mediaDevices.getUserMedia({ audio, video })
  return ask(true).catch(() => ask(false))
}

/** The lamp beside the camera; null when it has none, or the browser can't switch it. */
export function torchOf(stream: MediaStream): ((on: boolean) => Promise<void>) | null {
  const [track] = stream.getVideoTracks()
  const able = (track?.getCapabilities?.() as { torch?: boolean } | undefined)?.torch === true
  if (track === undefined || !able) return null
  // No browser's types have it yet.
  return (on) => track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] })
}

/** Why there is no picture, and what to do. */
export function cameraWords(error: unknown): string {
  if (navigator.mediaDevices === undefined) return say('absent')
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError') return say('forbidden')
  if (name === 'NotFoundError') return say('none')
  if (name === 'NotReadableError') return say('taken')
  return say('failed')
}

/** What the viewfinder shows, as a JPEG that says when and where, and its hash. */
export async function shoot(video: HTMLVideoElement, gps: Gps | null): Promise<Omit<Photo, 'slot'>> {
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  canvas.getContext('2d')?.drawImage(video, 0, 0)
  return pictureOf(canvas, gps)
}

/** What was drawn, as a JPEG that says when and where, and its hash. */
export async function pictureOf(canvas: HTMLCanvasElement, gps: Gps | null): Promise<Omit<Photo, 'slot'>> {
  const at = Date.now()
  const drawn = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.88))
  if (drawn === null) throw new Error('the browser made no JPEG')
  const bytes = withExif(new Uint8Array(await drawn.arrayBuffer()), at, gps)
  return { blob: new Blob([bytes], { type: 'image/jpeg' }), sha256: await hashOf(bytes), taken_at: new Date(at).toISOString(), gps }
}

/** A photo that is older when it is handed over was not taken for it, milliseconds. */
const ON_SITE_MS = 10 * 60_000

/**
 * A photo that the device's own camera app took, its bytes as they came. `here` is where the device is: good for a photo
 * of now. An older one is where it says itself; mostly it says nothing, since browsers take that out.
 */
export async function photoFrom(file: File, here: Gps | null): Promise<Omit<Photo, 'slot'>> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Error('no JPEG')
  const { at: said, place } = readExif(bytes)
  // A camera whose clock is ahead took it now at the latest.
  const at = Math.min(said ?? file.lastModified, Date.now())
  const offsite = Date.now() - at > ON_SITE_MS
  const own: Gps | null = place === null ? null : { ...place, source: 'exif' }
  return {
    blob: new Blob([bytes], { type: 'image/jpeg' }), sha256: await hashOf(bytes), taken_at: new Date(at).toISOString(),
    gps: offsite ? own : (here ?? own), ...(offsite ? { offsite } : {}),
  }
}

/** SHA-256, lower-case hexadecimal. */
export async function hashOf(bytes: BufferSource): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', bytes)
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A photo as a file of an operation. */
export function fileOf({ blob, sha256, taken_at, offsite }: Photo, name: string, role: string, need: 'none' | 'before_close') {
  return {
    blob,
    filename: `${offsite ? say('offsite', { name }) : name}-${taken_at.replace(/[^0-9T]/g, '')}.jpg`,
    evidence: { sha256, size: blob.size, mime: 'image/jpeg', role, need, captured_at: taken_at },
  }
}

/**
 * Fewer free bytes than this, and no further photo is taken: what is there must still be brought home. Newer browsers do
 * not tell how much is left; there the write that fails is what tells.
 */
const STORAGE_FLOOR = 64 * 1024 * 1024

/** Whether so many more bytes would leave less than that. */
export async function storageIsLow(more = 0): Promise<boolean> {
  const { quota, usage } = await navigator.storage.estimate()
  return quota !== undefined && usage !== undefined && quota - usage < STORAGE_FLOOR + more
}
