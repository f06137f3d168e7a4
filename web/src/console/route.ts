// What is shown stands in the address (`#state=dispatched&case=…`), so that a reload, a bookmark and
// the Back key of a phone do what people expect. The part after `#` needs no route on the server.

import { reactive } from 'vue'
import { CASE_STATES, type CaseState } from '../lib/types'

export interface Route {
  state: CaseState | ''
  unit_id: string
  case: string
}

export function parseRoute(hash: string): Route {
  const query = new URLSearchParams(hash.replace(/^#/, ''))
  const state = query.get('state') as CaseState | null
  return {
    state: state !== null && CASE_STATES.includes(state) ? state : '',
    unit_id: query.get('unit_id') ?? '',
    case: query.get('case') ?? '',
  }
}

export function formatRoute(route: Route): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(route)) if (value !== '') query.set(name, value)
  return `#${query}`
}

export const route: Route = reactive(parseRoute(location.hash))

/** Opening and closing a case makes a step in the history; changing a filter does not. */
export function go(change: Partial<Route>): void {
  const next = formatRoute({ ...route, ...change })
  if (change.case === undefined) history.replaceState(null, '', next)
  else if (next !== formatRoute(route)) history.pushState(null, '', next)
  Object.assign(route, change)
}

export const hrefOfCase = (id: string): string => formatRoute({ ...route, case: id })

window.addEventListener('popstate', () => Object.assign(route, parseRoute(location.hash)))
