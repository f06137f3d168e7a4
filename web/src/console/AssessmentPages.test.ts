import { expect, it, vi } from 'vitest'
import type { AssessmentMonth, MonthResult, RuleSet, ScoreEdition, ScoreLine, ScoreObjection, UnitScore } from '../lib/assessment'
import { draftOf, monthBefore, points, rulesOf, signed, thousandths } from '../lib/assessmentWords'
import { canonical, type Json } from '../lib/capture'
import { sha256 } from '../lib/draw'
import { reckon } from '../lib/replay'
import { go, onPage, parseRoute } from './route'
import { all, answers, choose, fakeServer, one, openAs, openPage, problem, sessionOf, text, write } from './testPage'

const RULES: RuleSet = {
  title: '考核暂行办法',
  digital_cases: { points: 60_000, late_percent: 55 },
  spot_checks: { points: 20_000, when_none: 'full' },
  supervision: { points: 20_000, when_none: 'full' },
  merits: { cap: 5_000, amounts: { fewer_cases: 100, praised: 500, criticised: -500 } },
  confidence_percent: 90,
  objection_days: 5,
}

const aMonth = (change: Partial<AssessmentMonth> = {}): AssessmentMonth => ({
  month: '2026-10',
  phase: 'trial',
  rules_version: 0,
  as_of: '2026-11-01T00:00:00Z',
  opened_at: null,
  objections_until: null,
  published_at: null,
  pack_sha256: null,
  edition: null,
  correction: null,
  ...change,
})

const aUnit = (n: number, change: Partial<UnitScore> = {}): UnitScore => ({
  unit_id: `n${n}`,
  code: `0${n}`,
  name: ['县水利局', '县公安局', '中国邮政', '县民政局'][n - 1] ?? '',
  class: 'A',
  total: 98_500,
  digital_cases: 60_000,
  spot_checks: 18_500,
  supervision: 20_000,
  merits: 0,
  spot_low: 1_250,
  spot_high: 750,
  cases: 12,
  checks: 9,
  rank: n,
  band: 1,
  veto: false,
  ...change,
})

const UNITS = [
  aUnit(1),
  aUnit(2, { total: 0, veto: true, merits: -98_500 }),
  aUnit(3, { class: 'B', rank: 1 }),
  aUnit(4, { rank: null, band: null, cases: 0 }),
]

const aLine = (n: number, change: Partial<ScoreLine> = {}): ScoreLine => ({
  n,
  unit_id: 'n1',
  part: 'digital_cases',
  item: 'timely',
  record_kind: 'case',
  record_id: `c${n}`,
  delta: 30_000,
  why: `案件 2026-${n} 按期结案`,
  counters: null,
  ...change,
})

const LINES = [
  aLine(1),
  aLine(2),
  aLine(3, { part: 'spot_checks', item: 'check', record_kind: 'spot_check', record_id: 'k1', delta: 18_500, why: '抽检“迎丰路”得 92.5 分' }),
  aLine(4, { part: 'supervision', item: 'none', record_kind: null, record_id: null, delta: 20_000, why: '本月无专项督办记录，按办法计满分' }),
]

const anObjection = (change: Partial<ScoreObjection> = {}): ScoreObjection => ({
  id: 'o1',
  month: '2026-10',
  line: 1,
  unit_id: 'n1',
  reason: '当日已结案',
  filed_by: 'u5',
  filed_at: '2026-11-02T01:00:00Z',
  verdict: null,
  steps: [],
  ...change,
})

const FIRST: ScoreEdition = {
  id: 'd1',
  month: '2026-10',
  edition: 1,
  reason: '',
  counters: [],
  opened_by: 'u5',
  opened_at: '2026-11-02T01:00:00Z',
  verdict: 'upheld',
  words: null,
  decided_by: 'u6',
  decided_at: '2026-11-09T01:00:00Z',
  pack_sha256: 'ff0d71',
}

const SECOND: ScoreEdition = {
  ...FIRST,
  id: 'd2',
  edition: 2,
  reason: '抽检记录张冠李戴',
  counters: [{ line: 3, delta: 1_500, why: '扣分记错单位' }],
  words: '已核对原始记录',
  decided_at: '2026-11-20T01:00:00Z',
  pack_sha256: 'ee0d72',
}

