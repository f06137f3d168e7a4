// @vitest-environment node
// The page's stand-in has blobs that no store can clone.

import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '../../lib/capture'
import { Client } from './client'
import { openDb } from './db'
import { freshKey } from './device'
import { parcel } from './parcel'
import { Store } from './store'

let client: Client

beforeEach(async () => {
  const store = new Store(await openDb(`parcel-${crypto.randomUUID()}`))
  await store.enrolled({ device: '01900000-0000-7000-8000-00000000000a', name: '城管通-07', kind: 'handheld', epoch: 3 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
  client = new Client(store, { app: 'test/1', storagePersisted: () => true }, () => undefined)
})

/** The files of a tar. */
async function opened(file: Blob): Promise<Record<string, string>> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  const text = (from: number, length: number) => new TextDecoder().decode(bytes.slice(from, from + length)).replace(/\0.*$/s, '')
  const files: Record<string, string> = {}
  for (let at = 0; bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    files[text(at, 100)] = text(at + 512, size)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

const about = async (bytes: string) => ({
  sha256: await sha256(bytes), size: bytes.length, mime: 'image/jpeg', role: 'scene', need: 'none' as const, captured_at: '2026-11-26T01:00:00Z',
})

describe('what has not arrived, as a file', () => {
  it('holds the operations as they were saved, the photos and clips by their hash, and numbers that nobody else uses', async () => {
    const blob = new Blob(['photo'])
    const film = { ...(await about('film')), mime: 'video/mp4' }
    const evidence = await about('photo')
    await client.store.save({
      op_id: '01900000-0000-7000-8000-00000000000b', type: 'case.report', target: { kind: 'case', id: '01900000-0000-7000-8000-00000000000c' }, actor: 'u', session: 's', occurred_at: '2026-11-26T01:00:00Z',
      mono_ms: 1, boot: 'b', args: { title: '占道' }, files: [{ evidence, filename: '远景.jpg', blob }, { evidence: film, filename: '录像.mp4', blob: new Blob(['film']) }],
    })
    const { file, records, photos, clips } = await parcel(client)
    const files = await opened(file)
    const head = JSON.parse(files['outbox.json'] ?? '')
    expect([records, photos, clips]).toEqual([1, 1, 1])
    expect(head).toMatchObject({ v: 1, epoch: 3, attempts: [1], batches: [1], })
    expect(head.media).toHaveLength(2)
    expect(head.media).toContainEqual(expect.objectContaining({ sha256: evidence.sha256, size: 5, mime: 'image/jpeg' }))
    expect(head.media).toContainEqual(expect.objectContaining({ sha256: film.sha256, size: 4, mime: 'video/mp4' }))
    expect(files['ops.jsonl']).toBe(`${(await client.store.outbox())[0]?.raw}\n`)
    expect(head.ops_sha256).toBe(await sha256(files['ops.jsonl'] ?? ''))
    expect(files['captures.jsonl']?.trim().split('\n').length).toBe(1)
    expect(files[`media/${evidence.sha256}.jpg`]).toBe('photo')
    expect(files[`media/${film.sha256}.jpg`]).toBe('film')
    // The device itself goes on after the numbers that it gave away, and keeps everything.
    expect((await client.store.beginAttempt()).number).toBe(2)
    expect((await client.store.outbox()).length).toBe(1)
  })

  it('holds a photo that the server refused, and none that it has', async () => {
    const files = await Promise.all(['refused', 'stored'].map(async (bytes) => ({ evidence: await about(bytes), filename: `${bytes}.jpg`, blob: new Blob([bytes]) })))
    await client.store.save({
      op_id: '01900000-0000-7000-8000-00000000000b', type: 'case.note', target: { kind: 'case', id: '01900000-0000-7000-8000-00000000000c' }, actor: 'u', session: 's', occurred_at: '2026-11-26T01:00:00Z',
      mono_ms: 1, boot: 'b', args: { text: '占道' }, files,
    })
    await client.store.changeMedia(await sha256('refused'), { state: 'refused', reason: 'x' })
    await client.store.changeMedia(await sha256('stored'), { state: 'stored' })
    const { file, photos } = await parcel(client)
    expect(photos).toBe(1)
    expect((await opened(file))[`media/${await sha256('refused')}.jpg`]).toBe('refused')
  })
})
