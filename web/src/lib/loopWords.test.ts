import { expect, it } from 'vitest'
import { countedText, daysText, holidaysOf, limitText, parseDays, parseSpans, runsText, stretchesOf } from './loopWords'
import { changeText, periodText, pointsText, splitPeriod } from './periods'
import type { Past } from './loop'

it('counted time is told in hours, because a working day has eight of them', () => {
  expect(countedText(16 * 3600)).toBe('16 时')
  expect(countedText(90 * 60)).toBe('1 时 30 分')
  expect(countedText(59)).toBe('不到 1 分')
  expect(limitText({ kind: 'work_day', value: 1.5 })).toBe('1.5 工作日')
  expect(limitText(null)).toBe('未定')
})

it('each stretch of a deadline says why the clock ran or stood, and what was counted so far', () => {
  const due = {
    at: '2026-10-08T02:00:00Z',
    beyond_calendar: false,
    intervals: [
      { from: '2026-09-30T09:00:00Z', until: '2026-09-30T10:00:00Z', why: 'counted' as const },
      { from: '2026-09-30T10:00:00Z', until: '2026-10-08T00:00:00Z', why: 'holiday' as const, name: '国庆节' },
      { from: '2026-10-08T00:00:00Z', until: '2026-10-08T02:00:00Z', why: 'counted' as const },
    ],
  }
  expect(stretchesOf(due).map(({ words, sum }) => [words, sum])).toEqual([
    ['计时', 3600],
    ['停：国庆节', 3600],
    ['计时', 10_800],
  ])
})

it.each([
  ['08:00-12:00 14:30-18:00', [[480, 720], [870, 1080]]],
  ['8:00–12:00、14:00至24:00', [[480, 720], [840, 1440]]],
  ['18:00-02:00', [[1080, 120]]],
])('%s is read as spans of a day', (text, expected) => {
  expect(parseSpans(text)?.map(({ from_min, until_min }) => [from_min, until_min])).toEqual(expected)
})

it.each(['', '上午', '08:00', '25:00-26:00', '08:70-09:00', '08:00-12:00 下午'])('%j is no span of a day', (text) => {
  expect(parseSpans(text)).toBeNull()
})

it('a list of holidays is read back as it is written', () => {
  const text = '2027-10-01~2027-10-07 休 国庆节\n2027-10-09 班 国庆节\n2027-01-01 休 元旦'
  const { days, faults } = parseDays(text, 2027)
  expect(faults).toEqual([])
  expect(days).toHaveLength(9)
  expect(daysText(days, 2027)).toBe(text)
  expect(holidaysOf(days, 2027)[0]).toMatchObject({ name: '国庆节', workdays: ['2027-10-09'] })
  expect(runsText(holidaysOf(days, 2027)[0]?.holidays ?? [])).toBe('10-01 至 10-07（7 天）')
})

it('every wrong line of a list of holidays is told with its number', () => {
  const { faults } = parseDays('2027-02-30 休 春节\n2027-10-01 放假 国庆节\n\n2027-10-02 休 国庆节\n2027-10-02 班 国庆节', 2027)
  expect(faults).toEqual([
    '第 1 行：日期不存在或次序颠倒',
    expect.stringContaining('第 2 行：应为'),
    '第 5 行：2027-10-02 重复',
  ])
  expect(parseDays('2026-10-01 休 国庆节', 2027).faults).toEqual(['没有 2027 年的日期'])
})

it('only periods that the server knows are periods', () => {
  expect(splitPeriod('2026-Q4')).toEqual({ year: 2026, ending: '-Q4' })
  for (const wrong of ['', '2026-13', '2026-Q5', '1999', '2026-1', 'x']) expect(splitPeriod(wrong)).toBeNull()
  expect(['2026', '2026-Q4', '2026-03'].map(periodText)).toEqual(['2026 年', '2026 年 第四季度', '2026 年 3 月'])
})

it('a change is signed, and none where there was nothing to compare with', () => {
  const past = (basis_points: number | null, text: string) => ({ change: { basis_points, text } }) as Past
  expect(changeText(past(1250, '12.50%'))).toBe('+12.50%')
  expect(changeText(past(-300, '-3.00%'))).toBe('−3.00%')
  expect(changeText(past(null, '—'))).toBe('—')
  expect(pointsText({ basis_points: 6074, text: '' }, { basis_points: 5000, text: '' })).toBe('+10.74')
  expect(pointsText({ basis_points: 4000, text: '' }, { basis_points: 4500, text: '' })).toBe('−5.00')
  expect(pointsText({ basis_points: 4000, text: '' }, { basis_points: null, text: '—' })).toBe('—')
})
