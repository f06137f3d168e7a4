// Learning what changed: pages of the feed, snapshots when the cursor is of no use, digests to be sure.

import type { Ask, Moment, NextAsk, Step } from './engine'
import type { Extent, Keep } from './keep'
import { type Heard, type Pace, readPull, waitMs, wordsOf } from './rules'
import type { Changes, Snapshot } from './wire'
import { say } from './words'

/** Changes asked for at once. */
const LIMIT = 500
/** Seconds; the server waits no longer. */
const LONGEST_WAIT_S = 25
/** After so many pages the digests are compared. */
const PAGES_PER_DIGEST = 20
const DAY_MS = 86_400_000
/** When reading what differs has not helped so often, everything is read. */
const MISMATCHES_BEFORE_WHOLE = 3
/** Settled operations are kept that long, so that a server restored from a backup can be healed. */
const SETTLED_FOR_MS = 30 * DAY_MS

/** A snapshot on its way. */
interface Run {
  extent: Extent
  since: string | null
  keys: string[]
  page: string | null
}

const whole = (): Run => ({ extent: 'whole', since: null, keys: [], page: null })
const part = (since: string, keys: string[]): Run => ({ extent: 'part', since, keys, page: null })

export class Reading {
  private open: Ask | null = null
  /** It was seen when the digests were last compared. */
  private awake = false
  private run: Run | null = null
  /** The access token is over. */
  private expired = false
  /** It was renewed, and nothing was read with the new one yet. */
  private renewed = false
  private failures = 0
  /** Snapshots begun since a page of the feed was last applied. */
  private resyncs = 0
  private pages = 0
  private mismatches = 0
  private forgot: number | null = null

  constructor(
    private readonly keep: Keep,
    private readonly pace: Pace,
  ) {}

  async next(waitS: number, at: Moment): Promise<NextAsk> {
    this.open = null
    if (!this.awake) {
      // A device that is restarted often would never count to the pages above. A check from the future is of a clock
      // that was wrong, and says as little.
      const known = await this.keep.digestCheck()
      if (known === null || Math.abs(at.now - Date.parse(known.at)) >= DAY_MS) this.pages = PAGES_PER_DIGEST
      this.awake = true
    }
    const ask = await this.ask(waitS)
    this.open = ask
    return { t: 'ask', ask }
  }

  private async ask(waitS: number): Promise<Ask> {
    if (this.expired) return { t: 'refresh' }
    const generation = await this.keep.generation()
    if (this.run === null) {
      const place = await this.keep.place()
      if (place !== null) {
        const digest = this.pages >= PAGES_PER_DIGEST
        const wait = Math.min(waitS, LONGEST_WAIT_S)
        return { t: 'changes', generation, cursor: place.cursor, limit: LIMIT, waitS: wait, digest }
      }
      await this.begin(whole())
    }
    const { since, keys, page } = this.run ?? whole()
    return { t: 'snapshot', generation, page, since, keys }
  }

  private async begin(run: Run): Promise<void> {
    await this.keep.snapshotBegin()
    this.run = run
  }

  async heard(ask: Ask, heard: Heard, at: Moment): Promise<Step> {
    if (this.open !== ask) return { t: 'moved' }
    let step: Step
    if (ask.t === 'changes' && heard.t === 'changes') step = await this.page(ask, heard.page, at)
    else if (ask.t === 'snapshot' && heard.t === 'snapshot') step = await this.part(ask, heard.page, at)
    else if (ask.t === 'refresh') step = this.refreshed(heard, at)
    else step = await this.trouble(heard, at)
    this.open = null
    return step
  }

  private async page(ask: Extract<Ask, { t: 'changes' }>, page: Changes, at: Moment): Promise<Step> {
    const life = await this.keep.live(ask.generation, page.generation)
    if (life === 'new') return this.resync(whole(), at)
    if (life === 'over') return { t: 'moved' }
    if (!(await this.keep.apply(page, at.now))) return this.later(at, null, say('gap'))
    this.failures = this.resyncs = 0
    this.renewed = false
    this.pages += 1
    // By the server's clock: the device's own may jump by years.
    const theirs = Date.parse(page.server_time)
    if (this.forgot === null || theirs - this.forgot >= DAY_MS) {
      await this.keep.forget(new Date(theirs - SETTLED_FOR_MS).toISOString())
      this.forgot = theirs
    }
    if (page.has_more) return { t: 'moved' }
    if (ask.digest) this.pages = 0
    return page.digest ? this.compare(page.digest, page, at) : { t: 'idle' }
  }

