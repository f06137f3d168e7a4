import { beforeEach, expect, it } from 'vitest'
import { cases, fix, now, sent, session } from './field'
import type { SentRow } from './sync/store'
import type { CaseView } from './sync/view'
import type { OpResult } from './sync/wire'
import { filter, found, metresTo, order, saidOf, today, troubled, turnOrder } from './taskList'

const TIME = '2026-11-26T02:00:00Z'
const PER_METRE = 1 / 111_320

const answer = (status: OpResult['status']): OpResult => ({ op_id: 'o', status }) as OpResult
const one = (id: string, results: (OpResult | null)[] = [], north: number | null = null): CaseView =>
  ({
    id, title: id, state: 'dispatched', unit_id: 'u', reported_at: TIME, due_at: null, overdue: false, on_hold: false, rework_count: 0,
    position: north === null ? null : { lat: 27 + north * PER_METRE, lon: 110, datum: 'wgs84' },
    pending: results.map((result) => ({ op_id: 'o', type: 'case.note', at: TIME, words: '', result })),
  }) as unknown as CaseView
const row = (id: string, status: OpResult['status'], some: { actor?: string; answered_at?: string } = {}): SentRow =>
  ({ target_id: id, status, result: answer(status), answered_at: some.answered_at ?? TIME, raw: JSON.stringify({ actor: some.actor ?? 'me' }) }) as SentRow
const at = (north: number) => ({ lat: 27 + north * PER_METRE, lon: 110, datum: 'wgs84', accuracy_m: 5, source: 'gps', at: 0 }) as NonNullable<typeof fix.value>
const ids = (): string[] => found.value.map(({ id }) => id)
const count = (name: string): number | undefined => today.value.counters.find((counter) => counter.name === name)?.count

beforeEach(() => {
  session.value = { user: { id: 'me', unit_id: 'u' } } as typeof session.value
  now.value = Date.parse(TIME)
  cases.value = []
  sent.value = []
  fix.value = null
  filter.value = 'all'
  order.value = 'urgent'
})

it('calls what has no answer yet 待传, and nothing that was answered', () => {
  cases.value = [one('waits', [answer('applied'), null]), one('conflict', [answer('conflict')]), one('held', [answer('held')]), one('still')]
  expect(count('待传')).toBe(1)
  filter.value = 'pending'
  expect(ids()).toEqual(['waits'])
})

it('calls 需处理 what is in conflict, set apart or was refused today, of whoever works now', () => {
  cases.value = ['conflict', 'apart', 'refused', 'long ago', 'of another', 'held', 'done'].map((id) => one(id))
  sent.value = [
    row('conflict', 'conflict', { answered_at: '2026-11-20T02:00:00Z' }),
    row('apart', 'quarantined'),
    row('refused', 'rejected'),
    // Nobody decides about it any more, and it was there to be read for a day.
    row('long ago', 'rejected', { answered_at: '2026-11-25T02:00:00Z' }),
    row('of another', 'conflict', { actor: 'them' }),
    row('held', 'held'),
    row('done', 'applied'),
  ]
  expect(troubled.value.map(({ target_id }) => target_id)).toEqual(['conflict', 'apart', 'refused'])
  const said = cases.value.map((each) => saidOf(each)?.word ?? null)
  expect(said).toEqual(['需处理', '需处理', '需处理', null, null, null, null])
  expect(saidOf(cases.value[0] as CaseView)?.tone).toBe('bad')
})

it('says of a case what became of the last thing that was done to it', () => {
  expect(saidOf(one('c', [answer('applied'), null]))).toMatchObject({ word: '等待上传', tone: 'wait' })
  expect(saidOf(one('c'))).toBeNull()
})

it('knows how far a case is when both places are known', () => {
  expect(metresTo(one('c', [], 120))).toBeNull()
  fix.value = at(0)
  expect(metresTo(one('c', [], 120))).toBeCloseTo(120, 3)
  expect(metresTo(one('nowhere'))).toBeNull()
})

it('offers the order by distance only where there is a fix', () => {
  const turns = (): string[] => [1, 2, 3].map(() => {
    turnOrder()
    return order.value
  })
  expect(turns()).toEqual(['newest', 'urgent', 'newest'])
  order.value = 'urgent'
  fix.value = at(0)
  expect(turns()).toEqual(['newest', 'nearest', 'urgent'])
})

it('puts the nearest first, those without a place last, and keeps still while one stands', () => {
  cases.value = [one('far', [], 300), one('nowhere'), one('near', [], -10), one('between', [], 40)]
  fix.value = at(0)
  order.value = 'nearest'
  expect(ids()).toEqual(['near', 'between', 'far', 'nowhere'])
  // A list that jumps while a finger comes down opens another case.
  fix.value = at(25)
  expect(ids()).toEqual(['near', 'between', 'far', 'nowhere'])
  fix.value = at(60)
  expect(ids()).toEqual(['between', 'near', 'far', 'nowhere'])
})
