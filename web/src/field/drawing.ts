// The map on a canvas, drawn by hand: it is whole without a tile, for a dead zone may lack them. Of a scene, nothing else.

import type { Basemap } from './basemap'
import { type Frame, type Point, toPixels } from './geo'
import type { Look, Mark } from './marks'
import type { GridShape } from './sync/client'
import { tilesOf } from './tiles'

/** What there is to draw, the lowest first. */
export interface Scene {
  ground: Basemap | null
  grids: GridShape[]
  /** The code of the grid that is outlined thicker. */
  mine: string | null
  /** Of the sample library. */
  sites: Point[]
  track: Point[]
  marks: Mark[]
  /** The key of a mark. */
  chosen: string | null
  here: { at: Point; accuracy_m: number } | null
  /** A cross in the middle, to aim with. */
  cross: boolean
}

interface Brush {
  context: CanvasRenderingContext2D
  view: Frame
  width: number
  height: number
  /** A colour of the page by its name. */
  colour: (name: string) => string
  /** How much larger than usual the page's text is. */
  zoom: number
}

type Pixel = [x: number, y: number]

/** A mark's radius, pixels. */
export const RADIUS = 11

/** The size of a canvas on the screen, pixels. */
export function sizeOf(canvas: HTMLCanvasElement): [width: number, height: number] {
  const { width, height } = canvas.getBoundingClientRect()
  return [width, height]
}

export function drawMap(canvas: HTMLCanvasElement, view: Frame, scene: Scene): void {
  const brush = brushOf(canvas, view)
  if (brush === null) return
  const tiled = drawGround(brush, scene.ground)
  drawGrids(brush, scene.grids, scene.mine, tiled)
  const { context, colour, zoom } = brush
  context.fillStyle = colour('--ink')
  for (const at of scene.sites) onScreen(brush, at, ([x, y]) => context.fillRect(x - 4, y - 4, 8, 8))
  drawTrack(brush, scene.track)
  const last = scene.marks.filter(({ key }) => key === scene.chosen)
  for (const mark of [...scene.marks].reverse()) if (mark.key !== scene.chosen) onScreen(brush, mark.at, (at) => drawMark(brush, at, mark, RADIUS * zoom))
  for (const mark of last) onScreen(brush, mark.at, (at) => drawMark(brush, at, mark, 1.4 * RADIUS * zoom))
  drawHere(brush, scene.here)
  if (scene.cross) drawCross(brush)
}

/** A mark by itself in the middle of its canvas, as for a legend. */
export function drawLook(canvas: HTMLCanvasElement, look: Look): void {
  const brush = brushOf(canvas, { centre: [0, 0], scale: 1 })
  if (brush !== null) drawMark(brush, [brush.width / 2, brush.height / 2], look, Math.min(brush.width, brush.height) / 2 - 2)
}

/** A clean canvas, in the pixels of the page. */
function brushOf(canvas: HTMLCanvasElement, view: Frame): Brush | null {
  const context = canvas.getContext('2d')
  if (context === null) return null
  const [width, height] = sizeOf(canvas)
  const dense = devicePixelRatio
  canvas.width = width * dense
  canvas.height = height * dense
  context.scale(dense, dense)
  const style = getComputedStyle(canvas)
  const zoom = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.lineJoin = 'round'
  context.font = `600 ${13 * zoom}px ${style.fontFamily}`
  return { context, view, width, height, colour: (name) => style.getPropertyValue(name), zoom }
}

function onScreen({ view, width, height }: Brush, at: Point, draw: (at: Pixel) => void): void {
  const [x, y] = toPixels(view, at, width, height)
  if (x > -40 && y > -40 && x < width + 40 && y < height + 40) draw([x, y])
}

/** True when anything was drawn. */
function drawGround({ context, view, width, height }: Brush, ground: Basemap | null): boolean {
  if (ground === null) return false
  let drawn = false
  context.globalAlpha = ground.strength
  for (const tile of tilesOf(view, width, height, ground.source.datum, ground.zooms)) {
    const picture = ground.picture(tile)
    if (picture === null) continue
    // A hair wider: else the paper shines through the seams.
    context.drawImage(picture, tile.left, tile.top, tile.width + 0.5, tile.height + 0.5)
    drawn = true
  }
  context.globalAlpha = 1
  return drawn
}

