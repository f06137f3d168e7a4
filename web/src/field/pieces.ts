// The evidence of a case as an officer looks it through: what the feed says that the server has, and what lies on this
// device. Pure.

import type { Evidence } from '../lib/evidence'
import type { MediaRow, MediaState } from './sync/store'

export type PieceKind = 'photo' | 'film' | 'sound' | 'document'

export interface Piece {
  sha256: string
  kind: PieceKind
  /** What it shows in this case, as the server says; null while only this device knows of it. */
  role: string | null
  filename: string
  at: string | null
  /** Bytes. */
  size: number
  state: MediaState
  /** Why it was refused. */
  reason: string | null
  /** It was taken with this device. */
  own: boolean
  restricted: boolean
  /** The server's record, once the feed has brought it. */
  of: Evidence | null
}

const kindOf = (mediaType: string): PieceKind => {
  if (mediaType.startsWith('image/')) return 'photo'
  if (mediaType.startsWith('video/')) return 'film'
  return mediaType.startsWith('audio/') ? 'sound' : 'document'
}

const NEVER = '1970-01-01T00:00:00Z'

/** The newest first; what has no time stands at the end. */
export function piecesOf(caseId: string, records: Evidence[], media: MediaRow[], device: string | null): Piece[] {
  const pieces = new Map<string, Piece>()
  for (const { sha256, mime, filename, captured_at, size, state, reason } of media) {
    const of = null
    pieces.set(sha256, { sha256, kind: kindOf(mime), role: null, filename, at: captured_at, size, state, reason, own: true, restricted: false, of })
  }
  for (const of of records) {
    const { sha256, filename, captured_at, size, links, device_id, access_class } = of
    // What a camera's dock declares as plain bytes, the file itself says better.
    const type = of.facts?.media_type ?? of.media_type
    const role = links.find(({ target_kind, target_id }) => target_kind === 'case' && target_id === caseId)?.role ?? of.role
    const known = pieces.get(sha256)
    pieces.set(sha256, {
      sha256, kind: kindOf(type), role, filename: filename ?? known?.filename ?? '', at: captured_at, size, state: 'stored',
      reason: null, own: known !== undefined || (device !== null && device_id === device), restricted: access_class === 'restricted', of,
    })
  }
  return [...pieces.values()].sort((a, b) => Date.parse(b.at ?? NEVER) - Date.parse(a.at ?? NEVER))
}
