import { describe, expect, it } from 'vitest'
import type { DrawPick, Site } from '../lib/spotchecks'
import { phrasesOf, scoreOf, sealOf, stepped, visitsNow, wayTo } from './spots'
import type { Finding, Recorded } from './spots'
import type { Visits } from './sync/visits'
import type { Op, Status } from './sync/wire'

const site = (code: string): Site => ({
  id: `id-${code}`, unit_id: 'u', code, kind: 'market', name: `点位${code}`, address: null, lat: 27.44, lon: 109.94, geometry: null,
  active_from: null, struck_at: null, strike_reason: null, ver: 1,
})
const pick = (slot: number, code: string, more: Partial<DrawPick> = {}): DrawPick => ({
  id: `pick-${slot}`, unit_id: 'u', slot, turn: 0, recheck: false, kind: 'market', site_id: `id-${code}`, site_code: code,
  site_name: `点位${code}`, team: 'T1', day: '2026-11-26', band: '09:00-11:30', visit_order: 10 - slot, state: 'open', check_id: null,
  substitutes: ['r1', 'r2', 'r3'], ...more,
})
const kept = (picks: DrawPick[]): Visits => ({
  at: 0, week: '2026-W48', day: '2026-11-26', ticket: null, picks, units: { u: '县公安局' }, checklist: null, fence_m: 60,
  sites: ['a', 'b', 'r1', 'r2', 'r3'].map(site),
})
const recorded = (slot: number, code: string, unreachable?: string, status: Status | null = null): Recorded => ({
  op: { args: { pick_id: `pick-${slot}`, site_id: `id-${code}`, ...(unreachable ? { unreachable } : {}) } } as unknown as Op,
  result: status === null ? null : { op_id: 'o', status },
})
const stand = (picks: DrawPick[], all: Recorded[]) =>
  visitsNow(kept(picks), all).map(({ slot, site_code, state }) => `${slot} ${site_code} ${state}`)

describe('the visits of the day', () => {
  it('stand in the order of the way, and what was recorded here is done at once', () => {
    expect(stand([pick(1, 'a'), pick(2, 'b')], [])).toEqual(['2 b open', '1 a open'])
    expect(stand([pick(1, 'a'), pick(2, 'b')], [recorded(1, 'a')])).toEqual(['2 b open', '1 a visited'])
    expect(stand([pick(1, 'a')], [recorded(1, 'a', undefined, 'rejected')])).toEqual(['1 a open'])
  })

  it('those of the morning come before those of the afternoon', () => {
    expect(stand([pick(1, 'a', { band: '14:30-17:00' }), pick(2, 'b', { visit_order: 11 })], [])[0]).toBe('2 b open')
  })

  it('a site that can’t be reached gives way to the next of the order that stood in for none of the unit', () => {
    const picks = [pick(1, 'a'), pick(2, 'b')]
    const closed = [recorded(1, 'a', '封路'), recorded(1, 'r1', '上锁'), recorded(2, 'b', '封路')]
    expect(stand(picks, closed.slice(0, 1))).toEqual(['2 b open', '1 r1 open'])
    expect(stand(picks, closed)).toEqual(['2 r3 open', '1 r2 open'])
    expect(stand([pick(1, 'a', { substitutes: [] })], [recorded(1, 'a', '封路')])).toEqual(['1 a unreachable'])
  })

  it('what the server says of a turn is not done a second time', () => {
    const turns = [pick(1, 'a', { state: 'unreachable', substitutes: [] }), pick(1, 'r1', { id: 'pick-1b', turn: 1, substitutes: ['r2', 'r3'] })]
    const mine = [recorded(1, 'a', '封路', 'applied')]
    expect(stand(turns, mine)).toEqual(['1 r1 open'])
    // Recorded offline, under the visit that was known then.
    expect(stand(turns, [...mine, recorded(1, 'r1')])).toEqual(['1 r1 visited'])
    expect(visitsNow(kept(turns), mine)[0]).toMatchObject({ id: 'pick-1', pick_id: 'pick-1b', stands_in: true })
  })

  it('a second visit is a visit like any other', () => {
    expect(stand([pick(3, 'a', { recheck: true, substitutes: [] })], [])).toEqual(['3 a open'])
  })
})

describe('the way to a site', () => {
  it('the accuracy of the fix counts for whoever stands there', () => {
    const from = (accuracy_m: number, fence = 60) => wayTo(site('a'), { lat: 27.43933, lon: 109.94, datum: 'wgs84', accuracy_m }, fence)
    expect(from(6)).toMatchObject({ bearing: 0, inside: false })
    expect(from(20)?.inside).toBe(true)
    expect(from(6, 80)?.inside).toBe(true)
    expect(wayTo(site('a'), null, 60)).toBeNull()
    expect(wayTo({ ...site('a'), lat: null }, { lat: 1, lon: 1, datum: 'wgs84' }, 60)).toBeNull()
    expect(Math.round(wayTo(site('a'), { lat: 27.44, lon: 109.95, datum: 'wgs84' }, 60)?.bearing ?? 0)).toBe(270)
  })
})

describe('the checklist', () => {
  const item = (code: string, points: number, step: number) => ({ code, name: code, rule: '', points, step })
  const items = [item('6.1', 30_000, 3_000), item('6.2', 30_000, 4_000), item('6.3', 20_000, 10_000), item('6.4', 20_000, 5_000)]
  const found = (...of: [Finding['finding'], number][]) =>
    Object.fromEntries(items.map(({ code }, at) => [code, { finding: of[at]?.[0] ?? 'pass', deduction: of[at]?.[1] ?? 0, text: '' }]))

  it('scores as the server does: what does not apply leaves the denominator', () => {
    expect(scoreOf(items, found())).toBe(100_000)
    expect(scoreOf(items, found(['deduct', 3_000]))).toBe(97_000)
    expect(scoreOf(items, found(['deduct', 3_000], ['pass', 0], ['not_applicable', 0]))).toBe(96_250)
    expect(scoreOf(items, found(['not_applicable', 0], ['not_applicable', 0], ['not_applicable', 0], ['not_applicable', 0]))).toBeNull()
  })

  it('deducts by the step, up to all points', () => {
    const [, uneven] = items as [never, (typeof items)[number]]
    const up = [4_000, 28_000, 30_000].map((deduction) => stepped(uneven, deduction, true))
    expect(up).toEqual([8_000, 30_000, 30_000])
    expect([30_000, 8_000, 4_000].map((deduction) => stepped(uneven, deduction, false))).toEqual([28_000, 4_000, 4_000])
  })

  it('offers the words of the rule', () => {
    expect(phrasesOf('果皮箱、垃圾桶满溢、破损、脏污，每个扣 2 分')).toEqual(['果皮箱', '垃圾桶满溢', '破损', '脏污'])
  })
})

it('the seal is the hash of the canonical record, whatever the order of its members', async () => {
  const seal = await sealOf('x', { week: '2026-W48', site_id: 's' })
  expect(seal).toBe(await sealOf('x', { site_id: 's', items: [], week: '2026-W48' }))
  expect(seal).toHaveLength(64)
})
