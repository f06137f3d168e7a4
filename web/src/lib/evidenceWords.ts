// What is known of a piece of evidence, and what does not fit, as people read it.

import type { Evidence, Flag } from './evidence'
import { datumLabel, evidenceRoleLabel, positionText, sizeLabel } from './labels'
import { phrases } from './language'
import { duration, localTime } from './time'

const say = phrases(
  { seconds: '{s} 秒', minutes: '{m} 分 {s} 秒' },
  { seconds: '{s} s', minutes: '{m} min {s} s' },
)

// The same words as in src/evidence/media/compare.rs.
const FLAGS: Record<string, string> = {
  unreadable: '文件无法读取',
  media_type_differs: '文件类型与申报不符',
  truncated: '文件不完整',
  time_missing_in_file: '文件内没有拍摄时间',
  time_missing_in_stamp: '申报没有拍摄时间',
  time_differs: '文件内的时间与申报时间不符',
  time_in_future: '申报的拍摄时间晚于服务器收到的时间',
  time_implausible: '文件内的时间不可信（设备时钟未设置）',
  gps_time_differs: '设备时钟与卫星时间不符',
  position_missing_in_file: '文件内没有位置',
  position_missing_in_stamp: '申报没有位置',
  position_differs: '文件内的位置与申报位置不符',
  position_implausible: '文件内的位置不可信',
  position_incomplete: '文件内的位置不完整',
  datum_unknown: '文件使用了未知的坐标系',
  stamp_after_bytes: '文件到达之后才补充了申报的时间或位置',
  device_revoked: '上传设备已被停用',
  track_time_differs: '轨迹的时间与录像时间不符',
  track_position_differs: '轨迹的位置与录像位置不符',
  track_unreadable: '轨迹文件中没有可读的轨迹',
}

/** What only says less than it could; everything else contradicts something. */
const QUIET = ['time_missing_in_file', 'position_missing_in_file', 'position_missing_in_stamp', 'time_missing_in_stamp']

export const flagLabel = (flag: Flag): string => FLAGS[flag.code] ?? flag.code
export const flagTone = (flag: Flag): 'ended' | 'warn' => (QUIET.includes(flag.code) ? 'ended' : 'warn')

/** `28800 s > 300 s, file: 2026-11-22T02:30:00Z (movie_header), as local time: 0 s`, as a sentence. */
export function flagDetail({ code, detail }: Flag): string {
  if (code === 'media_type_differs') return detail.replace(/^(.*), file: (.*)$/, '申报为 $1，文件实为 $2')
  return detail
    .split(/, (?=as |file:|track:)/)
    .map((part) =>
      part
        .replace(/^(\d+) s > (\d+) s$/, (_, gap, limit) => `相差 ${seconds(gap)}，超过允许的 ${seconds(limit)}`)
        .replace(/^(\d+) m > (\d+) m$/, '相距 $1 米，超过允许的 $2 米')
        .replace(/^file: /, '文件内为 ')
        .replace(/^track: /, '轨迹为 ')
        .replace(/^as local time: (\d+) s$/, (_, gap) => `若文件写的是本地时间，则只差 ${seconds(gap)}`)
        .replace(/^as (\w+): (\d+) m$/, (_, datum, gap) => `若按 ${datumLabel(datum)} 坐标理解，则只差 ${gap} 米`)
        .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, localTime)
        .replace(/ \((\w+)\)$/, (whole, source) => (TIME_SOURCES[source] === undefined ? whole : `（${TIME_SOURCES[source]}）`)),
    )
    .join('，')
}

const seconds = (count: string): string => (Number(count) < 60 ? `${count} 秒` : duration(Number(count) * 1000))

const TIME_SOURCES: Record<string, string> = {
  zone_known: '写明时区',
  assumed_shanghai: '未写时区，按北京时间',
  movie_header: '视频文件头',
  gps: '卫星时间',
}

export const isPhoto = (evidence: Evidence): boolean => evidence.media_type.startsWith('image/')

/** Both words count: a camera's dock may declare a recording as plain bytes. */
export const isVideo = (evidence: Evidence): boolean =>
  evidence.media_type.startsWith('video/') || (evidence.facts?.media_type.startsWith('video/') ?? false)

export const isRestricted = (evidence: Evidence): boolean => evidence.access_class === 'restricted'

/** Whether the server can make a redacted copy of it. */
export const isRedactable = (evidence: Evidence): boolean =>
  evidence.state === 'stored' && ['image/jpeg', 'image/png'].includes(evidence.facts?.media_type ?? evidence.media_type)

export const evidenceTitle = (evidence: Evidence): string =>
  evidenceRoleLabel(evidence.role) || (isVideo(evidence) ? '录像' : '证据')

const TARGETS: Record<string, string> = { case: '案件', spot_check: '抽检记录' }

/** `案件 处置后`. */
export const linkLabel = ({ target_kind, role }: { target_kind: string; role: string }): string =>
  `${TARGETS[target_kind] ?? target_kind} ${evidenceRoleLabel(role)}`.trim()

/** `3 分 20 秒`, of a recording. */
export function lengthText(milliseconds: number): string {
  const whole = Math.round(milliseconds / 1000)
  if (whole < 3600) return say(whole < 60 ? 'seconds' : 'minutes', { m: Math.floor(whole / 60), s: whole % 60 })
  return duration(milliseconds)
}

/** What there is to say of a piece, in the order in which it is asked for. */
export function evidenceFields(evidence: Evidence, deviceName: (id: string) => string): [label: string, value: string][] {
  const { facts, gps } = evidence
  const rows: [string, string | null | undefined][] = [
    ['申报拍摄时间', localTime(evidence.captured_at)],
    [
      '文件内时间',
      facts?.taken_at && `${localTime(facts.taken_at.at)}（${TIME_SOURCES[facts.taken_at.source] ?? facts.taken_at.source}）`,
    ],
    ['申报位置', gps && `${positionText(gps)}${gps.accuracy_m ? `，误差约 ${Math.round(gps.accuracy_m)} 米` : ''}`],
    ['文件内位置', facts?.position && positionText({ ...facts.position, datum: 'wgs84' })],
    ['上传设备', evidence.device_id && deviceName(evidence.device_id)],
    ['拍摄机型', facts?.device],
    ['画面', facts?.width && facts.height ? `${facts.width} × ${facts.height}` : null],
    ['时长', facts?.duration_ms ? lengthText(facts.duration_ms) : null],
    ['文件', `${facts?.media_type ?? evidence.media_type}，${sizeLabel(evidence.size)}`],
    ['文件名', evidence.filename],
    ['登记时间', localTime(evidence.declared_at)],
    ['收到并核验', evidence.stored_at === null ? '尚未传完' : localTime(evidence.stored_at)],
    ['SHA-256', evidence.sha256],
  ]
  return rows.filter((row): row is [string, string] => Boolean(row[1]))
}
