import { PbfWriter } from 'pbf'
import { PMTiles, zxyToTileId } from 'pmtiles'
import { beforeEach, expect, it } from 'vitest'
import { SIDE, drawTile } from './vector'

type Shape = [x: number, y: number][]

interface Feature {
  type: 1 | 2 | 3
  tags: Record<string, string>
  shape: Shape
}

const zigzag = (n: number): number => (n << 1) ^ (n >> 31)

/** The commands of a geometry (Mapbox Vector Tile 2.1, 4.3). */
function commands({ type, shape }: Feature): number[] {
  let [x, y] = [0, 0]
  const steps = shape.map(([toX, toY]) => {
    const step = [zigzag(toX - x), zigzag(toY - y)]
    ;[x, y] = [toX, toY]
    return step
  })
  const [first = [], ...rest] = steps
  return [9, ...first, ...(rest.length > 0 ? [(rest.length << 3) | 2, ...rest.flat()] : []), ...(type === 3 ? [15] : [])]
}

/** A tile of 4096 units. */
function tile(layers: Record<string, Feature[]>): Uint8Array {
  const pbf = new PbfWriter()
  for (const [name, features] of Object.entries(layers)) {
    const layer = new PbfWriter()
    layer.writeVarintField(15, 2)
    layer.writeStringField(1, name)
    layer.writeVarintField(5, 4096)
    const keys = [...new Set(features.flatMap(({ tags }) => Object.keys(tags)))]
    const values = [...new Set(features.flatMap(({ tags }) => Object.values(tags)))]
    for (const feature of features) {
      const one = new PbfWriter()
      one.writePackedVarint(2, Object.entries(feature.tags).flatMap(([key, value]) => [keys.indexOf(key), values.indexOf(value)]))
      one.writeVarintField(3, feature.type)
      one.writePackedVarint(4, commands(feature))
      layer.writeBytesField(2, one.finish())
    }
    for (const key of keys) layer.writeStringField(3, key)
    for (const value of values) {
      const one = new PbfWriter()
      one.writeStringField(1, value)
      layer.writeBytesField(4, one.finish())
    }
    pbf.writeBytesField(3, layer.finish())
  }
  return pbf.finish()
}

/** A PMTiles archive (version 3) of one tile, nothing in it compressed. */
function archiveOf(z: number, x: number, y: number, data: Uint8Array): PMTiles {
  const entry = new PbfWriter()
  for (const value of [1, zxyToTileId(z, x, y), 1, data.length, 1]) entry.writeVarint(value)
  const [root, about] = [entry.finish(), new TextEncoder().encode('{}')]
  const body = 127 + root.length + about.length
  const bytes = new Uint8Array(body + data.length)
  bytes.set(new TextEncoder().encode('PMTiles'))
  // The version; not compressed twice, vector tiles, and their zooms.
  bytes[7] = 3
  bytes.set([1, 1, 1, 1, z, z], 96)
  const numbers = [127, root.length, 127 + root.length, about.length, body, 0, body, data.length, 1, 1, 1]
  const head = new DataView(bytes.buffer)
  for (const [index, value] of numbers.entries()) head.setBigUint64(8 + 8 * index, BigInt(value), true)
  bytes.set(root, 127)
  bytes.set(about, 127 + root.length)
  bytes.set(data, body)
  return new PMTiles({ getKey: () => 'county', getBytes: async (offset, length) => ({ data: bytes.slice(offset, offset + length).buffer }) })
}

/** What was drawn, and with what. */
let drawn: { how: string; colour: string; width: number; at: [number, number][]; text?: string }[] = []
let at: [number, number][] = []
const pen = {
  fillStyle: '', strokeStyle: '', lineWidth: 1, lineJoin: '', lineCap: '', font: '', textAlign: '', textBaseline: '',
  beginPath: () => (at = []),
  moveTo: (x: number, y: number) => at.push([x, y]),
  lineTo: (x: number, y: number) => at.push([x, y]),
  fill: () => drawn.push({ how: 'fill', colour: pen.fillStyle, width: 0, at }),
  stroke: () => drawn.push({ how: 'stroke', colour: pen.strokeStyle, width: pen.lineWidth, at }),
  fillRect: () => drawn.push({ how: 'ground', colour: pen.fillStyle, width: 0, at: [] }),
  fillText: (text: string) => drawn.push({ how: 'name', colour: pen.fillStyle, width: 0, at, text }),
  strokeText: () => undefined,
  measureText: (text: string) => ({ width: text.length * 26 }),
  save: () => undefined,
  restore: () => undefined,
  translate: (x: number, y: number) => (at = [[x, y]]),
  rotate: () => undefined,
  setLineDash: () => undefined,
}
const context = pen as unknown as Parameters<typeof drawTile>[0]
const WHOLE = { per: 1, column: 0, row: 0 }
const names = () => drawn.filter(({ how }) => how === 'name').map(({ text }) => text)

