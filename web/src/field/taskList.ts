// Which tasks are shown, in the list and on the map alike; the choice lasts as long as the page.

import { computed, ref } from 'vue'
import { phrases } from '../lib/language'
import { deadline } from '../lib/time'
import { cases, now, session } from './field'
import type { CaseView } from './sync/view'

const say = phrases(
  { open: '未结', rework: '返工', pending: '待传', all: '全部', turn: '待我单位办理', soon: '即将或已超期' },
  { open: 'Open', rework: 'Rework', pending: 'To upload', all: 'All', turn: 'My unit’s turn', soon: 'Due soon or overdue' },
)

export const FILTERS = ['open', 'rework', 'pending', 'all'] as const

export type Filter = (typeof FILTERS)[number]

export const filterName = (one: Filter): string => say(one)

export const filter = ref<Filter>('open')
export const order = ref<'urgent' | 'newest'>('urgent')
export const words = ref('')

const isOpen = ({ state }: CaseView): boolean => state !== 'closed' && state !== 'void'
const due = ({ due_at }: CaseView): number => (due_at === null ? 8.64e15 : Date.parse(due_at))

/** A case without a deadline is not urgent. */
const byUrgency = (list: CaseView[]): CaseView[] =>
  list.map((one) => ({ one, at: due(one) })).sort((a, b) => a.at - b.at).map(({ one }) => one)

function matches(one: CaseView, wanted: Filter): boolean {
  switch (wanted) {
    case 'open':
      return isOpen(one)
    case 'rework':
      return one.rework_count > 0 && one.state !== 'closed'
    case 'pending':
      return one.pending.length > 0
    case 'all':
      return true
  }
}

export const found = computed(() => {
  const text = words.value.trim()
  const wanted = cases.value.filter((one) => {
    if (text !== '' && ![one.title, one.address, one.number].some((field) => field?.includes(text))) return false
    return matches(one, filter.value)
  })
  // The newest report stands first already.
  return order.value === 'urgent' ? byUrgency(wanted) : wanted
})

/** What a day begins with: how much there is of each, and the three that are most urgent. */
export const today = computed(() => {
  const open = cases.value.filter(isOpen)
  const turn = (one: CaseView): boolean => one.unit_id === session.value?.user.unit_id && ['dispatched', 'handled'].includes(one.state)
  const soon = (one: CaseView): boolean => ['soon', 'overdue'].includes(deadline(one, now.value).tone)
  return {
    counters: [
      { name: say('turn'), count: session.value?.user.unit_id == null ? open.length : open.filter(turn).length, filter: 'open' },
      { name: say('soon'), count: open.filter(soon).length, filter: 'open' },
      { name: say('rework'), count: cases.value.filter((one) => matches(one, 'rework')).length, filter: 'rework' },
      { name: say('pending'), count: cases.value.filter((one) => matches(one, 'pending')).length, filter: 'pending' },
    ] satisfies { name: string; count: number; filter: Filter }[],
    urgent: byUrgency(open.filter(({ due_at }) => due_at !== null)).slice(0, 3),
  }
})
