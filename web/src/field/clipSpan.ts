// Which recordings may belong to a case: those of a span about what was done there. Pure.

import type { Clip } from '../lib/clips'
import { localTime } from '../lib/time'
import type { TimelineEntry } from '../lib/types'
import type { Pending } from './sync/view'

/** So long before and after, milliseconds: as far as the server looks for cases of a clip (`AROUND`, src/clips/rules.rs). */
const AROUND_MS = 30 * 60_000

/** Something that was done about a case. */
export interface Moment {
  command: string
  at: string
  by: string | null
}

export interface Span {
  from: string
  until: string
}

/** What was done, the newest first; what waits on this device is among it. */
export function momentsOf(timeline: TimelineEntry[], pending: Pending[]): Moment[] {
  const done = timeline.map(({ command, at, actor_name }) => ({ command, at, by: actor_name }))
  const waiting = pending
    .filter(({ op_id }) => timeline.every((line) => line.op_id !== op_id))
    .map(({ type, at }) => ({ command: type.replace(/^case\./, ''), at, by: null }))
  return [...done, ...waiting].sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
}

/** Around which of them one looks first: the handling, or else what was done last. */
export const momentToBegin = (moments: Moment[]): Moment | null =>
  moments.find(({ command }) => command === 'handle') ?? moments[0] ?? null

export function spanAround(at: string): Span {
  const moment = Date.parse(at)
  return { from: new Date(moment - AROUND_MS).toISOString(), until: new Date(moment + AROUND_MS).toISOString() }
}

/** `2026-11-26T10:20`, in the county's time, as a field for a date and a time has it. */
export const fieldOf = (at: string): string => localTime(at).replace(' ', 'T')

/** The moment in such a field; null while it is not filled in. */
export function momentIn(field: string): string | null {
  const at = new Date(`${field}:00+08:00`)
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(field) && !Number.isNaN(at.getTime()) ? at.toISOString() : null
}

const touches = (clip: Clip, { from, until }: Span): boolean =>
  Date.parse(clip.started_at) < Date.parse(until) && Date.parse(clip.ended_at) >= Date.parse(from)

/** Nobody has decided about it. */
export const isOpen = ({ state }: Clip): boolean => state === 'unclaimed' || state === 'proposed'

/** The clips of a span, those about which nobody has decided first, then as they were recorded. */
export function clipsIn(clips: Clip[], span: Span, camera: string): Clip[] {
  return clips
    .filter((clip) => touches(clip, span) && (camera === '' || clip.camera === camera))
    .sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)) || Date.parse(a.started_at) - Date.parse(b.started_at))
}