const WAITING: ScoreEdition = { ...SECOND, edition: null, verdict: null, words: null, decided_by: null, decided_at: null, pack_sha256: null }

const published = (change: Partial<AssessmentMonth> = {}): AssessmentMonth =>
  aMonth({ phase: 'published', published_at: '2026-11-09T01:00:00Z', pack_sha256: 'ff0d71', edition: 1, ...change })

const CORRECTED = { edition: 2, correction: SECOND.reason, pack_sha256: 'ee0d72' }

/** A month of one unit with a case and a visit, computed as the server does. */
function aPack(score: number): { text: string; sha256: string } {
  const inputs = {
    units: [{ id: 'n1', code: 'A01', name: '县水利局', class: 'A' as const, filed: 1, filed_year_before: 2 }],
    cases: [{ id: 'c1', number: '431221-1', unit_id: 'n1', outcome: 'late' as const, exempt: false }],
    checks: [{ id: 's1', unit_id: 'n1', week: '2026-W41', site: '芙蓉路', score }],
    letters: [],
    merits: [],
    counters: [],
  }
  const pack = { format: 'chengguan-assessment/1', month: '2026-10', as_of: '2026-11-01T00:00:00Z', rules_version: 0, rules: RULES, inputs, ...reckon(RULES, inputs) }
  const text = canonical(pack as unknown as Json)
  return { text, sha256: sha256(text) }
}

let month = aMonth()
const result = (): MonthResult => ({ ...month, rules: RULES, replay: null, units: UNITS })

fakeServer(() => {
  month = aMonth()
  return {
    '/units': () => Response.json({ items: UNITS.map(({ unit_id: id, code, name }) => ({ id, code, name, class: 'A' })) }),
    '/names': () => Response.json({ users: [{ id: 'u5', name: '王芳' }], devices: [] }),
    '/cases': () => Response.json({ items: [], next: null }),
    '/catalogue/classes': () => Response.json({ items: [], next: null }),
    '/assessment/months': () => Response.json({ items: [month], next: null }),
    '/assessment/months/2026-10': () => Response.json(result()),
    '/assessment/months/2026-10/editions': () => Response.json({ items: [FIRST] }),
    '/assessment/months/2026-10/objections': () => Response.json({ items: [] }),
    '/assessment/months/2026-10/lines': ({ query }) =>
      Response.json(query.get('cursor') === null ? { items: LINES.slice(0, 2), next: 2 } : { items: LINES.slice(2), next: null }),
  }
})

const click = (name: string) => one(name)?.click()
const begin = (change: Parameters<typeof onPage>[1] = {}) => go(onPage('assessment', change))

function openAsLiaison(unitId: string): void {
  const session = sessionOf('liaison')
  session.user.unit_id = unitId
  answers['/me'] = () => Response.json({ user: session.user })
  sessionStorage.setItem('chengguan.session', JSON.stringify(session))
  openPage()
}

/** What was sent to a path. */
function sent(path: string, answer: unknown): unknown[] {
  const bodies: unknown[] = []
  answers[path] = ({ method, body }) => {
    bodies.push(method === 'POST' ? body : method)
    return Response.json(answer, { status: 200 })
  }
  return bodies
}

it('the classes stand apart with places, bands, intervals and what changed, and those without a case last', async () => {
  answers['/assessment/months/2026-09'] = () =>
    Response.json({ ...result(), month: '2026-09', units: [aUnit(1, { total: 97_000, rank: 3 }), aUnit(3, { class: 'B', rank: null })] })
  answers['/assessment/months'] = () => Response.json({ items: [month, aMonth({ month: '2026-09' })], next: null })
  begin()
  openAs('supervisor')
  await vi.waitFor(() => expect(all('score-row')).toHaveLength(3))
  const [first, second, third] = all('score-row').map((row) => row.textContent)
  expect(text('class-A')).toContain('2 家参与排名')
  expect(first).toContain('县水利局')
  expect(first).toContain('98.500')
  expect(first).toContain('−1.25 ～ +0.75，9 次')
  expect(first).toContain('+1.5升 2 位')
  expect(second).toContain('一票否决')
  expect(second).toContain('−98.5')
  expect(third).toContain('—')
  expect(text('unranked')).toContain('县民政局')
  expect(text('phase')).toBe('试算')
  expect(one('open-month')).toBeNull()
})

