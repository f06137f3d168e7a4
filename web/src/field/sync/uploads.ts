// One photo to the server over tus 1.0 by tus-js-client. It counts as stored only on the server's word about its hash
// and size; whatever is unclear is asked again. After src/client/upload.

import { DetailedError, Upload } from 'tus-js-client'
import { locale } from '../../lib/language'
import type { MediaRow } from './store'
import { say } from './words'

/** How it ended. `later`: nothing is known to be wrong with the photo. */
export type Outcome = { t: 'stored' } | { t: 'refused'; why: string } | { t: 'later'; why: string; forget: boolean }

export interface Way {
  token: () => Promise<string>
  /** The upload goes on at this address; must be durable before bytes follow. */
  moved: (url: string) => Promise<unknown>
  progress: (sent: number) => void
}

export async function upload(row: MediaRow, blob: Blob, way: Way): Promise<Outcome> {
  const failed = await send(row, blob, way)
  if (failed !== null) return judged(failed)
  return { t: 'stored' }
}

interface Failure {
  status: number | null
  why: string
}

async function send(row: MediaRow, blob: Blob, way: Way): Promise<Failure | null> {
  return new Promise((resolve) => {
    let url: string | null = row.upload_url
    const tus: Upload = new Upload(blob, {
      endpoint: '/api/v1/uploads',
      uploadUrl: row.upload_url,
      uploadSize: row.size,
      metadata: { filename: row.filename, filetype: row.mime, sha256: row.sha256, captured_at: row.captured_at },
      // Where it goes on is in the store, and the waits are the caller's: both must outlive this page.
      storeFingerprintForResuming: false,
      retryDelays: null,
      onBeforeRequest: async (request) => {
        request.setHeader('Accept-Language', locale())
        request.setHeader('Authorization', `Bearer ${await way.token()}`)
        // The same creation gives the same key, so a lost answer makes no second upload.
        if (request.getMethod() === 'POST') request.setHeader('Idempotency-Key', row.sha256)
      },
      onUploadUrlAvailable: async () => {
        url = tus.url
        if (url !== null) await way.moved(url)
      },
      onProgress: way.progress,
      onError: (error) => resolve(failure(error)),
      onSuccess: () => {
        confirm(row, url, way).then(resolve, (error: unknown) => resolve({ status: null, why: String(error) }))
      },
    })
    tus.start()
  })
}

/** Asks what became of the bytes: null when the server has exactly this photo. */
async function confirm(row: MediaRow, url: string | null, way: Way): Promise<Failure | null> {
  const get = async (path: string) => {
    const headers = { Authorization: `Bearer ${await way.token()}`, Accept: 'application/json', 'Accept-Language': locale() }
    const response = await fetch(path, { headers, cache: 'no-store' })
    return response.ok ? ((await response.json()) as Record<string, unknown>) : response.status
  }
  const status = url === null ? 404 : await get(url)
  if (typeof status === 'number') return { status, why: `HTTP ${status}` }
  const evidence = typeof status.evidence_id === 'string' ? await get(`/api/v1/evidence/${status.evidence_id}`) : 404
  if (typeof evidence === 'number') return { status: evidence, why: `HTTP ${evidence}` }
  const same = evidence.state === 'stored' && evidence.sha256 === row.sha256 && evidence.size === row.size
  return same ? null : { status: 404, why: say('other_file') }
}

function failure(error: Error | DetailedError): Failure {
  if (!(error instanceof DetailedError) || !error.originalResponse) return { status: null, why: say('no_network') }
  const status = error.originalResponse.getStatus()
  try {
    const problem = JSON.parse(error.originalResponse.getBody()) as { code?: string; title?: string }
    return { status, why: problem.title ?? problem.code ?? `HTTP ${status}` }
  } catch {
    return { status, why: `HTTP ${status}` }
  }
}

function judged({ status, why }: Failure): Outcome {
  // Gone, or another file: begin anew. The server finds the bytes it has by their hash.
  if (status === 404 || status === 410) return { t: 'later', why, forget: true }
  if (status === null || status >= 500 || [401, 403, 408, 409, 423, 425, 429].includes(status)) {
    return { t: 'later', why, forget: false }
  }
  // Also 400: a body that broke off on the way is said so.
  if (status === 400) return { t: 'later', why, forget: false }
  return { t: 'refused', why }
}
