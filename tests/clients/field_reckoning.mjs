// What must hold of the handhelds of `field_sim.mjs`: at each start of a page, while people work, and when all is quiet.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { pause } from './field_page.mjs'

/** A rule does not hold. */
class Broken extends Error {}

function must(holds, what) {
  if (!holds) throw new Broken(what)
}

const LOST = ['rejected', 'conflict']

/** What the store holds hangs together, and nothing that was saved is missing. Work whose end nobody saw counts as saved. */
async function whole(person, { store }) {
  const [outbox, sent, media, captures] = [await store.outbox(), await store.sent(), await store.media(), await store.db.read(tx => tx.all('captures'))]
  const ops = [...outbox, ...sent]
  const there = new Set(ops.map(({ op_id }) => op_id))
  must(there.size === ops.length, `${person.device.name}: an operation is both unsent and answered`)
  for (const op_id of person.saved.keys()) must(there.has(op_id), `${person.device.name}: ${op_id} was saved and is gone`)
  const photos = new Map(media.map(row => [row.sha256, row]))
  const named = new Set()
  for (const { op_id, raw, target_id } of ops) {
    const { type, evidence = [] } = JSON.parse(raw)
    for (const { sha256 } of evidence) {
      named.add(sha256)
      const row = photos.get(sha256)
      must(row?.of.includes(`case/${target_id}`), `${op_id}: its photo was not saved with it`)
      must(row.state !== 'waiting' || (await store.blob(sha256)) !== undefined, `${op_id}: the bytes of its photo are gone`)
    }
    if (!person.saved.has(op_id)) person.saved.set(op_id, { type, case: target_id, photos: evidence.map(({ sha256 }) => sha256) })
  }
  must(media.every(({ sha256 }) => named.has(sha256)), `${person.device.name}: a photo without its operation`)
  const signed = new Map(captures.map(({ raw, sha256 }) => [sha256, raw]))
  must(signed.size === captures.length, `${person.device.name}: a record was signed twice`)
  const withPhotos = ops.filter(({ raw }) => (JSON.parse(raw).evidence ?? []).length > 0).length
  must(withPhotos === captures.length, `${person.device.name}: ${withPhotos} operations with photos, ${captures.length} records signed`)
}

/** What a person did is on their screen, answered or not. */
async function seen(person, { store, sync }) {
  // In one breath, as a screen would show it: what is read in parts is read while answers come.
  const [session, as, place, base, outbox, sent] = await store.db.read(async tx => [
    await tx.get('meta', 'session'), await tx.get('meta', 'read_as'), await tx.get('meta', 'place'),
    await tx.all('base'), await tx.all('outbox'), await tx.all('sent'),
  ])
  if (session === undefined || place === undefined || as !== session.user.id) return
  const open = sent.filter(({ status, result }) => sync.OPEN.includes(status) || (result.result_seq ?? 0) > place.seq)
  const unseen = [...open, ...outbox].map(({ raw, result }) => ({ op: JSON.parse(raw), result: result ?? null }))
  const shown = new Set(sync.casesOf(base.filter(({ gone }) => gone === 0), unseen).map(({ id }) => id))
  for (const { op_id, raw, status } of [...sent, ...outbox]) {
    const op = JSON.parse(raw)
    if (op.type !== 'case.report' || op.actor !== session.user.id || LOST.includes(status)) continue
    must(shown.has(op.target.id), `${op_id}: the report is not on its reporter's screen (${status ?? 'unsent'})`)
  }
}