it('a number opens its lines, whose running sum is that number, and a line its record', async () => {
  answers['/assessment/months/2026-10/lines/1/record'] = () =>
    Response.json({
      kind: 'case', number: '2026-1', title: '井盖破损', description: '', class_code: null, address: '迎丰路', unit_id: 'n1', state: 'closed',
      reported_at: '2026-10-02T01:00:00Z', dispatched_at: null, due_at: '2026-10-05T01:00:00Z', handled_at: null, applied_at: null,
      closed_at: '2026-10-04T01:00:00Z', timely: true, extension_count: 0, rework_count: 1,
      steps: [{ at: '2026-10-02T01:00:00Z', command: 'report', outcome: 'applied', state: 'reported', note: null }],
      files: [{ id: 'e1', sha256: 'ab', media_type: 'image/jpeg', state: 'stored', role: 'before', captured_at: null, restricted: false }],
    })
  const pictures: (string | null)[] = []
  answers['/assessment/months/2026-10/lines/1/evidence/e1'] = ({ query, headers }) => {
    pictures.push(query.get('edge'), headers['Authorization'] ?? null)
    return new Response(new Blob(['x']))
  }
  begin()
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('part-digital_cases')).toHaveLength(3))
  all('part-digital_cases')[0]?.click()
  await vi.waitFor(() => expect(all('line')).toHaveLength(2))
  expect(text('score-lines')).toContain('县水利局 · 数字城管 60.000')
  expect(text('line-sum')).toContain('2 条合计与表中所列一致')
  choose('line-part', '')
  await vi.waitFor(() => expect(all('line')).toHaveLength(4))
  expect(text('line-sum')).toContain('98.500')
  expect(parseRoute(location.hash)).toMatchObject({ panel: 'lines', unit_id: 'n1', kind: '' })
  all('line')[0]?.querySelector('a')?.click()
  await vi.waitFor(() => expect(text('score-record')).toContain('井盖破损'))
  expect(text('score-record')).toContain('2026-10-04 09:00，按期')
  expect(text('score-record')).toContain('返工 1 次')
  expect(text('timeline')).toContain('上报')
  await vi.waitFor(() => expect(pictures).toEqual(['320', 'Bearer a']))
  click('back-to-lines')
  await vi.waitFor(() => expect(all('line')).toHaveLength(4))
  all('line')[3]?.querySelector('a')?.click()
  await vi.waitFor(() => expect(text('score-record')).toContain('没有单独的记录'))
})

it('a sum that is not what was printed says so', async () => {
  answers['/assessment/months/2026-10/lines'] = () => Response.json({ items: LINES.slice(0, 1), next: null })
  begin({ panel: 'lines', unit_id: 'n1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('line-sum')).toContain('表中为 98.500，不一致'))
})

it('the office runs and opens a month, and opening asks first', async () => {
  const runs = sent('/assessment/months/2026-10/run', result())
  const opened = sent('/assessment/months/2026-10/open', result())
  begin()
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('run')).not.toBeNull())
  click('run')
  await vi.waitFor(() => expect(runs).toHaveLength(1))
  await vi.waitFor(() => expect(one('open-month')?.getAttribute('aria-disabled')).toBe('false'))
  click('open-month')
  await vi.waitFor(() => expect(text('month-steps')).toContain('公示后所有单位都能看到'))
  expect(opened).toEqual([])
  month = aMonth({ phase: 'open', objections_until: '2026-11-08T10:00:00Z' })
  click('open-month-sure')
  await vi.waitFor(() => expect(text('phase')).toBe('公示中'))
  expect(text('term')).toContain('2026-11-08 18:00')
  expect([opened.length, one('run'), one('publish')]).toEqual([1, null, null])
})

