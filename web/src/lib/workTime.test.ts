// @vitest-environment node
import { expect, it } from 'vitest'
import text from '../../../api-spec/clock-vectors.json?raw'
import { WorkTime, type Limit, type WorkingCalendar } from './workTime'

interface Case {
  start: string
  limit: Limit
  pauses?: { from: string; until?: string }[]
  at: string | null
  beyond_calendar: boolean
  intervals?: { from: string; until: string; why: string; name?: string }[]
}

const vectors = JSON.parse(text) as WorkingCalendar & { cases: Case[] }
const time = new WorkTime(vectors)
const ms = (at: string): number => Date.parse(at)

it('deadlines are those of the vectors, which the server holds to as well', () => {
  expect(vectors.cases.length).toBeGreaterThan(200)
  for (const { start, limit, pauses = [], at, beyond_calendar, intervals } of vectors.cases) {
    const spans = pauses.map(({ from, until }) => ({ from: ms(from), until: until === undefined ? undefined : ms(until) }))
    const due = time.due(ms(start), limit, spans)
    expect({ start, limit, pauses, at: due.at, beyond: due.beyond_calendar }).toEqual({
      start,
      limit,
      pauses,
      at: at === null ? null : ms(at),
      beyond: beyond_calendar,
    })
    if (intervals !== undefined) {
      expect(due.intervals).toEqual(intervals.map((i) => ({ ...i, from: ms(i.from), until: ms(i.until) })))
    }
    if (due.at !== null) {
      const counted = due.intervals.filter(({ why }) => why === 'counted').reduce((sum, i) => sum + i.until - i.from, 0)
      expect(time.elapsed(limit.kind, ms(start), due.at, spans)).toBe(counted)
    }
  }
})
