import { expect, it, vi } from 'vitest'
import { FIGURES, RATES, type CityStatus, type Counts, type OutboxMessage, type Rate, type Rates, type StatisticsLine } from '../lib/loop'
import { go, onPage, parseRoute } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const standing: CityStatus = {
  linked: true,
  applied_seq: 220,
  waiting: 0,
  heard_at: '2026-11-22T04:00:00Z',
  given_seq: 242,
  queued: 0,
  queued_since: null,
  last_error: null,
  dead: 0,
}

const message = (msg_id: string, change: Partial<OutboxMessage> = {}): OutboxMessage => ({
  msg_id,
  seq: 241,
  kind: 'case.feedback',
  state: 'refused',
  case_id: 'c1',
  body: { cityCaseNo: '1' },
  attempts: 1,
  last_error: 'invalid: 案件已结案',
  queued_at: '2026-11-22T04:00:00Z',
  next_try_at: '2026-11-22T04:00:00Z',
  settled_at: null,
  settled_by: null,
  settled_note: null,
  ...change,
})

const of = <K extends string, V>(keys: readonly K[], value: V) => Object.fromEntries(keys.map((key) => [key, value])) as Record<K, V>
const none: Rate = { basis_points: null, text: '—' }
const counts = (change: Partial<Counts> = {}): Counts => ({ ...of(FIGURES, 0), ...change })
const rates = (change: Partial<Rates> = {}): Rates => ({ ...of(RATES, none), ...change })

const line = (key: string, change: Partial<StatisticsLine> = {}): StatisticsLine => ({
  key,
  name: key === 'n1' ? '县水利局' : '',
  counts: counts({ total: 14_664, closed: 8907, timely: 5867, late: 3040, overdue: 12 }),
  rates: rates({ resolution: { basis_points: 6074, text: '60.74%' }, comprehensive: { basis_points: 5141, text: '51.41%' } }),
  before: {
    counts: counts({ total: 100 }),
    rates: rates({ resolution: { basis_points: 7000, text: '70.00%' } }),
    change: { basis_points: 250, text: '2.50%' },
  },
  year_before: { counts: counts(), rates: rates(), change: none },
  ...change,
})

