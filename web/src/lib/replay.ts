// A published month computed again in the browser, as src/assessment/reckon.rs does it; `api-spec/assessment.md` is the rule and
// `api-spec/assessment-vectors.json` holds both to it. Scores are whole thousandths of a point.

import type { MonthResult, RecordKind, RuleSet, ScoreLine, ScorePart, UnitScore } from './assessment'
import { scoreItemLabel, scorePartLabel } from './assessmentWords'
import { canonical, type Json } from './capture'
import { sha256 } from './draw'

interface UnitIn {
  id: string
  code: string
  name: string
  class: UnitScore['class']
  filed: number
  filed_year_before: number
}

interface CaseIn {
  id: string
  number: string
  unit_id: string
  outcome: 'timely' | 'late' | 'unsolved'
  exempt: boolean
}

interface CounterIn {
  id: string
  line: number
  delta: number
  why: string
}

interface Inputs {
  units: UnitIn[]
  cases: CaseIn[]
  checks: { id: string; unit_id: string; week: string; site: string; score: number }[]
  letters: { id: string; number: string; unit_id: string; score: number; why: string }[]
  merits: { id: string; unit_id: string; item: string; times: number; summary: string }[]
  counters: CounterIn[]
  /** What later editions brought; the pack of a first edition does not name them. */
  corrections?: CounterIn[]
}

type Total = Omit<UnitScore, 'code' | 'name'>

/** What `GET /api/v1/assessment/months/{month}/pack` answers. */
export interface MonthPack extends Pick<MonthResult, 'month' | 'as_of' | 'rules_version' | 'rules'> {
  format: string
  /** From the second edition on. */
  correction?: { edition: number; corrects: string; reason: string }
  inputs: Inputs
  lines: ScoreLine[]
  totals: Total[]
}

/** As the reasons have them: with the sign of a keyboard. */
const plain = (thousandths: number): string => (thousandths / 1000).toFixed(3).replace(/\.?0+$/, '')

/** Half up, for a divisor above 0. */
const rounded = (part: number, whole: number): number => Math.floor((part * 2 + whole) / (whole * 2))

/** Shares of a part's points by marks, so that they add up to exactly what the mean of the marks is worth. */
function shares(points: number, marks: number[], full: number): number[] {
  const whole = full * Math.max(marks.length, 1)
  let [sum, given] = [0, 0]
  return marks.map((mark) => {
    const before = given
    sum += mark
    given = rounded(points * sum, whole)
    return given - before
  })
}

const QUANTILES: Record<number, number> = { 80: 1.2815515655446004, 90: 1.6448536269514722, 95: 1.959963984540054, 99: 2.5758293035489004 }

/** Wilson's interval of a mean of marks, as what the part's points may differ down and up. */
function wilson(points: number, marks: number[], confidence: number): [low: number, high: number] {
  const [z, n] = [QUANTILES[confidence], marks.length]
  if (z === undefined || n === 0) return [0, 0]
  const p = marks.reduce((sum, mark) => sum + mark, 0) / (n * 100_000)
  const z2 = z * z
  const middle = (p + z2 / (2 * n)) / (1 + z2 / n)
  const half = (z * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n))) / (1 + z2 / n)
  const worth = (share: number): number => Math.round(Math.min(Math.max(share, 0), 1) * points)
  return [worth(p) - worth(middle - half), worth(middle + half) - worth(p)]
}

/** What a line is made of beside its number and its unit. */
interface Entry {
  part: ScorePart
  item: string
  record?: [kind: RecordKind, id: string]
  delta: number
  why: string
}

type Enter = (entry: Entry) => void

/** How many cases counted. */
function casesPart(cases: CaseIn[], rules: RuleSet, enter: Enter): number {
  const part = 'digital_cases'
  const credit = ({ outcome, exempt }: CaseIn): [percent: number, item: string] | null => {
    if (outcome === 'timely') return [100, 'timely']
    if (outcome === 'late') return exempt ? [100, 'exempt'] : [rules.digital_cases.late_percent, 'late']
    return exempt ? null : [0, 'unsolved']
  }
  const credits = cases.map(credit)
  const counted = credits.flatMap((of) => (of === null ? [] : [of[0]]))
  if (cases.length === 0) enter({ part, item: 'none', delta: 0, why: '本月无案件，不参与本月排名' })
  const given = shares(rules.digital_cases.points, counted, 100)
  cases.forEach(({ id, number }, at) => {
    const [percent, item] = credits[at] ?? [null, 'exempt']
    const why =
      percent === null
        ? `案件 ${number} 未结案，超期申诉通过，不计入总数`
        : `案件 ${number} ${scoreItemLabel(item)}，计 ${percent}%，占 ${counted.length} 件之一`
    enter({ part, item, record: ['case', id], delta: percent === null ? 0 : (given.shift() ?? 0), why })
  })
  return counted.length
}

