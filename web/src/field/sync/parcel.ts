// What has not arrived, as one file for the Centre (`chengguan import-outbox`), should the network or the browser's
// store not be trusted any longer. A tar, so that anybody can open it: operations as they were saved, signed records,
// photos and clips under their hashes (those that the server refused too, for they are nowhere else), and a token of the
// device for 24 hours. Nothing is removed here: what arrives twice is known by its `op_id` and its hash. The form is in
// api-spec/sync.md.

import { sha256 } from '../../lib/capture'
import type { Client } from './client'
import { batch } from './rules'
import { isClip } from './store'

export interface Parcel {
  file: Blob
  name: string
  records: number
  photos: number
  clips: number
}

export async function parcel(client: Client): Promise<Parcel> {
  const { store } = client
  const identity = await store.identity()
  if (identity === null) throw new Error('not enrolled')
  const outbox = await store.outbox()
  const captures = await store.capturesWaiting()
  const media = (await store.media()).filter(({ state }) => state !== 'stored')
  const offset = await store.offset()
  const made_at = new Date(Date.now() - (offset?.offset_ms ?? 0)).toISOString()

  // Numbers of tries that this device will not use itself: the server knows a copied store by a number that comes twice.
  const batches: number[] = []
  const sizes = outbox.map(({ raw }) => new TextEncoder().encode(raw).length)
  for (let done = 0; done < sizes.length; done += batches[batches.length - 1] as number) {
    batches.push(batch(sizes.slice(done), sizes.length))
  }
  const attempts: number[] = []
  for (const _ of batches) attempts.push((await store.beginAttempt()).number)

  const lines = (rows: { raw: string }[]): string => rows.map(({ raw }) => `${raw}\n`).join('')
  const [ops, records] = [lines(outbox), lines(captures)]
  const photos: { sha256: string; size: number; mime: string; filename: string; captured_at: string }[] = []
  const files: [string, Blob][] = []
  for (const row of media) {
    const blob = await store.blob(row.sha256)
    if (blob === undefined) continue
    photos.push({ sha256: row.sha256, size: row.size, mime: row.mime, filename: row.filename, captured_at: row.captured_at })
    // Clips too are called so: it is where the importer of every version looks, and `mime` says what it is.
    files.push([`media/${row.sha256}.jpg`, blob])
  }
  const head = {
    v: 1,
    app: client.app,
    device: identity.device,
    name: identity.name,
    epoch: identity.epoch,
    made_at,
    // A device's own token, good for pushes and uploads only, and no longer than the server takes any.
    token: await client.tokenFor(24 * 3600 - 60),
    push_token: await store.meta<string>('push_token'),
    offset_ms: offset?.offset_ms ?? null,
    outbox: await store.outboxSummary(),
    attempts,
    batches,
    ops_sha256: await sha256(ops),
    captures_sha256: await sha256(records),
    media: photos,
  }
  const text = (body: string) => new Blob([body])
  const file = tar([
    ['outbox.json', text(JSON.stringify(head))],
    ['ops.jsonl', text(ops)],
    ['captures.jsonl', text(records)],
    ...files,
  ])
  const clips = photos.filter(isClip).length
  const when = made_at.replace(/[-:]/g, '').slice(0, 13)
  return { file, name: `outbox-${identity.device.slice(-8)}-${when}.tar`, records: outbox.length, photos: photos.length - clips, clips }
}

const BLOCK = 512

/** A tar (ustar) of these files. Their bytes are not read here, so a thousand photos need no memory. */
export function tar(files: [name: string, bytes: Blob][]): Blob {
  const parts: BlobPart[] = []
  for (const [name, bytes] of files) {
    parts.push(header(name, bytes.size), bytes, new Uint8Array((BLOCK - (bytes.size % BLOCK)) % BLOCK))
  }
  parts.push(new Uint8Array(2 * BLOCK))
  return new Blob(parts, { type: 'application/x-tar' })
}

function header(name: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK)
  const put = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at)
  const octal = (number: number, digits: number) => number.toString(8).padStart(digits, '0')
  put(0, name)
  put(100, '0000644\0')
  put(108, '0000000\0')
  put(116, '0000000\0')
  put(124, `${octal(size, 11)}\0`)
  put(136, `${octal(0, 11)}\0`)
  put(148, '        ')
  put(156, '0')
  put(257, 'ustar\x0000')
  put(148, `${octal(bytes.reduce((sum, byte) => sum + byte, 0), 6)}\0 `)
  return bytes
}

/** Hands the file to the person, who says where it goes. */
export function save(file: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
