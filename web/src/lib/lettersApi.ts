// The calls about letters and the positive and negative list, part of the client in api.ts.

import type { Wire } from './api'
import type {
  Letter,
  LetterCase,
  LetterCommand,
  LetterCounts,
  LetterDraft,
  LetterFormat,
  LetterQuery,
  LetterStep,
  Merit,
  MeritQuery,
  NewMerit,
  RecurringSpot,
} from './letters'
import type { Page, Paging } from './types'

const id = encodeURIComponent

export function lettersCalls({ json, page, blob, query }: Wire) {
  return {
    letters: (asked: LetterQuery & Paging, signal?: AbortSignal): Promise<Page<Letter>> => page(`/letters${query({ ...asked })}`, signal),

    letterCounts: (signal?: AbortSignal): Promise<LetterCounts> => json('/letters/counts', { signal }),

    letter: (letterId: string, signal?: AbortSignal): Promise<Letter> => json(`/letters/${id(letterId)}`, { signal }),

    /** By number. */
    letterCases: async (letterId: string, signal?: AbortSignal): Promise<LetterCase[]> =>
      (await json<{ items: LetterCase[] }>(`/letters/${id(letterId)}/cases`, { signal })).items,

    letterSteps: async (letterId: string, signal?: AbortSignal): Promise<LetterStep[]> =>
      (await json<{ items: LetterStep[] }>(`/letters/${id(letterId)}/timeline?limit=200`, { signal })).items,

    draftLetter: (body: LetterDraft): Promise<Letter> => json('/letters', { method: 'POST', body }),

    /** Refused when it has changed since it was read. */
    letterCommand: ({ id: letterId, ver: base_ver }: Letter, command: LetterCommand): Promise<Letter> =>
      json(`/letters/${id(letterId)}/commands`, { method: 'POST', body: { ...command, base_ver } }),

    letterDocument: (letterId: string, format: LetterFormat): Promise<Blob> => blob(`/letters/${id(letterId)}/document${query({ format })}`),

    /** Those with the greatest index of this month first. */
    topSpots: async (limit: number, signal?: AbortSignal): Promise<RecurringSpot[]> =>
      (await json<{ items: { spot: RecurringSpot }[] }>(`/spots/top${query({ limit })}`, { signal })).items.map(({ spot }) => spot),

    spotsOfCase: async (case_id: string, signal?: AbortSignal): Promise<RecurringSpot[]> =>
      (await json<{ items: RecurringSpot[] }>(`/spots${query({ case_id })}`, { signal })).items,

    spot: (spotId: string, signal?: AbortSignal): Promise<RecurringSpot> => json(`/spots/${id(spotId)}`, { signal }),

    merits: (asked: MeritQuery & Paging, signal?: AbortSignal): Promise<Page<Merit>> => page(`/merits${query({ ...asked })}`, signal),

    enterMerit: (body: NewMerit): Promise<Merit> => json('/merits', { method: 'POST', body }),

    decideMerit: (meritId: string, approved: boolean, words: string): Promise<Merit> =>
      json(`/merits/${id(meritId)}/decision`, { method: 'POST', body: { approved, words } }),

    withdrawMerit: (meritId: string, reason: string): Promise<Merit> =>
      json(`/merits/${id(meritId)}/withdrawal`, { method: 'POST', body: { reason } }),
  }
}
