import { expect, it, vi } from 'vitest'
import type { CaseClocks, WorkingCalendar } from '../lib/loop'
import type { Case } from '../lib/types'
import { go, onPage } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const aCase = (change: Partial<Case> = {}): Case => ({
  id: 'c1',
  number: '2026-1',
  ver: 3,
  state: 'dispatched',
  title: '路面破损',
  description: '',
  class_code: '0113',
  address: '商务大道',
  position: { lat: 27.43, lon: 109.94, datum: 'gcj02' },
  unit_id: 'n1',
  reported_at: '2026-09-30T08:00:00Z',
  reported_by: 'u9',
  due_at: '2026-10-08T03:00:00Z',
  extension: null,
  rework_count: 0,
  closed_at: null,
  priority: 0,
  overdue: false,
  on_hold: false,
  ...change,
})

const clocks = (change: Partial<CaseClocks> = {}): CaseClocks => ({
  ate: 'accept',
  due: {
    at: '2026-10-08T03:00:00Z',
    beyond_calendar: false,
    intervals: [
      { from: '2026-09-30T09:00:00Z', until: '2026-09-30T10:00:00Z', why: 'counted' },
      { from: '2026-09-30T10:00:00Z', until: '2026-10-08T00:00:00Z', why: 'holiday', name: '国庆节' },
      { from: '2026-10-08T00:00:00Z', until: '2026-10-08T03:00:00Z', why: 'counted' },
    ],
  },
  due_at: '2026-10-08T03:00:00Z',
  limit: { kind: 'work_hour', value: 4 },
  limit_s: 14_400,
  used_s: 3600,
  pauses: [],
  stages: [
    { stage: 'accept', from: '2026-09-30T01:00:00Z', until: '2026-09-30T09:00:00Z', counted_s: 21_600 },
    { stage: 'handle', from: '2026-09-30T09:00:00Z', until: '2026-09-30T10:00:00Z', counted_s: 3600 },
  ],
  ...change,
})

const calendar: WorkingCalendar = {
  slots: [
    { from_day: '1970-01-01', slots: [{ from_min: 480, until_min: 720 }, { from_min: 840, until_min: 1080 }] },
    { from_day: '2026-06-01', slots: [{ from_min: 480, until_min: 720 }, { from_min: 900, until_min: 1140 }] },
  ],
  days: [
    { day: '2026-10-01', kind: 'holiday', name: '国庆节' },
    { day: '2026-10-02', kind: 'holiday', name: '国庆节' },
    { day: '2026-10-10', kind: 'workday', name: '国庆节' },
  ],
  imports: [],
  known_years: [2026],
}

fakeServer(() => ({
  '/units': () => Response.json({ items: [] }),
  '/names': () => Response.json({ users: [], devices: [] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/cases/c1': () => Response.json(aCase()),
  '/cases/c1/timeline': () => Response.json({ items: [] }),
  '/cases/c1/clocks': () => Response.json(clocks()),
  '/evidence': () => Response.json({ items: [] }),
  '/calendar': () => Response.json(calendar),
}))

/** What was sent as commands. */
function commands(): unknown[] {
  const sent: unknown[] = []
  answers['/cases/c1/commands'] = ({ body }) => {
    sent.push(body)
    return Response.json(aCase({ ver: 4 }))
  }
  return sent
}

it('a deadline explains itself, and the stage that took the time is named with whose it is', async () => {
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('clocks')).toContain('4 工作时（计 4 时）'))
  expect(text('clocks')).toContain('2026-10-08 11:00')
  expect(text('explained')).toContain('停：国庆节')
  expect(text('explained')).toContain('4 时')
  expect(text('ate')).toContain('受理（指挥中心）')
  expect(text('stages')).toContain('处置')
  expect(one('beyond')).toBeNull()
})

it('a deadline beyond the known calendar says that it may move, and an extension stands beside what was computed', async () => {
  answers['/cases/c1/clocks'] = () =>
    Response.json(clocks({ due: { at: '2027-01-04T03:00:00Z', beyond_calendar: true, intervals: [] }, due_at: '2027-01-08T03:00:00Z' }))
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('beyond')).toContain('可能顺延'))
  expect(text('clocks')).toContain('算到2027-01-04 11:00')
  expect(text('clocks')).toContain('2027-01-08 11:00（按批准的延期）')
})

it('clocks that cannot be read leave the rest of the case readable', async () => {
  answers['/cases/c1/clocks'] = () => problem(503, 'x', '系统维护中')
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('clocks')).toContain('系统维护中'))
  expect(text('detail')).toContain('路面破损')
})

it('a unit asks for a hold with a reason', async () => {
  const sent = commands()
  go({ case: 'c1' })
  openAs('liaison')
  await vi.waitFor(() => expect(one('ask-hold')).not.toBeNull())
  one('ask-hold')?.click()
  await vi.waitFor(() => expect(one('ask')).not.toBeNull())
  one('ask')?.click()
  await vi.waitFor(() => expect(text('clocks')).toContain('请填写理由'))
  expect(sent).toEqual([])
  write('reason', '等待停水')
  one('ask')?.click()
  await vi.waitFor(() => expect(sent).toEqual([{ type: 'request_hold', args: { reason: '等待停水' }, base_ver: 3 }]))
})

