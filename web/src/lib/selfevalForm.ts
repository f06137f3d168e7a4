// A self-evaluation before its first version: the forms of annexes 1 and 2 with nothing scored, or an earlier year's indicators.
// Indicators, their words and usual points are those of the county's form; an amount that must still be written is NaN.

import { amountOf, type CommonIndicator, type FundRow, type Indicator, type SelfEvaluation } from './selfeval'

/** The second level's names (二级指标) under each first level of annex 1. */
export const ASPECTS: Record<Indicator['level'], string[]> = {
  output: ['数量指标', '质量指标', '时效指标', '成本指标'],
  benefit: ['经济效益指标', '社会效益指标', '生态效益指标', '可持续影响指标'],
  satisfaction: ['服务对象满意度指标'],
}

const UNWRITTEN = Number.NaN

export const blankIndicator = (level: Indicator['level'], aspect: string, points = UNWRITTEN): Indicator => ({
  level,
  aspect,
  name: '',
  kind: 'positive',
  target: '',
  target_value: null,
  actual: '',
  actual_value: null,
  grade: null,
  points,
  score: UNWRITTEN,
  reason: '',
})

export const blankCommon = (level: string, aspect: string): CommonIndicator => ({
  level,
  aspect,
  name: '',
  meaning: '',
  guidance: '',
  points: UNWRITTEN,
  score: UNWRITTEN,
})

type CommonRow = [name: string, points: string, meaning: string, guidance?: string]

const COMMON: [level: string, aspect: string, rows: CommonRow[]][] = [
  ['决策', '项目立项', [
    ['立项依据充分性', '4', '项目立项是否符合法律法规、相关政策、发展规划以及部门职责，用以反映和考核项目立项依据情况。'],
    ['立项程序规范性', '3', '项目申请、设立过程是否符合相关要求，用以反映和考核项目立项的规范情况。'],
  ]],
  ['决策', '绩效目标', [
    ['绩效目标合理性', '4', '项目所设定的绩效目标是否依据充分，是否符合客观实际，用以反映和考核项目绩效目标与项目实施的相符情况。'],
    ['绩效指标明确性', '4', '依据绩效目标设定的绩效指标是否清晰、细化、可衡量等，用以反映和考核项目绩效目标的明细化情况。'],
  ]],
  ['决策', '资金投入', [
    ['预算编制科学性', '3', '项目预算编制是否经过科学论证、有明确标准，资金额度与年度目标是否相适应，用以反映和考核项目预算编制的科学性、合理性情况。'],
    ['资金分配合理性', '3', '项目预算资金分配是否有测算依据，与补助单位或地方实际是否相适应，用以反映和考核项目预算资金分配的科学性、合理性情况。'],
  ]],
  ['过程', '资金管理', [
    ['资金到位率', '3', '实际到位资金与预算资金的比率，用以反映和考核资金落实情况对项目实施的总体保障程度。', '资金到位率=（实际到位资金/预算资金）×100%。'],
    ['预算执行率', '4', '项目预算资金是否按照计划执行，用以反映或考核项目预算执行情况。', '预算执行率=（实际支出资金/实际到位资金）×100%。'],
    ['资金使用合规性', '4', '项目资金使用是否符合相关的财务管理制度规定，用以反映和考核项目资金的规范运行情况。'],
  ]],
  ['过程', '组织实施', [
    ['管理制度健全性', '4', '项目实施单位的财务和业务管理制度是否健全，用以反映和考核财务和业务管理制度对项目顺利实施的保障情况。'],
    ['制度执行有效性', '4', '项目实施是否符合相关管理规定，用以反映和考核相关管理制度的有效执行情况。'],
  ]],
  ['产出', '产出数量', [
    ['实际完成率', '8', '项目实施的实际产出数与计划产出数的比率，用以反映和考核项目产出数量目标的实现程度。', '实际完成率=（实际产出数/计划产出数）×100%。'],
  ]],
  ['产出', '产出质量', [
    ['质量达标率', '8', '项目完成的质量达标产出数与实际产出数的比率，用以反映和考核项目产出质量目标的实现程度。', '质量达标率=（质量达标产出数/实际产出数）×100%。'],
  ]],
  ['产出', '产出时效', [['完成及时性', '8', '项目实际完成时间与计划完成时间的比较，用以反映和考核项目产出时效目标的实现程度。']]],
  ['产出', '产出成本', [
    ['成本节约率', '8', '完成项目计划工作目标的实际节约成本与计划成本的比率，用以反映和考核项目的成本节约程度。', '成本节约率=[（计划成本-实际成本）/计划成本]×100%。'],
  ]],
  ['效益', '项目效益', [
    ['实施效益', '20', '项目实施所产生的效益。', '项目实施所产生的社会效益、经济效益、生态效益、可持续影响等。可根据项目实际情况有选择地设置和细化。'],
    ['满意度', '8', '社会公众或服务对象对项目实施效果的满意程度。', '社会公众或服务对象是指因该项目实施而受到影响的部门（单位）、群体或个人。一般采取社会调查的方式。'],
  ]],
]