/** Waits until everything is home and compares it with what the program has. */
async function home(people, town, call, patienceMs) {
  const until = Date.now() + patienceMs
  for (let open = [null]; open.length > 0; ) {
    // All in one round: whoever signs in releases work of theirs that waits.
    const states = await Promise.all(people.map(person => unsettled(person).catch(error => (error instanceof Broken ? Promise.reject(error) : String(error)))))
    open = states.flatMap((state, n) => (state === null ? [] : [`${people[n].device.name}: ${state}`]))
    must(open.length === 0 || Date.now() < until, `not home: ${open.join('; ')}`)
    if (open.length > 0) await pause(100)
  }
  const figures = { saved: 0, photos: 0, statuses: {} }
  const cases = new Map()
  const timelines = new Map()
  for (const person of people) {
    const { page, id: device } = person.device
    const { store, sync } = page
    await whole(person, page)
    await seen(person, page)
    const session = await store.session()
    await asTheServer(person, page, session, call)
    const words = new Map((await store.sent()).map(row => [row.op_id, row]))
    const media = new Map((await store.media()).map(row => [row.sha256, row.state]))
    for (const [op_id, { type, case: target, photos }] of person.saved) {
      const { status, result } = words.get(op_id)
      figures.saved += 1
      figures.photos += photos.length
      figures.statuses[status] = (figures.statuses[status] ?? 0) + 1
      const raw = status === 'quarantined' && result.code === 'op_malformed'
      if (raw) continue
      const { claims } = await call('GET', `/sync/ops/${op_id}/receipt`, town.admin)
      must(claims.status === status, `${op_id} (${type}): the device says ${JSON.stringify(result)}, the server ${JSON.stringify(claims)}`)
      if (!timelines.has(target)) {
        timelines.set(target, (await call('GET', `/cases/${target}/timeline?limit=200`, town.admin).catch(() => ({ items: [] }))).items)
        cases.set(target, (await call('GET', `/evidence?case_id=${target}&limit=200`, town.admin)).items)
      }
      const effects = timelines.get(target).filter(entry => entry.op_id === op_id)
      const wanted = ['applied', 'merged', 'superseded'].includes(status) ? 1 : 0
      must(effects.length === wanted, `${op_id} (${type}, ${status}) had ${effects.length} effects`)
      for (const sha256 of photos) {
        const found = cases.get(target).filter(piece => piece.sha256 === sha256)
        // What had no effect need not show its photos at the case; the device has the server's word that they are kept.
        const kept = media.get(sha256)
        must(kept === 'stored', `${sha256} of ${op_id} (${type}, ${status}) is ${kept} on the device`)
        if (wanted === 0 && found.length === 0) continue
        must(found.length === 1 && found[0].state === 'stored', `${sha256} of ${op_id} (${type}, ${status}): ${JSON.stringify(found)}`)
        const bytes = await bytesOf(person.device.network.origin, `/evidence/${found[0].id}/content`, town.admin)
        must(createHash('sha256').update(bytes).digest('hex') === sha256, `${sha256}: the server has other bytes`)
      }
    }
    const { items: epochs } = await call('GET', `/sync/health/${device}/losses`, town.admin)
    for (const epoch of epochs) must(!epoch.lost && epoch.missing.length === 0, `the ledger of losses: ${JSON.stringify(epoch)}`)
    const chain = await call('GET', `/captures/chains/${device}`, town.admin)
    for (const fault of ['missing', 'forks', 'edited', 'quarantined']) must(chain[fault] === 0, `the signed records: ${JSON.stringify(chain)}`)
  }
  return figures
}

/** What still keeps a device from rest; null when nothing does. */
async function unsettled(person) {
  const page = await person.ready()
  const { client, store } = page
  client.ring()
  const depth = (await store.outbox()).length
  const waiting = (await store.media()).filter(({ state }) => state === 'waiting').length
  const refused = (await store.media()).filter(({ state }) => state === 'refused')
  must(refused.length === 0, `a photo was refused: ${JSON.stringify(refused)}`)
  const captures = (await store.capturesWaiting()).length
  const { send, read } = client.standing
  const needs = [send, read].filter(need => need !== null)
  if (depth + waiting + captures + needs.length === 0 && (await store.place()) !== null) {
    const session = await store.session()
    if (session === null || (await store.meta('read_as')) !== session.user.id) return 'not read yet'
    const page = await changes(person, store, session)
    if (page.changes.length === 0 && !page.has_more) return null
    return 'the feed goes on'
  }
  return JSON.stringify({ depth, waiting, captures, needs, upload: client.standing.uploadTrouble, errors: page.errors.map(String) })
}

const changes = async (person, store, session) => {
  const { cursor } = await store.place()
  const headers = { authorization: `Bearer ${session.access_token}` }
  const answer = await fetch(`${person.device.network.origin}/api/v1/sync/changes?protocol=1&app=sim/1&digest=1&cursor=${encodeURIComponent(cursor)}`, { headers })
  if (!answer.ok) throw new Error(`changes: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

const bytesOf = async (origin, path, token) => {
  const answer = await fetch(`${origin}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } })
  must(answer.ok, `${path}: ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** The records here are those that the server would give now, and the screen shows them. */
async function asTheServer(person, { store, sync }, session, call) {
  const page = await changes(person, store, session)
  must(page.changes.length === 0, 'the feed goes on')
  const own = await store.digests(Object.keys(page.digest))
  must(Object.keys(page.digest).length > 0 && Object.entries(page.digest).every(([key, sum]) => own[key] === sum), `${person.device.name}: digests differ`)
  const theirs = []
  for (let next = null; ; ) {
    const query = new URLSearchParams({ protocol: '1', app: 'sim/1', ...(next === null ? {} : { page: next }) })
    const part = await call('GET', `/sync/snapshot?${query}`, session.access_token)
    theirs.push(...part.items.filter(({ t }) => t === 'upsert'))
    next = part.next_page ?? null
    if (next === null) break
  }
  const here = await store.db.read(tx => tx.all('base'))
  const plain = rows => rows.map(({ kind, id, ver, data }) => ({ kind, id, ver: ver ?? 0, data })).sort((a, b) => (a.kind + a.id < b.kind + b.id ? -1 : 1))
  try {
    assert.deepEqual(plain(here), plain(theirs))
  } catch (error) {
    throw new Broken(`${person.device.name}: the records differ from the server's\n${error.message}`)
  }
  const views = new Map(sync.casesOf(here, []).map(view => [view.id, view]))
  const shown = sync.casesOf(here, (await store.unseen()).filter(({ op }) => op.actor === session.user.id))
  for (const view of shown) {
    // Only what waits for somebody's decision lies on top of the records now.
    must(view.pending.every(({ result }) => result !== null && sync.OPEN.includes(result.status)), `${view.id}: something hangs over it: ${JSON.stringify(view.pending)}`)
    if (view.pending.length === 0) assert.deepEqual(view, views.get(view.id))
  }
}

export const reckon = { Broken, home, seen, whole }
