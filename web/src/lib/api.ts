// The typed client of /api/v1, shared by all pages.
//
// Refresh tokens rotate, and the server takes the second use of one for theft and ends the session.
// So however many calls meet a 401 at once, exactly one refresh is sent and the others wait for it;
// a call is tried again once, never twice.

import { assessmentCalls } from './assessmentApi'
import { evidenceCalls } from './evidenceApi'
import { lettersCalls } from './lettersApi'
import { loopCalls } from './loopApi'
import { ApiError, isAbort, networkError, problemOf, timeoutError } from './problem'
import type { SessionStore } from './session'
import type { DeviceHealth, EnrolmentCode, Losses, RawBytes, ReviewQuery, Sides, SignedReceipt, Waiting } from './sync'
import type { Case, CaseQuery, Page, Paging, Session, TimelineEntry, Unit, User } from './types'
import { selfevalCalls } from './selfeval'
import { spotchecksCalls } from './spotchecksApi'
import { workbenchCalls } from './workbenchApi'

const BASE = '/api/v1'
const ANSWER_WITHIN_SECONDS = 30
const NOT_AUTHENTICATED = 401

export interface ApiOptions {
  store: SessionStore
  /** Called when the server no longer accepts the session; not when the user leaves by himself. */
  onExpired: () => void
  fetch?: typeof fetch
}

/** What a call is made of. */
export interface Wire {
  /** The body of an answer, as `take` reads it. */
  read<T>(path: string, call: Call | undefined, take: (response: Response) => Promise<T>): Promise<T>
  json<T>(path: string, call?: Call): Promise<T>
  page<T>(path: string, signal?: AbortSignal): Promise<Page<T>>
  blob(path: string, call?: Call): Promise<Blob>
  query(asked: Record<string, string | number | boolean | undefined>): string
}

interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  /** Sent as it is, with its own type, in place of a body. */
  file?: Blob
  /** Beside the usual ones. */
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Why restricted evidence is opened. */
  reason?: string | undefined
  /** Media may take as long as it takes; everything else has a deadline. */
  unhurried?: boolean
}

export type Api = ReturnType<typeof createApi>

