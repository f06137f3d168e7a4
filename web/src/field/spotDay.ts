// The day's visits as the screens show them.

import { computed } from 'vue'
import { outbox, sent, session, visits } from './field'
import { type Recorded, type Visit, visitsNow } from './spots'
import { makesVisits } from './sync/visits'
import type { Op } from './sync/wire'

export const checksSpots = computed(() => makesVisits(session.value?.user))

/** What this device recorded, whoever did, in the order of making. */
const recorded = computed((): Recorded[] => {
  const rows = [...outbox.value.map((row) => ({ ...row, result: null })), ...sent.value]
  return rows
    .filter(({ target_kind }) => target_kind === 'spot_check')
    .sort((a, b) => a.place - b.place)
    .map(({ raw, result }) => ({ op: JSON.parse(raw) as Op, result }))
})

export const visitsToday = computed((): Visit[] => (visits.value === null ? [] : visitsNow(visits.value, recorded.value)))
export const openVisits = computed(() => visitsToday.value.filter(({ state }) => state === 'open'))
/** Metres; 0 where nothing was taken along, and no site is shown either. */
export const fenceM = computed((): number => visits.value?.fence_m ?? 0)
