// Recordings of body cameras about which nobody has decided, as they were last read: kept for whoever read them, so that
// a dead zone shows them too.

import { computed, shallowRef } from 'vue'
import type { Clip } from '../lib/clips'
import { client, session } from './field'
import { online } from './online'

/** Of each state so many are read, those that have waited longest. */
const MOST = 200

interface Kept {
  who: string
  /** When they were read, milliseconds since 1970. */
  at: number
  items: Clip[]
  /** There are more than these. */
  more: boolean
}

const kept = shallowRef<Kept | null>(null)

/** What was read for one person is not the next one's to see. */
export const openClips = computed(() => (kept.value?.who === session.value?.user.id ? kept.value : null))

/** What was read last; from the server when it can be asked. Fails when it refuses, and what was there stays. */
export async function readClips(ask: boolean): Promise<void> {
  const { store } = client()
  kept.value ??= await store.meta<Kept>('clips')
  const who = session.value?.user.id
  if (!ask || who === undefined) return
  const [unclaimed, proposed] = await Promise.all([
    online.clips({ state: 'unclaimed', limit: MOST }),
    online.clips({ state: 'proposed', limit: MOST }),
  ])
  const items = [...unclaimed.items, ...proposed.items]
  kept.value = { who, at: Date.now(), items, more: unclaimed.next !== null || proposed.next !== null }
  await store.setMeta('clips', kept.value)
}

/** Somebody has decided about these. */
export async function decided(ids: string[]): Promise<void> {
  if (kept.value === null) return
  kept.value = { ...kept.value, items: kept.value.items.filter(({ id }) => !ids.includes(id)) }
  await client().store.setMeta('clips', kept.value)
}
