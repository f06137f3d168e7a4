// The assessment as people read and write it.

import type { BulletinFormat, Phase, RuleSet, ScoreEdition, ScorePart, UnitScore, Verdict, WhenNone } from './assessment'

/** A number of thousandths without needless zeros, `58.5`, as the server writes it in the reasons. */
export function points(thousandths: number): string {
  const text = (Math.abs(thousandths) / 1000).toFixed(3).replace(/\.?0+$/, '')
  return thousandths < 0 ? `−${text}` : text
}

/** With three decimals, so that the figures of a column stand under each other. */
export const score = (thousandths: number): string => (thousandths < 0 ? '−' : '') + (Math.abs(thousandths) / 1000).toFixed(3)

/** What is added or taken: `+0.5`, `−2`, `0`. */
export const signed = (thousandths: number): string => (thousandths > 0 ? `+${points(thousandths)}` : points(thousandths))

/** Thousandths of what somebody typed; null for what is no number or has more than three decimals. */
export function thousandths(text: string): number | null {
  const typed = text.trim().replace('−', '-')
  return /^[+-]?\d{1,3}(\.\d{1,3})?$/.test(typed) ? Math.round(Number(typed) * 1000) : null
}

const PART_WORDS: Record<ScorePart, string> = {
  digital_cases: '数字城管',
  spot_checks: '现场抽检',
  supervision: '专项督办',
  merits: '加减分',
}

export const scorePartLabel = (part: string): string => PART_WORDS[part as ScorePart] ?? part

const ITEMS: Record<string, string> = {
  timely: '按期结案',
  late: '超期结案',
  unsolved: '未结案',
  exempt: '超期申诉通过',
  check: '抽检记录',
  letter: '督办函',
  none: '无记录',
  fewer_cases: '立案数同比减少',
  praised: '上级表扬或省级以上媒体正面报道',
  reputation_kept: '城市名片复审过关',
  reputation_won: '城市名片新创建成功',
  criticised: '未完成交办任务被通报批评',
  fault: '过错造成重大损失或恶劣社会影响',
  exposed: '被省级以上官方媒体曝光属实',
  not_reporting: '不报送信息或不服从调度指挥',
  cap: '加减分上限',
  veto: '一票否决',
  counter: '申诉更正',
  correction: '发布后更正',
}

export const scoreItemLabel = (item: string): string => ITEMS[item] ?? item

const PHASES: Record<Phase, [word: string, tone: string]> = {
  trial: ['试算', 'warn'],
  open: ['公示中', 'centre'],
  published: ['已发布', 'unit'],
}

export const phaseLabel = (phase: string): string => PHASES[phase as Phase]?.[0] ?? phase
export const phaseTone = (phase: string): string => PHASES[phase as Phase]?.[1] ?? 'ended'

const VERDICTS: Record<Verdict, string> = { upheld: '成立', dismissed: '不成立' }

export const verdictLabel = (verdict: string): string => VERDICTS[verdict as Verdict] ?? verdict

/** What became of an edition: `现行` is the newest that is published. */
export function editionLabel({ edition, verdict, opened_by, decided_by }: ScoreEdition, newest: number | null): string {
  if (edition !== null) return edition === newest ? '现行' : '已更正'
  if (verdict === null) return '待批准'
  return opened_by === decided_by ? '已收回' : '未批准'
}

export const editionTone = ({ edition, verdict }: ScoreEdition, newest: number | null): string =>
  edition !== null && edition === newest ? 'unit' : verdict === null ? 'warn' : 'ended'

/** What a pack's file is called, as the command beside it names it. */
export const packName = (month: string, edition: number | null): string =>
  edition === null || edition < 2 ? `assessment-${month}.json` : `assessment-${month}-edition-${edition}.json`

export const OBJECTION_STEPS = ['初核', '复核', '终审']

const BULLETINS: Record<BulletinFormat, string> = { pdf: 'PDF', docx: 'Word', xlsx: 'Excel', html: '打印页' }

export const bulletinLabel = (format: BulletinFormat): string => BULLETINS[format]

export const rulesName = (version: number): string => (version === 0 ? '随程序提供的办法' : `办法第 ${version} 版`)

/** The month before: `2026-01` comes after `2025-12`. */
export function monthBefore(month: string): string {
  const [year, of] = month.split('-').map(Number)
  return of === 1 ? `${Number(year) - 1}-12` : `${year}-${String(Number(of) - 1).padStart(2, '0')}`
}

/** Against the month before: the difference of totals, and how many places it went up. Null where there is none. */
export function change(now: UnitScore, before: UnitScore | undefined): { total: number; places: number | null } | null {
  if (before === undefined || before.rank === null || now.rank === null) return null
  return { total: now.total - before.total, places: now.class === before.class ? before.rank - now.rank : null }
}

export function placesText(places: number | null): string {
  if (places === null) return ''
  return places > 0 ? `升 ${places} 位` : places < 0 ? `降 ${-places} 位` : '名次不变'
}

/** What an amount of the positive and negative list is for. */
export const amountLabel = (item: string): string => (item === 'fewer_cases' ? '立案数同比每减少 1 个百分点' : `${scoreItemLabel(item)}每次`)