/** A part that is a mean of marks. */
function meanPart(part: 'spot_checks' | 'supervision', rules: RuleSet, marks: number[], entries: Omit<Entry, 'part' | 'delta'>[], enter: Enter): void {
  const { points, when_none } = rules[part]
  if (marks.length === 0) {
    const counts = when_none === 'full' ? '计满分' : '计 0 分'
    return enter({ part, item: 'none', delta: when_none === 'full' ? points : 0, why: `本月无${scorePartLabel(part)}记录，按办法${counts}` })
  }
  shares(points, marks, 100_000).forEach((delta, at) => {
    const entry = entries[at]
    if (entry !== undefined) enter({ ...entry, part, delta })
  })
}

/** Whether the score is void. */
function meritsPart(unit: UnitIn, { merits }: Inputs, rules: RuleSet, sum: () => number, enter: Enter): boolean {
  const part = 'merits'
  const before = sum()
  const { filed, filed_year_before: last } = unit
  const percent = last <= 0 || filed >= last ? 0 : Math.floor(((last - Math.max(filed, 0)) * 100) / last)
  const fewer = percent * (rules.merits.amounts['fewer_cases'] ?? 0)
  if (fewer !== 0) {
    const why = `本月立案 ${filed} 件，上年同月 ${last} 件；每减少一个百分点计分，不足一个百分点的不计`
    enter({ part, item: 'fewer_cases', delta: fewer, why })
  }
  const own = merits.filter((merit) => merit.unit_id === unit.id)
  for (const { id, item, times, summary } of own) {
    const delta = item === 'exposed' ? 0 : (rules.merits.amounts[item] ?? 0) * times
    enter({ part, item, record: ['merit', id], delta, why: `${scoreItemLabel(item)} ${times} 次：${summary}` })
  }
  const { cap } = rules.merits
  const over = sum() - before - Math.min(Math.max(sum() - before, -cap), cap)
  if (over !== 0) enter({ part, item: 'cap', delta: -over, why: `正负面清单加减分不超过 ${plain(cap)} 分` })
  const exposed = own.filter(({ item }) => item === 'exposed').at(-1)
  if (exposed === undefined) return false
  enter({ part, item: 'veto', record: ['merit', exposed.id], delta: -sum(), why: `一票否决，当月成绩无效：${exposed.summary}` })
  return true
}

/** Computes a month. */
export function reckon(rules: RuleSet, inputs: Inputs): { lines: ScoreLine[]; totals: Total[] } {
  const lines: ScoreLine[] = []
  const sumOf = (unit: string, part?: ScorePart): number =>
    lines.reduce((sum, line) => (line.unit_id === unit && (part === undefined || line.part === part) ? sum + line.delta : sum), 0)
  const enter = (unit_id: string, { part, item, record, delta, why }: Entry, counters: number | null = null): void => {
    lines.push({ n: lines.length + 1, unit_id, part, item, record_kind: record?.[0] ?? null, record_id: record?.[1] ?? null, delta, why, counters })
  }
  const counts = inputs.units.map((unit) => {
    const of = <T extends { unit_id: string }>(all: T[]): T[] => all.filter((one) => one.unit_id === unit.id)
    const add = (entry: Entry): void => enter(unit.id, entry)
    const cases = casesPart(of(inputs.cases), rules, add)
    const checks = of(inputs.checks)
    const marks = checks.map(({ score }) => score)
    const visits = checks.map(({ id, week, site, score }) => ({
      item: 'check',
      record: ['spot_check', id] as [RecordKind, string],
      why: `${week} 抽检“${site}”得 ${plain(score)} 分，占 ${checks.length} 次之一`,
    }))
    meanPart('spot_checks', rules, marks, visits, add)
    const letters = of(inputs.letters)
    const graded = letters.map(({ id, number, score, why }) => ({
      item: 'letter',
      record: ['letter', id] as [RecordKind, string],
      why: `督办函 ${number} 完成得 ${plain(score)} 分（${why}），占 ${letters.length} 件之一`,
    }))
    meanPart('supervision', rules, letters.map(({ score }) => score), graded, add)
    const veto = meritsPart(unit, inputs, rules, () => sumOf(unit.id), add)
    const [spot_low, spot_high] = wilson(rules.spot_checks.points, marks, rules.confidence_percent)
    return { cases, checks: checks.length, spot_low, spot_high, veto }
  })
  const counter = (item: string, kind: RecordKind, { id, line: n, delta, why }: CounterIn): void => {
    const line = lines[n - 1]
    if (line !== undefined) enter(line.unit_id, { part: line.part, item, record: [kind, id], delta, why }, n)
  }
  for (const one of inputs.counters) counter('counter', 'objection', one)
  for (const one of inputs.corrections ?? []) counter('correction', 'correction', one)
  const totals = inputs.units.map((unit, at): Total => ({
    unit_id: unit.id,
    class: unit.class,
    total: sumOf(unit.id),
    digital_cases: sumOf(unit.id, 'digital_cases'),
    spot_checks: sumOf(unit.id, 'spot_checks'),
    supervision: sumOf(unit.id, 'supervision'),
    merits: sumOf(unit.id, 'merits'),
    ...(counts[at] ?? { cases: 0, checks: 0, spot_low: 0, spot_high: 0, veto: false }),
    rank: null,
    band: null,
  }))
  for (const of of ['A', 'B'] as const) rank(totals.filter((total) => total.class === of && total.cases > 0))
  return { lines, totals }
}

