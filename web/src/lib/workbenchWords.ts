// The workbench as people read it.

import { stateLabel } from './labels'
import { CASE_STATES, type CaseState } from './types'
import type { Dispatched, Queue, QueueState, UrgingKind } from './workbench'

const QUEUE_WORDS: Record<Queue, string> = {
  accept: '待派遣',
  redispatch: '回退',
  handle: '待处置',
  rework: '返工',
  overdue: '已超期',
  extension: '延期审批',
  hold_request: '挂账审批',
  held: '挂账',
  audit: '待审核',
  verify: '核查中',
  confirm: '待结案',
}

export const queueLabel = (queue: string): string => QUEUE_WORDS[queue as Queue] ?? queue

/** Accepting may take ten minutes and dispatching fifteen. Of the other queues the oldest report says little. */
const ACCEPT_WITHIN = 25 * 60_000

/** Whether the oldest of a queue has waited for the Centre longer than it may. */
export const waitsTooLong = ({ queue, oldest_at }: QueueState, now: number): boolean =>
  queue === 'accept' && oldest_at != null && now - Date.parse(oldest_at) > ACCEPT_WITHIN

/** Why one of many was refused. Details in English are for the log, not for the row. */
export function refusalText({ title, detail }: Pick<Dispatched, 'title' | 'detail'>): string {
  const words = title ?? '未成功'
  if (detail == null || detail === '') return words
  if (CASE_STATES.includes(detail as CaseState)) return `${words}：${stateLabel(detail)}`
  return /[\u4e00-\u9fff]/.test(detail) ? `${words}：${detail}` : words
}

const URGINGS: Record<UrgingKind, string> = { half: '自动催办', letter_draft: '督办函草稿', person: '催办' }

export const urgingLabel = (kind: string): string => URGINGS[kind as UrgingKind] ?? kind

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`))

/** A day that can be read, or nothing. */
export const dayOf = (text: string): string => (isDay(text) ? text : '')

/** When a day of the county begins, `after` days later; nothing for no day. */
export const dayBegins = (day: string, after = 0): string | undefined =>
  isDay(day) ? new Date(Date.parse(`${day}T00:00:00+08:00`) + after * 86_400_000).toISOString() : undefined
