// A vector tile becomes a picture, in a style of few colours that what there is to do stands out from. Made for the layers
// of Protomaps and of OpenMapTiles; what has other names is not drawn.

import { VectorTile, type VectorTileFeature, type VectorTileLayer } from '@mapbox/vector-tile'
import { PbfReader } from 'pbf'

/** The side of the picture, pixels. */
export const SIDE = 512

/** Which part of the tile the picture shows: 1 in `per` along each side, at that column and row of the parts. */
export interface Part {
  per: number
  column: number
  row: number
}

interface Paint {
  earth: string
  green: string
  water: string
  building: string
  road: string
  edge: string
  rail: string
  name: string
}

const LIGHT: Paint = {
  earth: '#f6f4ee', green: '#dfead4', water: '#b5d3ea', building: '#e4ded3', road: '#ffffff', edge: '#c9c1b3', rail: '#a9a39a', name: '#3d4650',
}
const DARK: Paint = {
  earth: '#141b22', green: '#18261d', water: '#173449', building: '#202a33', road: '#3d4955', edge: '#0d1318', rail: '#53606c', name: '#c6d1db',
}

/** How wide a road is drawn, pixels of the picture, by both schemas' words for its class. */
const WIDTHS: Record<string, number> = {
  highway: 10, motorway: 10, trunk: 10, major_road: 8, primary: 8, secondary: 7, tertiary: 6, medium_road: 6, minor_road: 4, minor: 4,
  service: 3, path: 2, track: 2, other: 2,
}
const RAILS = ['rail', 'transit']

type Context = Pick<
  OffscreenCanvasRenderingContext2D,
  | 'beginPath' | 'moveTo' | 'lineTo' | 'fill' | 'stroke' | 'fillRect' | 'fillText' | 'strokeText' | 'measureText' | 'save' | 'restore'
  | 'translate' | 'rotate' | 'setLineDash' | 'fillStyle' | 'strokeStyle' | 'lineWidth' | 'lineJoin' | 'lineCap' | 'font' | 'textAlign' | 'textBaseline'
>

type Pixel = [x: number, y: number]

/** The picture of a part of a tile. */
export function vectorPicture(bytes: ArrayBuffer, part: Part, dark: boolean): ImageBitmap {
  const canvas = new OffscreenCanvas(SIDE, SIDE)
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('no canvas')
  drawTile(context, bytes, part, dark)
  return canvas.transferToImageBitmap()
}

export function drawTile(context: Context, bytes: ArrayBuffer, part: Part, dark: boolean): void {
  const paint = dark ? DARK : LIGHT
  const { layers } = new VectorTile(new PbfReader(new Uint8Array(bytes)))
  const of = (...names: string[]): Drawn[] => names.flatMap((name) => drawn(layers[name], part))
  context.fillStyle = paint.earth
  context.fillRect(0, 0, SIDE, SIDE)
  context.lineJoin = context.lineCap = 'round'
  areas(context, of('landuse', 'landcover', 'park').filter(isGreen), paint.green)
  const water = of('water', 'waterway')
  areas(context, water, paint.water)
  lines(context, water, paint.water, () => 3 * part.per)
  areas(context, of('buildings', 'building'), paint.building)
  const roads = of('roads', 'transportation')
  const rails = roads.filter((one) => RAILS.includes(kindOf(one)))
  const ways = roads.filter((one) => !RAILS.includes(kindOf(one)) && WIDTHS[kindOf(one)] !== undefined)
  // A tile that is shown larger than it was made for has its roads drawn larger, but not as much.
  const width = (one: Drawn): number => (WIDTHS[kindOf(one)] ?? 0) * Math.sqrt(part.per)
  lines(context, ways, paint.edge, (one) => width(one) + 3)
  // The wide ones upon the narrow ones.
  lines(context, ways.sort((a, b) => width(a) - width(b)), paint.road, width)
  context.setLineDash([12, 8])
  lines(context, rails, paint.rail, () => 3)
  context.setLineDash([])
  const pen = new Pen(context, paint)
  for (const one of of('places', 'place')) pen.place(one)
  for (const one of [...ways.reverse(), ...of('transportation_name')]) pen.way(one)
}

/** A feature with its shape in pixels of the picture. */
interface Drawn {
  feature: VectorTileFeature
  shape: Pixel[][]
}

