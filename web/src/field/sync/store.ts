// What a handheld keeps: `outbox` holds what no answer has come for, `sent` what was answered, `base` what the server
// last said, `media` the photos and clips. After src/client/store; `feed.ts` and `epochs.ts` are its parts.

import type { TimelineEntry, User } from '../../lib/types'
import { type Beacon, type CaptureRow, type Head, append, signed } from './captures'
import type { Db, Tx } from './db'
import { doubt, enter, live } from './epochs'
import { applyPage, finishSnapshot, keepPage, settle, sweep } from './feed'
import type { Attempt, Extent, Keep, Life, OutboxSummary, Place, Queued } from './keep'
import { type ClockOffset, ENVELOPE, measured } from './rules'
import { dropThumbnails } from './thumbnails'
import {
  type Base,
  type Changes,
  type DigestCheck,
  type EpochResponse,
  type EvidenceRef,
  type Gps,
  MAX_PUSH_BYTES,
  OPEN,
  type Op,
  type OpResult,
  type PushResponse,
  type Snapshot,
  type Status,
  type Target,
  digestsOf,
} from './wire'

export interface Identity {
  device: string
  name: string
  kind: string
  /** 0 while a new store has not been told one. */
  epoch: number
}

/** The person signed in; kept over restarts, because a shift begins where there is no network. */
export interface FieldSession {
  session_id: string
  access_token: string
  refresh_token: string
  user: User
}

export interface BaseRow {
  kind: string
  id: string
  ver: number
  /** 1: no longer this person's to see, kept because unsent work belongs to it. */
  gone: 0 | 1
  data: unknown
  keys: string[]
}

export interface OutboxRow {
  place: number
  epoch: number
  seq: number
  op_id: string
  /** What acts on the record next builds on it. */
  chains: boolean
  target_kind: string
  target_id: string
  made_at: string
  raw: string
  /** The server has had it under this label: it is sent again only to hear what became of it. */
  arrived?: true
}

export interface SentRow extends OutboxRow {
  answered_at: string
  status: Status
  result: OpResult
}

export type MediaState = 'waiting' | 'stored' | 'refused'

export interface MediaRow {
  sha256: string
  size: number
  mime: string
  filename: string
  captured_at: string
  added_at: string
  state: MediaState
  upload_url: string | null
  reason: string | null
  /** When its bytes were known to be on the server, by the server's clock. */
  stored_at?: string
  /** Records it belongs to, as `case/<id>`. */
  of: string[]
}

/** A film and no photo: it goes last. */
export const isClip = ({ mime }: { mime: string }): boolean => mime.startsWith('video/')

/** What the feed says of a piece of evidence whose bytes the server has. */
export interface EvidenceRecord {
  id: string
  sha256: string
  captured_at: string | null
  links: { target_kind: string; target_id: string; role: string }[]
}

/** The timeline of a case as it was when the device last saw it, milliseconds since 1970. */
export interface SeenTimeline {
  at: number
  items: TimelineEntry[]
}

/** Timelines of so many cases are kept, those that were looked at last. */
const TIMELINES = 50

/** An operation as a person makes it; the store gives it its number. */
export interface Draft {
  op_id: string
  type: string
  target: Target
  base?: Base
  actor: string
  session: string
  occurred_at: string
  mono_ms: number
  boot: string
  gps?: Gps
  args: Record<string, unknown>
  files: { evidence: EvidenceRef; filename: string; blob: Blob }[]
  /** The entries of `drafts` that this ends, in the same transaction. */
  ends?: string[]
}

/** An operation whose effect the records do not show yet, with the server's word if there is one. */
export interface Unseen {
  op: Op
  result: OpResult | null
}

/** Larger than what one push can carry: it can't be saved. */
export class TooLarge extends Error {}

/** Photos whose bytes are on the server are kept here so long, should the server be restored from a backup. */
const PHOTOS_FOR_MS = 3 * 86_400_000
const SETTLED: readonly Status[] = ['applied', 'merged', 'superseded', 'rejected']

export class Store implements Keep {
  /** After each change; several may come as one. */
  changed: () => void = () => undefined

  constructor(readonly db: Db) {}

