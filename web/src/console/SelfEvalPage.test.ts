import { expect, it, vi } from 'vitest'
import { amountOf, type SelfEvaluation, type SelfEvaluationVersion } from '../lib/selfeval'
import { blankForm, faultOf, nextYear } from '../lib/selfevalForm'
import { go, onPage } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const TABLES: SelfEvaluation = {
  project: '智慧城管服务',
  authority: '中方县人民政府',
  implementer: '中方县城市管理行政执法大队',
  goal: '',
  outcome: '',
  funds: [{ fund: 'total', planned: 60_000, adjusted: 60_000, executed: 30_000 }],
  level_points: { output: 50_000, benefit: 30_000, satisfaction: 10_000, budget: 10_000 },
  budget_score: 10_000,
  indicators: [
    { level: 'output', aspect: '成本指标', name: '预算经费', kind: 'negative', target: '60万元', target_value: 60_000, actual: '30万元', actual_value: 30_000, grade: null, points: 10_000, score: 8_000, reason: '经费不足' },
    { level: 'benefit', aspect: '社会效益指标', name: '提升市容', kind: 'qualitative', target: '有所提升', target_value: null, actual: '提升', actual_value: null, grade: null, points: 10_000, score: 10_000, reason: '' },
  ],
  printed_total: 950_000,
  common_indicators: [{ level: '决策', aspect: '项目立项', name: '立项依据', meaning: '是否充分', guidance: '', points: 5_000, score: 4_500 }],
  common_printed_total: 95_000,
}

const FINDINGS = [
  { code: 'score_above_rule', severity: 'error' as const, place: 'budget_score', words: '预算执行率 50%：得 10 分，按规则应为 5 分' },
  { code: 'grade_missing', severity: 'warning' as const, place: 'indicators/1', words: '提升市容没有定档' },
  { code: 'total_differs', severity: 'error' as const, place: 'printed_total', words: '附件1 总分印作 950，各项合计 95' },
]

const aVersion = (version: number, change: Partial<SelfEvaluationVersion> = {}): SelfEvaluationVersion => ({
  head: { year: 2020, version, saved_by: 'u5', saved_at: '2026-11-20T01:00:00Z', submitted_by: null, submitted_at: null },
  tables: TABLES,
  assessed: { total: 95_000, common_total: 94_000, execution: 50_000, budget_rule_score: 5_000, rule_scores: [10_000, null], findings: FINDINGS },
  acknowledgements: [],
  ...change,
})

let versions = [aVersion(2), aVersion(1)]

fakeServer(() => {
  versions = [aVersion(2), aVersion(1)]
  return {
    '/names': () => Response.json({ users: [{ id: 'u5', name: '王芳' }], devices: [] }),
    '/cases': () => Response.json({ items: [], next: null }),
    '/self-evaluations': () => Response.json({ items: versions.map(({ head }) => head), next: null }),
    '/self-evaluations/2020': ({ query }) => Response.json(versions.find(({ head }) => String(head.version) === query.get('version'))),
    '/self-evaluations/2020/suggestions': () => Response.json({ year: 2020, items: [{ name: '解决率', text: '60.74%', value: 60_740 }] }),
  }
})

const click = (name: string) => one(name)?.click()

it('the tables show their sums, what the rules give, and what is wrong where it stands', async () => {
  go(onPage('selfeval'))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('finding')).toHaveLength(3))
  expect(text('selfeval-head')).toContain('附件 1 合计 95.000附件 2 合计 94.000预算执行率 50.000%')
  expect(text('total1')).toContain('（表上印作 950）95')
  expect(text('total2')).toContain('（表上印作 95）94')
  expect(one('budget')?.className).toBe('wrong')
  expect(all('indicator').map((row) => row.className)).toEqual(['', 'doubtful'])
  expect(all('indicator')[0]?.textContent).toContain('60万元30万元10810经费不足')
  expect(all('found').map((words) => words.textContent)).toEqual(['提升市容没有定档'])
  expect([one('edit-tables'), one('submit-selfeval')]).toEqual([null, null])
  const asked: string[] = []
  answers['/self-evaluations/2020/document'] = ({ query }) => {
    asked.push(String(query))
    return new Response('x')
  }
  all('download')[1]?.click()
  await vi.waitFor(() => expect(asked).toEqual(['format=docx&version=2']))
})

