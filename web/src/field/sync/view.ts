// What a person sees: the records, and on top their own operations whose effect the records do not show yet. So an
// operation never flickers away between its answer and the feed. Pure.

import type { Case, CaseState } from '../../lib/types'
import type { BaseRow, Unseen } from './store'
import type { Op, OpResult } from './wire'

/** What the person did to a case and the record does not show yet. */
export interface Pending {
  type: string
  at: string
  /** Null while it waits for its answer. */
  result: OpResult | null
}

export interface CaseView {
  id: string
  /** Null until the server has given one. */
  number: string | null
  title: string
  address: string | null
  state: CaseState
  reported_at: string
  due_at: string | null
  overdue: boolean
  on_hold: boolean
  rework_count: number
  pending: Pending[]
}

/** The stage a command leads to; what is not here changes none. */
const LEADS_TO: Record<string, CaseState> = {
  'case.handle': 'handled',
  'case.apply_closing': 'closing_applied',
  'case.return': 'returned',
}

/** The cases, the newest report first. */
export function casesOf(records: BaseRow[], unseen: Unseen[]): CaseView[] {
  const views = new Map<string, CaseView>()
  for (const { id, data } of records) {
    const { number, title, address, state, reported_at, due_at, overdue, on_hold, rework_count } = data as Case
    const known = { id, number, title, address, state, reported_at, due_at, overdue, on_hold, rework_count }
    views.set(id, { ...known, pending: [] })
  }
  for (const { op, result } of unseen) {
    if (op.target?.kind !== 'case') continue
    const { id } = op.target
    const view = views.get(id) ?? (op.type === 'case.report' ? reported(id, op) : null)
    if (view === null) continue
    const lost = result?.status === 'rejected' || result?.status === 'conflict'
    const state = lost ? view.state : (LEADS_TO[op.type] ?? view.state)
    views.set(id, { ...view, state, pending: [...view.pending, { type: op.type, at: op.occurred_at, result }] })
  }
  return [...views.values()].sort((a, b) => (a.reported_at < b.reported_at ? 1 : -1))
}

function reported(id: string, op: Op): CaseView {
  const { title, address } = op.args as { title: string; address?: string }
  return {
    id,
    number: null,
    title,
    address: address ?? null,
    state: 'reported',
    reported_at: op.occurred_at,
    due_at: null,
    overdue: false,
    on_hold: false,
    rework_count: 0,
    pending: [],
  }
}
