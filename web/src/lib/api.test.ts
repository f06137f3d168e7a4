import { describe, expect, it, vi } from 'vitest'
import { createApi } from './api'
import { ApiError } from './problem'
import type { SessionStore } from './session'
import type { Session } from './types'

type Answer = () => Response | Promise<Response>

const session = (n: number): Session => ({
  access_token: `access-${n}`,
  refresh_token: `refresh-${n}`,
  expires_in: 900,
  user: { id: 'u1', username: 'zhang', name: '张敏', role: 'dispatcher', unit_id: null },
})

const ok =
  (body: unknown): Answer =>
  () =>
    Response.json(body)

const refused =
  (status: number, code = 'unauthenticated'): Answer =>
  () =>
    Response.json(
      { type: `/problems/${code}`, title: '未登录', status, code, request_id: 'req-1' },
      { status, headers: { 'content-type': 'application/problem+json' } },
    )

/** A server of prepared answers: each path answers its list in turn, the last one for ever. */
function server(routes: Record<string, Answer[]>) {
  const seen: { path: string; token: string | null; init: RequestInit }[] = []
  const send = vi.fn(async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const path = String(input).replace('/api/v1', '')
    const token = new Headers(init.headers).get('authorization')
    seen.push({ path, token, init })
    const answers = routes[path.split('?')[0] ?? ''] ?? []
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    if (answer === undefined) throw new TypeError('Failed to fetch')
    return answer()
  })
  return { send: send as unknown as typeof fetch, seen, count: (path: string) => seen.filter((call) => call.path === path).length }
}

function client(routes: Record<string, Answer[]>, start: Session | null = session(1)) {
  let kept = start
  const store: SessionStore = { load: () => kept, save: (next) => (kept = next) }
  const onExpired = vi.fn()
  const { send, seen, count } = server(routes)
  return { api: createApi({ store, onExpired, fetch: send }), seen, count, onExpired, kept: () => kept }
}

const failure = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as ApiError,
  )

describe('signing in and out', () => {
  it('keeps the session and sends its token from then on', async () => {
    const { api, seen, kept } = client({ '/auth/login': [ok(session(7))], '/units': [ok({ items: [] })] }, null)
    expect((await api.login('zhang', 'secret')).name).toBe('张敏')
    await api.units()
    expect(kept()?.access_token).toBe('access-7')
    expect(JSON.parse(String(seen[0]?.init.body))).toEqual({ username: 'zhang', password: 'secret' })
    expect(seen.map((call) => call.token)).toEqual([null, 'Bearer access-7'])
  })

  it('asks for Chinese and never lets the browser cache an answer', async () => {
    const { api, seen } = client({ '/units': [ok({ items: [] })] })
    await api.units()
    expect(new Headers(seen[0]?.init.headers).get('accept-language')).toBe('zh-CN')
    expect(seen[0]?.init.cache).toBe('no-store')
  })

  it('shows a wrong password as it is and does not try to refresh', async () => {
    const { api, count, onExpired } = client({ '/auth/login': [refused(401, 'invalid_credentials')] }, null)
    expect((await failure(api.login('zhang', 'wrong'))).code).toBe('invalid_credentials')
    expect(count('/auth/refresh')).toBe(0)
    expect(onExpired).not.toHaveBeenCalled()
  })

  it('forgets the session on sign-out even when the server cannot be reached', async () => {
    const { api, kept } = client({})
    await failure(api.logout())
    expect(kept()).toBeNull()
  })
})

