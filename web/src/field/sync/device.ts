// The device's own key: P-256 in WebCrypto, made here and not extractable, so that not even this page can copy it.

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
/** A token that the device signs for itself is good for so many seconds. */
export const TOKEN_FOR_S = 600

export function freshKey(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify'])
}

/** The public half, as the server wants it. */
export async function publicJwk(key: CryptoKeyPair): Promise<{ kty: string; crv: string; x: string; y: string }> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key.publicKey)
  if (!kty || !crv || !x || !y) throw new Error('the key has no public half')
  return { kty, crv, x, y }
}

/** A token for pushes and uploads, good for so many seconds. `now` is the server's time as well as it is known, milliseconds since 1970. */
export async function deviceToken(device: string, key: CryptoKeyPair, now: number, seconds: number): Promise<string> {
  const iat = Math.floor(now / 1000)
  const header = { alg: 'ES256', typ: 'device+jwt', kid: device }
  const claims = { iss: device, aud: 'chengguan', iat, exp: iat + seconds }
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`
  const sig = await crypto.subtle.sign(SIGNING, key.privateKey, new TextEncoder().encode(text))
  return `${text}.${base64url(String.fromCharCode(...new Uint8Array(sig)))}`
}

/** Of characters below 256. */
function base64url(text: string): string {
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** UUIDv7: random but for its first 48 bits, which are the time. */
export function uuidv7(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const time = new DataView(bytes.buffer)
  time.setUint32(0, Math.floor(now / 2 ** 16))
  time.setUint16(4, now % 2 ** 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
