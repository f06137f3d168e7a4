// Clocks, the catalogue, the map, the city's platform and statistics, as people read them.

import type { ClassKind, Due, Figure, Interval, Scope, Standing, StageClock } from './loop'
import { phrases, terms } from './language'
import { duration } from './time'
import type { Limit, LimitKind, SpecialDay } from './workTime'

const LIMITS = terms<LimitKind>({
  urgent_hour: '紧急工作时',
  natural_day: '自然日',
  work_hour: '工作时',
  work_day: '工作日',
}, {
  urgent_hour: 'urgent h',
  natural_day: 'calendar days',
  work_hour: 'working h',
  work_day: 'working days',
})

const say = phrases({ no_limit: '未定' }, { no_limit: 'not set' })

export const limitKindLabel = (kind: LimitKind): string => LIMITS(kind)

/** `2 紧急工作时`, as src/calendar/words.rs writes it. */
export const limitText = (limit: Limit | null | undefined): string =>
  limit == null ? say('no_limit') : `${limit.value} ${LIMITS(limit.kind)}`

export const isWorkTime = (limit: Limit): boolean => limit.kind === 'work_hour' || limit.kind === 'work_day'

/** Counted time: a working day has eight of its hours, so days would mislead. */
export function countedText(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours === 0) return duration(seconds * 1000)
  return minutes % 60 === 0 ? `${hours} 时` : `${hours} 时 ${minutes % 60} 分`
}

const STAGES: Record<StageClock, string> = { accept: '受理', dispatch: '派遣', handle: '处置', verify: '核查' }

export const stageClockLabel = (stage: string): string => STAGES[stage as StageClock] ?? stage

/** Who answers for a stage's time, so that the Centre's own delay is not the unit's. */
export const stageOwner = (stage: string): string =>
  ({ accept: '指挥中心', dispatch: '指挥中心', handle: '责任单位', verify: '市、县核查' })[stage] ?? ''

export function whyText({ why, name }: Interval): string {
  switch (why) {
    case 'counted':
      return '计时'
    case 'off_hours':
      return '停：非工作时段'
    case 'weekend':
      return '停：周末'
    case 'holiday':
      return `停：${name ?? '节假日'}`
    case 'paused':
      return '停：挂账'
    default:
      return why
  }
}

export interface Stretch {
  from: string
  until: string
  words: string
  counted: boolean
  /** Seconds counted up to its end. */
  sum: number
}

/** The stretches of a deadline with what has been counted at the end of each. */
export function stretchesOf(due: Due): Stretch[] {
  let sum = 0
  return due.intervals.map((interval) => {
    const counted = interval.why === 'counted'
    if (counted) sum += (Date.parse(interval.until) - Date.parse(interval.from)) / 1000
    return { from: interval.from, until: interval.until, words: whyText(interval), counted, sum }
  })
}

export const kindText = (kind: ClassKind | null): string =>
  kind === null ? '部件和事件' : kind === 'component' ? '部件' : '事件'

export const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

/** `08:00-12:00 14:30-18:00` → minutes; null when it cannot be read. */
export function parseSpans(text: string): { from_min: number; until_min: number }[] | null {
  const spans = text.trim().split(/[\s,，、;；]+/).map((part) => {
    const found = /^(\d{1,2})[:：](\d{2})[-–—~～至](\d{1,2})[:：](\d{2})$/.exec(part)
    if (found === null) return null
    const [fromHour = 0, fromMinute = 0, untilHour = 0, untilMinute = 0] = found.slice(1).map(Number)
    if (fromHour > 23 || untilHour > 24 || fromMinute > 59 || untilMinute > 59) return null
    return { from_min: fromHour * 60 + fromMinute, until_min: untilHour * 60 + untilMinute }
  })
  return spans.every((span) => span !== null) ? spans : null
}

export const spanText = ({ from_min, until_min }: { from_min: number; until_min: number }): string =>
  `${clock(from_min)}–${clock(until_min)}`

export const areaText = (area: string): string =>
  area === '' ? '全部区域' : area.length >= 14 ? `网格 ${area}` : `区域 ${area}`

export const classText = ({ class_kind, class_code }: Pick<Scope, 'class_kind' | 'class_code'>): string =>
  class_code === '' ? kindText(class_kind) : `${kindText(class_kind)} ${class_code}`

const STANDINGS: Record<Standing, [word: string, tone: 'unit' | 'warn' | 'bad']> = {
  one: ['唯一', 'unit'],
  unset: ['未配置', 'bad'],
  several: ['多个单位', 'warn'],
  disputed: ['有争议', 'warn'],
}

export const standingText = (standing: string): { word: string; tone: string } => {
  const [word, tone] = STANDINGS[standing as Standing] ?? [standing, 'ended']
  return { word, tone }
}

// The messages of src/city/wire.rs.
const MESSAGES: Record<string, string> = {
  'case.dispatch': '派遣',
  'case.acknowledge': '签收',
  'case.feedback': '处置反馈',
  'case.return': '退回',
  'case.extension_request': '申请延期',
  'case.extension_decision': '延期审批',
  'case.verification_request': '申请核查',
  'case.verification_result': '核查结果',
  'case.closing_notice': '结案通知',
  'reconcile.list': '对账清单',
  'reconcile.result': '对账结果',
  'exchange.skip': '空号',
}

export const messageLabel = (kind: string): string => MESSAGES[kind] ?? kind

const OUTBOX: Record<string, [word: string, tone: string]> = {
  queued: ['待发', 'warn'],
  delivered: ['已送达', 'unit'],
  refused: ['市平台拒收', 'bad'],
  replaced: ['已放弃', 'ended'],
}

