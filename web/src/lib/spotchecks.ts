// The wire of the spot checks: draws, sites of the sample library, agreement of second visits. Times are RFC 3339 in UTC.

import type { Frame, Source, SourceName } from './draw'

export const SITE_KINDS = ['main_road', 'back_street', 'residential', 'market', 'construction', 'toilet', 'other'] as const

export type SiteKind = (typeof SITE_KINDS)[number]

/** The kinds that a unit's visits of a week are owed to, by slot. */
export const SLOTS: SiteKind[] = ['main_road', 'main_road', 'back_street', 'back_street', ...SITE_KINDS.slice(2)]

export type DrawState = 'framed' | 'sealed' | 'drawn'

export interface DrawLine {
  /** `2026-W47`. */
  week: string
  state: DrawState
  frame_sha256: string
  framed_at: string
  commit_until: string
  lottery_at: string
  sealed_at: string | null
  result_sha256: string | null
  drawn_at: string | null
}

export interface Commitment {
  /** A unit's code. */
  unit: string
  commitment: string
  committed_at: string
  opened_at: string | null
  /** A secret until the week is over, but to the Centre. */
  nonce: string | null
}

export interface DrawPick {
  id: string
  unit_id: string
  slot: number
  /** 0 was drawn, n took the place of n − 1. */
  turn: number
  /** A blind second visit. */
  recheck: boolean
  kind: SiteKind
  site_id: string
  site_code: string
  site_name: string
  team: string
  day: string
  band: string
  visit_order: number
  state: 'open' | 'visited' | 'unreachable'
  check_id: string | null
  substitutes: string[]
}

export interface Draw extends DrawLine {
  frame: Frame
  frame_entry: string
  commitments: Commitment[]
  sources: Source[] | null
  typed_by: string | null
  confirmed_by: string | null
  /** A secret until the week is over, but to the Centre. */
  seed: string | null
  result_entry: string | null
  /** From when on everybody sees everything. */
  open_from: string
  /** How anybody computes it again from the pack. */
  verify: { verifier: string; commands: string[] }
  picks: DrawPick[]
  /** Where these visits and their substitutes are; only for who goes there. */
  sites: Site[]
}

export interface NewFrame {
  commit_until: string
  lottery_at: string
  sources: SourceName[]
  /** The usual ones where none are named. */
  days?: string[]
  bands?: string[]
  double_after_weeks?: number
}

export interface Site {
  id: string
  unit_id: string
  code: string
  kind: SiteKind
  name: string
  address: string | null
  lat: number | null
  lon: number | null
  geometry: string | null
  active_from: string | null
  struck_at: string | null
  strike_reason: string | null
  ver: number
}

export interface SiteQuery {
  unit_id?: string | undefined
  kind?: SiteKind | undefined
  struck?: boolean | undefined
}

export interface SitesImported {
  entered: number
  corrected: number
  unchanged: number
}

export type SiteFormat = 'xlsx' | 'csv' | 'geojson'

export interface Agreement {
  /** Sites that were visited twice. */
  pairs: number
  answered: number
  /** The share of the items that both found the same. */
  observed: number | null
  /** Gwet's AC1: 1 is perfect, 0 what chance gives. */
  ac1: number | null
  items: { item: string; answered: number; same: number }[]
  /** By how many thousandths of a point a checker is milder than who came after. */
  checkers: { user_id: string; pairs: number; mean_difference: number }[]
}

/** One thing to look at; points and what one finding costs are thousandths. */
export interface CheckItem {
  code: string
  name: string
  rule: string
  points: number
  step: number
}

export interface KindList {
  kind: SiteKind
  items: CheckItem[]
}

export interface ChecklistInForce {
  /** 1 came with the program. */
  checklist: { version: number; kinds: KindList[] }
  /** Where it was decided. */
  source: string
}

export interface TeamMember {
  user_id: string
  team: string
}

export interface SubstitutionInForce {
  /** By kind, those that stand in for it, in order; version 0 came with the program. */
  substitution: { version: number; stand_ins: Partial<Record<SiteKind, SiteKind[]>> }
  source: string
}
