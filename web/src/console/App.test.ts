import { expect, it, vi } from 'vitest'
import type { Case } from '../lib/types'
import { go, parseRoute } from './route'
import { all, answers, choose, fakeServer, one, openAs, openPage, problem, sessionOf, text } from './testPage'

const aCase = (n: number, change: Partial<Case> = {}): Case => ({
  id: `c${n}`,
  number: `2026-${n}`,
  ver: 1,
  state: 'dispatched',
  title: `井盖破损 ${n}`,
  description: '',
  class_code: null,
  address: '迎丰路',
  position: null,
  unit_id: 'n1',
  reported_at: '2026-11-22T01:00:00Z',
  reported_by: 'u9',
  due_at: '2026-11-22T02:00:00Z',
  extension: null,
  rework_count: 0,
  closed_at: null,
  priority: 0,
  overdue: false,
  on_hold: false,
  ...change,
})

const refusal = (status: number, title: string) => problem(status, 'x', title)

fakeServer(() => ({
  '/auth/login': () => Response.json(sessionOf('dispatcher')),
  '/auth/logout': () => new Response(null, { status: 204 }),
  '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
  '/cases': () => Response.json({ items: [aCase(1), aCase(2, { overdue: true })], next: null }),
}))

const rows = () => all('case-row')
const click = (name: string) => one(name)?.click()
const page = () => document.body.textContent ?? ''

it('a visitor signs in and sees the cases with the overdue one marked', async () => {
  openPage()
  for (const [name, value] of [['username', 'zhang'], ['password', 'secret']]) {
    const field = document.querySelector<HTMLInputElement>(`input[name=${name}]`)
    if (field === null) throw new Error(`no field ${name}`)
    field.value = value ?? ''
    field.dispatchEvent(new Event('input'))
  }
  document.querySelector('form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  await vi.waitFor(() => expect(rows()[0]?.textContent).toContain('县水利局'))
  expect(rows().map((row) => row.classList.contains('overdue'))).toEqual([false, true])
  expect(rows()[1]?.textContent).toContain('已超期')
  expect(text('summary')).toContain('超期 1 件')
})

it('a session that the server no longer accepts leads to the login with a reason', async () => {
  answers['/cases'] = answers['/me'] = answers['/units'] = () => refusal(401, '未登录')
  answers['/auth/refresh'] = () => refusal(401, '未登录')
  openAs('dispatcher')
  await vi.waitFor(() => expect(page()).toContain('登录已过期'))
  expect(sessionStorage.length).toBe(0)
})

it('signing out forgets the session and which case was open', async () => {
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  go({ case: 'c1' })
  click('logout')
  await vi.waitFor(() => expect(page()).toContain('已退出'))
  expect(sessionStorage.length).toBe(0)
  expect(parseRoute(location.hash).case).toBe('')
})

it('the next page is added below, and a case that comes twice is shown once', async () => {
  answers['/cases'] = ({ query }) =>
    query.get('cursor') === 'p2'
      ? Response.json({ items: [aCase(2), aCase(3)], next: null })
      : Response.json({ items: [aCase(1), aCase(2)], next: 'p2' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  click('more')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  expect(one('more')).toBeNull()
})

it('a filter asks the server and stands in the address', async () => {
  const asked: (string | null)[] = []
  answers['/cases'] = ({ query }) => {
    asked.push(query.get('state'))
    return Response.json({ items: [], next: null })
  }
  openAs('dispatcher')
  await vi.waitFor(() => expect(page()).toContain('还没有案件'))
  choose('filter-state', 'closed')
  await vi.waitFor(() => expect(page()).toContain('没有符合条件的案件'))
  expect(asked).toEqual([null, 'closed'])
  expect(parseRoute(location.hash).state).toBe('closed')
})

it('a failed refresh keeps the rows and shows the request id', async () => {
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  answers['/cases'] = () => refusal(503, '系统维护中')
  click('refresh')
  await vi.waitFor(() => expect(page()).toContain('系统维护中'))
  expect(page()).toContain('req-7')
  expect(rows()).toHaveLength(2)
})

it('a case shows what is there even when its evidence cannot be read', async () => {
  answers['/cases/c1'] = () => Response.json(aCase(1, { description: '井盖缺失约一半' }))
  answers['/cases/c1/timeline'] = () =>
    Response.json({
      items: [
        { seq: 1, at: '2026-11-22T01:00:00Z', actor_id: 'u9', actor_name: '李强', command: 'report', state: 'reported', note: null, op_id: 'op' },
      ],
    })
  answers['/evidence'] = () => refusal(403, '无权查看证据')
  openAs('dispatcher')
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  rows()[0]?.click()
  await vi.waitFor(() => expect(text('timeline')).toContain('上报'))
  const detail = text('detail')
  expect(detail).toContain('井盖缺失约一半')
  expect(detail).toContain('无权查看证据')
  expect(detail).toContain('上报人李强')
  click('close-detail')
  await vi.waitFor(() => expect(one('detail')).toBeNull())
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('case-c1'))
})
