// A file from this computer that is to prove something: brought in one request of tus 1.0 (creation with upload), as
// src/evidence/uploads of the server takes it.

const BASE64_OF = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

const HEX_OF = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** What the server is told about the file beside its bytes. */
export function uploadHeaders(file: File, sha256: string | null): Record<string, string> {
  const said: [string, string][] = [
    ['filename', file.name],
    ['filetype', file.type || 'application/octet-stream'],
    ['captured_at', new Date(file.lastModified).toISOString()],
  ]
  if (sha256 !== null) said.push(['sha256', sha256])
  const text = new TextEncoder()
  return {
    'Tus-Resumable': '1.0.0',
    'Upload-Length': String(file.size),
    'Upload-Metadata': said.map(([key, value]) => `${key} ${BASE64_OF(text.encode(value))}`).join(','),
  }
}

/** Hexadecimal, or null where this browser has no WebCrypto: a page that came without TLS. The server computes its own. */
export async function digestOf(file: Blob): Promise<string | null> {
  if (globalThis.crypto?.subtle === undefined) return null
  return HEX_OF(new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer())))
}

/** The digest in `sha-256=:…:`, hexadecimal; null for what is none. */
export function digestIn(reprDigest: string | null): string | null {
  const found = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(reprDigest ?? '')
  return found === null ? null : HEX_OF(Uint8Array.from(atob(found[1] ?? ''), (char) => char.charCodeAt(0)))
}
