// Recordings of body cameras and the use of devices, as people read them.

import type { CameraUse, Clip, ClipState, DeviceUse, ScorePart } from './clips'
import type { Flag } from './evidence'
import { sizeLabel } from './labels'
import { terms } from './language'
import { duration } from './time'

export const clipState = terms<ClipState>({
  unclaimed: '待认领',
  proposed: '待确认',
  linked: '已关联',
  dismissed: '无需关联',
}, {
  unclaimed: 'Unclaimed',
  proposed: 'To be confirmed',
  linked: 'Linked',
  dismissed: 'Belongs to no case',
})

/** How long it waits; a week is longer than anybody remembers. */
export function waitTone(seconds: number): 'ended' | 'warn' | 'bad' {
  const days = seconds / 86_400
  return days < 1 ? 'ended' : days < 7 ? 'warn' : 'bad'
}

const TIMES: Record<string, string> = {
  name: '文件名',
  file: '视频文件头',
  mtime: '文件修改时间',
  device: '设备申报',
  received: '收到的时间',
}

export const timeFrom = (source: string): string => TIMES[source] ?? source

const WEARERS: Record<string, string> = { roster: '按排班', name: '按文件名中的警号' }

export const wearerFrom = (source: string | null): string => (source === null ? '' : (WEARERS[source] ?? source))

/** By how much the camera's clock was wrong, and that it was taken off. */
export function clockText(clip: Clip): string {
  if (clip.clock_offset_ms === null) return '误差未知，未作修正'
  const by = Math.abs(clip.clock_offset_ms)
  const long = by < 60_000 ? `${Math.round(by / 1000)} 秒` : duration(by)
  const from = clip.clock_from === 'configured' ? '人工设定' : '采集站测得'
  return by < 1000 ? `准（${from}）` : `${clip.clock_offset_ms > 0 ? '快' : '慢'} ${long}，已修正（${from}）`
}

const DOUBTS: Record<string, (detail: string) => string> = {
  camera_differs: (detail) => `文件自称来自另一台记录仪 ${detail}`,
  camera_unknown: (detail) => `记录仪 ${detail} 没有登记`,
  officer_differs: () => '文件名中的警号与排班不符',
  after_arrival: (detail) => `录制时间比到达时间还晚 ${secondsText(Number(detail))}`,
  clock_ahead: (detail) => `录制时间比采集时还晚 ${secondsText(Number(detail))}`,
  name_time_differs: (detail) => `文件名与文件头的时间相差 ${secondsText(Number(detail))}，取文件头`,
  name_time_alone: (detail) => `只有文件名写了时间，与文件修改时间相差 ${secondsText(Number(detail))}`,
}

export const doubtText = ({ code, detail }: Flag): string => DOUBTS[code]?.(detail) ?? `${code} ${detail}`.trim()

const secondsText = (seconds: number): string => (seconds < 60 ? `${Math.round(seconds)} 秒` : duration(seconds * 1000))

const PARTS: Record<string, string> = { officer: '人员', time: '时间', distance: '地点' }

export const partLabel = (part: string): string => PARTS[part] ?? part

/** Why a part of a score has its points. */
export function partText({ part, why, figure }: ScorePart): string {
  const far = figure === null ? '' : part === 'time' ? secondsText(figure) : metres(figure)
  switch (`${part}.${why}`) {
    case 'officer.acted':
      return '佩戴人办过这件案'
    case 'officer.own_unit':
      return '案件属佩戴人的单位，本人没有办过'
    case 'officer.other_unit':
      return '案件属别的单位'
    case 'officer.wearer_unknown':
      return '不知道谁佩戴'
    case 'time.during':
      return '录像期间有人办理这件案'
    case 'time.near':
    case 'time.far':
      return `离最近一次办理 ${far}`
    case 'time.nothing_done':
      return '前后半小时内没有人办理'
    case 'distance.here':
      return `就在案发地点（${far}）`
    case 'distance.near':
      return `离案发地点 ${far}`
    case 'distance.far':
      return `离案发地点 ${far}，扣分`
    case 'distance.place_unknown':
      return '录像或案件没有位置'
    default:
      return `${why} ${figure ?? ''}`.trim()
  }
}

const metres = (count: number): string => (count < 1000 ? `${count} 米` : `${(count / 1000).toFixed(1)} 公里`)

/** Thousandths, as a share. */
export const share = (milli: number | null): string => (milli === null ? '—' : `${Math.round(milli / 10)}%`)

export const hours = (seconds: number): string =>
  seconds === 0 ? '0' : seconds < 360 ? '<0.1 时' : `${(seconds / 3600).toFixed(1)} 时`

const USE_STATES: Record<DeviceUse['state'], { word: string; tone: string }> = {
  in_use: { word: '在用', tone: 'unit' },
  idle: { word: '在册未用', tone: 'warn' },
  lost: { word: '失联', tone: 'bad' },
  repair: { word: '待修', tone: 'city' },
}

export const USE_STATE_NAMES = Object.keys(USE_STATES) as DeviceUse['state'][]

export const useState = (state: string): { word: string; tone: string } =>
  USE_STATES[state as DeviceUse['state']] ?? { word: state, tone: 'ended' }

const REASONS: Record<string, (use: DeviceUse) => string> = {
  flagged: ({ repair }) => `待修：${repair ?? ''}`,
  revoked: () => '已注销',
  never_enrolled: ({ days }) => `登记 ${days ?? 0} 天，从未启用`,
  never_used: ({ days }) => `启用后从未使用，已 ${days ?? 0} 天`,
  silent: ({ days }) => `${days ?? 0} 天没有任何数据`,
  not_used: ({ days }) => `${days ?? 0} 天没有使用`,
  used: () => '',
  not_registered: () => '没有登记的记录仪',
  rostered_not_recording: () => '排了班却没有录像',
  late_uploads: ({ camera }) => `24 小时内上传的只占 ${share(camera?.within_24h_milli ?? null)}`,
  footage_unclaimed: ({ camera }) => `过半录像无人认领（${hours(camera?.unclaimed_s ?? 0)}）`,
}

/** Why it stands as it does, the most important first. */
export const useReasons = (use: DeviceUse): string[] =>
  use.reasons.map((code) => REASONS[code]?.(use) ?? code).filter((text) => text !== '')

/** What it did in the span, in a few words. */
export function useText(use: DeviceUse): string {
  if (use.camera) return cameraText(use.camera)
  if (use.handheld) return `同步 ${use.handheld.pushes} 次，操作 ${use.handheld.ops} 项，照片视频 ${use.handheld.evidence} 件`
  if (use.dock) return `文件 ${use.dock.files} 个，${sizeLabel(use.dock.bytes)}`
  return '—'
}

const cameraText = (use: CameraUse): string =>
  use.files === 0
    ? '没有录像'
    : `${use.files} 段，${hours(use.recorded_s)}${use.rostered_s > 0 ? `，占排班 ${share(use.recorded_milli)}` : ''}`
