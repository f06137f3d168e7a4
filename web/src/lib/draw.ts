// The week's draw, computed again in the browser, as src/spotchecks/draws/draw.rs does; `api-spec/draw.md` is the rule and
// `api-spec/draw-vectors.json` holds all three verifiers to it. SHA-256 is written out: WebCrypto needs HTTPS and a promise
// for each of ten thousand tickets.

export interface SourceName {
  name: string
  issue: string
}

export interface Source extends SourceName {
  result: string
  origin: string
}

export interface FrameSite {
  code: string
  kind: string
  weight: number
}

export interface FrameUnit {
  code: string
  name: string
  sites: FrameSite[]
}

export interface Frame {
  format: string
  rule: string
  week: string
  sources: SourceName[]
  substitution: { version: number; stand_ins: Record<string, string[]> }
  teams: string[]
  days: string[]
  bands: string[]
  recheck_per_mille: number
  double_after_weeks: number | null
  commit_until: string
  lottery_at: string
  centre_commitment: string
  units: FrameUnit[]
}

export interface Pick {
  slot: number
  kind: string
  site: string
  order: number
}

export interface DrawnUnit {
  code: string
  team: string
  day: string
  band: string
  picks: Pick[]
  reserves: Record<string, string[]>
}

export interface Recheck {
  unit: string
  slot: number
  site: string
  team: string
  day: string
}

export interface Outcome {
  format: string
  week: string
  frame_sha256: string
  seed_sha256: string
  units: DrawnUnit[]
  rechecks: Recheck[]
}

/** What `GET /api/v1/draws/{week}/pack` answers. */
export interface Pack {
  format: string
  frame: string
  frame_sha256: string
  frame_entry: string
  sources: Source[]
  nonces: { unit: string; commitment: string | null; nonce: string | null }[]
  seed: string
  result: string
  result_sha256: string
  result_entry: string
}

/** The first thing of a pack that does not agree. */
export type Mismatch = 'format' | 'frame' | 'sources' | 'nonce' | 'seed' | 'draw' | 'result'

const QUOTA: readonly (readonly [string, number])[] = [
  ['main_road', 2],
  ['back_street', 2],
  ['residential', 1],
  ['market', 1],
  ['construction', 1],
  ['toilet', 1],
  ['other', 1],
]

/** What counts for the nonce of a unit that did not open one. */
const UNOPENED = '0'.repeat(64)

// The first 32 bits of the fractional parts of the square and cube roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3).
const primes = (count: number): number[] => {
  const found: number[] = []
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n)
  return found
}
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) >>> 0
const START = primes(8).map((prime) => fraction(Math.sqrt(prime)))
const ROUNDS = primes(64).map((prime) => fraction(Math.cbrt(prime)))

const turned = (x: number, n: number): number => (x >>> n) | (x << (32 - n))

/** SHA-256 of a text's UTF-8, 64 hexadecimal digits; they sort as the 32 bytes do. */
export function sha256(text: string): string {
  const bytes = new TextEncoder().encode(text)
  const padded = new DataView(new ArrayBuffer(Math.ceil((bytes.length + 9) / 64) * 64))
  bytes.forEach((byte, n) => padded.setUint8(n, byte))
  padded.setUint8(bytes.length, 0x80)
  padded.setUint32(padded.byteLength - 8, Math.floor(bytes.length / 2 ** 29))
  padded.setUint32(padded.byteLength - 4, (bytes.length << 3) >>> 0)
  const state = Int32Array.from(START)
  const w = new Int32Array(64)
  const at = (list: Int32Array, n: number): number => list[n] ?? 0
  for (let block = 0; block < padded.byteLength; block += 64) {
    for (let n = 0; n < 16; n++) w[n] = padded.getInt32(block + n * 4)
    for (let n = 16; n < 64; n++) {
      const [a, b] = [at(w, n - 15), at(w, n - 2)]
      const s0 = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3)
      const s1 = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10)
      w[n] = at(w, n - 16) + s0 + at(w, n - 7) + s1
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let n = 0; n < 64; n++) {
      const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (ROUNDS[n] ?? 0) + at(w, n)) | 0
      const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, n) => (state[n] = at(state, n) + word))
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

/** The best ticket of a site: one for the plain code, or one each for `code#1` … `code#w`. */
export function bestTicket(key: string, code: string, weight: number): string {
  if (weight <= 1) return sha256(key + code)
  const tickets = Array.from({ length: weight }, (_, n) => sha256(`${key}${code}#${n + 1}`))
  return tickets.reduce((best, ticket) => (ticket < best ? ticket : best))
}

/** By a ticket that each has; no two are equal. */
function sorted<T>(list: readonly T[], ticket: (one: T) => string): T[] {
  const drawn = list.map((one) => ({ one, ticket: ticket(one) }))
  return drawn.sort((a, b) => (a.ticket < b.ticket ? -1 : 1)).map(({ one }) => one)
}

