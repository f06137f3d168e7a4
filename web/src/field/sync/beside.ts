// What is kept beside the feed: the catalogue, the map of the grids, and small pictures of evidence that were looked at.
// What can't be had now stays as it was.

import type { Limit } from '../../lib/workTime'
import type { Store } from './store'
import { keepThumbnail, thumbnailIn } from './thumbnails'

/** Asks the server, in the name of whoever works now. */
export type Get = (path: string) => Promise<Response>

/** They change once a year. */
const KEPT_FOR_MS = 86_400_000
/** Pixels of the longer side. */
const EDGE = 320

/** A class of the catalogue, with what its limit and its conditions say. */
export interface CaseClass {
  kind: 'component' | 'event'
  code: string
  big_name: string
  name: string
  conditions: { number: number; filing: string; limit: Limit }[]
}

export interface Classes {
  at: number
  items: CaseClass[]
}

/** A grid unit: its code, and the corners of its rings as longitude and latitude, WGS-84. */
export interface GridShape {
  code: string
  rings: [lon: number, lat: number][][]
}

/** The part of the GeoJSON that is kept. */
interface GridMap {
  features: {
    properties: { code: string }
    geometry: { type: 'Polygon'; coordinates: number[][][] } | { type: 'MultiPolygon'; coordinates: number[][][][] }
  }[]
}

/** Whether what was read then is new enough; a moment in the future is of a clock that was wrong. */
const fresh = (known: { at: number } | null, forMs: number): boolean => known !== null && Math.abs(Date.now() - known.at) < forMs

/** Without a map on the server the list is empty. */
export async function renewGrids(store: Store, get: Get, forMs = KEPT_FOR_MS): Promise<void> {
  if (fresh(await store.meta('grid_map'), forMs)) return
  const answer = await get('/grids/map').catch(() => null)
  if (answer === null || (!answer.ok && answer.status !== 404)) return
  const map = answer.ok ? ((await answer.json()) as GridMap) : { features: [] }
  const grids = map.features.map(({ properties, geometry }): GridShape => {
    const rings = geometry.type === 'Polygon' ? geometry.coordinates : geometry.coordinates.flat()
    return { code: properties.code, rings: rings as GridShape['rings'] }
  })
  await store.setMeta('grid_map', { at: Date.now(), grids })
}

export async function renewClasses(store: Store, get: Get, forMs = KEPT_FOR_MS): Promise<void> {
  if (fresh(await store.meta<Classes>('classes'), forMs)) return
  const items: CaseClass[] = []
  let cursor: string | null = null
  do {
    const query = new URLSearchParams({ limit: '200', ...(cursor === null ? {} : { cursor }) })
    const answer = await get(`/catalogue/classes?${query}`).catch(() => null)
    if (answer?.ok !== true) return
    const page = (await answer.json()) as { items: CaseClass[]; next: string | null }
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== null)
  await store.setMeta('classes', { at: Date.now(), items } satisfies Classes)
}

/**
 * A small picture, from this device when it was looked at before. It is asked for only when a person looks: each look at
 * evidence is on record, and one that nobody took must not be. Restricted evidence gives none without a reason.
 */
export async function thumbnailOf(store: Store, get: Get, id: string): Promise<Blob | null> {
  const kept = await store.db.read((tx) => thumbnailIn(tx, id))
  if (kept !== undefined) return kept
  const answer = await get(`/evidence/${id}/thumbnail?edge=${EDGE}`).catch(() => null)
  if (answer?.ok !== true) return null
  const picture = await answer.blob()
  if (!picture.type.startsWith('image/')) return null
  // To be shown it need not be kept.
  await store.db.write((tx) => keepThumbnail(tx, id, picture)).catch(console.error)
  return picture
}