function drawn(layer: VectorTileLayer | undefined, { per, column, row }: Part): Drawn[] {
  return Array.from({ length: layer?.length ?? 0 }, (_, index) => {
    const feature = (layer as VectorTileLayer).feature(index)
    const scale = (SIDE * per) / feature.extent
    const shape = feature.loadGeometry().map((line) => line.map(({ x, y }): Pixel => [x * scale - column * SIDE, y * scale - row * SIDE]))
    return { feature, shape }
  })
}

/** `kind` is Protomaps' word, `class` that of OpenMapTiles. */
const kindOf = ({ feature: { properties } }: Drawn): string => String(properties['kind'] ?? properties['pmap:kind'] ?? properties['class'] ?? '')

const GREEN = /park|wood|forest|grass|meadow|garden|scrub|cemetery|golf|nature|recreation|farm|orchard|pitch|village_green/
const isGreen = (one: Drawn): boolean => GREEN.test(kindOf(one))

const nameOf = ({ feature: { properties } }: Drawn): string => String(properties['name:zh-Hans'] ?? properties['name:zh'] ?? properties['name'] ?? '')

function trace(context: Context, shape: Pixel[][]): void {
  for (const line of shape) for (const [index, [x, y]] of line.entries()) context[index === 0 ? 'moveTo' : 'lineTo'](x, y)
}

function areas(context: Context, all: Drawn[], colour: string): void {
  context.fillStyle = colour
  for (const { feature, shape } of all) {
    if (feature.type !== 3) continue
    context.beginPath()
    trace(context, shape)
    context.fill('evenodd')
  }
}

function lines(context: Context, all: Drawn[], colour: string, width: (one: Drawn) => number): void {
  context.strokeStyle = colour
  for (const one of all) {
    if (one.feature.type !== 2) continue
    context.lineWidth = width(one)
    context.beginPath()
    trace(context, one.shape)
    context.stroke()
  }
}

/** Writes names where there is room: within the picture, for the next one knows nothing of them, and once each. */
class Pen {
  private readonly taken: { left: number; right: number; top: number; bottom: number }[] = []
  private readonly written = new Set<string>()

  constructor(
    private readonly context: Context,
    private readonly paint: Paint,
  ) {
    context.textAlign = 'center'
    context.textBaseline = 'middle'
  }

  place(one: Drawn): void {
    const at = one.shape[0]?.[0]
    // What lies outside is another picture's to name.
    if (one.feature.type !== 1 || at === undefined || at.some((value) => value < 0 || value >= SIDE)) return
    this.write(nameOf(one), at, 0, /city|town|locality|county/.test(kindOf(one)) ? 36 : 30, Infinity)
  }

  /** Along the longest straight piece. */
  way(one: Drawn): void {
    if (one.feature.type !== 2 || nameOf(one) === '') return
    let best: { from: Pixel; to: Pixel; length: number } | null = null
    for (const line of one.shape) {
      for (const [index, to] of line.entries()) {
        const from = line[index - 1]
        if (from === undefined) continue
        const length = Math.hypot(to[0] - from[0], to[1] - from[1])
        if (length > (best?.length ?? 0)) best = { from, to, length }
      }
    }
    if (best === null) return
    const { from, to, length } = best
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0])
    // Never upside down.
    const upright = Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle
    this.write(nameOf(one), [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2], upright, 26, length)
  }

  private write(name: string, [x, y]: Pixel, angle: number, size: number, room: number): void {
    const { context, paint } = this
    if (name === '' || this.written.has(name)) return
    context.font = `600 ${size}px system-ui, 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', sans-serif`
    const width = context.measureText(name).width + 8
    if (width > Math.min(room, SIDE)) return
    const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))]
    const [half, tall] = [(width * cos + size * sin) / 2, (width * sin + size * cos) / 2 + 2]
    const within = (value: number, reach: number): number => Math.min(SIDE - reach, Math.max(reach, value))
    const at: Pixel = [within(x, half), within(y, tall)]
    // A street's name that would leave its street is not written.
    if (room !== Infinity && Math.hypot(at[0] - x, at[1] - y) > 1) return
    const box = { left: at[0] - half, right: at[0] + half, top: at[1] - tall, bottom: at[1] + tall }
    if (this.taken.some((other) => box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top)) return
    this.taken.push(box)
    this.written.add(name)
    context.save()
    context.translate(...at)
    context.rotate(angle)
    context.strokeStyle = paint.earth
    context.lineWidth = 5
    context.strokeText(name, 0, 0)
    context.fillStyle = paint.name
    context.fillText(name, 0, 0)
    context.restore()
  }
}
