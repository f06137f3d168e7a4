import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Component, createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { language } from '../lib/language'
import { networkError } from '../lib/problem'
import Afresh from './Afresh.vue'
import ClassPicker from './ClassPicker.vue'
import ClipCard from './ClipCard.vue'
import ClipCounter from './ClipCounter.vue'
import ClipPick from './ClipPick.vue'
import ClipsPage from './ClipsPage.vue'
import ClipTaker from './ClipTaker.vue'
import ConflictCard from './ConflictCard.vue'
import DevicePage from './DevicePage.vue'
import EditPage from './EditPage.vue'
import EnrolPage from './EnrolPage.vue'
import EvidencePage from './EvidencePage.vue'
import HelpPage from './HelpPage.vue'
import HistoryPage from './HistoryPage.vue'
import KeptPage from './KeptPage.vue'
import LoginPage from './LoginPage.vue'
import MapCard from './MapCard.vue'
import MapLegend from './MapLegend.vue'
import MapView from './MapView.vue'
import PersonPages from './PersonPages.vue'
import PhotoLook from './PhotoLook.vue'
import PieceView from './PieceView.vue'
import PinPage from './PinPage.vue'
import PlacePicker from './PlacePicker.vue'
import ReportPage from './ReportPage.vue'
import StatusStrip from './StatusStrip.vue'
import StepPage from './StepPage.vue'
import StripMap from './StripMap.vue'
import SyncPage from './SyncPage.vue'
import TaskDetail from './TaskDetail.vue'
import TasksPage from './TasksPage.vue'
import TodayPage from './TodayPage.vue'
import Viewfinder from './Viewfinder.vue'
import type { Clip } from '../lib/clips'
import type { Evidence } from '../lib/evidence'
import { cases, identity, media, outbox, sent, session } from './field'
import { caseMarks } from './marks'
import { piecesOf } from './pieces'
import type { MediaRow, OutboxRow, SentRow } from './sync/store'
import type { CaseView } from './sync/view'

const HAN = /\p{Script=Han}/u
/** A language is called what it calls itself. */
const OWN_NAME = "zh: '中文'"

