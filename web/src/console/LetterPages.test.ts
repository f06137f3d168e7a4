import { afterEach, expect, it, vi } from 'vitest'
import { digestIn, uploadHeaders } from '../lib/attach'
import type { Letter, Merit } from '../lib/letters'
import { go, onPage } from './route'
import { all, answers, choose, fakeServer, one, openAs, openPage, problem, sessionOf, text, write } from './testPage'

const aLetter = (change: Partial<Letter> = {}): Letter => ({
  id: 'l1',
  number: null,
  unit_id: 'n1',
  kind: 'repeated',
  subject: '迎丰路占道经营反复发生',
  text: '请限期整改。',
  note: null,
  case_ids: ['c1'],
  spot_ids: [],
  state: 'drafted',
  limit: { kind: 'work_day', value: 5 },
  due_at: null,
  extension_until: null,
  replied_at: null,
  score: null,
  level: 0,
  ver: 3,
  drafted_by: null,
  drafted_at: '2026-11-20T01:00:00Z',
  issued_at: null,
  received_at: null,
  graded_at: null,
  updated_at: '2026-11-20T01:00:00Z',
  ...change,
})

const aMerit = (change: Partial<Merit> = {}): Merit => ({
  id: 'm1',
  unit_id: 'n1',
  month: '2026-11',
  item: 'praised',
  times: 2,
  summary: '获市级通报表扬',
  happened_on: '2026-11-10',
  source: '怀城管〔2026〕8号',
  evidence: ['ab'],
  state: 'entered',
  entered_by: 'u5',
  entered_at: '2026-11-11T01:00:00Z',
  decided_by: null,
  decided_at: null,
  decision_words: null,
  withdrawn_by: null,
  withdrawn_at: null,
  withdrawn_reason: null,
  ...change,
})

let letter = aLetter()
const RECEIVED = { number: '中城督办〔2026〕12号', state: 'received' as const, due_at: '2999-01-01T00:00:00Z' }
const HEX = '00'.repeat(31) + 'ff'
const REPR = `sha-256=:${btoa(String.fromCharCode(...Array<number>(31).fill(0), 255))}:`

fakeServer(() => {
  letter = aLetter()
  return {
    '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
    '/names': () => Response.json({ users: [{ id: 'u5', name: '王芳' }], devices: [] }),
    '/cases': () => Response.json({ items: [], next: null }),
    '/letters': () => Response.json({ items: [letter], next: null }),
    '/letters/counts': () =>
      Response.json({ states: [{ state: 'drafted', letters: 4 }, { state: 'partly', letters: 2 }], extensions: 1, levels: [{ level: 2, letters: 3 }] }),
    '/letters/l1': () => Response.json(letter),
    '/letters/l1/cases': () => Response.json({ items: [{ id: 'c1', number: '202611000017', title: '迎丰路占道经营' }] }),
    '/letters/l1/timeline': () =>
      Response.json({
        items: [
          { id: 's1', ver: 1, at: '2026-11-20T01:00:00Z', actor_id: null, name: null, command: 'draft', state: 'drafted', words: null, evidence: [], args: {} },
          { id: 's2', ver: 2, at: '2026-11-21T01:00:00Z', actor_id: 'u5', name: '王芳', command: 'issue', state: 'issued', words: null, evidence: [], args: { number: '中城督办〔2026〕12号', due_at: '2026-11-28T10:00:00Z' } },
        ],
      }),
    '/uploads': () => new Response(null, { status: 201, headers: { 'repr-digest': REPR } }),
    '/merits': () => Response.json({ items: [aMerit()], next: null }),
  }
})

afterEach(() => vi.useRealTimers())

const click = (name: string) => one(name)?.click()
const submit = (name: string) => one(name)?.dispatchEvent(new Event('submit'))

function openAsLiaison(): void {
  const session = sessionOf('liaison')
  session.user.unit_id = 'n1'
  answers['/me'] = () => Response.json({ user: session.user })
  sessionStorage.setItem('chengguan.session', JSON.stringify(session))
  openPage()
}

/** What was commanded, and what the letter becomes. */
function commands(becomes: Partial<Letter>): unknown[] {
  const bodies: unknown[] = []
  answers['/letters/l1/commands'] = ({ body }) => {
    bodies.push(body)
    letter = { ...letter, ...becomes, ver: letter.ver + 1 }
    return Response.json(letter)
  }
  return bodies
}

async function attach(name: string): Promise<void> {
  const field = one<HTMLInputElement>('attach-files')
  Object.defineProperty(field, 'files', { value: [new File(['x'], name, { type: 'image/png', lastModified: 0 })], configurable: true })
  field?.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(all('attached')).toHaveLength(1))
}

