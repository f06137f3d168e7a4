// The calls of the spot checks, part of the client in api.ts.

import type { Wire } from './api'
import type { Pack, Source } from './draw'
import type {
  Agreement,
  ChecklistInForce,
  Draw,
  DrawLine,
  KindList,
  NewFrame,
  Site,
  SiteFormat,
  SiteQuery,
  SitesImported,
  SubstitutionInForce,
  TeamMember,
} from './spotchecks'
import type { Page, Paging } from './types'

const id = encodeURIComponent

export function spotchecksCalls({ read, json, page, blob, query }: Wire) {
  const draw = (week: string, rest = ''): string => `/draws/${id(week)}${rest}`
  const done = async (): Promise<void> => undefined

  return {
    draws: (asked: Paging, signal?: AbortSignal): Promise<Page<DrawLine>> => page(`/draws${query({ ...asked })}`, signal),

    draw: (week: string, signal?: AbortSignal): Promise<Draw> => json(draw(week), { signal }),

    drawPack: (week: string): Promise<Pack> => json(draw(week, '/pack'), { unhurried: true }),

    frameDraw: (week: string, body: NewFrame): Promise<Draw> => json(draw(week, '/frame'), { method: 'POST', body }),

    commitNonce: (week: string, commitment: string): Promise<void> =>
      read(draw(week, '/commitment'), { method: 'PUT', body: { commitment } }, done),

    openNonce: (week: string, nonce: string): Promise<void> => read(draw(week, '/nonce'), { method: 'PUT', body: { nonce } }, done),

    typeResults: (week: string, sources: Source[]): Promise<Draw> => json(draw(week, '/seed'), { method: 'PUT', body: { sources } }),

    confirmResults: (week: string, sources: Source[]): Promise<Draw> =>
      json(draw(week, '/seed/confirm'), { method: 'POST', body: { sources } }),

    runDraw: (week: string): Promise<Draw> => json(draw(week, '/run'), { method: 'POST' }),

    agreement: (week: string, signal?: AbortSignal): Promise<Agreement> => json(`/spot-checks/agreement${query({ week })}`, { signal }),

    sites: (asked: SiteQuery & Paging, signal?: AbortSignal): Promise<Page<Site>> => page(`/sites${query({ ...asked })}`, signal),

    strikeSite: (siteId: string, reason: string): Promise<Site> => json(`/sites/${id(siteId)}/strike`, { method: 'POST', body: { reason } }),

    reinstateSite: (siteId: string, reason: string): Promise<Site> =>
      json(`/sites/${id(siteId)}/reinstate`, { method: 'POST', body: { reason } }),

    importSites: (file: Blob): Promise<SitesImported> => json('/sites/import', { method: 'POST', file, unhurried: true }),

    /** The one in force unless a version is named. */
    checklist: (version?: number, signal?: AbortSignal): Promise<ChecklistInForce> => json(`/spot-checklists${query({ version })}`, { signal }),

    setChecklist: (kinds: KindList[], source: string): Promise<ChecklistInForce> =>
      json('/spot-checklists', { method: 'PUT', body: { kinds, source } }),

    spotTeams: async (signal?: AbortSignal): Promise<TeamMember[]> => (await json<{ members: TeamMember[] }>('/spot-teams', { signal })).members,

    setSpotTeams: async (members: TeamMember[]): Promise<TeamMember[]> =>
      (await json<{ members: TeamMember[] }>('/spot-teams', { method: 'PUT', body: { members } })).members,

    substitution: (signal?: AbortSignal): Promise<SubstitutionInForce> => json('/site-substitutions', { signal }),

    setSubstitution: (stand_ins: SubstitutionInForce['substitution']['stand_ins'], source: string): Promise<SubstitutionInForce> =>
      json('/site-substitutions', { method: 'PUT', body: { stand_ins, source } }),

    exportSites: (format: SiteFormat, unit_id: string): Promise<Blob> => blob(`/sites/export${query({ format, unit_id })}`),
  }
}