function drawUnit(key: string, unit: FrameUnit, standIns: Record<string, string[]>) {
  const left = new Map<string, string[]>()
  for (const [kind] of QUOTA) {
    const sites = unit.sites.filter((site) => site.kind === kind)
    left.set(kind, sorted(sites, (site) => bestTicket(key, site.code, site.weight)).map((site) => site.code))
  }
  const kinds = QUOTA.flatMap(([kind, count]) => Array.from({ length: count }, () => kind))
  const slots = kinds.map((kind, n) => ({ slot: n + 1, kind, site: left.get(kind)?.shift() }))
  // Only when every kind has had its own is what is left given to those that lack.
  for (const slot of slots) {
    const source = slot.site === undefined && standIns[slot.kind]?.find((kind) => left.get(kind)?.length)
    if (source) slot.site = left.get(source)?.shift()
  }
  const picks = slots.flatMap(({ slot, kind, site }) => (site === undefined ? [] : [{ slot, kind, site, order: 0 }]))
  return { picks, reserves: Object.fromEntries([...left].filter(([, codes]) => codes.length > 0)) }
}

/** Draws a week. */
export function draw(frame: Frame, frameSha256: string, seed: string): Outcome {
  const key = sha256(seed)
  const at = (list: readonly string[], n: number): string => list[n % Math.max(list.length, 1)] ?? ''
  const round = sorted(frame.units.map((unit) => unit.code), (code) => sha256(`${key}round|${code}`))
  const [days, teams] = [Math.max(frame.days.length, 1), Math.max(frame.teams.length, 1)]
  const units = frame.units.map((unit): DrawnUnit => {
    const { picks, reserves } = drawUnit(key, unit, frame.substitution.stand_ins)
    sorted(picks, (pick) => sha256(`${key}order|${pick.site}`)).forEach((pick, n) => (pick.order = n + 1))
    const n = round.indexOf(unit.code)
    const [day, team] = [at(frame.days, n), at(frame.teams, Math.floor(n / days))]
    return { code: unit.code, day, team, band: at(frame.bands, Math.floor(n / days / teams)), picks, reserves }
  })
  const rechecks = again(frame, units, sha256(`recheck|${seed}`))
  return { format: 'chengguan-draw-result/1', week: frame.week, frame_sha256: frameSha256, seed_sha256: key, units, rechecks }
}

/** The visits that another team repeats. */
function again(frame: Frame, units: DrawnUnit[], second: string): Recheck[] {
  const visits = units.flatMap((unit) => unit.picks.map((pick) => ({ unit, pick })))
  const many = frame.recheck_per_mille
  const count = Math.max(Math.floor((visits.length * many + 500) / 1000), many > 0 ? 1 : 0)
  return sorted(visits, ({ pick }) => sha256(second + pick.site))
    .slice(0, count)
    .flatMap(({ unit, pick }) => {
      const others = frame.teams.filter((team) => team !== unit.team)
      const [team] = sorted(others, (other) => sha256(`${second}team|${pick.site}|${other}`))
      const day = frame.days[frame.days.indexOf(unit.day) + 1] ?? unit.day
      return team === undefined ? [] : [{ unit: unit.code, slot: pick.slot, site: pick.site, team, day }]
    })
}

/** One spelling of a value (RFC 8785, for keys of ASCII and whole numbers). */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}

/** Draws a pack again: the first thing that does not agree, or null. */
export function mismatch(pack: Pack): Mismatch | null {
  if (pack.format !== 'chengguan-draw-pack/1') return 'format'
  if (sha256(pack.frame) !== pack.frame_sha256) return 'frame'
  const frame = JSON.parse(pack.frame) as Frame
  if (frame.format !== 'chengguan-draw-frame/1' || frame.rule !== '1') return 'format'
  const named = (list: SourceName[]): string => canonical(list.map(({ name, issue }) => [name, issue]))
  if (named(pack.sources) !== named(frame.sources)) return 'sources'
  const units = ['centre', ...frame.units.map((unit) => unit.code)]
  if (canonical(pack.nonces.map((one) => one.unit)) !== canonical(units)) return 'nonce'
  const [centre] = pack.nonces
  if (!centre || centre.nonce === null || centre.commitment !== frame.centre_commitment) return 'nonce'
  if (pack.nonces.some(({ nonce, commitment }) => nonce !== null && sha256(nonce) !== commitment)) return 'nonce'
  const events = pack.sources.map(({ name, issue, result }) => `${name}:${issue}=${result}`)
  const nonces = pack.nonces.map(({ unit, nonce }) => `nonce:${unit}=${nonce ?? UNOPENED}`)
  if ([frame.week, ...events, ...nonces].join('|') !== pack.seed) return 'seed'
  if (canonical(draw(frame, pack.frame_sha256, pack.seed)) !== pack.result) return 'draw'
  return sha256(pack.result) === pack.result_sha256 ? null : 'result'
}