const FUNDS: FundRow['fund'][] = ['total', 'appropriation', 'carried', 'other']

/** Both annexes as the county's form prints them, with its usual points. */
export function blankForm(): SelfEvaluation {
  const row = (level: Indicator['level'], usual: string[]): Indicator[] =>
    ASPECTS[level].map((aspect, at) => blankIndicator(level, aspect, amountOf(usual[at] ?? '') ?? UNWRITTEN))
  return {
    project: '智慧城管服务',
    authority: '中方县人民政府',
    implementer: '中方县城市管理行政执法大队',
    goal: '',
    outcome: '',
    funds: FUNDS.map((fund) => ({ fund, planned: null, adjusted: null, executed: null })),
    level_points: { output: 50_000, benefit: 30_000, satisfaction: 10_000, budget: 10_000 },
    budget_score: UNWRITTEN,
    indicators: [...row('output', ['10', '20', '10', '10']), ...row('benefit', ['5', '10', '5', '10']), ...row('satisfaction', ['10'])],
    printed_total: null,
    common_indicators: COMMON.flatMap(([level, aspect, rows]) =>
      rows.map(([name, usual, meaning, guidance = '']) => ({
        ...blankCommon(level, aspect),
        name,
        meaning,
        guidance,
        points: amountOf(usual) ?? UNWRITTEN,
      })),
    ),
    common_printed_total: null,
  }
}

/** One to edit; as JSON, NaN would not live. */
export const copyOf = (tables: SelfEvaluation): SelfEvaluation => ({
  ...tables,
  funds: tables.funds.map((row) => ({ ...row })),
  level_points: { ...tables.level_points },
  indicators: tables.indicators.map((row) => ({ ...row })),
  common_indicators: tables.common_indicators.map((row) => ({ ...row })),
})

/** What another year keeps: indicators, targets and points, but nothing that was done, spent or scored. */
export const nextYear = (tables: SelfEvaluation): SelfEvaluation => ({
  ...copyOf(tables),
  outcome: '',
  funds: blankForm().funds,
  budget_score: UNWRITTEN,
  indicators: tables.indicators.map((row) => ({ ...row, actual: '', actual_value: null, grade: null, score: UNWRITTEN, reason: '' })),
  printed_total: null,
  common_indicators: tables.common_indicators.map((row) => ({ ...row, score: UNWRITTEN })),
  common_printed_total: null,
})

/** Rows of an annex at most. */
const MOST = 100

const DIGITS = '应为数字，最多三位小数'

/** What keeps the tables from being saved, in words; empty when nothing does. */
export function faultOf(tables: SelfEvaluation): string {
  const { indicators, common_indicators: common } = tables
  if (tables.project.trim() === '') return '请填写项目名称。'
  if (indicators.length < 1 || indicators.length > MOST || common.length > MOST) return `附件 1 应有 1–${MOST} 行，附件 2 最多 ${MOST} 行。`
  if (tables.funds.some((row) => [row.planned, row.adjusted, row.executed].some(Number.isNaN))) return `项目资金${DIGITS}，没有的空着。`
  if (Object.values(tables.level_points).some(Number.isNaN)) return `各级指标和预算执行的分值${DIGITS}。`
  if (Number.isNaN(tables.budget_score)) return `预算资金执行率的得分${DIGITS}。`
  if ([tables.printed_total, tables.common_printed_total].some(Number.isNaN)) return `印出的总分${DIGITS}，空着即印合计。`
  const rows = [indicators.map((row) => ({ annex: 1, ...row })), common.map((row) => ({ annex: 2, target_value: null, actual_value: null, ...row }))]
  for (const [at, row] of rows.flatMap((of) => [...of.entries()])) {
    const where = `附件 ${row.annex} 第 ${at + 1} 行`
    if (row.name.trim() === '') return `${where}：请填写三级指标，用不着的删去。`
    if ([row.target_value, row.actual_value].some(Number.isNaN)) return `${where}“${row.name}”：指标数值和完成数值${DIGITS}。`
    if (Number.isNaN(row.points) || Number.isNaN(row.score)) return `${where}“${row.name}”：分值和得分${DIGITS}。`
  }
  return ''
}