export const outboxState = (state: string): { word: string; tone: string } => {
  const [word, tone] = OUTBOX[state] ?? [state, 'ended']
  return { word, tone }
}

const INBOX: Record<string, [word: string, tone: string]> = {
  ok: ['已办', 'unit'],
  waiting: ['等前一条', 'warn'],
  invalid: ['不能办理', 'bad'],
}

export const inboxOutcome = (outcome: string): { word: string; tone: string } => {
  const [word, tone] = INBOX[outcome] ?? [outcome, 'ended']
  return { word, tone }
}

// What both sides know of a case: src/city/rules.rs.
const EXCHANGE: Record<string, string> = {
  received: '已派到县',
  handled: '已反馈',
  verifying: '核查中',
  rework: '核查未通过',
  passed: '核查通过',
  closed: '已结案',
  returned: '已退回市里',
}

export const exchangeState = (state: string | null): string => (state === null ? '没有这件' : (EXCHANGE[state] ?? state))

const FIGURE_WORDS: Record<Figure, [word: string, rule: string]> = {
  total: ['总数', '截止时间（含延期和挂账顺延）落在统计期内、已派到单位的案件。'],
  closed: ['已结案', '处置、申请结案、核查通过并确认结案。'],
  timely: ['及时结案', '在截止时间之前走完全部流程。'],
  late: ['超时结案', '截止时间之后才结案。'],
  not_handled: ['未处置', '单位还没有处置。'],
  not_applied: ['未申请结案', '已处置，没有申请结案。'],
  not_passed: ['核查未通过', '申请后被驳回或核查不通过，还没有再次申请。'],
  in_verification: ['核查中', '已申请结案，还没有结论。'],
  overdue: ['超期未处置', '截止时间已过仍未处置，挂账期间不计。'],
  handled: ['已处置', '单位处置过，不论以后怎样。'],
  handled_in_time: ['按期处置', '在截止时间之前处置。'],
  reworked: ['返工', '退回单位重办至少一次。'],
  extended: ['延期', '截止时间至少顺延过一次。'],
  self_handled: ['自行处置', '采集员当场处置完，未派遣；按上报时间单独计数，不计入总数。'],
}

export const figureLabel = (figure: Figure): string => FIGURE_WORDS[figure][0]
export const figureRule = (figure: Figure): string => FIGURE_WORDS[figure][1]

export interface DayGroup {
  name: string
  holidays: string[]
  workdays: string[]
}

/** The holidays of a year under their names, with the days that make up for them. */
export function holidaysOf(days: readonly SpecialDay[], year: number): DayGroup[] {
  const groups = new Map<string, DayGroup>()
  for (const { day, kind, name } of days.filter(({ day }) => day.startsWith(`${year}-`))) {
    const group = groups.get(name) ?? { name, holidays: [], workdays: [] }
    group[kind === 'holiday' ? 'holidays' : 'workdays'].push(day)
    groups.set(name, group)
  }
  return [...groups.values()]
}

const nextDay = (day: string): string => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)

/** What follows on another, together. */
function runsOf(days: readonly string[]): [first: string, last: string, count: number][] {
  const runs: [string, string, number][] = []
  for (const day of days) {
    const run = runs.at(-1)
    if (run !== undefined && nextDay(run[1]) === day) [run[1], run[2]] = [day, run[2] + 1]
    else runs.push([day, day, 1])
  }
  return runs
}

/** `10-01 至 10-08（8 天）、…`. */
export function runsText(days: readonly string[]): string {
  const short = (day: string) => day.slice(5)
  return runsOf(days)
    .map(([first, last, count]) => (count === 1 ? short(first) : `${short(first)} 至 ${short(last)}（${count} 天）`))
    .join('、')
}

/** Also of 02-30, which `Date` takes for a day in March. */
const isDay = (day: string): boolean => {
  const time = new Date(day)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}

/** One day or a span of days a line: `2027-10-01~2027-10-07 休 国庆节`, `2027-10-09 班 国庆节`. */
export function parseDays(text: string, year: number): { days: SpecialDay[]; faults: string[] } {
  const days: SpecialDay[] = []
  const faults: string[] = []
  text.split('\n').forEach((line, at) => {
    if (line.trim() === '') return
    const told = (words: string): void => void faults.push(`第 ${at + 1} 行：${words}`)
    const found = /^(\d{4}-\d{2}-\d{2})(?:\s*[~～至]\s*(\d{4}-\d{2}-\d{2}))?\s+(休|班)\s+(\S+)$/.exec(line.trim())
    if (found === null) return told('应为“日期 休或班 名称”，例如 2027-10-01~2027-10-07 休 国庆节')
    const [, first = '', last = first, kind, name = ''] = found
    if (!isDay(first) || !isDay(last) || last < first) return told('日期不存在或次序颠倒')
    if ((Date.parse(last) - Date.parse(first)) / 86_400_000 > 60) return told('一次最多 60 天')
    for (let day = first; day <= last; day = nextDay(day)) {
      if (days.some((known) => known.day === day)) return told(`${day} 重复`)
      days.push({ day, kind: kind === '休' ? 'holiday' : 'workday', name })
    }
  })
  if (faults.length === 0 && !days.some(({ day }) => day.startsWith(`${year}-`))) faults.push(`没有 ${year} 年的日期`)
  return { days, faults }
}

/** The same days as `parseDays` reads them. */
export function daysText(days: readonly SpecialDay[], year: number): string {
  const lines = holidaysOf(days, year).flatMap(({ name, holidays, workdays }) =>
    ([['休', holidays], ['班', workdays]] as const).flatMap(([word, of]) =>
      runsOf(of).map(([first, last]) => `${first === last ? first : `${first}~${last}`} ${word} ${name}`),
    ),
  )
  return lines.join('\n')
}