describe('an access token that ran out', () => {
  it('is refreshed once and the call is sent again with the new one', async () => {
    const { api, seen, kept } = client({
      '/units': [refused(401), ok({ items: [{ id: 'a' }] })],
      '/auth/refresh': [ok(session(2))],
    })
    expect(await api.units()).toEqual([{ id: 'a' }])
    expect(seen.map((call) => [call.path, call.token])).toEqual([
      ['/units', 'Bearer access-1'],
      ['/auth/refresh', null],
      ['/units', 'Bearer access-2'],
    ])
    expect(JSON.parse(String(seen[1]?.init.body))).toEqual({ refresh_token: 'refresh-1' })
    expect(kept()?.refresh_token).toBe('refresh-2')
  })

  it('is refreshed by one call only when many fail together', async () => {
    const { api, count } = client({
      '/units': [refused(401), ok({ items: [] })],
      '/cases': [refused(401), ok({ items: [], next: null })],
      '/me': [refused(401), ok({ user: session(2).user })],
      '/auth/refresh': [() => new Promise((done) => setTimeout(() => done(Response.json(session(2))), 5))],
    })
    await Promise.all([api.units(), api.cases({}), api.me()])
    expect(count('/auth/refresh')).toBe(1)
  })

  it('is not refreshed again for a call that was on its way during the refresh', async () => {
    let late: (response: Response) => void = () => undefined
    const { api, count } = client({
      '/me': [() => new Promise((done) => (late = done)), ok({ user: session(2).user })],
      '/units': [refused(401), ok({ items: [] })],
      '/auth/refresh': [ok(session(2))],
    })
    const slow = api.me()
    await api.units()
    late(await refused(401)())
    await slow
    expect(count('/auth/refresh')).toBe(1)
    expect(count('/me')).toBe(2)
  })

  it('ends the session when the refresh is refused', async () => {
    const { api, onExpired, kept, count } = client({ '/units': [refused(401)], '/auth/refresh': [refused(401)] })
    expect((await failure(api.units())).status).toBe(401)
    expect(kept()).toBeNull()
    expect(onExpired).toHaveBeenCalledOnce()
    expect(count('/units')).toBe(1)
  })

  it('ends the session, and does not go round in circles, when the new token is refused too', async () => {
    const { api, onExpired, count } = client({ '/units': [refused(401)], '/auth/refresh': [ok(session(2))] })
    await failure(api.units())
    expect(onExpired).toHaveBeenCalledOnce()
    expect([count('/units'), count('/auth/refresh')]).toEqual([2, 1])
  })

  it.each([
    ['the network is gone', [] as Answer[]],
    ['the server asks to wait', [refused(429, 'too_many_requests')]],
    ['the server is broken', [refused(500, 'internal')]],
  ])('keeps the session when %s during the refresh', async (_, answers) => {
    const { api, onExpired, kept } = client({ '/units': [refused(401)], '/auth/refresh': answers })
    await failure(api.units())
    expect(onExpired).not.toHaveBeenCalled()
    expect(kept()?.refresh_token).toBe('refresh-1')
  })

  it('does not bring back a session that was left during the refresh', async () => {
    let answer: (response: Response) => void = () => undefined
    const { api, kept, count } = client({
      '/units': [refused(401), ok({ items: [] })],
      '/auth/logout': [() => new Response(null, { status: 204 })],
      '/auth/refresh': [() => new Promise((done) => (answer = done))],
    })
    const call = api.units().catch(() => undefined)
    await vi.waitFor(() => expect(count('/auth/refresh')).toBe(1))
    await api.logout()
    answer(Response.json(session(2)))
    await call
    expect(kept()).toBeNull()
  })
})

describe('a call that fails', () => {
  it('carries title, detail, code and request id of a problem', async () => {
    const problem = {
      type: '/problems/case_not_found',
      title: '案件不存在',
      status: 404,
      detail: '案件可能已移交其他单位。',
      code: 'case_not_found',
      request_id: '0199-abc',
    }
    const { api } = client({
      '/cases/x': [() => new Response(JSON.stringify(problem), { status: 404, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })],
    })
    expect(await failure(api.case('x'))).toMatchObject({
      status: 404,
      title: '案件不存在',
      detail: '案件可能已移交其他单位。',
      code: 'case_not_found',
      requestId: '0199-abc',
    })
  })

  it('says that the answer is not ours when a proxy sends HTML', async () => {
    const headers = { 'content-type': 'text/html', 'x-request-id': 'proxy-9' }
    const { api } = client({ '/units': [() => new Response('<h1>Bad Gateway</h1>', { status: 502, headers })] })
    const error = await failure(api.units())
    expect(error).toMatchObject({ status: 502, code: 'unreadable', requestId: 'proxy-9' })
    expect(error.title).toContain('502')
  })

  it('says that the server cannot be reached when no answer comes', async () => {
    const { api } = client({})
    expect(await failure(api.units())).toMatchObject({ status: 0, code: 'network' })
  })

  it('is given up after 30 seconds', async () => {
    vi.useFakeTimers()
    try {
      const { api } = hanging()
      const error = failure(api.units())
      await vi.advanceTimersByTimeAsync(30_000)
      expect(await error).toMatchObject({ status: 0, code: 'timeout' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('is no failure when its own page gave it up', async () => {
    const { api } = hanging()
    const stop = new AbortController()
    const error = failure(api.cases({}, stop.signal))
    stop.abort()
    expect((await error).name).toBe('AbortError')
  })
})

describe('a list of cases', () => {
  it('leaves filters that are not set out of the address and passes the cursor back untouched', async () => {
    const { api, seen } = client({ '/cases': [ok({ items: [], next: null })] })
    await api.cases({ state: '', unit_id: '', limit: 50 })
    await api.cases({ state: 'dispatched', unit_id: 'u 1', limit: 50, cursor: 'a+b/=&' })
    expect(seen[0]?.path).toBe('/cases?limit=50')
    const query = new URLSearchParams(seen[1]?.path.split('?')[1])
    expect(Object.fromEntries(query)).toEqual({ state: 'dispatched', unit_id: 'u 1', limit: '50', cursor: 'a+b/=&' })
  })
})

/** A client whose server takes every call and answers none. */
function hanging() {
  const send = ((_: string, init: RequestInit) =>
    new Promise((_done, fail) => {
      init.signal?.addEventListener('abort', () => fail(new DOMException('stopped', 'AbortError')))
    })) as typeof fetch
  const store: SessionStore = { load: () => session(1), save: () => undefined }
  return { api: createApi({ store, onExpired: () => undefined, fetch: send }) }
}