it('another month is run by its name, and a refusal is shown', async () => {
  answers['/assessment/months/2026-08/run'] = () => problem(409, 'month_forbids', '该月不能这样办理', '尚未开始')
  begin()
  openAs('admin')
  await vi.waitFor(() => expect(one('another')).not.toBeNull())
  click('another')
  await vi.waitFor(() => expect(one('run-form')).not.toBeNull())
  write('run-month', '2026-08')
  one('run-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('run-form')).toContain('该月不能这样办理'))
})

it('the inspectorate publishes, and a published month has its bulletins and its pack with the hash', async () => {
  month = aMonth({ phase: 'open' })
  const steps = sent('/assessment/months/2026-10/publish', result())
  begin()
  openAs('supervisor')
  await vi.waitFor(() => expect(one('publish')).not.toBeNull())
  click('publish')
  await vi.waitFor(() => expect(one('publish-sure')).not.toBeNull())
  month = aMonth({ phase: 'published', published_at: '2026-11-09T01:00:00Z', pack_sha256: 'ff0d71' })
  click('publish-sure')
  await vi.waitFor(() => expect(text('pack-hash')).toContain('ff0d71'))
  expect(steps).toHaveLength(1)
  const formats: (string | null)[] = []
  answers['/assessment/months/2026-10/bulletin'] = ({ query }) => {
    formats.push(query.get('format'))
    return new Response('x')
  }
  expect(all('download')).toHaveLength(5)
  all('download')[0]?.click()
  await vi.waitFor(() => expect(formats).toEqual(['pdf']))
  await vi.waitFor(() => expect(document.body.textContent).toContain('已下载'))
})

it('a published month is computed again in the page, and a pack that was changed shows where', async () => {
  const pack = aPack(95_000)
  month = aMonth({ phase: 'published', published_at: '2026-11-09T01:00:00Z', pack_sha256: pack.sha256 })
  let served = pack.text
  answers['/assessment/months/2026-10/pack'] = () => new Response(served)
  begin()
  openAs('verifier')
  await vi.waitFor(() => expect(one('replay')).not.toBeNull())
  click('replay')
  await vi.waitFor(() => expect(text('verdict')).toContain('一致：重算结果和摘要都与公布的相同'))
  served = served.replace('"late_percent":55', '"late_percent":60')
  click('replay')
  await vi.waitFor(() => expect(text('verdict')).toBe('重算结果与包内成绩不一致'))
  expect(text('differences')).toContain('包内 县水利局 33 分（案件 431221-1 超期结案，计 55%，占 1 件之一）；重算 县水利局 36 分')
  const give = (file: string) => {
    Object.defineProperty(one('pack-file'), 'files', { value: [new File([file], 'pack.json')], configurable: true })
    one('pack-file')?.dispatchEvent(new Event('change'))
  }
  give(aPack(90_000).text)
  await vi.waitFor(() => expect(text('verdict')).toContain('不是公布的那一份'))
  give('{}')
  await vi.waitFor(() => expect(text('verdict')).toBe('不是成绩包，或已损坏'))
})

it('a corrected month shows why and by whom, and an earlier edition as it was, with its own lines, pack and bulletin', async () => {
  month = published(CORRECTED)
  const asked: string[] = []
  const at = (query: URLSearchParams) => (query.get('edition') === '1' ? published() : month)
  answers['/assessment/months/2026-10'] = ({ query }) => {
    const of = at(query)
    return Response.json({ ...result(), ...of, replay: `chengguan replay assessment-2026-10.json --sha256 ${of.pack_sha256}` })
  }
  for (const what of ['pack', 'bulletin']) {
    answers[`/assessment/months/2026-10/${what}`] = ({ query }) => {
      asked.push(`${what} ${query.get('edition')}`)
      return new Response('{}')
    }
  }
  answers['/assessment/months/2026-10/editions'] = () => Response.json({ items: [FIRST, SECOND] })
  const correction = aLine(5, { part: 'spot_checks', item: 'correction', record_kind: 'correction', record_id: 'd2', delta: 1_500, why: '扣分记错单位', counters: 3 })
  answers['/assessment/months/2026-10/lines'] = () => Response.json({ items: [...LINES, correction], next: null })
  begin()
  openAs('verifier')
  await vi.waitFor(() => expect(all('edition')).toHaveLength(2))
  expect(text('month-steps')).toContain('第 2 版，发布于')
  expect(text('correction')).toBe('更正：抽检记录张冠李戴')
  expect(all('edition').map((item) => item.textContent)).toEqual([
    expect.stringContaining('第 1 版已更正'),
    expect.stringMatching(/第 2 版现行.*提出：王芳.*批准发布：.*抽检记录张冠李戴更正第 3 条：\+1.5 分（扣分记错单位）意见：已核对原始记录/),
  ])
  expect(one('begin-edition')).toBeNull()
  all('edition-link')[0]?.click()
  await vi.waitFor(() => expect(text('pack-hash')).toContain('ff0d71'))
  expect(text('replay-command')).toBe('chengguan replay assessment-2026-10.json --sha256 ff0d71')
  expect([parseRoute(location.hash).edition, one('correction')]).toEqual(['1', null])
  click('replay')
  all('download')[0]?.click()
  await vi.waitFor(() => expect(asked.sort()).toEqual(['bulletin 1', 'pack 1']))
  go({ panel: 'lines', unit_id: 'n1' })
  await vi.waitFor(() => expect(text('line-sum')).toContain('4 条合计与表中所列一致'))
  all('edition-link')[1]?.click()
  await vi.waitFor(() => expect(text('pack-hash')).toContain('ee0d72'))
  expect(parseRoute(location.hash).edition).toBe('')
})

it('a correction is opened with lines of the units, and waits for a second person; whoever opened it takes it back', async () => {
  month = published()
  let items = [FIRST]
  const opened: unknown[] = []
  answers['/assessment/months/2026-10/editions'] = ({ method, body }) => {
    if (method === 'POST') {
      opened.push(body)
      items = [FIRST, { ...WAITING, opened_by: 'u1' }]
    }
    return method === 'POST' ? Response.json(WAITING, { status: 201 }) : Response.json({ items })
  }
  const decided = sent('/assessment/editions/d2/decision', WAITING)
  const send = () => one('edition-form')?.dispatchEvent(new Event('submit'))
  begin()
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('begin-edition')).not.toBeNull())
  click('begin-edition')
  await vi.waitFor(() => expect(one('edition-form')).not.toBeNull())
  write('edition-reason', ' 抽检记录张冠李戴 ')
  choose('edition-unit', 'n1')
  await vi.waitFor(() => expect(text('edition-line')).toContain('3. 抽检记录 +18.5（抽检“迎丰路”得 92.5 分）'))
  choose('edition-line', '3')
  write('edition-amount', '100.001')
  write('edition-why', '扣分记错单位')
  send()
  await vi.waitFor(() => expect(text('edition-form')).toContain('更正分值应为 ±0.001 至 ±100'))
  write('edition-amount', '+1.5')
  send()
  await vi.waitFor(() => expect(one('dismissed')).not.toBeNull())
  expect(opened).toEqual([{ reason: '抽检记录张冠李戴', counters: SECOND.counters }])
  expect([one('upheld'), one('begin-edition'), one('edition-form')]).toEqual([null, null, null])
  write('reason', '重复')
  click('dismissed')
  await vi.waitFor(() => expect(decided).toEqual([{ verdict: 'dismissed', words: '重复' }]))
})

