// What is shown stands in the address (`#state=dispatched&case=…`), so that a reload, a bookmark and
// the Back key of a phone do what people expect. The part after `#` needs no route on the server.

import { nextTick, reactive } from 'vue'
import { FIGURES, STATISTICS_BY, type By, type Figure } from '../lib/loop'
import { REVIEW_STATUSES } from '../lib/sync'
import { CASE_STATES, type CaseState } from '../lib/types'
import { QUEUES, type Queue } from '../lib/workbench'
import { dayOf } from '../lib/workbenchWords'

const PAGES = [
  'reviews',
  'devices',
  'ledger',
  'reuse',
  'clips',
  'keeping',
  'log',
  'city',
  'statistics',
  'map',
  'catalogue',
  'calendar',
  'urging',
  'assessment',
  'letters',
  'merits',
  'draws',
  'selfeval',
] as const

/** The cases are the page without a name: links from before there were others still lead to them. */
export type PageName = (typeof PAGES)[number] | ''

/** `raw`: bytes that could not be read as an operation. */
export const REVIEW_FILTERS = [...REVIEW_STATUSES, 'raw'] as const

export type ReviewFilter = (typeof REVIEW_FILTERS)[number] | ''

/** The lines of a unit's score; the rules it was reckoned by; its visits of a week. */
const PANELS = ['lines', 'rules', 'visits'] as const

export type Panel = (typeof PANELS)[number] | ''

export interface Route {
  page: PageName
  state: CaseState | ''
  unit_id: string
  queue: Queue | ''
  /** What I have claimed. */
  mine: 'yes' | ''
  /** Words searched for. */
  q: string
  class_code: string
  /** Days of the report, both included. */
  from: string
  until: string
  order: 'oldest' | ''
  case: string
  status: ReviewFilter
  /** Also what waits for another operation. */
  chained: 'yes' | ''
  op: string
  kind: string
  device: string
  /** A suspicion that a photo was used again. */
  match: string
  clip: string
  /** A supervision letter. */
  letter: string
  /** Of the statistics: `2026-11`, `2026-Q4` or `2026`; by what; and the figure of a line whose records are listed. */
  period: string
  by: By | ''
  line: string
  figure: Figure | ''
  /** ISO week of a draw. */
  week: string
  /** Of the catalogue. */
  version: string
  /** Of a published month; without one the newest. */
  edition: string
  /** What the newer lists show; each page knows its own words. */
  filter: string
  /** What stands beside a list without being one of its rows. */
  panel: Panel
  /** Opened above whatever page there is. */
  evidence: string
}

const BLANK: Route = {
  page: '',
  state: '',
  unit_id: '',
  queue: '',
  mine: '',
  q: '',
  class_code: '',
  from: '',
  until: '',
  order: '',
  case: '',
  status: '',
  chained: '',
  op: '',
  kind: '',
  device: '',
  match: '',
  clip: '',
  letter: '',
  period: '',
  by: '',
  line: '',
  figure: '',
  week: '',
  version: '',
  edition: '',
  filter: '',
  panel: '',
  evidence: '',
}

/** Each of these is a place to come back to; the others only choose what a list shows. */
const PLACES = ['page', 'case', 'op', 'device', 'match', 'clip', 'letter', 'line', 'figure', 'panel', 'evidence'] as const

export type Place = Exclude<(typeof PLACES)[number], 'page' | 'line' | 'figure' | 'panel'>

export function parseRoute(hash: string): Route {
  const query = new URLSearchParams(hash.replace(/^#/, ''))
  const one = <T extends string>(name: string, of: readonly T[]): T | '' => {
    const value = query.get(name) as T | null
    return value !== null && of.includes(value) ? value : ''
  }
  const any = (name: string): string => query.get(name) ?? ''
  return {
    page: one('page', PAGES),
    state: one('state', CASE_STATES),
    unit_id: any('unit_id'),
    queue: one('queue', QUEUES),
    mine: one('mine', ['yes']),
    q: any('q'),
    class_code: any('class_code'),
    from: dayOf(any('from')),
    until: dayOf(any('until')),
    order: one('order', ['oldest']),
    case: any('case'),
    status: one('status', REVIEW_FILTERS),
    chained: one('chained', ['yes']),
    op: any('op'),
    kind: any('kind'),
    device: any('device'),
    match: any('match'),
    clip: any('clip'),
    letter: any('letter'),
    period: any('period'),
    by: one('by', STATISTICS_BY),
    line: any('line'),
    figure: one('figure', FIGURES),
    week: any('week'),
    version: any('version'),
    edition: any('edition'),
    filter: any('filter'),
    panel: one('panel', PANELS),
    evidence: any('evidence'),
  }
}

export function formatRoute(route: Partial<Route>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(route)) if (value !== '') query.set(name, value)
  return `#${query}`
}

export const route: Route = reactive(parseRoute(location.hash))

/** Going to a place makes a step in the history; changing a filter does not. */
export function go(change: Partial<Route>): void {
  const next = formatRoute({ ...route, ...change })
  if (!PLACES.some((place) => change[place] !== undefined)) history.replaceState(null, '', next)
  else if (next !== formatRoute(route)) history.pushState(null, '', next)
  Object.assign(route, change)
}

const CASE_FILTERS = ['queue', 'mine', 'q', 'class_code', 'from', 'until', 'state', 'unit_id', 'order'] as const

type CaseFilters = Pick<Route, (typeof CASE_FILTERS)[number]>

const filtersOf = (of: Route): CaseFilters =>
  Object.fromEntries(CASE_FILTERS.map((name) => [name, of[name]])) as unknown as CaseFilters

export const NO_CASE_FILTERS = filtersOf(BLANK)

/** The filters of the cases as a saved view keeps them: `queue=accept&order=oldest`. */
export const caseFilters = (): string => formatRoute(filtersOf(route)).slice(1)

export const parseCaseFilters = (query: string): CaseFilters => filtersOf(parseRoute(query))

/** Forgets everything; the next user of this computer need not see what was open. */
export const leave = (): void => go(BLANK)

export const hrefOf = (change: Partial<Route>): string => formatRoute({ ...route, ...change })

export const hrefOfCase = (id: string): string => hrefOf({ case: id })

/** Another page, and of it what `change` says: what was chosen on this one stays behind. */
export const onPage = (page: PageName, change: Partial<Route> = {}): Route => ({ ...BLANK, page, ...change })

/** Leaves a place, and takes the focus back to the row that had led there. */
export async function backToRow(place: Place): Promise<void> {
  const id = route[place]
  go({ [place]: '' })
  await nextTick()
  document.getElementById(`${place}-${id}`)?.focus()
}

/** A click on a row. One with a modifier opens a new tab, as for any link; marking text opens nothing. */
export function onPlainClick(event: MouseEvent, act: () => void): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || getSelection()?.toString()) return
  event.preventDefault()
  act()
}

window.addEventListener('popstate', () => Object.assign(route, parseRoute(location.hash)))
