import { expect, it, vi } from 'vitest'
import type { Clip, DeviceUse, WholeClip } from '../lib/clips'
import type { LogEntry } from '../lib/evidence'
import { go, onPage, route } from './route'
import { all, answers, choose, fakeServer, one, openAs, problem, text, write } from './testPage'

const clip = (id: string, change: Partial<Clip> = {}): Clip => ({
  id,
  camera: 'C0012',
  device_id: 'd2',
  user_id: 'u2',
  user_from: 'roster',
  recorded_at: '2026-11-20T00:35:00Z',
  recorded_from: 'name',
  clock_offset_ms: 300_000,
  clock_from: 'clock_file',
  started_at: '2026-11-20T00:30:00Z',
  ended_at: '2026-11-20T00:40:20Z',
  key_file: true,
  doubts: [{ code: 'officer_differs', detail: 'u3' }],
  state: 'unclaimed',
  best_case: null,
  best_score: null,
  decided_by: null,
  decided_at: null,
  reason: null,
  arrived_at: '2026-11-20T10:00:00Z',
  age_s: 9 * 86_400,
  ...change,
})

const whole = (change: Partial<WholeClip> = {}): WholeClip => ({
  clip: clip('v1'),
  evidence: null,
  proposals: [
    {
      case_id: 'c1',
      number: '2026-1',
      title: '占道经营',
      score: 725,
      parts: [
        { part: 'officer', points: 400, of: 400, why: 'acted', figure: null },
        { part: 'time', points: 350, of: 350, why: 'during', figure: 0 },
        { part: 'distance', points: -25, of: 250, why: 'far', figure: 1200 },
      ],
    },
  ],
  ...change,
})

const use = (name: string, change: Partial<DeviceUse> = {}): DeviceUse => ({
  device_id: name,
  name,
  kind: 'camera',
  state: 'in_use',
  days: null,
  reasons: ['used'],
  repair: null,
  last_used_at: '2026-11-20T00:30:00Z',
  last_seen_at: '2026-11-20T10:00:00Z',
  days_used: 12,
  ...change,
})

const camera = { files: 30, key_files: 1, recorded_s: 36_000, linked_s: 9_000, unclaimed_s: 27_000, dismissed_s: 0, within_24h_milli: 500, rostered_s: 72_000, recorded_milli: 500, linked_milli: 250 }

const checked = (at: string, body: object): LogEntry => ({
  id: at,
  kind: 'check',
  subject: 'check',
  leaf: JSON.stringify({ v: 1, kind: 'check', body: { leaves: 10, trees: 1, evidence: 4, originals: 4, bytes: 900, next: null, findings: 0, named: [], ...body } }),
  leaf_hash: 'aa'.repeat(32),
  recorded_at: at,
  index: 7,
})

const leaf: LogEntry = {
  id: 'l1',
  kind: 'custody',
  subject: 'evidence:e1',
  leaf: '{"kind":"custody","v":1}',
  leaf_hash: 'cd'.repeat(32),
  recorded_at: '2026-11-22T02:02:00Z',
  index: 41,
}

const ROOT = `${'A'.repeat(43)}=`

