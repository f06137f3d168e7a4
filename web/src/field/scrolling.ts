// Where a page begins: at its top; a list that one comes back to from what lies below it, where one left it.

import { watch } from 'vue'
import { route } from './field'

/** `tasks` is 1, `case/<id>` is 2, and so on. */
const depth = (page: string): number => page.split('/').length

export function useScrolling(): void {
  // The browser's own memory is of the page's height then, which a page that is drawn anew does not have yet.
  history.scrollRestoration = 'manual'
  const left = new Map<string, number>()
  const page = (): string => route.page
  watch(page, (_, from) => left.set(from, scrollY), { flush: 'sync' })
  watch(page, (to, from) => scrollTo(0, depth(from) > depth(to) ? (left.get(to) ?? 0) : 0), { flush: 'post' })
}
