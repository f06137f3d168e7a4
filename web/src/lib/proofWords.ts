// Signatures of devices and the transparency log, as people read them.

import type { Capture, ChainStatus, Checked, LogEntry } from './evidence'
import { localTime } from './time'

const STATUSES: Record<Capture['status'], { word: string; why: string; tone: string }> = {
  accepted: { word: '签名有效', why: '记录由该设备的密钥签名，并在它的记录链上有唯一的位置。', tone: 'unit' },
  forked: { word: '编号重复', why: '签名有效，但该设备的另一条记录用了同一编号：设备数据可能被复制过。', tone: 'bad' },
  quarantined: { word: '不能采信', why: '记录无法识别、签名不符或设备已注销，单独存放。', tone: 'bad' },
}

export const captureStatus = (capture: Capture): { word: string; why: string; tone: string } =>
  STATUSES[capture.status] ?? { word: capture.status, why: '', tone: 'ended' }

/** Who signed it, as which of its records. */
export function captureText(capture: Capture): string {
  if (!capture.signed) return `以 ${capture.device_name} 的名义送来，签名未能核实`
  const epoch = capture.epoch === null || capture.epoch === 0 ? '' : `第 ${capture.epoch} 批`
  return `由 ${capture.device_name} 签名，${epoch}第 ${capture.seq ?? '？'} 条`
}

/** 拍摄时间可证区间: only what does not rest on the device's own clock. */
export const provableTime = (capture: Capture): string =>
  capture.lower_at === null
    ? `${localTime(capture.upper_at)} 之前（没有可证的下限）`
    : `${localTime(capture.lower_at)} 之后，${localTime(capture.upper_at)} 之前`

const FAULTS: Record<string, string> = {
  malformed: '内容无法识别',
  device_unknown: '设备未登记',
  device_revoked: '到达时设备已注销',
  bad_signature: '签名不符',
  epoch_unknown: '批次不存在',
  gap: '前面有缺失的记录',
  fork: '同一编号有两条记录',
  edited: '记录事后被改换',
  reordered: '次序颠倒',
  replayed: '重复送来',
  clock_drift: '时钟走时不一致',
  clock_back: '时钟倒退',
  wall_out_of_bounds: '设备时间不在可证区间内',
  fix_old: '定位过旧',
  fix_repeated: '定位重复',
  accuracy_zero: '定位精度可疑',
  beacon_unknown: '引用的检查点不存在',
}

export const faultLabel = (code: string): string => FAULTS[code] ?? code

/** What is wrong with a device's chains; nothing when they are whole. */
export function chainMarks({ missing, forks, edited, quarantined }: ChainStatus): string[] {
  const found: [count: number, word: string][] = [
    [missing, '缺失'],
    [forks, '编号重复'],
    [edited, '事后改换'],
    [quarantined, '不能采信'],
  ]
  return found.filter(([count]) => count > 0).map(([count, word]) => `${word} ${count} 条`)
}

/** `3–7、9`. */
export const spans = (gaps: { from: number; to: number }[]): string =>
  gaps.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join('、')

export const LOG_KINDS: Record<string, string> = {
  evidence: '证据入册',
  capture: '设备签名记录',
  link: '关联与取消关联',
  custody: '查看与保管',
  reuse_decision: '复用认定',
  export: '证据导出',
  draw: '抽检抽签',
  score: '考核得分',
  check: '每夜核对',
}

export const kindLabel = (kind: string): string => LOG_KINDS[kind] ?? kind

export interface Checkpoint {
  origin: string
  size: number
  /** Base64. */
  root: string
}

/** The three lines of a signed note that say which tree it is; `null` for anything else. */
export function readCheckpoint(note: string): Checkpoint | null {
  const [origin = '', size = '', root = '', blank] = note.split('\n')
  return origin !== '' && /^\d+$/.test(size) && /^[A-Za-z0-9+/]{43}=$/.test(root) && blank === ''
    ? { origin, size: Number(size), root }
    : null
}

const DISAGREEMENTS: Record<string, string> = {
  leaf_changed: '记录内容被改动',
  leaf_missing: '记录缺失',
  tree_rewritten: '已签名的历史被改写',
  tiles_changed: '日志的校验值被改动',
  evidence_unlogged: '证据未入册，或与册上不符',
  evidence_missing: '册上的证据没有档案了',
  original_missing: '原件丢失',
  original_damaged: '原件内容被改动或损坏',
}

export const disagreementLabel = (code: string): string => DISAGREEMENTS[code] ?? code

/** What a leaf says; `null` when it cannot be read. */
export function leafBody(entry: LogEntry): Record<string, unknown> | null {
  try {
    const leaf = JSON.parse(entry.leaf) as { body?: unknown }
    return typeof leaf.body === 'object' && leaf.body !== null ? (leaf.body as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** The body of a check's leaf; a damaged one counts as none. */
export function readCheck(entry: LogEntry): Checked | null {
  const body = leafBody(entry) as Partial<Checked> | null
  return typeof body?.findings === 'number' && Array.isArray(body.named) ? (body as Checked) : null
}

/** `evidence:<id>` → the id. */
export function subjectId(subject: string, kind: string): string | null {
  return subject.startsWith(`${kind}:`) ? subject.slice(kind.length + 1) : null
}
