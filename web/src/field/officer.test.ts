import 'fake-indexeddb/auto'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, type Component, createApp, nextTick } from 'vue'
import type { Clip } from '../lib/clips'
import type { Evidence } from '../lib/evidence'
import type { Role } from '../lib/types'
import ClipPick from './ClipPick.vue'
import ClipsPage from './ClipsPage.vue'
import PieceView from './PieceView.vue'
import { cases, online as reachable, session, standing } from './field'
import { piecesOf } from './pieces'
import { openDb } from './sync/db'
import { Store } from './sync/store'
import type { CaseView } from './sync/view'

let store: Store
const renewed = vi.fn(async () => true)
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({ store, renewed, ring: () => undefined, timeline: async () => [], thumbnail: async () => null }),
  signal: () => undefined,
}))

interface Asked {
  method: string
  path: string
  token: string
  reason: string
  body: unknown
}

let asked: Asked[] = []
let answers: Record<string, (one: Asked) => Response> = {}
let app: App | null = null

const problem = (status: number, code: string, title: string) =>
  new Response(JSON.stringify({ code, title, status }), { status, headers: { 'content-type': 'application/problem+json' } })

const clip = (id: string, change: Partial<Clip> = {}): Clip => ({
  id, camera: 'C0012', device_id: null, user_id: 'p', user_from: 'roster', recorded_at: '2026-11-26T01:00:00Z', recorded_from: 'name',
  clock_offset_ms: null, clock_from: null, started_at: '2026-11-26T01:00:00Z', ended_at: '2026-11-26T01:03:20Z', key_file: false, doubts: [],
  state: 'unclaimed', best_case: null, best_score: null, decided_by: null, decided_at: null, reason: null, arrived_at: '2026-11-26T02:00:00Z', age_s: 60,
  ...change,
})
const film = (access_class: 'normal' | 'restricted') =>
  ({
    id: 'e1', sha256: 'ab', media_type: 'video/mp4', size: 9, filename: null, captured_at: '2026-11-26T01:00:00Z', role: 'recording', device_id: null,
    links: [{ target_kind: 'case', target_id: 'c', role: 'recording' }], access_class, facts: null,
  }) as unknown as Evidence
const of = { id: 'c', title: '占道经营', pending: [{ op_id: 'o', type: 'case.handle', at: '2026-11-26T01:10:00Z', words: '', result: null }] } as unknown as CaseView

const login = async (role: Role, id = 'p') => {
  session.value = { session_id: 's', access_token: 'old', refresh_token: 'r', user: { id, username: 'li', name: '李强', role, unit_id: 'u' } }
  await store.setSession(session.value)
}

async function open(page: Component, props: Record<string, unknown> = {}): Promise<void> {
  app?.unmount()
  document.body.innerHTML = '<div id="app"></div>'
  app = createApp(page, props)
  app.mount('#app')
}

const all = (id: string) => [...document.querySelectorAll<HTMLElement>(`[data-testid=${id}]`)]
const text = () => document.body.textContent ?? ''
const shows = (words: string) => vi.waitFor(() => expect(text()).toContain(words))
const write = (name: string, value: string) => {
  const field = document.querySelector<HTMLTextAreaElement>(`[name=${name}]`)
  if (field === null) throw new Error(name)
  field.value = value
  field.dispatchEvent(new Event('input'))
}

beforeEach(async () => {
  store = new Store(await openDb(`officer-${crypto.randomUUID()}`))
  asked = []
  answers = {}
  cases.value = [of]
  reachable.value = true
  standing.value = null
  renewed.mockClear()
  vi.stubGlobal('fetch', async (url: string, { method, headers, body }: { method: string; headers: Record<string, string>; body: string | null }) => {
    const path = url.replace('/api/v1', '')
    const [token, reason] = [headers['Authorization'] ?? '', decodeURIComponent(headers['X-Access-Reason'] ?? '')]
    const one: Asked = { method, path, token, reason, body: body === null ? null : JSON.parse(body) }
    asked.push(one)
    const answer = answers[`${method} ${path.split('?')[0]}`]
    if (answer === undefined) throw new TypeError('no network')
    return answer(one)
  })
  await login('officer')
})
afterEach(() => {
  app?.unmount()
  app = null
  vi.unstubAllGlobals()
})

it('links each clip that was ticked and says of each what became of it; again does no harm', async () => {
  answers['GET /clips'] = () => Response.json({ items: [clip('v1'), clip('v2', { state: 'proposed', best_case: 'c', best_score: 750 })], next: null })
  answers['POST /clips/v1/link'] = () => Response.json(clip('v1', { state: 'linked' }))
  answers['POST /clips/v2/link'] = () => problem(403, 'unit_foreign', '不是本单位的案件')
  await open(ClipPick, { id: 'c' })
  await vi.waitFor(() => expect(all('pick')).toHaveLength(2))
  expect(text()).toContain('与本案吻合 75%')
  for (const box of document.querySelectorAll<HTMLInputElement>('[data-testid=pick] input')) {
    box.click()
    await nextTick()
  }
  await shows('关联到本案（2 段）')
  all('link-clips')[0]?.click()
  await shows('1 段已关联，1 段没有关联')
  expect(text()).toContain('没有关联：不是本单位的案件')
  expect(text()).toContain('已关联本案')
  expect(asked.filter(({ method }) => method === 'POST').map(({ path, body }) => [path, body])).toEqual([
    ['/clips/v1/link', { case_id: 'c' }], ['/clips/v2/link', { case_id: 'c' }],
  ])
  // What the network swallowed can be sent again; what is linked is not ticked any more.
  delete answers['POST /clips/v2/link']
  all('link-clips')[0]?.click()
  await shows('网络不通，这一步没有做成')
  expect(asked.filter(({ path }) => path === '/clips/v1/link')).toHaveLength(1)
})

