import { expect, it, vi } from 'vitest'
import type { Capture, CustodyEvent, Deletion, Evidence, LogEntry, Match } from '../lib/evidence'
import { go, onPage, route } from './route'
import { all, answers, fakeServer, one, openAs, problem, text, write, type Asked } from './testPage'

const HASH = 'ab'.repeat(32)

const photo = (id: string, change: Partial<Evidence> = {}): Evidence => ({
  id,
  sha256: HASH,
  media_type: 'image/jpeg',
  size: 204_800,
  state: 'stored',
  filename: '井盖.jpg',
  captured_at: '2026-11-22T02:00:00Z',
  gps: { lat: 27.44, lon: 109.94, datum: 'gcj02', accuracy_m: 8, fix_age_s: 1, source: 'gnss', wgs84: { lat: 27.44, lon: 109.94 } },
  role: 'after',
  device_id: 'd7',
  declared_at: '2026-11-22T02:01:00Z',
  stored_at: '2026-11-22T02:02:00Z',
  facts: { kind: 'jpeg', media_type: 'image/jpeg', width: 4000, height: 3000 },
  flags: [],
  links: [{ target_kind: 'case', target_id: 'c1', role: 'after' }],
  access_class: 'normal',
  masked: false,
  derived_from: null,
  delete_at: null,
  ...change,
})

const film = (change: Partial<Evidence> = {}): Evidence =>
  photo('e2', {
    media_type: 'video/mp4',
    size: 3_000_000_000,
    facts: { kind: 'mp4', media_type: 'video/mp4', duration_ms: 1_805_000 },
    poster: 'no_decoder',
    ...change,
  })

const capture: Capture = {
  id: 'k1',
  device_id: 'd7',
  device_name: '城管通-07',
  status: 'accepted',
  signed: true,
  epoch: 1,
  seq: 12,
  sha256: HASH,
  wall_at: '2026-11-22T02:00:00Z',
  lower_at: '2026-11-22T01:50:00Z',
  upper_at: '2026-11-22T02:02:00Z',
  findings: [{ code: 'gap', detail: '缺第 11 条' }],
  record: {},
}

const leaf = (change: Partial<LogEntry> = {}): LogEntry => ({
  id: 'l1',
  kind: 'evidence',
  subject: 'evidence:e1',
  leaf: '{}',
  leaf_hash: 'cd'.repeat(32),
  recorded_at: '2026-11-22T02:02:00Z',
  index: 41,
  ...change,
})

const seen: CustodyEvent = {
  id: 'v1',
  action: 'seen',
  user_id: 'u2',
  device_id: null,
  at: '2026-11-22T03:00:00Z',
  reason: '复核投诉',
  detail: { what: 'original' },
  request_id: 'r',
  log_entry_id: 'l2',
}

const deletion = (change: Partial<Deletion> = {}): Deletion => ({
  id: 'x1',
  evidence_id: 'e1',
  state: 'proposed',
  reason: '误传',
  proposed_by: 'u2',
  proposed_at: '2026-11-22T04:00:00Z',
  approved_by: null,
  approved_at: null,
  approval_reason: null,
  delete_at: null,
  undone_by: null,
  undone_at: null,
  undo_reason: null,
  done_at: null,
  ...change,
})

const kept = (change: object = {}) => ({ class: 'case_linked', raised_to: 'general', delete_after: null, holds: [], deletion: null, ...change })

const match = (id: string, change: Partial<Match> = {}): Match => ({
  id,
  class: 'near_reuse',
  distance: 12,
  later: { evidence: photo('e1'), author_name: '李强', target_kind: 'case', target_id: 'c1' },
  earlier: {
    evidence: photo('e9', { captured_at: '2026-11-20T02:00:00Z', sha256: 'ef'.repeat(32) }),
    author_name: '王芳',
    target_kind: 'case',
    target_id: 'c2',
  },
  found_at: '2026-11-22T02:03:00Z',
  decision: null,
  reason: null,
  decided_by_name: null,
  decided_at: null,
  ...change,
})

