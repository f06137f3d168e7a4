import { expect, it } from 'vitest'
import { clockText, doubtText, hours, partText, useReasons, useText, waitTone } from './clipWords'
import type { Clip, DeviceUse, ScorePart } from './clips'

it.each([
  ['officer', 'acted', null, '佩戴人办过这件案'],
  ['officer', 'wearer_unknown', null, '不知道谁佩戴'],
  ['time', 'near', 600, '离最近一次办理 10 分'],
  ['time', 'nothing_done', null, '前后半小时内没有人办理'],
  ['distance', 'near', 320, '离案发地点 320 米'],
  ['distance', 'far', 2400, '离案发地点 2.4 公里，扣分'],
  ['weather', 'rain', 3, 'rain 3'],
])('the part %s %s %s of a score is explained', (part, why, figure, expected) => {
  expect(partText({ part, why, figure, points: 0, of: 0 } as ScorePart)).toBe(expected)
})

it('a clock that is known is said to be taken off, one that is not is not', () => {
  const clip = (clock_offset_ms: number | null, clock_from: string | null) => clockText({ clock_offset_ms, clock_from } as Clip)
  expect(clip(null, null)).toBe('误差未知，未作修正')
  expect(clip(-90_000, 'configured')).toBe('慢 1 分，已修正（人工设定）')
  expect(clip(400, 'clock_file')).toBe('准（采集站测得）')
})

it('doubts and reasons that this page does not know stay as they came', () => {
  expect(doubtText({ code: 'name_time_differs', detail: '5400' })).toBe('文件名与文件头的时间相差 1 时 30 分，取文件头')
  expect(doubtText({ code: 'newer', detail: '7' })).toBe('newer 7')
  const use = { reasons: ['used', 'not_registered', 'newer'], days: null } as unknown as DeviceUse
  expect(useReasons(use)).toEqual(['没有登记的记录仪', 'newer'])
  expect(useText(use)).toBe('—')
})

it.each([
  [3_600, 'ended'],
  [2 * 86_400, 'warn'],
  [7 * 86_400, 'bad'],
])('waiting %i seconds is %s', (seconds, expected) => {
  expect(waitTone(seconds)).toBe(expected)
})

it('hours are told in tenths', () => {
  expect([hours(0), hours(60), hours(5_400)]).toEqual(['0', '<0.1 时', '1.5 时'])
})
