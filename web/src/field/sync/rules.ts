// What an answer means, how long to wait, how much to send: decisions without clock, dice, network or store.
// The model is src/client/rules.rs; what differs from it is a fault here.

import type { Changes, EpochResponse, PushResponse, RawResponse, Snapshot } from './wire'
import { MAX_OPS, MAX_PUSH_BYTES } from './wire'
import { say } from './words'

/** What came back from the server. */
export type Heard =
  | { t: 'push'; response: PushResponse }
  | { t: 'raw'; response: RawResponse }
  | { t: 'epoch'; response: EpochResponse }
  | { t: 'changes'; page: Changes }
  | { t: 'snapshot'; page: Snapshot }
  | { t: 'refreshed' }
  | Refusal
  /** Nothing, or half an answer: what the server did is unknown. */
  | { t: 'nothing' }
  /** None of this protocol, such as the page of a captive portal. */
  | { t: 'strange'; what: string }

export interface Refusal {
  t: 'problem'
  status: number
  /** Empty when a box on the way answered. */
  code: string
  detail: string | null
  retryAfterMs: number | null
  /** The server's clock, milliseconds since 1970. */
  date: number | null
}

const codeOf = ({ code, status }: { code: string; status: number }): string => code || `HTTP ${status}`

/** What a person should read about an answer that does not fit. */
export function wordsOf(heard: Heard): string {
  switch (heard.t) {
    case 'problem':
      return say('refused', { what: heard.detail ? say('because', { what: codeOf(heard), detail: heard.detail }) : codeOf(heard) })
    case 'nothing':
      return say('nothing')
    case 'strange':
      return say('strange', { what: heard.what })
    default:
      return say('crossed')
  }
}

/** Waits between tries that failed, milliseconds. */
export interface Pace {
  firstMs: number
  capMs: number
}

export const PACE: Pace = { firstMs: 2_000, capMs: 300_000 }

/**
 * Full jitter: anything up to `first · 2^(failures − 1)`, at most the cap. A server that comes back is met by a
 * trickle of devices, not by all in the same second. `dice` is uniform in 0…1.
 */
export function waitMs(pace: Pace, failures: number, dice: number): number {
  return Math.min(pace.capMs, pace.firstMs * 2 ** Math.max(0, failures - 1)) * dice
}

/** What the answer to a push was. */
export type Pushed =
  | { t: 'results'; peaceMs: number }
  | { t: 'again'; askedMs: number | null }
  | { t: 'fault' }
  | { t: 'garbled'; what: string }
  | { t: 'too_large' }
  | { t: 'clock_wrong' }
  | { t: 'epoch_stale' }
  | { t: 'unknown' }
  | { t: 'strange'; what: string }

const BLAMES_ENVELOPE = ['body_invalid', 'nul_character', 'parameter_invalid', 'value_invalid']

export function readPush(heard: Heard): Pushed {
  if (heard.t === 'push') return { t: 'results', peaceMs: heard.response.retry_after_ms }
  if (heard.t === 'nothing') return { t: 'again', askedMs: null }
  if (heard.t !== 'problem') return { t: 'strange', what: wordsOf(heard) }
  const { status, code, retryAfterMs } = heard
  if (status === 401 && code === 'device_unknown') return { t: 'unknown' }
  if (status === 401 && (code === 'token_expired' || code === 'token_invalid')) return { t: 'clock_wrong' }
  if (status === 409 && code === 'epoch_stale') return { t: 'epoch_stale' }
  if (status === 413) return { t: 'too_large' }
  if ([408, 425, 429, 502, 503, 504, 507].includes(status)) return { t: 'again', askedMs: retryAfterMs }
  // It broke off between here and there: what was sent is not what is refused.
  if (status === 400 && code === 'body_interrupted') return { t: 'again', askedMs: null }
  if (status === 400 || status === 422) {
    // The server judges operations one by one inside a 200, so these blame what every push shares.
    return { t: BLAMES_ENVELOPE.includes(code) ? 'strange' : 'garbled', what: wordsOf(heard) }
  }
  if (status >= 500 && status <= 599) return { t: 'fault' }
  return { t: 'strange', what: wordsOf(heard) }
}

/** What to do after an answer. */
export type Next =
  | { t: 'go' }
  | { t: 'wait'; ms: number }
  | { t: 'send_raw' }
  | { t: 'suspect' }
  | { t: 'new_epoch' }
  | { t: 'stop'; need: Need }

/** What a person has to do; nothing is lost meanwhile. */
export type Need = { t: 'enrol' } | { t: 'sign_in' } | { t: 'look'; why: string }

const FAULTS_BEFORE_HALVING = 3
/** Room for what stands around the operations, bytes. */
export const ENVELOPE = 4096

/** How pushing goes; in memory only, after a restart the first try is a full batch again. */
export class Sender {
  limit = MAX_OPS
  private failures = 0
  private faults = 0
  private stale = 0
  private head: string | null = null