it('offers no linking without a network, and says that it waits for one', async () => {
  reachable.value = false
  await open(ClipPick, { id: 'c' })
  await shows('联网后关联')
  expect((all('link-clips')[0] as HTMLButtonElement).disabled).toBe(true)
  expect(asked).toEqual([])
})

it('renews a token that ran out once, and asks to unlock when there is none to be had', async () => {
  answers['GET /clips'] = ({ token }) => (token === 'Bearer new' ? Response.json({ items: [clip('v1')], next: null }) : problem(401, 'token_expired', '登录已过期'))
  renewed.mockImplementationOnce(async () => {
    await store.setSession({ ...(session.value as NonNullable<typeof session.value>), access_token: 'new' })
    return true
  })
  await open(ClipPick, { id: 'c' })
  await vi.waitFor(() => expect(all('pick')).toHaveLength(1))
  expect(renewed).toHaveBeenCalledExactlyOnceWith('old')
  await login('officer')
  renewed.mockImplementation(async () => false)
  await open(ClipPick, { id: 'c' })
  await shows('登录已过期')
  expect(asked.filter(({ token }) => token === 'Bearer old')).toHaveLength(2)
})

it('keeps the clips that wait for whoever read them, and shows them to nobody else', async () => {
  answers['GET /clips'] = ({ path }) => Response.json({ items: path.includes('unclaimed') ? [clip('v1'), clip('v3')] : [clip('v2', { state: 'proposed' })], next: null })
  await open(ClipsPage)
  await vi.waitFor(() => expect(all('clip-row')).toHaveLength(2))
  expect(text()).toContain('待认领 2')
  expect(text()).toContain('3 分 20 秒')
  reachable.value = false
  await open(ClipsPage)
  await shows('没有网络，数据截至')
  expect(all('clip-row')).toHaveLength(2)
  await login('officer', 'another')
  await shows('还没有读取过录像清单')
  expect(all('clip-row')).toHaveLength(0)
})

it('says that a clip belongs to no case with the reason that was given', async () => {
  answers['GET /clips'] = ({ path }) => Response.json({ items: path.includes('unclaimed') ? [clip('v1')] : [], next: null })
  answers['GET /clips/v1'] = () => Response.json({ clip: clip('v1'), evidence: null, proposals: [] })
  answers['POST /clips/v1/dismiss'] = () => Response.json(clip('v1', { state: 'dismissed' }))
  await open(ClipsPage)
  await vi.waitFor(() => expect(all('clip-row')).toHaveLength(1))
  all('clip-row')[0]?.querySelector('button')?.click()
  await shows('看不到画面')
  expect((all('clip-dismiss')[0] as HTMLButtonElement).disabled).toBe(true)
  write('dismissal', ' 误录 ')
  await vi.waitFor(() => expect((all('clip-dismiss')[0] as HTMLButtonElement).disabled).toBe(false))
  all('clip-dismiss')[0]?.click()
  await shows('已登记为无需关联')
  expect(asked.find(({ method }) => method === 'POST')?.body).toEqual({ reason: '误录' })
})

const view = (access: 'normal' | 'restricted') => open(PieceView, { piece: piecesOf('c', [film(access)], [], 'd')[0] })

it('opens what is restricted with a reason only, and the reason goes along', async () => {
  answers['POST /evidence/e1/ticket'] = () => Response.json({ url: '/api/v1/evidence/e1/bytes?ticket=t', expires_at: '2099-01-01T00:00:00Z' }, { status: 201 })
  answers['GET /clips/e1'] = () => problem(404, 'not_found', '不存在')
  await view('restricted')
  await shows('查看前请写明事由')
  expect(all('play')).toHaveLength(0)
  write('why', '核对')
  await vi.waitFor(() => expect((all('open-restricted')[0] as HTMLButtonElement).disabled).toBe(false))
  document.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }))
  await vi.waitFor(() => expect(all('play')).toHaveLength(1))
  all('play')[0]?.click()
  await vi.waitFor(() => expect(all('player')[0]?.getAttribute('src')).toBe('/api/v1/evidence/e1/bytes?ticket=t'))
  expect(asked.find(({ path }) => path.endsWith('/ticket'))).toMatchObject({ reason: '核对', body: { purpose: 'seen' } })
})

it('leaves the access class to the supervisor, and shows the server’s words when it refuses', async () => {
  await view('normal')
  await shows('保密级别由县政府督查室设定')
  expect(all('set-access')).toHaveLength(0)
  await login('supervisor')
  answers['PUT /evidence/e1/access-class'] = () => problem(409, 'evidence_deleted', '证据已删除')
  await view('normal')
  await shows('设为受限')
  write('access-reason', '涉及未成年人')
  await vi.waitFor(() => expect((all('set-access')[0] as HTMLButtonElement).disabled).toBe(false))
  const submit = () => document.querySelector('[data-testid=access] form')?.dispatchEvent(new Event('submit', { cancelable: true }))
  submit()
  await shows('证据已删除')
  answers['PUT /evidence/e1/access-class'] = () => Response.json(film('restricted'))
  submit()
  await shows('保密级别：受限')
  expect(asked.filter(({ method }) => method === 'PUT').map(({ body }) => body)).toEqual(Array(2).fill({ class: 'restricted', reason: '涉及未成年人' }))
})
