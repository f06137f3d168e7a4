// The service worker: the page opens without a network. All files of one version are kept or none, and a version is
// replaced only when the page asks for it. Nothing of the API passes through here: what must last is in IndexedDB.

// `vite.config.mjs` writes both: a hash over the files, and their addresses.
declare const __SHELL_VERSION__: string
declare const __SHELL_FILES__: string[]

interface Worker {
  caches: CacheStorage
  clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(type: string, listen: (event: WorkerEvent) => void): void
}

interface WorkerEvent {
  readonly request: Request
  readonly data: unknown
  waitUntil(work: Promise<unknown>): void
  respondWith(answer: Promise<Response>): void
}

const worker = self as unknown as Worker
const PREFIX = 'field-'
const SHELL = PREFIX + __SHELL_VERSION__
const PAGE = '/field/'

worker.addEventListener('install', (event) => {
  const files = __SHELL_FILES__.map((path) => new Request(path, { cache: 'reload' }))
  event.waitUntil(worker.caches.open(SHELL).then((cache) => cache.addAll(files)))
})

worker.addEventListener('activate', (event) => {
  const tidy = async () => {
    const names = await worker.caches.keys()
    await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== SHELL).map((name) => worker.caches.delete(name)))
    await worker.clients.claim()
  }
  event.waitUntil(tidy())
})

worker.addEventListener('message', (event) => {
  if (event.data === 'use-now') event.waitUntil(worker.skipWaiting())
})

worker.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== self.location.origin || pathname.startsWith('/api/')) return
  const path = request.mode === 'navigate' ? PAGE : pathname
  if (!__SHELL_FILES__.includes(path)) return
  const kept = async () => (await (await worker.caches.open(SHELL)).match(path)) ?? fetch(request)
  event.respondWith(kept())
})