export function createApi({ store, onExpired, fetch: send = (...args) => fetch(...args) }: ApiOptions) {
  let session = store.load()
  let refreshing: Promise<void> | null = null

  function keep(next: Session | null): void {
    session = next
    store.save(next)
  }

  async function request(path: string, call: Call, token: string | null): Promise<Response> {
    const headers: Record<string, string> = {
      Accept: 'application/json',
      'Accept-Language': 'zh-CN',
      ...call.headers,
    }
    if (token !== null) headers['Authorization'] = `Bearer ${token}`
    const init: RequestInit = { method: call.method ?? 'GET', headers, cache: 'no-store' }
    // As a header may hold it; in the address it would stand in every log on the way.
    if (call.reason !== undefined) headers['X-Access-Reason'] = encodeURIComponent(call.reason)
    if (call.body !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(call.body)
    }
    if (call.file !== undefined) {
      headers['Content-Type'] = call.file.type
      init.body = call.file
    }

    // By hand: AbortSignal.any and .timeout are missing in browsers that offices still use.
    const stop = new AbortController()
    const giveUp = () => stop.abort()
    let late = false
    const deadline = setTimeout(() => {
      late = call.unhurried !== true
      if (late) stop.abort()
    }, ANSWER_WITHIN_SECONDS * 1000)
    if (call.signal?.aborted) giveUp()
    call.signal?.addEventListener('abort', giveUp)
    init.signal = stop.signal
    try {
      const response = await send(BASE + path, init)
      if (!response.ok) throw await problemOf(response)
      return response
    } catch (error) {
      if (error instanceof ApiError) throw error
      if (late) throw timeoutError(ANSWER_WITHIN_SECONDS)
      if (call.signal?.aborted || isAbort(error)) throw new DOMException('given up', 'AbortError')
      throw networkError()
    } finally {
      // `giveUp` stays: the body is still to be read, and a finished call does not mind being stopped.
      clearTimeout(deadline)
    }
  }

  function refresh(): Promise<void> {
    refreshing ??= (async () => {
      try {
        const used = session?.refresh_token
        const response = await request('/auth/refresh', { method: 'POST', body: { refresh_token: used } }, null)
        const next = (await response.json()) as Session
        // The user may have left, and another come, while the answer was on its way.
        if (session?.refresh_token === used) keep(next)
      } finally {
        refreshing = null
      }
    })()
    return refreshing
  }

  function expire(): void {
    if (session === null) return
    keep(null)
    onExpired()
  }

  /** Sends with the session's token; on 401 refreshes once and sends again. */
  async function authorised(path: string, call: Call = {}): Promise<Response> {
    const token = session?.access_token ?? null
    try {
      return await request(path, call, token)
    } catch (error) {
      if (!isUnauthenticated(error) || session === null) throw error
    }
    // Another call may have refreshed while ours was away: then its token is worth the retry.
    if (session.access_token === token) {
      try {
        await refresh()
      } catch (error) {
        if (isRefusal(error)) expire()
        throw error
      }
    }
    try {
      return await request(path, call, session?.access_token ?? null)
    } catch (error) {
      if (isUnauthenticated(error)) expire()
      throw error
    }
  }

  async function read<T>(path: string, call: Call | undefined, take: (response: Response) => Promise<T>): Promise<T> {
    const response = await authorised(path, call)
    try {
      return await take(response)
    } catch (error) {
      if (isAbort(error)) throw error
      throw networkError()
    }
  }

  const json = <T>(path: string, call?: Call): Promise<T> => read(path, call, (response) => response.json() as Promise<T>)

  const blob = (path: string, call?: Call): Promise<Blob> =>
    read(path, { ...call, unhurried: true }, (response) => response.blob())

  /** Some lists leave `next` out on their last page, others say `null`; some count, others name. */
  async function page<T>(path: string, signal?: AbortSignal): Promise<Page<T>> {
    const { items, next } = await json<{ items: T[]; next?: string | number | null }>(path, { signal })
    return { items, next: next == null ? null : String(next) }
  }

  return {
    user: (): User | null => session?.user ?? null,

    async login(username: string, password: string): Promise<User> {
      const call: Call = { method: 'POST', body: { username, password } }
      const response = await request('/auth/login', call, null)
      const next = (await response.json()) as Session
      keep(next)
      return next.user
    },

    /** Ends the session here even when the server cannot be told. */
    async logout(): Promise<void> {
      const ending = session === null ? null : authorised('/auth/logout', { method: 'POST' })
      try {
        await ending
      } finally {
        keep(null)
      }
    },

    async me(): Promise<User> {
      const { user } = await json<{ user: User }>('/me')
      if (session !== null) keep({ ...session, user })
      return user
    },

    units: async (): Promise<Unit[]> => (await json<{ items: Unit[] }>('/units')).items,

    cases: (query: CaseQuery, signal?: AbortSignal): Promise<Page<Case>> =>
      json(`/cases${queryString({ ...query })}`, { signal }),

    case: (id: string, signal?: AbortSignal): Promise<Case> => json(`/cases/${encodeURIComponent(id)}`, { signal }),

    timeline: async (id: string, signal?: AbortSignal): Promise<TimelineEntry[]> =>
      (await json<{ items: TimelineEntry[] }>(`/cases/${encodeURIComponent(id)}/timeline`, { signal })).items,

    reviews: (query: ReviewQuery & Paging, signal?: AbortSignal): Promise<Page<Waiting>> =>
      page(`/sync/reviews${queryString({ ...query })}`, signal),

    /** Of any operation, also one that nobody needs to decide. */
    review: (opId: string, signal?: AbortSignal): Promise<Sides> =>
      json(`/sync/reviews/${encodeURIComponent(opId)}`, { signal }),

    decide: (opId: string, decision: 'apply' | 'discard', reason: string): Promise<Sides> =>
      json(`/sync/reviews/${encodeURIComponent(opId)}/decision`, {
        method: 'POST',
        body: reason === '' ? { decision } : { decision, reason },
      }),

    rawBytes: (query: Paging, signal?: AbortSignal): Promise<Page<RawBytes>> =>
      page(`/sync/reviews/raw${queryString({ ...query })}`, signal),

    resolveRaw: async (id: string, reason: string): Promise<void> => {
      await authorised(`/sync/reviews/raw/${encodeURIComponent(id)}/decision`, { method: 'POST', body: { reason } })
    },

    deviceHealth: async (signal?: AbortSignal): Promise<DeviceHealth[]> =>
      (await json<{ items: DeviceHealth[] }>('/sync/health', { signal })).items,

    /** Adds a device, or gives an existing one a new code. */
    addDevice: (name: string, kind: string): Promise<EnrolmentCode> => json('/devices', { method: 'POST', body: { name, kind } }),

    losses: async (deviceId: string, signal?: AbortSignal): Promise<Losses[]> =>
      (await json<{ items: Losses[] }>(`/sync/health/${encodeURIComponent(deviceId)}/losses`, { signal })).items,

    receipt: (opId: string): Promise<SignedReceipt> => json(`/sync/ops/${encodeURIComponent(opId)}/receipt`),

    ...evidenceCalls({ read, json, page, blob, query: queryString }),
    ...loopCalls({ read, json, page, blob, query: queryString }),
    ...workbenchCalls({ read, json, page, blob, query: queryString }),
    ...assessmentCalls({ read, json, page, blob, query: queryString }),
    ...lettersCalls({ read, json, page, blob, query: queryString }),
    ...spotchecksCalls({ read, json, page, blob, query: queryString }),
    ...selfevalCalls({ read, json, page, blob, query: queryString }),
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof ApiError && error.status === NOT_AUTHENTICATED
}

/** Only a refusal ends the session: without a network, or asked to wait, it is still good. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && [400, 401, 403, 404, 409, 410, 422].includes(error.status)
}

/** Leaves out what is not set: `?state=` would ask for a state without a name. */
export function queryString(query: Record<string, string | number | boolean | undefined>): string {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}
