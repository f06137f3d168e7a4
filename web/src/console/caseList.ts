import { reactive } from 'vue'
import type { Api } from '../lib/api'
import { isAbort, shown, type ApiError } from '../lib/problem'
import type { Case, CaseQuery } from '../lib/types'

const PAGE_SIZE = 50

/** The cases loaded so far under one filter, page after page. */
export function createCaseList(api: Pick<Api, 'cases'>) {
  let filter: CaseQuery = {}
  let call = new AbortController()

  const list = reactive({
    items: [] as Case[],
    next: null as string | null,
    busy: false,
    error: null as ApiError | null,
    /** When the first page was answered; `null` until then. */
    loadedAt: null as number | null,

    /** Loads the first page. Rows of another filter go at once, those of the same stay until it is here. */
    load(query: CaseQuery): Promise<void> {
      const same = query.state === filter.state && query.unit_id === filter.unit_id
      if (!same) {
        list.items = []
        list.next = null
        list.loadedAt = null
      }
      filter = query
      return fetchPage(null)
    },

    more: (): Promise<void> => (list.next === null || list.busy ? Promise.resolve() : fetchPage(list.next)),

    /** A case that was read alone is newer than its row. */
    replace(fresh: Case): void {
      const at = list.items.findIndex((item) => item.id === fresh.id)
      if (at >= 0) list.items[at] = fresh
    },

    stop: () => call.abort(),
  })

  async function fetchPage(cursor: string | null): Promise<void> {
    // The answer to a question nobody asks any more must not overwrite the answer to the last one.
    call.abort()
    const mine = (call = new AbortController())
    list.busy = true
    list.error = null
    try {
      const query = cursor === null ? filter : { ...filter, cursor }
      const page = await api.cases({ ...query, limit: PAGE_SIZE }, mine.signal)
      if (mine.signal.aborted) return
      if (cursor === null) {
        list.items = page.items
        list.loadedAt = Date.now()
      } else {
        // A case that moved between two pages would come twice, and rows are keyed by id.
        const seen = new Set(list.items.map((item) => item.id))
        list.items.push(...page.items.filter((item) => !seen.has(item.id)))
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
