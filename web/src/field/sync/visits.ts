// The day's visits, taken along while there is a network (api-spec/sync.md, "A drawn visit"): which sites, where they are
// and which stand in for them, the checklists, and the hashes by which anybody can check the draw. They are no part of
// the feed, and each person has their own, so that they are there after a change of shift without a network, too.

import { type Json, canonical, sha256 } from '../../lib/capture'
import { weekOf } from '../../lib/drawWords'
import type { Draw, DrawPick, Site, SiteKind } from '../../lib/spotchecks'
import { localTime } from '../../lib/time'
import type { User } from '../../lib/types'
import type { Store } from './store'

/** They are read anew after so long, milliseconds; the tab that shows them asks for newer ones. */
const KEPT_FOR_MS = 600_000
export const FRESH_FOR_MS = 30_000

export interface CheckItem {
  code: string
  name: string
  rule: string
  /** Thousandths of a point, as `step`, of which a deduction is a multiple. */
  points: number
  step: number
}

export interface Checklist {
  version: number
  kinds: { kind: SiteKind; items: CheckItem[] }[]
}

/** What the draw of a week is checked by. */
export interface Ticket {
  frame_sha256: string
  /** Whether this device computed the same hash from the frame it was given. */
  frame_agrees: boolean
  result_sha256: string | null
  frame_entry: string
  result_entry: string | null
  open_from: string
}

/** What a person took along. */
export interface Visits {
  /** When it was read, milliseconds since 1970. */
  at: number
  week: string
  /** The day of the county that it was read on: the visits are of it. */
  day: string
  /** Null while the week is not drawn. */
  ticket: Ticket | null
  picks: DrawPick[]
  sites: Site[]
  /** Names of the units by id. */
  units: Record<string, string>
  checklist: Checklist | null
  /** How far from a site's point one may stand, metres, beyond the fix's accuracy. */
  fence_m: number
}

export const makesVisits = (user: User | null | undefined): boolean => user?.role === 'spot_checker' || user?.role === 'inspector'

/** By the ids of the persons. */
type All = Record<string, Visits>

export const visitsOf = async (store: Store, userId: string): Promise<Visits | null> =>
  (await store.meta<All>('visits'))?.[userId] ?? null

/** Reads them anew when they are older than `forMs`, or of another day; what can't be had now stays as it was. */
export async function renewVisits(
  store: Store,
  get: (path: string) => Promise<Response>,
  forMs = KEPT_FOR_MS,
): Promise<void> {
  const user = (await store.session())?.user
  if (user === undefined || !makesVisits(user)) return
  const at = Date.now()
  // The county's day by the server's clock: this device's may be wrong.
  const day = localTime(new Date(at - ((await store.offset())?.offset_ms ?? 0)).toISOString()).slice(0, 10)
  const known = await visitsOf(store, user.id)
  if (known !== null && known.day === day && Math.abs(at - known.at) < forMs) return
  const week = weekOf(day)
  const [asked, lists] = await Promise.all([get(`/draws/${week}`), get('/spot-checklists')]).catch(() => [null, null])
  if (asked == null || lists?.ok !== true || (!asked.ok && asked.status !== 404)) return
  const { checklist, fence_m } = (await lists.json()) as Pick<Visits, 'checklist' | 'fence_m'>
  const drawn = asked.ok ? await taken((await asked.json()) as Draw) : NOTHING
  const visits: Visits = { at, week, day, checklist, fence_m, ...drawn }
  await store.change(async (tx) => {
    const others = Object.entries((await tx.get<All>('meta', 'visits')) ?? {}).filter(([, kept]) => kept.week === week)
    await tx.put('meta', { ...Object.fromEntries(others), [user.id]: visits }, 'visits')
  })
}

const NOTHING = { ticket: null, picks: [], sites: [], units: {} }

async function taken(draw: Draw): Promise<Pick<Visits, 'ticket' | 'picks' | 'sites' | 'units'>> {
  const { frame, frame_sha256, result_sha256, frame_entry, result_entry, open_from, picks, sites } = draw
  const frame_agrees = (await sha256(canonical(frame as unknown as Json))) === frame_sha256
  const unitOf = new Map(frame.units.flatMap(({ name, sites: all }) => all.map(({ code }) => [code, name] as const)))
  const units = Object.fromEntries(picks.map(({ unit_id, site_code }) => [unit_id, unitOf.get(site_code) ?? '']))
  return { ticket: { frame_sha256, frame_agrees, result_sha256, frame_entry, result_entry, open_from }, picks, sites, units }
}