  /** Compares the server's digests with the device's own; reads again what differs. */
  private async compare(theirs: Record<string, string>, page: Changes, at: Moment): Promise<Step> {
    const keys = Object.keys(theirs)
    const own = await this.keep.digests(keys)
    const wrong = keys.filter((key) => own[key] !== theirs[key])
    await this.keep.setDigestCheck({ at: new Date(at.now).toISOString(), matched: wrong.length === 0 })
    if (wrong.length === 0) {
      this.mismatches = 0
      return { t: 'idle' }
    }
    this.mismatches += 1
    await this.begin(this.mismatches % MISMATCHES_BEFORE_WHOLE === 0 ? whole() : part(page.next, wrong))
    return { t: 'moved' }
  }

  private async part(ask: Extract<Ask, { t: 'snapshot' }>, page: Snapshot, at: Moment): Promise<Step> {
    if (this.run === null) return { t: 'moved' }
    const { extent } = this.run
    const life = await this.keep.live(ask.generation, page.generation)
    if (life === 'over') return { t: 'moved' }
    // The first page of a whole one begins with the new life; anything else is half old, half new.
    if (life === 'new' && !(ask.page === null && extent === 'whole')) return this.resync(whole(), at)
    await this.keep.snapshotPage(page)
    this.failures = 0
    this.renewed = false
    if (page.next_page != null) {
      this.run.page = page.next_page
      return { t: 'moved' }
    }
    await this.keep.snapshotFinish(page, extent, at.now)
    this.run = null
    if (extent === 'whole') this.pages = PAGES_PER_DIGEST
    return { t: 'moved' }
  }

  private refreshed(heard: Heard, at: Moment): Step {
    if (heard.t === 'refreshed') {
      this.expired = false
      this.renewed = true
      return { t: 'moved' }
    }
    if (heard.t === 'problem' && heard.code !== '' && (heard.status === 401 || heard.status === 403)) {
      this.expired = false
      return { t: 'stopped', need: { t: 'sign_in' } }
    }
    return this.later(at, null, wordsOf(heard))
  }

  private async trouble(heard: Heard, at: Moment): Promise<Step> {
    const pulled = readPull(heard)
    switch (pulled.t) {
      case 'whole':
        return this.resync(whole(), at)
      case 'part': {
        const place = await this.keep.place()
        return this.resync(place === null ? whole() : part(place.cursor, []), at)
      }
      case 'refresh':
        this.expired = true
        return this.renewed ? this.later(at, null, wordsOf(heard)) : { t: 'moved' }
      case 'again':
        return this.later(at, pulled.askedMs, wordsOf(heard))
      case 'sign_in':
        return { t: 'stopped', need: { t: 'sign_in' } }
      case 'revoked':
        await this.keep.wipe()
        this.run = null
        return { t: 'stopped', need: { t: 'enrol' } }
      case 'strange':
        this.failures += 1
        return { t: 'stopped', need: { t: 'look', why: pulled.what } }
    }
  }

  /**
   * Begins a snapshot; at once the first time, then ever more slowly until the feed goes on again: a server that
   * refuses each cursor it has just given would be asked for everything in a circle.
   */
  private async resync(run: Run, at: Moment): Promise<Step> {
    await this.begin(run)
    this.resyncs += 1
    if (this.resyncs === 1) return { t: 'moved' }
    return { t: 'wait', ms: waitMs(this.pace, this.resyncs, at.dice), why: say('anew') }
  }

  private later(at: Moment, askedMs: number | null, why: string): Step {
    this.failures += 1
    const own = waitMs(this.pace, this.failures, at.dice)
    return { t: 'wait', ms: Math.max(Math.min(askedMs ?? 0, this.pace.capMs), own), why }
  }
}
