// A handheld at work: enrol, sign in, save, and three loops that send, read and upload, each going its own way so that
// photos never hold up records. What to say and what an answer means is the engine's. After src/client/sync.rs.

import { networkError, problemOf } from '../../lib/problem'
import type { Spec } from '../../lib/spec'
import type { TimelineEntry } from '../../lib/types'
import { type Get, renewClasses, renewGrids, thumbnailOf } from './beside'
import { ANSWER_WITHIN_MS, call, has, heardOf } from './calls'
import { TOKEN_FOR_S, deviceToken, freshKey, publicJwk, uuidv7 } from './device'
import { type About, type Ask, Engine, type Moment, type Step, type Want } from './engine'
import { Persons, type Unlocked } from './pin'
import { type Heard, type Need, PACE, clockRefused, measured, waitMs } from './rules'
import { type Draft, type FieldSession, type Identity, type Store, isClip } from './store'
import { renewVisits } from './visits'
import { type Changes, type EpochResponse, type Op, PROTOCOL, type PushResponse, type RawResponse, type Snapshot } from './wire'
import { say } from './words'

/** A device that has nothing to send says so often that it lives. */
const HEARTBEAT_MS = 300_000
/** Records of one request; the server takes no more. */
const MOST_CAPTURES = 100
const CHANGES_WAIT_S = 25
const SESSION: (keyof FieldSession)[] = ['session_id', 'access_token', 'refresh_token', 'user']
/** Held while the session's tokens are renewed or sealed: a renewed token that is lost ends the session. */
const SESSION_LOCK = 'chengguan-field-session'

/** What the screens show of it. */
export interface Standing {
  /** Whether the last question got an answer. */
  reached: boolean
  /** Only a person can help with sending, or with reading. */
  send: Need | null
  read: Need | null
  /** When everything that was saved had last arrived, milliseconds since 1970. */
  settledAt: number | null
  readAt: number | null
  /** What is being uploaded, 0…1. */
  upload: { sha256: string; share: number } | null
  /** Photos and clips wait for a WLAN, as the person wished. */
  paused: boolean
  /** Why the last uploads did not end well. */
  uploadTrouble: Record<string, string>
}

/** Rings when there may be work; what rings while a round is under way is not lost. */
class Bell {
  private rung = false
  private wake: () => void = () => undefined

  ring(): void {
    this.rung = true
    this.wake()
  }

  /** A round begins, and will see whatever it was rung for. */
  heed(): void {
    this.rung = false
  }

