// The records that are scored, as people read them.

import type { LetterCounts, LetterKind, LetterOutcome, LetterQueue, LetterState, MeritState } from './letters'
import type { SiteKind } from './spotchecks'

const KINDS_OF_SITES: Record<SiteKind, string> = {
  main_road: '主次干道',
  back_street: '背街小巷',
  residential: '居民区',
  market: '市场',
  construction: '工地',
  toilet: '公厕',
  other: '其他区域',
}

export const siteKindLabel = (kind: string): string => KINDS_OF_SITES[kind as SiteKind] ?? kind

const LETTER_KINDS: Record<LetterKind, string> = {
  repeated: '反复发生问题',
  overdue: '到期未解决问题',
  from_above: '上级交办问题',
  complaint: '群众反映强烈问题',
  campaign: '专项行动',
}

export const letterKindLabel = (kind: string): string => LETTER_KINDS[kind as LetterKind] ?? kind

const LETTER_STATES: Record<LetterState, [word: string, tone: string]> = {
  drafted: ['草稿', 'ended'],
  issued: ['待签收', 'unit'],
  received: ['待回复', 'unit'],
  replied: ['待评定', 'centre'],
  fulfilled: ['完成', 'ended'],
  partly: ['部分完成', 'warn'],
  unfulfilled: ['未完成', 'bad'],
  withdrawn: ['已撤回', 'ended'],
}

export const letterStateLabel = (state: string): string => LETTER_STATES[state as LetterState]?.[0] ?? state
export const letterStateTone = (state: string): string => LETTER_STATES[state as LetterState]?.[1] ?? 'ended'

const LETTER_QUEUES: Record<LetterQueue, string> = {
  issue: '待下发',
  receive: '待签收',
  reply: '待回复',
  extension: '延期审批',
  grade: '待评定',
  escalated: '逾期督办',
}

export const letterQueueLabel = (queue: LetterQueue): string => LETTER_QUEUES[queue]

const QUEUE_STATES: Partial<Record<LetterQueue, LetterState>> = { issue: 'drafted', receive: 'issued', reply: 'received', grade: 'replied' }

/** How many letters wait for it. */
export function queueCount(counts: LetterCounts, queue: LetterQueue): number {
  if (queue === 'extension') return counts.extensions
  if (queue === 'escalated') return counts.levels.reduce((sum, { letters }) => sum + letters, 0)
  return counts.states.find(({ state }) => state === QUEUE_STATES[queue])?.letters ?? 0
}

/** Levels of being late, from 1. */
const LEVELS = ['一级', '二级', '三级']

export const levelLabel = (level: number): string => `逾期督办${LEVELS[level - 1] ?? level}`

const COMMANDS: Record<string, string> = {
  draft: '起草',
  add: '补充依据',
  settle: '问题已解决',
  revise: '改稿',
  issue: '下发',
  receive: '签收',
  reply: '回复',
  refuse_reply: '退回重办',
  request_extension: '申请延期',
  decide_extension: '审批延期',
  remind: '到期提醒',
  escalate: '逾期升级',
  grade: '评定',
  withdraw: '撤回',
}

export const letterCommandLabel = (command: string): string => COMMANDS[command] ?? command

/** What each outcome scores at most, thousandths: a reply after the deadline loses 45 %, as a late case does. */
export const OUTCOME_SCORES: [outcome: LetterOutcome, inTime: number, late: number][] = [
  ['fulfilled', 100_000, 55_000],
  ['partly', 50_000, 27_500],
  ['unfulfilled', 0, 0],
]

const MERIT_STATES: Record<MeritState, [word: string, tone: string]> = {
  entered: ['待审核', 'warn'],
  approved: ['已核准', 'unit'],
  refused: ['未核准', 'ended'],
  withdrawn: ['已撤销', 'ended'],
}

export const meritStateLabel = (state: string): string => MERIT_STATES[state as MeritState]?.[0] ?? state
export const meritStateTone = (state: string): string => MERIT_STATES[state as MeritState]?.[1] ?? 'ended'

/** A moment that was chosen in the county's time; null for none. */
export function countyMoment(chosen: string): string | null {
  const at = Date.parse(`${chosen}:00+08:00`)
  return Number.isNaN(at) ? null : new Date(at).toISOString()
}
