// The calls that need the server at once, in the name of whoever works now: what the Centre's pages ask about evidence,
// by the session of the handheld.

import type { Wire } from '../lib/api'
import { queryString } from '../lib/api'
import { evidenceCalls } from '../lib/evidenceApi'
import { locale, phrases } from '../lib/language'
import { ApiError, networkError, problemOf, shown } from '../lib/problem'
import { client } from './field'
import { ANSWER_WITHIN_MS, BASE } from './sync/calls'

const say = phrases(
  { offline: '网络不通，这一步没有做成。联网后再点一次即可，重复也不要紧。', with_why: '{title}：{why}' },
  { offline: 'No network: this was not done. Do it again with a network; twice does no harm.', with_why: '{title}: {why}' },
)

type Call = NonNullable<Parameters<Wire['json']>[1]>
type Take<T> = (answer: Response) => Promise<T>

/** Media may take as long as a slow network needs, milliseconds. */
const MEDIA_WITHIN_MS = 300_000

async function once<T>(path: string, call: Call, token: string, take: Take<T>): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': locale(), Authorization: `Bearer ${token}` }
  // As a header may hold it; in the address it would stand in every log on the way.
  if (call.reason !== undefined) headers['X-Access-Reason'] = encodeURIComponent(call.reason)
  if (call.body !== undefined) headers['Content-Type'] = 'application/json'
  const body = call.body === undefined ? null : JSON.stringify(call.body)
  const stop = new AbortController()
  const deadline = setTimeout(() => stop.abort(), call.unhurried === true ? MEDIA_WITHIN_MS : ANSWER_WITHIN_MS)
  try {
    const answer = await fetch(BASE + path, { method: call.method ?? 'GET', headers, body, cache: 'no-store', signal: stop.signal })
    if (!answer.ok) throw await problemOf(answer)
    return await take(answer)
  } catch (error) {
    throw error instanceof ApiError ? error : networkError()
  } finally {
    clearTimeout(deadline)
  }
}

const token = async (): Promise<string> => (await client().store.session())?.access_token ?? ''

/** A token that ran out is renewed once; without a new one the page asks the person to unlock. */
async function read<T>(path: string, call: Call | undefined, take: Take<T>): Promise<T> {
  const used = await token()
  try {
    return await once(path, call ?? {}, used, take)
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401 || !(await client().renewed(used))) throw error
    return once(path, call ?? {}, await token(), take)
  }
}

const json = <T>(path: string, call?: Call): Promise<T> => read(path, call, (answer) => answer.json() as Promise<T>)

const wire: Wire = {
  read,
  json,
  page: (path) => json(path),
  blob: (path, call) => read(path, { ...call, unhurried: true }, (answer) => answer.blob()),
  query: queryString,
}

export const online = evidenceCalls(wire)

/** Why a call came to nothing: the server's own words where it spoke. */
export function troubleWords(error: unknown): string {
  const { code, title, detail } = shown(error)
  if (code === 'network') return say('offline')
  return detail === null ? title : say('with_why', { title, why: detail })
}
