// The words people see. One set everywhere, after the county's own process documents.

import { phrases, terms } from './language'
import type { CaseState, Role } from './types'

const STATES = terms<CaseState>({
  reported: '待派遣',
  dispatched: '待处置',
  handled: '已处置待申请',
  closing_applied: '待审核结案',
  verifying: '市级核查中',
  verified: '待确认结案',
  closed: '已结案',
  void: '作废',
  returned: '已退回待重派',
}, {
  reported: 'To be dispatched',
  dispatched: 'To be handled',
  handled: 'Handled, closing not applied for',
  closing_applied: 'Closing under review',
  verifying: 'Being verified by the city',
  verified: 'Closing to be confirmed',
  closed: 'Closed',
  void: 'Void',
  returned: 'Returned, to be dispatched anew',
})

const ROLES = terms<Role>({
  inspector: '信息采集员',
  officer: '执法队员',
  spot_checker: '抽检人员',
  liaison: '智慧城管专干',
  dispatcher: '派遣员',
  verifier: '市采集员',
  supervisor: '督查室',
  admin: '系统管理员',
}, {
  inspector: 'Inspector',
  officer: 'Enforcement officer',
  spot_checker: 'Spot checker',
  liaison: 'Unit liaison',
  dispatcher: 'Dispatcher',
  verifier: 'City verifier',
  supervisor: 'Supervisor',
  admin: 'Administrator',
})

// The commands of src/cases/rules.rs.
const COMMANDS = terms({
  report: '上报',
  dispatch: '派遣',
  handle: '处置',
  apply_closing: '申请结案',
  refuse_closing: '驳回结案申请',
  request_verification: '申请市级核查',
  verify: '市级核查',
  notify_closing: '结案通知',
  confirm_closing: '确认结案',
  return: '退回',
  request_extension: '申请延期',
  decide_extension: '延期审批',
  request_hold: '申请挂账',
  decide_hold: '挂账审批',
  reopen: '恢复办理',
  resume: '恢复计时',
  void: '作废',
  note: '备注',
  edit: '更正内容',
}, {
  report: 'Report',
  dispatch: 'Dispatch',
  handle: 'Handle',
  apply_closing: 'Apply for closing',
  refuse_closing: 'Refuse the closing',
  request_verification: 'Ask the city to verify',
  verify: 'City verification',
  notify_closing: 'Closing notice',
  confirm_closing: 'Confirm the closing',
  return: 'Return',
  request_extension: 'Ask for an extension',
  decide_extension: 'Decide on the extension',
  request_hold: 'Ask for a hold',
  decide_hold: 'Decide on the hold',
  reopen: 'Reopen',
  resume: 'Resume the clock',
  void: 'Void',
  note: 'Note',
  edit: 'Correct',
})

// What a case consists of, as its report and its corrections name it.
const FIELDS = terms({
  title: '标题',
  description: '描述',
  class_code: '问题类别',
  address: '地址',
  position: '坐标',
}, {
  title: 'Title',
  description: 'Description',
  class_code: 'Class',
  address: 'Address',
  position: 'Position',
})

const DATUMS: Record<string, string> = {
  wgs84: 'WGS-84',
  cgcs2000: 'CGCS2000',
  gcj02: 'GCJ-02',
  bd09: 'BD-09',
}

/** Those who work at the Smart Centre; the server's own list is in src/identity/rules.rs. */
const CENTRE: Role[] = ['dispatcher', 'verifier', 'supervisor', 'admin']

const PRIORITIES = terms({ 0: '普通', 1: '紧急', 2: '特急' }, { 0: 'Normal', 1: 'Urgent', 2: 'Very urgent' })

const EVIDENCE_ROLES = terms({
  scene: '现场',
  before: '处置前',
  after: '处置后',
  attachment: '附件',
  redacted: '打码件',
  recording: '执法录像',
}, {
  scene: 'Scene',
  before: 'Before',
  after: 'After',
  attachment: 'Attachment',
  redacted: 'Redacted copy',
  recording: 'Enforcement video',
})

const say = phrases(
  { spot_check: '抽检记录', observe: '补拍', no_fix: '无定位', no_datum: '坐标系未注明', at: '{place}（{datum}）' },
  { spot_check: 'Spot check', observe: 'Seen again', no_fix: 'No position', no_datum: 'datum not given', at: '{place} ({datum})' },
)

export const stateLabel = (state: string): string => STATES(state)
export const roleLabel = (role: string): string => ROLES(role)
export const evidenceRoleLabel = (role: string | null): string => (role === null ? '' : EVIDENCE_ROLES(role))

export const priorityLabel = (priority: number): string => PRIORITIES(String(priority))

export const commandLabel = (command: string): string => COMMANDS(command)

export const fieldLabel = (field: string): string => FIELDS(field)

export const isCentre = (role: Role | undefined): boolean => role !== undefined && CENTRE.includes(role)

/** `case.handle` → 处置. */
export function opLabel(type: string): string {
  if (type === 'spot_check.record') return say('spot_check')
  if (type === 'spot.observe') return say('observe')
  // The name that the first handhelds had for it.
  if (type === 'case.feedback') return commandLabel('handle')
  return type.startsWith('case.') ? commandLabel(type.slice('case.'.length)) : type
}

export const datumLabel = (datum: string): string => DATUMS[datum.toLowerCase().replace(/[-_]/g, '')] ?? datum

export function positionText(position: { lat: number; lon: number; datum: string | null } | null): string {
  if (position === null) return say('no_fix')
  const datum = position.datum === null ? say('no_datum') : datumLabel(position.datum)
  return say('at', { place: `${position.lat.toFixed(6)}, ${position.lon.toFixed(6)}`, datum })
}

/** How the page groups states by colour: whose turn it is. */
export function stateTone(state: string): 'centre' | 'unit' | 'city' | 'ended' {
  switch (state) {
    case 'dispatched':
    case 'handled':
      return 'unit'
    case 'verifying':
      return 'city'
    case 'closed':
    case 'void':
      return 'ended'
    default:
      return 'centre'
  }
}

export function sizeLabel(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KB', 'MB', 'GB']
  let value = bytes / 1024
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}
