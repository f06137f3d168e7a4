import { afterEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { canonical, type Json } from '../lib/capture'
import { draw as drawn, sha256, type Frame, type Pack } from '../lib/draw'
import { daysOf, frameAgrees, isBand, newNonce, weekOf } from '../lib/drawWords'
import type { Draw, DrawPick } from '../lib/spotchecks'
import { go, onPage, route } from './route'
import { all, answers, choose, fakeServer, one, openAs, openPage, problem, sessionOf, text, write } from './testPage'

const NONCE = '01'.repeat(32)
const FRAME: Frame = {
  format: 'chengguan-draw-frame/1',
  rule: '1',
  week: '2026-W48',
  sources: [{ name: '双色球', issue: '2026134' }],
  substitution: { version: 0, stand_ins: {} },
  teams: ['1', '2'],
  days: ['2026-11-23', '2026-11-24'],
  bands: ['09:00-11:30'],
  recheck_per_mille: 50,
  double_after_weeks: null,
  commit_until: '2026-11-22T10:00:00Z',
  lottery_at: '2026-11-22T13:15:00Z',
  centre_commitment: sha256(NONCE),
  units: [
    { code: '01', name: '县水利局', sites: ['a', 'b', 'c'].map((code) => ({ code, kind: 'main_road', weight: 1 })) },
    { code: '02', name: '县公安局', sites: [{ code: 'd', kind: 'market', weight: 1 }] },
  ],
}
const TEXT = canonical(FRAME as unknown as Json)
const SOURCES = [{ name: '双色球', issue: '2026134', result: '03-08-11-19-24-31+07', origin: '中国福彩网' }]
const ZEROS = '0'.repeat(64)
const SEED = `2026-W48|双色球:2026134=${SOURCES[0]?.result}|nonce:centre=${NONCE}|nonce:01=${ZEROS}|nonce:02=${ZEROS}`
const RESULT = canonical(drawn(FRAME, sha256(TEXT), SEED) as unknown as Json)
const PACK: Pack = {
  format: 'chengguan-draw-pack/1',
  frame: TEXT,
  frame_sha256: sha256(TEXT),
  frame_entry: 'g1',
  sources: SOURCES,
  nonces: [
    { unit: 'centre', commitment: sha256(NONCE), nonce: NONCE },
    { unit: '01', commitment: null, nonce: null },
    { unit: '02', commitment: null, nonce: null },
  ],
  seed: SEED,
  result: RESULT,
  result_sha256: sha256(RESULT),
  result_entry: 'g2',
}

const aPick = (change: Partial<DrawPick>): DrawPick => ({
  id: `p${change.slot}${change.turn ?? 0}${change.recheck ?? ''}`,
  unit_id: 'n1',
  slot: 1,
  turn: 0,
  recheck: false,
  kind: 'main_road',
  site_id: 's1',
  site_code: 'a',
  site_name: '迎丰路',
  team: '1',
  day: '2026-11-23',
  band: '09:00-11:30',
  visit_order: 1,
  state: 'open',
  check_id: null,
  substitutes: [],
  ...change,
})

const aDraw = (change: Partial<Draw> = {}): Draw => ({
  week: '2026-W48',
  state: 'framed',
  frame_sha256: PACK.frame_sha256,
  framed_at: '2026-11-20T10:00:00Z',
  commit_until: FRAME.commit_until,
  lottery_at: FRAME.lottery_at,
  sealed_at: null,
  result_sha256: null,
  drawn_at: null,
  frame: FRAME,
  frame_entry: 'g1',
  commitments: [{ unit: '01', commitment: 'c0ffee', committed_at: '2026-11-21T01:00:00Z', opened_at: null, nonce: null }],
  sources: null,
  typed_by: null,
  confirmed_by: null,
  seed: null,
  result_entry: null,
  open_from: '2026-11-29T16:00:00Z',
  verify: { verifier: '/api/v1/draw-verify.py', commands: ['python3 draw-verify.py draw-2026-W48.json', 'chengguan draw verify draw-2026-W48.json'] },
  picks: [],
  sites: [],
  ...change,
})

const DRAWN: Partial<Draw> = { state: 'drawn', sources: SOURCES, seed: SEED, result_sha256: PACK.result_sha256, result_entry: 'g2', drawn_at: '2026-11-22T14:00:00Z' }

let draw = aDraw()

fakeServer(() => {
  draw = aDraw()
  return {
    '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }, { id: 'n2', code: '02', name: '县公安局', class: 'A' }] }),
    '/names': () => Response.json({ users: [{ id: 'u5', name: '王芳' }], devices: [] }),
    '/cases': () => Response.json({ items: [], next: null }),
    '/draws': () => Response.json({ items: [draw], next: null }),
    '/draws/2026-W48': () => Response.json(draw),
    '/draws/2026-W48/pack': () => Response.json(PACK),
  }
})

afterEach(() => vi.useRealTimers())

const click = (name: string) => one(name)?.click()
const submit = (name: string) => one(name)?.dispatchEvent(new Event('submit'))
const at = (now: string) => vi.useFakeTimers({ now: new Date(now), toFake: ['Date'] })

function openAsLiaison(): void {
  const session = sessionOf('liaison')
  session.user.unit_id = 'n1'
  answers['/me'] = () => Response.json({ user: session.user })
  sessionStorage.setItem('chengguan.session', JSON.stringify(session))
  openPage()
}

it('a drawn week shows each slot of each unit, substitutes and second visits', async () => {
  draw = aDraw({
    ...DRAWN,
    picks: [
      aPick({ slot: 1, state: 'unreachable' }),
      aPick({ slot: 1, turn: 1, state: 'visited', site_code: 'c', site_name: '环城路' }),
      aPick({ slot: 2, site_code: 'b', site_name: '城南路' }),
      aPick({ slot: 2, recheck: true, team: '2' }),
      aPick({ slot: 6, unit_id: 'n2', kind: 'market', site_code: 'd', site_name: '南市场', state: 'visited' }),
    ],
  })
  go(onPage('draws'))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('matrix-row')).toHaveLength(2))
  expect(all('matrix-row')[0]?.textContent).toContain('县水利局✓补1已检查…待检查缺')
  expect(all('matrix-row')[0]?.textContent).toContain('复核 1 处')
  expect(text('summary')).toContain('已检查 2 处')
  all('matrix-row')[0]?.querySelector('a')?.click()
  await vi.waitFor(() => expect(all('visit')).toHaveLength(4))
  expect(all('visit')[1]?.textContent).toContain('第 1 顺位补抽')
  expect(all('visit')[3]?.textContent).toContain('双盲复核')
  expect(route).toMatchObject({ panel: 'visits', unit_id: 'n1' })
})