fakeServer(() => ({
  '/units': () => Response.json({ items: [] }),
  '/cases': () => Response.json({ items: [{ id: 'c7', number: '2026-7', title: '井盖破损' }], next: null }),
  '/names': () => Response.json({ users: [{ id: 'u2', name: '李强' }], devices: [] }),
  '/clips': ({ query }) =>
    Response.json({
      items: query.get('state') === 'unclaimed' ? [clip('v1'), clip('v2', { age_s: 60, user_id: null })] : [],
      next: null,
      counts: [
        { state: 'unclaimed', count: 2, oldest_age_s: 9 * 86_400 },
        { state: 'linked', count: 31, oldest_age_s: 99 },
      ],
    }),
  '/clips/v1': () => Response.json(whole()),
  '/devices/utilisation': () =>
    Response.json({
      from: '',
      to: '',
      items: [
        use('C0012', { camera, reasons: ['used', 'late_uploads', 'footage_unclaimed'] }),
        use('C0013', { state: 'lost', days: 41, reasons: ['silent'], camera: { ...camera, files: 0 } }),
        use('手持-3', { kind: 'handheld', state: 'idle', days: 12, reasons: ['not_used'], handheld: { pushes: 3, ops: 9, evidence: 2 } }),
      ],
    }),
  '/evidence/deletions': ({ query }) =>
    Response.json({
      items:
        query.get('state') === 'proposed'
          ? [{ id: 'x1', evidence_id: 'e1', state: 'proposed', reason: '误传', proposed_by: 'u2', proposed_at: '2026-11-22T04:00:00Z', approved_at: null, undone_at: null, done_at: null }]
          : [],
      next: null,
    }),
  '/log/key': () => Response.json({ name: 'chengguan/0123456789abcdef', verifier: 'chengguan/0123456789abcdef+01+key' }),
  '/log/checkpoint': () =>
    new Response(`chengguan/0123456789abcdef\n42\n${ROOT}\n\n— chengguan/0123456789abcdef sig\n`, {
      headers: { 'last-modified': 'Sun, 22 Nov 2026 02:10:00 GMT' },
    }),
  '/log/entries': ({ query }) =>
    Response.json({
      items:
        query.get('subject') === 'check'
          ? [
              checked(new Date(Date.now() - 3_600_000).toISOString(), {
                findings: 1,
                named: [{ disagreement: 'original_damaged', subject: 'evidence:e1' }],
              }),
              checked('2026-11-20T18:00:00Z', {}),
            ]
          : [leaf],
      next: null,
    }),
}))

it('recordings that nobody claimed are told by how long they wait', async () => {
  go(onPage('clips'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('clip-row')).toHaveLength(2))
  expect(all('clip-row')[0]?.textContent).toContain('已等 9 天')
  expect(all('clip-row')[0]?.textContent).toContain('重点')
  expect(all('clip-row')[1]?.textContent).toContain('佩戴人不明')
  expect(text('summary')).toContain('最久已等 9 天')
  expect(text('filter')).toContain('待认领（2）')
  expect(text('filter')).toContain('已关联（31）')
})

it('a proposal says why it fits, and linking it needs one click', async () => {
  const sent: unknown[] = []
  answers['/clips/v1/link'] = ({ body }) => {
    sent.push(body)
    return Response.json(clip('v1', { state: 'linked', best_case: 'c1', best_score: 725, decided_by: 'u1', decided_at: '2026-11-29T10:00:00Z' }))
  }
  go(onPage('clips', { clip: 'v1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('proposals')).toContain('占道经营'))
  expect(text('proposals')).toContain('73%')
  expect(text('proposals')).toContain('佩戴人办过这件案')
  expect(text('proposals')).toContain('离案发地点 1.2 公里，扣分')
  expect(text('clip')).toContain('快 5 分，已修正（采集站测得）')
  expect(text('doubts')).toContain('文件名中的警号与排班不符')
  one('link')?.click()
  await vi.waitFor(() => expect(text('done')).toContain('已关联'))
  expect(sent).toEqual([{ case_id: 'c1' }])
})

it('another case is found by its number, and one that is not there is said so', async () => {
  const sent: unknown[] = []
  answers['/clips/v1/link'] = ({ body }) => {
    sent.push(body)
    return problem(409, 'unit_foreign', '不属于本单位')
  }
  go(onPage('clips', { clip: 'v1' }))
  openAs('officer')
  await vi.waitFor(() => expect(one('picker')).not.toBeNull())
  write('case-number', '2026-8')
  one('picker')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('picker')).toContain('没有这个案号'))
  write('case-number', '2026-7')
  one('picker')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(text('clip')).toContain('不属于本单位'))
  expect(sent).toEqual([{ case_id: 'c7' }])
})

it('a recording is dismissed with a reason', async () => {
  const sent: unknown[] = []
  answers['/clips/v1/dismiss'] = ({ body }) => {
    sent.push(body)
    return Response.json(clip('v1', { state: 'dismissed', reason: '误录', decided_by: 'u1', decided_at: '2026-11-29T10:00:00Z' }))
  }
  go(onPage('clips', { clip: 'v1' }))
  openAs('liaison')
  await vi.waitFor(() => expect(one('dismiss')).not.toBeNull())
  one('dismiss')?.click()
  await vi.waitFor(() => expect(text('clip')).toContain('请填写理由'))
  write('reason', '误录')
  one('dismiss')?.click()
  await vi.waitFor(() => expect(text('done')).toContain('无需关联'))
  expect(sent).toEqual([{ reason: '误录' }])
})

