// What a page of the handheld runs in, without a browser: a store, locks, timers, a clock and a network of its own, each
// of which can fail, and an end at any moment. The engine in it is the one that ships, bundled from web/src/field/sync.
import * as esbuild from 'esbuild'
import http from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const WEB = fileURLToPath(new URL('../../web/', import.meta.url))
const { IDBFactory, IDBKeyRange } = await import(pathToFileURL(createRequire(`${WEB}package.json`).resolve('fake-indexeddb')).href)

/** Timers of a page run so many times faster than the clock, so that waits of minutes fit into a test. */
const HASTE = 20
/** Those by which an answer is given up run less fast: the machine may be busy. Milliseconds. */
const DEADLINE_MS = 30_000
const DEADLINE_HASTE = 5
/** The longest that the server may hold a question for changes, seconds: a box on the way that is impatient. */
const LONGEST_WAIT_S = 1

/** What is given to the engine in place of a browser's own. */
const OWN = [
  'indexedDB', 'IDBKeyRange', 'fetch', 'XMLHttpRequest', 'navigator', 'Date', 'performance', 'Math', 'setTimeout',
  'clearTimeout', 'console', 'window',
]

/** The engine: its parts, when called with what `OWN` names. */
export async function engine() {
  const parts = ["export * from './client'", "export * from './db'", "export * from './store'", "export * from './view'", "export * from './wire'"]
  const { outputFiles } = await esbuild.build({
    stdin: { contents: parts.join('\n'), resolveDir: `${WEB}src/field/sync`, loader: 'ts' },
    bundle: true, write: false, format: 'iife', globalName: 'sync', platform: 'browser', target: 'es2022', logLevel: 'error',
  })
  return new Function(...OWN, `${outputFiles[0].text}\nreturn sync`)
}

/** Numbers in 0…1 that a seed decides (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Deals these kinds in ever new orders, so that each comes as often as the others. */
export function deck(roll, kinds) {
  let left = []
  return () => {
    if (left.length === 0) left = kinds.map(kind => [roll(), kind]).sort(([a], [b]) => a - b).map(([, kind]) => kind)
    return left.pop()
  }
}

export const NETWORK_FAULTS = ['lost_request', 'lost_answer', 'cut', 'refused', 'refused_after', 'portal', 'slow', 'twice', 'silence']

/** The way to the server, and what happens on it. */
export class Network {
  origin = ''
  /** How many of the requests meet a fault, 0…1. */
  share = 0
  counts = {}
  /** Requests that the server answered. */
  answered = 0

  constructor(roll) {
    this.roll = roll
    this.deal = deck(roll, NETWORK_FAULTS)
  }

  count(kind) {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1
  }

  /** One request with its answer, `{status, headers, text}`; fails as a broken connection does. */
  async carry(request, signal) {
    const asked = { ...request, path: request.path.replace(/([?&]wait=)\d+/, `$1${LONGEST_WAIT_S}`) }
    let fault = this.roll() < this.share ? this.deal() : null
    // Somebody stands there and waits for it.
    if (fault === 'silence' && asked.path.endsWith('/auth/login')) fault = 'lost_request'
    if (fault === 'cut' && (asked.body?.length ?? 0) < 2) fault = 'lost_answer'
    if (fault !== null) this.count(fault)
    const broken = () => new TypeError('the connection broke')
    switch (fault) {
      case 'lost_request':
        await pause(this.roll() * 30)
        throw broken()
      case 'silence':
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(broken()), { once: true }))
      case 'cut':
        await this.pass({ ...asked, cut: 1 + Math.floor(this.roll() * (asked.body.length - 1)) }, signal).catch(() => null)
        throw broken()
      case 'lost_answer':
        await this.pass(asked, signal).catch(() => null)
        throw broken()
      case 'refused':
      case 'refused_after': {
        if (fault === 'refused_after') await this.pass(asked, signal).catch(() => null)
        const status = [500, 502, 503, 504][Math.floor(this.roll() * 4)]
        return { status, headers: { 'content-type': 'text/html', ...(this.roll() < 0.5 ? { 'retry-after': '1' } : {}) }, text: '<h1>Bad gateway' }
      }
      case 'portal':
        return { status: 200, headers: { 'content-type': 'text/html' }, text: '<h1>Welcome to our WLAN' }
      case 'slow':
        await pause(this.roll() * 150)
        return this.pass(asked, signal).then(async answer => (await pause(this.roll() * 150), answer))
      case 'twice': {
        const [first] = await Promise.all([this.pass(asked, signal), this.pass(asked, signal).catch(() => null)])
        return first
      }
      default:
        return this.pass(asked, signal)
    }
  }

  /** To the real server; with `cut`, the connection breaks after so many bytes of the body. */
  pass({ method, path, headers, body, cut, sent }, signal) {
    return new Promise((resolve, reject) => {
      const length = body === null ? {} : { 'content-length': String(body.length) }
      const request = http.request(this.origin + path, { method, headers: { ...headers, ...length }, agent: false, signal }, answer => {
        const pieces = []
        answer.on('data', piece => pieces.push(piece))
        answer.on('error', reject)
        answer.on('end', () => {
          this.answered += 1
          resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(pieces).toString() })
        })
      })
      request.on('error', reject)
      if (cut !== undefined) {
        request.write(body.subarray(0, cut))
        setTimeout(() => request.destroy(new TypeError('the connection broke')), 5)
        return
      }
      request.end(body ?? undefined, () => sent?.())
    })
  }
}