it('another one of the inspectorate approves a correction, and the month becomes its second edition', async () => {
  month = published()
  let items = [FIRST, WAITING]
  answers['/assessment/months/2026-10/editions'] = () => Response.json({ items })
  const decided: unknown[] = []
  answers['/assessment/editions/d2/decision'] = ({ body }) => {
    decided.push(body)
    month = published(CORRECTED)
    items = [FIRST, SECOND]
    return Response.json(SECOND)
  }
  begin()
  openAs('supervisor')
  await vi.waitFor(() => expect(one('upheld')).not.toBeNull())
  click('upheld')
  await vi.waitFor(() => expect(text('editions')).toContain('请写明意见'))
  write('reason', '已核对原始记录')
  click('upheld')
  await vi.waitFor(() => expect(text('correction')).toContain('抽检记录张冠李戴'))
  await vi.waitFor(() => expect(text('editions')).toContain('第 2 版现行'))
  expect(decided).toEqual([{ verdict: 'upheld', words: '已核对原始记录' }])
})

it('the office sees a correction of somebody else, and leaves the decision to the inspectorate', async () => {
  month = published()
  answers['/assessment/months/2026-10/editions'] = () => Response.json({ items: [FIRST, WAITING] })
  begin()
  openAs('admin')
  await vi.waitFor(() => expect(text('editions')).toContain('待批准'))
  expect([one('upheld'), one('dismissed'), one('begin-edition')]).toEqual([null, null, null])
})

