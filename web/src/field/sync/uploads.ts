// One photo or clip to the server over tus 1.0 by tus-js-client. It counts as stored only on the server's word about its
// hash and size; whatever is unclear is asked again. After src/client/upload.

import { DetailedError, Upload } from 'tus-js-client'
import { sha256 } from '../../lib/capture'
import { locale } from '../../lib/language'
import type { Spec } from '../../lib/spec'
import type { MediaRow } from './store'
import { say } from './words'

/** How it ended. `later`: nothing is known to be wrong with the photo. */
export type Outcome = { t: 'stored' } | { t: 'refused'; why: string } | { t: 'later'; why: string; forget: boolean }

export interface Way {
  token: () => Promise<string>
  /** Whoever is asked may never answer any more: the network is another one. */
  signal: AbortSignal
  /** The upload goes on at this address; kept before bytes follow. */
  moved: (url: string) => Promise<unknown>
  progress: (sent: number) => void
}

/** Of a connection that says nothing for so long, nothing more is expected: a dead one looks just like that. */
const SILENT_MS = 60_000

export async function upload(row: MediaRow, blob: Blob, way: Way): Promise<Outcome> {
  const failed = await send(row, blob, way)
  if (failed !== null) return judged(failed)
  return { t: 'stored' }
}

interface Failure {
  status: number
  /** The server's own reason; empty when nothing came, or a box on the way answered. */
  code: string
  why: string
}

const nothing = (): Failure => ({ status: 0, code: '', why: say('no_network') })

async function send(row: MediaRow, blob: Blob, way: Way): Promise<Failure | null> {
  return new Promise((settle) => {
    let url: string | null = row.upload_url
    let kept: Promise<unknown> = Promise.resolve()
    const giveUp = (): void => {
      void tus.abort()
      resolve(nothing())
    }
    const { sha256: digest, size, filename, mime, captured_at } = row
    const key = sha256([digest, size, filename, mime, captured_at].join(' '))
    let silent = setTimeout(giveUp, SILENT_MS)
    const heard = (): void => {
      clearTimeout(silent)
      silent = setTimeout(giveUp, SILENT_MS)
    }
    const resolve = (failed: Failure | null): void => {
      clearTimeout(silent)
      way.signal.removeEventListener('abort', giveUp)
      settle(failed)
    }
    way.signal.addEventListener('abort', giveUp)
    const tus: Upload = new Upload(blob, {
      endpoint: '/api/v1/uploads',
      uploadUrl: row.upload_url,
      uploadSize: row.size,
      metadata: { filename: row.filename, filetype: row.mime, sha256: row.sha256, captured_at: row.captured_at },
      // Where it goes on is in the store, and the waits are the caller's: both must outlive this page.
      storeFingerprintForResuming: false,
      retryDelays: null,
      onBeforeRequest: async (request) => {
        await kept
        heard()
        request.setHeader('Accept-Language', locale())
        request.setHeader('Authorization', `Bearer ${await way.token()}`)
        // The same creation gives the same key, so a lost answer makes no second upload.
        if (request.getMethod() === 'POST') request.setHeader('Idempotency-Key', await key)
      },
      onUploadUrlAvailable: () => {
        url = tus.url
        // A store that is full must not keep its photos from leaving: a creation that is repeated finds the upload.
        if (url !== null) kept = way.moved(url).catch(console.error)
      },
      onProgress: (sent) => {
        heard()
        way.progress(sent)
      },
      onError: (error) => resolve(failure(error)),
      onSuccess: () => {
        confirm(row, url, way).then(resolve, () => resolve(nothing()))
      },
    })
    tus.start()
  })
}

/** Asks what became of the bytes: null when the server has exactly this photo. */
async function confirm(row: MediaRow, url: string | null, way: Way): Promise<Failure | null> {
  const get = async <T>(path: string): Promise<T | Failure> => {
    const headers = { Authorization: `Bearer ${await way.token()}`, Accept: 'application/json', 'Accept-Language': locale() }
    const response = await fetch(path, { headers, cache: 'no-store', signal: way.signal })
    const text = await response.text()
    return response.ok && text.startsWith('{') ? (JSON.parse(text) as T) : refusal(response.status, text)
  }
  const anew: Failure = { status: 404, code: 'not_found', why: say('other_file') }
  const status = url === null ? anew : await get<Spec['Upload']>(url)
  if ('why' in status) return status
  const evidence = status.evidence_id == null ? anew : await get<Spec['Evidence']>(`/api/v1/evidence/${status.evidence_id}`)
  if ('why' in evidence) return evidence
  const same = evidence.state === 'stored' && evidence.sha256 === row.sha256 && evidence.size === row.size
  return same ? null : anew
}

function failure(error: Error | DetailedError): Failure {
  if (!(error instanceof DetailedError) || !error.originalResponse) return nothing()
  return refusal(error.originalResponse.getStatus(), error.originalResponse.getBody())
}

function refusal(status: number, body: string): Failure {
  try {
    const { code = '', title } = JSON.parse(body) as { code?: string; title?: string }
    return { status, code, why: title ?? `HTTP ${status}` }
  } catch {
    return { status, code: '', why: `HTTP ${status}` }
  }
}

function judged({ status, code, why }: Failure): Outcome {
  // The page of a captive portal, a proxy's error: they know nothing of the photo, and must not end it.
  if (code === '') return { t: 'later', why, forget: false }
  // Gone, or another file: begin anew. The server finds the bytes it has by their hash.
  if (status === 404 || status === 410) return { t: 'later', why, forget: true }
  // No room today, a key of another file, an older server: that passes.
  if (['upload_quota_exceeded', 'idempotency_mismatch', 'tus_version'].includes(code)) return { t: 'later', why, forget: false }
  // Also 400: a body that broke off on the way is said so.
  if (status >= 500 || [400, 401, 403, 408, 409, 423, 425, 429].includes(status)) return { t: 'later', why, forget: false }
  return { t: 'refused', why }
}