beforeEach(() => {
  drawn = []
})

const square = (west: number, north: number, side: number): Shape => [[west, north], [west + side, north], [west + side, north + side], [west, north + side]]
const street = (y: number): Shape => [[0, y], [4096, y]]

it('draws what an archive of Protomaps holds, the wide road above the narrow one, with Chinese names', async () => {
  const archive = archiveOf(14, 13_196, 6_893, tile({
    water: [{ type: 3, tags: { kind: 'river' }, shape: square(0, 0, 1024) }],
    buildings: [{ type: 3, tags: { kind: 'building' }, shape: square(2048, 2048, 64) }],
    roads: [
      { type: 2, tags: { kind: 'major_road', name: 'Renmin Road', 'name:zh': '人民路' }, shape: street(2000) },
      { type: 2, tags: { kind: 'minor_road', name: '五一巷' }, shape: street(3000) },
    ],
    places: [
      { type: 1, tags: { kind: 'locality', name: '中方县' }, shape: [[1000, 1000]] },
      // The neighbouring tile names it.
      { type: 1, tags: { kind: 'locality', name: '泸阳镇' }, shape: [[5000, 1000]] },
    ],
  }))
  const { data } = (await archive.getZxy(14, 13_196, 6_893))!
  drawTile(context, data, WHOLE, false)
  expect(drawn[0]?.how).toBe('ground')
  const [river, building] = drawn.filter(({ how }) => how === 'fill')
  expect(river?.at).toEqual([[0, 0], [128, 0], [128, 128], [0, 128], [0, 0]])
  expect(building?.colour).not.toBe(river?.colour)
  const roads = drawn.filter(({ how, colour }) => how === 'stroke' && colour === '#ffffff')
  expect(roads.map(({ at }) => at[0]?.[1])).toEqual([375, 250])
  expect(names()).toEqual(['中方县', '人民路', '五一巷'])
})

it('knows the names of OpenMapTiles, and draws by dark in other colours', () => {
  const bytes = tile({
    transportation: [{ type: 2, tags: { class: 'primary' }, shape: street(2000) }],
    transportation_name: [{ type: 2, tags: { class: 'primary', name: '人民路' }, shape: street(2000) }],
    building: [{ type: 3, tags: { height: '9' }, shape: square(0, 0, 99) }],
    place: [{ type: 1, tags: { class: 'town', name: '中方镇' }, shape: [[3000, 500]] }],
  }).slice().buffer
  drawTile(context, bytes, WHOLE, false)
  const light = drawn
  drawn = []
  drawTile(context, bytes, WHOLE, true)
  expect(names()).toEqual(['中方镇', '人民路'])
  expect(drawn.map(({ how }) => how)).toEqual(light.map(({ how }) => how))
  for (const [index, one] of drawn.entries()) expect(one.colour).not.toBe(light[index]?.colour)
})

it('cuts its part out of a tile that is shown larger than it was made for', () => {
  const bytes = tile({ buildings: [{ type: 3, tags: {}, shape: square(3072, 2048, 512) }] }).slice().buffer
  drawTile(context, bytes, { per: 2, column: 1, row: 1 }, false)
  const building = drawn.find(({ how }) => how === 'fill')
  expect(building?.at.slice(0, 3)).toEqual([[SIDE / 2, 0], [SIDE / 2 + 128, 0], [SIDE / 2 + 128, 128]])
})

it('leaves a layer alone that it does not know, and a tile without any is ground', () => {
  drawTile(context, tile({ contours: [{ type: 2, tags: { kind: 'minor_road' }, shape: street(1) }] }).slice().buffer, WHOLE, false)
  expect(drawn.map(({ how }) => how)).toEqual(['ground'])
})
