// @vitest-environment node

import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MOST_BYTES, clipFile, clipOf, clipRefused, recordedType } from './clip'
import { drafting } from './drafting'
import { openDb } from './sync/db'
import { Store } from './sync/store'

let store: Store
// The state of the page needs a page; what is tested keeps its work in the real store.
vi.mock('./field', () => ({ client: () => ({ store }), signal: () => undefined }))

const MB = 1024 * 1024
/** What the browser says is left, bytes. */
const left = (bytes: number) => vi.stubGlobal('navigator', { storage: { estimate: async () => ({ quota: 900 * MB, usage: 900 * MB - bytes }) } })
const clip = () => clipOf(new Blob(['film'], { type: 'video/mp4;codecs=avc1' }), Date.parse('2026-11-26T01:00:00Z'), 7)

beforeEach(async () => {
  store = new Store(await openDb(`clip-${crypto.randomUUID()}`))
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('a clip', () => {
  it('goes with the operation under its hash, by the plain name of its kind', async () => {
    expect(clipFile(await clip())).toMatchObject({
      filename: '录像-20261126T010000000.mp4',
      evidence: { sha256: 'd0607f7ad2628b2af9158dfba06ce87166e66b15bf68f8f358f9aa27ccb7c321', size: 4, mime: 'video/mp4', role: 'scene', need: 'none' },
    })
  })

  it.each([
    ['video/mp4', 5 * MB, 30.4, ''], ['video/quicktime', 5 * MB, null, ''], ['video/mp4', 5 * MB, 45, '录像有 45 秒'],
    ['video/mp4', MOST_BYTES + 20 * MB, 20, '录像有 80'], ['video/webm', 5 * MB, 20, '不能识别'], ['', 5 * MB, 20, '不能识别'], ['video/mp4', 0, 1, '没有录到'],
  ])('of %s with %i bytes and %s s is refused in words when it must be: %s', (type, size, length, words) => {
    const said = clipRefused({ type, size }, length)
    expect(words === '' ? said : said.includes(words)).toBe(words === '' ? '' : true)
  })

  it('is recorded in the page only where that gives what the server reads', () => {
    expect(recordedType()).toBeNull()
    vi.stubGlobal('MediaRecorder', { isTypeSupported: (type: string) => type === 'video/webm' })
    expect(recordedType()).toBeNull()
    vi.stubGlobal('MediaRecorder', { isTypeSupported: () => true })
    expect(recordedType()).toBe('video/mp4')
  })
})

describe('a clip in a draft', () => {
  const begin = () => drafting('u', 'report', () => ({ words: '' }))

  it('is there after a restart, apart from the photos, and gone when it is deleted', async () => {
    left(800 * MB)
    const before = begin()
    expect(await before.setClip(await clip())).toBe(true)
    const after = begin()
    await after.load()
    expect([after.restored.value, await after.clip.value?.blob.text(), after.photos.value]).toEqual([true, 'film', []])
    await after.setClip(null)
    expect(await store.draft('u/report/clip')).toBeNull()
  })

  it('is refused in words when too little is left, and the rest of the report stays', async () => {
    left(64 * MB + 7)
    const work = begin()
    await work.keep({ words: '占道' })
    expect(await work.setClip(await clip())).toBe(false)
    expect(work.trouble.value).toContain('这段录像没有保存；照片和填写的内容仍在')
    expect([work.clip.value, await store.draft('u/report/clip'), await store.draft('u/report')]).toEqual([null, null, { words: '占道' }])
    // Its bytes are written twice until the work is saved.
    left(64 * MB + 8)
    expect(await work.setClip(await clip())).toBe(true)
  })

  it('that the disk refuses is said so, and the one before stays', async () => {
    left(800 * MB)
    const work = begin()
    await work.setClip(await clip())
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('no room', 'QuotaExceededError')
    })
    expect(await work.setClip({ ...(await clip()), length_s: 9 })).toBe(false)
    expect(work.trouble.value).toContain('这段录像没有保存')
    expect(work.clip.value?.length_s).toBe(7)
  })
})
