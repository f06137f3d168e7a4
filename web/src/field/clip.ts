// One short clip beside the photos: by the browser's own recorder where it writes what the server can read, else by
// the phone's camera app.

import { sizeLabel } from '../lib/labels'
import { phrases } from '../lib/language'
import { hashOf } from './camera'

export const MOST_S = 30
/** What a camera app makes of 30 s in 1080p; the recorder here makes a sixth of it. */
export const MOST_BYTES = 60 * 1024 * 1024
/** A camera app stops when the thumb does. */
const SLACK_S = 2
/** 720p in which a number plate can be read, about 10 MB in 30 s. */
export const RECORDED = { width: 1280, height: 720, bitsPerSecond: 2_500_000 }

/** Kinds of film that the server reads (`sniff` in src/evidence/media.rs), and how their files end. */
const ENDINGS: Record<string, string> = { 'video/mp4': 'mp4', 'video/quicktime': 'mov', 'video/3gpp': '3gp' }

const say = phrases(
  {
    name: '录像', too_long: '录像有 {seconds} 秒，最长 {most} 秒。请重录一段短的。', too_large: '录像有 {size}，最大 {most}。请在相机里调低清晰度，重录一段短的。',
    other_type: '这种格式的录像服务器不能识别。请用手机自带的相机录成 MP4。', empty: '没有录到画面，请重录。',
  },
  {
    name: 'Video', too_long: 'The video is {seconds} s long, the most is {most} s. Record a shorter one.',
    too_large: 'The video has {size}, the most is {most}. Choose a lower quality in the camera and record a shorter one.',
    other_type: 'The server can’t read a video of this kind. Record an MP4 with the phone’s own camera.',
    empty: 'Nothing was recorded. Record it again.',
  },
)

export interface Clip {
  blob: Blob
  sha256: string
  /** When it began, or when a camera app wrote it. */
  taken_at: string
  /** Null when the browser can't tell. */
  length_s: number | null
}

/** How this browser records what the server can read; null when a camera app must. */
export function recordedType(): string | null {
  const able = typeof MediaRecorder !== 'undefined' && MediaRecorder.isTypeSupported('video/mp4')
  return able ? 'video/mp4' : null
}

/** Why it can't be taken, in words; empty when it can. */
export function clipRefused({ type, size }: { type: string; size: number }, length_s: number | null): string {
  if (size === 0) return say('empty')
  if (ENDINGS[kindOf(type)] === undefined) return say('other_type')
  if (length_s !== null && length_s > MOST_S + SLACK_S) return say('too_long', { seconds: Math.round(length_s), most: MOST_S })
  return size > MOST_BYTES ? say('too_large', { size: sizeLabel(size), most: sizeLabel(MOST_BYTES) }) : ''
}

/** Read whole to be hashed: browsers hash no streams, and what is taken is small enough for that. */
export async function clipOf(film: Blob, taken: number, length_s: number | null): Promise<Clip> {
  const blob = new Blob([film], { type: kindOf(film.type) })
  return { blob, sha256: await hashOf(await blob.arrayBuffer()), taken_at: new Date(taken).toISOString(), length_s }
}

/** A clip as a file of an operation; no rule of the trade asks for one. */
export function clipFile({ blob, sha256, taken_at }: Clip) {
  return {
    blob,
    filename: `${say('name')}-${taken_at.replace(/[^0-9T]/g, '')}.${ENDINGS[blob.type]}`,
    evidence: { sha256, size: blob.size, mime: blob.type, role: 'scene', need: 'none' as const, captured_at: taken_at },
  }
}

/** Films that were being taken when their pages were left: each becomes the clip that is kept, or null. */
const leftOff = new Map<string, Promise<Clip | null>>()
/** A page that is opened later than this finds the clip in its draft. */
const SETTLED_MS = 60_000

export function leaveOff(page: string, ending: Promise<Clip | null>): void {
  leftOff.set(page, ending)
  const forget = () => void (leftOff.get(page) === ending && leftOff.delete(page))
  // What was lost is told whenever somebody comes back.
  void ending.then((clip) => clip !== null && setTimeout(forget, SETTLED_MS))
}

/** What becomes of the film that was left off on a page; whoever asks answers for it. */
export function takeUp(page: string): Promise<Clip | null> | null {
  const ending = leftOff.get(page) ?? null
  leftOff.delete(page)
  return ending
}

/** How long a film is, seconds; null when the browser can't read it. */
export function lengthOf(film: Blob): Promise<number | null> {
  const probe = document.createElement('video')
  const url = URL.createObjectURL(film)
  return new Promise<number | null>((resolve) => {
    probe.onloadedmetadata = () => resolve(Number.isFinite(probe.duration) ? probe.duration : null)
    probe.onerror = () => resolve(null)
    setTimeout(() => resolve(null), 5_000)
    probe.preload = 'metadata'
    probe.src = url
  }).finally(() => URL.revokeObjectURL(url))
}

/** Without `codecs=…`, which no two browsers spell alike. */
const kindOf = (type: string): string => (type.split(';')[0] ?? '').trim().toLowerCase()
