import { expect, it } from 'vitest'
import type { Clip } from '../lib/clips'
import type { Evidence } from '../lib/evidence'
import type { TimelineEntry } from '../lib/types'
import { clipsIn, fieldOf, momentIn, momentToBegin, momentsOf, spanAround } from './clipSpan'
import { deviceWords, pieceTitle, stateWords } from './pieceWords'
import { type Piece, piecesOf } from './pieces'
import type { MediaRow } from './sync/store'
import type { Pending } from './sync/view'

const here = (sha256: string, change: Partial<MediaRow> = {}): MediaRow => ({
  sha256, size: 9, mime: 'image/jpeg', filename: '处置后-20261126T010000.jpg', captured_at: '2026-11-26T01:00:00Z', added_at: '', state: 'waiting',
  upload_url: null, reason: null, of: ['case/c'], ...change,
})
const there = (sha256: string, change: Partial<Evidence> = {}): Evidence =>
  ({
    id: `e-${sha256}`, sha256, media_type: 'image/jpeg', size: 9, filename: null, captured_at: '2026-11-26T02:00:00Z', role: 'after', device_id: 'other',
    links: [{ target_kind: 'case', target_id: 'c', role: 'after' }], access_class: 'normal', facts: null, ...change,
  }) as Evidence
const told = (piece: Piece) => [piece.sha256, piece.kind, pieceTitle(piece), deviceWords(piece), stateWords(piece).word]

it('lists what the server has and what waits on this device once each, the newest first', () => {
  const records = [
    there('a'), there('b', { device_id: 'd', captured_at: '2026-11-26T03:00:00Z' }),
    // A dock declares plain bytes; the clip belongs to another case, too, as something else.
    there('film', {
      media_type: 'application/octet-stream', facts: { kind: 'mp4', media_type: 'video/mp4' },
      links: [{ target_kind: 'case', target_id: 'x', role: 'scene' }, { target_kind: 'case', target_id: 'c', role: 'recording' }],
    }),
    there('paper', { media_type: 'application/pdf', role: 'attachment', links: [], captured_at: null, access_class: 'restricted' }),
  ]
  const media = [here('b', { state: 'stored' }), here('w'), here('r', { state: 'refused', reason: '太大', mime: 'video/mp4', filename: '录像-1.mp4' })]
  const pieces = piecesOf('c', records, media, 'd')
  expect(pieces.map(told)).toEqual([
    ['b', 'photo', '处置后', '本机', '已落库'],
    ['a', 'photo', '处置后', '其他设备', '已落库'],
    ['film', 'film', '执法录像', '执法记录仪', '已落库'],
    ['w', 'photo', '处置后', '本机', '未上传'],
    ['r', 'film', '录像', '本机', '未能上传'],
    ['paper', 'document', '附件', '其他设备', '已落库'],
  ])
  expect(pieces.map(({ restricted }) => restricted)).toEqual([false, false, false, false, false, true])
  expect(pieces.find(({ sha256 }) => sha256 === 'r')?.reason).toBe('太大')
})

const line = (command: string, at: string, op_id: string | null = null) => ({ command, at, op_id, actor_name: '李强' }) as TimelineEntry
const pending = (type: string, at: string, op_id: string) => ({ type, at, op_id, words: '', result: null }) as Pending

it('begins around the newest handling, or else around what was done last, also while that waits here', () => {
  const lines = [line('report', '2026-11-26T00:00:00Z'), line('handle', '2026-11-26T01:00:00Z', 'o1'), line('apply_closing', '2026-11-26T05:00:00Z')]
  const moments = momentsOf(lines, [pending('case.handle', '2026-11-26T01:00:00Z', 'o1'), pending('case.handle', '2026-11-26T03:00:00Z', 'o2')])
  expect(moments.map(({ command, at }) => [command, at.slice(11, 13)])).toEqual([['apply_closing', '05'], ['handle', '03'], ['handle', '01'], ['report', '00']])
  expect(momentToBegin(moments)?.at).toBe('2026-11-26T03:00:00Z')
  expect(momentToBegin(momentsOf(lines.slice(0, 1), []))?.command).toBe('report')
  expect(momentToBegin([])).toBeNull()
})

it('speaks of a span in the time of the county', () => {
  const { from, until } = spanAround('2026-11-26T16:10:00Z')
  expect([fieldOf(from), fieldOf(until)]).toEqual(['2026-11-26T23:40', '2026-11-27T00:40'])
  expect(momentIn(fieldOf(from))).toBe(from)
  expect([momentIn(''), momentIn('2026-13-40T00:00'), momentIn('tomorrow')]).toEqual([null, null, null])
})

const clip = (id: string, start: string, end: string, change: Partial<Clip> = {}): Clip =>
  ({ id, camera: 'C1', started_at: `2026-11-26T${start}:00Z`, ended_at: `2026-11-26T${end}:00Z`, state: 'unclaimed', ...change }) as Clip

it('finds the clips that touch the span, those nobody decided about first', () => {
  const span = { from: '2026-11-26T01:00:00Z', until: '2026-11-26T02:00:00Z' }
  const clips = [
    clip('before', '00:00', '00:59'), clip('over', '00:30', '03:00', { state: 'linked' }), clip('edge', '02:00', '02:30'),
    clip('in', '01:10', '01:20'), clip('gone', '01:05', '01:06', { state: 'dismissed', camera: 'C2' }), clip('after', '02:01', '02:30'),
  ]
  expect(clipsIn(clips, span, '').map(({ id }) => id)).toEqual(['in', 'over', 'gone'])
  expect(clipsIn(clips, span, 'C2').map(({ id }) => id)).toEqual(['gone'])
})
