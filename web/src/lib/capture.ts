/**
 * Capture records: signed by a device's P-256 key and chained, see `api-spec/captures.md`. Verifies and signs with
 * WebCrypto alone; `api-spec/capture-vectors.json` holds it together with the server's own code.
 */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** The first record of a device names this as the one before. */
export const GENESIS = '0'.repeat(64)

/** What a device signs. */
export interface Content {
  v: 1
  device: string
  epoch: number
  seq: number
  prev: string
  type: string
  body: { [name: string]: Json }
  media: { sha256: string; size: number }[]
  lat_e6?: number
  lon_e6?: number
  datum?: 'wgs84' | 'cgcs2000' | 'gcj02' | 'bd09'
  accuracy_mm?: number
  fix_age_ms?: number
  wall_ms: number
  mono_ms?: number
  boot?: string
  beacon?: { size: number; root: string }
}

/** A record that was read: what it says, the hash of its bytes, what was signed, and the signature. */
export interface CaptureRecord {
  content: Content
  sha256: string
  signed: string
  sig: Uint8Array<ArrayBuffer>
}

/** Something found wrong with the record at `index`. */
export interface Finding {
  index: number
  code: string
}

const ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const
const CLOCK_SLACK_MS = 120_000
const STEP_BACK_MS = 1_000
const FIX_AGE_MS = 60_000
const LAST_MS = 253_402_300_799_999

/** The one spelling of a value (RFC 8785), whole numbers only. Throws for what has none. */
export function canonical(value: Json): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new Error(`${value}: whole numbers up to 2^53-1`)
    return String(value)
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  // The default order of strings is that of their UTF-16 code units, as the RFC wants it.
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name] as Json)}`).join(',')}}`
}

/** SHA-256 of a text's UTF-8, lower-case hexadecimal. */
export async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function toBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Error('base64url')
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
}

/** A device's public key from its JWK. */
export function publicKey(jwk: JsonWebKey): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
}

/** The bytes of a signed record. */
export async function sign(content: Content, key: CryptoKey): Promise<string> {
  const members = content as unknown as { [name: string]: Json }
  check(members)
  const signed = new TextEncoder().encode(canonical(members))
  const sig = new Uint8Array(await crypto.subtle.sign(ALGORITHM, key, signed))
  return canonical({ ...members, sig: toBase64url(sig) })
}

