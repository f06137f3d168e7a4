import { describe, expect, it } from 'vitest'
import { deedsOf, matching, within } from './history'
import type { OutboxRow, SentRow } from './sync/store'
import type { CaseView } from './sync/view'

const NOW = Date.parse('2026-11-26T18:00:00Z')
const one = { id: 'c1', number: '4312212026', title: '井盖破损', address: '人民路', state: 'dispatched' } as CaseView

function row(place: number, at: string, args: object, target_id = 'c1', actor = 'me', type = 'case.note'): OutboxRow {
  const target_kind = type.split('.')[0] === 'spot_check' ? 'spot_check' : 'case'
  const raw = JSON.stringify({ op_id: `o${place}`, type, actor, occurred_at: at, target: { kind: target_kind, id: target_id }, args })
  return { place, epoch: 1, seq: place, op_id: `o${place}`, chains: true, target_kind, target_id, made_at: at, raw }
}
const answered = (of: OutboxRow, status: string): SentRow =>
  ({ ...of, answered_at: of.made_at, status, result: { op_id: of.op_id, status, code: 'stage_forbids' } }) as SentRow

// 02:00 of the 27th in the county: the 26th in UTC is over there.
const ROWS = [
  row(4, '2026-11-26T17:00:00Z', { text: '今天' }),
  answered(row(1, '2026-11-10T01:00:00Z', { title: '占道' }, 'gone', 'me', 'case.report'), 'applied'),
  answered(row(3, '2026-11-26T15:59:00Z', { text: '昨天' }, 'gone'), 'rejected'),
  row(2, '2026-11-25T01:00:00Z', { site_id: 's1' }, 'k', 'me', 'spot_check.record'),
  row(5, '2026-11-26T17:30:00Z', { text: '别人的' }, 'c1', 'other'),
]
const deeds = deedsOf(ROWS, [one], new Map([['s1', '农贸市场']]), 'me')

describe('what a person did', () => {
  it('is theirs alone, the newest first, with the case as it is now', () => {
    expect(deeds.map(({ op_id }) => op_id)).toEqual(['o4', 'o3', 'o2', 'o1'])
    expect([deeds[0]?.title, deeds[0]?.case?.number, deeds[0]?.result]).toEqual(['井盖破损', '4312212026', null])
    expect(deeds[1]?.result?.code).toBe('stage_forbids')
  })

  it('has a name when its case is gone, or is none', () => {
    expect(deeds.map(({ title }) => title)).toEqual(['井盖破损', '占道', '农贸市场', '占道'])
    expect([deeds[1]?.case, deeds[2]?.ofCase]).toEqual([null, false])
  })

  it('is of today by the day of the county, or of seven days', () => {
    expect(within(deeds, 'today', NOW).map(({ op_id }) => op_id)).toEqual(['o4'])
    expect(within(deeds, 'week', NOW).map(({ op_id }) => op_id)).toEqual(['o4', 'o3', 'o2'])
    expect(within(deeds, 'all', NOW)).toHaveLength(4)
  })

  it('is found by title, number and address', () => {
    const found = (words: string) => matching(deeds, words).map(({ op_id }) => op_id)
    expect(found('占道')).toEqual(['o3', 'o1'])
    expect(found(' 43122120 ')).toEqual(['o4'])
    expect(found('人民路')).toEqual(['o4'])
    expect(found('')).toHaveLength(4)
    expect(found('无此')).toEqual([])
  })
})
