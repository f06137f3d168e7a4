// A call to the server, and what its answer means for the engine.

import { locale } from '../../lib/language'
import { networkError } from '../../lib/problem'
import type { Heard } from './rules'

export const BASE = '/api/v1'
/** Milliseconds. */
export const ANSWER_WITHIN_MS = 30_000

/** One call; fails as `networkError` when no whole answer came in time. */
export async function call(
  method: string,
  path: string,
  token: string | null,
  body: string | Blob | null,
  withinMs = ANSWER_WITHIN_MS,
  given?: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': locale() }
  if (token !== null) headers['Authorization'] = `Bearer ${token}`
  if (typeof body === 'string') headers['Content-Type'] = 'application/json'
  const stop = new AbortController()
  const deadline = setTimeout(() => stop.abort(), withinMs)
  const giveUp = (): void => stop.abort()
  given?.addEventListener('abort', giveUp)
  try {
    const answer = await fetch(BASE + path, { method, headers, body, cache: 'no-store', signal: stop.signal })
    // Read to its end before the deadline is taken away: a connection may die in the middle.
    const bytes = await answer.arrayBuffer()
    return new Response(bytes.byteLength === 0 ? null : bytes, { status: answer.status, headers: answer.headers })
  } catch {
    throw networkError()
  } finally {
    clearTimeout(deadline)
    given?.removeEventListener('abort', giveUp)
  }
}

/** Whether all of these are there: what stands between here and there may answer 200, and with a JSON of its own. */
export const has = <T>(body: T | null, members: (keyof T)[]): body is T =>
  typeof body === 'object' && body !== null && members.every((name) => body[name] !== undefined)

/** Reads an answer; a good one is JSON and has these members. */
export async function heardOf<T>(asked: Promise<Response>, members: (keyof T)[], good: (body: T) => Heard): Promise<Heard> {
  let answer: Response
  let text: string
  try {
    answer = await asked
    text = await answer.text()
  } catch {
    return { t: 'nothing' }
  }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = null
  }
  if (answer.ok) {
    return has(body as T | null, members) ? good(body as T) : { t: 'strange', what: `HTTP ${answer.status}` }
  }
  const { code, detail } = (body ?? {}) as { code?: string; detail?: string | null }
  const seconds = Number(answer.headers.get('Retry-After') ?? Number.NaN)
  const date = Date.parse(answer.headers.get('Date') ?? '')
  return {
    t: 'problem',
    status: answer.status,
    code: code ?? '',
    detail: detail ?? null,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null,
    date: Number.isNaN(date) ? null : date,
  }
}