  /** Until it rings, at most so long. */
  wait(ms: number): Promise<void> {
    if (this.rung) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Whoever's work it is is not signed in here now. */
export class NotSignedIn extends Error {}

export class Client {
  readonly persons: Persons
  readonly standing: Standing = {
    reached: true, send: null, read: null, settledAt: null, readAt: null, upload: null, paused: false,
    uploadTrouble: {},
  }
  private readonly engine: Engine
  private readonly bells = { send: new Bell(), read: new Bell(), upload: new Bell() }
  private readonly boot = crypto.randomUUID()
  private sending = false

  constructor(
    readonly store: Store,
    private readonly about: About,
    /** After each change of the standing. */
    private readonly told: () => void,
  ) {
    this.engine = new Engine(store, about)
    this.persons = new Persons(store)
  }

  private moment(): Moment {
    return { now: Date.now(), monoMs: Math.round(performance.now()), boot: this.boot, dice: Math.random() }
  }

  /** The server's time, as well as it is known. */
  private async now(): Promise<number> {
    return Date.now() - ((await this.store.offset())?.offset_ms ?? 0)
  }

  get app(): string {
    return this.about.app
  }

  /** A token that the device signs for itself, good for so many seconds. */
  async tokenFor(seconds: number): Promise<string> {
    const [identity, key] = [await this.store.identity(), await this.store.key()]
    if (identity === null || key === null) throw new Error('not enrolled')
    return deviceToken(identity.device, key, await this.now(), seconds)
  }

  private token(): Promise<string> {
    return this.tokenFor(TOKEN_FOR_S)
  }

  /** Makes a key and enrols with a one-time code. The code works once: when the answer is lost, a new one is needed. */
  async enrol(code: string): Promise<Identity> {
    const key = await freshKey()
    const body = { code: code.trim(), public_key: await publicJwk(key) }
    const answer = await call('POST', '/devices/enrol', null, JSON.stringify(body))
    if (!answer.ok) throw await problemOf(answer)
    const enrolled = (await answer.json()) as Spec['Enrolled']
    if (!has(enrolled, ['device_id', 'epoch', 'server_time'])) throw networkError()
    const { device_id: device, name, kind, epoch, server_time } = enrolled
    const identity = { device, name, kind, epoch }
    await this.store.enrolled(identity, key, measured(Date.now(), server_time))
    this.standing.send = null
    this.ring()
    return identity
  }

  /** Signs a person in on this device, so that what they do here without a network counts as theirs. */
  async login(username: string, password: string): Promise<void> {
    const ask = async () => {
      const body = { username: username.trim(), password, device_token: await this.token() }
      return call('POST', '/auth/login', null, JSON.stringify(body))
    }
    let answer = await ask()
    if (await this.clockCorrected(answer.clone())) answer = await ask()
    if (!answer.ok) throw await problemOf(answer)
    const session = (await answer.json()) as FieldSession
    if (!has(session, SESSION)) throw networkError()
    await this.store.setSession(session)
    this.changedHands()
  }

  /** Whether the answer refused the device's token for its time, and the clock's error is known now. */
  private async clockCorrected(answer: Response): Promise<boolean> {
    const heard = await heardOf<unknown>(Promise.resolve(answer), [], () => ({ t: 'nothing' }))
    const offset = clockRefused(heard, Date.now(), await this.store.offset())
    if (offset !== null) await this.store.setOffset(offset)
    return offset !== null
  }

  private hands = new AbortController()

  /** The network is back, perhaps another one: an answer that is still awaited may never come. */
  reconnected(): void {
    this.hands.abort()
    this.hands = new AbortController()
    this.stopClip()
    this.ring()
  }

  private clip = new AbortController()

  /** A clip that is on its way makes room; it goes on later from where it stopped. */
  private stopClip(): void {
    this.clip.abort()
    this.clip = new AbortController()
  }

  /** Whoever works now must not wait until a question of the one before is answered. */
  private changedHands(): void {
    this.reconnected()
    this.standing.read = null
    this.standing.readAt = null
  }

  /** Locks the session away under its person's digits; false when they have set none. */
  lock(): Promise<boolean> {
    // A renewal of its tokens that is on its way must come back before they are sealed.
    return navigator.locks.request(SESSION_LOCK, () => this.persons.lock())
  }

  /** The shift is over: the session is locked away, or ended when it can't be. */
  async handOver(): Promise<void> {
    if (!(await this.lock())) await this.logout()
  }

  async unlock(userId: string, pin: string): Promise<Unlocked> {
    const unlocked = await this.persons.unlock(userId, pin)
    if (unlocked.t === 'open') this.changedHands()
    return unlocked
  }

  /** Ends the session here; what waits is still sent, by the device's own key. */
  async logout(): Promise<void> {
    const session = await this.store.session()
    await this.store.setSession(null)
    if (session !== null) await this.persons.forget(session.user.id)
    if (session !== null) await call('POST', '/auth/logout', session.access_token, null).catch(() => null)
  }

  /**
   * Keeps a piece of work of this person; durable when the promise is fulfilled. Fails when they are not the one signed in:
   * a page that another tab has overtaken must not save one person's work under another's name.
   */
  async save(userId: string, draft: Omit<Draft, 'op_id' | 'actor' | 'session' | 'occurred_at' | 'mono_ms' | 'boot'>): Promise<Op> {
    const session = await this.store.session()
    if (session?.user.id !== userId) throw new NotSignedIn()
    const { now, monoMs, boot } = this.moment()
    const who = { actor: session.user.id, session: session.session_id }
    const when = { occurred_at: new Date(now).toISOString(), mono_ms: monoMs, boot }
    const op = await this.store.save({ op_id: uuidv7(now), ...who, ...when, ...draft })
    this.stopClip()
    this.ring()
    return op
  }

  /** There may be work: something was saved, the network is back, the person asks. */
  ring(): void {
    for (const bell of Object.values(this.bells)) bell.ring()
  }

  /** Works until the page is left. One tab of the device does; the next takes over when it closes. */
  run(): Promise<unknown> {
    return navigator.locks.request('chengguan-field-sync', async () => {
      // Not to be known is no reason not to begin.
      this.standing.settledAt = await this.store.meta<number>('settled_at').catch(() => null)
      await Promise.all([
        this.loop(this.bells.send, () => this.send()),
        this.loop(this.bells.read, () => this.read()),
        this.loop(this.bells.upload, () => this.upload()),
      ])
    })
  }

  /** `round` says how long to rest, milliseconds; a ring ends the rest. */
  private async loop(bell: Bell, round: () => Promise<number>): Promise<never> {
    let failures = 0
    for (;;) {
      let rest: number
      bell.heed()
      try {
        rest = await round()
        failures = 0
      } catch (error) {
        // The device's own store: full, or closed by the browser. What was saved stays; try again.
        console.error(error)
        failures += 1
        rest = waitMs(PACE, failures, 1)
      }
      this.told()
      if (rest > 0) await bell.wait(rest)
    }
  }

  private beaten = -Infinity

  private async send(): Promise<number> {
    if ((await this.store.identity()) === null) return HEARTBEAT_MS
    const alive = performance.now() - this.beaten >= HEARTBEAT_MS
    this.sending = true
    const step = await this.step({ t: alive ? 'heartbeat' : 'push' }).catch((error: unknown) => {
      // A store that is full must not keep its photos from leaving.
      this.sending = false
      this.bells.upload.ring()
      throw error
    })
    if (step.t !== 'wait') this.standing.send = step.t === 'stopped' ? step.need : null
    if (step.t === 'moved') return 0
    this.sending = false
    this.bells.upload.ring()
    if (step.t === 'wait') return Math.max(1, step.ms)
    if (step.t === 'idle') {
      await this.sendCaptures(alive)
      if (alive) this.beaten = performance.now()
    }
    return HEARTBEAT_MS
  }

  /** The server refused for a reason that does not pass by itself; a restart tries again. */
  private capturesRefused = false

  /**
   * Brings signed records home, after the operations and never in their way: what does not go now goes with the next
   * heartbeat. Also asks for the log's newest checkpoint.
   */
  private async sendCaptures(alive: boolean): Promise<void> {
    for (;;) {
      const rows = await this.store.capturesWaiting(MOST_CAPTURES)
      if (this.capturesRefused || (rows.length === 0 && !alive)) return
      const body = `{"records":[${rows.map(({ raw }) => raw).join(',')}]}`
      const answer = await call('POST', '/captures', await this.token(), body).catch(() => null)
      if (answer === null) return
      if (!answer.ok) {
        const { status, code } = await problemOf(answer)
        // What a box on the way says is not the server's word.
        this.capturesRefused = !['unreadable', 'unknown'].includes(code) && status < 500 && ![401, 408, 425, 429].includes(status)
        return
      }
      const kept = (await answer.json()) as Spec['CapturesResponse']
      await this.store.capturesAnswered(kept.results.map(({ sha256 }) => sha256), kept.server_time, kept.beacon ?? null)
      if (rows.length < MOST_CAPTURES) return
    }
  }

  private async read(): Promise<number> {
    const session = await this.store.session()
    if (session === null) return HEARTBEAT_MS
    // The first read of a page answers at once; then the server holds the question until something changes.
    const hands = this.hands
    const step = await this.step({ t: 'pull', waitS: this.standing.readAt === null ? 0 : CHANGES_WAIT_S })
    if (hands !== this.hands) return 0
    if (step.t !== 'wait') this.standing.read = step.t === 'stopped' ? step.need : null
    if (step.t === 'stopped' && step.need.t === 'sign_in') {
      // The session is over, and nothing else: what waits needs none. Unless another one has begun meanwhile.
      const still = await this.store.session()
      if (still?.session_id === session.session_id) await this.store.setSession(null)
    }
    if (step.t === 'idle') {
      this.standing.readAt = Date.now()
      await this.store.setMeta('read_at', this.standing.readAt)
      await this.renewBeside()
    }
    return step.t === 'wait' ? Math.max(1, step.ms) : step.t === 'stopped' ? HEARTBEAT_MS : 0
  }

  private uploadFailures = 0
  /** Photos that did not go now; the others are tried before they are tried again. */
  private readonly passed = new Set<string>()

  private async upload(): Promise<number> {
    // Records first.
    if (this.sending || (await this.store.identity()) === null) return HEARTBEAT_MS
    const dear = (await this.store.meta<boolean>('wlan_only')) === true && onMobileData()
    this.standing.paused = dear
    if (dear) return HEARTBEAT_MS
    const row = await this.store.nextMedia(this.passed)
    if (row === null) {
      this.standing.upload = null
      const again = this.passed.size > 0
      this.passed.clear()
      if (again) return waitMs(PACE, this.uploadFailures, Math.random())
      if ((await this.store.outboxSummary()).depth === 0 && (await this.store.media()).every(({ state }) => state === 'stored')) {
        this.standing.settledAt = Date.now()
        await this.store.setMeta('settled_at', this.standing.settledAt)
      }
      return HEARTBEAT_MS
    }
    const blob = await this.store.blob(row.sha256)
    if (blob === undefined) {
      await this.store.changeMedia(row.sha256, { state: 'refused', reason: say('photo_gone') })
      return 0
    }
    // Loaded when it is needed: to take a report needs none of it.
    const { upload } = await import('./uploads')
    const { signal } = isClip(row) ? this.clip : this.hands
    const outcome = await upload(row, blob, {
      token: () => this.token(),
      signal,
      moved: (url) => this.store.changeMedia(row.sha256, { upload_url: url }),
      progress: (sent) => {
        this.standing.upload = { sha256: row.sha256, share: sent / row.size }
        this.told()
      },
    })
    // Stopped here: nothing is known of the file or of the way.
    if (outcome.t === 'later' && signal.aborted) return 0
    const trouble = { ...this.standing.uploadTrouble }
    delete trouble[row.sha256]
    if (outcome.t === 'later') {
      trouble[row.sha256] = outcome.why
      this.uploadFailures += 1
      this.passed.add(row.sha256)
      if (outcome.forget) await this.store.changeMedia(row.sha256, { upload_url: null })
    } else {
      this.uploadFailures = 0
      const refused = outcome.t === 'refused'
      await this.store.changeMedia(row.sha256, { state: outcome.t, reason: refused ? outcome.why : null })
    }
    this.standing.uploadTrouble = trouble
    // Without a network the next photo would fare no better.
    return outcome.t === 'later' ? waitMs(PACE, this.uploadFailures, Math.random()) : 0
  }

  /** One question and its answer. */
  private async step(want: Want): Promise<Step> {
    const next = await this.engine.next(want, this.moment())
    if (next.t !== 'ask') return next
    const hands = this.hands
    const heard = await this.ask(next.ask)
    // A question that was given up here says nothing about the way to the server.
    const reached = heard.t !== 'nothing' || hands.signal.aborted
    // Where one way is open again the others need not wait out their pauses.
    if (reached && !this.standing.reached) this.ring()
    this.standing.reached = reached
    this.told()
    const step = await this.engine.heard(next.ask, heard, this.moment())
    // What is not settled is asked for again when a snapshot has come.
    if (next.ask.t === 'snapshot') this.bells.send.ring()
    return step
  }

  private async ask(ask: Ask): Promise<Heard> {
    switch (ask.t) {
      case 'push':
        return heardOf<PushResponse>(call('POST', '/sync/push', await this.token(), ask.body), ['generation', 'server_time', 'push_token', 'results'], (response) => ({ t: 'push', response }))
      case 'raw': {
        const bytes = new Blob([ask.op.raw], { type: 'application/octet-stream' })
        return heardOf<RawResponse>(call('POST', '/sync/raw', await this.token(), bytes), ['sha256'], (response) => ({ t: 'raw', response }))
      }
      case 'epoch': {
        const body = JSON.stringify({ epoch: ask.epoch, reason: ask.reason })
        return heardOf<EpochResponse>(call('POST', '/sync/epoch', await this.token(), body), ['generation', 'epoch', 'push_token', 'server_time'], (response) => ({ t: 'epoch', response }))
      }
      case 'changes': {
        const query = this.reader({
          cursor: ask.cursor,
          limit: String(ask.limit),
          ...(ask.waitS > 0 ? { wait: String(ask.waitS) } : {}),
          ...(ask.digest ? { digest: '1' } : {}),
        })
        return heardOf<Changes>(this.get(`/sync/changes?${query}`, ask.waitS * 1000), ['generation', 'server_time', 'prev', 'next', 'changes'], (page) => ({ t: 'changes', page }))
      }
      case 'snapshot': {
        const query = this.reader({
          ...(ask.page === null ? {} : { page: ask.page }),
          ...(ask.since === null ? {} : { since: ask.since }),
          ...(ask.keys.length === 0 ? {} : { keys: ask.keys.join(',') }),
        })
        return heardOf<Snapshot>(this.get(`/sync/snapshot?${query}`), ['generation', 'server_time', 'cursor', 'scope', 'items'], (page) => ({ t: 'snapshot', page }))
      }
      case 'refresh':
        return navigator.locks.request(SESSION_LOCK, () => this.refresh())
    }
  }

  private async refresh(): Promise<Heard> {
    const session = await this.store.session()
    if (session === null) return { t: 'nothing' }
    const body = JSON.stringify({ refresh_token: session.refresh_token })
    let fresh: FieldSession | null = null
    const heard = await heardOf<FieldSession>(call('POST', '/auth/refresh', null, body), SESSION, (tokens) => {
      fresh = tokens
      return { t: 'refreshed' }
    })
    // The person may have left, and another come, while the answer was on its way.
    const still = await this.store.session()
    if (still?.session_id !== session.session_id) return { t: 'nothing' }
    if (fresh !== null) await this.store.setSession(fresh)
    return heard
  }

  /** Fresh tokens in place of one that was refused. When none are to be had, the next read ends the session or goes on. */
  async renewed(refused: string): Promise<boolean> {
    const fresh = await navigator.locks.request(SESSION_LOCK, async () => {
      const session = await this.store.session()
      if (session === null) return false
      return session.access_token !== refused || (await this.refresh()).t === 'refreshed'
    })
    if (!fresh) this.reconnected()
    return fresh
  }

  private async get(path: string, waitMs = 0): Promise<Response> {
    const session = await this.store.session()
    return call('GET', path, session?.access_token ?? null, null, ANSWER_WITHIN_MS + waitMs, this.hands.signal)
  }

  /** The newest lines of a case's timeline; null when there is no way to the server. */
  async timeline(id: string): Promise<TimelineEntry[] | null> {
    const answer = await this.get(`/cases/${id}/timeline?limit=200`).catch(() => null)
    return answer?.ok === true ? ((await answer.json()) as { items: TimelineEntry[] }).items : null
  }

  /** A small picture of a piece of evidence, kept from then on; null when it can't be had now. */
  thumbnail(id: string): Promise<Blob | null> {
    return thumbnailOf(this.store, (path) => this.get(path), id)
  }

  /** A dispatcher's word about what waits for one. Needs the network: it is the Centre's decision, not the street's. */
  async decide(opId: string, decision: 'apply' | 'discard', reason: string): Promise<void> {
    const session = await this.store.session()
    const body = JSON.stringify({ decision, reason })
    const answer = await call('POST', `/sync/reviews/${opId}/decision`, session?.access_token ?? null, body)
    if (!answer.ok) throw await problemOf(answer)
    this.bells.read.ring()
  }

  /** What a read says about this app, so that a server can refuse one that is too old to understand it. */
  private reader(query: Record<string, string>): string {
    return new URLSearchParams({ protocol: String(PROTOCOL), app: this.about.app, ...query }).toString()
  }

  /** What is no part of the feed: one after the other, so that a slow network is asked for little at a time. */
  private async renewBeside(olderThanMs?: number): Promise<void> {
    const get: Get = (path) => this.get(path)
    await renewClasses(this.store, get, olderThanMs)
    await renewGrids(this.store, get, olderThanMs)
    await this.renewVisits(olderThanMs)
  }

  /** The visits of the day, when those that are here are older than so many milliseconds. */
  renewVisits(olderThanMs?: number): Promise<void> {
    return renewVisits(this.store, (path) => this.get(path), olderThanMs)
  }

  /** Reads anew, now, what is kept beside the feed; what can't be had stays as it was. */
  async renewKept(): Promise<void> {
    this.bells.read.ring()
    await this.renewBeside(0)
  }
}

/** Whether the device is on a network that is paid by volume; false where the browser does not say. */
function onMobileData(): boolean {
  const { connection } = navigator as Navigator & { connection?: { type?: string } }
  return connection?.type === 'cellular'
}

export type { CaseClass, Classes, GridShape } from './beside'

/** What a person reads about why nothing goes on. */
export function needWords(need: Need): string {
  switch (need.t) {
    case 'enrol':
      return say('enrol')
    case 'sign_in':
      return say('sign_in')
    case 'look':
      return need.why
  }
}