export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** A handheld: what outlives its pages. */
export class Device {
  factory = new IDBFactory()
  /** Who holds a lock, and who waits for it. */
  locks = new Map()
  /** How wrong its clock is, milliseconds. */
  wrongMs = 0
  page = null
  /** What befalls a write: `{ after, what }`, at the so-manieth request from now; null for nothing. */
  luck = null
  /** Who waits for the end of the page. */
  #mourners = []

  constructor(name, network, parts) {
    this.name = name
    this.network = network
    this.parts = parts
  }

  /** A page is opened, as after a restart. */
  async open() {
    const page = new Page(this)
    this.page = page
    const { Client, Store, openDb } = page.sync
    page.store = new Store(await openDb())
    page.client = new Client(page.store, { app: 'sim/1', storagePersisted: () => true, pace: { firstMs: 2_000, capMs: 20_000 } }, () => undefined)
    return page
  }

  /** Fails when the page dies: nothing that was asked of it is ever answered then. */
  death() {
    return new Promise((_, reject) => this.#mourners.push(reject))
  }

  died() {
    for (const tell of this.#mourners.splice(0)) tell(new Error('the page died'))
  }

  grant(name) {
    const queue = this.locks.get(name) ?? []
    const first = queue[0]
    if (first === undefined || first.begun) return
    first.begun = true
    const over = () => {
      if (!first.page.dead) this.release(name, first)
    }
    first.work().then(value => (over(), first.resolve(value)), error => (over(), first.reject(error)))
  }

  release(name, entry) {
    this.locks.set(name, this.locks.get(name).filter(other => other !== entry))
    this.grant(name)
  }
}

class Page {
  dead = false
  /** Errors that the engine wrote to the console. */
  errors = []
  #born = performance.now()
  #transactions = new Set()
  #databases = new Set()
  #timers = new Set()
  #asking = new Set()

  constructor(device) {
    this.device = device
    this.sync = device.parts(...this.#own())
  }

  /** The browser is gone: nothing that was under way goes on, and a write that had not ended never happened. */
  die() {
    if (this.dead) return
    this.dead = true
    for (const tx of [...this.#transactions]) tx.abort()
    for (const db of this.#databases) db.close()
    for (const timer of this.#timers) clearTimeout(timer)
    for (const stop of this.#asking) stop.abort()
    const { locks } = this.device
    for (const [name, queue] of locks) {
      locks.set(name, queue.filter(({ page }) => page !== this))
      this.device.grant(name)
    }
    this.device.died()
  }

  /** The browser closes the store, and says so only to whoever asks next. */
  closeStore() {
    for (const db of this.#databases) db.close()
  }

  #own() {
    const { device } = this
    const { network } = device
    const page = this
    const clock = () => Date.now() + device.wrongMs
    class Clock extends Date {
      constructor(...of) {
        super(...(of.length === 0 ? [clock()] : of))
      }
      static now() {
        return clock()
      }
    }
    const timer = (work, ms) => {
      const id = setTimeout(() => {
        this.#timers.delete(id)
        if (!this.dead) work()
      }, ms / (ms < DEADLINE_MS ? HASTE : DEADLINE_HASTE))
      this.#timers.add(id)
      return id
    }
    const carry = async (request, given) => {
      const stop = new AbortController()
      const giveUp = () => stop.abort()
      given?.addEventListener('abort', giveUp)
      this.#asking.add(stop)
      try {
        const answer = await network.carry(request, stop.signal)
        return this.dead ? await new Promise(() => undefined) : answer
      } catch (error) {
        return this.dead ? await new Promise(() => undefined) : Promise.reject(error)
      } finally {
        this.#asking.delete(stop)
        given?.removeEventListener('abort', giveUp)
      }
    }
    const bytesOf = async body => (body == null ? null : Buffer.from(typeof body === 'string' ? body : await body.arrayBuffer()))
    const pathOf = url => {
      const { pathname, search } = new URL(url, network.origin)
      return pathname + search
    }
    const fetched = async (url, { method = 'GET', headers = {}, body, signal } = {}) => {
      const answer = await carry({ method, path: pathOf(url), headers, body: await bytesOf(body) }, signal)
      return new Response(answer.text === '' ? null : answer.text, { status: answer.status, headers: Object.entries(answer.headers).map(([k, v]) => [k, String(v)]) })
    }
    /** As much of it as tus-js-client asks for. */
    class Xhr {
      upload = {}
      status = 0
      responseText = ''
      #asked = null
      #headers = {}
      #answered = {}
      #stop = new AbortController()
      open(method, url) {
        this.#asked = { method, path: pathOf(url) }
      }
      setRequestHeader(name, value) {
        this.#headers[name.toLowerCase()] = value
      }
      getResponseHeader(name) {
        return this.#answered[name.toLowerCase()] ?? null
      }
      abort() {
        this.#stop.abort()
      }
      async send(given) {
        const body = await bytesOf(given)
        const total = body?.length ?? 0
        const sent = () => page.dead || this.upload.onprogress?.({ lengthComputable: true, loaded: total, total })
        try {
          const answer = await carry({ ...this.#asked, headers: this.#headers, body, sent }, this.#stop.signal)
          this.status = answer.status
          this.responseText = answer.text
          this.#answered = answer.headers
          this.onload?.({})
        } catch (error) {
          if (!this.#stop.signal.aborted) this.onerror?.(error)
        }
      }
    }
    const locks = {
      request: (name, work) =>
        new Promise((resolve, reject) => {
          if (this.dead) return
          const queue = device.locks.get(name) ?? []
          device.locks.set(name, [...queue, { page, work, resolve, reject, begun: false }])
          device.grant(name)
        }),
    }
    const luckyMath = Object.create(Math, { random: { value: network.roll } })
    const told = { ...console, error: error => this.errors.push(error) }
    return [
      { open: (name, version) => (this.dead ? {} : this.#opened(device.factory.open(name, version))) }, IDBKeyRange, fetched, Xhr, { locks }, Clock,
      { now: () => performance.now() - this.#born }, luckyMath, timer, id => (this.#timers.delete(id), clearTimeout(id)), told,
      { location: new URL(`${network.origin}/field/`) },
    ]
  }

  #opened(opening) {
    opening.addEventListener('success', () => {
      const db = opening.result
      const begin = db.transaction.bind(db)
      this.#databases.add(db)
      db.transaction = (stores, mode, options) => {
        if (this.dead) throw new DOMException('the page is gone', 'InvalidStateError')
        return this.#watched(begin(stores, mode, options), mode)
      }
    })
    return opening
  }

  /** A transaction that ends with the page, and that the device's luck may end before. */
  #watched(tx, mode) {
    const { network } = this.device
    this.#transactions.add(tx)
    for (const end of ['complete', 'abort']) tx.addEventListener(end, () => this.#transactions.delete(tx))
    const { luck } = this.device
    if (mode !== 'readwrite' || luck === null) return tx
    if (luck.what === 'die_after') {
      tx.addEventListener('complete', () => {
        this.device.luck = null
        network.count('page_killed_after_write')
        this.die()
      })
      return tx
    }
    const objectStore = tx.objectStore.bind(tx)
    const hit = () => {
      luck.after -= 1
      if (luck.after !== 0) return
      this.device.luck = null
      if (luck.what === 'die') {
        network.count('page_killed_in_write')
        this.die()
      } else {
        network.count('storage_full')
        tx._abort('QuotaExceededError')
        throw new DOMException('no room', 'QuotaExceededError')
      }
    }
    tx.objectStore = name =>
      new Proxy(objectStore(name), {
        get: (store, property) => {
          const member = store[property]
          if (typeof member !== 'function') return member
          return (...of) => {
            if (['put', 'add', 'delete', 'clear'].includes(property)) hit()
            return member.apply(store, of)
          }
        },
      })
    return tx
  }
}
