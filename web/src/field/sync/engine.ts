// What a device says next and what it learns from the answer, without doing either: no clock, dice, network or disk.
// An answer counts only for the question that is open, so whatever comes late or twice changes nothing. What must
// survive is in the Keep; what is here may be lost at any moment. After src/client/engine.

import type { Attempt, Keep, Queued } from './keep'
import { Reading } from './reading'
import { type Heard, type Need, type Pace, PACE } from './rules'
import { Sending } from './sending'

/** The moment of a call, with a die: everything the engine knows of the world. */
export interface Moment {
  /** Wall clock, milliseconds since 1970. */
  now: number
  /** Monotonic clock, milliseconds since `boot`. */
  monoMs: number
  boot: string
  /** Uniform in 0…1. */
  dice: number
}

export type Want = { t: 'push' } | { t: 'heartbeat' } | { t: 'pull'; waitS: number }

/** One question to the server. */
export type Ask =
  | { t: 'push'; attempt: Attempt; batch: Queued[]; body: string }
  | { t: 'raw'; op: Queued }
  | { t: 'epoch'; generation: string | null; epoch: number; reason: 'copied' | 'wiped' }
  | { t: 'changes'; generation: string | null; cursor: string; limit: number; waitS: number; digest: boolean }
  | { t: 'snapshot'; generation: string | null; page: string | null; since: string | null; keys: string[] }
  | { t: 'refresh' }

export type NextAsk = { t: 'ask'; ask: Ask } | { t: 'idle' } | { t: 'stopped'; need: Need }

/** What a step did, or what must happen before the next. */
export type Step = { t: 'idle' } | { t: 'moved' } | { t: 'wait'; ms: number; why: string } | { t: 'stopped'; need: Need }

export interface About {
  /** Name and version, `pwa/2.4.1`. */
  app: string
  /** Whether the browser promised to keep its storage; null while that is not known. */
  storagePersisted: () => boolean | null
  pace?: Pace
}

export class Engine {
  private readonly sending: Sending
  private readonly reading: Reading

  constructor(keep: Keep, about: About) {
    const pace = about.pace ?? PACE
    this.sending = new Sending(keep, about, pace)
    this.reading = new Reading(keep, pace)
  }

  /** The next question, or why there is none. A question of the same direction that was open is given up. */
  next(want: Want, at: Moment): Promise<NextAsk> {
    if (want.t === 'pull') return this.reading.next(want.waitS, at)
    return this.sending.next(want.t === 'heartbeat', at)
  }

  heard(ask: Ask, heard: Heard, at: Moment): Promise<Step> {
    const sends = ask.t === 'push' || ask.t === 'raw' || ask.t === 'epoch'
    return sends ? this.sending.heard(ask, heard, at) : this.reading.heard(ask, heard, at)
  }
}