  /** One transaction of a part of this store that is kept elsewhere. */
  change<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.write(work)
  }

  private async write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.durable(work)
    this.changed()
    return result
  }

  /** Work that is new goes before photos that the server has, which are only kept for the day it loses them. */
  private async durable<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.db.write(work)
    } catch (error) {
      if ((error as Error).name !== 'QuotaExceededError' || !(await this.makeRoom())) throw error
      return this.db.write(work)
    }
  }

  /** False when there is nothing to give up. */
  private makeRoom(): Promise<boolean> {
    return this.db.write(async (tx) => {
      const here = new Set(await tx.keys('blobs'))
      const stored = (await tx.all<MediaRow>('media', 'stored', 'state')).filter(({ sha256 }) => here.has(sha256))
      for (const { sha256 } of stored) await tx.delete('blobs', sha256)
      return (await dropThumbnails(tx)) || stored.length > 0
    })
  }

  async meta<T>(name: string): Promise<T | null> {
    return this.db.read(async (tx) => (await tx.get<T>('meta', name)) ?? null)
  }

  setMeta(name: string, value: unknown): Promise<unknown> {
    return this.write((tx) => (value === null ? tx.delete('meta', name) : tx.put('meta', value, name)))
  }

  identity = (): Promise<Identity | null> => this.meta('identity')
  session = (): Promise<FieldSession | null> => this.meta('session')
  key = (): Promise<CryptoKeyPair | null> => this.meta('key')

  setSession(session: FieldSession | null): Promise<unknown> {
    return this.setMeta('session', session)
  }

  /** A new enrolment: its key, and numbers from 1 on for what still waits. */
  enrolled(identity: Identity, key: CryptoKeyPair, offset: ClockOffset): Promise<void> {
    return this.write(async (tx) => {
      await tx.put('meta', key, 'key')
      await tx.put('meta', offset, 'offset')
      await enter(tx, identity, null)
    })
  }

  /** Makes a draft an operation; durable, photos included, when the promise is fulfilled. */
  async save(draft: Draft): Promise<Op> {
    for (;;) {
      const head = await this.meta<Head>('capture_head')
      // Signed before the transaction, which would not survive the wait for it; signed anew when another tab was faster.
      const op = await this.keep(draft, head, draft.files.length === 0 ? null : await this.sign(draft, head))
      if (op !== null) return op
    }
  }

  /** A record that can't be signed must not cost anybody their work. */
  private async sign(draft: Draft, head: Head | null): Promise<CaptureRow | null> {
    const [identity, key] = [await this.identity(), await this.key()]
    if (identity === null || key === null) return null
    try {
      return await signed(identity, key.privateKey, head, await this.meta<Beacon>('beacon'), draft)
    } catch (error) {
      console.error(error)
      return null
    }
  }

  private keep(draft: Draft, head: Head | null, record: CaptureRow | null): Promise<Op | null> {
    return this.write(async (tx) => {
      const identity = await tx.get<Identity>('meta', 'identity')
      if (identity === undefined) throw new Error('not enrolled')
      if (record !== null && !(await append(tx, identity, head, record))) return null
      const seq = await next(tx, 'next_seq')
      const place = await next(tx, 'next_place')
      const of = `${draft.target.kind}/${draft.target.id}`
      for (const { evidence, filename, blob } of draft.files) {
        const { sha256, size, mime, captured_at } = evidence
        const known = await tx.get<MediaRow>('media', sha256)
        const fresh: MediaRow = {
          sha256, size, mime, filename, captured_at, added_at: draft.occurred_at, state: 'waiting', upload_url: null, reason: null, of: [],
        }
        const row = known ?? fresh
        // Bytes that are here once more may go once more, whatever became of them before.
        const again = known?.state === 'refused' ? { state: 'waiting' as const, reason: null } : {}
        await tx.put('media', { ...row, ...again, of: [...new Set([...row.of, of])] })
        if (row.state !== 'stored') await tx.put('blobs', blob, sha256)
      }
      const op: Op = {
        op_id: draft.op_id,
        seq,
        type: draft.type,
        v: 1,
        target: draft.target,
        ...(draft.base === undefined ? {} : { base: draft.base }),
        actor: draft.actor,
        session: draft.session,
        occurred_at: draft.occurred_at,
        mono_ms: draft.mono_ms,
        boot: draft.boot,
        ...(draft.gps === undefined ? {} : { gps: draft.gps }),
        ...(draft.files.length === 0 ? {} : { evidence: draft.files.map(({ evidence }) => evidence) }),
        args: draft.args,
      }
      const raw = JSON.stringify(op)
      if (new TextEncoder().encode(raw).length > MAX_PUSH_BYTES - ENVELOPE) throw new TooLarge()
      const row: OutboxRow = {
        place,
        epoch: identity.epoch,
        seq,
        op_id: op.op_id,
        chains: op.base !== undefined || op.type === 'case.report',
        target_kind: draft.target.kind,
        target_id: draft.target.id,
        made_at: op.occurred_at,
        raw,
      }
      await tx.add('outbox', row)
      for (const name of draft.ends ?? []) await tx.delete('drafts', name)
      return op
    })
  }

  /**
   * What this person, acting on this record now, has seen: their own last step, when the feed has not brought its outcome
   * yet, or the version from the feed. A colleague's step that waits on the same device is not shown to them.
   */
  baseFor(target: Target, userId: string): Promise<Base | null> {
    return this.db.read(async (tx) => {
      const key = [target.kind, target.id]
      const known = await tx.get<BaseRow>('base', key)
      const own = ({ chains, raw }: OutboxRow): boolean => chains && (JSON.parse(raw) as Op).actor === userId
      const waiting = (await tx.all<OutboxRow>('outbox', key, 'target')).filter(own)
      const last = waiting.sort(byPlace).pop()
      if (last !== undefined) return { op: last.op_id }
      // Answered well, but the feed still shows the version before.
      const answered = (await tx.all<SentRow>('sent', key, 'target'))
        .filter((row) => {
          const { status, result } = row
          return (status === 'applied' || status === 'merged') && (result.ver ?? 0) > (known?.ver ?? 0) && own(row)
        })
        .sort(byPlace)
        .pop()
      if (answered !== undefined) return { op: answered.op_id }
      return known === undefined ? null : { ver: known.ver }
    })
  }

  /** What this device did and the records do not show yet, oldest first. */
  unseen(): Promise<Unseen[]> {
    return this.db.read(async (tx) => {
      const seen = (await tx.get<Place>('meta', 'place'))?.seq ?? 0
      const sent = (await tx.all<SentRow>('sent')).filter(
        ({ status, result }) => OPEN.includes(status) || (result.result_seq ?? 0) > seen,
      )
      const waiting = await tx.all<OutboxRow>('outbox')
      const all: (OutboxRow & { result?: OpResult })[] = [...sent, ...waiting]
      return all.sort(byPlace).map(({ raw, result }) => ({ op: JSON.parse(raw) as Op, result: result ?? null }))
    })
  }

  records(kind: string): Promise<BaseRow[]> {
    return this.db.read(async (tx) => {
      const rows = await tx.all<BaseRow>('base', IDBKeyRange.bound([kind], [kind, []]))
      return rows.filter((row) => row.gone === 0)
    })
  }

  /** Another one after any record has changed; null before the first did. */
  recordsNumber = (): Promise<number | null> => this.meta('records_number')
  outbox = (): Promise<OutboxRow[]> => this.db.read((tx) => tx.all<OutboxRow>('outbox'))
  sent = (): Promise<SentRow[]> => this.db.read((tx) => tx.all<SentRow>('sent'))
  media = (): Promise<MediaRow[]> => this.db.read((tx) => tx.all<MediaRow>('media'))
  blob = (sha256: string): Promise<Blob | undefined> => this.db.read((tx) => tx.get<Blob>('blobs', sha256))

  mediaOf(kind: string, id: string): Promise<MediaRow[]> {
    return this.db.read((tx) => tx.all<MediaRow>('media', `${kind}/${id}`, 'of'))
  }

  async evidenceOf(caseId: string): Promise<EvidenceRecord[]> {
    const all = (await this.records('evidence')).map(({ id, data }) => ({ ...(data as EvidenceRecord), id }))
    return all.filter(({ links }) => links.some(({ target_kind, target_id }) => target_kind === 'case' && target_id === caseId))
  }

  async timeline(caseId: string): Promise<SeenTimeline | null> {
    return (await this.meta<Record<string, SeenTimeline>>('timelines'))?.[caseId] ?? null
  }

  async keepTimeline(caseId: string, seen: SeenTimeline): Promise<void> {
    await this.db.write(async (tx) => {
      const all = Object.entries((await tx.get<Record<string, SeenTimeline>>('meta', 'timelines')) ?? {})
      const others = all.filter(([id]) => id !== caseId).sort(([, a], [, b]) => b.at - a.at)
      await tx.put('meta', Object.fromEntries([[caseId, seen], ...others.slice(0, TIMELINES - 1)]), 'timelines')
    })
  }

  /** The oldest photo that waits for its upload; a clip when neither a record nor a photo waits any more. */
  async nextMedia(skip: Set<string>): Promise<MediaRow | null> {
    const { waiting, records } = await this.db.read(async (tx) => ({
      waiting: await tx.all<MediaRow>('media', 'waiting', 'state'), records: await tx.count('outbox'),
    }))
    const photos = waiting.filter((row) => !isClip(row))
    const turn = photos.length > 0 ? photos : records > 0 ? [] : waiting
    const rows = turn.filter(({ sha256 }) => !skip.has(sha256))
    return rows.sort((a, b) => (a.added_at < b.added_at ? -1 : 1))[0] ?? null
  }

  changeMedia(sha256: string, change: Partial<Pick<MediaRow, 'state' | 'upload_url' | 'reason'>>): Promise<void> {
    return this.write(async (tx) => {
      const row = await tx.get<MediaRow>('media', sha256)
      const stored_at = new Date(await serverNow(tx)).toISOString()
      if (row !== undefined) await tx.put('media', { ...row, ...change, ...(change.state === 'stored' ? { stored_at } : {}) })
      await sweep(tx)
    })
  }

  capturesWaiting(limit?: number): Promise<CaptureRow[]> {
    return this.db.read((tx) => tx.all<CaptureRow>('captures', '', 'answered_at', limit))
  }

  /** Keeps that the server has these records, and the newest checkpoint of its log. */
  async capturesAnswered(hashes: string[], at: string, beacon: Beacon | null): Promise<void> {
    await this.db.write(async (tx) => {
      for (const row of await tx.all<CaptureRow>('captures', '', 'answered_at')) {
        if (hashes.includes(row.sha256)) await tx.put('captures', { ...row, answered_at: at })
      }
      if (beacon !== null) await tx.put('meta', beacon, 'beacon')
    })
  }

  draft<T>(name: string): Promise<T | null> {
    return this.db.read(async (tx) => (await tx.get<T>('drafts', name)) ?? null)
  }

  /** Durable when the promise is fulfilled: a photo counts as taken from then on. */
  setDraft(name: string, draft: unknown): Promise<unknown> {
    return this.durable((tx) => (draft === null ? tx.delete('drafts', name) : tx.put('drafts', draft, name)))
  }

  // ----- Keep: what the engine needs

  async device(): Promise<{ device: string; epoch: number }> {
    const identity = await this.identity()
    if (identity === null) throw new Error('not enrolled')
    return identity
  }

  generation = (): Promise<string | null> => this.meta('generation')
  offset = (): Promise<ClockOffset | null> => this.meta('offset')
  place = (): Promise<Place | null> => this.meta('place')
  digestCheck = (): Promise<DigestCheck | null> => this.meta('digest_check')

  async setOffset(offset: ClockOffset): Promise<void> {
    await this.setMeta('offset', offset)
  }

  async setDigestCheck(check: DigestCheck): Promise<void> {
    await this.setMeta('digest_check', check)
  }

  async waiting(limit: number): Promise<Queued[]> {
    const rows = await this.db.read((tx) => tx.all<OutboxRow>('outbox', null, undefined, limit))
    return rows.map(({ op_id, raw }) => ({ op_id, raw }))
  }

  outboxSummary(): Promise<OutboxSummary> {
    return this.db.read(async (tx) => {
      const rows = await tx.all<OutboxRow>('outbox')
      const high_seq = ((await tx.get<number>('meta', 'next_seq')) ?? 1) - 1
      const oldest = rows.map((row) => row.made_at).sort()[0]
      return { depth: rows.length, ...(oldest === undefined ? {} : { oldest }), high_seq }
    })
  }

  mediaWaiting(): Promise<number> {
    return this.db.read((tx) => tx.count('media', 'waiting', 'state'))
  }

  beginAttempt(): Promise<Attempt> {
    return this.durable(async (tx) => {
      const identity = await tx.get<Identity>('meta', 'identity')
      if (identity === undefined) throw new Error('not enrolled')
      const number = ((await tx.get<number>('meta', 'attempt')) ?? 0) + 1
      await tx.put('meta', number, 'attempt')
      return {
        device: identity.device,
        epoch: identity.epoch,
        number,
        push_token: (await tx.get<string>('meta', 'push_token')) ?? null,
        generation: (await tx.get<string>('meta', 'generation')) ?? null,
      }
    })
  }

  acknowledge(attempt: Attempt, batch: Queued[], response: PushResponse, now: number): Promise<boolean> {
    return this.write(async (tx) => {
      const identity = await tx.get<Identity>('meta', 'identity')
      const newest = await tx.get<number>('meta', 'attempt')
      const mine = identity?.device === attempt.device && identity.epoch === attempt.epoch && newest === attempt.number
      if (!mine || (await live(tx, attempt.generation, response.generation)) === 'over') return false
      await tx.put('meta', response.push_token, 'push_token')
      await tx.put('meta', measured(now, response.server_time), 'offset')
      for (const [index, result] of response.results.entries()) {
        // An operation whose bytes the server could not read has no id there: its place tells.
        const opId = result.op_id ?? batch[index]?.op_id
        if (opId !== undefined && batch.some(({ op_id }) => op_id === opId)) {
          await settle(tx, opId, result, response.server_time)
        }
      }
      await doubt(tx, attempt.epoch, response.missing_seqs)
      await sweep(tx)
      return true
    })
  }

  acknowledgeRaw(opId: string, now: number): Promise<void> {
    const result: OpResult = { op_id: opId, status: 'quarantined', code: 'op_malformed' }
    return this.write(async (tx) => {
      const offset = (await tx.get<ClockOffset>('meta', 'offset'))?.offset_ms ?? 0
      await settle(tx, opId, result, new Date(now - offset).toISOString())
      await sweep(tx)
    })
  }

  beginEpoch(old: number, asked: string | null, response: EpochResponse, now: number): Promise<boolean> {
    return this.write(async (tx) => {
      const identity = await tx.get<Identity>('meta', 'identity')
      if (identity?.epoch !== old || (await live(tx, asked, response.generation)) === 'over') return false
      await tx.put('meta', measured(now, response.server_time), 'offset')
      await enter(tx, { ...identity, epoch: response.epoch }, response.push_token)
      return true
    })
  }

  live(asked: string | null, said: string): Promise<Life> {
    return this.write((tx) => live(tx, asked, said))
  }

  apply(page: Changes, now: number): Promise<boolean> {
    return this.write((tx) => applyPage(tx, page, now))
  }

  async snapshotBegin(): Promise<void> {
    await this.db.write((tx) => tx.clear('shadow'))
  }

  snapshotPage(page: Snapshot): Promise<void> {
    return this.db.write((tx) => keepPage(tx, page))
  }

  snapshotFinish(last: Snapshot, extent: Extent, now: number): Promise<void> {
    return this.write((tx) => finishSnapshot(tx, last, extent, now))
  }

  async digests(keys: string[]): Promise<Record<string, string>> {
    // Read first, hashed afterwards: an open transaction would not survive the wait for a hash.
    const rows = await this.db.read((tx) => tx.all<BaseRow>('base', 0, 'gone'))
    return digestsOf(rows, keys)
  }

  wipe(): Promise<void> {
    return this.write(async (tx) => {
      await tx.delete('meta', 'place')
      await tx.delete('meta', 'timelines')
      await tx.delete('meta', 'visits')
      await tx.delete('meta', 'clips')
      await dropThumbnails(tx)
      await tx.clear('base')
      await tx.clear('shadow')
    })
  }

  forget(before: string): Promise<void> {
    return this.write(async (tx) => {
      const seen = (await tx.get<Place>('meta', 'place'))?.seq ?? 0
      for (const row of await tx.all<SentRow>('sent')) {
        const old = Date.parse(row.answered_at) < Date.parse(before) && SETTLED.includes(row.status)
        if (old && (row.result.result_seq ?? 0) <= seen) await tx.delete('sent', row.op_id)
      }
      for (const row of await tx.all<CaptureRow>('captures')) {
        const old = row.answered_at !== '' && Date.parse(row.answered_at) < Date.parse(before)
        if (old && row.place !== undefined) await tx.delete('captures', row.place)
      }
      const photos = (await serverNow(tx)) - PHOTOS_FOR_MS
      for (const { sha256, stored_at, added_at } of await tx.all<MediaRow>('media', 'stored', 'state')) {
        const stored = Date.parse(stored_at ?? added_at)
        const old = stored < Date.parse(before)
        if (old) await tx.delete('media', sha256)
        if (old || stored < photos) await tx.delete('blobs', sha256)
      }
    })
  }
}

const byPlace = (a: { place: number }, b: { place: number }): number => a.place - b.place

/** The server's time as well as it is known, milliseconds since 1970. */
async function serverNow(tx: Tx): Promise<number> {
  return Date.now() - ((await tx.get<ClockOffset>('meta', 'offset'))?.offset_ms ?? 0)
}

/** The next number of a counter. */
async function next(tx: Tx, name: string): Promise<number> {
  const number = (await tx.get<number>('meta', name)) ?? 1
  await tx.put('meta', number + 1, name)
  return number
}