it('the draw is computed again here, and a changed byte is seen', async () => {
  draw = aDraw(DRAWN)
  go(onPage('draws'))
  openAs('supervisor')
  await vi.waitFor(() => expect(text('recompute')).toContain('在本机重算'))
  click('recompute')
  await vi.waitFor(() => expect(text('verdict')).toBe('重算结果与公布的逐字节相同'))
  expect(one('verifier')?.getAttribute('href')).toBe('/api/v1/draw-verify.py')
  expect(text('verify-offline')).toContain('python3 draw-verify.py draw-2026-W48.json，或 chengguan draw verify draw-2026-W48.json')
  answers['/draws/2026-W48/pack'] = () => Response.json({ ...PACK, seed: SEED.replace('+07', '+08') })
  click('recompute')
  await vi.waitFor(() => expect(text('verdict')).toContain('种子不是由开奖结果'))
  answers['/draws/2026-W48/pack'] = () => Response.json({ ...PACK, frame_sha256: 'ab' })
  click('recompute')
  await vi.waitFor(() => expect(text('verdict')).toContain('与本页公布的不同'))
})

it('before the week is over a unit checks the frame alone, and sees no secret', async () => {
  at('2026-11-24T01:00:00Z')
  draw = aDraw({ ...DRAWN, seed: null })
  go(onPage('draws'))
  openAsLiaison()
  await vi.waitFor(() => expect(text('recompute')).toContain('在本机核对抽样框'))
  expect(text('draw-check')).toContain('2026-11-30 00:00 前保密')
  expect(one('download')).toBeNull()
  click('recompute')
  await vi.waitFor(() => expect(text('verdict')).toBe('抽样框与公布的摘要相符'))
  expect(frameAgrees({ ...FRAME, days: [] }, PACK.frame_sha256)).toBe(false)
})

