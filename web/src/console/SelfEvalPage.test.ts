import { expect, it, vi } from 'vitest'
import { amountOf, complete, type SelfEvaluation, type SelfEvaluationVersion } from '../lib/selfeval'
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
  await vi.waitFor(() => expect(text('selfeval-form')).toContain('数字最多三位小数'))
  write('indicator-score', '7.5')
  write('actual-value', '45')
  one('selfeval-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('selfeval-form')).toBeNull())
  expect(sent).toMatchObject([{ base: 2, tables: { indicators: [{ score: 7_500, actual_value: 45_000 }, { score: 10_000 }], printed_total: 950_000 } }])
  await vi.waitFor(() => expect(one<HTMLSelectElement>('selfeval-version')?.value).toBe('2020.3'))
  choose('selfeval-version', '2020.1')
  await vi.waitFor(() => expect(one('edit-tables')).toBeNull())
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
  expect(complete(TABLES)).toBe(true)
  expect(complete({ ...TABLES, budget_score: Number.NaN })).toBe(false)
})