it('queues count the letters and filter the list', async () => {
  const asked: string[] = []
  answers['/letters'] = ({ query }) => {
    asked.push(String(query))
    return Response.json({ items: [letter], next: null })
  }
  go(onPage('letters'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('letters-issue')).toBe('待下发4'))
  expect(text('letters-extension')).toBe('延期审批1')
  await vi.waitFor(() => expect(text('letters-escalated')).toContain('二级 3'))
  expect(text('letter-row')).toContain('县水利局')
  click('letters-grade')
  await vi.waitFor(() => expect(asked.at(-1)).toBe('queue=grade&limit=50'))
  choose('letter-filter', 'partly')
  await vi.waitFor(() => expect(asked.at(-1)).toBe('state=partly&limit=50'))
})

it('a letter is drafted with its score effect told, a limit or a day, and what it lacks', async () => {
  const sent: unknown[] = []
  answers['/letters'] = ({ method, body }) => {
    if (method === 'POST') sent.push(body)
    return Response.json(method === 'POST' ? letter : { items: [letter], next: null }, { status: method === 'POST' ? 201 : 200 })
  }
  go(onPage('letters'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('compose')).not.toBeNull())
  await vi.waitFor(() => expect(all('letter-row')).toHaveLength(1))
  click('compose')
  await vi.waitFor(() => expect(text('score-effect')).toContain('完成 100（逾期 55），部分完成 50（逾期 27.5），未完成 0'))
  submit('letter-form')
  await vi.waitFor(() => expect(text('letter-form')).toContain('请选择责任单位'))
  choose('letter-unit', 'n1')
  write('letter-subject', ' 占道经营 ')
  write('letter-text', '请整改。')
  choose('letter-by', 'date')
  await vi.waitFor(() => expect(one('letter-date')).not.toBeNull())
  write('letter-date', '2020-01-01T09:00')
  submit('letter-form')
  await vi.waitFor(() => expect(text('letter-form')).toContain('已经过去'))
  choose('letter-by', 'limit')
  await vi.waitFor(() => expect(one('letter-limit')).not.toBeNull())
  write('letter-limit', '3')
  await attach('通知.png')
  submit('letter-form')
  await vi.waitFor(() => expect(one('letter-detail')).not.toBeNull())
  expect(sent).toEqual([
    { unit_id: 'n1', kind: 'from_above', subject: '占道经营', text: '请整改。', case_ids: [], spot_ids: [], evidence: [HEX], limit: { kind: 'work_day', value: 3 } },
  ])
})

