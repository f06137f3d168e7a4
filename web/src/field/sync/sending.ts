// Bringing operations home: batches, epochs, and the way out for an operation that breaks the server.

import type { About, Ask, Moment, NextAsk, Step } from './engine'
import type { Attempt, Keep, Queued } from './keep'
import { type Heard, type Next, type Pace, type Pushed, Sender, batch, clockRefused, readPush, wordsOf } from './rules'
import { sha256 } from '../../lib/capture'
import { MAX_OPS, PROTOCOL, type PushRequest } from './wire'
import { say } from './words'

type PushAsk = Extract<Ask, { t: 'push' }>

export class Sending {
  private open: Ask | null = null
  private readonly sender = new Sender()
  /** Goes as bytes next. */
  private raw: string | null = null
  /** Goes as bytes if an empty push is taken: else a server that takes nothing would get everything as bytes. */
  private suspect: string | null = null
  /** What not even the endpoint for bytes takes, and why: the others go on around it. */
  private readonly stuck = new Map<string, string>()
  /** The epoch that was found stale. */
  private stale: number | null = null

  constructor(
    private readonly keep: Keep,
    private readonly about: About,
    private readonly pace: Pace,
  ) {}

  async next(alive: boolean, at: Moment): Promise<NextAsk> {
    this.open = null
    const next = await this.ask(alive, at)
    if (next.t === 'ask') this.open = next.ask
    return next
  }

  private async ask(alive: boolean, at: Moment): Promise<NextAsk> {
    const { epoch } = await this.keep.device()
    if (epoch === 0 || this.stale === epoch) {
      const reason = epoch === 0 ? 'wiped' : 'copied'
      return { t: 'ask', ask: { t: 'epoch', generation: await this.keep.generation(), epoch, reason } }
    }
    const limit = Math.min(this.sender.limit, MAX_OPS)
    const all = await this.keep.waiting(limit + this.stuck.size)
    let waiting = all.filter(({ op_id }) => !this.stuck.has(op_id))
    waiting = waiting.slice(0, batch(waiting.map(sizeOf), limit))
    const head = waiting[0]
    if (this.raw !== null && head?.op_id === this.raw) return { t: 'ask', ask: { t: 'raw', op: head } }
    this.raw = null
    if (head?.op_id !== this.suspect) this.suspect = null
    if (this.suspect !== null) waiting = []
    if (waiting.length === 0 && !alive && this.suspect === null) {
      const why = [...this.stuck.values()][0]
      if (all.length > 0 && why !== undefined) return { t: 'stopped', need: { t: 'look', why } }
      return { t: 'idle' }
    }
    const attempt = await this.keep.beginAttempt()
    const body = await this.envelope(attempt, waiting, at)
    return { t: 'ask', ask: { t: 'push', attempt, batch: waiting, body } }
  }

  async heard(ask: Ask, heard: Heard, at: Moment): Promise<Step> {
    if (this.open !== ask) return { t: 'moved' }
    const offset = clockRefused(heard, at.now, await this.keep.offset())
    if (offset !== null) await this.keep.setOffset(offset)
    const learnt = offset !== null
    let step: Step = { t: 'moved' }
    if (ask.t === 'push') step = await this.pushed(ask, heard, learnt, at)
    else if (ask.t === 'raw') step = await this.sentRaw(ask.op, heard, learnt, at)
    else if (ask.t === 'epoch') step = await this.renewed(ask, heard, learnt, at)
    this.open = null
    return step
  }

  private async pushed({ attempt, batch }: PushAsk, heard: Heard, learnt: boolean, at: Moment): Promise<Step> {
    const head = batch[0]?.op_id ?? null
    let empty = false
    if (heard.t === 'push') {
      await this.keep.acknowledge(attempt, batch, heard.response, at.now)
      empty = heard.response.results.length === 0 && batch.length > 0
    }
    const suspect = batch.length === 0 ? this.suspect : null
    this.suspect = null
    const next = this.sender.after(readPush(heard), head, batch.length, learnt, this.pace, at.dice)
    if (suspect !== null && heard.t === 'push') this.raw = suspect
    switch (next.t) {
      case 'go':
        // An answer that looked at nothing must not be asked for again and again.
        if (empty) return stepOf(this.sender.wait(null, this.pace, at.dice))
        return batch.length === 0 && suspect === null ? { t: 'idle' } : { t: 'moved' }
      case 'send_raw':
        if (head === null) return { t: 'stopped', need: { t: 'look', why: wordsOf(heard) } }
        this.raw = head
        return { t: 'moved' }
      case 'suspect':
        this.suspect = head
        return { t: 'moved' }
      case 'new_epoch':
        this.stale = attempt.epoch
        return { t: 'moved' }
      default:
        return stepOf(next)
    }
  }

