import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, nextTick } from 'vue'
import type { DrawPick, Site } from '../lib/spotchecks'
import SpotDone from './SpotDone.vue'
import { sent, session, visits } from './field'
import type { SentRow } from './sync/store'

const pick = {
  id: 'pick-1', unit_id: 'u', slot: 1, turn: 0, recheck: false, kind: 'market', site_id: 'i', site_code: 'a', site_name: '菜市场', team: 'T1',
  day: '2026-11-26', band: '09:00-11:30', visit_order: 1, state: 'open', check_id: null, substitutes: [],
} as unknown as DrawPick
const site = { id: 'i', unit_id: 'u', code: 'a', kind: 'market', name: '菜市场', address: null, lat: 27.44, lon: 109.94 } as Site
const raw = JSON.stringify({ op_id: 'o', occurred_at: '2026-11-26T01:00:00Z', target: { kind: 'spot_check', id: 'k' }, args: { pick_id: 'pick-1', site_id: 'i' } })
const answered = (status: string, code: string | null = null): SentRow =>
  ({ place: 1, target_kind: 'spot_check', target_id: 'k', raw, status, result: { op_id: 'o', status, code } }) as unknown as SentRow

const again = vi.fn()
let app: App | null = null
const text = (): string => document.querySelector('[data-testid=visit-done]')?.textContent ?? ''

async function open(row: SentRow, state = 'open'): Promise<void> {
  visits.value = { at: 0, fence_m: 60, week: '2026-W48', day: '2026-11-26', ticket: null, picks: [{ ...pick, state } as DrawPick], sites: [site], units: {}, checklist: null } as unknown as typeof visits.value
  sent.value = [row]
  app = createApp(SpotDone, { id: 'pick-1', siteCode: 'a', kept: { seal: 'ab', score: 98_000 }, onAgain: again })
  app.mount(document.body.appendChild(document.createElement('div')))
  await nextTick()
}

beforeEach(() => {
  again.mockReset()
  session.value = { user: { id: 'p', role: 'spot_checker', unit_id: null } } as typeof session.value
})

afterEach(() => {
  app?.unmount()
  document.body.innerHTML = ''
})

it('shows a record that was refused as refused, with the reason and the way to check again', async () => {
  await open(answered('rejected', 'value_invalid'))
  expect(text()).toContain('✕')
  expect(text()).not.toContain('✓')
  expect(text()).not.toContain('已封存')
  expect(text()).toContain('点位与公布的顺位不符')
  document.querySelector<HTMLElement>('[data-testid=check-again]')?.click()
  expect(again).toHaveBeenCalledTimes(1)
  expect(document.querySelector('[data-testid=all-visits]')).not.toBeNull()
})

it('sends nobody back to a site whose visit is over without them', async () => {
  await open(answered('rejected', 'already_exists'), 'visited')
  expect(text()).toContain('这个点位已有记录')
  expect(document.querySelector('[data-testid=check-again]')).toBeNull()
})

it('shows one that was taken as sealed', async () => {
  await open(answered('applied'), 'visited')
  expect(text()).toContain('✓')
  expect(text()).toContain('已封存')
})
