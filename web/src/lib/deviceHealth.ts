// How a device is, for the board: marks that say what is wrong, and which device needs a person first.

import type { DeviceHealth, Losses } from './sync'
import { duration } from './time'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Within two minutes the server trusts a device's clock; beyond five it no longer takes the device's own tokens. */
const CLOCK_WARN = 2 * MINUTE
const CLOCK_BAD = 5 * MINUTE
/** A day without a word is a day off; after three the server hands what waits to a person. */
const QUIET_WARN = 24 * HOUR
const QUIET_BAD = 72 * HOUR

export type MarkTone = 'bad' | 'warn' | 'calm'

export interface Mark {
  tone: MarkTone
  text: string
  /** The whole sentence. */
  why: string
}

/** What is still to come from a device, as far as its last push told. */
export const toCome = (device: DeviceHealth): number => device.missing - device.lost

/**
 * Every mark of a device, worst first. Of a revoked one nothing but losses and open work matters, and a camera or a
 * dock brings files, so that its silence says nothing.
 */
export function marks(device: DeviceHealth, now: number): Mark[] {
  const found: Mark[] = []
  const add = (tone: MarkTone, text: string, why: string) => found.push({ tone, text, why })
  if (device.lost > 0) {
    add('bad', `丢失 ${device.lost} 项`, `在这台终端上做过的 ${device.lost} 项操作没有传到，也不会再来。`)
  }
  if (device.in_review > 0) {
    add('warn', `待复核 ${device.in_review} 项`, '这台终端的操作中有需要人工决定的。')
  }
  if (device.revoked_at !== null) {
    add('calm', '已注销', '终端已注销，之后传来的操作单独存放。')
    return worstFirst(found)
  }
  if (device.digest_matched === false) {
    add('bad', '数据不一致', '终端上的记录与服务器最近一次核对不一致，终端应自行补取；持续不一致请联系管理员。')
  }
  clock(device.clock_offset_ms, add)
  if (device.storage_persisted === false) {
    add('warn', '存储无保护', '浏览器没有承诺保留终端上的数据，空间不足时可能清除未上传的内容。')
  }
  if (device.kind === 'handheld') silence(device, now, add)
  if (toCome(device) > 0) {
    const since = age(device.oldest_at, now)
    const long = since === null ? '' : `，最早一项在 ${duration(since)}前`
    add(tone(since, 'calm'), `未到 ${toCome(device)} 项`, `终端上还有 ${toCome(device)} 项没有传到${long}。`)
  }
  if ((device.media_waiting ?? 0) > 0) {
    add('calm', `待传文件 ${device.media_waiting} 件`, '照片或视频还在终端上等待上传。')
  }
  return worstFirst(found)
}

/**
 * Losses first, of devices that are in use: of a revoked one they are history, and would stand on top for ever. Then by
 * how many bad marks there are, how many warnings, and how much is concerned.
 */
export function sortByWorst(devices: readonly DeviceHealth[], now: number): DeviceHealth[] {
  const keyed = devices.map((device) => {
    const found = marks(device, now)
    const count = (tone: MarkTone) => found.filter((mark) => mark.tone === tone).length
    const losing = device.revoked_at === null && device.lost > 0 ? 1 : 0
    return {
      device,
      key: [losing, count('bad'), count('warn'), device.lost, device.in_review, toCome(device), count('calm')],
    }
  })
  keyed.sort((a, b) => {
    const at = a.key.findIndex((value, index) => value !== b.key[index])
    return at < 0 ? a.device.name.localeCompare(b.device.name, 'zh') : (b.key[at] ?? 0) - (a.key[at] ?? 0)
  })
  return keyed.map(({ device }) => device)
}

/** `快 3 分`, as people say it of a clock. */
export function clockText(offset: number | null): string {
  if (offset === null) return '—'
  if (Math.abs(offset) < 1000) return '准'
  const by = Math.abs(offset)
  const long = by < MINUTE ? `${Math.round(by / 1000)} 秒` : duration(Math.round(by / MINUTE) * MINUTE)
  return `${offset > 0 ? '快' : '慢'} ${long}`
}

/** `1–3、7`: numbers in order, runs drawn together. */
export function ranges(numbers: readonly number[]): string {
  const runs: [from: number, to: number][] = []
  for (const number of numbers) {
    const last = runs[runs.length - 1]
    if (last !== undefined && number === last[1] + 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join('、')
}

const EPOCH_REASONS: Record<string, string> = {
  enrolled: '登记',
  copied: '发现旧副本，重新编号',
  wiped: '终端数据被清空',
}

export const epochReason = (reason: string): string => EPOCH_REASONS[reason] ?? reason

/** How many of an epoch's operations are not here; more than its list names when it is long. */
export const absent = (losses: Losses): number => Math.max(losses.made - losses.received, losses.missing.length)

const KINDS: Record<string, string> = { handheld: '手持终端', camera: '执法记录仪', dock: '采集站' }

export const kindLabel = (kind: string): string => KINDS[kind] ?? kind

function clock(offset: number | null, add: (tone: MarkTone, text: string, why: string) => void): void {
  const by = Math.abs(offset ?? 0)
  if (by < CLOCK_WARN) return
  const text = `时钟${clockText(offset)}`
  add(by >= CLOCK_BAD ? 'bad' : 'warn', text, '终端的时钟与服务器不一致，操作时间只能推算。请校准终端时间。')
}

function silence(device: DeviceHealth, now: number, add: (tone: MarkTone, text: string, why: string) => void): void {
  const since = age(device.last_push_at, now)
  if (since === null) {
    add('warn', '从未同步', '终端登记之后还没有同步过。')
  } else if (since >= QUIET_WARN) {
    add(tone(since, 'warn'), `${duration(since)}未同步`, '终端较长时间没有联系服务器，里面可能有未上传的操作。')
  }
}

const tone = (since: number | null, otherwise: MarkTone): MarkTone =>
  since === null || since < QUIET_WARN ? otherwise : since < QUIET_BAD ? 'warn' : 'bad'

function age(at: string | null, now: number): number | null {
  const time = at === null ? Number.NaN : Date.parse(at)
  return Number.isNaN(time) ? null : Math.max(0, now - time)
}

const TONES: MarkTone[] = ['bad', 'warn', 'calm']

const worstFirst = (found: Mark[]): Mark[] => found.sort((a, b) => TONES.indexOf(a.tone) - TONES.indexOf(b.tone))
