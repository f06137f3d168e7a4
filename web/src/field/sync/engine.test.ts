// The engine on its store, against answers made by hand: every way the road can break. After src/client/engine/tests.rs.

import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '../../lib/capture'
import { openDb } from './db'
import { freshKey } from './device'
import { type Ask, Engine, type Moment, type Step, type Want } from './engine'
import type { Heard } from './rules'
import { Store } from './store'
import type { Change, Op, OpResult, Status } from './wire'

type PushAsk = Extract<Ask, { t: 'push' }>

const PUSH: Want = { t: 'push' }
const PULL: Want = { t: 'pull', waitS: 0 }
const TIME = '2026-11-23T01:00:00.000Z'
const AT: Moment = { now: Date.parse(TIME), monoMs: 5, boot: 'b', dice: 0 }
const problem = (status: number, code: string): Heard => ({
  t: 'problem', status, code, detail: null, retryAfterMs: null, date: null,
})

let stores = 0
let store: Store
let engine: Engine

beforeEach(async () => {
  store = new Store(await openDb(`engine-${stores++}`))
  await store.db.write((tx) => tx.put('meta', { device: 'd', name: 'h', kind: 'handheld', epoch: 1 }, 'identity'))
  engine = switchedOn()
})

const switchedOn = (): Engine => new Engine(store, { app: 'test/1', storagePersisted: () => true })

async function note(op_id: string, caseId = 'c'): Promise<Op> {
  return store.save({
    op_id, type: 'case.note', target: { kind: 'case', id: caseId }, actor: 'u', session: 's', occurred_at: TIME,
    mono_ms: 1, boot: 'b', args: { text: op_id }, files: [],
  })
}

async function asked(want: Want): Promise<Ask> {
  const next = await engine.next(want, AT)
  if (next.t !== 'ask') throw new Error(next.t)
  return next.ask
}

async function step(want: Want, heard: Heard): Promise<Step> {
  return engine.heard(await asked(want), heard, AT)
}

const result = (op_id: string, status: Status, more: Partial<OpResult> = {}): OpResult => ({ op_id, status, ...more })

function answer(results: OpResult[], more: { generation?: string; missing?: number[] } = {}): Heard {
  const { generation = 'g', missing = [] } = more
  return {
    t: 'push',
    response: {
      generation, server_time: TIME, push_token: 't', results, unprocessed_from: null, retry_after_ms: 0, missing_seqs: missing,
    },
  }
}

const upsert = (id: string, ver: number, keys = ['user:a']): Change => ({ seq: 1, t: 'upsert', kind: 'case', id, ver, keys, data: { id } })

const snapshot = (items: Change[], generation = 'g'): Heard => ({
  t: 'snapshot',
  page: { generation, server_time: TIME, cursor: 'c1', seq: 10, scope: ['user:a'], of: ['user:a'], items },
})

const changes = (prev: string, next: string, list: Change[], digest?: Record<string, string>): Heard => ({
  t: 'changes',
  page: { generation: 'g', server_time: TIME, prev, next, seq: 20, has_more: false, changes: list, floor: 0, next_poll_s: 60, ...(digest ? { digest } : {}) },
})

const waiting = async (): Promise<string[]> => (await store.waiting(300)).map(({ op_id }) => op_id)
const statuses = async () => Object.fromEntries((await store.sent()).map(({ op_id, status }) => [op_id, status]))

