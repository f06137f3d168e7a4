// The state of the page: what the store holds and how the sync stands, read anew whenever either says that it changed.

import { computed, reactive, shallowRef } from 'vue'
import { type Language, language, locale, phrases } from '../lib/language'
import { localTime } from '../lib/time'
import { type Signal, play } from './signals'
import { type Classes, Client, type Standing } from './sync/client'
import { openDb } from './sync/db'
import type { PersonRow } from './sync/pin'
import type { ClockOffset } from './sync/rules'
import { type BaseRow, type FieldSession, type Identity, type MediaRow, type OutboxRow, type SentRow, Store, isClip } from './sync/store'
import { type CaseView, casesOf } from './sync/view'
import { type Visits, visitsOf } from './sync/visits'
import type { Gps } from './sync/wire'

const say = phrases({ title: '智慧城管通' }, { title: 'Urban Management' })

/** What the server's `min_app` is compared with. */
export const APP = 'pwa/0.1.0'
/** Refreshes are gathered for so long, milliseconds. */
const GATHER_MS = 50
const CHANNEL = 'chengguan-field'
/** A device that nobody has touched for so long is locked, if its person can unlock it. */
const LOCK_AFTER_MS = 30 * 60_000

/** How a person likes it; of the device, not of the person. */
export interface Settings {
  large: boolean
  sound: boolean
  /** `auto` goes by the system. */
  theme: 'auto' | 'light' | 'dark'
  language: Language
}

export const ready = shallowRef(false)
export const identity = shallowRef<Identity | null>(null)
export const session = shallowRef<FieldSession | null>(null)
export const cases = shallowRef<CaseView[]>([])
/** Those who can unlock this device with their digits. */
export const persons = shallowRef<PersonRow[]>([])
export const settings = shallowRef<Settings>({ large: false, sound: true, theme: 'auto', language: 'zh' })
export const wlanOnly = shallowRef(false)
/** How wrong the device's clock is, as last measured. */
export const clockOffset = shallowRef<ClockOffset | null>(null)
export const outbox = shallowRef<OutboxRow[]>([])
export const sent = shallowRef<SentRow[]>([])
export const media = shallowRef<MediaRow[]>([])
export const classes = shallowRef<Classes | null>(null)
/** What the person took along to check on the spot. */
export const visits = shallowRef<Visits | null>(null)
export const standing = shallowRef<Standing | null>(null)
export const persisted = shallowRef<boolean | null>(null)
export const online = shallowRef(navigator.onLine)
export const fix = shallowRef<(Gps & { at: number }) | null>(null)
/** A newer version of the page is ready. */
export const newer = shallowRef<ServiceWorker | null>(null)
/** What became of work, as `keysOf` in attention.ts says it, where its person has seen that. */
export const looked = shallowRef<string[]>([])
export const readAt = shallowRef<number | null>(null)
export const now = shallowRef(Date.now())

export const isOnline = computed(() => online.value && standing.value?.reached !== false)
/** On this device only: those that the server refused, too. */
const waitingMedia = computed(() => media.value.filter(({ state }) => state !== 'stored'))
export const waitingPhotos = computed(() => waitingMedia.value.filter((row) => !isClip(row)))
export const waitingClips = computed(() => waitingMedia.value.filter(isClip))
export const waitingBytes = computed(() => waitingMedia.value.reduce((sum, { size }) => sum + size, 0))
export const dataFrom = computed(() => (readAt.value === null ? null : localTime(new Date(readAt.value).toISOString())))

let made: Client | null = null
let gathering: ReturnType<typeof setTimeout> | null = null
const others = new BroadcastChannel(CHANNEL)

/** The device at work; there after `start`. */
export function client(): Client {
  if (made === null) throw new Error('not started')
  return made
}

export async function start(): Promise<void> {
  const store = new Store(await openDb())
  made = new Client(store, { app: APP, storagePersisted: () => persisted.value }, () => tell(true))
  store.changed = () => tell(false)
  others.onmessage = ({ data }: MessageEvent<Standing | null>) => {
    // Another tab saved something, or says how it gets on.
    if (data !== null) standing.value = data
    else gather()
    made?.ring()
  }
  // Answered by the browser in its own time; only a page of settings shows it.
  navigator.storage.persisted().then((kept) => (persisted.value = kept), console.error)
  try {
    // Nothing is shown before all three are done; what was read of somebody who left is read anew then.
    const [wanted, left] = await Promise.all([store.meta<Partial<Settings>>('settings'), lockIfLeft(), refresh()])
    wear({ ...settings.value, ...wanted })
    if (left) await refresh()
    ready.value = true
  } finally {
    // What waits here is sent even where it can't be shown.
    void made.run()
  }
  watchWorld()
  watchHands()
}

function wear(wanted: Settings): void {
  settings.value = wanted
  document.documentElement.dataset.text = wanted.large ? 'large' : 'normal'
  document.documentElement.dataset.theme = wanted.theme
  language.value = wanted.language
  document.documentElement.lang = locale()
  document.title = say('title')
}

export async function change(some: Partial<Settings>): Promise<void> {
  const wanted = { ...settings.value, ...some }
  try {
    await client().store.setMeta('settings', wanted)
  } finally {
    // Shown once it is kept, so that a page that is closed right then opens as it was; a full store must not forbid it.
    wear(wanted)
  }
}

export async function setWlanOnly(only: boolean): Promise<void> {
  await client().store.setMeta('wlan_only', only)
  client().ring()
}

