import { onBeforeUnmount, onMounted, shallowReactive, watch } from 'vue'
import { isAbort, shown, type ApiError } from '../lib/problem'
import type { Page, Paging } from '../lib/types'

const PAGE_SIZE = 50
/** The server's largest page. */
const MOST_AGAIN = 200

/** The rows loaded so far of one question, page after page. */
export function createPagedList<Query extends object, Row>(
  read: (query: Query & Paging, signal: AbortSignal) => Promise<Page<Row>>,
  idOf: (row: Row) => string | null,
) {
  let asked: Query | null = null
  let call = new AbortController()

  const list = shallowReactive({
    items: [] as Row[],
    next: null as string | null,
    busy: false,
    error: null as ApiError | null,
    /** When the first page was answered; `null` until then. */
    loadedAt: null as number | null,

    /** Loads the first page. Rows of another question go at once, those of the same stay until it is here. */
    load(query: Query): Promise<void> {
      if (JSON.stringify(query) !== JSON.stringify(asked)) {
        list.items = []
        list.next = null
        list.loadedAt = null
      }
      asked = query
      return fetchPage(query, null)
    },

    more: (): Promise<void> =>
      asked === null || list.next === null || list.busy ? Promise.resolve() : fetchPage(asked, list.next),

    /** A row that was read alone is newer than its place in the list. */
    replace(fresh: Row): void {
      list.items = list.items.map((row) => (idOf(row) === idOf(fresh) ? fresh : row))
    },

    remove(id: string): void {
      list.items = list.items.filter((row) => idOf(row) !== id)
    },

    /** Asks again for what is shown, unseen unless something changed. Of a long list the reader is far from what changes. */
    again(): Promise<void> {
      const known = list.items.length
      if (asked === null || list.busy || list.loadedAt === null || known > MOST_AGAIN) return Promise.resolve()
      return fetchPage(asked, null, Math.max(PAGE_SIZE, known))
    },

    stop: () => call.abort(),
  })

  async function fetchPage(query: Query, cursor: string | null, again?: number): Promise<void> {
    // The answer to a question nobody asks any more must not overwrite the answer to the last one.
    call.abort()
    const mine = (call = new AbortController())
    if (again === undefined) {
      list.busy = true
      list.error = null
    }
    try {
      const paging: Paging = cursor === null ? { limit: again ?? PAGE_SIZE } : { limit: PAGE_SIZE, cursor }
      const page = await read({ ...query, ...paging }, mine.signal)
      if (mine.signal.aborted) return
      list.error = null
      if (cursor === null) {
        list.items = page.items
        list.loadedAt = Date.now()
      } else {
        // A row that moved between two pages would come twice, and rows are keyed by id.
        const seen = new Set(list.items.map(idOf))
        list.items = [...list.items, ...page.items.filter((row) => !seen.has(idOf(row)))]
      }
      list.next = page.next
    } catch (error) {
      if (!isAbort(error) && !mine.signal.aborted) list.error = shown(error)
    } finally {
      if (mine === call) list.busy = false
    }
  }

  return list
}

/** The same for a component: asks when it opens and whenever what it asks for changes, and ends with it. */
export function usePagedList<Query extends object, Row>(
  read: (query: Query & Paging, signal: AbortSignal) => Promise<Page<Row>>,
  idOf: (row: Row) => string | null,
  asked: () => Query,
) {
  const list = createPagedList(read, idOf)
  const refresh = () => list.load(asked())
  watch(() => JSON.stringify(asked()), refresh)
  onMounted(refresh)
  onBeforeUnmount(list.stop)
  return Object.assign(list, { refresh })
}
