// The calls of the assessment, part of the client in api.ts.

import type { Wire } from './api'
import type {
  AssessmentMonth,
  BulletinFormat,
  EditionCounter,
  MonthResult,
  Rules,
  RuleSet,
  ScoreEdition,
  ScoreLine,
  ScoreObjection,
  ScoreRecord,
  ScoreReview,
  UnitScore,
  Verdict,
} from './assessment'
import type { Opening } from './evidenceApi'
import type { Page, Paging } from './types'

const id = encodeURIComponent

export function assessmentCalls({ json, page, blob, query }: Wire) {
  const items = async <T>(path: string, signal?: AbortSignal): Promise<T[]> => (await json<{ items: T[] }>(path, { signal })).items
  const month = (of: string, rest = ''): string => `/assessment/months/${id(of)}${rest}`

  return {
    ruleSets: (signal?: AbortSignal): Promise<Rules[]> => items('/assessment/rules', signal),

    draftRules: (body: { rules: RuleSet; effective_from: string; note: string }): Promise<Rules> =>
      json('/assessment/rules', { method: 'POST', body }),

    approveRules: (version: number): Promise<Rules> => json(`/assessment/rules/${version}/approve`, { method: 'POST' }),

    assessmentMonths: (asked: Paging, signal?: AbortSignal): Promise<Page<AssessmentMonth>> =>
      page(`/assessment/months${query({ ...asked })}`, signal),

    /** As it stands, or one of its editions. */
    assessmentMonth: (of: string, signal?: AbortSignal, edition?: string): Promise<MonthResult> => json(month(of, query({ edition })), { signal }),

    stepMonth: (of: string, step: 'run' | 'open' | 'publish'): Promise<MonthResult> => json(month(of, `/${step}`), { method: 'POST' }),

    whatIf: async (of: string, rules: RuleSet): Promise<UnitScore[]> =>
      (await json<{ units: UnitScore[] }>(month(of, '/what-if'), { method: 'POST', body: rules })).units,

    monthPack: (of: string, edition?: number): Promise<Blob> => blob(month(of, `/pack${query({ edition })}`)),

    bulletin: (of: string, format: BulletinFormat, edition?: number): Promise<Blob> =>
      blob(month(of, `/bulletin${query({ format, edition })}`)),

    editions: (of: string, signal?: AbortSignal): Promise<ScoreEdition[]> => items(month(of, '/editions'), signal),

    openEdition: (of: string, body: { reason: string; counters: EditionCounter[] }): Promise<ScoreEdition> =>
      json(month(of, '/editions'), { method: 'POST', body }),

    decideEdition: (editionId: string, body: { verdict: Verdict; words: string }): Promise<ScoreEdition> =>
      json(`/assessment/editions/${id(editionId)}/decision`, { method: 'POST', body }),

    /** All of a unit, since only all of them add up to its total. */
    async scoreLines(of: string, unitId: string, signal?: AbortSignal): Promise<ScoreLine[]> {
      const all: ScoreLine[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const asked: string = query({ unit_id: unitId, limit: 200, cursor })
        const part: Page<ScoreLine> = await page<ScoreLine>(month(of, `/lines${asked}`), signal)
        all.push(...part.items)
        cursor = part.next
      }
      return all
    },

    scoreRecord: (of: string, line: number, signal?: AbortSignal): Promise<ScoreRecord> =>
      json(month(of, `/lines/${line}/record`), { signal }),

    /** A small picture of that edge in pixels, or the original. */
    scoreFile: (of: string, line: number, evidenceId: string, opening: Opening & { edge?: number } = {}): Promise<Blob> =>
      blob(month(of, `/lines/${line}/evidence/${id(evidenceId)}${query({ edge: opening.edge })}`), opening),

    objections: (of: string, signal?: AbortSignal): Promise<ScoreObjection[]> => items(month(of, '/objections'), signal),

    object: (of: string, line: number, reason: string): Promise<ScoreObjection> =>
      json(month(of, `/lines/${line}/objection`), { method: 'POST', body: { reason } }),

    stepObjection: (objectionId: string, body: { verdict: Verdict; delta: number; words: string }): Promise<ScoreObjection> =>
      json(`/assessment/objections/${id(objectionId)}/steps`, { method: 'POST', body }),

    scoreReview: (period: string, signal?: AbortSignal): Promise<ScoreReview> =>
      json(`/assessment/review${query({ period })}`, { signal }),
  }
}