it('a liaison objects to a line of the own unit only, once', async () => {
  month = aMonth({ phase: 'open', objections_until: '2999-01-01T00:00:00Z' })
  answers['/assessment/months/2026-10/lines/1/record'] = () => problem(404, 'not_found', '找不到该记录')
  const filed = sent('/assessment/months/2026-10/lines/1/objection', anObjection())
  begin({ panel: 'lines', unit_id: 'n1', line: '1' })
  openAsLiaison('n1')
  await vi.waitFor(() => expect(text('line-objection')).toContain('每条只能申诉一次'))
  click('object')
  await vi.waitFor(() => expect(text('line-objection')).toContain('请写明理由'))
  answers['/assessment/months/2026-10/objections'] = () => Response.json({ items: [anObjection()] })
  write('reason', ' 当日已结案 ')
  click('object')
  await vi.waitFor(() => expect(text('line-objection')).toContain('办理中'))
  expect(filed).toEqual([{ reason: '当日已结案' }])
  expect([one('object'), one('run'), one('another')]).toEqual([null, null, null])
})

it('a line of another unit is open to a liaison, but not to an objection', async () => {
  month = aMonth({ phase: 'open', objections_until: '2999-01-01T00:00:00Z' })
  begin({ panel: 'lines', unit_id: 'n1', line: '4' })
  openAsLiaison('n2')
  await vi.waitFor(() => expect(text('score-record')).toContain('按办法计满分'))
  expect(one('line-objection')).toBeNull()
  expect(one('group-assessment')).not.toBeNull()
})

it('objections go through three steps: two of the office, the last of the inspectorate', async () => {
  const step = { step: 1, verdict: 'upheld' as const, delta: 500, words: '属实', decided_by: 'u5', decided_at: '2026-11-03T01:00:00Z' }
  answers['/assessment/months/2026-10/objections'] = () => Response.json({ items: [anObjection({ steps: [step] })] })
  const taken = sent('/assessment/objections/o1/steps', anObjection())
  begin({ filter: 'objections' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('objection')).toContain('待复核'))
  expect(text('findings')).toContain('初核：成立更正 +0.5 分')
  expect(one<HTMLInputElement>('amount')?.value).toBe('+0.5')
  write('reason', '同意')
  write('amount', '0')
  click('upheld')
  await vi.waitFor(() => expect(text('objection-step')).toContain('须写明更正的分值'))
  write('reason', '同意')
  write('amount', '-0.25')
  click('upheld')
  await vi.waitFor(() => expect(taken).toEqual([{ verdict: 'upheld', delta: -250, words: '同意' }]))
})

it('whoever took a step before, and the inspectorate before the last, take none', async () => {
  const step = { step: 1, verdict: 'dismissed' as const, delta: 0, words: '不属实', decided_by: 'u1', decided_at: '2026-11-03T01:00:00Z' }
  answers['/assessment/months/2026-10/objections'] = () => Response.json({ items: [anObjection({ steps: [step] })] })
  begin({ filter: 'objections' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('objection')).toContain('待复核'))
  expect(one('objection-step')).toBeNull()
})

