// What a person did on this device (历史记录): their own steps, the newest first, each with its case as the device knows it and
// what became of it. Pure.

import { localTime } from '../lib/time'
import type { OutboxRow, SentRow } from './sync/store'
import { type CaseView, wordsIn } from './sync/view'
import type { Op, OpResult } from './sync/wire'

export interface Deed {
  op_id: string
  type: string
  at: string
  /** What it is about, in the person's or the record's words. */
  title: string
  /** The case it touched, as the device has it now. */
  case: CaseView | null
  /** Whether it is about a case at all. */
  ofCase: boolean
  /** Null while it waits for its answer. */
  result: OpResult | null
}

export type Span = 'today' | 'week' | 'all'
const WEEK_MS = 7 * 86_400_000

/** `sites` has the names of sites by their ids: a check's own words name none. */
export function deedsOf(rows: (OutboxRow | SentRow)[], cases: CaseView[], sites: Map<string, string>, who: string): Deed[] {
  const known = new Map(cases.map((one) => [one.id, one]))
  const ops = rows.map((row) => ({ row, op: JSON.parse(row.raw) as Op }))
  // What a report named a case stays its name when the case is no longer here.
  const named = new Map(ops.flatMap(({ row, op }) => (op.type === 'case.report' ? [[row.target_id, op.args.title]] : [])))
  return ops
    .filter(({ op }) => op.actor === who)
    .sort((a, b) => b.row.place - a.row.place)
    .map(({ row, op }) => {
      const found = known.get(row.target_id) ?? null
      const title = found?.title ?? sites.get(String(op.args.site_id)) ?? named.get(row.target_id) ?? wordsIn(op)
      return {
        op_id: row.op_id, type: op.type, at: op.occurred_at, title: String(title), case: found, ofCase: row.target_kind === 'case',
        result: 'result' in row ? row.result : null,
      }
    })
}

/** A day is the county's. */
export function within(deeds: Deed[], span: Span, now: number): Deed[] {
  if (span === 'all') return deeds
  const today = localTime(new Date(now).toISOString()).slice(0, 10)
  return deeds.filter(({ at }) => (span === 'today' ? localTime(at).slice(0, 10) === today : now - Date.parse(at) < WEEK_MS))
}

/** By title, address or number. */
export function matching(deeds: Deed[], words: string): Deed[] {
  const text = words.trim().toLowerCase()
  return deeds.filter((one) => [one.title, one.case?.number, one.case?.address].some((part) => part?.toLowerCase().includes(text)))
}