it('the Centre refuses a hold only with a reason, and a refusal of the server is shown', async () => {
  const sent = commands()
  answers['/cases/c1'] = () => Response.json(aCase({ hold_reason: '等待停水' }))
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('hold-asked')).toContain('等待停水'))
  one('refuse')?.click()
  await vi.waitFor(() => expect(text('hold-asked')).toContain('请写明为什么不批准'))
  one('grant')?.click()
  await vi.waitFor(() => expect(sent).toEqual([{ type: 'decide_hold', args: { granted: true }, base_ver: 3 }]))
  await vi.waitFor(() => expect(one('grant')?.getAttribute('aria-disabled')).toBe('false'))
  answers['/cases/c1/commands'] = () => problem(409, 'hold_absent', '没有待审批的挂账申请')
  write('reason', '可以先围挡')
  one('refuse')?.click()
  await vi.waitFor(() => expect(text('hold-asked')).toContain('没有待审批的挂账申请'))
})

it('the end of a hold is sent after its reason, which stands as a remark', async () => {
  const sent = commands()
  answers['/cases/c1'] = () => Response.json(aCase({ on_hold: true }))
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('on-hold')).not.toBeNull())
  expect(text('detail')).toContain('挂账，停止计时')
  write('reason', '配件已到')
  one('resume')?.click()
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent).toEqual([
    { type: 'note', args: { text: '恢复计时：配件已到' }, base_ver: 3 },
    { type: 'resume', args: {}, base_ver: 4 },
  ])
})

it('a case without a unit names the one that the map suggests, with the reason', async () => {
  let asked = new URLSearchParams()
  answers['/cases/c1'] = () => Response.json(aCase({ state: 'reported', unit_id: null, due_at: null }))
  answers['/responsibilities/suggestion'] = ({ query }) => {
    asked = query
    return Response.json({
      standing: 'several',
      units: [{ id: 'n1', name: '县水利局' }, { id: 'n2', name: '中方镇' }],
      grids: [],
      rows: [],
      reason: '有 2 条责任登记同样具体',
    })
  }
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('suggestion')).toContain('有 2 条责任登记同样具体'))
  expect(text('suggestion')).toContain('多个单位')
  expect(text('suggestion')).toContain('县水利局')
  expect(Object.fromEntries(asked)).toMatchObject({ lat: '27.43', datum: 'gcj02', class_code: '0113' })
})

it('the calendar shows the holidays, the slots in force and that the known years end', async () => {
  vi.useFakeTimers({ now: new Date('2026-11-26T02:00:00Z'), toFake: ['Date'] })
  try {
    go(onPage('calendar'))
    openAs('dispatcher')
    await vi.waitFor(() => expect(text('holidays')).toContain('10-01 至 10-02（2 天）'))
    expect(text('holidays')).toContain('10-10')
    expect(text('ends')).toContain('还剩 36 天')
    expect(text('slots')).toContain('15:00–19:00')
    expect(one('edit-year')).toBeNull()
    choose('year', '2027')
    await vi.waitFor(() => expect(document.body.textContent).toContain('2027 年的放假安排还没有导入'))
  } finally {
    vi.useRealTimers()
  }
})

it('a year is imported whole: wrong lines are told, nothing is sent until they are mended', async () => {
  const sent: unknown[] = []
  answers['/calendar/years/2027'] = ({ method, body }) => {
    sent.push([method, body])
    return Response.json({ ...calendar, known_years: [2026, 2027] })
  }
  go(onPage('calendar', { filter: '2027' }))
  openAs('admin')
  await vi.waitFor(() => expect(one('edit-year')?.textContent).toContain('导入 2027 年'))
  one('edit-year')?.click()
  await vi.waitFor(() => expect(one('year-form')).not.toBeNull())
  write('days', '2027-01-01 放 元旦')
  one('year-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('day-faults')).toContain('第 1 行'))
  expect(text('day-faults')).toContain('请填写来源')
  write('source', '国办发明电〔2026〕9号')
  write('days', '2027-01-01~2027-01-02 休 元旦')
  one('year-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('year-form')).toBeNull())
  expect(sent).toEqual([
    [
      'PUT',
      {
        source: '国办发明电〔2026〕9号',
        days: [
          { day: '2027-01-01', kind: 'holiday', name: '元旦' },
          { day: '2027-01-02', kind: 'holiday', name: '元旦' },
        ],
      },
    ],
  ])
})

it('working slots are added and taken back by the administrator', async () => {
  const sent: unknown[] = []
  answers['/calendar/slots'] = ({ body }) => {
    sent.push(body)
    return Response.json(calendar)
  }
  answers['/calendar/slots/2026-06-01'] = ({ method }) => {
    sent.push(method)
    return new Response(null, { status: 204 })
  }
  go(onPage('calendar'))
  openAs('admin')
  await vi.waitFor(() => expect(one('slot-form')).not.toBeNull())
  write('from-day', '2027-05-01')
  write('spans', '上午')
  one('slot-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('slot-form')).toContain('时段应如'))
  write('spans', '08:00-12:00 15:00-19:00')
  one('slot-form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  // The slots that come with the program stay.
  expect(all('drop-slots')).toHaveLength(1)
  await vi.waitFor(() => expect(one('add-slots')?.getAttribute('aria-disabled')).toBe('false'))
  one('drop-slots')?.click()
  await vi.waitFor(() => expect(text('drop-slots')).toContain('确认撤销'))
  one('drop-slots')?.click()
  await vi.waitFor(() => expect(sent[1]).toBe('DELETE'))
  expect(sent[0]).toEqual({ from_day: '2027-05-01', slots: [{ from_min: 480, until_min: 720 }, { from_min: 900, until_min: 1140 }] })
})