it('a unit commits to a number it keeps, and opens it between the last commitment and the event', async () => {
  at('2026-11-21T01:00:00Z')
  const sent: unknown[] = []
  answers['/draws/2026-W48/commitment'] = answers['/draws/2026-W48/nonce'] = ({ method, body }) => {
    sent.push([method, body])
    return new Response(null, { status: 204 })
  }
  go(onPage('draws'))
  openAsLiaison()
  await vi.waitFor(() => expect(one('commit')).not.toBeNull())
  expect([one('open-nonce'), one('new-frame')]).toEqual([null, null])
  click('commit')
  await vi.waitFor(() => expect(text('said')).toContain('随机数已存为文件'))
  expect(sent).toEqual([['PUT', { commitment: expect.stringMatching(/^[0-9a-f]{64}$/) as string }]])
})

it('a nonce is opened only in its time', async () => {
  at('2026-11-22T11:00:00Z')
  const sent: unknown[] = []
  answers['/draws/2026-W48/nonce'] = ({ body }) => {
    sent.push(body)
    return new Response(null, { status: 204 })
  }
  go(onPage('draws'))
  openAsLiaison()
  await vi.waitFor(() => expect(one('open-nonce')).not.toBeNull())
  expect(one('commit')).toBeNull()
  click('open-nonce')
  write('nonce', ` ${NONCE.toUpperCase()} `)
  await vi.waitFor(() => expect(one('open-nonce')?.getAttribute('aria-disabled')).toBe('false'))
  click('open-nonce')
  await vi.waitFor(() => expect(sent).toEqual([{ nonce: NONCE }]))
})

it('results are typed by one, typed again by another, and then drawn', async () => {
  at('2026-11-22T14:00:00Z')
  const sent: unknown[] = []
  answers['/draws/2026-W48/seed'] = ({ body }) => {
    sent.push(body)
    draw = aDraw({ typed_by: 'u1', sources: SOURCES })
    return Response.json(draw)
  }
  go(onPage('draws'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('results-form')).not.toBeNull())
  write('result-双色球', ' 03-08-11-19-24-31+07 ')
  write('origin-双色球', '中国福彩网')
  submit('results-form')
  await vi.waitFor(() => expect(text('draw-steps')).toContain('等另一人再录入一遍'))
  expect(one('results-form')).toBeNull()
  expect(sent).toEqual([{ sources: SOURCES }])
})

it('a second person confirms, and the keeper draws after being asked', async () => {
  at('2026-11-22T14:00:00Z')
  draw = aDraw({ typed_by: 'u5', sources: SOURCES })
  const sent: unknown[] = []
  answers['/draws/2026-W48/seed/confirm'] = ({ body }) => {
    sent.push(body)
    draw = aDraw({ typed_by: 'u5', confirmed_by: 'u1', sources: SOURCES, state: 'sealed' })
    return Response.json(draw)
  }
  answers['/draws/2026-W48/run'] = () => problem(409, 'draw_forbids', '现在不能抽签')
  go(onPage('draws'))
  openAs('admin')
  await vi.waitFor(() => expect(text('results-form')).toContain('再录入一遍'))
  write('result-双色球', '03-08-11-19-24-31+07')
  write('origin-双色球', '中国福彩网')
  submit('results-form')
  await vi.waitFor(() => expect(one('run-draw')).not.toBeNull())
  expect(sent).toEqual([{ sources: SOURCES }])
  click('run-draw')
  await vi.waitFor(() => expect(one('run-draw-sure')).not.toBeNull())
  click('run-draw-sure')
  await vi.waitFor(() => expect(text('draw-steps')).toContain('现在不能抽签'))
})

