import { describe, expect, it } from 'vitest'
import { deadline, duration, localTime } from './time'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NOW = Date.parse('2026-11-22T09:05:00Z')

describe('a time', () => {
  it.each([
    ['2026-11-22T09:05:59.123Z', '2026-11-22 17:05'],
    ['2026-12-31T16:00:00Z', '2027-01-01 00:00'],
    ['2026-11-22T17:05:00+08:00', '2026-11-22 17:05'],
  ])('%s is shown in Shanghai as %s', (at, shown) => expect(localTime(at)).toBe(shown))

  it('that is not there is a dash, and one that cannot be read is shown as it came', () => {
    expect(localTime(null)).toBe('—')
    expect(localTime('next Tuesday')).toBe('next Tuesday')
  })
})

describe('a duration', () => {
  it.each([
    [0, '不到 1 分'],
    [20 * MINUTE, '20 分'],
    [3 * HOUR + 20 * MINUTE, '3 时 20 分'],
    [3 * HOUR, '3 时'],
    [2 * DAY + 3 * HOUR + 59 * MINUTE, '2 天 3 时'],
    [2 * DAY, '2 天'],
  ])('of %i ms is said as %s', (length, said) => expect(duration(length)).toBe(said))
})

describe('a deadline', () => {
  const subject = (change: object) => ({
    due_at: '2026-11-22T12:25:00Z',
    overdue: false,
    state: 'dispatched',
    ...change,
  })

  it('says how much time is left', () => {
    expect(deadline(subject({ due_at: '2026-11-24T12:05:00Z' }), NOW)).toEqual({ text: '剩 2 天 3 时', tone: 'calm' })
  })

  it('is marked in its last four hours', () => {
    expect(deadline(subject({}), NOW)).toEqual({ text: '剩 3 时 20 分', tone: 'soon' })
  })

  it('says by how much it was missed', () => {
    const late = subject({ overdue: true, due_at: '2026-11-20T07:05:00Z' })
    expect(deadline(late, NOW)).toEqual({ text: '已超期 2 天 2 时', tone: 'overdue' })
  })

  it('is overdue by the word of the server even if the clock here is behind', () => {
    expect(deadline(subject({ overdue: true }), NOW)).toEqual({ text: '已超期', tone: 'overdue' })
  })

  it('that passed while the page was open is not called overdue before the server says so', () => {
    expect(deadline(subject({ due_at: '2026-11-22T09:00:00Z' }), NOW)).toEqual({ text: '已到时限', tone: 'soon' })
  })

  it('no longer matters when the case ended in time', () => {
    expect(deadline(subject({ state: 'closed', due_at: '2026-11-20T00:00:00Z' }), NOW).tone).toBe('none')
  })

  it('that was missed stays visible after the case is closed', () => {
    const closed = subject({ overdue: true, state: 'closed' })
    expect(deadline(closed, NOW)).toEqual({ text: '超期办结', tone: 'overdue' })
  })

  it('that nobody set is left blank', () => {
    expect(deadline(subject({ due_at: null }), NOW)).toEqual({ text: '', tone: 'none' })
  })
})
