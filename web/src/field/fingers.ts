// Fingers on a map: one drags it, two spread it, and what lies under a finger stays under it.

import type { ShallowRef } from 'vue'
import { type Frame, moved, zoomed } from './geo'

type Pixel = [x: number, y: number]

/** Pixels that a finger may tremble by and still taps. */
const STILL = 10

/**
 * What a canvas listens to so that fingers move `frame`. `mayMove` is asked when a finger comes down. `lifted` is told
 * when the last one has gone, with the place that was tapped, or null where the map was moved.
 */
export function useFingers(frame: ShallowRef<Frame | null>, lifted: (tap: Pixel | null) => void, mayMove = (): boolean => true) {
  const fingers = new Map<number, Pixel>()
  let travelled = 0
  const spread = (): number => {
    const [a, b] = [...fingers.values()]
    return a === undefined || b === undefined ? 1 : Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]))
  }
  const up = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId) || fingers.size > 0) return
    lifted(travelled < STILL && event.type === 'pointerup' ? [event.offsetX, event.offsetY] : null)
  }
  return {
    pointerdown(event: PointerEvent): void {
      if (!mayMove()) return
      ;(event.target as Element).setPointerCapture(event.pointerId)
      if (fingers.size === 0) travelled = 0
      fingers.set(event.pointerId, [event.offsetX, event.offsetY])
    },
    pointermove(event: PointerEvent): void {
      const before = fingers.get(event.pointerId)
      if (before === undefined || frame.value === null) return
      const apart = spread()
      fingers.set(event.pointerId, [event.offsetX, event.offsetY])
      const [dx, dy] = [event.offsetX - before[0], event.offsetY - before[1]]
      travelled += Math.hypot(dx, dy)
      frame.value = zoomed(moved(frame.value, dx / fingers.size, dy / fingers.size), spread() / apart)
    },
    pointerup: up,
    pointercancel: up,
  }
}