  private async sentRaw(op: Queued, heard: Heard, learnt: boolean, at: Moment): Promise<Step> {
    if (heard.t === 'raw') {
      if (heard.response.sha256.toLowerCase() !== (await sha256(op.raw))) {
        return { t: 'stopped', need: { t: 'look', why: say('changed') } }
      }
      await this.keep.acknowledgeRaw(op.op_id, at.now)
      this.raw = null
      return { t: 'moved' }
    }
    const refused = heard.t === 'problem' && heard.status >= 400 && heard.status < 500
    // Without a code it is a box on the way that speaks, which can only be right about the size.
    const known = refused && (heard.code !== '' || heard.status === 413)
    if (known && ![401, 408, 425, 429].includes(heard.status)) {
      this.raw = null
      this.stuck.set(op.op_id, wordsOf(heard))
      return { t: 'moved' }
    }
    return this.patience(readPush(heard), learnt, at)
  }

  private async renewed(ask: Extract<Ask, { t: 'epoch' }>, heard: Heard, learnt: boolean, at: Moment): Promise<Step> {
    if (heard.t !== 'epoch') {
      const refused = heard.t === 'problem' && [400, 403, 404].includes(heard.status)
      if (refused) return { t: 'stopped', need: { t: 'look', why: wordsOf(heard) } }
      return this.patience(readPush(heard), learnt, at)
    }
    await this.keep.beginEpoch(ask.epoch, ask.generation, heard.response, at.now)
    this.stale = null
    return stepOf(this.sender.renewed(this.pace, at.dice))
  }

  /** What to do after an answer that is only a trouble of the way. */
  private patience(pushed: Pushed, learnt: boolean, at: Moment): Step {
    switch (pushed.t) {
      case 'again':
        return stepOf(this.sender.wait(pushed.askedMs, this.pace, at.dice))
      case 'clock_wrong':
        return learnt ? { t: 'moved' } : { t: 'stopped', need: { t: 'enrol' } }
      case 'unknown':
        return { t: 'stopped', need: { t: 'enrol' } }
      case 'strange':
      case 'garbled':
        return { t: 'stopped', need: { t: 'look', why: pushed.what } }
      default:
        return stepOf(this.sender.wait(null, this.pace, at.dice))
    }
  }

  /** The push of these operations. Their bytes go out as they were saved, not parsed and written again. */
  private async envelope(attempt: Attempt, ops: Queued[], at: Moment): Promise<string> {
    const offset = await this.keep.offset()
    const place = await this.keep.place()
    const digest = await this.keep.digestCheck()
    const persisted = this.about.storagePersisted()
    const head = {
      protocol: PROTOCOL,
      app: this.about.app,
      device: attempt.device,
      epoch: attempt.epoch,
      attempt: attempt.number,
      ...(attempt.push_token === null ? {} : { push_token: attempt.push_token }),
      clock: {
        wall: new Date(at.now).toISOString(),
        mono_ms: at.monoMs,
        boot: at.boot,
        ...(offset === null
          ? {}
          : {
              offset_ms: offset.offset_ms,
              offset_age_s: Math.max(0, Math.floor((at.now - offset.measured_at) / 1000)),
            }),
      },
      outbox: await this.keep.outboxSummary(),
      health: {
        ...(persisted === null ? {} : { storage_persisted: persisted }),
        media_waiting: await this.keep.mediaWaiting(),
        ...(place === null ? {} : { cursor: place.cursor }),
        ...(digest === null ? {} : { digest }),
      },
    } satisfies Omit<PushRequest, 'ops'>
    return `${JSON.stringify(head).slice(0, -1)},"ops":[${ops.map(({ raw }) => raw).join(',')}]}`
  }
}

const sizeOf = ({ raw }: Queued): number => new TextEncoder().encode(raw).length

function stepOf(next: Next): Step {
  switch (next.t) {
    case 'wait':
      return { t: 'wait', ms: next.ms, why: say('later') }
    case 'stop':
      return { t: 'stopped', need: next.need }
    default:
      return { t: 'moved' }
  }
}
