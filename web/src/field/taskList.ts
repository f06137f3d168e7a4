// Which tasks are shown, in the list and on the map alike; the choice lasts as long as the page.

import { computed, ref } from 'vue'
import { phrases } from '../lib/language'
import { deadline, localTime } from '../lib/time'
import { cases, fix, now, sent, session } from './field'
import { type Point, distance, distanceText, wgs84 } from './geo'
import type { SentRow } from './sync/store'
import type { CaseView } from './sync/view'
import type { Op } from './sync/wire'
import { resultWords } from './words'

const say = phrases(
  {
    open: '未结', rework: '返工', pending: '待传', all: '全部', turn: '待我单位办理', soon: '即将或已超期', care: '需处理',
    away: '距我 {far}',
  },
  {
    open: 'Open', rework: 'Rework', pending: 'To upload', all: 'All', turn: 'My unit’s turn', soon: 'Due soon or overdue',
    care: 'Needs you', away: '{far} from me',
  },
)

export const FILTERS = ['open', 'rework', 'pending', 'all'] as const

export type Filter = (typeof FILTERS)[number]

export const filterName = (one: Filter): string => say(one)

export const filter = ref<Filter>('open')
export type Order = 'urgent' | 'newest' | 'nearest'

export const order = ref<Order>('urgent')
/** The order that a tap leads to; by distance only where one knows from where. */
export const nextOrder = computed((): Order => {
  const orders: Order[] = fix.value === null ? ['urgent', 'newest'] : ['urgent', 'newest', 'nearest']
  return orders[(orders.indexOf(order.value) + 1) % orders.length] as Order
})
export const turnOrder = (): void => void (order.value = nextOrder.value)
export const words = ref('')

/** Metres; who goes less far sees the same order: a row must not jump away from under a finger. */
const STEADY_M = 50

const here = computed((): Point | null => (fix.value === null ? null : [fix.value.lon, fix.value.lat]))
const from = computed<Point | null>((old) => (old && here.value && distance(old, here.value) < STEADY_M ? old : here.value))
const metres = ({ position }: CaseView, to: Point | null): number | null =>
  position === null || to === null ? null : distance(wgs84(position), to)

/** Null when either place is not known. */
export const metresTo = (one: CaseView): number | null => metres(one, here.value)

/** 距我 120 米, or nothing. */
export function farWords(one: CaseView): string {
  const far = metresTo(one)
  return far === null ? '' : say('away', { far: distanceText(far) })
}

const dayOf = (at: string): string => localTime(at).slice(0, 10)

/** What wants the person: it waits for a decision, or it was refused today, which nobody decides any more. */
export const troubled = computed((): SentRow[] => {
  const [who, today] = [session.value?.user.id, dayOf(new Date(now.value).toISOString())]
  return sent.value.filter(({ status, answered_at, raw }) => {
    if (status === 'rejected' ? dayOf(answered_at) !== today : status !== 'conflict' && status !== 'quarantined') return false
    return (JSON.parse(raw) as Op).actor === who
  })
})
const troubledIds = computed(() => new Set(troubled.value.map(({ target_id }) => target_id)))
export const careWord = (): string => say('care')

/** What became of the last thing that was done to a case; null when the record shows it all. */
export function saidOf({ id, pending }: CaseView): { word: string; tone: string } | null {
  if (troubledIds.value.has(id)) return { word: careWord(), tone: 'bad' }
  const last = pending[pending.length - 1]
  return last === undefined ? null : resultWords(last.result)
}

const isOpen = ({ state }: CaseView): boolean => state !== 'closed' && state !== 'void'
const due = ({ due_at }: CaseView): number => (due_at === null ? 8.64e15 : Date.parse(due_at))

/** A case without a deadline is not urgent. */
const byUrgency = (list: CaseView[]): CaseView[] => sorted(list, due)
const sorted = (list: CaseView[], by: (one: CaseView) => number): CaseView[] =>
  list.map((one) => ({ one, at: by(one) })).sort((a, b) => a.at - b.at).map(({ one }) => one)

function matches(one: CaseView, wanted: Filter): boolean {
  switch (wanted) {
    case 'open':
      return isOpen(one)
    case 'rework':
      return one.rework_count > 0 && one.state !== 'closed'
    case 'pending':
      return one.pending.some(({ result }) => result === null)
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
  if (order.value === 'urgent') return byUrgency(wanted)
  // The newest report stands first already.
  return order.value === 'newest' ? wanted : sorted(wanted, (one) => metres(one, from.value) ?? Number.MAX_VALUE)
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