fakeServer(() => ({
  '/units': () => Response.json({ items: [] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/cases/c1': () => Response.json({ id: 'c1', number: '2026-1', title: '井盖破损' }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [{ id: 'd7', name: '城管通-07' }] }),
  '/evidence/e1': () => Response.json(photo('e1')),
  '/evidence/e1/content': () => new Response('bytes'),
  '/evidence/e1/custody': () => Response.json({ items: [seen], next: null }),
  '/evidence/e1/retention': () => Response.json(kept()),
  '/evidence/e2': () => Response.json(film()),
  '/captures': () => Response.json({ items: [capture], next: null }),
  '/log/entries': () => Response.json({ items: [leaf()], next: null }),
  '/evidence/reuse': ({ query }) =>
    Response.json({ items: query.get('state') === 'open' ? [match('m1'), match('m2', { class: 'exact_reuse', distance: 0 })] : [] }),
  '/evidence/reuse/m1': () => Response.json(match('m1')),
}))

/** Keeps what is asked of a path, and answers with `answer`. */
function asked(path: string, answer: (asked: Asked) => Response): Asked[] {
  const seen: Asked[] = []
  answers[path] = (one) => {
    seen.push(one)
    return answer(one)
  }
  return seen
}

it('a suspicion shows both photos, who handed them in for what, and what tells them apart', async () => {
  go(onPage('reuse'))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('match-row')).toHaveLength(2))
  expect(all('match-row')[1]?.textContent).toContain('文件完全相同')
  all('match-row')[0]?.click()
  await vi.waitFor(() => expect(text('match')).toContain('2026-1 井盖破损'))
  expect(text('why')).toContain('很相似')
  expect(text('why')).toContain('相差 2 天')
  expect(all('side').map((side) => side.querySelector('b')?.textContent)).toEqual(['较早', '较晚'])
  expect(text('compare')).toContain('王芳')
  expect(text('compare')).toContain('城管通-07')
})

