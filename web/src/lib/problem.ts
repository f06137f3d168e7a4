// Every failure of a call becomes one ApiError that a page can show as it is: what happened, and the
// request id that lets an administrator find the call in the server's log.

import { phrases } from './language'

const say = phrases(
  {
    strange: '服务器应答异常（HTTP {status}）', strange_why: '应答不是本系统的格式，可能来自中间的代理。请稍后重试。',
    failed: '请求未成功（HTTP {status}）', network: '无法连接服务器', network_why: '请检查网络后重试。',
    timeout: '服务器没有及时应答', timeout_why: '等待超过 {seconds} 秒，请重试。', page: '页面出错',
  },
  {
    strange: 'The server gave a strange answer (HTTP {status})',
    strange_why: 'It is not in this system’s format and may come from a proxy on the way. Try again later.',
    failed: 'The request failed (HTTP {status})', network: 'No connection to the server', network_why: 'Check the network and try again.',
    timeout: 'The server did not answer in time', timeout_why: 'Waited more than {seconds} s. Try again.', page: 'Error in the page',
  },
)

/** Something that is wrong with an imported file. */
export interface Fault {
  /** Of a workbook with several. */
  sheet?: string
  /** From 1; 0 for the file as a whole. */
  row: number
  /** Empty for the row as a whole. */
  column: string
  problem: string
}

export interface ApiErrorParts {
  /** 0 when no answer arrived. */
  status: number
  title: string
  detail?: string | null
  /** A stable code of the server's problem catalogue, or one of ours: `network`, `timeout`, `unreadable`. */
  code: string
  requestId?: string | null
  faults?: Fault[]
}

export class ApiError extends Error {
  readonly status: number
  readonly title: string
  readonly detail: string | null
  readonly code: string
  readonly requestId: string | null
  readonly faults: Fault[]

  constructor(parts: ApiErrorParts) {
    super(parts.title)
    this.name = 'ApiError'
    this.status = parts.status
    this.title = parts.title
    this.detail = parts.detail ?? null
    this.code = parts.code
    this.requestId = parts.requestId ?? null
    this.faults = parts.faults ?? []
  }
}

/**
 * Reads a refused answer. A reverse proxy answers HTML and a broken server may answer anything, so
 * nothing about the body is taken for granted.
 */
export async function problemOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('x-request-id')
  const type = response.headers.get('content-type') ?? ''
  let body: unknown = null
  if (type.includes('json')) {
    body = await response.json().catch(() => null)
  }
  if (typeof body !== 'object' || body === null) {
    return new ApiError({
      status: response.status,
      title: say('strange', { status: response.status }),
      detail: say('strange_why'),
      code: 'unreadable',
      requestId,
    })
  }
  const field = (name: string): string | null => {
    const value = (body as Record<string, unknown>)[name]
    return typeof value === 'string' && value !== '' ? value : null
  }
  return new ApiError({
    status: response.status,
    title: field('title') ?? say('failed', { status: response.status }),
    detail: field('detail'),
    code: field('code') ?? 'unknown',
    requestId: field('request_id') ?? requestId,
    faults: 'faults' in body && Array.isArray(body.faults) ? (body.faults as Fault[]) : [],
  })
}

export function networkError(): ApiError {
  return new ApiError({
    status: 0,
    title: say('network'),
    detail: say('network_why'),
    code: 'network',
  })
}

export function timeoutError(seconds: number): ApiError {
  return new ApiError({
    status: 0,
    title: say('timeout'),
    detail: say('timeout_why', { seconds }),
    code: 'timeout',
  })
}

/** A call that its own page gave up (another filter, another case) is no failure to show. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/** For `catch (error)`: what was thrown, as something that can be shown. */
export function shown(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  console.error(error)
  return new ApiError({ status: 0, title: say('page'), detail: String(error), code: 'page' })
}