it('an error that stays needs words before it is submitted', async () => {
  const sent: unknown[] = []
  answers['/self-evaluations/2020/submit'] = ({ body }) => {
    sent.push(body)
    versions[0] = aVersion(2, { head: { ...aVersion(2).head, submitted_by: 'u1', submitted_at: '2026-11-21T01:00:00Z' }, acknowledgements: [{ code: 'total_differs', place: 'printed_total', words: '原件如此' }] })
    return Response.json(versions[0])
  }
  go(onPage('selfeval'))
  openAs('admin')
  await vi.waitFor(() => expect(all('acknowledge')).toHaveLength(3))
  click('submit-selfeval')
  await vi.waitFor(() => expect(text('findings')).toContain('还有 2 处错误'))
  for (const at of [0, 2]) {
    const field = all('acknowledge')[at] as HTMLInputElement
    field.value = ' 原件如此 '
    field.dispatchEvent(new Event('input'))
  }
  click('submit-selfeval')
  await vi.waitFor(() => expect(text('summary')).toContain('提交'))
  await vi.waitFor(() => expect(one('submit-selfeval')).toBeNull())
  expect(text('findings')).toContain('原件如此')
  expect(sent).toEqual([
    { version: 2, acknowledgements: [{ code: 'score_above_rule', place: 'budget_score', words: '原件如此' }, { code: 'total_differs', place: 'printed_total', words: '原件如此' }] },
  ])
})