it('a finding needs a reason, is told what it led to, and leads on to the next', async () => {
  const sent = asked('/evidence/reuse/m1/decision', () =>
    Response.json(match('m1', { decision: 'reuse', reason: '两案用同一张', decided_by_name: '张敏', decided_at: '2026-11-22T05:00:00Z' })),
  )
  go(onPage('reuse', { match: 'm1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('reuse')).not.toBeNull())
  one('reuse')?.click()
  await vi.waitFor(() => expect(text('match')).toContain('请填写判定理由'))
  expect(sent).toEqual([])
  write('reason', '两案用同一张')
  one('reuse')?.click()
  await vi.waitFor(() => expect(text('done')).toContain('已认定复用'))
  expect(sent[0]?.body).toEqual({ decision: 'reuse', reason: '两案用同一张' })
  expect(one('done')?.querySelector('a')?.getAttribute('href')).toContain('match=m2')
  expect(one('decision')).toBeNull()
})

it('a suspicion that somebody else decided meanwhile shows what they found', async () => {
  go(onPage('reuse', { match: 'm1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('legitimate')).not.toBeNull())
  answers['/evidence/reuse/m1/decision'] = () => problem(409, 'review_closed', '该事项已处理')
  answers['/evidence/reuse/m1'] = () =>
    Response.json(match('m1', { decision: 'legitimate', reason: '角度相同', decided_by_name: '赵敏', decided_at: '2026-11-22T05:00:00Z' }))
  write('reason', '看着像')
  one('legitimate')?.click()
  await vi.waitFor(() => expect(text('why')).toContain('角度相同'))
  expect(text('why')).toContain('赵敏')
})

it('others than the two roles look, and do not decide', async () => {
  go(onPage('reuse', { match: 'm1' }))
  openAs('verifier')
  await vi.waitFor(() => expect(text('match')).toContain('由派遣员或督查室判定'))
  expect(one('reuse')).toBeNull()
})

it('evidence opens above the page with its signature, its place in the log and who looked at it', async () => {
  const content = asked('/evidence/e1/content', () => new Response('bytes'))
  answers['/evidence/e1'] = () =>
    Response.json(photo('e1', { flags: [{ code: 'time_differs', detail: '28800 s > 300 s, file: 2026-11-22T02:30:00Z (movie_header)' }] }))
  go({ evidence: 'e1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('captures')).toContain('由 城管通-07 签名，第 1 批第 12 条'))
  expect(text('captures')).toContain('2026-11-22 09:50 之后，2026-11-22 10:02 之前')
  expect(text('captures')).toContain('缺第 11 条')
  await vi.waitFor(() => expect(text('leaf')).toContain('第 42 位'))
  await vi.waitFor(() => expect(text('custody')).toContain('李强'))
  expect(text('custody')).toContain('复核投诉')
  expect(text('flags')).toContain('相差 8 时，超过允许的 5 分')
  expect(text('facts')).toContain('城管通-07')
  await vi.waitFor(() => expect(content[0]?.query.get('purpose')).toBe('seen'))
  one('close-viewer')?.click()
  await vi.waitFor(() => expect(one('viewer')).toBeNull())
  expect(route.evidence).toBe('')
})

it('a file that no device signed is said to be unsigned', async () => {
  answers['/captures'] = () => Response.json({ items: [] })
  go({ evidence: 'e1' })
  openAs('liaison')
  await vi.waitFor(() => expect(text('captures')).toContain('未签名'))
  expect(one('leaf')).toBeNull()
  expect(one('custody')).toBeNull()
})

it('restricted evidence is asked a reason for before any of its bytes are fetched', async () => {
  const restricted = (masked: boolean) => photo('e1', { access_class: 'restricted', masked, filename: masked ? null : '学生.jpg' })
  const record = asked('/evidence/e1', ({ headers }) => Response.json(restricted(headers['X-Access-Reason'] === undefined)))
  const content = asked('/evidence/e1/content', () => new Response('bytes'))
  go({ evidence: 'e1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('asks')).not.toBeNull())
  expect(text('facts')).not.toContain('学生.jpg')
  one('open')?.click()
  await vi.waitFor(() => expect(text('asks')).toContain('请填写查看事由'))
  expect(content).toEqual([])
  write('reason', '办案 核实')
  one('open')?.click()
  await vi.waitFor(() => expect(content).toHaveLength(1))
  expect(content[0]?.headers['X-Access-Reason']).toBe(encodeURIComponent('办案 核实'))
  expect(record).toHaveLength(2)
  await vi.waitFor(() => expect(text('facts')).toContain('学生.jpg'))
})

it('a film is fetched by the player itself, and only when somebody wants to see it', async () => {
  const ticket = asked('/evidence/e2/ticket', () =>
    Response.json({ url: '/api/v1/evidence/e2/content?ticket=t1', expires_at: '2099-01-01T00:00:00Z' }, { status: 201 }),
  )
  const content = asked('/evidence/e2/content', () => new Response('bytes'))
  go({ evidence: 'e2' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('play')).toContain('30 分 5 秒'))
  expect(text('viewer')).toContain('没有视频解码程序')
  expect(ticket).toEqual([])
  one('play')?.click()
  await vi.waitFor(() => expect(one('player')?.getAttribute('src')).toBe('/api/v1/evidence/e2/content?ticket=t1'))
  expect(ticket[0]?.body).toEqual({ purpose: 'seen' })
  expect(content).toEqual([])
  one('player')?.dispatchEvent(new Event('error'))
  await vi.waitFor(() => expect(text('viewer')).toContain('不能播放这段录像'))
})

it('a film whose way in has ended goes on with a new one', async () => {
  let given = 0
  answers['/evidence/e2/ticket'] = () => {
    given += 1
    return Response.json({ url: `/film?ticket=${given}`, expires_at: given === 1 ? '2020-01-01T00:00:00Z' : '2099-01-01T00:00:00Z' })
  }
  go({ evidence: 'e2' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('play')).not.toBeNull())
  one('play')?.click()
  await vi.waitFor(() => expect(one('player')?.getAttribute('src')).toBe('/film?ticket=1'))
  one('player')?.dispatchEvent(new Event('error'))
  await vi.waitFor(() => expect(one('player')?.getAttribute('src')).toBe('/film?ticket=2'))
})

it('each role finds what it may do with the keeping of evidence, and the second person approves', async () => {
  answers['/evidence/e1/retention'] = () => Response.json(kept({ deletion: deletion() }))
  const sent = asked('/evidence/e1/deletion/approve', () => Response.json(deletion({ state: 'approved' })))
  go({ evidence: 'e1' })
  openAs('supervisor')
  await vi.waitFor(() => expect(all('act').map((act) => act.textContent?.trim())).toContain('批准删除'))
  const labels = all('act').map((act) => act.textContent?.trim())
  expect(labels).toContain('设为受限')
  expect(labels).not.toContain('申请删除')
  await vi.waitFor(() => expect(text('deletion')).toContain('李强 申请：误传'))
  all('act').find((act) => act.textContent?.includes('批准删除'))?.click()
  await vi.waitFor(() => expect(one('reason')).not.toBeNull())
  one('act-submit')?.click()
  await vi.waitFor(() => expect(text('keeping')).toContain('请填写理由'))
  write('reason', '核实为误传')
  one('act-submit')?.click()
  await vi.waitFor(() => expect(sent.map(({ body }) => body)).toEqual([{ reason: '核实为误传' }]))
  await vi.waitFor(() => expect(one('act-submit')).toBeNull())
})

it('a link is taken back with a reason', async () => {
  const sent = asked('/evidence/e1/unlink', () => Response.json(photo('e1', { links: [] })))
  go({ evidence: 'e1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('act').some((act) => act.textContent?.includes('取消关联（案件 处置后）'))).toBe(true))
  all('act').find((act) => act.textContent?.includes('取消关联'))?.click()
  await vi.waitFor(() => expect(one('reason')).not.toBeNull())
  write('reason', '关联错了案件')
  one('act-submit')?.click()
  await vi.waitFor(() => expect(sent[0]?.body).toEqual({ target_kind: 'case', target_id: 'c1', role: 'after', reason: '关联错了案件' }))
})

it('what the server refuses is shown where it was asked', async () => {
  answers['/evidence/e1/deletion'] = () => problem(409, 'legal_hold', '该证据已依法冻结保存，不能删除')
  go({ evidence: 'e1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('act').some((act) => act.textContent?.includes('申请删除'))).toBe(true))
  all('act').find((act) => act.textContent?.includes('申请删除'))?.click()
  await vi.waitFor(() => expect(one('reason')).not.toBeNull())
  write('reason', '重复')
  one('act-submit')?.click()
  await vi.waitFor(() => expect(text('keeping')).toContain('冻结保存，不能删除'))
})

it('a photo is redacted with rectangles that the keyboard can set, and the copy is led to', async () => {
  vi.stubGlobal('createImageBitmap', async () => ({ width: 400, height: 300, close: () => undefined }))
  const sent = asked('/evidence/e1/redactions', () => Response.json(photo('e5', { derived_from: 'e1', role: 'redacted' }), { status: 201 }))
  go({ evidence: 'e1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('redact')).not.toBeNull())
  one('redact')?.click()
  await vi.waitFor(() => expect(one('region-add')).not.toBeNull())
  expect(one('redact-submit')).toBeNull()
  one('region-add')?.click()
  await vi.waitFor(() => expect(all('region')).toHaveLength(1))
  for (const [key, shiftKey] of [['ArrowLeft', false], ['ArrowDown', true]] as const) {
    one('region')?.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey, cancelable: true }))
    await Promise.resolve()
  }
  const form = one('redaction')
  const field = form?.querySelector('textarea')
  if (!field) throw new Error('no reason')
  field.value = '遮盖人脸'
  field.dispatchEvent(new Event('input'))
  one('redact-submit')?.click()
  await vi.waitFor(() => expect(text('redacted')).toContain('原件不变'))
  expect(sent[0]?.body).toEqual({ regions: [{ x: 390, y: 400, w: 200, h: 210 }], style: 'black', reason: '遮盖人脸' })
  expect(one('redacted')?.querySelector('a')?.getAttribute('href')).toContain('evidence=e5')
})

it('a tile of restricted evidence asks for no picture', async () => {
  const pictures = asked('/evidence/e1/thumbnail', () => new Response('jpeg'))
  answers['/cases/c1'] = () =>
    Response.json({ id: 'c1', number: '2026-1', ver: 1, state: 'dispatched', title: '井盖破损', description: '', class_code: null, address: null, position: null, unit_id: null, reported_at: '2026-11-22T01:00:00Z', reported_by: 'u2', due_at: null, extension: null, rework_count: 0, closed_at: null, priority: 0, overdue: false })
  answers['/evidence/e1'] = () => Response.json(photo('e1', { access_class: 'restricted', masked: true }))
  answers['/cases/c1/timeline'] = () => Response.json({ items: [] })
  answers['/evidence'] = () => Response.json({ items: [photo('e1', { access_class: 'restricted', masked: true }), film()] })
  go({ case: 'c1' })
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('tile')).toHaveLength(2))
  expect(all('tile')[0]?.textContent).toContain('受限证据')
  expect(all('tile')[1]?.textContent).toContain('30 分 5 秒')
  expect(pictures).toEqual([])
  all('tile')[0]?.click()
  await vi.waitFor(() => expect(one('asks')).not.toBeNull())
})
