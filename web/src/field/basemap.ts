// The tiles under the map: from somebody's server by a template, or out of the county's own archive. Whatever was seen is
// kept within a bound, so that a dead zone shows it again; a tile that can't be had leaves plain ground.

import type { PMTiles, RangeResponse } from 'pmtiles'
import type { Position } from '../lib/types'
import type { Store } from './sync/store'
import type { Tile } from './tiles'

/** What `GET /api/v1/basemap` answers; the zooms of an archive are its own word, kept for when it can't be asked. */
export interface BasemapSource {
  template: string | null
  archive: string | null
  datum: Position['datum']
  zooms?: Zooms | undefined
}

interface Zooms {
  least: number
  most: number
}

const CACHE = 'basemap'
/** Tiles that are kept on the device, some 30 MB. */
const KEPT = 1500
/** A kept tile is shown for so long before it is asked for again. */
const FRESH_MS = 30 * 86_400_000
/** Pictures at hand, three screens of them. */
const AT_HAND = 240
/** A tile that could not be had is asked for again after so long. */
const AGAIN_MS = 30_000
const KEPT_AT = 'x-kept-at'

/** The source as it was last told; asked anew where there is a network. */
export async function basemapSource(store: Store, online: boolean): Promise<BasemapSource | null> {
  const known = await store.meta<BasemapSource>('basemap')
  const answer = online ? await fetch('/api/v1/basemap', { headers: await bearer(store) }).catch(() => null) : null
  if (answer?.ok !== true) return known
  const told: BasemapSource = { ...((await answer.json()) as BasemapSource), zooms: known?.zooms }
  await store.setMeta('basemap', told)
  return told
}

/** Tiles that are on the device. */
export async function tilesKept(): Promise<number> {
  return (await caches.has(CACHE)) ? (await (await caches.open(CACHE)).keys()).length : 0
}

async function bearer(store: Store): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${(await store.session())?.access_token ?? ''}` }
}

export class Basemap {
  /** The zooms there are tiles of. */
  zooms: Zooms
  private readonly pictures = new Map<string, ImageBitmap | 'asked' | number>()
  private opened: Promise<PMTiles> | null = null
  private puts = 0

  constructor(
    readonly source: BasemapSource,
    private readonly store: Store,
    /** A tile has come. */
    private readonly changed: () => void,
  ) {
    this.zooms = source.zooms ?? { least: 1, most: 18 }
  }

  /** The picture, or null while there is none; asks for it then. */
  picture(tile: Tile): ImageBitmap | null {
    const key = this.keyOf(tile)
    const found = this.pictures.get(key)
    if (found instanceof ImageBitmap) {
      // The one that was drawn last is thrown away last.
      this.pictures.delete(key)
      this.pictures.set(key, found)
      return found
    }
    if (found === 'asked' || (found !== undefined && Date.now() - found < AGAIN_MS)) return null
    this.pictures.set(key, 'asked')
    void this.load(tile, key).then(
      (picture) => {
        this.pictures.set(key, picture)
        this.bound()
        this.changed()
      },
      () => this.pictures.set(key, Date.now()),
    )
    return null
  }

  private keyOf({ z, x, y }: Tile): string {
    const { template, archive } = this.source
    if (template === null) return `${archive}?tile=${z}/${x}/${y}`
    return template.replace('{z}', String(z)).replace('{x}', String(x)).replace('{y}', String(y))
  }

  private async load(tile: Tile, key: string): Promise<ImageBitmap> {
    const cache = await caches.open(CACHE)
    const kept = await cache.match(key)
    const age = Date.now() - Number(kept?.headers.get(KEPT_AT) ?? 0)
    if (kept !== undefined && age < FRESH_MS) return createImageBitmap(await kept.blob())
    try {
      const blob = await this.fetch(tile, key)
      const picture = await createImageBitmap(blob)
      await this.keep(cache, key, blob)
      return picture
    } catch (error) {
      if (kept !== undefined) return createImageBitmap(await kept.blob())
      throw error
    }
  }

  private async fetch(tile: Tile, key: string): Promise<Blob> {
    const address = this.source.archive
    if (address === null) {
      const answer = await fetch(key, { referrerPolicy: 'no-referrer', credentials: 'omit' })
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
      return answer.blob()
    }
    // Opened anew after it failed: the network may be back.
    this.opened ??= this.open(address).catch((error: unknown) => {
      this.opened = null
      throw error
    })
    const found = await (await this.opened).getZxy(tile.z, tile.x, tile.y)
    if (found === undefined) throw new Error('the archive has no such tile')
    return new Blob([found.data])
  }

  /** A device that is full has better use for its space than tiles. */
  private async keep(cache: Cache, key: string, blob: Blob): Promise<void> {
    try {
      await cache.put(key, new Response(blob, { headers: { [KEPT_AT]: String(Date.now()) } }))
      this.puts += 1
      if (this.puts % 50 !== 1) return
      const keys = await cache.keys()
      await Promise.all(keys.slice(0, Math.max(0, keys.length - KEPT)).map((one) => cache.delete(one)))
    } catch (error) {
      console.error(error)
      await caches.delete(CACHE)
    }
  }

  private bound(): void {
    for (const [key, picture] of this.pictures) {
      if (this.pictures.size <= AT_HAND) return
      if (picture instanceof ImageBitmap) picture.close()
      this.pictures.delete(key)
    }
  }

  /** Its parts are asked for as whoever works now. */
  private async open(address: string): Promise<PMTiles> {
    const { PMTiles, TileType } = await import('pmtiles')
    const archive = new PMTiles({
      getKey: () => address,
      getBytes: async (offset, length, signal): Promise<RangeResponse> => {
        const headers = { ...(await bearer(this.store)), Range: `bytes=${offset}-${offset + length - 1}` }
        const answer = await fetch(address, { headers, signal: signal ?? null })
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
        const etag = answer.headers.get('ETag')
        return { data: await answer.arrayBuffer(), ...(etag === null ? {} : { etag }) }
      },
    })
    const { tileType, minZoom, maxZoom } = await archive.getHeader()
    if (![TileType.Png, TileType.Jpeg, TileType.Webp, TileType.Avif].includes(tileType)) {
      throw new Error('the archive holds no raster tiles')
    }
    this.zooms = { least: minZoom, most: maxZoom }
    await this.store.setMeta('basemap', { ...this.source, zooms: this.zooms })
    this.changed()
    return archive
  }
}
