// A day of some handhelds in which everything goes wrong: the engine that ships, on a store that fails and in pages that
// die, against the real program, which is killed too. Then it is quiet, and everything must be there once.
//
//   node tests/clients/field_sim.mjs '{"program": "target/debug/chengguan", "seed": 1, "days": 20}'
//
// People work until they have saved `ops` operations and each sort of fault has come; `database_url` is another
// database than SQLite (each day needs a fresh one), `folder` where the program keeps its data. A seed decides what befalls whom, not which of two is faster.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Device, NETWORK_FAULTS, Network, deck, dice, engine, pause } from './field_page.mjs'
import { reckon } from './field_reckoning.mjs'

const PASSWORD = 'a long password 1'
const PIN = '402816'
const LIFE_FAULTS = ['page_killed', 'write', 'write', 'write', 'store_closed', 'clock_jump', 'token_over', 'shift_change']
const WRITE_FAULTS = ['die', 'full', 'die_after']
/** Each must have happened: a day without is no proof. */
const KINDS = [
  ...NETWORK_FAULTS, 'page_killed', 'page_killed_in_write', 'page_killed_after_write', 'storage_full', 'store_closed', 'clock_jump',
  'token_over', 'shift_change', 'server_killed',
]
/** A day that does not come to its end within so many milliseconds has failed: something stands still. */
const LONGEST_DAY_MS = 300_000
/** The server is killed after so many answers, at least and at most. */
const LIFE = [20, 60]
/** In the quiet everything must have come home within so many milliseconds. */
const PATIENCE_MS = 180_000
const BOX = { lat: 27.44, lon: 109.94 }

const job = JSON.parse(process.argv[2] ?? '{}')
const parts = await engine()

class Server {
  child = null
  port = 0

  constructor(folder) {
    this.folder = folder
  }

  /** Resolves to the code of a fresh database, if it is one. */
  async start() {
    const log = openSync(join(this.folder, 'log'), 'a')
    const more = job.database_url == null ? [] : ['--database-url', job.database_url]
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--workers', '1', '--log', 'warn', '--reserve-bytes', '0', ...more]
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHENGGUAN_')))
    this.child = spawn(resolve(job.program), args, { cwd: this.folder, env, stdio: ['ignore', 'pipe', log] })
    const lines = createInterface({ input: this.child.stdout })
    let code = null
    await new Promise((found, failed) => {
      this.child.once('exit', () => failed(new Error(`the program ended; see ${this.folder}/log`)))
      lines.on('line', line => {
        code = /first one: (\S+)/.exec(line)?.[1] ?? code
        const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
        if (port === undefined) return
        this.port = Number(port)
        // The code follows in the same breath.
        setTimeout(found, 50)
      })
    })
    this.origin = `http://127.0.0.1:${this.port}`
    return code
  }

  async kill() {
    const ended = new Promise(done => this.child.once('exit', done))
    this.child.kill('SIGKILL')
    await ended
  }
}

