import { expect, it, vi } from 'vitest'
import { createApp } from 'vue'
import type { DrawPick, Site } from '../lib/spotchecks'
import SpotVisit from './SpotVisit.vue'
import type { Photo } from './camera'
import type { Clip } from './clip'
import { session, visits } from './field'
import type { Draft } from './sync/store'

// What a browser's store can hold and this environment's can't clone: the bytes of photos and films.
const drafts = new Map<string, unknown>()
const saved: Draft[] = []
const savedBy: string[] = []
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({
    store: { draft: async (name: string) => drafts.get(name) ?? null, setDraft: async (name: string, value: unknown) => drafts.set(name, value) },
    save: async (userId: string, draft: Draft) => {
      savedBy.push(userId)
      saved.push(draft)
    },
  }),
  signal: () => undefined,
}))

const pick = {
  id: 'pick-1', unit_id: 'u', slot: 1, turn: 0, recheck: false, kind: 'market', site_id: 'i', site_code: 'a', site_name: '菜市场', team: 'T1',
  day: '2026-11-26', band: '09:00-11:30', visit_order: 1, state: 'open', check_id: null, substitutes: [],
} as unknown as DrawPick
const site = { id: 'i', unit_id: 'u', code: 'a', kind: 'market', name: '菜市场', address: null, lat: 27.44, lon: 109.94 } as Site
const item = { code: 'm1', name: '地面整洁', rule: '', points: 10, step: 1 }

it('keeps the clip of a visit with its draft, and sends it with the record', async () => {
  session.value = { session_id: 's', access_token: '', refresh_token: '', user: { id: 'p', username: 'p', name: '张伟', role: 'spot_checker', unit_id: null } }
  visits.value = {
    at: 0, fence_m: 60, week: '2026-W48', day: '2026-11-26', ticket: null, picks: [pick], sites: [site], units: { u: '县公安局' },
    checklist: { version: 1, kinds: [{ kind: 'market', items: [item] }] },
  }
  const photo: Photo = { slot: 'gone/wide', blob: new Blob(['photo']), sha256: 'aa', taken_at: '2026-11-26T01:00:00.000Z', gps: null }
  const clip: Clip = { blob: new Blob(['film'], { type: 'video/mp4' }), sha256: 'bb', taken_at: '2026-11-26T01:01:00.000Z', length_s: 7 }
  const name = 'p/spot/pick-1/a'
  drafts.set(name, { arrived_at: new Date().toISOString(), list: { version: 1, items: [item] }, findings: {}, note: '', reason: '' })
  drafts.set(`${name}/clip`, clip)

  const open = () => {
    document.body.innerHTML = '<div id="app"></div>'
    const app = createApp(SpotVisit, { id: 'pick-1' })
    app.mount('#app')
    return app
  }
  // While it is checked, the film that was taken is there.
  let app = open()
  await vi.waitFor(() => expect(document.querySelector('[data-testid=clip]')?.textContent).toContain('7 秒'))
  app.unmount()
  // It shows as well why a site can't be reached.
  drafts.set(name, { arrived_at: null, list: null, findings: {}, note: '', reason: '大门上锁' })
  drafts.set(`${name}/photos`, [photo])
  app = open()
  await vi.waitFor(() => expect(document.querySelector('form [data-testid=clip]')).not.toBeNull())
  document.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }))
  await vi.waitFor(() => expect(saved).toHaveLength(1))
  app.unmount()
  expect(saved[0]?.files.map(({ evidence }) => [evidence.sha256, evidence.mime, evidence.role])).toEqual([['aa', 'image/jpeg', 'scene'], ['bb', 'video/mp4', 'scene']])
  expect(savedBy).toEqual(['p'])
  expect(saved[0]?.ends).toContain(`${name}/clip`)
  expect(saved[0]?.args).toMatchObject({ unreachable: '大门上锁', pick_id: 'pick-1' })
})
