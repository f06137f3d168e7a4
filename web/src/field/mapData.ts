// What the maps show of what the device keeps, read when one is opened.

import { type Ref, computed, onBeforeUnmount, onMounted, shallowRef, watch } from 'vue'
import { Basemap, basemapSource } from './basemap'
import { client, fix, isOnline, settings } from './field'
import { type Frame, type Point, inside } from './geo'
import { type Scene, drawMap } from './drawing'
import type { SpotRecord } from './nearby'
import type { GridShape } from './sync/client'

interface NamedSite {
  code: string
  at: Point
}

export const here = computed<Point | null>(() => (fix.value === null ? null : [fix.value.lon, fix.value.lat]))

/** The grids and the ground, and the grid that holds a point: where one stands, unless another is asked for. */
export function useGround(changed: () => void, point: Ref<Point | null> = here) {
  const grids = shallowRef<GridShape[]>([])
  const ground = shallowRef<Basemap | null>(null)
  const attribution = computed(() => ground.value?.source.attribution ?? null)
  const mine = computed(() => {
    const at = point.value
    return at === null ? null : (grids.value.find(({ rings }) => inside(rings, at)) ?? null)
  })
  onMounted(async () => {
    const { store } = client()
    grids.value = (await store.meta<{ grids: GridShape[] }>('grid_map'))?.grids ?? []
    // After what the device has: nothing waits for the ground.
    const source = await basemapSource(store, isOnline.value)
    if (source !== null && (source.template !== null || source.archive !== null)) ground.value = new Basemap(source, store, isDark, changed)
  })
  return { grids, ground, attribution, mine }
}

/** The sites of the sample library and the known problems. */
export function usePlaces() {
  const sites = shallowRef<NamedSite[]>([])
  const spots = shallowRef<SpotRecord[]>([])
  onMounted(async () => {
    const { store } = client()
    sites.value = (await store.records('site')).flatMap(({ data }) => {
      const { code, lat, lon } = data as { code: string; lat: number | null; lon: number | null }
      return lat == null || lon == null ? [] : [{ code, at: [lon, lat] as Point }]
    })
    spots.value = (await store.records('spot')).map(({ data }) => data as SpotRecord)
  })
  return { sites, spots }
}

const DARK = matchMedia('(prefers-color-scheme: dark)')
const isDark = (): boolean => settings.value.theme === 'dark' || (settings.value.theme === 'auto' && DARK.matches)

/** Draws a scene whenever it, the canvas's size or the theme changes; returns the same by hand. */
export function useDrawing(canvas: () => HTMLCanvasElement | null, view: () => Frame | null, scene: () => Scene): () => void {
  const draw = (): void => {
    const [on, frame] = [canvas(), view()]
    if (on !== null && frame !== null) drawMap(on, frame, scene())
  }
  const watcher = new ResizeObserver(draw)
  onMounted(() => {
    watcher.observe(canvas() as HTMLCanvasElement)
    DARK.addEventListener('change', draw)
  })
  onBeforeUnmount(() => {
    watcher.disconnect()
    DARK.removeEventListener('change', draw)
  })
  watch([view, scene, settings], draw, { flush: 'post' })
  return draw
}