/** One call to the program, past every fault. */
function api(origin) {
  return async (method, path, token, body) => {
    const headers = { ...(token == null ? {} : { authorization: `Bearer ${token}` }), 'content-type': 'application/json' }
    const answer = await fetch(`${origin}/api/v1${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
}

const signIn = async (call, username) => (await call('POST', '/auth/login', null, { username, password: PASSWORD })).access_token

/** A county with its people; three handhelds, each of two persons. */
async function county(call, code, network) {
  await call('POST', '/setup', null, { code, username: 'admin', name: '管理员', password: PASSWORD })
  const admin = await signIn(call, 'admin')
  const unit = (await call('POST', '/units', admin, { code: 'A01', name: '城管大队', year: 2026, class: 'A' })).id
  const people = [['zhang', 'inspector'], ['wang', 'inspector'], ['li', 'officer'], ['zhao', 'officer'], ['chen', 'dispatcher']]
  for (const [username, role] of people) {
    await call('POST', '/users', admin, { username, name: username, role, password: PASSWORD, ...(role === 'officer' ? { unit_id: unit } : {}) })
  }
  const devices = []
  for (const [name, persons] of [['一号', ['zhang', 'wang']], ['二号', ['wang', 'zhang']], ['三号', ['li', 'zhao']]]) {
    const added = await call('POST', '/devices', admin, { name, kind: 'handheld' })
    const device = new Device(name, network, parts)
    const { client } = await device.open()
    await client.enrol(added.code)
    devices.push(Object.assign(device, { id: added.device.id, persons }))
  }
  return { admin, unit, devices, chen: await signIn(call, 'chen') }
}

/** One handheld and whoever holds it. `saved` is what was told to be saved. */
class Person {
  saved = new Map()
  /** Why the engine's loops ended in a page that lives; they must not. */
  ended = null

  constructor(device, roll) {
    this.device = device
    this.roll = roll
    this.deal = deck(roll, LIFE_FAULTS)
    this.dealWrite = deck(roll, WRITE_FAULTS)
  }

  pick(list) {
    return list[Math.floor(this.roll() * list.length)]
  }

  /** A page at work, and somebody signed in. */
  async ready() {
    let { page } = this.device
    if (page === null || page.dead) {
      page = await this.device.open()
      await reckon.whole(this, page)
      page.client.run().catch(error => (page.dead ? null : (this.ended = error)))
    }
    if ((await page.client.store.session()) === null) await this.signIn(page, this.pick(this.device.persons))
    return page
  }

  async signIn({ client }, username) {
    const known = (await client.persons.all()).find(({ user, sealed }) => user.username === username && sealed !== null)
    if (known !== undefined && (await client.unlock(known.user.id, PIN)).t === 'open') return
    await client.login(username, PASSWORD)
    if (this.roll() < 0.4) await client.persons.setPin(PIN)
  }

  async work(over) {
    while (!over()) {
      if (this.ended !== null) throw this.ended
      try {
        await Promise.race([this.turn(), this.device.death()])
      } catch (error) {
        // The page died, the store was full or the way was broken: whoever holds the device sees so and tries again.
        if (error instanceof reckon.Broken) throw error
      }
      await pause(this.roll() * 60)
    }
    this.device.luck = null
  }

  async turn() {
    const page = await this.ready()
    if (this.roll() < 0.2) await this.mishap(page)
    else if (this.roll() < 0.15) page.client.reconnected()
    else if (this.roll() < 0.15) await reckon.seen(this, page)
    else await this.act(page)
  }

  async mishap(page) {
    const { device } = this
    const kind = this.deal()
    if (kind === 'write') {
      device.luck = { what: this.dealWrite(), after: 1 + Math.floor(this.roll() * 6) }
      return
    }
    device.network.count(kind)
    if (kind === 'page_killed') page.die()
    if (kind === 'store_closed') page.closeStore()
    if (kind === 'clock_jump') device.wrongMs = this.pick([0, 0, -7_200_000, 86_400_000, 40_000, -3_000])
    if (kind === 'shift_change') await page.client.handOver()
    if (kind === 'token_over') {
      const session = await page.store.session()
      if (session !== null) await page.store.setSession({ ...session, access_token: `${session.access_token}x` })
    }
  }

  /** A photo of its own, whose bytes nobody else has. */
  photo(taken) {
    const bytes = Buffer.alloc(2_000 + Math.floor(this.roll() * 40_000))
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(Math.floor(this.roll() * 2 ** 32), at)
    Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex').copy(bytes)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return {
      evidence: { sha256, size: bytes.length, mime: 'image/jpeg', role: 'scene', need: 'none', captured_at: taken },
      filename: `${sha256.slice(0, 8)}.jpg`,
      blob: new Blob([bytes], { type: 'image/jpeg' }),
    }
  }

  async act({ client, store, sync }) {
    const session = await store.session()
    if (session === null) return
    const taken = new Date(Date.now() + this.device.wrongMs).toISOString()
    const photos = count => Array.from({ length: count }, () => this.photo(taken))
    const gps = { lat: BOX.lat + this.roll() / 100, lon: BOX.lon + this.roll() / 100, datum: 'wgs84', accuracy_m: 6, fix_age_s: 1 }
    const own = (await store.unseen()).filter(({ op }) => op.actor === session.user.id)
    const visible = sync.casesOf(await store.records('case'), own).filter(({ state }) => state !== 'void')
    const officer = session.user.role === 'officer'
    let draft
    if (visible.length === 0 || (!officer && this.roll() < 0.4)) {
      if (officer) return
      const target = { kind: 'case', id: crypto.randomUUID() }
      draft = { type: 'case.report', target, args: { title: `占道 ${this.roll()}`, description: '摊位' }, files: photos(this.pick([0, 1, 2])) }
    } else {
      const one = this.pick(visible)
      const target = { kind: 'case', id: one.id }
      const base = await store.baseFor(target, session.user.id)
      const on = base === null ? {} : { base }
      const kind = this.pick(officer ? ['note', 'handle', 'apply_closing', 'return'] : ['note', 'edit'])
      if (kind === 'note') draft = { type: 'case.note', target, args: { text: `看过 ${this.roll()}` }, files: photos(this.pick([0, 0, 1])) }
      if (kind === 'edit') draft = { type: 'case.edit', target, ...on, args: { title: { old: one.title, new: `改 ${this.roll()}` } }, files: [] }
      if (kind === 'return') draft = { type: 'case.return', target, ...on, args: { reason: '不属本单位' }, files: [] }
      if (kind === 'handle' || kind === 'apply_closing') draft = { type: `case.${kind}`, target, ...on, args: { note: '已办' }, files: photos(1) }
    }
    const op = await client.save(session.user.id, { gps, ...draft })
    this.saved.set(op.op_id, { type: op.type, case: op.target.id, photos: draft.files.map(({ evidence }) => evidence.sha256) })
  }
}

/** What the Centre does meanwhile: it gives what is reported to the unit, and decides some of what waits. */
async function office(call, { chen, unit }, roll, over) {
  while (!over()) {
    await pause(300)
    try {
      const { items } = await call('GET', '/cases?limit=200', chen)
      for (const { id, state } of items) {
        if (roll() > 0.5 || !['reported', 'returned'].includes(state)) continue
        const args = { unit_id: unit, limit: { kind: 'natural_day', value: 3 } }
        await call('POST', `/cases/${id}/commands`, chen, { type: 'dispatch', args }).catch(() => null)
      }
      const { items: waiting } = await call('GET', '/sync/reviews', chen)
      const one = waiting[Math.floor(roll() * waiting.length)]
      const body = { decision: roll() < 0.5 ? 'apply' : 'discard', reason: '核过' }
      if (one !== undefined) await call('POST', `/sync/reviews/${one.result.op_id}/decision`, chen, body).catch(() => null)
    } catch {
      // The program is down.
    }
  }
}

async function killer(server, network, roll, over) {
  for (;;) {
    const then = network.answered + LIFE[0] + roll() * (LIFE[1] - LIFE[0])
    while (network.answered < then && !over()) await pause(20)
    if (over()) return
    network.count('server_killed')
    await server.kill()
    await pause(roll() * 200)
    await server.start()
  }
}

/** A day by this seed; what it came to, or an error that says what is wrong. */
async function day(seed, ops) {
  const roll = dice(seed)
  const folder = job.folder ?? mkdtempSync(join(tmpdir(), 'field-sim-'))
  const server = new Server(folder)
  const network = new Network(roll)
  try {
    const code = await server.start()
    network.origin = server.origin
    const call = api(server.origin)
    const town = await county(call, code, network)
    const people = town.devices.map(device => new Person(device, roll))
    for (const { device } of people) device.page.die()
    network.share = 0.35
    const saved = () => people.reduce((sum, person) => sum + person.saved.size, 0)
    const missing = () => KINDS.filter(kind => !(network.counts[kind] > 0))
    const late = Date.now() + LONGEST_DAY_MS
    const over = () => (saved() >= ops && missing().length === 0) || Date.now() > late
    await Promise.all([...people.map(person => person.work(over)), office(call, town, roll, over), killer(server, network, roll, over)])
    if (Date.now() > late) throw new Error(`${saved()} saved, and never came: ${missing().join(', ')}`)
    network.share = 0
    for (const { device } of people) device.page?.client.reconnected()
    const figures = await reckon.home(people, town, call, PATIENCE_MS)
    return { seed, ...figures, faults: network.counts }
  } finally {
    await server.kill().catch(() => null)
    if (job.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

const seed = job.seed ?? Date.now() % 1_000_000
let well = true
for (let n = 0; n < (job.days ?? 1); n += 1) {
  console.error(`seed ${seed + n}`)
  try {
    console.log(JSON.stringify(await day(seed + n, job.ops ?? 40)))
  } catch (error) {
    console.error(error)
    console.log(JSON.stringify({ seed: seed + n, broken: String(error) }))
    well = false
  }
}
process.exit(well ? 0 : 1)