/** Items that take points; the others give. */
const NEGATIVE = ['criticised', 'fault', 'not_reporting']

const WHEN_NONE: Record<WhenNone, string> = { full: '计满分', zero: '计 0 分' }

/** The rules as sentences, for whoever looks up how a number came about. */
export function ruleSentences(rules: RuleSet): [part: string, sentence: string][] {
  const { digital_cases: cases, spot_checks: checks, supervision, merits } = rules
  const mean = (of: typeof checks, records: string, unit: string) =>
    `${points(of.points)} 分，按${records}的平均得分折算，每${unit}占同样一份；当月没有的，${WHEN_NONE[of.when_none]}。`
  return [
    [
      '数字城管',
      `${points(cases.points)} 分，按截止时间在当月的案件折算：按期结案计 100%，超期结案计 ${cases.late_percent}%，未结案计 0；超期申诉通过的不因超期扣分。当月没有案件的，不参与当月排名。`,
    ],
    ['现场抽检', `${mean(checks, '抽检记录', '次')}区间为 ${rules.confidence_percent}% 置信区间，只因抽到哪几处而来的差别在此范围内。`],
    ['专项督办', mean(supervision, '到期督办函', '件')],
    [
      '加减分',
      `合计不超过 ±${points(merits.cap)} 分。${Object.entries(merits.amounts)
        .map(([item, amount]) => `${amountLabel(item)} ${signed(amount)}`)
        .join('；')}。被省级以上官方媒体曝光属实的一票否决，当月成绩计 0 分。`,
    ],
    ['名次', 'A、B 类分别排名，同分同名次；差别可能只因抽检抽样而来的单位列为同一档。'],
    ['申诉', `公示后 ${rules.objection_days} 个工作日内可对本单位的每一条计分申诉，初核、复核、终审三级办理；成立的另加一条更正，原条不改。`],
  ]
}

/** A set of rules while it is edited: as typed. */
export interface RuleDraft {
  title: string
  digital_cases: string
  late_percent: string
  spot_checks: string
  spot_none: WhenNone
  supervision: string
  supervision_none: WhenNone
  cap: string
  amounts: Record<string, string>
  confidence_percent: number
  objection_days: string
}

export const CONFIDENCES = [80, 90, 95, 99]

const typed = (of: number): string => points(of).replace('−', '-')

export const draftOf = (rules: RuleSet): RuleDraft => ({
  title: rules.title,
  digital_cases: typed(rules.digital_cases.points),
  late_percent: String(rules.digital_cases.late_percent),
  spot_checks: typed(rules.spot_checks.points),
  spot_none: rules.spot_checks.when_none,
  supervision: typed(rules.supervision.points),
  supervision_none: rules.supervision.when_none,
  cap: typed(rules.merits.cap),
  amounts: Object.fromEntries(Object.entries(rules.merits.amounts).map(([item, amount]) => [item, typed(amount)])),
  confidence_percent: rules.confidence_percent,
  objection_days: String(rules.objection_days),
})

const whole = (text: string): number => (/^\d{1,3}$/.test(text.trim()) ? Number(text) : Number.NaN)

/** The rules that were typed, or what is wrong with them. */
export function rulesOf(draft: RuleDraft): RuleSet | string {
  const [cases, checks, supervision] = [draft.digital_cases, draft.spot_checks, draft.supervision].map(thousandths)
  const cap = thousandths(draft.cap)
  const amounts = Object.entries(draft.amounts).map(([item, text]) => [item, thousandths(text)] as const)
  const [late, days] = [whole(draft.late_percent), whole(draft.objection_days)]
  if (draft.title.trim() === '') return '请填写办法的名称。'
  if (cases == null || checks == null || supervision == null || Math.min(cases, checks, supervision) < 0) {
    return '三部分的分值各为 0–100，最多三位小数。'
  }
  const sum = cases + checks + supervision
  if (sum !== 100_000) return `三部分的分值合计应为 100，现为 ${points(sum)}。`
  if (!(late <= 100)) return '超期结案计的百分比为 0–100 的整数。'
  if (cap === null || cap < 0 || cap > 100_000) return '加减分的上限为 0–100。'
  const wrong = amounts.find(([item, amount]) => {
    const given = amount === null || !NEGATIVE.includes(item) ? amount : -amount
    return given === null || given < 0 || given > 100_000
  })
  if (wrong !== undefined) return `“${amountLabel(wrong[0])}”应为 ${NEGATIVE.includes(wrong[0]) ? '−100 至 0' : '0 至 100'}，最多三位小数。`
  if (!(days >= 1 && days <= 30)) return '申诉期为 1–30 个工作日。'
  return {
    title: draft.title.trim(),
    digital_cases: { points: cases, late_percent: late },
    spot_checks: { points: checks, when_none: draft.spot_none },
    supervision: { points: supervision, when_none: draft.supervision_none },
    merits: { cap, amounts: Object.fromEntries(amounts) as Record<string, number> },
    confidence_percent: draft.confidence_percent,
    objection_days: days,
  }
}
