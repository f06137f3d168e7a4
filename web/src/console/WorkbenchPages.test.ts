import { afterEach, expect, it, vi } from 'vitest'
import type { Case } from '../lib/types'
import { go, parseRoute, route } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write, type Asked } from './testPage'

const aCase = (n: number, change: Partial<Case> = {}): Case => ({
  id: `c${n}`,
  number: `2026-${n}`,
  ver: n,
  state: 'reported',
  title: `井盖破损 ${n}`,
  description: '',
  class_code: '0101',
  address: '迎丰路',
  position: null,
  unit_id: null,
  reported_at: '2026-11-22T01:00:00Z',
  reported_by: 'u9',
  due_at: null,
  extension: null,
  rework_count: 0,
  closed_at: null,
  priority: 0,
  overdue: false,
  on_hold: false,
  ...change,
})

const aClass = (code: string, name: string) => ({
  kind: 'component',
  scheme_version: 'GB/T30428.2-2013',
  code,
  big_name: '公用设施',
  name,
  conditions: [
    { number: 1, filing: '缺失', closing: '补齐', limit: { kind: 'urgent_hour', value: 2 }, remark: '' },
    { number: 2, filing: '破损', closing: '修复', limit: { kind: 'work_day', value: 1 }, remark: '' },
  ],
})

fakeServer(() => ({
  '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [] }),
  '/cases': () => Response.json({ items: [aCase(1), aCase(2), aCase(3, { state: 'closed' })], next: null }),
  '/catalogue/classes': () => Response.json({ items: [aClass('0101', '上水井盖')], next: null }),
}))

afterEach(() => vi.useRealTimers())

const rows = () => all('case-row')
const click = (name: string) => one(name)?.click()
const ticks = () => all('tick') as HTMLInputElement[]

/** What the cases were asked for. */
function questions(): URLSearchParams[] {
  const asked: URLSearchParams[] = []
  const usual = answers['/cases']
  answers['/cases'] = (of) => {
    asked.push(of.query)
    return usual?.(of) ?? problem(500, 'x', '没有')
  }
  return asked
}

async function openWith(ticked: number): Promise<void> {
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  for (const box of ticks().slice(0, ticked)) box.click()
  await vi.waitFor(() => expect(text('batch')).toContain(`${ticked} 件`))
}

async function openForm(ticked: number): Promise<void> {
  await openWith(ticked)
  click('batch-dispatch')
  await vi.waitFor(() => expect(one('dispatch-form')).not.toBeNull())
  choose('dispatch-unit', 'n1')
}

const send = () => one('dispatch-form')?.dispatchEvent(new Event('submit'))

it('the queues show how many wait and for how long, and one that waits too long says so', async () => {
  vi.useFakeTimers({ now: new Date('2026-11-26T02:00:00Z'), toFake: ['Date'] })
  answers['/workbench/queues'] = () =>
    Response.json({
      items: [
        { queue: 'accept', cases: 12, oldest_at: '2026-11-26T01:20:00Z' },
        { queue: 'redispatch', cases: 3, oldest_at: '2026-11-25T23:00:00Z' },
        { queue: 'held', cases: 0 },
      ],
    })
  const asked = questions()
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('queue-accept')).toContain('待派遣12'))
  expect(text('queue-accept')).toContain('等了 40 分，过久')
  expect(text('queue-redispatch')).toContain('回退3最早 3 时前')
  expect(text('queue-held')).toBe('挂账0')
  click('queue-accept')
  await vi.waitFor(() => expect(asked.at(-1)?.get('queue')).toBe('accept'))
  expect(asked.at(-1)?.get('order')).toBe('oldest')
  expect(parseRoute(location.hash).queue).toBe('accept')
  click('queue-mine')
  await vi.waitFor(() => expect(asked.at(-1)?.get('mine')).toBe('true'))
  expect(asked.at(-1)?.has('queue')).toBe(false)
})

it('a liaison has the queues of the own unit, without ticks', async () => {
  answers['/workbench/queues'] = () => Response.json({ items: [{ queue: 'handle', cases: 4, oldest_at: null }] })
  openAs('liaison')
  await vi.waitFor(() => expect(text('queue-handle')).toContain('4'))
  expect(one('queue-mine')).toBeNull()
  expect(ticks()).toHaveLength(0)
})

it('somebody without a queue is not asked about one', async () => {
  const asked: Asked[] = []
  answers['/workbench/queues'] = (of) => {
    asked.push(of)
    return problem(403, 'role_forbidden', '无权')
  }
  openAs('inspector')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  expect([asked.length, one('queues')]).toEqual([0, null])
})

