// What became of a piece of work, in words for the person who did it: first of all, what is safe.

import { statusLabel } from '../lib/reviewWords'
import { stateLabel } from '../lib/labels'
import type { OpResult } from './sync/wire'

export const SAFE_OFFLINE = '网络不通。已保存在本机，恢复后自动上传，不会丢失。'

const CODES: Record<string, string> = {
  stage_moved: '传到时案件已流转到别的环节，由智慧中心决定',
  stage_forbids: '案件当时的环节不允许这一步',
  field_changed: '他人也改了同一内容，由智慧中心决定',
  dependency_missing: '前一步还没有传到，传到后自动处理',
  dependency_unsettled: '前一步还没有结果，由智慧中心处理',
  held_too_long: '等待超过 72 小时，由智慧中心处理',
  device_revoked: '此设备已停用，内容已另存，由管理员处理',
  reauth: '需要重新登录后才能生效',
  op_unsupported: '服务器升级后自动处理',
  role_forbidden: '您的角色不能做这一步',
  value_invalid: '填写的内容不符合规定',
  discarded: '智慧中心决定不采纳',
  op_malformed: '内容无法识别，已原样保存，由管理员处理',
}

export function resultWords(result: OpResult | null): { word: string; why: string; tone: 'wait' | 'good' | 'bad' } {
  if (result === null) return { word: '等待上传', why: '已存本机', tone: 'wait' }
  const why = result.code == null ? '' : (CODES[result.code] ?? result.code)
  const detail = result.status === 'conflict' && result.detail ? `（现在：${stateLabel(result.detail)}）` : ''
  const good = ['applied', 'merged', 'superseded'].includes(result.status)
  const tone = good ? 'good' : result.status === 'held' ? 'wait' : 'bad'
  return { word: statusLabel(result.status), why: why + detail, tone }
}