it('the grounds of a letter are picked from the unit’s cases, found by number or words, and from recurring spots', async () => {
  const asked: string[] = []
  const aCase = (id: string, number: string) => ({ id, number, title: '占道经营', address: '迎丰路', state: 'dispatched', due_at: '2026-11-20T01:00:00Z', overdue: true })
  const aSpot = (id: string) => ({ id, class_code: '0101', address: '迎丰路 8 号', grid_code: null, case_count: 3, recurrence_count: 2, last_seen_at: '2026-11-20T01:00:00Z' })
  answers['/cases'] = ({ query }) => {
    asked.push(String(query))
    return Response.json({ items: [aCase('c1', '431221202611270001'), aCase('c2', '431221202611270002')], next: null })
  }
  answers['/cases/c1'] = () => Response.json(aCase('c1', '431221202611270001'))
  answers['/spots/top'] = () => Response.json({ items: [{ spot: aSpot('p1') }], next: null })
  answers['/spots'] = () => Response.json({ items: [aSpot('p1'), aSpot('p2')], next: null })
  const sent = commands({})
  go(onPage('letters', { letter: 'l1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('revise')).not.toBeNull())
  click('revise')
  await vi.waitFor(() => expect(text('ground')).toContain('431221202611270001 占道经营'))
  await vi.waitFor(() => expect(all('ground-case')).toHaveLength(2))
  expect(asked.at(-1)).toBe('unit_id=n1&queue=overdue&limit=50')
  write('ground-words', '270002')
  click('ground-find')
  await vi.waitFor(() => expect(all('ground-case')).toHaveLength(1))
  expect(asked.at(-1)).toBe('unit_id=n1&queue=overdue&limit=200')
  one('ground-case')?.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(all('ground')).toHaveLength(2))
  click('ground-spots')
  await vi.waitFor(() => expect(all('ground-spot')).toHaveLength(2))
  all('ground-spot')[1]?.dispatchEvent(new Event('change'))
  await vi.waitFor(() => expect(all('ground')).toHaveLength(3))
  all('ground')[0]?.querySelector('button')?.click()
  await vi.waitFor(() => expect(all('ground')).toHaveLength(2))
  submit('letter-form')
  await vi.waitFor(() => expect(sent).toMatchObject([{ type: 'revise', args: { case_ids: ['c2'], spot_ids: ['p2'] } }]))
})

it('a dispatcher revises a draft but does not issue it; the inspectorate issues it after being asked', async () => {
  go(onPage('letters', { letter: 'l1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('revise')).not.toBeNull())
  expect(one('issue')).toBeNull()
  expect(text('letter-detail')).toContain('下发后 5 工作日')
  expect(text('letter-detail')).toContain('系统自动')
  expect(text('letter-cases')).toBe('202611000017 迎丰路占道经营')
  await vi.waitFor(() => expect(all('letter-steps').length).toBe(1))
  expect(text('letter-steps')).toContain('中城督办〔2026〕12号，截止 2026-11-28 18:00')
  const sent = commands({})
  click('revise')
  await vi.waitFor(() => expect(one<HTMLInputElement>('letter-subject')?.value).toBe('迎丰路占道经营反复发生'))
  submit('letter-form')
  await vi.waitFor(() => expect(sent).toMatchObject([{ type: 'revise', base_ver: 3, args: { case_ids: ['c1'], limit: { kind: 'work_day', value: 5 } } }]))
})

it('the inspectorate issues, with the version that was read', async () => {
  go(onPage('letters', { letter: 'l1' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(one('issue')).not.toBeNull())
  const sent = commands({ ...RECEIVED, state: 'issued' })
  click('issue')
  await vi.waitFor(() => expect(text('letter-acts')).toContain('下发后编号'))
  click('issue-sure')
  await vi.waitFor(() => expect(text('letter-detail')).toContain('中城督办〔2026〕12号'))
  expect(sent).toEqual([{ type: 'issue', args: {}, base_ver: 3 }])
  expect(one('receive')).toBeNull()
})

it('the unit receives, asks for more time, and replies with proof', async () => {
  letter = aLetter({ ...RECEIVED, state: 'issued' })
  go(onPage('letters', { letter: 'l1' }))
  openAsLiaison()
  await vi.waitFor(() => expect(one('receive')).not.toBeNull())
  expect([one('compose'), one('letters-issue'), one('withdraw')]).toEqual([null, null, null])
  const sent = commands({ state: 'received' })
  click('receive')
  await vi.waitFor(() => expect(one('reply')).not.toBeNull())
  click('extend')
  await vi.waitFor(() => expect(one('until')).not.toBeNull())
  write('reason', '汛期')
  write('until', '2998-01-01T09:00')
  click('extend-sure')
  await vi.waitFor(() => expect(text('letter-acts')).toContain('要晚于现在的截止时间'))
  write('reason', '汛期')
  write('until', '2999-02-01T09:00')
  click('extend-sure')
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  await vi.waitFor(() => expect(one('until')).toBeNull())
  await attach('照片.png')
  write('reason', '已完成')
  click('reply')
  await vi.waitFor(() => expect(sent).toHaveLength(3))
  expect(sent).toEqual([
    { type: 'receive', args: {}, base_ver: 3 },
    { type: 'request_extension', args: { until: '2999-02-01T01:00:00.000Z', words: '汛期' }, base_ver: 4 },
    { type: 'reply', args: { words: '已完成', evidence: [HEX] }, base_ver: 5 },
  ])
})

it('an extension is decided, and a reply graded by the rule or lower, or sent back', async () => {
  letter = aLetter({ ...RECEIVED, extension_until: '2999-02-01T00:00:00Z' })
  go(onPage('letters', { letter: 'l1' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(one('grant')).not.toBeNull())
  const sent = commands({ state: 'replied', extension_until: null, replied_at: '2026-11-25T00:00:00Z' })
  write('reason', '同意')
  click('grant')
  await vi.waitFor(() => expect(one('outcome')).not.toBeNull())
  choose('outcome', 'partly')
  await vi.waitFor(() => expect(text('letter-acts')).toContain('按办法计 50 分'))
  write('lower', '60')
  write('reason', '缺两处')
  click('grade')
  await vi.waitFor(() => expect(text('letter-acts')).toContain('得分只能降低'))
  write('lower', '40')
  write('reason', '缺两处')
  click('grade')
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  await vi.waitFor(() => expect(one<HTMLInputElement>('lower')?.value).toBe(''))
  write('reason', '重办')
  click('refuse')
  await vi.waitFor(() => expect(sent).toHaveLength(3))
  expect(sent).toEqual([
    { type: 'decide_extension', args: { granted: true, words: '同意' }, base_ver: 3 },
    { type: 'grade', args: { outcome: 'partly', score: 40_000, words: '缺两处' }, base_ver: 4 },
    { type: 'refuse_reply', args: { words: '重办' }, base_ver: 5 },
  ])
})

it('who never answered is graded once the time is over, as not done', async () => {
  letter = aLetter({ ...RECEIVED, due_at: '2020-01-01T00:00:00Z', level: 3 })
  go(onPage('letters', { letter: 'l1' }))
  openAs('admin')
  await vi.waitFor(() => expect(text('outcome')).toBe('未完成'))
  expect(text('letter-detail')).toContain('逾期督办三级')
  expect([one('refuse'), one('lower')]).toEqual([null, null])
})

it('a letter that has changed meanwhile says so', async () => {
  answers['/letters/l1/commands'] = () => problem(409, 'version_stale', '内容已被他人更新')
  go(onPage('letters', { letter: 'l1' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(one('withdraw')).not.toBeNull())
  click('withdraw')
  await vi.waitFor(() => expect(one('withdraw-sure')).not.toBeNull())
  write('reason', '重复')
  click('withdraw-sure')
  await vi.waitFor(() => expect(text('letter-acts')).toContain('内容已被他人更新'))
})

it('an entry of the list needs proof, and somebody else approves it', async () => {
  const sent: unknown[] = []
  answers['/merits'] = ({ method, body }) => {
    if (method === 'POST') sent.push(body)
    return Response.json(method === 'POST' ? aMerit() : { items: [aMerit({ entered_by: 'u1' })], next: null })
  }
  go(onPage('merits'))
  openAs('admin')
  await vi.waitFor(() => expect(all('merit')).toHaveLength(1))
  expect([one('approve-merit'), one('withdraw-merit') === null]).toEqual([null, false])
  click('enter')
  await vi.waitFor(() => expect(one('merit-form')).not.toBeNull())
  choose('merit-unit', 'n1')
  write('merit-of', '2026-11')
  choose('merit-item', 'exposed')
  write('merit-day', '2026-12-01')
  write('merit-summary', '省媒曝光')
  write('merit-source', '湖南日报')
  submit('merit-form')
  await vi.waitFor(() => expect(text('merit-form')).toContain('不能晚于'))
  write('merit-day', '2026-11-09')
  submit('merit-form')
  await vi.waitFor(() => expect(text('merit-form')).toContain('请至少附一份佐证'))
  await attach('报道.png')
  submit('merit-form')
  await vi.waitFor(() => expect(one('merit-form')).toBeNull())
  expect(sent).toEqual([
    { unit_id: 'n1', month: '2026-11', item: 'exposed', times: 1, summary: '省媒曝光', happened_on: '2026-11-09', source: '湖南日报', evidence: [HEX] },
  ])
})

it('the inspectorate decides an entry of somebody else, and takes it back with a reason', async () => {
  const sent: unknown[] = []
  answers['/merits/m1/decision'] = ({ body }) => {
    sent.push(body)
    return Response.json(aMerit({ state: 'approved', decided_by: 'u1', decided_at: '2026-11-12T01:00:00Z', decision_words: '属实' }))
  }
  answers['/merits/m1/withdrawal'] = ({ body }) => {
    sent.push(body)
    return Response.json(aMerit({ state: 'withdrawn', withdrawn_by: 'u1', withdrawn_at: '2026-11-13T01:00:00Z', withdrawn_reason: '重复' }))
  }
  go(onPage('merits'))
  openAs('supervisor')
  await vi.waitFor(() => expect(one('approve-merit')).not.toBeNull())
  write('reason', '属实')
  click('approve-merit')
  await vi.waitFor(() => expect(text('merit')).toContain('核准：属实'))
  click('withdraw-merit')
  await vi.waitFor(() => expect(one('withdraw-merit-sure')).not.toBeNull())
  write('reason', '重复')
  click('withdraw-merit-sure')
  await vi.waitFor(() => expect(text('merit')).toContain('撤销：重复'))
  expect(sent).toEqual([{ approved: true, words: '属实' }, { reason: '重复' }])
  expect(one('withdraw-merit')).toBeNull()
})

it('a liaison reads the list and changes nothing', async () => {
  answers['/merits'] = () => Response.json({ items: [aMerit({ state: 'approved' })], next: null })
  go(onPage('merits'))
  openAsLiaison()
  await vi.waitFor(() => expect(text('merit')).toContain('上级表扬或省级以上媒体正面报道 2 次'))
  expect([one('enter'), one('merit-state'), one('approve-merit'), one('withdraw-merit')]).toEqual([null, null, null, null])
})

it('a file is told to the server in one line, also with a Chinese name, and its digest read from the answer', () => {
  const headers = uploadHeaders(new File(['x'], '照片.png', { type: 'image/png' }), 'ab')
  expect(headers['Upload-Length']).toBe('1')
  expect(headers['Upload-Metadata']).toMatch(/^filename 54Wn54mHLnBuZw==,filetype aW1hZ2UvcG5n,captured_at \S+,sha256 YWI=$/)
  expect(uploadHeaders(new File([], 'a'), null)['Upload-Metadata']).not.toContain('sha256')
  expect(digestIn(REPR)).toBe(HEX)
  expect([digestIn(null), digestIn('md5=:AA==:')]).toEqual([null, null])
})
