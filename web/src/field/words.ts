// What became of a piece of work, in words for the person who did it: first of all, what is safe.

import { statusLabel } from '../lib/reviewWords'
import { fieldLabel, stateLabel } from '../lib/labels'
import { duration } from '../lib/time'
import { TooLarge } from './sync/store'
import type { OpResult } from './sync/wire'

export const SAFE_OFFLINE = '网络不通。已保存在本机，恢复后自动上传，不会丢失。'

const CODES: Record<string, string> = {
  stage_moved: '传到时案件已在别的环节，由智慧中心决定',
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
  const about = result.code === 'field_changed' ? fieldLabel : stateLabel
  const detail = result.status === 'conflict' && result.detail ? `（${about(result.detail)}）` : ''
  const good = ['applied', 'merged', 'superseded'].includes(result.status)
  const tone = good ? 'good' : result.status === 'held' ? 'wait' : 'bad'
  return { word: statusLabel(result.status), why: why + detail, tone }
}

/** Why a piece of work was not saved; what is there of it stays. */
export function saveWords(error: unknown): string {
  if (error instanceof TooLarge) return '内容太长，请缩短后再提交。'
  if (error instanceof DOMException && error.name === 'VersionError') return '应用已更新，请关闭本页再打开；照片和填写的内容仍在。'
  const full = error instanceof DOMException && error.name === 'QuotaExceededError'
  return full ? FULL : '没有保存下来，请再试一次；照片和填写的内容仍在。'
}

export const FULL =
  '本机存储空间不足，这一步没有保存。请先到有网络的地方上传，或在“我的”里导出未传数据包；以前保存的不会丢失。'

/** A clock that is wrong by less disturbs nobody. */
const CLOCK_SLACK_MS = 120_000

/** What a person should know about their device's clock; null when it is right enough. */
export function clockWords(offset: { offset_ms: number } | null): string | null {
  if (offset === null || Math.abs(offset.offset_ms) < CLOCK_SLACK_MS) return null
  const way = offset.offset_ms > 0 ? '快' : '慢'
  return `本机时间比服务器${way} ${duration(Math.abs(offset.offset_ms))}，请校正；已保存的记录会按服务器时间更正，不影响上传。`
}

export const REVOKED =
  '此设备已被停用。从服务器下载的数据已清除；您保存的内容仍在本机并继续上传，由管理员处理。'
