// What became of a piece of work, in words for the person who did it: first of all, what is safe.

import { phrases, terms } from '../lib/language'
import { statusLabel } from '../lib/reviewWords'
import { fieldLabel, stateLabel } from '../lib/labels'
import { duration } from '../lib/time'
import { NotSignedIn } from './sync/client'
import { TooLarge } from './sync/store'
import type { OpResult } from './sync/wire'

const say = phrases(
  {
    safe: '网络不通。已保存在本机，恢复后自动上传，不会丢失。',
    waiting: '等待上传', here: '已存本机', about: '（{what}）', too_long: '内容太长，请缩短后再提交。',
    newer: '应用已更新，请关闭本页再打开；照片和填写的内容仍在。',
    not_saved: '没有保存下来，请再试一次；照片和填写的内容仍在。',
    not_you: '现在登录本机的不是您，这一步没有保存；存在本机的草稿仍在，请您登录或解锁后再提交。',
    full: '本机存储空间不足，这一步没有保存。请先到有网络的地方上传，或在“我的”里导出未传数据包；以前保存的不会丢失。',
    clip: '本机存储空间不足，这段录像没有保存；照片和填写的内容仍在，可以照常提交。要留下录像，请先到有网络的地方上传，再录一段短的。',
    fast: '本机时间比服务器快 {time}，请校正；已保存的记录会按服务器时间更正，不影响上传。',
    slow: '本机时间比服务器慢 {time}，请校正；已保存的记录会按服务器时间更正，不影响上传。',
    revoked: '此设备已被停用。从服务器下载的数据已清除；您保存的内容仍在本机并继续上传，由管理员处理。',
  },
  {
    safe: 'No network. It is saved on this device, will be uploaded by itself and is not lost.',
    waiting: 'To upload', here: 'saved here', about: ' ({what})', too_long: 'Too long: shorten it and submit again.',
    newer: 'The app was updated: close this page and open it again. The photos and the words are still here.',
    not_saved: 'It was not saved. Try again; the photos and the words are still here.',
    not_you: 'You are not the one signed in on this device now, and this step was not saved. The draft that was kept is still here: sign in or unlock, and submit again.',
    full: 'This device’s storage is full and this step was not saved. Upload where there is a network, or export what is unsent under “Me”; what was saved before is not lost.',
    clip: 'This device’s storage is full and the video was not kept; the photos and the words are still here and can be submitted. To keep a video, upload first where there is a network, then record a short one.',
    fast: 'This device’s clock is {time} ahead of the server. Set it right; what was saved is corrected by the server’s time and uploads all the same.',
    slow: 'This device’s clock is {time} behind the server. Set it right; what was saved is corrected by the server’s time and uploads all the same.',
    revoked: 'This device was shut off. What came from the server was removed; what you saved is still here and goes on uploading, for an administrator to handle.',
  },
)

const CODES = terms(
  {
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
    already_exists: '已有记录，这一份另存备查',
    not_found: '记录所指的对象不存在或不归您办理',
    value_invalid: '填写的内容不符合规定',
    discarded: '智慧中心决定不采纳',
    op_malformed: '内容无法识别，已原样保存，由管理员处理',
  },
  {
    stage_moved: 'The case had moved on when it arrived; the Centre decides',
    stage_forbids: 'The case’s stage did not allow this step',
    field_changed: 'Somebody else changed the same field; the Centre decides',
    dependency_missing: 'The step before has not arrived; this one follows by itself',
    dependency_unsettled: 'The step before is not decided; the Centre handles it',
    held_too_long: 'Waited more than 72 hours; the Centre handles it',
    device_revoked: 'This device was shut off; kept apart for an administrator',
    reauth: 'Takes effect after you sign in again',
    op_unsupported: 'Goes on by itself when the server is upgraded',
    role_forbidden: 'Your role may not do this step',
    already_exists: 'There is a record already; this one is kept beside it',
    not_found: 'What it is about is not there or not yours to handle',
    value_invalid: 'Something that was filled in breaks a rule',
    discarded: 'The Centre decided against it',
    op_malformed: 'It can’t be read; kept as it is for an administrator',
  },
)

export function resultWords(result: OpResult | null): { word: string; why: string; tone: 'wait' | 'good' | 'bad' } {
  if (result === null) return { word: say('waiting'), why: say('here'), tone: 'wait' }
  const why = result.code == null ? '' : CODES(result.code)
  const about = result.code === 'field_changed' ? fieldLabel : stateLabel
  const detail = result.status === 'conflict' && result.detail ? say('about', { what: about(result.detail) }) : ''
  const good = ['applied', 'merged', 'superseded'].includes(result.status)
  const tone = good ? 'good' : result.status === 'held' ? 'wait' : 'bad'
  return { word: statusLabel(result.status), why: why + detail, tone }
}

/** Why a piece of work was not saved; what is there of it stays. */
export function saveWords(error: unknown): string {
  if (error instanceof NotSignedIn) return say('not_you')
  if (error instanceof TooLarge) return say('too_long')
  if (error instanceof DOMException && error.name === 'VersionError') return say('newer')
  return say(isFull(error) ? 'full' : 'not_saved')
}

export const isFull = (error: unknown): boolean => error instanceof DOMException && error.name === 'QuotaExceededError'

export const safeOffline = (): string => say('safe')
export const full = (): string => say('full')
/** There is no room for a clip, while there may be for all the rest. */
export const clipWords = (): string => say('clip')
export const revoked = (): string => say('revoked')

/** A clock that is wrong by less disturbs nobody. */
const CLOCK_SLACK_MS = 120_000

/** What a person should know about their device's clock; null when it is right enough. */
export function clockWords(offset: { offset_ms: number } | null): string | null {
  if (offset === null || Math.abs(offset.offset_ms) < CLOCK_SLACK_MS) return null
  return say(offset.offset_ms > 0 ? 'fast' : 'slow', { time: duration(Math.abs(offset.offset_ms)) })
}