it('a frame is published with events that are no choice', async () => {
  at('2026-11-20T01:00:00Z')
  const sent: unknown[] = []
  answers['/draws/2026-W48/frame'] = ({ body }) => {
    sent.push(body)
    return Response.json(aDraw())
  }
  go(onPage('draws'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('new-frame')).not.toBeNull())
  click('new-frame')
  await vi.waitFor(() => expect(one<HTMLInputElement>('frame-week')?.value).toBe('2026-W48'))
  expect(one<HTMLInputElement>('frame-commit')?.value).toBe('2026-11-22T18:00')
  submit('frame-form')
  await vi.waitFor(() => expect(text('frame-form')).toContain('双色球期号为七位数字'))
  write('frame-ssq', '2026134')
  write('frame-fc3d', '2026312')
  write('frame-weeks', '8')
  write('frame-bands', '9点到11点')
  submit('frame-form')
  await vi.waitFor(() => expect(text('frame-form')).toContain('时段最多 8 个'))
  write('frame-bands', '09:00-11:30，14:30-17:00')
  for (const day of [0, 3]) {
    const box = all('frame-day')[day] as HTMLInputElement
    box.checked = true
    box.dispatchEvent(new Event('change'))
    await nextTick()
  }
  submit('frame-form')
  await vi.waitFor(() => expect(one('frame-form')).toBeNull())
  expect(sent).toEqual([
    {
      commit_until: '2026-11-22T10:00:00.000Z',
      lottery_at: '2026-11-22T13:15:00.000Z',
      sources: [{ name: '双色球', issue: '2026134' }, { name: '福彩3D', issue: '2026312' }],
      days: ['2026-11-23', '2026-11-26'],
      bands: ['09:00-11:30', '14:30-17:00'],
      double_after_weeks: 8,
    },
  ])
  expect([weekOf('2026-11-29'), weekOf('2027-01-01'), weekOf('2024-12-30')]).toEqual(['2026-W48', '2026-W53', '2025-W01'])
  expect(daysOf('2026-W53').at(-1)).toBe('2027-01-03')
  expect([daysOf('2026-W54'), daysOf('x')]).toEqual([[], []])
  expect(['09:00-11:30', '11:30-09:00', '24:00-25:00', '9:00-10:00'].map(isBand)).toEqual([true, false, false, false])
  expect(newNonce()).toMatch(/^[0-9a-f]{64}$/)
})

it('the library is filtered, imported, and a site struck with a reason', async () => {
  const site = { id: 's1', unit_id: 'n1', code: '01-main_road-1', kind: 'main_road', name: '迎丰路', address: null, lat: null, lon: null, geometry: null, active_from: null, struck_at: null as string | null, strike_reason: null as string | null, ver: 1 }
  const asked: string[] = []
  answers['/sites'] = ({ query }) => {
    asked.push(String(query))
    return Response.json({ items: [site], next: null })
  }
  const sent: unknown[] = []
  answers['/sites/s1/strike'] = ({ body }) => {
    sent.push(body)
    return Response.json({ ...site, struck_at: '2026-11-20T01:00:00Z', strike_reason: '已拆除' })
  }
  answers['/sites/import'] = ({ headers }) => {
    sent.push(headers['Content-Type'])
    return Response.json({ entered: 3, corrected: 1, unchanged: 5 })
  }
  go(onPage('draws', { filter: 'sites' }))
  openAs('admin')
  await vi.waitFor(() => expect(text('site')).toContain('（无坐标）'))
  choose('site-kind', 'market')
  await vi.waitFor(() => expect(asked.at(-1)).toBe('kind=market&limit=50'))
  choose('site-struck', 'no')
  await vi.waitFor(() => expect(asked.at(-1)).toBe('kind=market&struck=false&limit=50'))
  await vi.waitFor(() => expect(one('change-site')).not.toBeNull())
  click('change-site')
  await vi.waitFor(() => expect(one('strike')).not.toBeNull())
  write('reason', '已拆除')
  click('strike')
  await vi.waitFor(() => expect(text('site')).toContain('停用'))
  click('import')
  await vi.waitFor(() => expect(one('import-form')).not.toBeNull())
  const field = one<HTMLInputElement>('file')
  Object.defineProperty(field, 'files', { value: [new File(['{}'], '点位.geojson')], configurable: true })
  field?.dispatchEvent(new Event('change'))
  submit('import-form')
  await vi.waitFor(() => expect(text('done')).toContain('新增 3 处，更正 1 处，5 处不变'))
  expect(sent).toEqual([{ reason: '已拆除' }, 'application/geo+json'])
})

it('agreement of second visits is shown to the Centre alone', async () => {
  answers['/spot-checks/agreement'] = () =>
    Response.json({ pairs: 12, answered: 80, observed: 0.9375, ac1: 0.91234, items: [{ item: 'M1', answered: 10, same: 9 }], checkers: [{ user_id: 'u5', pairs: 4, mean_difference: 1250.4 }] })
  go(onPage('draws', { filter: 'agreement' }))
  openAs('verifier')
  await vi.waitFor(() => expect(text('agreement')).toContain('93.8%'))
  expect(text('agreement')).toContain('0.912')
  await vi.waitFor(() => expect(text('checker')).toBe('王芳4+1.25'))
})