export const signal = (one: Signal): void => play(one, settings.value.sound)

/** Locks a device that lies about; true when it did. A store that is full must not keep anybody from their work. */
async function lockIfLeft(): Promise<boolean> {
  try {
    // In any tab. A clock that was set back counts as time that passed, too.
    const touched = await client().store.meta<number>('touched_at')
    if (touched === null || Math.abs(Date.now() - touched) <= LOCK_AFTER_MS) return false
    await client().lock()
    return true
  } catch (error) {
    console.error(error)
    return false
  }
}

function watchHands(): void {
  let kept = 0
  const touched = () => {
    if (Math.abs(Date.now() - kept) < 60_000) return
    kept = Date.now()
    client().store.db.write((tx) => tx.put('meta', kept, 'touched_at')).catch(console.error)
  }
  touched()
  for (const what of ['pointerdown', 'keydown']) addEventListener(what, touched, { passive: true })
  setInterval(() => session.value !== null && void lockIfLeft(), 60_000)
}

/** Asks the browser to keep what is here; it may refuse, and then the screens say so. */
export async function askToPersist(): Promise<void> {
  persisted.value = await navigator.storage.persist()
}

function tell(standingToo: boolean): void {
  if (standingToo && made !== null) standing.value = { ...made.standing }
  others.postMessage(standingToo ? standing.value : null)
  // How it stands is no change of what is kept: thousands of records need not be read again for it.
  if (!standingToo) gather()
}

function gather(): void {
  gathering ??= setTimeout(() => {
    gathering = null
    void refresh()
  }, GATHER_MS)
}

/** All is asked for at once, so that the page waits for the slowest and not for each. */
async function refresh(): Promise<void> {
  const { store, persons: unlockers } = client()
  const asked = [
    store.identity(), store.session(), store.outbox(), store.sent(), store.media(), store.meta<number>('read_at'),
    classes.value ?? store.meta<Classes>('classes'), unlockers.all(), store.offset(), store.meta<boolean>('wlan_only'),
    store.meta<string>('read_as'), store.unseen(), caseRecords(store), store.meta<string[]>('looked'),
  ] as const
  const [device, signedIn, waiting, answered, files, read, catalogue, people, offset, wlan, readAs, unseen, records, seen] = await Promise.all(asked)
  const who = signedIn?.user.id ?? null
  // What was read for one person is not the next one's to see; their own work is.
  const theirs = readAs === who
  const taken = who === null ? null : await visitsOf(store, who)
  identity.value = device
  session.value = signedIn
  outbox.value = waiting
  sent.value = answered
  media.value = files
  readAt.value = read
  classes.value = catalogue
  persons.value = people
  clockOffset.value = offset
  wlanOnly.value = wlan === true
  looked.value = seen ?? []
  visits.value = taken
  cases.value = casesOf(theirs ? records : [], unseen.filter(({ op }) => op.actor === who))
}

let known: { number: number | null; records: BaseRow[] } = { number: null, records: [] }

/** There may be thousands, and most of what is saved changes none: they are read when one of them may have changed. */
async function caseRecords(store: Store): Promise<BaseRow[]> {
  // The number first: a change between the two is then seen the next time.
  const number = await store.recordsNumber()
  if (number === null || number !== known.number) known = { number, records: await store.records('case') }
  return known.records
}

function watchWorld(): void {
  const back = () => {
    online.value = navigator.onLine
    if (document.visibilityState === 'visible') made?.ring()
  }
  addEventListener('online', () => {
    made?.reconnected()
    back()
  })
  addEventListener('offline', back)
  document.addEventListener('visibilitychange', back)
  setInterval(() => (now.value = Date.now()), 30_000)
  navigator.geolocation?.watchPosition(
    ({ coords, timestamp }) => {
      const { latitude: lat, longitude: lon, accuracy: accuracy_m } = coords
      fix.value = { lat, lon, datum: 'wgs84', accuracy_m, source: 'gps', at: timestamp }
    },
    () => undefined,
    { enableHighAccuracy: true, maximumAge: 5_000 },
  )
}

/** The position as an operation states it, with its age; null when there is none. */
export function position(): Gps | null {
  if (fix.value === null) return null
  const { at, ...gps } = fix.value
  return { ...gps, fix_age_s: Math.max(0, (Date.now() - at) / 1000) }
}

/** Registers the service worker and says when a newer version of the page waits. */
export async function keepPage(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const registration = await navigator.serviceWorker.register('/field/sw.js', { scope: '/field/' })
  const look = () => {
    if (registration.waiting !== null && navigator.serviceWorker.controller !== null) newer.value = registration.waiting
  }
  look()
  registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look))
  let replaced = false
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    // The first one takes over a page that is as new as itself.
    if (newer.value === null || replaced) return
    replaced = true
    location.reload()
  })
}

/** Where the person is; the address keeps it over a reload. */
export const route = reactive({ page: location.hash.slice(1) || 'tasks' })

/** The button of a report was pressed while one was open. */
export const reportPressed = shallowRef(0)

export function go(page: string): void {
  location.hash = page
}

/** Where a case was chosen from: the list, or the map. */
export const lastList = shallowRef('tasks')

addEventListener('hashchange', () => {
  route.page = location.hash.slice(1) || 'tasks'
  if (/^(tasks|map)\b/.test(route.page)) lastList.value = route.page
})