it('officers find their recordings and none of the pages of the Centre', async () => {
  go(onPage('log'))
  openAs('officer')
  await vi.waitFor(() => expect(one('group-clips')).not.toBeNull())
  one('group-clips')?.click()
  await vi.waitFor(() => expect(one('nav-clips')).not.toBeNull())
  for (const page of ['nav-log', 'nav-reuse', 'nav-keeping', 'group-devices']) expect(one(page)).toBeNull()
  expect(one('entries')).toBeNull()
})

it('each device has its line, with how it stands and why', async () => {
  go(onPage('ledger'))
  openAs('admin')
  await vi.waitFor(() => expect(all('ledger-row')).toHaveLength(3))
  const [first, second, third] = all('ledger-row').map((row) => row.textContent ?? '')
  expect(first).toContain('24 小时内上传的只占 50%；过半录像无人认领（7.5 时）')
  expect(first).toContain('30 段，10.0 时，占排班 50%')
  expect(second).toContain('41 天没有任何数据')
  expect(third).toContain('操作 9 项')
  choose('filter', 'lost')
  await vi.waitFor(() => expect(all('ledger-row')).toHaveLength(1))
  expect(route.filter).toBe('lost')
})

it('an administrator marks a device as waiting for repair', async () => {
  const sent: unknown[] = []
  answers['/devices/C0012/repair'] = ({ body }) => {
    sent.push(body)
    return new Response(null, { status: 204 })
  }
  go(onPage('ledger'))
  openAs('admin')
  await vi.waitFor(() => expect(all('repair')).toHaveLength(3))
  all('repair')[0]?.click()
  await vi.waitFor(() => expect(one('reason')).not.toBeNull())
  write('reason', '镜头进水')
  one('broken')?.click()
  await vi.waitFor(() => expect(one('reason')).toBeNull())
  expect(sent).toEqual([{ reason: '镜头进水' }])
})

it('what waits for the second person is listed, and leads to the evidence', async () => {
  go(onPage('keeping'))
  openAs('supervisor')
  await vi.waitFor(() => expect(all('deletion-row')).toHaveLength(1))
  await vi.waitFor(() => expect(text('deletion-row')).toContain('李强 申请：误传'))
  one('deletion-row')?.click()
  await vi.waitFor(() => expect(one('viewer')).not.toBeNull())
  expect(route).toMatchObject({ page: 'keeping', evidence: 'e1' })
})

it('the log shows its newest checkpoint, its key, and what the check found', async () => {
  go(onPage('log'))
  openAs('verifier')
  await vi.waitFor(() => expect(text('checkpoint')).toContain(ROOT))
  expect(text('checkpoint')).toContain('42')
  expect(text('checkpoint')).toContain('2026-11-22 10:10')
  await vi.waitFor(() => expect(text('log-key')).toContain('+01+key'))
  expect(text('log-key')).toContain('另行公布')
  await vi.waitFor(() => expect(all('check')).toHaveLength(2))
  expect(all('check')[0]?.textContent).toContain('1 处不符')
  expect(all('check')[0]?.textContent).toContain('原件内容被改动或损坏')
  expect(all('check')[1]?.textContent).toContain('全部相符')
  expect(one('checks')?.classList).toContain('card-bad')
  await vi.waitFor(() => expect(text('entry')).toContain('第 42 位'))
})

it('the log is asked by kind and by what a fact is about', async () => {
  const asked: string[] = []
  const usual = answers['/log/entries']
  answers['/log/entries'] = (one) => {
    if (one.query.get('subject') !== 'check') asked.push(`${one.query.get('kind')} ${one.query.get('subject')}`)
    return usual?.(one) ?? problem(404, 'not_found', '')
  }
  go(onPage('log'))
  openAs('admin')
  await vi.waitFor(() => expect(asked).toEqual(['null null']))
  choose('filter', 'custody')
  await vi.waitFor(() => expect(asked).toEqual(['null null', 'custody null']))
  write('subject', 'evidence:e1')
  one('subject')?.closest('form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(asked[2]).toBe('custody evidence:e1'))
})

it('a log without a signed tree says so, and shows the rest', async () => {
  answers['/log/checkpoint'] = () => problem(409, 'log_pending', '日志尚未签署')
  go(onPage('log'))
  openAs('admin')
  await vi.waitFor(() => expect(text('checkpoint')).toContain('日志尚未签署'))
  await vi.waitFor(() => expect(text('log-key')).toContain('+01+key'))
})