it('/ leads to the search, and words, class and days stand in the address and ask the server', async () => {
  const asked = questions()
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  document.dispatchEvent(new KeyboardEvent('keydown', { key: '/' }))
  expect(document.activeElement).toBe(one('case-q'))
  write('case-q', ' 井盖 ')
  one('case-q')?.closest('form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(asked.at(-1)?.get('q')).toBe('井盖'))
  write('filter-class', '0101 上水井盖')
  one('filter-class')?.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(asked.at(-1)?.get('class_code')).toBe('0101'))
  choose('filter-from', '2026-11-20')
  choose('filter-until', '2026-11-22')
  await vi.waitFor(() => expect(asked.at(-1)?.get('until')).toBe('2026-11-22T16:00:00.000Z'))
  expect(asked.at(-1)?.get('from')).toBe('2026-11-19T16:00:00.000Z')
  expect(parseRoute(location.hash)).toMatchObject({ q: '井盖', class_code: '0101', from: '2026-11-20', until: '2026-11-22' })
})

it('a class or days that cannot be are told and not asked for', async () => {
  const asked = questions()
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  write('filter-class', '井盖')
  one('filter-class')?.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(text('filter-fault')).toContain('类别写代码'))
  choose('filter-until', '2026-11-01')
  await vi.waitFor(() => expect(asked).toHaveLength(2))
  choose('filter-from', '2026-11-20')
  await vi.waitFor(() => expect(text('filter-fault')).toContain('晚于'))
  expect(asked).toHaveLength(2)
  expect(parseRoute('#from=2026-13-40&queue=nothing&order=up')).toMatchObject({ from: '', queue: '', order: '' })
})

it('filters are saved under a name, shared, opened and deleted', async () => {
  const sent: unknown[] = []
  let views = [{ id: 'v1', owner_id: 'u2', name: '城东', query: 'unit_id=n1', shared: true, saved_at: '2026-11-22T01:00:00Z' }]
  answers['/workbench/views'] = ({ method, body }) => {
    if (method === 'GET') return Response.json({ items: views })
    sent.push(body)
    views = [...views.slice(0, 1), { ...(body as (typeof views)[0]), id: 'v2', owner_id: 'u1', saved_at: '2026-11-22T01:00:00Z' }]
    return Response.json(views[1], { status: 201 })
  }
  answers['/workbench/views/v2'] = ({ method }) => {
    sent.push(method)
    views = views.slice(0, 1)
    return new Response(null, { status: 204 })
  }
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('saved-view')).toContain('城东（李强）'))
  expect(one('keep-view')).toBeNull()
  choose('saved-view', 'v1')
  await vi.waitFor(() => expect(route.unit_id).toBe('n1'))
  expect(one('drop-view')).toBeNull()
  click('queue-accept')
  await vi.waitFor(() => expect(one('keep-view')).not.toBeNull())
  click('keep-view')
  await vi.waitFor(() => expect(one('view-form')).not.toBeNull())
  one('view-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('view-form')).toContain('请给视图起个名字'))
  write('view-name', '早班')
  one('view-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('share-view')).not.toBeNull())
  click('share-view')
  await vi.waitFor(() => expect(text('saved-view')).toContain('早班（已共享）'))
  await vi.waitFor(() => expect(one('drop-view')?.getAttribute('aria-disabled')).toBe('false'))
  click('drop-view')
  await vi.waitFor(() => expect(one('drop-view')).toBeNull())
  const query = 'queue=accept&order=oldest'
  expect(sent).toEqual([{ name: '早班', query, shared: false }, { name: '早班', query, shared: true }, 'DELETE'])
})

it('ticked cases are dispatched together, and what is refused says why at its row', async () => {
  const sent: unknown[] = []
  answers['/workbench/dispatch'] = ({ body }) => {
    sent.push(body)
    return Response.json({
      items: [
        { case_id: 'c1', case: aCase(1, { state: 'dispatched', unit_id: 'n1', ver: 2 }) },
        { case_id: 'c2', case: null, code: 'stage_forbids', title: '当前环节不能这样办理', detail: 'verifying' },
      ],
    })
  }
  await openForm(2)
  write('limit-value', '0')
  send()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('时限应大于 0'))
  expect(sent).toEqual([])
  write('limit-value', '1.5')
  choose('limit-kind', 'work_day')
  send()
  await vi.waitFor(() => expect(text('batch-said')).toContain('已派遣 1 件，1 件未成功'))
  const item = { unit_id: 'n1', priority: 0, limit: { kind: 'work_day', value: 1.5 } }
  expect(sent).toEqual([{ items: [{ case_id: 'c1', base_ver: 1, ...item }, { case_id: 'c2', base_ver: 2, ...item }] }])
  expect(rows()[0]?.textContent).toContain('县水利局')
  expect(rows()[0]?.querySelector('[data-testid=refused]')).toBeNull()
  expect(rows()[1]?.textContent).toContain('当前环节不能这样办理：市级核查中')
  expect(ticks().map((box) => box.checked)).toEqual([false, true])
})