/** The text without comments and without the calls of `phrases` and `terms`; strings may hold brackets. */
function bare(text: string): string {
  const parts = /(\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->|(?<!:)\/\/[^\n]*)|(\b(?:phrases|terms)(?:<\w+>)?\()/g
  let out = ''
  let from = 0
  for (let found = parts.exec(text); found !== null; found = parts.exec(text)) {
    out += text.slice(from, found.index)
    from = found[2] === undefined ? parts.lastIndex : closing(text, parts.lastIndex)
    parts.lastIndex = from
  }
  return out + text.slice(from)
}

/** Behind the bracket that closes the one before `at`. */
function closing(text: string, at: number): number {
  let depth = 1
  let quote = ''
  for (; depth > 0 && at < text.length; at += 1) {
    const char = text[at] as string
    if (quote !== '') {
      if (char === '\\') at += 1
      else if (char === quote) quote = ''
    } else if (char === "'" || char === '`') quote = char
    else if (char === '(') depth += 1
    else if (char === ')') depth -= 1
  }
  return at
}

it('has every word of the handheld in both languages', () => {
  // In the letters of the pinyin, Chinese is no word of a screen.
  const field = import.meta.glob<string>(['./**/*.{ts,vue}', '!./**/*.test.ts', '!./pinyin.ts'], { query: '?raw', import: 'default', eager: true })
  // Those parts of the library whose every word the handheld shows.
  const shared = import.meta.glob<string>('../lib/{labels,time,problem}.ts', { query: '?raw', import: 'default', eager: true })
  expect(Object.keys(field).length).toBeGreaterThan(30)
  const stray = Object.entries({ ...field, ...shared }).flatMap(([name, text]) =>
    bare(text.replace(OWN_NAME, ''))
      .split('\n')
      .filter((line) => HAN.test(line))
      .map((line) => `${name}: ${line.trim()}`),
  )
  expect(stray).toEqual([])
})

it('finds a word outside of them', () => {
  expect(bare("const say = phrases({ a: '甲)' }, { a: 'A' }) // 乙\nconst b = '丙'")).toMatch(/^const say = +\nconst b = '丙'$/)
})

const one: CaseView = {
  id: 'c', number: '1', title: 'Cover', description: 'gone', address: null, class_code: null,
  position: { lat: 27.9, lon: 109.6, datum: 'wgs84' }, unit_id: 'u', state: 'dispatched', reported_at: '2026-11-26T01:00:00Z',
  due_at: '2026-11-26T05:00:00Z', overdue: true, on_hold: false, asked_extension: true, asked_hold: true, passed: false,
  rework_count: 1, pending: [],
}
const raw = JSON.stringify({
  op_id: 'o', type: 'case.edit', actor: 'p', occurred_at: one.reported_at, target: { kind: 'case', id: 'c' },
  args: { title: { old: '', new: 'Lid' } },
})
const row: OutboxRow = {
  place: 1, epoch: 1, seq: 1, op_id: 'o', chains: true, target_kind: 'case', target_id: 'c', made_at: one.reported_at, raw,
}
const conflict: SentRow = {
  ...row, answered_at: one.reported_at, status: 'conflict',
  result: { op_id: 'o', status: 'conflict', code: 'field_changed', detail: 'title' } as SentRow['result'],
}
const photo: MediaRow = {
  sha256: 'a', size: 2_000, mime: 'image/jpeg', filename: 'far.jpg', captured_at: one.reported_at, added_at: one.reported_at,
  state: 'waiting', upload_url: null, reason: null, of: ['case/c'],
}

const recording: Clip = {
  id: 'b', camera: 'C0012', device_id: null, user_id: 'p', user_from: 'roster', recorded_at: one.reported_at, recorded_from: 'name',
  clock_offset_ms: null, clock_from: null, started_at: one.reported_at, ended_at: one.reported_at, key_file: true,
  doubts: [{ code: 'camera_unknown', detail: '' }], state: 'proposed', best_case: 'c', best_score: 750, decided_by: null, decided_at: null,
  reason: null, arrived_at: one.reported_at, age_s: 60,
}
const stored = {
  id: 'b', sha256: 'b', media_type: 'video/mp4', size: 9, filename: null, captured_at: one.reported_at, role: 'recording',
  device_id: null, links: [], access_class: 'normal', facts: null,
} as unknown as Evidence
const [piece] = piecesOf('c', [stored], [], 'd')

beforeEach(() => {
  language.value = 'en'
  identity.value = { device: 'd', name: 'H-07', kind: 'handheld', epoch: 1 }
  session.value = {
    session_id: 's', access_token: '', refresh_token: '',
    user: { id: 'p', username: 'lan', name: 'Lan', role: 'liaison', unit_id: 'u' },
  } as typeof session.value
  cases.value = [one]
  outbox.value = [row]
  sent.value = [conflict, { ...conflict, status: 'held' }]
  media.value = [photo, { ...photo, sha256: 'b', mime: 'video/mp4', filename: 'film.mp4' }]
})

afterEach(() => {
  language.value = 'zh'
})

const shot = { slot: 'far', blob: new Blob(['photo']), sha256: 'a', taken_at: one.reported_at, gps: { lat: 27.4, lon: 109.9, datum: 'wgs84', accuracy_m: 6 } }

const PAGES: [name: string, page: Component, props?: object][] = [
  ['Afresh', Afresh, { words: 'w' }],
  ['ClassPicker', ClassPicker, { chosen: null, condition: '' }],
  ['ClipCard', ClipCard, { clip: recording, open: true }],
  ['ClipCounter', ClipCounter],
  ['ClipPick', ClipPick, { id: 'c' }],
  ['ClipTaker', ClipTaker, { clip: null, keep: () => null, working: false }],
  ['ClipTaker with a clip', ClipTaker, { clip: { blob: new Blob(['film']), sha256: 'b', taken_at: '', length_s: 7 }, keep: () => null, working: false }],
  ['ClipsPage', ClipsPage],
  ['ConflictCard', ConflictCard, { row: conflict }],
  ['DevicePage', DevicePage],
  ['EditPage', EditPage, { id: 'c' }],
  ['EnrolPage', EnrolPage],
  ['EvidencePage', EvidencePage, { id: 'c', piece: null }],
  ['HelpPage', HelpPage],
  ['HistoryPage', HistoryPage],
  ['KeptPage', KeptPage],
  ['LoginPage', LoginPage],
  ['MapCard', MapCard, { mark: caseMarks([one], 0)[0] }],
  ['MapLegend', MapLegend],
  ['MapView', MapView, { cases: [one] }],
  ['PersonPages', PersonPages],
  ['PhotoLook', PhotoLook, { photo: { ...shot, offsite: true }, name: 'Wide' }],
  ['PieceView', PieceView, { piece }],
  ['PieceView of what is restricted', PieceView, { piece: { ...piece, restricted: true } }],
  ['PinPage', PinPage],
  ['PlacePicker', PlacePicker, { measured: null, place: null }],
  ['PlacePicker with both places', PlacePicker, { measured: shot.gps, place: { lat: 27.5, lon: 110 } }],
  ['ReportPage', ReportPage],
  ['StatusStrip', StatusStrip],
  ['StepPage', StepPage, { id: 'c', stepId: 'request_extension' }],
  ['StripMap', StripMap],
  ['SyncPage', SyncPage],
  ['TaskDetail', TaskDetail, { id: 'c' }],
  ['TasksPage', TasksPage, { map: false }],
  ['TodayPage', TodayPage],
  ['Viewfinder', Viewfinder, { photos: [], places: [{ id: 'far', name: 'Wide' }], slotId: 'far' }],
]

it.each(PAGES)('%s shows no Chinese to whoever chose English', async (_name, page, props = {}) => {
  const html = await renderToString(createSSRApp(page, props as Record<string, unknown>))
  const text = html.replace(/<!--.*?-->/g, '').replace('>中文<', '><')
  expect(text.match(/.{0,20}\p{Script=Han}.{0,20}/gu)).toBeNull()
  // The page has words at all.
  expect(text).toMatch(/[A-Za-z]{3}/)
})

it('says in the chosen language what went wrong', () => {
  expect(networkError().title).toBe('No connection to the server')
})
