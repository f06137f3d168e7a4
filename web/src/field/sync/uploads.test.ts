// The upload of a photo on a connection that breaks in ways of its own; the usual ones are in the simulation
// (tests/clients/field_sim.mjs).

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MediaRow } from './store'
import { upload } from './uploads'

// The part that ships: Node's own would be taken here.
vi.mock('tus-js-client', () => vi.importActual('tus-js-client/lib.es5/browser/index.js'))

/** A connection on which nothing comes back. */
class Silent {
  static begun = 0
  upload = {}
  open(): void {}
  setRequestHeader(): void {}
  abort(): void {}
  send(): void {
    Silent.begun += 1
  }
}

const row: MediaRow = {
  sha256: 'a'.repeat(64), size: 3, mime: 'image/jpeg', filename: 'a.jpg', captured_at: '2026-11-23T01:00:00Z',
  added_at: '2026-11-23T01:00:00Z', state: 'waiting', upload_url: null, reason: null, of: [],
}

describe('an upload on a connection that says nothing any more', () => {
  const network = new AbortController()
  let ended: unknown = null

  beforeEach(async () => {
    vi.useFakeTimers()
    vi.stubGlobal('XMLHttpRequest', Silent)
    Silent.begun = 0
    ended = null
    const way = { token: async () => 't', signal: network.signal, moved: async () => null, progress: () => undefined }
    void upload(row, new Blob(['abc']), way).then((outcome) => (ended = outcome))
    while (Silent.begun === 0) await vi.advanceTimersByTimeAsync(1)
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const later = { t: 'later', why: '网络不通', forget: false }

  it('is given up after a minute, so that it holds up no other photo', async () => {
    await vi.advanceTimersByTimeAsync(59_000)
    expect(ended).toBeNull()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ended).toEqual(later)
  })

  it('is given up at once when the network is another one', async () => {
    network.abort()
    await vi.advanceTimersByTimeAsync(1)
    expect(ended).toEqual(later)
  })
})

describe('an answer that refuses', () => {
  /** Answers the creation like this. */
  function answered(status: number, body: string) {
    class Answering extends Silent {
      status = status
      responseText = body
      onload: (event: unknown) => void = () => undefined
      getResponseHeader = (): null => null
      override send(): void {
        queueMicrotask(() => this.onload({}))
      }
    }
    vi.stubGlobal('XMLHttpRequest', Answering)
    const signal = new AbortController().signal
    const way = { token: async () => 't', signal, moved: async () => null, progress: () => undefined }
    return upload(row, new Blob(['abc']), way)
  }

  afterEach(() => vi.unstubAllGlobals())

  it('is the last word when it is the server that says so', async () => {
    const problem = JSON.stringify({ code: 'media_type_unsupported', title: '不支持' })
    expect(await answered(415, problem)).toEqual({ t: 'refused', why: '不支持' })
  })

  it.each([[200, '<h1>Welcome to our WLAN'], [403, '<h1>Forbidden'], [511, '']])(
    'says nothing about the photo when a box on the way says it: %i', async (status, body) => {
      expect(await answered(status, body)).toMatchObject({ t: 'later', forget: false })
    },
  )

  it('from a box that knows no such address does not make the upload begin anew', async () => {
    expect(await answered(404, '<h1>Not found')).toMatchObject({ t: 'later', forget: false })
    expect(await answered(404, JSON.stringify({ code: 'not_found' }))).toMatchObject({ t: 'later', forget: true })
  })
})

describe('a refusal that passes', () => {
  class Answering {
    upload = {}
    onload: (event: unknown) => void = () => undefined
    constructor(readonly status = 0, readonly responseText = '') {}
    getResponseHeader = (): null => null
    open(): void {}
    setRequestHeader(): void {}
    abort(): void {}
    send(): void {
      queueMicrotask(() => this.onload({}))
    }
  }

  afterEach(() => vi.unstubAllGlobals())

  it.each([[413, 'upload_quota_exceeded'], [422, 'idempotency_mismatch'], [412, 'tus_version'], [413, 'upload_too_large']])('ends no photo, as one that does not pass does: %i %s', async (status, code) => {
    vi.stubGlobal('XMLHttpRequest', class extends Answering {
      constructor() {
        super(status, JSON.stringify({ code, title: 'x' }))
      }
    })
    const way = { token: async () => 't', signal: new AbortController().signal, moved: async () => null, progress: () => undefined }
    expect((await upload(row, new Blob(['abc']), way)).t).toBe(code === 'upload_too_large' ? 'refused' : 'later')
  })
})