it('a unit whose class nobody has said yet is offered too', async () => {
  answers['/units'] = () =>
    Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }, { id: 'n9', code: '33', name: '新设单位', class: null }] })
  await openForm(1)
  choose('dispatch-unit', 'n9')
  expect(one<HTMLSelectElement>('dispatch-unit')?.selectedOptions[0]?.text).toBe('新设单位')
  expect([...(one('filter-unit')?.querySelectorAll('optgroup') ?? [])].map(({ label }) => label)).toEqual(['A 类', '本年未定类别'])
})

it('the deadline may come from a condition of the class, and a case without a class has none', async () => {
  const sent: unknown[] = []
  answers['/workbench/dispatch'] = ({ body }) => {
    sent.push(body)
    return Response.json({ items: [] })
  }
  answers['/cases'] = () => Response.json({ items: [aCase(1), aCase(2, { class_code: null }), aCase(3)], next: null })
  await openForm(2)
  choose('dispatch-by', 'condition')
  await vi.waitFor(() => expect(text('condition-0101')).toContain('部件 2：破损（1 工作日）'))
  send()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('有 1 件未分类'))
  ticks()[1]?.click()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('派遣 1 件'))
  send()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('请为类别 0101 选择立案条件'))
  choose('condition-0101', 'component.GB/T30428.2-2013.2')
  send()
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  const condition = { kind: 'component', scheme_version: 'GB/T30428.2-2013', number: 2 }
  expect(sent).toEqual([{ items: [{ case_id: 'c1', unit_id: 'n1', priority: 0, base_ver: 1, condition }] }])
})

it('a deadline by date is the county’s time and not in the past, and a refusal of all is shown in the form', async () => {
  vi.useFakeTimers({ now: new Date('2026-11-26T02:00:00Z'), toFake: ['Date'] })
  const sent: unknown[] = []
  answers['/workbench/dispatch'] = ({ body }) => {
    sent.push(body)
    return problem(503, 'x', '系统维护中')
  }
  await openForm(1)
  choose('dispatch-by', 'date')
  await vi.waitFor(() => expect(one('dispatch-date')).not.toBeNull())
  write('dispatch-date', '2026-11-26T09:59')
  send()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('已经过去'))
  write('dispatch-date', '2026-11-27T18:00')
  send()
  await vi.waitFor(() => expect(text('dispatch-form')).toContain('系统维护中'))
  expect(sent).toMatchObject([{ items: [{ due_at: '2026-11-27T10:00:00.000Z' }] }])
  expect(ticks()[0]?.checked).toBe(true)
})

it('who has a case in hand stands at its row, and a claim that somebody else has is refused there', async () => {
  let claimed = [{ case_id: 'c2', claimed_by: 'u2', name: '李强', claimed_at: '2026-11-26T01:00:00Z' }]
  answers['/workbench/claims'] = () => Response.json({ items: claimed })
  answers['/cases/c1/claim'] = ({ method }) => {
    const mine = { case_id: 'c1', claimed_by: 'u1', name: '张敏', claimed_at: '2026-11-26T01:00:00Z' }
    claimed = method === 'PUT' ? [...claimed, mine] : claimed.slice(0, 1)
    return method === 'PUT' ? Response.json(mine) : new Response(null, { status: 204 })
  }
  answers['/cases/c2/claim'] = () => problem(409, 'case_claimed', '案件已被他人认领', '李强')
  await openWith(2)
  await vi.waitFor(() => expect(rows()[1]?.textContent).toContain('李强 认领'))
  click('batch-claim')
  await vi.waitFor(() => expect(rows()[1]?.textContent).toContain('未成功：案件已被他人认领：李强'))
  await vi.waitFor(() => expect(rows()[0]?.textContent).toContain('张敏 认领'))
  ticks()[1]?.click()
  await vi.waitFor(() => expect(text('batch')).toContain('1 件'))
  click('batch-release')
  await vi.waitFor(() => expect(rows()[0]?.textContent).not.toContain('张敏'))
})

it('all open rows are ticked at once, closed ones never, and the whole is asked again while it is seen', async () => {
  const asked = questions()
  let again = () => {}
  const usual = setInterval
  vi.stubGlobal('setInterval', (act: () => void, every: number) => {
    if (every === 15_000) again = act
    return usual(act, 1_000_000)
  })
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  click('tick-all')
  await vi.waitFor(() => expect(text('batch')).toContain('2 件'))
  answers['/cases'] = () => Response.json({ items: [aCase(2)], next: null })
  again()
  await vi.waitFor(() => expect(rows()).toHaveLength(1))
  expect(text('batch')).toContain('1 件')
  answers['/cases'] = () => problem(503, 'x', '系统维护中')
  again()
  await vi.waitFor(() => expect(document.body.textContent).toContain('系统维护中'))
  expect(rows()).toHaveLength(1)
  expect(asked).toHaveLength(1)
})

it('what was filtered stays behind when another page is opened', async () => {
  go({ queue: 'accept', q: '井盖' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  click('nav-reviews')
  expect(parseRoute(location.hash)).toMatchObject({ page: 'reviews', queue: '', q: '' })
})
