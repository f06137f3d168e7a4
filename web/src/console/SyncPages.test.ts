import { expect, it, vi } from 'vitest'
import { qrOf } from '../lib/qr'
import type { DeviceHealth, Sides, Waiting } from '../lib/sync'
import type { Case } from '../lib/types'
import { go, onPage, parseRoute, route } from './route'
import { all, answers, fakeServer, one, openAs, problem, text, write } from './testPage'

const waiting = (id: string, change: Partial<Waiting> = {}): Waiting => ({
  result: { op_id: id, status: 'conflict', code: 'stage_moved', detail: 'closed' },
  type: 'case.handle',
  target_kind: 'case',
  target_id: 'c1',
  actor_id: 'u2',
  actor_name: '李强',
  device_id: 'd1',
  device_name: '城管通-07',
  occurred_at: '2026-11-22T01:00:00Z',
  corrected_at: '2026-11-22T01:00:00Z',
  time_confidence: 'suspect',
  received_at: '2026-11-22T03:00:00Z',
  followers: 0,
  resolution: null,
  resolution_reason: null,
  ...change,
})

const sides = (id: string, change: Partial<Sides> = {}): Sides => ({
  ...waiting(id),
  op: { v: 1, args: { note: '已更换井盖' }, base: { ver: 3 } },
  seen_ver: 3,
  record: { id: 'c1', number: '2026-1', state: 'closed', ver: 9, title: '井盖破损', unit_id: 'n1', due_at: null } as Case,
  since: [{ command: 'confirm_closing', actor_name: '张敏', at: '2026-11-22T02:00:00Z', ver: 9, note: '现场已查' }],
  chain: [],
  ...change,
})

const device = (id: string, change: Partial<DeviceHealth> = {}): DeviceHealth => ({
  device_id: id,
  name: id,
  kind: 'handheld',
  epoch: 1,
  last_push_at: new Date().toISOString(),
  app: 'pwa/2.4.1',
  depth: 0,
  oldest_at: null,
  media_waiting: 0,
  clock_offset_ms: 0,
  storage_persisted: true,
  digest_at: null,
  digest_matched: true,
  behind: 0,
  in_review: 0,
  missing: 0,
  lost: 0,
  revoked_at: null,
  ...change,
})

fakeServer(() => ({
  '/units': () => Response.json({ items: [{ id: 'n1', code: '01', name: '县水利局', class: 'A' }] }),
  '/cases': () => Response.json({ items: [], next: null }),
  '/sync/reviews': () => Response.json({ items: [waiting('o1'), waiting('o2', { followers: 1 })] }),
  '/sync/reviews/o1': () => Response.json(sides('o1')),
  '/sync/health': () =>
    Response.json({ items: [device('well'), device('lossy', { lost: 2, missing: 2 }), device('slow', { clock_offset_ms: -400_000 })] }),
}))

it('people outside the Centre find no page of sync, not even by its address', async () => {
  go(onPage('reviews'))
  openAs('liaison')
  await vi.waitFor(() => expect(document.body.textContent).toContain('还没有案件'))
  expect(one('nav-reviews')).toBeNull()
  expect(one('nav-devices')).toBeNull()
})

it('an entry shows both sides and why it waits', async () => {
  go(onPage('reviews'))
  openAs('dispatcher')
  await vi.waitFor(() => expect(all('review-row')).toHaveLength(2))
  all('review-row')[0]?.click()
  await vi.waitFor(() => expect(text('office')).toContain('现场已查'))
  expect(text('why')).toContain('「已结案」')
  expect(text('street')).toContain('已更换井盖')
  expect(text('street')).toContain('时间存疑')
  expect(text('street')).toContain('案件第 3 版')
  expect(text('office')).toContain('县水利局')
  expect(parseRoute(location.hash)).toMatchObject({ page: 'reviews', op: 'o1' })
})

