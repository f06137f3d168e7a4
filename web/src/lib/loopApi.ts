// The calls about the case loop, part of the client in api.ts.

import type { Wire } from './api'
import type {
  Bounce,
  By,
  CaseClass,
  CaseClocks,
  CatalogueImported,
  CatalogueVersions,
  CityCase,
  CityCode,
  CityStatus,
  ClassQuery,
  Doubt,
  Grid,
  GridsImported,
  InboxMessage,
  InboxOutcome,
  OutboxMessage,
  OutboxState,
  Reconciliation,
  RecordsQuery,
  Responsibility,
  ResponsibilityEntry,
  ResponsibilityQuery,
  Statistics,
  Suggestion,
  SuggestionQuery,
  WorkingCalendar,
  YearList,
} from './loop'
import type { Case, Page, Paging } from './types'
import type { SlotTable } from './workTime'

/** What a person does with a case's clock. */
export type ClockCommand =
  | { type: 'request_hold'; args: { reason: string } }
  | { type: 'decide_hold'; args: { granted: boolean; reason?: string } }
  | { type: 'resume'; args: Record<string, never> }
  | { type: 'note'; args: { text: string } }

const id = encodeURIComponent

export function loopCalls({ read, json, page, blob, query }: Wire) {
  const done = async (): Promise<void> => undefined

  return {
    clocks: (caseId: string, signal?: AbortSignal): Promise<CaseClocks> => json(`/cases/${id(caseId)}/clocks`, { signal }),

    /** `base_ver`: the version that was seen; another one is refused. */
    command: (caseId: string, command: ClockCommand, base_ver: number): Promise<Case> =>
      json(`/cases/${id(caseId)}/commands`, { method: 'POST', body: { ...command, base_ver } }),

    calendar: (signal?: AbortSignal): Promise<WorkingCalendar> => json('/calendar', { signal }),

    setYear: (year: number, body: YearList): Promise<WorkingCalendar> =>
      json(`/calendar/years/${year}`, { method: 'PUT', body }),

    setSlots: (body: SlotTable): Promise<WorkingCalendar> => json('/calendar/slots', { method: 'PUT', body }),

    dropSlots: (fromDay: string): Promise<void> =>
      read(`/calendar/slots/${id(fromDay)}`, { method: 'DELETE' }, done),

    catalogueVersions: (signal?: AbortSignal): Promise<CatalogueVersions> => json('/catalogue/versions', { signal }),

    classes: (asked: ClassQuery & Paging, signal?: AbortSignal): Promise<Page<CaseClass>> =>
      page(`/catalogue/classes${query({ ...asked })}`, signal),

    exportCatalogue: (format: 'xlsx' | 'csv', version?: number): Promise<Blob> =>
      blob(`/catalogue/export${query({ format, version })}`),

    importCatalogue: (file: Blob, source: string): Promise<CatalogueImported> =>
      json(`/catalogue/import${query({ source })}`, { method: 'POST', file, unhurried: true }),

    grids: (asked: { prefix: string } & Paging, signal?: AbortSignal): Promise<Page<Grid>> =>
      page(`/grids${query({ ...asked })}`, signal),

    exportGrids: (): Promise<Blob> => blob('/grids/map'),

    importGrids: (file: Blob): Promise<GridsImported> => json('/grids/map', { method: 'PUT', file, unhurried: true }),

    responsibilities: (asked: ResponsibilityQuery & Paging, signal?: AbortSignal): Promise<Page<Responsibility>> =>
      page(`/responsibilities${query({ ...asked })}`, signal),

    /** A ruling is an arbitration's, about one grid and one class. */
    enterResponsibility: (body: ResponsibilityEntry, ruling: boolean): Promise<Responsibility> =>
      json(`/responsibilities${ruling ? '/rulings' : ''}`, { method: 'POST', body }),

    endResponsibility: (rowId: string): Promise<void> =>
      read(`/responsibilities/${id(rowId)}/end`, { method: 'POST' }, done),

    suggestion: (asked: SuggestionQuery, signal?: AbortSignal): Promise<Suggestion> =>
      json(`/responsibilities/suggestion${query({ ...asked })}`, { signal }),

    doubts: (signal?: AbortSignal): Promise<{ items: Doubt[]; total: number }> =>
      json('/responsibilities/doubts?limit=200', { signal }),

    bounces: async (signal?: AbortSignal): Promise<Bounce[]> =>
      (await json<{ items: Bounce[] }>('/responsibilities/bounces', { signal })).items,

    cityStatus: (signal?: AbortSignal): Promise<CityStatus> => json('/city/status', { signal }),

    outbox: (asked: { state?: OutboxState; dead?: boolean } & Paging, signal?: AbortSignal): Promise<Page<OutboxMessage>> =>
      page(`/city/outbox${query({ ...asked })}`, signal),

    resend: (msgId: string): Promise<OutboxMessage> => json(`/city/outbox/${id(msgId)}/resend`, { method: 'POST' }),

    giveUp: (msgId: string, reason: string): Promise<OutboxMessage> =>
      json(`/city/outbox/${id(msgId)}/give-up`, { method: 'POST', body: { reason } }),

    inbox: (asked: { outcome?: InboxOutcome } & Paging, signal?: AbortSignal): Promise<Page<InboxMessage>> =>
      page(`/city/inbox${query({ ...asked })}`, signal),

    reconciliations: (asked: Paging, signal?: AbortSignal): Promise<Page<Reconciliation>> =>
      page(`/city/reconciliations${query({ ...asked })}`, signal),

    cityCases: (asked: { due_differs?: boolean } & Paging, signal?: AbortSignal): Promise<Page<CityCase>> =>
      page(`/city/cases${query({ ...asked })}`, signal),

    cityCodes: async (signal?: AbortSignal): Promise<CityCode[]> =>
      (await json<{ items: CityCode[] }>('/city/codes', { signal })).items,

    setCityCode: (body: CityCode): Promise<void> => read('/city/codes', { method: 'PUT', body }, done),

    dropCityCode: ({ kind, city_code }: CityCode): Promise<void> =>
      read(`/city/codes${query({ kind, city_code })}`, { method: 'DELETE' }, done),

    statistics: (period: string, by: By, signal?: AbortSignal): Promise<Statistics> =>
      json(`/statistics${query({ period, by })}`, { signal }),

    records: (asked: RecordsQuery & Paging, signal?: AbortSignal): Promise<Page<Case>> =>
      page(`/statistics/records${query({ ...asked })}`, signal),
  }
}
