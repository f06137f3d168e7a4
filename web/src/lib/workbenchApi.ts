// The calls of the Centre's workbench, part of the client in api.ts.

import type { Wire } from './api'
import type { Page, Paging } from './types'
import type {
  Appeal,
  AppealQuery,
  Claim,
  Dispatched,
  DispatchItem,
  DueCase,
  NewTemplate,
  NewView,
  QueueState,
  Template,
  Urging,
  UrgingQuery,
  View,
} from './workbench'

const id = encodeURIComponent

export function workbenchCalls({ read, json, page, query }: Wire) {
  const done = async (): Promise<void> => undefined
  const items = async <T>(path: string, signal?: AbortSignal): Promise<T[]> => (await json<{ items: T[] }>(path, { signal })).items

  const appeals = (asked: AppealQuery & Paging, signal?: AbortSignal): Promise<Page<Appeal>> =>
    page(`/workbench/appeals${query({ ...asked })}`, signal)

  return {
    queues: (signal?: AbortSignal): Promise<QueueState[]> => items('/workbench/queues', signal),

    claims: (signal?: AbortSignal): Promise<Claim[]> => items('/workbench/claims?limit=200', signal),

    claim: (caseId: string): Promise<Claim> => json(`/cases/${id(caseId)}/claim`, { method: 'PUT' }),

    release: (caseId: string): Promise<void> => read(`/cases/${id(caseId)}/claim`, { method: 'DELETE' }, done),

    /** Each is judged alone: one refusal leaves the others. */
    dispatch: async (asked: DispatchItem[]): Promise<Dispatched[]> =>
      (await json<{ items: Dispatched[] }>('/workbench/dispatch', { method: 'POST', body: { items: asked } })).items,

    dueToday: (signal?: AbortSignal): Promise<DueCase[]> => items('/workbench/due-today', signal),

    urgings: (asked: UrgingQuery & Paging, signal?: AbortSignal): Promise<Page<Urging>> =>
      page(`/workbench/urgings${query({ ...asked })}`, signal),

    /** In the usual words unless told. */
    urge: (caseId: string, text: string): Promise<Urging> =>
      json(`/cases/${id(caseId)}/urgings`, { method: 'POST', body: text === '' ? {} : { text } }),

    appeals,

    appeal: (caseId: string, reason: string): Promise<Appeal> =>
      json(`/cases/${id(caseId)}/appeals`, { method: 'POST', body: { reason } }),

    decideAppeal: (appealId: string, exempt: boolean, words: string): Promise<Appeal> =>
      json(`/workbench/appeals/${id(appealId)}/decision`, { method: 'POST', body: { exempt, words } }),

    templates: (signal?: AbortSignal): Promise<Template[]> => items('/workbench/templates', signal),

    addTemplate: (body: NewTemplate): Promise<Template> => json('/workbench/templates', { method: 'POST', body }),

    dropTemplate: (templateId: string): Promise<void> =>
      read(`/workbench/templates/${id(templateId)}`, { method: 'DELETE' }, done),

    views: (signal?: AbortSignal): Promise<View[]> => items('/workbench/views', signal),

    /** In the place of the own view of the same name. */
    saveView: (body: NewView): Promise<View> => json('/workbench/views', { method: 'POST', body }),

    dropView: (viewId: string): Promise<void> => read(`/workbench/views/${id(viewId)}`, { method: 'DELETE' }, done),
  }
}
