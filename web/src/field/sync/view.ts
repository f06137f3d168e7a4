// What a person sees: the records, and on top their own operations whose effect the records do not show yet. So an
// operation never flickers away between its answer and the feed. Pure.

import type { Case, CaseState, Position } from '../../lib/types'
import type { BaseRow, Unseen } from './store'
import type { Op, OpResult } from './wire'

/** What the person did to a case and the record does not show yet. */
export interface Pending {
  op_id: string
  type: string
  at: string
  words: string
  /** Null while it waits for its answer. */
  result: OpResult | null
}

export interface CaseView {
  id: string
  /** Null until the server has given one. */
  number: string | null
  title: string
  description: string
  address: string | null
  class_code: string | null
  position: Position | null
  unit_id: string | null
  state: CaseState
  reported_at: string
  due_at: string | null
  overdue: boolean
  on_hold: boolean
  /** A later deadline, or a stop of the clock, waits for its decision. */
  asked_extension: boolean
  asked_hold: boolean
  /** The city's collector found it solved. */
  passed: boolean
  rework_count: number
  pending: Pending[]
}

/** The stage a command leads to; what is not here changes none. */
const LEADS_TO: Record<string, CaseState> = {
  'case.handle': 'handled',
  'case.apply_closing': 'closing_applied',
  'case.return': 'returned',
}

/** What an operation changes at once, for the eye of whoever did it. */
function effect(op: Op): Partial<CaseView> {
  const state = LEADS_TO[op.type]
  if (state !== undefined) return { state }
  switch (op.type) {
    case 'case.verify':
      return op.args.passed === true ? { passed: true } : { state: 'dispatched' }
    case 'case.request_extension':
      return { asked_extension: true }
    case 'case.request_hold':
      return { asked_hold: true }
    case 'case.edit': {
      const edit = op.args as Record<string, { new: unknown } | undefined>
      const changed = ['title', 'description', 'address'].filter((name) => edit[name] !== undefined)
      return Object.fromEntries(changed.map((name) => [name, edit[name]?.new]))
    }
    default:
      return {}
  }
}

/** The words that a person wrote with an operation. */
export function wordsIn({ args }: Op): string {
  const said = args.note ?? args.text ?? args.reason ?? args.title
  return typeof said === 'string' ? said : ''
}

/** The cases, the newest report first. */
export function casesOf(records: BaseRow[], unseen: Unseen[]): CaseView[] {
  const views = new Map<string, CaseView>()
  for (const { id, data } of records) views.set(id, known(id, data as Case))
  for (const { op, result } of unseen) {
    if (op.target?.kind !== 'case') continue
    const { id } = op.target
    const view = views.get(id) ?? (op.type === 'case.report' ? reported(id, op) : null)
    if (view === null) continue
    const lost = result?.status === 'rejected' || result?.status === 'conflict'
    const pending = { op_id: op.op_id, type: op.type, at: op.occurred_at, words: wordsIn(op), result }
    views.set(id, { ...view, ...(lost ? {} : effect(op)), pending: [...view.pending, pending] })
  }
  return [...views.values()].sort((a, b) => (a.reported_at < b.reported_at ? 1 : -1))
}

function known(id: string, data: Case): CaseView {
  const { number, title, description, address, class_code, position, unit_id } = data
  const { state, reported_at, due_at, overdue, on_hold, rework_count } = data
  return {
    id, number, title, description: description ?? '', address, class_code: class_code ?? null, position: position ?? null,
    unit_id: unit_id ?? null, state, reported_at, due_at, overdue, on_hold, rework_count,
    asked_extension: data.extension != null, asked_hold: data.hold_reason != null, passed: data.passed === true, pending: [],
  }
}

function reported(id: string, op: Op): CaseView {
  const { title, description, address, class_code, position, self_handled } = op.args as {
    title: string; description?: string; address?: string; class_code?: string; position?: Position; self_handled?: unknown
  }
  return {
    id,
    number: null,
    title,
    description: description ?? '',
    address: address ?? null,
    class_code: class_code ?? null,
    position: position ?? null,
    unit_id: null,
    state: self_handled === undefined ? 'reported' : 'void',
    reported_at: op.occurred_at,
    due_at: null,
    overdue: false,
    on_hold: false,
    asked_extension: false,
    asked_hold: false,
    passed: false,
    rework_count: 0,
    pending: [],
  }
}
