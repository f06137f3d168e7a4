// Where a person was today, as far as this device knows: where they worked. Pure.

import { localTime } from '../lib/time'
import { type Point, wgs84 } from './geo'
import type { OutboxRow } from './sync/store'
import type { Op } from './sync/wire'

const dayOf = (at: string): string => localTime(at).slice(0, 10)

/** The places of a person's operations of the county's day in which `now` lies, in the order of making. */
export function trackOf(rows: Pick<OutboxRow, 'place' | 'made_at' | 'raw'>[], actor: string, now: number): Point[] {
  const today = dayOf(new Date(now).toISOString())
  // A month of them is kept; only those of today are read.
  const recent = rows.filter(({ made_at }) => Math.abs(Date.parse(made_at) - now) < 86_400_000 && dayOf(made_at) === today)
  return recent
    .sort((a, b) => a.place - b.place)
    .map(({ raw }) => JSON.parse(raw) as Op)
    .flatMap(({ actor: who, gps }) => (who !== actor || gps === undefined ? [] : [wgs84(gps)]))
}
