import { describe, expect, it } from 'vitest'
import { absent, clockText, marks, ranges, sortByWorst } from './deviceHealth'
import type { DeviceHealth, Losses } from './sync'

const NOW = Date.parse('2026-11-22T09:00:00Z')
const ago = (hours: number) => new Date(NOW - hours * 3_600_000).toISOString()

/** A handheld with which all is well. */
const device = (change: Partial<DeviceHealth> = {}): DeviceHealth => ({
  device_id: change.name ?? 'd',
  name: 'd',
  kind: 'handheld',
  epoch: 1,
  last_push_at: ago(1),
  app: 'pwa/2.4.1',
  depth: 0,
  oldest_at: null,
  media_waiting: 0,
  clock_offset_ms: 200,
  storage_persisted: true,
  digest_at: ago(1),
  digest_matched: true,
  behind: 0,
  in_review: 0,
  missing: 0,
  lost: 0,
  revoked_at: null,
  ...change,
})

const said = (change: Partial<DeviceHealth>) => marks(device(change), NOW).map(({ tone, text }) => `${tone} ${text}`)

describe('the marks of a device', () => {
  it.each<[string, Partial<DeviceHealth>, string[]]>([
    ['with which all is well', {}, []],
    ['that lost work', { missing: 3, lost: 3 }, ['bad 丢失 3 项']],
    ['whose records differ', { digest_matched: false }, ['bad 数据不一致']],
    ['that never compared', { digest_matched: null }, []],
    ['whose clock is three minutes fast', { clock_offset_ms: 180_000 }, ['warn 时钟快 3 分']],
    ['whose clock is ten minutes slow', { clock_offset_ms: -600_000 }, ['bad 时钟慢 10 分']],
    ['whose storage may be evicted', { storage_persisted: false }, ['warn 存储无保护']],
    ['that was never heard', { last_push_at: null }, ['warn 从未同步']],
    ['unheard for a day', { last_push_at: ago(30) }, ['warn 1 天 6 时未同步']],
    ['unheard for four days', { last_push_at: ago(96) }, ['bad 4 天未同步']],
    ['with fresh work to come', { missing: 2, oldest_at: ago(1) }, ['calm 未到 2 项']],
    ['with old work to come', { missing: 2, oldest_at: ago(80) }, ['bad 未到 2 项']],
    ['whose old queue has come', { missing: 0, oldest_at: ago(80) }, []],
    ['with photos to come', { media_waiting: 5 }, ['calm 待传文件 5 件']],
    ['with work that a person must decide', { in_review: 4 }, ['warn 待复核 4 项']],
  ])('%s', (_, change, expected) => expect(said(change)).toEqual(expected))

  it('stand worst first', () => {
    expect(said({ media_waiting: 1, storage_persisted: false, digest_matched: false })).toEqual([
      'bad 数据不一致',
      'warn 存储无保护',
      'calm 待传文件 1 件',
    ])
  })

  it('of a revoked one tell only of losses and of what must be decided', () => {
    const revoked = { revoked_at: ago(1), last_push_at: ago(900), storage_persisted: false, missing: 2, lost: 2 }
    expect(said(revoked)).toEqual(['bad 丢失 2 项', 'calm 已注销'])
  })

  it('do not blame a camera for its silence: the dock speaks for it', () => {
    expect(said({ kind: 'camera', last_push_at: null, storage_persisted: null, digest_matched: null })).toEqual([])
  })
})

describe('the board', () => {
  const order = (...devices: DeviceHealth[]) => sortByWorst(devices, NOW).map(({ name }) => name)

  it('shows losses first, then trouble, then warnings, then what is only on its way', () => {
    expect(
      order(
        device({ name: 'well' }),
        device({ name: 'on its way', media_waiting: 1 }),
        device({ name: 'two warnings', storage_persisted: false, in_review: 1 }),
        device({ name: 'one warning', storage_persisted: false }),
        device({ name: 'trouble', digest_matched: false }),
        device({ name: 'lost', lost: 1, missing: 1 }),
      ),
    ).toEqual(['lost', 'trouble', 'two warnings', 'one warning', 'on its way', 'well'])
  })

  it('puts the larger loss first', () => {
    expect(order(device({ name: 'one', lost: 1, missing: 1 }), device({ name: 'many', lost: 9, missing: 9 }))).toEqual([
      'many',
      'one',
    ])
  })

  it('does not let the losses of a revoked device stand on top for ever', () => {
    const old = device({ name: 'old', lost: 50, missing: 50, revoked_at: ago(2000) })
    expect(order(old, device({ name: 'new', lost: 1, missing: 1 }))).toEqual(['new', 'old'])
  })

  it('goes by name among equals and leaves the answer as it came', () => {
    const answer = [device({ name: '城管通-02' }), device({ name: '城管通-01' })]
    expect(order(...answer)).toEqual(['城管通-01', '城管通-02'])
    expect(answer[0]?.name).toBe('城管通-02')
  })
})

it.each([
  [null, '—'],
  [400, '准'],
  [-2_000, '慢 2 秒'],
  [7_199_800, '快 2 时'],
])('a clock that is off by %s ms is called %s', (offset, text) => expect(clockText(offset)).toBe(text))

it.each([
  [[], ''],
  [[4], '4'],
  [[1, 2, 3, 7, 9, 10], '1–3、7、9–10'],
])('the numbers %j are written as %s', (numbers, text) => expect(ranges(numbers)).toBe(text))

it('counts what is absent beyond the numbers that are named', () => {
  const losses = { made: 5000, received: 10, missing: Array.from({ length: 1000 }, (_, n) => n) } as Losses
  expect(absent(losses)).toBe(4990)
})