it('names the operation that was there first', async () => {
  answers['/sync/reviews/o1'] = () =>
    Response.json(sides('o1', { result: { op_id: 'o1', status: 'conflict', code: 'stage_moved', detail: 'closed', winner: 'o9' } }))
  answers['/sync/reviews/o9'] = () => Response.json(sides('o9', { actor_name: '王芳', device_name: '城管通-12' }))
  go(onPage('reviews', { op: 'o1' }))
  openAs('verifier')
  await vi.waitFor(() => expect(text('winner')).toContain('王芳'))
  expect(text('winner')).toContain('城管通-12')
})

it('a refused decision is told in words, and the entry stays to be decided', async () => {
  answers['/sync/reviews/o1/decision'] = () => problem(409, 'stage_moved', '案件已被他人推进到别的环节', 'closed')
  go(onPage('reviews', { op: 'o1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('apply')).not.toBeNull())
  one('apply')?.click()
  await vi.waitFor(() => expect(text('problem')).toContain('无法采纳：案件已被他人推进到别的环节'))
  expect(text('problem')).toContain('案件现在是「已结案」')
  expect(one('apply')).not.toBeNull()
})

it('nothing is discarded without a reason; with one, the chain goes with it and the queue is read again', async () => {
  const sent: unknown[] = []
  let asked = 0
  answers['/sync/reviews'] = () => Response.json({ items: asked++ === 0 ? [waiting('o1'), waiting('o3')] : [waiting('o3')] })
  answers['/sync/reviews/o1'] = () => Response.json(sides('o1', { chain: [waiting('o2', { type: 'case.apply_closing' })] }))
  answers['/sync/reviews/o1/decision'] = ({ body }) => {
    sent.push(body)
    return Response.json(sides('o1', { result: { op_id: 'o1', status: 'rejected', code: 'discarded' }, resolution: 'discard' }))
  }
  go(onPage('reviews', { op: 'o1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('chain')).toContain('申请结案'))
  one('discard')?.click()
  await vi.waitFor(() => expect(text('decision')).toContain('请填写不采纳的理由'))
  expect(sent).toEqual([])
  write('reason', ' 已由他人处置 ')
  one('discard')?.click()
  await vi.waitFor(() => expect(text('done')).toContain('后面的 1 项也一并不采纳'))
  expect(sent).toEqual([{ decision: 'discard', reason: '已由他人处置' }])
  await vi.waitFor(() => expect(all('review-row')).toHaveLength(1))
  expect(one('done')?.querySelector('a')?.getAttribute('href')).toContain('op=o3')
  expect(one('decision')).toBeNull()
})

it('who does not decide still sees everything', async () => {
  go(onPage('reviews', { op: 'o1' }))
  openAs('supervisor')
  await vi.waitFor(() => expect(text('review')).toContain('由派遣员决定'))
  expect(one('apply')).toBeNull()
})

it('an entry that somebody else decided meanwhile shows what they decided', async () => {
  let decided = false
  answers['/sync/reviews/o1/decision'] = () => {
    decided = true
    return problem(409, 'review_closed', '该事项已处理')
  }
  answers['/sync/reviews/o1'] = () =>
    Response.json(
      decided
        ? sides('o1', { result: { op_id: 'o1', status: 'rejected', code: 'discarded' }, resolution: 'discard', resolution_reason: '重复上报' })
        : sides('o1'),
    )
  go(onPage('reviews', { op: 'o1' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('apply')).not.toBeNull())
  one('apply')?.click()
  await vi.waitFor(() => expect(text('why')).toContain('理由：重复上报'))
})

it('bytes that are no operation are shown, and leave the list once it is noted what became of them', async () => {
  const sent: unknown[] = []
  answers['/sync/reviews/raw'] = () =>
    Response.json({
      items: [{ id: 'r1', device_id: 'well', received_at: '2026-11-22T03:00:00Z', code: 'op_malformed', sha256: 'ab', size: 9, text: '{"op_id":' }],
    })
  answers['/sync/reviews/raw/r1/decision'] = ({ body }) => {
    sent.push(body)
    return new Response(null, { status: 204 })
  }
  go(onPage('reviews', { status: 'raw' }))
  openAs('dispatcher')
  await vi.waitFor(() => expect(text('raws')).toContain('{"op_id":'))
  one('raw-begin')?.click()
  await vi.waitFor(() => expect(one('reason')).not.toBeNull())
  write('reason', '已重新填报')
  document.querySelector('.raw form')?.dispatchEvent(new Event('submit'))
  await vi.waitFor(() => expect(one('empty')).not.toBeNull())
  expect(sent).toEqual([{ reason: '已重新填报' }])
})

it('the board shows the worst device first, and its ledger names what was lost', async () => {
  answers['/sync/health/lossy/losses'] = () =>
    Response.json({
      items: [
        { epoch: 2, reason: 'wiped', started_at: '2026-11-22T03:00:00Z', last_push_at: null, made: 0, received: 0, missing: [], lost: false },
        { epoch: 1, reason: 'enrolled', started_at: '2026-11-20T03:00:00Z', last_push_at: '2026-11-21T03:00:00Z', made: 5, received: 3, missing: [4, 5], lost: true },
      ],
    })
  answers['/captures/chains/lossy'] = () =>
    Response.json({
      records: 12,
      quarantined: 0,
      missing: 4,
      forks: 1,
      edited: 0,
      epochs: [
        { epoch: 1, begins: 'genesis', records: 12, last_seq: 16, last_received_at: null, gaps: [{ from: 3, to: 5 }, { from: 9, to: 9 }], forks: [7], edited: [] },
      ],
    })
  openAs('admin')
  await vi.waitFor(() => expect(one('group-devices')).not.toBeNull())
  one('group-devices')?.click()
  await vi.waitFor(() => expect(all('device-row')).toHaveLength(3))
  expect(all('device-row').map((row) => row.querySelector('a')?.textContent)).toEqual(['lossy', 'slow', 'well'])
  expect(text('summary')).toContain('共丢失 2 项')
  all('device-row')[0]?.click()
  await vi.waitFor(() => expect(text('losses')).toContain('不会再来的序号：4–5'))
  expect(text('losses')).toContain('终端数据被清空')
  await vi.waitFor(() => expect(text('chain-status')).toContain('缺失 4 条'))
  expect(text('chain-status')).toContain('缺第 3–5、9 条')
  expect(text('chain-status')).toContain('编号重复：第 7 条')
})

it('a page keeps its own filters to itself', () => {
  go({ state: 'closed', case: 'c1' })
  go(onPage('devices', { device: 'd1' }))
  expect(route).toMatchObject({ page: 'devices', device: 'd1', state: '', case: '' })
  expect(parseRoute('#page=moon&status=full')).toMatchObject({ page: '', status: '' })
})

it('an administrator makes a code for a new handheld, as a QR code of the address that enrols it', async () => {
  const asked: unknown[] = []
  answers['/devices'] = ({ method, body }) => {
    asked.push([method, body])
    return Response.json({ device: { id: 'd9', name: '城管通-09' }, code: 'ab3d-ef7h' }, { status: 201 })
  }
  openAs('admin')
  await vi.waitFor(() => expect(one('group-devices')).not.toBeNull())
  one('group-devices')?.click()
  await vi.waitFor(() => expect(one('enrol-device')).not.toBeNull())
  one('enrol-device')?.click()
  await vi.waitFor(() => expect(one('enrolment-name')).not.toBeNull())
  write('enrolment-name', ' 城管通-09 ')
  one('enrolment-make')?.click()
  await vi.waitFor(() => expect(text('enrolment-code')).toBe('ab3d-ef7h'))
  expect(asked).toEqual([['POST', { name: '城管通-09', kind: 'handheld' }]])
  const drawn = one('enrolment')?.querySelector('svg.qr path')?.getAttribute('d')
  expect(drawn).toBe(qrOf(`${location.origin}/field/#enrol/ab3d-ef7h`).path)
})

it('who is no administrator makes no codes', async () => {
  openAs('dispatcher')
  await vi.waitFor(() => expect(one('group-devices')).not.toBeNull())
  one('group-devices')?.click()
  await vi.waitFor(() => expect(all('device-row')).toHaveLength(3))
  expect(one('enrol-device')).toBeNull()
})
