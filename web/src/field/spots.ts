// The visits of the day as they stand: what the server last said and, on top, what was recorded here and it has not said
// yet. A site that can't be reached gives way to the next of the published order, here as there
// (src/spotchecks/draws/visits.rs). Pure.

import { type Json, canonical, sha256 } from '../lib/capture'
import type { DrawPick, Site, SiteKind } from '../lib/spotchecks'
import { type Point, distance } from './geo'
import type { CheckItem, Visits } from './sync/visits'
import type { Gps, Op, OpResult } from './sync/wire'

/** How long one may be on site, milliseconds (`LONGEST` in src/spotchecks/rules.rs). */
export const LONGEST_MS = 12 * 3_600_000
/** A full score, thousandths of a point. */
const FULL = 100_000

/** What the device recorded, oldest first. */
export interface Recorded {
  op: Op
  result: OpResult | null
}

export interface Visit {
  /** The drawn visit; it stays when another site takes the place. */
  id: string
  /** The visit that a record names: the last that is known here. */
  pick_id: string
  unit_id: string
  slot: number
  order: number
  band: string
  /** The kind that is owed. */
  kind: SiteKind
  site_code: string
  site_name: string
  /** Null when the library no longer says where it is. */
  site: Site | null
  /** Whether the site stands in for one that could not be reached. */
  stands_in: boolean
  state: DrawPick['state']
  /** Codes of those that may take its place, in their order. */
  next: string[]
  /** What was recorded here at this site, with what became of it. */
  mine: Recorded | null
}

interface Slot {
  first: DrawPick
  last: DrawPick
}

/** A record's own words, as far as they are needed here. */
interface Args {
  pick_id?: string
  site_id: string
  unreachable?: string
}

/** The visits, in the order of the way: by the time of day, unit by unit. */
export function visitsNow(kept: Visits, recorded: Recorded[]): Visit[] {
  const slots = new Map<string, Slot>()
  const slotOf = new Map<string, string>()
  for (const pick of [...kept.picks].sort((a, b) => a.turn - b.turn)) {
    const key = `${pick.unit_id}/${pick.slot}/${pick.recheck}`
    slotOf.set(pick.id, key)
    slots.set(key, { first: slots.get(key)?.first ?? pick, last: pick })
  }
  const byCode = new Map(kept.sites.map((site) => [site.code, site]))
  // What has stood in once for a site of the unit does so no more, wherever it went.
  const used = new Set(kept.picks.filter(({ turn }) => turn > 0).map(({ unit_id, site_code }) => `${unit_id}/${site_code}`))
  const views = new Map<string, Visit>()
  for (const [key, { first, last }] of slots) views.set(key, asSaid(first, last, byCode))
  for (const { op, result } of recorded) {
    const { pick_id, site_id, unreachable } = op.args as unknown as Args
    const key = slotOf.get(pick_id ?? '')
    const view = key === undefined ? undefined : views.get(key)
    // What the server has said already shows in its own turns.
    if (key === undefined || view === undefined || view.site?.id !== site_id) continue
    const mine = { op, result }
    if (result?.status === 'rejected' || view.state !== 'open') views.set(key, { ...view, mine })
    else if (unreachable === undefined) views.set(key, { ...view, state: 'visited', mine })
    else views.set(key, gaveWay(view, mine, used, byCode))
  }
  const units = [...new Set(kept.picks.map(({ unit_id }) => unit_id))]
  const time = (a: Visit, b: Visit): number => (a.band < b.band ? -1 : a.band > b.band ? 1 : 0)
  const unit = (a: Visit, b: Visit): number => units.indexOf(a.unit_id) - units.indexOf(b.unit_id)
  return [...views.values()].sort((a, b) => time(a, b) || unit(a, b) || a.order - b.order)
}

function asSaid(first: DrawPick, last: DrawPick, byCode: Map<string, Site>): Visit {
  const { unit_id, slot, kind, site_code, site_name } = last
  return {
    id: first.id, pick_id: last.id, unit_id, slot, order: first.visit_order, band: first.band, kind, site_code, site_name,
    site: byCode.get(site_code) ?? null, stands_in: last.turn > 0, state: last.state, next: last.substitutes, mine: null,
  }
}

/** The next of the order that has not stood in before. */
function gaveWay(view: Visit, mine: Recorded, used: Set<string>, byCode: Map<string, Site>): Visit {
  const next = view.next.filter((code) => !used.has(`${view.unit_id}/${code}`))
  const site = byCode.get(next[0] ?? '')
  if (site === undefined) return { ...view, state: 'unreachable', mine }
  used.add(`${view.unit_id}/${site.code}`)
  return { ...view, site_code: site.code, site_name: site.name, site, stands_in: true, next: next.slice(1), mine: null }
}

/** Where one stands to a site. */
export interface Way {
  /** Metres, and degrees from north clockwise. */
  metres: number
  bearing: number
  inside: boolean
}

/**
 * Null when either place is not known. `fenceM` is how far from a site's point one may stand, metres, beyond the fix's
 * accuracy.
 */
export function wayTo(site: Site | null, fix: Gps | null, fenceM: number): Way | null {
  if (site?.lat == null || site.lon == null || fix === null) return null
  const [here, there]: [Point, Point] = [[fix.lon, fix.lat], [site.lon, site.lat]]
  const metres = distance(here, there)
  const east = (there[0] - here[0]) * Math.cos((here[1] * Math.PI) / 180)
  const bearing = (Math.atan2(east, there[1] - here[1]) * 180) / Math.PI
  return { metres, bearing: (bearing + 360) % 360, inside: metres - (fix.accuracy_m ?? 0) <= fenceM }
}

/** The answer to an item, while it is being given. */
export interface Finding {
  finding: 'pass' | 'deduct' | 'not_applicable'
  /** Thousandths of a point. */
  deduction: number
  text: string
}

/** The next deduction up or down: multiples of the step, and all points. */
export function stepped({ points, step }: CheckItem, deduction: number, up: boolean): number {
  if (up) return Math.min(points, (Math.floor(deduction / step) + 1) * step)
  return Math.max(step, (Math.ceil(deduction / step) - 1) * step)
}

/** Of the points that apply, what was not deducted, scaled to 100 and rounded half up; null when nothing applies. */
export function scoreOf(items: CheckItem[], findings: Record<string, Finding>): number | null {
  let [points, lost] = [0, 0]
  for (const item of items) {
    const found = findings[item.code]
    if (found === undefined || found.finding === 'not_applicable') continue
    points += item.points
    lost += found.finding === 'deduct' ? found.deduction : 0
  }
  return points === 0 ? null : Math.floor(((points - lost) * FULL * 2 + points) / (points * 2))
}

/** What the rule calls bad, in short words for a tap: what stands before the price of each (每, U+6BCF). */
export function phrasesOf(rule: string): string[] {
  return (rule.split(/，\u6bcf/)[0] ?? '').split(/[、，]/).filter((words) => words.length > 0 && words.length <= 12)
}

/** What seals a record (`seal` in src/spotchecks/actions.rs): the server computes the same. */
export function sealOf(id: string, record: Record<string, unknown>): Promise<string> {
  return sha256(canonical({ id, record: { items: [], ...record } as Json }))
}

/** A moment as the server writes it: without a fraction, so that both spell it alike. */
export const moment = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`
