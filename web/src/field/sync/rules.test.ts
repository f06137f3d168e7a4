import { describe, expect, it } from 'vitest'
import { relabel, lifeOf } from './keep'
import { type Heard, PACE, Sender, batch, clockRefused, readPull, readPush, waitMs } from './rules'
import type { BaseRow } from './store'
import { casesOf } from './view'
import type { Op, Was } from './wire'

const problem = (status: number, code = ''): Heard => ({
  t: 'problem', status, code, detail: null, retryAfterMs: 7_000, date: null,
})

describe('the rules of sending', () => {
  it('waits grow to the cap and jitter covers the whole range', () => {
    expect(waitMs(PACE, 1, 1)).toBe(2_000)
    expect(waitMs(PACE, 4, 1)).toBe(16_000)
    expect(waitMs(PACE, 60, 1)).toBe(300_000)
    expect(waitMs(PACE, 9, 0)).toBe(0)
  })

  it('three faults halve the batch down to one operation that then is suspected', () => {
    const sender = new Sender()
    let sent = 200
    let rounds = 0
    for (;;) {
      rounds += 1
      const next = sender.after({ t: 'fault' }, 'head', sent, false, PACE, 0)
      if (next.t === 'suspect') break
      expect(next.t).toBe('wait')
      sent = Math.min(sent, sender.limit)
    }
    // Two patient tries, then 200 → 100 → 50 → 25 → 12 → 6 → 3 → 1.
    expect([rounds, sent]).toEqual([10, 1])
    expect(sender.after({ t: 'fault' }, 'another', 1, false, PACE, 0).t).toBe('wait')
  })

  it('overload waits as long as the server asks and changes no batch', () => {
    const sender = new Sender()
    const next = sender.after(readPush(problem(503)), 'head', 200, false, PACE, 0)
    expect([next, sender.limit]).toEqual([{ t: 'wait', ms: 7_000 }, 200])
  })

  it.each([
    [401, 'device_unknown', 'unknown'],
    [401, 'token_expired', 'clock_wrong'],
    [409, 'epoch_stale', 'epoch_stale'],
    [413, '', 'too_large'],
    [400, 'body_interrupted', 'again'],
    [400, 'body_invalid', 'strange'],
    [422, '', 'garbled'],
    [500, 'internal', 'fault'],
    [404, '', 'strange'],
  ])('the answer %i %s to a push is read as %s', (status, code, read) => {
    expect(readPush(problem(status, code)).t).toBe(read)
  })

  it.each([
    [410, 'cursor_expired', 'whole'],
    [409, 'scope_changed', 'part'],
    [401, 'token_expired', 'refresh'],
    [401, 'session_ended', 'sign_in'],
    [403, 'device_revoked', 'revoked'],
    [503, '', 'again'],
    [426, 'protocol_unsupported', 'strange'],
  ])('the answer %i %s to a read is read as %s', (status, code, read) => {
    expect(readPull(problem(status, code)).t).toBe(read)
  })

  it('a batch holds what fits, and one that is too large goes alone', () => {
    expect(batch([10, 10, 10], 2)).toBe(2)
    expect(batch([2_000_000, 10], 200)).toBe(1)
    expect(batch([600_000, 600_000], 200)).toBe(1)
  })

  it('a wrong clock is corrected once, and a bad token is not blamed on the clock', () => {
    const heard: Heard = { t: 'problem', status: 401, code: 'token_invalid', detail: null, retryAfterMs: null, date: 0 }
    const offset = clockRefused(heard, 7_200_000, null)
    expect(offset?.offset_ms).toBe(7_200_000)
    expect(clockRefused(heard, 7_201_000, offset)).toBeNull()
    expect(clockRefused(problem(401, 'device_unknown'), 7_200_000, null)).toBeNull()
  })
})

describe('labels and lives', () => {
  it('an answer moves only a device that has not moved since it asked', () => {
    const lives = [lifeOf('a', 'a', 'a'), lifeOf(null, null, 'a'), lifeOf('a', 'a', 'b'), lifeOf('a', 'b', 'a'), lifeOf('a', 'b', 'b')]
    expect(lives).toEqual(['same', 'new', 'new', 'over', 'same'])
  })

  it('a label remembers the labels before it, and no more than 32', () => {
    const twice = relabel(relabel('{"seq":7}', 3, { epoch: 1, seq: 7 }), 1, { epoch: 2, seq: 3 })
    expect(JSON.parse(twice)).toEqual({ seq: 1, was: { epoch: 2, seq: 3, was: { epoch: 1, seq: 7 } } })
    let raw = twice
    for (let epoch = 1; epoch < 100; epoch += 1) raw = relabel(raw, 1, { epoch, seq: 1 })
    let count = 0
    for (let was = (JSON.parse(raw) as { was?: Was }).was; was; was = was.was) count += 1
    expect(count).toBe(32)
  })
})

describe('what a person sees', () => {
  const op = (type: string, id: string, args: Record<string, unknown>): Op => ({
    op_id: `${type}-${id}`, seq: 1, type, v: 1, target: { kind: 'case', id }, actor: 'u', session: 's',
    occurred_at: '2026-11-23T01:00:00Z', args,
  })

  it('a report that waits is a case without a number, and a step shows at once', () => {
    const record = { kind: 'case', id: 'a', ver: 1, gone: 0, keys: [], data: { number: '1', title: '井盖', state: 'dispatched', reported_at: '2026-11-22T00:00:00Z' } }
    const unseen = [
      { op: op('case.report', 'b', { title: '路面' }), result: null },
      { op: op('case.handle', 'a', { note: '修好' }), result: null },
    ]
    const views = casesOf([record as unknown as BaseRow], unseen)
    expect(views.map(({ id, number, state, pending }) => [id, number, state, pending.length])).toEqual([
      ['b', null, 'reported', 1],
      ['a', '1', 'handled', 1],
    ])
  })

  it('a step that is in conflict leaves the stage as the server has it', () => {
    const record = { kind: 'case', id: 'a', ver: 1, gone: 0, keys: [], data: { number: '1', title: '井盖', state: 'dispatched', reported_at: '' } }
    const result = { op_id: 'x', status: 'conflict', code: 'stage_moved' } as const
    const [view] = casesOf([record as unknown as BaseRow], [{ op: op('case.handle', 'a', {}), result }])
    expect([view?.state, view?.pending[0]?.result?.code]).toEqual(['dispatched', 'stage_moved'])
  })
})