const isDigest = (value: Json | undefined) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isWhole = (value: Json | undefined, least: number, most = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
const isObject = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isGiven = (value: Json | undefined) => value !== undefined && value !== null

function check(m: { [name: string]: Json }): Content {
  const optional = (name: string, good: (value: Json) => boolean) => !isGiven(m[name]) || good(m[name] as Json)
  const together = (...names: string[]) => new Set(names.map((name) => isGiven(m[name]))).size === 1
  const rules: [string, boolean][] = [
    ['v', m.v === 1],
    ['device', typeof m.device === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(m.device)],
    ['epoch', isWhole(m.epoch, 0, 2 ** 31 - 1)],
    ['seq', isWhole(m.seq, 1)],
    ['prev', isDigest(m.prev)],
    ['type', typeof m.type === 'string' && /^[a-z0-9_.]{1,32}$/.test(m.type)],
    ['body', isObject(m.body)],
    [
      'media',
      Array.isArray(m.media) &&
        m.media.length <= 64 &&
        m.media.every((file) => isObject(file) && isDigest(file.sha256) && isWhole(file.size, 0)),
    ],
    ['position', together('lat_e6', 'lon_e6', 'datum')],
    ['lat_e6', optional('lat_e6', (lat) => isWhole(lat, -90_000_000, 90_000_000))],
    ['lon_e6', optional('lon_e6', (lon) => isWhole(lon, -180_000_000, 180_000_000))],
    ['datum', optional('datum', (datum) => ['wgs84', 'cgcs2000', 'gcj02', 'bd09'].includes(datum as string))],
    ['accuracy_mm', optional('accuracy_mm', (mm) => isWhole(mm, 0))],
    ['fix_age_ms', optional('fix_age_ms', (ms) => isWhole(ms, 0))],
    ['wall_ms', isWhole(m.wall_ms, 0, LAST_MS)],
    ['monotonic clock', together('mono_ms', 'boot')],
    ['mono_ms', optional('mono_ms', (ms) => isWhole(ms, 0))],
    [
      'boot',
      optional('boot', (boot) => {
        const size = typeof boot === 'string' ? new TextEncoder().encode(boot).length : 0
        return size >= 1 && size <= 64
      }),
    ],
    ['beacon', optional('beacon', (b) => isObject(b) && isWhole(b.size, 1) && isDigest(b.root))],
  ]
  const wrong = rules.find(([, good]) => !good)
  if (wrong) throw new Error(wrong[0])
  return m as unknown as Content
}

/** Reads a record. Says nothing about the signature; throws for what is none. */
export async function read(raw: string): Promise<CaptureRecord> {
  const value = JSON.parse(raw) as Json
  if (!isObject(value) || canonical(value) !== raw) throw new Error('not in canonical form')
  const { sig, ...members } = value
  const bytes = fromBase64url(typeof sig === 'string' ? sig : '?')
  if (bytes.length !== 64) throw new Error('sig')
  return { content: check(members), sha256: await sha256(raw), signed: canonical(members), sig: bytes }
}

/** Whether the key signed the record as it is. */
export function isSignedBy(record: CaptureRecord, key: CryptoKey): Promise<boolean> {
  return crypto.subtle.verify(ALGORITHM, key, record.sig, new TextEncoder().encode(record.signed))
}

/** Reads a record and verifies it: the record, or the code of what is wrong. */
export async function verifyRecord(raw: string, key: CryptoKey): Promise<CaptureRecord | string> {
  const record = await read(raw).catch(() => null)
  if (!record) return 'malformed'
  return (await isSignedBy(record, key)) ? record : 'bad_signature'
}

/**
 * Verifies the records of one device and key in the order in which they are said to have been made. Nothing found means:
 * each was signed by the key, and none between the first and the last is missing, changed or moved.
 */
export async function verifyChain(raws: string[], key: CryptoKey): Promise<Finding[]> {
  const read = await Promise.all(raws.map((raw) => verifyRecord(raw, key)))
  const good = read.filter((record) => typeof record !== 'string')
  const byHash = new Map(good.map((record) => [record.sha256, record]))
  const places = new Map<string, CaptureRecord[]>()
  for (const record of byHash.values()) {
    const place = placeOf(record.content)
    places.set(place, [...(places.get(place) ?? []), record])
  }
  const at = (epoch: number, seq: number) => places.get(`${epoch}:${seq}`) ?? []

  const parentOf = ({ content }: CaptureRecord) => {
    const parent = byHash.get(content.prev)
    if (!parent || parent.content.device !== content.device) return undefined
    const { epoch, seq } = parent.content
    const fits = content.seq === 1 ? epoch < content.epoch : epoch === content.epoch && seq === content.seq - 1
    return fits ? parent : undefined
  }
  const isAfterGap = (record: CaptureRecord) =>
    record.content.seq === 1
      ? record.content.prev !== GENESIS && !parentOf(record)
      : at(record.content.epoch, record.content.seq - 1).length === 0
  const isEdited = ({ content, sha256 }: CaptureRecord) => {
    const here = at(content.epoch, content.seq).map((record) => record.sha256)
    const next = at(content.epoch, content.seq + 1)
    return (
      next.some((record) => !here.includes(record.content.prev)) &&
      next.every((record) => record.content.prev !== sha256)
    )
  }

  const findings: Finding[] = []
  const seen = new Set<string>()
  let highest: [number, number] = [0, 0]
  for (const [index, record] of read.entries()) {
    const found = (...codes: string[]) => findings.push(...codes.map((code) => ({ index, code })))
    if (typeof record === 'string') {
      found(record)
      continue
    }
    if (seen.has(record.sha256)) {
      found('replayed')
      continue
    }
    seen.add(record.sha256)
    const { epoch, seq } = record.content
    if (epoch < highest[0] || (epoch === highest[0] && seq < highest[1])) found('reordered')
    else highest = [epoch, seq]
    if (at(epoch, seq)[0]?.sha256 !== record.sha256) found('fork')
    found(...alone(record.content))
    const parent = parentOf(record)
    if (parent) found(...beside(parent.content, record.content))
    if (isAfterGap(record)) found('gap')
    if (isEdited(record)) found('edited')
  }
  return findings
}

const placeOf = ({ epoch, seq }: Content) => `${epoch}:${seq}`

function alone(record: Content): string[] {
  const old = (record.fix_age_ms ?? 0) > FIX_AGE_MS
  return [...(old ? ['fix_old'] : []), ...(record.accuracy_mm === 0 ? ['accuracy_zero'] : [])]
}

function beside(before: Content, record: Content): string[] {
  const codes: string[] = []
  const wall = record.wall_ms - before.wall_ms
  if (wall < -STEP_BACK_MS) codes.push('clock_back')
  if (before.mono_ms != null && record.mono_ms != null && before.boot === record.boot) {
    const mono = record.mono_ms - before.mono_ms
    if (mono < 0) codes.push('clock_back')
    else if (Math.abs(wall - mono) > CLOCK_SLACK_MS) codes.push('clock_drift')
  }
  const still = record.lat_e6 === before.lat_e6 && record.lon_e6 === before.lon_e6
  if (record.lat_e6 != null && still) codes.push('fix_repeated')
  return codes
}