it('rules are drafted by the office with sums that fit, and approved by somebody else', async () => {
  const set = { version: 1, rules: RULES, effective_from: '2026-12', note: '试行', drafted_by: 'u5', drafted_at: '2026-11-02T01:00:00Z', approved_by: null, approved_at: null }
  const drafted: unknown[] = []
  answers['/assessment/rules'] = ({ method, body }) => {
    if (method === 'POST') drafted.push(body)
    return Response.json(method === 'POST' ? set : { items: [set] })
  }
  begin({ filter: 'rules' })
  openAs('admin')
  await vi.waitFor(() => expect(text('rule-set')).toContain('待批准'))
  expect(one('approve')).toBeNull()
  click('begin-draft')
  await vi.waitFor(() => expect(one('rules-form')).not.toBeNull())
  write('points-checks', '25')
  one('rules-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('rules-form')).toContain('合计应为 100，现为 105'))
  write('points-cases', '55')
  write('rules-note', '抽检更重')
  write('rules-from', '2027-01')
  one('rules-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('rules-form')).toBeNull())
  expect(drafted).toMatchObject([
    { effective_from: '2027-01', note: '抽检更重', rules: { ...RULES, digital_cases: { points: 55_000 }, spot_checks: { points: 25_000 } } },
  ])
})

it('the inspectorate approves rules', async () => {
  const set = { version: 1, rules: RULES, effective_from: '2026-12', note: '试行', drafted_by: 'u5', drafted_at: null, approved_by: null, approved_at: null }
  answers['/assessment/rules'] = () => Response.json({ items: [set] })
  const approved = sent('/assessment/rules/1/approve', set)
  begin({ filter: 'rules' })
  openAs('supervisor')
  await vi.waitFor(() => expect(one('approve')).not.toBeNull())
  click('approve')
  await vi.waitFor(() => expect(one('approve-sure')).not.toBeNull())
  click('approve-sure')
  await vi.waitFor(() => expect(approved).toHaveLength(1))
})

it('other rules show other ranks beside those that hold', async () => {
  const tried = sent('/assessment/months/2026-10/what-if', { units: [aUnit(1, { total: 96_500, rank: 2 }), aUnit(2, { rank: 1 }), aUnit(3, { class: 'B' })] })
  begin({ filter: 'what-if' })
  openAs('verifier')
  await vi.waitFor(() => expect(all('what-if-row')).toHaveLength(3))
  write('late-percent', '100')
  one('what-if-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(all('what-if-row')[0]?.textContent).toContain('2降 1 位96.500−2'))
  expect(tried).toMatchObject([{ digital_cases: { points: 60_000, late_percent: 100 } }])
})

it('a review tells the months that are missing, and which edition counts of one that was corrected', async () => {
  const asked: (string | null)[] = []
  answers['/assessment/review'] = ({ query }) => {
    asked.push(query.get('period'))
    const units = [{ unit_id: 'n1', class: 'A', months: 2, mean: 97_250, rank: 1 }, { unit_id: 'n4', class: 'A', months: 0, mean: null, rank: null }]
    return Response.json({ period: '2026-Q4', missing: ['2026-12'], editions: { '2026-11': 2, '2026-10': 1 }, units })
  }
  begin({ filter: 'review' })
  openAs('supervisor')
  await vi.waitFor(() => expect(all('review-row')).toHaveLength(2))
  expect(text('missing-months')).toContain('2026 年 12 月尚未发布')
  expect(text('counted-editions')).toContain('2026 年 11 月第 2 版；其余')
  expect(all('review-row')[0]?.textContent).toContain('1县水利局97.2502 个月')
  expect(all('review-row')[1]?.textContent).toContain('不排名')
  choose('review-span', '')
  await vi.waitFor(() => expect(asked.at(-1)).toMatch(/^\d{4}$/))
})

it('thousandths are read and written without loss', () => {
  expect([points(58_500), points(-333), points(100_000), points(0)]).toEqual(['58.5', '−0.333', '100', '0'])
  expect([signed(500), signed(-2_000), signed(0)]).toEqual(['+0.5', '−2', '0'])
  expect(['60', '+0.5', '−0.333', ' 1.25 ', '1.2345', '', 'x', '1e3'].map(thousandths)).toEqual([60_000, 500, -333, 1_250, null, null, null, null])
  expect([monthBefore('2026-01'), monthBefore('2026-11')]).toEqual(['2025-12', '2026-10'])
  expect(rulesOf(draftOf(RULES))).toEqual(RULES)
  expect(rulesOf({ ...draftOf(RULES), amounts: { praised: '一分' } })).toContain('上级表扬')
  expect(rulesOf({ ...draftOf(RULES), amounts: { criticised: '0.5' } })).toContain('应为 −100 至 0')
  expect(rulesOf({ ...draftOf(RULES), objection_days: '31' })).toContain('申诉期')
  expect(rulesOf({ ...draftOf(RULES), title: ' ' })).toContain('名称')
  expect(rulesOf({ ...draftOf(RULES), late_percent: '101' })).toContain('百分比')
  expect(rulesOf({ ...draftOf(RULES), cap: '-1' })).toContain('上限')
})
