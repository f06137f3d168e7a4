// The tiles under the map: from somebody's server by a template, or out of the county's own archive. Whatever was seen is
// kept within a bound, so that a dead zone shows it again; a tile that can't be had leaves plain ground.

import type { PMTiles, RangeResponse } from 'pmtiles'
import type { Position } from '../lib/types'
import type { Store } from './sync/store'
import type { Tile } from './tiles'

/** What `GET /api/v1/basemap` answers; an archive's own words on what it holds are kept for when it can't be asked. */
export interface BasemapSource {
  template: string | null
  archive: string | null
  datum: Position['datum']
  /** Whose map it is, as the law wants it shown with it (审图号). */
  attribution?: string | null
  holds?: Holding | undefined
}

interface Holding {
  /** Zooms. */
  least: number
  most: number
  /** Its tiles are shapes, to be drawn here. */
  vector: boolean
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
/** So many zooms beyond its own a vector tile is still sharp. */
const BEYOND = 4
const KEPT_AT = 'x-kept-at'

/** The source as it was last told; asked anew where there is a network. */
export async function basemapSource(store: Store, online: boolean): Promise<BasemapSource | null> {
  const known = await store.meta<BasemapSource>('basemap')
  const answer = online ? await fetch('/api/v1/basemap', { headers: await bearer(store) }).catch(() => null) : null
  if (answer?.ok !== true) return known
  const told: BasemapSource = { ...((await answer.json()) as BasemapSource), holds: known?.holds }
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
  private holds: Holding
  private readonly pictures = new Map<string, ImageBitmap | 'asked' | number>()
  private opened: Promise<PMTiles> | null = null
  private puts = 0

  constructor(
    readonly source: BasemapSource,
    private readonly store: Store,
    private readonly dark: () => boolean,
    /** A tile has come. */
    private readonly changed: () => void,
  ) {
    this.holds = source.holds ?? { least: 1, most: 18, vector: false }
  }

  /** The zooms there are pictures of. */
  get zooms(): { least: number; most: number } {
    const { least, most, vector } = this.holds
    return { least, most: vector ? most + BEYOND : most }
  }

  /** How strongly it is drawn: pale, so that what there is to do stands out. */
  get strength(): number {
    return this.holds.vector ? 1 : this.dark() ? 0.4 : 0.75
  }

  /** The picture, or null while there is none; asks for it then. */
  picture(tile: Tile): ImageBitmap | null {
    const dark = this.holds.vector && this.dark()
    const key = `${this.keyOf(tile)}${dark ? '#dark' : ''}`
    const found = this.pictures.get(key)
    if (found instanceof ImageBitmap) {
      // The one that was drawn last is thrown away last.
      this.pictures.delete(key)
      this.pictures.set(key, found)
      return found
    }
    if (found === 'asked' || (found !== undefined && Date.now() - found < AGAIN_MS)) return null
    this.pictures.set(key, 'asked')
    void this.load(tile, dark).then(
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

  private async load(tile: Tile, dark: boolean): Promise<ImageBitmap> {
    // Whether they are pictures or shapes only the archive knows.
    if (this.source.archive !== null && this.source.holds === undefined) await this.archive()
    const up = Math.max(0, tile.z - this.holds.most)
    const from = { z: tile.z - up, x: tile.x >> up, y: tile.y >> up }
    const part = { per: 2 ** up, column: tile.x - (from.x << up), row: tile.y - (from.y << up) }
    const key = this.keyOf(from)
    const draw = async (blob: Blob): Promise<ImageBitmap> => {
      if (!this.holds.vector) return createImageBitmap(blob)
      const { vectorPicture } = await import('./vector')
      return vectorPicture(await blob.arrayBuffer(), part, dark)
    }
    const cache = await caches.open(CACHE)
    const kept = await cache.match(key)
    const age = Date.now() - Number(kept?.headers.get(KEPT_AT) ?? 0)
    if (kept !== undefined && age < FRESH_MS) return draw(await kept.blob())
    try {
      const blob = await this.fetch(from, key)
      const picture = await draw(blob)
      await this.keep(cache, key, blob)
      return picture
    } catch (error) {
      if (kept !== undefined) return draw(await kept.blob())
      throw error
    }
  }

  private async fetch(tile: Tile, key: string): Promise<Blob> {
    if (this.source.archive === null) {
      const answer = await fetch(key, { referrerPolicy: 'no-referrer', credentials: 'omit' })
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
      return answer.blob()
    }
    const found = await (await this.archive()).getZxy(tile.z, tile.x, tile.y)
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

  /** Opened anew after it failed: the network may be back. */
  private archive(): Promise<PMTiles> {
    this.opened ??= this.open(this.source.archive ?? '').catch((error: unknown) => {
      this.opened = null
      throw error
    })
    return this.opened
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
    const vector = tileType === TileType.Mvt
    if (!vector && ![TileType.Png, TileType.Jpeg, TileType.Webp, TileType.Avif].includes(tileType)) {
      throw new Error('the archive holds tiles of an unknown kind')
    }
    this.holds = { least: minZoom, most: maxZoom, vector }
    this.source.holds = this.holds
    await this.store.setMeta('basemap', this.source)
    this.changed()
    return archive
  }
}