describe('sending', () => {
  it('whatever the result is, the operation leaves the outbox and its word is kept', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await note(id)
    const results = [
      result('a', 'applied', { result_seq: 3 }), result('b', 'held', { code: 'dependency_missing' }),
      result('c', 'conflict', { code: 'stage_moved' }), result('d', 'quarantined'), result('e', 'rejected'),
    ]
    expect(await step(PUSH, answer(results))).toEqual({ t: 'moved' })
    expect(await waiting()).toEqual([])
    expect(await statuses()).toEqual({ a: 'applied', b: 'held', c: 'conflict', d: 'quarantined', e: 'rejected' })
    // What is not terminal, or the feed has not shown yet, lies on top of the records.
    expect((await store.unseen()).map(({ op }) => op.op_id)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('an answer that is lost is asked for again with the same bytes and the next attempt', async () => {
    await note('a')
    const first = (await asked(PUSH)) as PushAsk
    expect((await engine.heard(first, { t: 'nothing' }, AT)).t).toBe('wait')
    const again = (await asked(PUSH)) as PushAsk
    expect([first.attempt.number, again.attempt.number]).toEqual([1, 2])
    expect(again.batch).toEqual(first.batch)
    // It comes after all: it counts for the question that is open no more.
    await engine.heard(first, answer([result('a', 'applied')]), AT)
    expect(await waiting()).toEqual(['a'])
    // So also after a restart: the attempt was kept before it was sent.
    engine = switchedOn()
    expect(((await asked(PUSH)) as PushAsk).attempt.number).toBe(3)
  })

  it('a store that is a copy begins a new epoch and keeps what waits', async () => {
    await note('a')
    expect(await step(PUSH, problem(409, 'epoch_stale'))).toEqual({ t: 'moved' })
    const ask = await asked(PUSH)
    expect(ask).toMatchObject({ t: 'epoch', epoch: 1, reason: 'copied' })
    const response = { epoch: 2, push_token: 'p2', generation: 'g', server_time: TIME }
    expect(await engine.heard(ask, { t: 'epoch', response }, AT)).toEqual({ t: 'moved' })
    const push = (await asked(PUSH)) as PushAsk
    expect(push.attempt).toMatchObject({ epoch: 2, number: 1, push_token: 'p2' })
    expect(JSON.parse(push.batch[0]?.raw ?? '')).toMatchObject({ op_id: 'a', seq: 1, was: { epoch: 1, seq: 1 } })
  })

  it('a server that was restored from a backup gets what it had answered once more', async () => {
    await note('a')
    await step(PUSH, answer([result('a', 'applied', { result_seq: 3 })]))
    await note('b')
    await step(PUSH, answer([result('b', 'applied')], { generation: 'g2' }))
    expect([await waiting(), await store.generation(), await store.place()]).toEqual([['a'], 'g2', null])
  })

  it('what the server misses under its number comes again, what it had before does not', async () => {
    await note('a')
    await note('b')
    await step(PUSH, answer([result('a', 'applied'), result('b', 'applied', { duplicate: true })]))
    await note('c')
    await step(PUSH, answer([result('c', 'applied')], { missing: [1, 2] }))
    expect(await waiting()).toEqual(['a'])
  })

  it('an operation that breaks the server goes as bytes, and the others go on', async () => {
    await note('a')
    await note('b')
    for (let tries = 0; tries < 4; tries += 1) await step(PUSH, problem(500, 'internal'))
    // Nothing is blamed on it before an empty push was taken.
    const empty = (await asked(PUSH)) as PushAsk
    expect(empty.batch).toEqual([])
    await engine.heard(empty, answer([]), AT)
    const raw = await asked(PUSH)
    if (raw.t !== 'raw') throw new Error(raw.t)
    const stored = { status: 'quarantined', sha256: await sha256(raw.op.raw) } as const
    expect(await engine.heard(raw, { t: 'raw', response: stored }, AT)).toEqual({ t: 'moved' })
    expect([await waiting(), await statuses()]).toEqual([['b'], { a: 'quarantined' }])
  })

  it('the page of a captive portal stops and loses nothing', async () => {
    await note('a')
    expect((await step(PUSH, { t: 'strange', what: 'HTTP 200' })).t).toBe('stopped')
    expect(await waiting()).toEqual(['a'])
  })

  it('a device that the server does not know is to be enrolled anew', async () => {
    await note('a')
    expect(await step(PUSH, problem(401, 'device_unknown'))).toEqual({ t: 'stopped', need: { t: 'enrol' } })
    expect(await waiting()).toEqual(['a'])
  })
})

describe('reading', () => {
  beforeEach(async () => {
    await step(PULL, snapshot([upsert('x', 1), upsert('y', 1)]))
  })

  it('a snapshot is followed by the feed, and a page that does not continue it is ignored', async () => {
    expect(await asked(PULL)).toMatchObject({ t: 'changes', cursor: 'c1', digest: true })
    expect((await step(PULL, changes('other', 'c2', [upsert('z', 1)]))).t).toBe('wait')
    expect((await store.records('case')).map(({ id }) => id)).toEqual(['x', 'y'])
    await step(PULL, changes('c1', 'c2', [upsert('z', 1), { seq: 2, t: 'leave', kind: 'case', id: 'x' }]))
    expect((await store.records('case')).map(({ id }) => id)).toEqual(['y', 'z'])
    expect(await store.place()).toEqual({ generation: 'g', cursor: 'c2', seq: 20 })
  })

  it('a record with unsent work that leaves is out of sight, and gone when the work is settled', async () => {
    await note('a', 'x')
    await step(PULL, changes('c1', 'c2', [{ seq: 2, t: 'leave', kind: 'case', id: 'x' }]))
    const there = () => store.db.read((tx) => tx.get('base', ['case', 'x']))
    expect(await there()).toMatchObject({ gone: 1 })
    await step(PUSH, answer([result('a', 'applied')]))
    expect(await there()).toBeUndefined()
  })

  it('digests that differ are read anew key by key, and the third time everything is', async () => {
    const differ = { 'user:a': '0000000000000000' }
    const part = snapshot([upsert('x', 1), upsert('y', 1)])
    for (const since of ['c2', 'c2', null]) {
      await store.setMeta('place', { generation: 'g', cursor: 'c1', seq: 10 })
      const ask = await asked(PULL)
      await engine.heard(ask, changes('c1', 'c2', [], differ), AT)
      expect(await store.digestCheck()).toMatchObject({ matched: false })
      expect(await asked(PULL)).toMatchObject({ t: 'snapshot', since, keys: since === null ? [] : ['user:a'] })
      await engine.heard(await asked(PULL), part, AT)
    }
  })

  it('digests that agree are said so', async () => {
    const digest = await store.digests(['user:a'])
    expect(await step(PULL, changes('c1', 'c2', [], digest))).toEqual({ t: 'idle' })
    expect(await store.digestCheck()).toMatchObject({ matched: true })
  })

  it('what is not settled is asked for again after a snapshot, which may have gone past the word about it', async () => {
    await note('a')
    await note('b')
    await note('c')
    await step(PUSH, answer([
      result('a', 'held', { code: 'reauth' }), result('b', 'held', { code: 'reauth', duplicate: true }),
      result('c', 'applied', { result_seq: 5 }),
    ]))
    await step(PULL, problem(409, 'scope_changed'))
    await step(PULL, snapshot([upsert('x', 1)]))
    expect(await waiting()).toEqual(['a', 'b'])
    const words = ['a', 'b'].map((id) => result(id, 'applied', { duplicate: true, result_seq: 9 }))
    await step(PUSH, answer(words))
    expect([await statuses(), await store.unseen()]).toEqual([{ a: 'applied', b: 'applied', c: 'applied' }, []])
    // The server had the first under its own number, and still would have to miss it.
    await note('d')
    await step(PUSH, answer([result('d', 'applied')], { missing: [1, 2] }))
    expect(await waiting()).toEqual(['a'])
  })

  it('a later word about an operation comes with the feed', async () => {
    await note('a')
    await step(PUSH, answer([result('a', 'conflict', { code: 'stage_moved' })]))
    const word = result('a', 'applied', { resolved_by: 'u2', result_seq: 15 })
    await step(PULL, changes('c1', 'c2', [{ seq: 15, t: 'op_result', kind: 'op', id: 'a', data: word }]))
    expect([await statuses(), await store.unseen()]).toEqual([{ a: 'applied' }, []])
  })

  it('a cursor that is of no use asks for a whole snapshot and keeps the outbox', async () => {
    await note('a')
    await step(PULL, problem(410, 'cursor_expired'))
    expect(await asked(PULL)).toMatchObject({ t: 'snapshot', since: null })
    expect(await waiting()).toEqual(['a'])
  })

  it('another person on the device reads what their keys show', async () => {
    await step(PULL, problem(409, 'scope_changed'))
    expect(await asked(PULL)).toMatchObject({ t: 'snapshot', since: 'c1', keys: [] })
  })

  it('a token that is over is renewed; when that is refused the person signs in and sending goes on', async () => {
    await note('a')
    expect(await step(PULL, problem(401, 'token_expired'))).toEqual({ t: 'moved' })
    const refresh = await asked(PULL)
    expect(refresh).toEqual({ t: 'refresh' })
    expect(await engine.heard(refresh, problem(401, 'session_ended'), AT)).toEqual({ t: 'stopped', need: { t: 'sign_in' } })
    await step(PUSH, answer([result('a', 'applied')]))
    expect(await waiting()).toEqual([])
  })

  it('a device that was revoked keeps its outbox and nothing that it read', async () => {
    await note('a')
    expect(await step(PULL, problem(403, 'device_revoked'))).toEqual({ t: 'stopped', need: { t: 'enrol' } })
    expect([await store.records('case'), await store.place(), await waiting()]).toEqual([[], null, ['a']])
  })

  it('a box on the way that forbids reading says nothing of the person', async () => {
    for (const status of [401, 403]) expect(await step(PULL, problem(status, ''))).toMatchObject({ t: 'stopped', need: { t: 'look' } })
    await step(PULL, problem(401, 'token_expired'))
    expect((await engine.heard(await asked(PULL), problem(403, ''), AT)).t).toBe('wait')
  })
})

describe('an operation that goes as bytes', () => {
  it('is not held back by what a box on the way says', async () => {
    await note('a')
    expect((await step(PUSH, problem(413, 'body_too_large'))).t).toBe('moved')
    expect(await step(PUSH, problem(403, ''))).toMatchObject({ t: 'stopped' })
    expect(await asked(PUSH)).toMatchObject({ t: 'raw' })
  })
})

describe('a device that was enrolled anew', () => {
  it('does not take numbers that are missing for those of the device before', async () => {
    await note('old')
    await step(PUSH, answer([result('old', 'applied')]))
    await store.enrolled({ device: 'd2', name: 'h', kind: 'handheld', epoch: 1 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
    await note('x')
    await note('y')
    await step(PUSH, answer([{ ...result('x', 'applied'), duplicate: true }, result('y', 'applied')], { missing: [1] }))
    expect(await waiting()).toEqual([])
  })
})
