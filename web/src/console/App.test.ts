import { createApp, type App as VueApp } from 'vue'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Case } from '../lib/types'
import App from './App.vue'
import { go, leave, parseRoute } from './route'

const user = { id: 'u1', username: 'zhang', name: '张敏', role: 'dispatcher', unit_id: null }
const session = { access_token: 'a', refresh_token: 'r', expires_in: 900, user }

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
  ...change,
})

const problem = (status: number, title: string) =>
  Response.json(
    { type: '/problems/x', title, status, code: 'x', request_id: 'req-42' },
    { status, headers: { 'content-type': 'application/problem+json' } },
  )

/** What each path answers; a test replaces the one it is about. */
let answers: Record<string, (query: URLSearchParams) => Response>
let app: VueApp | null = null

beforeEach(() => {
  sessionStorage.clear()
  leave()
  answers = {
    '/auth/login': () => Response.json(session),
    '/auth/logout': () => new Response(null, { status: 204 }),
    '/me': () => Response.json({ user }),
    '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
    '/cases': () => Response.json({ items: [aCase(1), aCase(2, { overdue: true })], next: null }),
  }
  vi.stubGlobal('fetch', async (input: string) => {
    const [path = '', query] = input.replace('/api/v1', '').split('?')
    return answers[path]?.(new URLSearchParams(query)) ?? problem(404, '不存在')
  })
})

afterEach(() => {
  app?.unmount()
  vi.unstubAllGlobals()
  document.body.innerHTML = ''
})

function open(signedIn: boolean): void {
  if (signedIn) sessionStorage.setItem('chengguan.session', JSON.stringify(session))
  document.body.innerHTML = '<div id="app"></div>'
  app = createApp(App)
  app.mount('#app')
}

const one = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)
const rows = () => [...document.querySelectorAll<HTMLElement>('[data-testid=case-row]')]
const click = (name: string) => one(`[data-testid=${name}]`)?.click()
const text = () => document.body.textContent ?? ''

it('a visitor signs in and sees the cases with the overdue one marked', async () => {
  open(false)
  for (const [name, value] of [['username', 'zhang'], ['password', 'secret']]) {
    const field = one<HTMLInputElement>(`input[name=${name}]`)
    if (field === null) throw new Error(`no field ${name}`)
    field.value = value ?? ''
    field.dispatchEvent(new Event('input'))
  }
  one('form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  await vi.waitFor(() => expect(rows()[0]?.textContent).toContain('县水利局'))
  expect(rows().map((row) => row.classList.contains('overdue'))).toEqual([false, true])
  expect(rows()[1]?.textContent).toContain('已超期')
  expect(one('[data-testid=summary]')?.textContent).toContain('超期 1 件')
})

it('a session that the server no longer accepts leads to the login with a reason', async () => {
  answers['/cases'] = answers['/me'] = answers['/units'] = () => problem(401, '未登录')
  answers['/auth/refresh'] = () => problem(401, '未登录')
  open(true)
  await vi.waitFor(() => expect(text()).toContain('登录已过期'))
  expect(sessionStorage.length).toBe(0)
})

it('signing out forgets the session and which case was open', async () => {
  open(true)
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  go({ case: 'c1' })
  click('logout')
  await vi.waitFor(() => expect(text()).toContain('已退出'))
  expect(sessionStorage.length).toBe(0)
  expect(parseRoute(location.hash).case).toBe('')
})

it('the next page is added below, and a case that comes twice is shown once', async () => {
  answers['/cases'] = (query) =>
    query.get('cursor') === 'p2'
      ? Response.json({ items: [aCase(2), aCase(3)], next: null })
      : Response.json({ items: [aCase(1), aCase(2)], next: 'p2' })
  open(true)
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  click('more')
  await vi.waitFor(() => expect(rows()).toHaveLength(3))
  expect(one('[data-testid=more]')).toBeNull()
})

it('a filter asks the server and stands in the address', async () => {
  const asked: (string | null)[] = []
  answers['/cases'] = (query) => {
    asked.push(query.get('state'))
    return Response.json({ items: [], next: null })
  }
  open(true)
  await vi.waitFor(() => expect(text()).toContain('还没有案件'))
  const select = one<HTMLSelectElement>('[data-testid=filter-state]')
  if (select === null) throw new Error('no filter')
  select.value = 'closed'
  select.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(text()).toContain('没有符合条件的案件'))
  expect(asked).toEqual([null, 'closed'])
  expect(parseRoute(location.hash).state).toBe('closed')
})

it('a failed refresh keeps the rows and shows the request id', async () => {
  open(true)
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  answers['/cases'] = () => problem(503, '系统维护中')
  click('refresh')
  await vi.waitFor(() => expect(text()).toContain('系统维护中'))
  expect(text()).toContain('req-42')
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
  answers['/evidence'] = () => problem(403, '无权查看证据')
  open(true)
  await vi.waitFor(() => expect(rows()).toHaveLength(2))
  rows()[0]?.click()
  await vi.waitFor(() => expect(one('[data-testid=timeline]')?.textContent).toContain('上报'))
  const detail = one('[data-testid=detail]')?.textContent ?? ''
  expect(detail).toContain('井盖缺失约一半')
  expect(detail).toContain('无权查看证据')
  expect(detail).toContain('上报人李强')
  click('close-detail')
  await vi.waitFor(() => expect(one('[data-testid=detail]')).toBeNull())
  await vi.waitFor(() => expect(document.activeElement?.id).toBe('case-c1'))
})
