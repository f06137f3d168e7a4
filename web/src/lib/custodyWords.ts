// How evidence is kept, and who did what with it, as people read it. Roles as in src/evidence/custody/rules.rs.

import type { CustodyEvent, Deletion } from './evidence'
import { linkLabel } from './evidenceWords'
import { terms } from './language'
import { localTime } from './time'
import type { Role } from './types'

const CLASSES: Record<string, string> = {
  general: '一般',
  case_linked: '随案卷',
  key: '永久',
  hold: '冻结保存',
}

export const retentionLabel = (retentionClass: string): string => CLASSES[retentionClass] ?? retentionClass

export const accessLabel = terms({ normal: '普通', restricted: '受限' }, { normal: 'Normal', restricted: 'Restricted' })

const DELETIONS: Record<Deletion['state'], string> = {
  proposed: '待批准',
  approved: '已批准，可撤销',
  done: '已删除',
  undone: '已撤销',
}

export const deletionLabel = (state: string): string => DELETIONS[state as Deletion['state']] ?? state

// Where something else undid a deletion, the reason is a code.
const UNDONE: Record<string, string> = {
  hold_set: '因冻结保存自动撤销',
  legal_hold: '因冻结保存自动撤销',
  case_open: '因关联的案件未办结自动撤销',
  retention_running: '因保存期限未满自动撤销',
  linked: '因关联到案件自动撤销',
  arrived_again: '因文件再次传来自动撤销',
}

/** How far a deletion is, step by step. */
export function deletionSteps(deletion: Deletion, name: (userId: string | null) => string): string[] {
  const steps = [`${localTime(deletion.proposed_at)} ${name(deletion.proposed_by)} 申请：${deletion.reason}`]
  if (deletion.approved_at !== null) {
    steps.push(`${localTime(deletion.approved_at)} ${name(deletion.approved_by)} 批准：${deletion.approval_reason ?? ''}`)
  }
  if (deletion.undone_at !== null) {
    const why = deletion.undo_reason ?? ''
    const whole = UNDONE[why] ?? (deletion.undone_by === null ? `自动撤销（${why}）` : `${name(deletion.undone_by)} 撤销：${why}`)
    steps.push(`${localTime(deletion.undone_at)} ${whole}`)
  }
  if (deletion.done_at !== null) steps.push(`${localTime(deletion.done_at)} 已删除`)
  else if (deletion.state === 'approved') steps.push(`${localTime(deletion.delete_at)} 起删除原件，在此之前可以撤销`)
  return steps
}

const ACTIONS: Record<string, string> = {
  seen: '查看',
  downloaded: '下载',
  exported: '导出',
  linked: '关联',
  unlinked: '取消关联',
  redacted: '打码',
  class_changed: '调整级别',
  hold_set: '冻结保存',
  hold_lifted: '解除冻结',
  deletion_proposed: '申请删除',
  deletion_approved: '批准删除',
  deletion_undone: '撤销删除',
  deleted: '删除',
  arrived_again: '文件再次传来',
}

export const actionLabel = (action: string): string => ACTIONS[action] ?? action

const WHAT: Record<string, string> = { record: '档案', picture: '画面', original: '原件' }

/** What exactly was done. */
export function eventDetail({ action, detail }: CustodyEvent): string {
  const word = (name: string): string => (typeof detail[name] === 'string' ? detail[name] : '')
  switch (action) {
    case 'seen':
    case 'downloaded':
      return WHAT[word('what')] ?? word('what')
    case 'linked':
    case 'unlinked':
      return linkLabel({ target_kind: word('target_kind'), role: word('role') })
    case 'class_changed': {
      const label = word('what') === 'access' ? accessLabel : retentionLabel
      return `${word('what') === 'access' ? '查看权限' : '保存类别'}：${label(word('from'))} → ${label(word('to'))}`
    }
    case 'redacted':
      return `${Array.isArray(detail['regions']) ? detail['regions'].length : 0} 处`
    default:
      return ''
  }
}

/** What a person of a role may do with the keeping of evidence. */
export const mayRestrict = (role: Role | undefined): boolean => role === 'supervisor'
export const mayKeep = (role: Role | undefined): boolean => ['dispatcher', 'supervisor', 'admin'].includes(role ?? '')
export const mayPropose = (role: Role | undefined): boolean => role === 'dispatcher' || role === 'admin'
/** The second person: the inspectors, who also lift holds. */
export const mayApprove = (role: Role | undefined): boolean => role === 'supervisor'
export const mayUnlink = (role: Role | undefined): boolean => role === 'dispatcher'
export const mayRedact = (role: Role | undefined): boolean => role === 'dispatcher' || role === 'supervisor'