function drawGrids(brush: Brush, grids: GridShape[], mine: string | null, tiled: boolean): void {
  const { context, view, width, height, colour } = brush
  // The thicker one last, upon the lines it shares.
  const order = [...grids].sort((a, b) => Number(a.code === mine) - Number(b.code === mine))
  for (const { code, rings } of order) {
    const shape = rings.map((ring) => ring.map((at) => toPixels(view, at, width, height)))
    const [xs, ys] = [(shape[0] ?? []).map(([x]) => x), (shape[0] ?? []).map(([, y]) => y)]
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    // One that is larger than the screen has no corner on it.
    if (right < 0 || left > width || bottom < 0 || top > height) continue
    context.beginPath()
    for (const ring of shape) for (const [index, corner] of ring.entries()) context[index === 0 ? 'moveTo' : 'lineTo'](...corner)
    context.lineWidth = code === mine ? 4 : 1
    context.strokeStyle = colour(code === mine ? '--ink' : '--ink-soft')
    context.stroke()
    // Where it has room.
    if (right - left < context.measureText(code).width + 12) continue
    const middle: Pixel = [(left + right) / 2, (top + bottom) / 2]
    if (tiled) {
      context.strokeStyle = colour('--paper')
      context.lineWidth = 4
      context.strokeText(code, ...middle)
    }
    context.fillStyle = colour('--ink-soft')
    context.fillText(code, ...middle)
  }
  context.lineWidth = 1
}

function drawTrack(brush: Brush, track: Point[]): void {
  const { context, view, width, height, colour } = brush
  const way = track.map((at) => toPixels(view, at, width, height))
  context.strokeStyle = colour('--accent')
  context.fillStyle = colour('--accent')
  context.lineWidth = 3
  context.beginPath()
  for (const [index, at] of way.entries()) context[index === 0 ? 'moveTo' : 'lineTo'](...at)
  context.stroke()
  for (const [x, y] of way) context.fillRect(x - 3, y - 3, 6, 6)
  context.lineWidth = 1
}

const OUTLINES: Record<Look['shape'], (context: CanvasRenderingContext2D, at: Pixel, radius: number) => void> = {
  circle: (context, [x, y], radius) => context.arc(x, y, radius, 0, 7),
  square: (context, [x, y], radius) => context.rect(x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius),
  diamond: (context, [x, y], radius) => {
    const reach = 1.25 * radius
    for (const [dx, dy] of [[0, -1], [1, 0], [0, 1], [-1, 0]] as const) context.lineTo(x + dx * reach, y + dy * reach)
    context.closePath()
  },
}

function drawMark({ context, colour }: Brush, at: Pixel, look: Look, radius: number): void {
  context.beginPath()
  OUTLINES[look.shape](context, at, radius)
  context.fillStyle = colour(look.colour)
  context.fill()
  context.strokeStyle = colour('--paper')
  context.lineWidth = 2
  context.stroke()
  context.lineWidth = 1
  context.fillStyle = colour('--paper')
  context.fillText(look.sign, at[0], at[1] + 1)
}

function drawHere(brush: Brush, here: Scene['here']): void {
  if (here === null) return
  const { context, view, colour, zoom } = brush
  onScreen(brush, here.at, ([x, y]) => {
    context.beginPath()
    context.arc(x, y, Math.max(12 * zoom, here.accuracy_m * view.scale), 0, 7)
    context.strokeStyle = colour('--accent')
    context.stroke()
    drawMark(brush, [x, y], { shape: 'circle', colour: '--accent', sign: '' }, 7 * zoom)
  })
}

/** Open in the middle, and with an edge that stands out on any ground. */
function drawCross({ context, width, height, colour, zoom }: Brush): void {
  const [x, y] = [width / 2, height / 2]
  for (const [wide, ink] of [[7, '--paper'], [3, '--red']] as const) {
    context.lineWidth = wide
    context.strokeStyle = colour(ink)
    context.beginPath()
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
      context.moveTo(x + dx * 5 * zoom, y + dy * 5 * zoom)
      context.lineTo(x + dx * 22 * zoom, y + dy * 22 * zoom)
    }
    context.stroke()
  }
  context.lineWidth = 1
}