it('the tables are changed into a new version, with the rates of the year at hand', async () => {
  const sent: unknown[] = []
  go(onPage('selfeval'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('edit-tables')).not.toBeNull())
  click('edit-tables')
  await vi.waitFor(() => expect(text('suggested')).toContain('2020 年案件统计：解决率 60.74%'))
  const usual = answers['/self-evaluations/2020']
  answers['/self-evaluations/2020'] = (asked) => {
    if (asked.method !== 'PUT') return usual?.(asked) ?? problem(500, 'x', '没有')
    sent.push(asked.body)
    versions = [aVersion(3), ...versions]
    return Response.json(aVersion(3))
  }
  write('indicator-score', '7,5')
  await vi.waitFor(() => expect(one('indicator-score')?.getAttribute('aria-invalid')).toBe('true'))
  one('selfeval-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('selfeval-form')).toContain('附件 1 第 1 行“预算经费”：分值和得分应为数字'))
  write('indicator-score', '7.5')
  write('actual-value', '45')
  one('selfeval-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('selfeval-form')).toBeNull())
  expect(sent).toMatchObject([{ base: 2, tables: { indicators: [{ score: 7_500, actual_value: 45_000 }, { score: 10_000 }], printed_total: 950_000 } }])
  await vi.waitFor(() => expect(one<HTMLSelectElement>('selfeval-version')?.value).toBe('2020.3'))
  choose('selfeval-version', '2020.1')
  await vi.waitFor(() => expect(one('edit-tables')).toBeNull())
})

it('the first version of a year is written from the empty form, row by row, and says what is missing', async () => {
  const sent: { base: number; tables: SelfEvaluation }[] = []
  versions = []
  answers['/self-evaluations/2026'] = ({ method, body }) => {
    if (method === 'PUT') {
      sent.push(body as (typeof sent)[number])
      versions = [aVersion(1, { head: { ...aVersion(1).head, year: 2026 }, tables: (body as (typeof sent)[number]).tables })]
    }
    return Response.json(versions[0])
  }
  go(onPage('selfeval'))
  openAs('admin')
  await vi.waitFor(() => expect(text('empty')).toContain('还没有自评'))
  click('new-year')
  await vi.waitFor(() => expect(one('from-form')).not.toBeNull())
  expect(one('from-last')).toBeNull()
  click('from-form')
  await vi.waitFor(() => expect(all('indicator')).toHaveLength(9))
  expect(all('common-indicator')).toHaveLength(17)
  expect([text('sums1'), text('sums2')].map((words) => words.trim())).toEqual(['合计：分值 100，得分 未填全', '合计：分值 100，得分 未填全'])
  const save = () => one('selfeval-form')?.dispatchEvent(new Event('submit'))
  write('selfeval-year', '2026')
  save()
  await vi.waitFor(() => expect(text('selfeval-form')).toContain('预算资金执行率的得分应为数字'))
  write('budget-score', '10')
  save()
  await vi.waitFor(() => expect(text('selfeval-form')).toContain('附件 1 第 1 行：请填写三级指标'))
  for (let left = 9; left > 2; left--) click('remove-indicator')
  await vi.waitFor(() => expect(all('indicator')).toHaveLength(2))
  click('restore-indicator')
  await vi.waitFor(() => expect(all('indicator')).toHaveLength(3))
  all('add-indicator')[2]?.click()
  await vi.waitFor(() => expect(all('indicator')).toHaveLength(4))
  for (let left = 17; left > 1; left--) click('remove-common')
  await vi.waitFor(() => expect(all('common-indicator')).toHaveLength(1))
  const fill = (name: string, words: string[]) =>
    words.forEach((word, at) => {
      const field = all(name)[at] as HTMLInputElement
      field.value = word
      field.dispatchEvent(new Event('input'))
    })
  fill('indicator-name', ['节约', '长效', '满意', '速度'])
  fill('indicator-score', ['5', '9.5', '10', '1'])
  fill('common-score', ['7'])
  save()
  await vi.waitFor(() => expect(text('selfeval-form')).toContain('附件 1 第 4 行“速度”：分值和得分应为数字'))
  all('remove-indicator')[3]?.click()
  await vi.waitFor(() => expect(text('sums1')).toContain('分值 35，得分 34.5'))
  save()
  await vi.waitFor(() => expect(one('selfeval-form')).toBeNull())
  expect(sent).toMatchObject([
    {
      base: 0,
      tables: {
        budget_score: 10_000,
        indicators: [{ level: 'benefit', aspect: '生态效益指标', name: '节约', points: 5_000, score: 5_000 }, { score: 9_500 }, { level: 'satisfaction', score: 10_000 }],
        common_indicators: [{ name: '满意度', points: 8_000, score: 7_000 }],
        printed_total: null,
      },
    },
  ])
  await vi.waitFor(() => expect(text('selfeval-version')).toContain('2026 年 第 1 版（草稿）'))
})

it('a new year takes the indicators of the last, and nothing that was done or scored', async () => {
  go(onPage('selfeval'))
  openAs('admin')
  await vi.waitFor(() => expect(one('selfeval-head')).not.toBeNull())
  click('new-year')
  await vi.waitFor(() => expect(text('from-last')).toContain('沿用 2020 年'))
  click('from-last')
  await vi.waitFor(() => expect(one<HTMLInputElement>('selfeval-year')?.value).toBe('2021'))
  expect(all('indicator-score').map((field) => (field as HTMLInputElement).value)).toEqual(['', ''])
  expect(nextYear(TABLES)).toMatchObject({
    project: TABLES.project,
    printed_total: null,
    indicators: [{ target: '60万元', target_value: 60_000, actual: '', actual_value: null, points: 10_000, score: Number.NaN }, {}],
    funds: [{ fund: 'total', executed: null }, {}, {}, {}],
  })
})

it('the city’s collector has no such page, and a year without one says so', async () => {
  answers['/self-evaluations'] = () => Response.json({ items: [], next: null })
  go(onPage('selfeval'))
  openAs('verifier')
  await vi.waitFor(() => expect(one('nav-cases')).not.toBeNull())
  expect(one('nav-selfeval')).toBeNull()
})

it('amounts are read without loss', () => {
  expect(['', '98', '214.71', '0.333'].map(amountOf)).toEqual([null, 98_000, 214_710, 333])
  expect(['-1', '1.2345', 'x'].map(amountOf)).toEqual([Number.NaN, Number.NaN, Number.NaN])
  expect(faultOf(TABLES)).toBe('')
  expect(faultOf({ ...TABLES, project: ' ' })).toContain('项目名称')
  expect(faultOf({ ...TABLES, indicators: [] })).toContain('附件 1 应有 1–100 行')
  expect(faultOf({ ...TABLES, printed_total: Number.NaN })).toContain('印出的总分')
  expect(faultOf({ ...TABLES, level_points: { ...TABLES.level_points, benefit: Number.NaN } })).toContain('各级指标')
  expect(faultOf({ ...TABLES, funds: [{ fund: 'total', planned: Number.NaN, adjusted: null, executed: null }] })).toContain('项目资金')
  const points = blankForm().common_indicators.reduce((sum, row) => sum + row.points, 0)
  expect(points).toBe(100_000)
})