fakeServer(() => ({
  '/units': () => Response.json({ items: [{ id: 'n1', code: 'A01', name: '县水利局', class: 'A' }] }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/city/status': () => Response.json(standing),
  '/city/outbox': ({ query }) =>
    Response.json({
      items: query.get('dead') === 'true' ? [] : [message('m1', { state: 'delivered', settled_at: '2026-11-22T04:01:00Z', last_error: 'timeout' })],
    }),
  '/city/inbox': () => Response.json({ items: [], next: null }),
  '/statistics': ({ query }) =>
    Response.json({
      period: query.get('period'),
      by: query.get('by'),
      from: '2020-01-01T00:00:00+08:00',
      until: '2021-01-01T00:00:00+08:00',
      rule: '统计口径：截止时间落在统计期内的案件。',
      lines: query.get('by') === 'all' ? [line('')] : [line('n1')],
    }),
}))

it('both directions of the link say how they stand, and nothing dead is good news', async () => {
  go(onPage('city'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('standing')).toContain('没有待发'))
  expect(text('standing')).toContain('已办到第 220 号')
  await vi.waitFor(() => expect(text('empty')).toContain('没有待处理的死信'))
  expect(one('unlinked')).toBeNull()
})

it('a link that stands still is told with since when, why, and what is missing', async () => {
  answers['/city/status'] = () =>
    Response.json({ ...standing, linked: false, queued: 3, queued_since: new Date(Date.now() - 7_200_000).toISOString(), last_error: 'timeout', waiting: 2, dead: 4 })
  go(onPage('city', { filter: 'inbox' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('standing')).toContain('待发 3 条，最早的已等 2 时'))
  expect(text('standing')).toContain('timeout')
  expect(text('standing')).toContain('死信 4 条')
  expect(text('standing')).toContain('在等缺的第 221 号')
  expect(text('unlinked')).toContain('没有接通市平台')
})

it('a dead letter is sent again, or given up with a reason', async () => {
  const sent: unknown[] = []
  answers['/city/outbox'] = () => Response.json({ items: [message('m1'), message('m2', { state: 'queued', attempts: 14 })], next: 7 })
  answers['/city/outbox/m1/resend'] = ({ method }) => {
    sent.push(method)
    return Response.json(message('m1', { state: 'replaced' }))
  }
  answers['/city/outbox/m2/give-up'] = ({ body }) => {
    sent.push(body)
    return Response.json(message('m2', { state: 'replaced' }))
  }
  go(onPage('city'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('message')).toHaveLength(2))
  expect(all('message')[0]?.textContent).toContain('处置反馈')
  expect(all('message')[0]?.textContent).toContain('案件已结案')
  expect(all('message')[1]?.textContent).toContain('屡试不通')
  expect(one('more')).not.toBeNull()
  all('resend')[0]?.click()
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  await vi.waitFor(() => expect(one('resend')?.getAttribute('aria-disabled')).toBe('false'))
  all('begin-give-up')[1]?.click()
  await vi.waitFor(() => expect(one('give-up')).not.toBeNull())
  one('give-up')?.click()
  await vi.waitFor(() => expect(text('messages')).toContain('请填写理由'))
  write('reason', '市平台已补录')
  one('give-up')?.click()
  await vi.waitFor(() => expect(sent).toEqual(['POST', { reason: '市平台已补录' }]))
})

it('a refusal to send again is shown', async () => {
  answers['/city/outbox'] = () => Response.json({ items: [message('m1')] })
  answers['/city/outbox/m1/resend'] = () => problem(409, 'x', '这条消息已经处理过')
  go(onPage('city'))
  openAs('admin')
  await vi.waitFor(() => expect(one('resend')).not.toBeNull())
  one('resend')?.click()
  await vi.waitFor(() => expect(text('problem')).toContain('这条消息已经处理过'))
})

it('a supervisor reads what was sent, by its state', async () => {
  const asked: (string | null)[] = []
  const usual = answers['/city/outbox']
  answers['/city/outbox'] = (question) => {
    asked.push(question.query.get('state'))
    return usual?.(question) ?? Response.error()
  }
  go(onPage('city', { filter: 'outbox' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('message')).toHaveLength(1))
  expect(text('message')).toContain('已送达')
  expect(text('message')).not.toContain('timeout')
  expect(one('resend')).toBeNull()
  choose('state', 'refused')
  await vi.waitFor(() => expect(asked).toEqual([null, 'refused']))
})

it('a list that differs names each case with what either side knows', async () => {
  answers['/city/reconciliations'] = () =>
    Response.json({
      items: [
        { seq: 9, received_at: '2026-11-22T04:00:00Z', items: 80, in_flight: 2, differences: [{ cityCaseNo: '4312-7', city: 'closed', county: null }] },
        { seq: 4, received_at: '2026-11-21T04:00:00Z', items: 70, in_flight: 0, differences: [] },
      ],
      next: null,
    })
  go(onPage('city', { filter: 'lists' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('list-row')).toHaveLength(2))
  expect(all('list-row')[0]?.textContent).toContain('1 件不一致')
  expect(all('list-row')[0]?.textContent).toContain('4312-7已结案没有这件')
  expect(all('list-row')[1]?.textContent).toContain('全部一致')
})

it('cases whose deadlines differ can be listed alone', async () => {
  const asked: (string | null)[] = []
  answers['/city/cases'] = ({ query }) => {
    asked.push(query.get('due_differs'))
    const item = { city_number: '4312-7', case_id: 'c1', number: '2026-1', state: 'rework', city_due_at: '2026-11-22T04:00:00Z', due_at: '2026-11-23T04:00:00Z', due_differs: true, received_at: '2026-11-20T04:00:00Z' }
    return Response.json({ items: [item] })
  }
  go(onPage('city', { filter: 'cases' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('city-case')).toContain('核查未通过'))
  expect(text('city-case')).toContain('不同')
  one('differing')?.click()
  await vi.waitFor(() => expect(asked).toEqual([null, 'true']))
})

it('codes are mapped by the administrator, and a code that is none is told before it is sent', async () => {
  const sent: unknown[] = []
  answers['/city/codes'] = ({ method, body, query }) => {
    if (method !== 'GET') sent.push(body ?? [method, query.toString()])
    return method === 'GET'
      ? Response.json({ items: [{ kind: 'unit', city_code: 'HH-01', county_code: 'A01' }] })
      : new Response(null, { status: 204 })
  }
  go(onPage('city', { filter: 'codes' }))
  openAs('admin')
  await vi.waitFor(() => expect(text('code')).toContain('A01 县水利局'))
  choose('entry-kind', 'class')
  await vi.waitFor(() => expect(one('county-code')).not.toBeNull())
  write('city-code', '0405')
  write('county-code', '0406')
  one('code-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('code-form')).toContain('event-0405（事件）'))
  write('city-code', 'event-0405')
  one('code-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(sent).toEqual([{ kind: 'class', city_code: 'event-0405', county_code: '0406' }]))
  await vi.waitFor(() => expect(one('save-code')?.getAttribute('aria-disabled')).toBe('false'))
  one('drop')?.click()
  await vi.waitFor(() => expect(text('drop')).toContain('确认删除'))
  one('drop')?.click()
  await vi.waitFor(() => expect(sent[1]).toEqual(['DELETE', 'kind=unit&city_code=HH-01']))
})

it('figures stand with their rule, their changes, and a dash where there is nothing to divide by', async () => {
  go(onPage('statistics', { period: '2020' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('figure-row')).toHaveLength(2))
  const [sum, unit] = all('figure-row').map((row) => row.textContent ?? '')
  expect(sum).toContain('合计14664')
  expect(unit).toContain('县水利局14664')
  expect(unit).toContain('环比 +2.50%同比 —')
  expect(unit).toContain('60.74%')
  expect(unit).toContain('环比 −9.26同比 —')
  expect(text('rule')).toContain('统计口径：截止时间落在统计期内的案件。')
  expect(text('summary')).toContain('2020-01-01 00:00 至 2021-01-01 00:00')
  choose('filter', 'quality')
  await vi.waitFor(() => expect(text('figures')).toContain('超期未处置率'))
  expect(all('figure-row')[0]?.textContent).toContain('12')
})

it('a number opens to exactly its records, page by page', async () => {
  const asked: string[] = []
  const record = (n: number) => ({ id: `c${n}`, number: `2020-${n}`, title: '井盖破损', state: 'closed', overdue: false, due_at: '2020-05-01T00:00:00Z', closed_at: '2020-05-02T00:00:00Z' })
  answers['/statistics/records'] = ({ query }) => {
    asked.push(query.toString())
    return query.get('cursor') === null ? Response.json({ items: [record(1)], next: 'c1' }) : Response.json({ items: [record(2)] })
  }
  go(onPage('statistics', { period: '2020-Q2' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('figure-late')).toHaveLength(2))
  all('figure-late')[1]?.click()
  await vi.waitFor(() => expect(all('record')).toHaveLength(1))
  expect(text('records')).toContain('县水利局 · 超时结案')
  expect(text('records')).toContain('截止时间之后才结案')
  one('more-records')?.click()
  await vi.waitFor(() => expect(all('record')).toHaveLength(2))
  expect(asked[0]).toBe('period=2020-Q2&by=unit&key=n1&figure=late&limit=50')
  expect(parseRoute(location.hash)).toMatchObject({ line: 'n1', figure: 'late' })
  all('figure-closed')[0]?.click()
  await vi.waitFor(() => expect(asked.at(-1)).toBe('period=2020-Q2&by=all&figure=closed&limit=50'))
  expect(text('records')).toContain('合计 · 已结案')
})

it('a period without cases, and one that is none, are told as what they are', async () => {
  const asked: (string | null)[] = []
  answers['/statistics'] = ({ query }) => {
    asked.push(query.get('period'))
    const empty = line('', { counts: counts(), rates: rates(), before: { counts: counts(), rates: rates(), change: none } })
    return Response.json({ period: query.get('period'), by: 'all', from: '', until: '', rule: '口径', lines: [empty] })
  }
  go(onPage('statistics', { period: '2020-13', by: 'all' }))
  openAs('liaison')
  await vi.waitFor(() => expect(text('nothing')).toContain('这一期没有截止的案件'))
  expect(asked[0]).toMatch(/^20\d\d-(0[1-9]|1[0-2])$/)
  expect(text('figure-row')).toContain('—')
  expect(document.querySelectorAll('[data-testid=figure-total]')).toHaveLength(0)
  answers['/statistics'] = () => problem(403, 'role_forbidden', '您的角色无权执行此操作')
  one('refresh')?.click()
  await vi.waitFor(() => expect(text('problem')).toContain('您的角色无权执行此操作'))
})
