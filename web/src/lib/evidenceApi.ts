// The calls about evidence, part of the client in api.ts.

import type { Wire } from './api'
import { digestIn, digestOf, uploadHeaders } from './attach'
import type { ClipPage, ClipState, Clip, DevicesUse, WholeClip } from './clips'
import type {
  Capture,
  ChainStatus,
  CustodyEvent,
  Deletion,
  DeletionState,
  DueEvidence,
  Evidence,
  Hold,
  Inclusion,
  Link,
  LogEntry,
  Match,
  Names,
  Region,
  Retention,
  Ticket,
} from './evidence'
import { networkError } from './problem'
import type { Page, Paging } from './types'

/** How restricted evidence is opened: a reason goes into the record of who saw it. */
export interface Opening {
  reason?: string | undefined
  signal?: AbortSignal | undefined
}

/** Up to that edge a picture is no look at the evidence, pixels. */
const TILE_EDGE = 320

export function evidenceCalls({ read, json, page, blob, query }: Wire) {
  const at = (id: string, rest = '') => `/evidence/${encodeURIComponent(id)}${rest}`

  return {
    evidenceOf: async (caseId: string, signal?: AbortSignal): Promise<Evidence[]> =>
      (await json<{ items: Evidence[] }>(`/evidence${query({ case_id: caseId })}`, { signal })).items,

    evidence: (id: string, opening: Opening = {}): Promise<Evidence> => json(at(id), opening),

    thumbnail: (id: string, opening: Opening & { edge?: number } = {}): Promise<Blob> =>
      blob(at(id, `/thumbnail${query({ edge: opening.edge ?? TILE_EDGE })}`), opening),

    /** `purpose` is the word for the record. */
    content: (id: string, purpose: 'seen' | 'downloaded', opening: Opening = {}): Promise<Blob> =>
      blob(at(id, `/content${query({ purpose })}`), opening),

    /** A player, or the browser's downloads, fetch by themselves, in parts, and can't bring a token. */
    ticket: (id: string, purpose: 'seen' | 'downloaded', opening: Opening = {}): Promise<Ticket> =>
      json(at(id, '/ticket'), { ...opening, method: 'POST', body: { purpose } }),

    /** Brings a file of this computer; answers its SHA-256, by which it is named from then on. */
    async attach(file: File): Promise<string> {
      const headers = uploadHeaders(file, await digestOf(file))
      const bytes = file.slice(0, file.size, 'application/offset+octet-stream')
      return read('/uploads', { method: 'POST', file: bytes, headers, unhurried: true }, async (response) => {
        const sha256 = digestIn(response.headers.get('repr-digest'))
        if (sha256 === null) throw networkError()
        return sha256
      })
    },

    captures: async (evidenceId: string, signal?: AbortSignal): Promise<Capture[]> =>
      (await page<Capture>(`/captures${query({ evidence_id: evidenceId })}`, signal)).items,

    captureChain: (deviceId: string, signal?: AbortSignal): Promise<ChainStatus> =>
      json(`/captures/chains/${encodeURIComponent(deviceId)}`, { signal }),

    names: (): Promise<Names> => json('/names'),

    custody: (id: string, paging: Paging, signal?: AbortSignal): Promise<Page<CustodyEvent>> =>
      page(at(id, `/custody${query({ ...paging })}`), signal),

    setAccess: (id: string, access_class: 'normal' | 'restricted', reason: string): Promise<Evidence> =>
      json(at(id, '/access-class'), { method: 'PUT', body: { class: access_class, reason } }),

    unlink: (id: string, link: Link, reason: string): Promise<Evidence> =>
      json(at(id, '/unlink'), { method: 'POST', body: { ...link, reason } }),

    retention: (id: string, signal?: AbortSignal): Promise<Retention> => json(at(id, '/retention'), { signal }),

    setRetention: (id: string, retention_class: string, reason: string): Promise<Retention> =>
      json(at(id, '/retention'), { method: 'PUT', body: { class: retention_class, reason } }),

    hold: (id: string, reason: string): Promise<Hold> => json(at(id, '/holds'), { method: 'POST', body: { reason } }),

    liftHold: (id: string, holdId: string, reason: string): Promise<Hold> =>
      json(at(id, `/holds/${encodeURIComponent(holdId)}/lift`), { method: 'POST', body: { reason } }),

    /** Propose it, approve it as the second person, or undo it. */
    deletion: (id: string, step: '' | 'approve' | 'undo', reason: string): Promise<Deletion> =>
      json(at(id, `/deletion${step && `/${step}`}`), { method: 'POST', body: { reason } }),

    redact: (id: string, regions: Region[], style: 'black' | 'mosaic', reason: string, opening: Opening): Promise<Evidence> =>
      json(at(id, '/redactions'), { ...opening, method: 'POST', body: { regions, style, reason } }),

    deletions: (asked: { state?: DeletionState } & Paging, signal?: AbortSignal): Promise<Page<Deletion>> =>
      page(`/evidence/deletions${query({ ...asked })}`, signal),

    due: (paging: Paging, signal?: AbortSignal): Promise<Page<DueEvidence>> =>
      page(`/evidence/retention/due${query({ ...paging })}`, signal),

    matches: (asked: { state?: 'open' | 'decided' } & Paging, signal?: AbortSignal): Promise<Page<Match>> =>
      page(`/evidence/reuse${query({ ...asked })}`, signal),

    match: (id: string, signal?: AbortSignal): Promise<Match> =>
      json(`/evidence/reuse/${encodeURIComponent(id)}`, { signal }),

    decideMatch: (id: string, decision: 'reuse' | 'legitimate', reason: string): Promise<Match> =>
      json(`/evidence/reuse/${encodeURIComponent(id)}/decision`, { method: 'POST', body: { decision, reason } }),

    clips: async (asked: { state?: ClipState; from?: string; until?: string } & Paging, signal?: AbortSignal): Promise<ClipPage> =>
      json(`/clips${query({ ...asked })}`, { signal }),

    clip: (id: string, signal?: AbortSignal): Promise<WholeClip> => json(`/clips/${encodeURIComponent(id)}`, { signal }),

    linkClip: (id: string, caseId: string, reason: string): Promise<Clip> =>
      json(`/clips/${encodeURIComponent(id)}/link`, {
        method: 'POST',
        body: reason === '' ? { case_id: caseId } : { case_id: caseId, reason },
      }),

    dismissClip: (id: string, reason: string): Promise<Clip> =>
      json(`/clips/${encodeURIComponent(id)}/dismiss`, { method: 'POST', body: { reason } }),

    utilisation: (from: string, signal?: AbortSignal): Promise<DevicesUse> =>
      json(`/devices/utilisation${query({ from })}`, { signal }),

    setRepair: async (deviceId: string, reason: string | null): Promise<void> => {
      await read(`/devices/${encodeURIComponent(deviceId)}/repair`, { method: 'PUT', body: { reason } }, async () => undefined)
    },

    logKey: (signal?: AbortSignal): Promise<{ name: string; verifier: string }> => json('/log/key', { signal }),

    /** The signed note, and when it was signed, which it does not say itself. */
    checkpoint: (signal?: AbortSignal): Promise<{ note: string; signed_at: string | null }> =>
      read('/log/checkpoint', { signal }, async (response) => {
        const at = Date.parse(response.headers.get('last-modified') ?? '')
        return { note: await response.text(), signed_at: Number.isNaN(at) ? null : new Date(at).toISOString() }
      }),

    proof: (leafHash: string): Promise<Inclusion> => json(`/log/proof${query({ leaf_hash: leafHash })}`),

    logEntries: (asked: { subject?: string; kind?: string } & Paging, signal?: AbortSignal): Promise<Page<LogEntry>> =>
      page(`/log/entries${query({ ...asked })}`, signal),
  }
}