/** Gives places and bands within a class: a band holds all whose total is not below what its best may have by chance. */
function rank(totals: Total[]): void {
  const places = [...totals].sort((a, b) => Number(a.veto) - Number(b.veto) || b.total - a.total)
  let [place, band, floor]: [number, number, number | null] = [0, 0, null]
  places.forEach((total, at) => {
    const before = places[at - 1]
    const same = before !== undefined && before.total === total.total && before.veto === total.veto
    if (!same) place = at + 1
    if (at === 0 || (!same && (total.veto || floor === null || total.total < floor))) {
      band += 1
      floor = total.veto ? null : total.total - total.spot_low
    }
    ;[total.rank, total.band] = [place, band]
  })
}

/** What recomputing a pack showed. */
export interface Replayed {
  month: string
  /** From 1. */
  edition: number
  /** Of the text as it is; what was published must be the same. */
  sha256: string
  /** Where pack and computation differ, in the words of `chengguan replay`, the first ones; none when they are equal. */
  differences: string[]
}

/** Differences that are told. */
const TOLD = 20

const same = (a: unknown, b: unknown): boolean => canonical((a ?? null) as Json) === canonical((b ?? null) as Json)

/** Recomputes a pack from its records and rules; throws when it is none. */
export function replay(text: string): Replayed {
  const pack = JSON.parse(text) as MonthPack
  if (pack.format !== 'chengguan-assessment/1') throw new Error(`format: chengguan-assessment/1, not ${pack.format}`)
  const edition = pack.correction?.edition ?? 1
  if (pack.correction !== undefined && edition < 2) throw new Error('correction.edition: 2 or more')
  const { inputs } = pack
  const computed = reckon(pack.rules, inputs)
  const name = (id: string): string => inputs.units.find((unit) => unit.id === id)?.name ?? '未知单位'
  const line = (of: ScoreLine | undefined): string => (of === undefined ? '无' : `${name(of.unit_id)} ${plain(of.delta)} 分（${of.why}）`)
  const total = (of: Total | undefined): string =>
    of === undefined ? '无' : `${name(of.unit_id)} ${plain(of.total)} 分 ${of.rank === null ? '不排名' : `第 ${of.rank} 名`}`
  const differences: string[] = []
  if (canonical(pack as unknown as Json) !== text.replace(/\n+$/, '')) differences.push('文件不是规范写法（RFC 8785），可能被改写过')
  const compare = <T>(told: T[], found: T[], say: (n: number, told: string, found: string) => string, of: (one: T | undefined) => string): void => {
    for (let at = 0; at < Math.max(told.length, found.length); at++) {
      if (!same(told[at], found[at])) differences.push(say(at + 1, of(told[at]), of(found[at])))
    }
  }
  compare(pack.lines, computed.lines, (n, told, found) => `明细第 ${n} 条：包内 ${told}；重算 ${found}`, line)
  compare(pack.totals, computed.totals, (n, told, found) => `总分第 ${n} 行：包内 ${told}；重算 ${found}`, total)
  for (const of of pack.totals) {
    const sum = pack.lines.reduce((all, { unit_id, delta }) => (unit_id === of.unit_id ? all + delta : all), 0)
    if (sum !== of.total) differences.push(`${name(of.unit_id)}：总分与明细之和不等`)
  }
  return { month: pack.month, edition, sha256: sha256(text), differences: differences.slice(0, TOLD) }
}
