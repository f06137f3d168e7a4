import { describe, expect, it } from 'vitest'
import { eventDetail, deletionSteps } from './custodyWords'
import type { Capture, CustodyEvent, Deletion, Evidence, Match, MatchSide } from './evidence'
import { flagDetail, isRedactable, isVideo, lengthText } from './evidenceWords'
import { captureText, provableTime, readCheck, readCheckpoint, subjectId } from './proofWords'
import { alike, apart } from './reuseWords'

describe('a flag reads as a sentence', () => {
  it.each([
    ['time_differs', '28800 s > 300 s, file: 2026-11-22T02:30:00Z (movie_header), as local time: 0 s', '相差 8 时，超过允许的 5 分，文件内为 2026-11-22 10:30（视频文件头），若文件写的是本地时间，则只差 0 秒'],
    ['position_differs', '589 m > 110 m, file: 27.436534, 109.948514, as gcj02: 0 m', '相距 589 米，超过允许的 110 米，文件内为 27.436534, 109.948514，若按 GCJ-02 坐标理解，则只差 0 米'],
    ['track_time_differs', '900 s > 300 s, track: 2026-11-22T02:30:00Z – 2026-11-22T03:30:00Z', '相差 15 分，超过允许的 5 分，轨迹为 2026-11-22 10:30 – 2026-11-22 11:30'],
    ['media_type_differs', 'image/png, file: image/jpeg', '申报为 image/png，文件实为 image/jpeg'],
    ['time_missing_in_file', '', ''],
    ['newer_than_this_page', 'words 7', 'words 7'],
  ])('%s', (code, detail, expected) => {
    expect(flagDetail({ code, detail })).toBe(expected)
  })
})

it.each([
  [400, '0 秒'],
  [59_000, '59 秒'],
  [61_000, '1 分 1 秒'],
  [5_400_000, '1 时 30 分'],
])('a recording of %i ms lasts %s', (ms, expected) => {
  expect(lengthText(ms)).toBe(expected)
})

it('what a file is counts more than what it was declared as', () => {
  const evidence = (media_type: string, told: string | null, state = 'stored') =>
    ({ media_type, state, facts: told === null ? null : { kind: '', media_type: told } }) as Evidence
  expect(isVideo(evidence('application/octet-stream', 'video/mp4'))).toBe(true)
  expect(isVideo(evidence('video/mp4', null))).toBe(true)
  expect(isRedactable(evidence('image/jpeg', 'image/heic'))).toBe(false)
  expect(isRedactable(evidence('image/jpeg', 'image/jpeg', 'declared'))).toBe(false)
  expect(isRedactable(evidence('image/png', null))).toBe(true)
})

it('a signature is told without more than it proves', () => {
  const capture = { device_name: '城管通-07', signed: true, epoch: 0, seq: 3, lower_at: null, upper_at: '2026-11-22T02:02:00Z' } as Capture
  expect(captureText(capture)).toBe('由 城管通-07 签名，第 3 条')
  expect(provableTime(capture)).toBe('2026-11-22 10:02 之前（没有可证的下限）')
  expect(captureText({ ...capture, signed: false })).toContain('未能核实')
})

it('a checkpoint is read only when it is one', () => {
  const root = `${'A'.repeat(43)}=`
  expect(readCheckpoint(`chengguan/ab\n42\n${root}\n\n— chengguan/ab sig\n`)).toEqual({ origin: 'chengguan/ab', size: 42, root })
  for (const wrong of ['', '<html>', `x\n-1\n${root}\n\n`, `x\n42\nshort\n\n`, `x\n42\n${root}\nmore\n`]) {
    expect(readCheckpoint(wrong)).toBeNull()
  }
})

it('a damaged leaf is no check', () => {
  const entry = (leaf: string) => ({ leaf }) as Parameters<typeof readCheck>[0]
  for (const wrong of ['', '{', '[]', '{"body":null}', '{"body":{"findings":"0"}}']) expect(readCheck(entry(wrong))).toBeNull()
  expect(readCheck(entry('{"body":{"findings":0,"named":[]}}'))?.findings).toBe(0)
  expect(subjectId('evidence:e1', 'evidence')).toBe('e1')
  expect(subjectId('leaf:7', 'evidence')).toBeNull()
})

it('custody says what exactly was done', () => {
  const event = (action: string, detail: Record<string, unknown>) => eventDetail({ action, detail } as CustodyEvent)
  expect(event('seen', { what: 'original' })).toBe('原件')
  expect(event('class_changed', { what: 'access', from: 'normal', to: 'restricted' })).toBe('查看权限：普通 → 受限')
  expect(event('class_changed', { what: 'retention', from: 'general', to: 'key' })).toBe('保存类别：一般 → 永久')
  expect(event('redacted', { regions: [1, 2] })).toBe('2 处')
  expect(event('hold_set', {})).toBe('')
})

it('a deletion that nobody undid by hand says what did', () => {
  const undone = { state: 'undone', proposed_at: '2026-11-22T04:00:00Z', proposed_by: 'a', reason: '误传', approved_at: null, undone_at: '2026-11-23T04:00:00Z', undone_by: null, undo_reason: 'linked', done_at: null } as Deletion
  expect(deletionSteps(undone, (id) => id ?? '系统')[1]).toContain('因关联到案件自动撤销')
  expect(deletionSteps({ ...undone, undone_by: 'b', undo_reason: '仍有用' }, (id) => id ?? '系统')[1]).toContain('b 撤销：仍有用')
})

it('how alike two photos are is said in words and bits', () => {
  const match = (distance: number) => alike({ class: 'near_reuse', distance } as Match)
  expect(match(0)).toBe('画面特征完全相同')
  expect(match(9)).toContain('极为相似')
  expect(match(40)).toContain('比较相似')
  expect(alike({ class: 'exact_reuse', distance: 0 } as Match)).toBe('文件完全相同')
})

it('two uses are told apart by time and place, as far as both are known', () => {
  const side = (captured_at: string | null, lat: number | null) =>
    ({ evidence: { captured_at, gps: lat === null ? null : { wgs84: { lat, lon: 109.94 } } } }) as MatchSide
  expect(apart(side('2026-11-22T02:00:00Z', 27.44), side('2026-11-20T02:00:00Z', 27.45))).toBe('申报的拍摄时间相差 2 天，位置相距 1.1 公里')
  expect(apart(side(null, 27.44), side('2026-11-20T02:00:00Z', null))).toBe('')
})