  /** After a push of `sent` operations that began with `head`. `learnt`: the answer corrected the clock. */
  after(pushed: Pushed, head: string | null, sent: number, learnt: boolean, pace: Pace, dice: number): Next {
    if (this.head !== head) {
      this.head = head
      this.faults = 0
    }
    switch (pushed.t) {
      case 'results':
        this.failures = this.faults = this.stale = 0
        // Grow back slowly: the operation that broke the server may be among the next.
        this.limit = Math.min(this.limit * 2, MAX_OPS)
        return pushed.peaceMs === 0 ? { t: 'go' } : { t: 'wait', ms: Math.min(pushed.peaceMs, pace.capMs) }
      case 'again':
        return this.wait(pushed.askedMs, pace, dice)
      case 'fault':
      case 'garbled':
        // Nothing of ours was in it, so no operation is to blame.
        if (pushed.t === 'garbled' && sent === 0) return { t: 'stop', need: { t: 'look', why: pushed.what } }
        this.faults += 1
        if (this.faults < FAULTS_BEFORE_HALVING || sent === 0) return this.wait(null, pace, dice)
        if (sent === 1) return { t: 'suspect' }
        this.limit = Math.floor(sent / 2)
        return this.wait(null, pace, dice)
      case 'too_large':
        if (sent <= 1) return { t: 'send_raw' }
        this.limit = Math.floor(sent / 2)
        return { t: 'go' }
      case 'clock_wrong':
        return learnt ? { t: 'go' } : { t: 'stop', need: { t: 'enrol' } }
      case 'unknown':
        return { t: 'stop', need: { t: 'enrol' } }
      case 'epoch_stale':
        return { t: 'new_epoch' }
      case 'strange':
        this.failures += 1
        return { t: 'stop', need: { t: 'look', why: pushed.what } }
    }
  }

  /** An epoch began. The first follows at once; if the next push finds that one stale too, not for ever so. */
  renewed(pace: Pace, dice: number): Next {
    this.stale += 1
    return this.stale === 1 ? { t: 'go' } : { t: 'wait', ms: waitMs(pace, this.stale, dice) }
  }

  wait(askedMs: number | null, pace: Pace, dice: number): Next {
    this.failures += 1
    const own = waitMs(pace, this.failures, dice)
    // The server's word is a lower bound; jitter on top keeps the devices apart.
    return { t: 'wait', ms: askedMs === null ? own : Math.min(askedMs, pace.capMs) + Math.min(own, askedMs) }
  }
}

/** How many of the oldest operations, of these sizes in bytes, fit into one push. */
export function batch(sizes: number[], limit: number): number {
  let room = MAX_PUSH_BYTES - ENVELOPE
  let count = 0
  for (const size of sizes.slice(0, Math.min(limit, MAX_OPS))) {
    // One larger than everything goes alone; the server will say what becomes of it.
    if (count > 0 && size + 1 > room) break
    room = Math.max(0, room - size - 1)
    count += 1
  }
  return count
}

/** What the answer to a read of the feed asks for, when it is no page. */
export type Pulled =
  | { t: 'whole' }
  | { t: 'part' }
  | { t: 'refresh' }
  | { t: 'again'; askedMs: number | null }
  | { t: 'sign_in' }
  | { t: 'revoked' }
  | { t: 'strange'; what: string }

export function readPull(heard: Heard): Pulled {
  if (heard.t === 'nothing') return { t: 'again', askedMs: null }
  if (heard.t !== 'problem') return { t: 'strange', what: wordsOf(heard) }
  const { status, code, retryAfterMs } = heard
  if (['cursor_expired', 'cursor_invalid', 'generation_changed'].includes(code)) return { t: 'whole' }
  if (code === 'scope_changed') return { t: 'part' }
  if (status === 401 && (code === 'token_expired' || code === 'token_invalid')) return { t: 'refresh' }
  if (status === 403 && code === 'device_revoked') return { t: 'revoked' }
  // A box on the way that forbids knows nothing of the person, who may have no way to sign in again out there.
  if (code !== '' && (status === 401 || status === 403)) return { t: 'sign_in' }
  if ([408, 425, 429].includes(status) || (status >= 500 && status <= 599)) return { t: 'again', askedMs: retryAfterMs }
  return { t: 'strange', what: status === 426 ? say('too_old') : wordsOf(heard) }
}

/** The device's clock minus the server's, milliseconds, and when that was measured by the device's. */
export interface ClockOffset {
  offset_ms: number
  measured_at: number
}

export const measured = (deviceNow: number, serverTime: string): ClockOffset => ({
  offset_ms: deviceNow - Date.parse(serverTime),
  measured_at: deviceNow,
})

/** The clock's offset, when an answer refuses the device's token for its time and shows a clock that differs. */
export function clockRefused(heard: Heard, deviceNow: number, known: ClockOffset | null): ClockOffset | null {
  if (heard.t !== 'problem' || heard.status !== 401 || heard.date === null) return null
  if (heard.code !== 'token_expired' && heard.code !== 'token_invalid') return null
  const offset_ms = deviceNow - heard.date
  // A token signed by a clock as good as this is refused for another reason.
  return Math.abs(offset_ms - (known?.offset_ms ?? 0)) > 5_000 ? { offset_ms, measured_at: deviceNow } : null
}
