import { shallowRef } from 'vue'
import { describe, expect, it } from 'vitest'
import { useFingers } from './fingers'
import { type Frame, toPixels } from './geo'

const canvas = { setPointerCapture: () => undefined }
const finger = (type: string, pointerId: number, offsetX: number, offsetY: number) =>
  ({ type, pointerId, offsetX, offsetY, target: canvas }) as unknown as PointerEvent

function hand(mayMove = true) {
  const frame = shallowRef<Frame | null>({ centre: [110, 27.5], scale: 1 })
  const lifts: ([x: number, y: number] | null)[] = []
  return { frame, lifts, on: useFingers(frame, (tap) => lifts.push(tap), () => mayMove) }
}

describe('fingers on a map', () => {
  it('drag what lies under them, and that is no tap', () => {
    const { frame, lifts, on } = hand()
    on.pointerdown(finger('pointerdown', 1, 100, 100))
    on.pointermove(finger('pointermove', 1, 130, 80))
    on.pointerup(finger('pointerup', 1, 130, 80))
    const [x, y] = toPixels(frame.value as Frame, [110, 27.5], 200, 200)
    expect(x).toBeCloseTo(130, 3)
    expect(y).toBeCloseTo(80, 3)
    expect(lifts).toEqual([null])
  })

  it('spread it when there are two, and lifted one by one they tell once', () => {
    const { frame, lifts, on } = hand()
    on.pointerdown(finger('pointerdown', 1, 90, 100))
    on.pointerdown(finger('pointerdown', 2, 110, 100))
    on.pointermove(finger('pointermove', 2, 130, 100))
    expect(frame.value?.scale).toBeCloseTo(2, 6)
    on.pointerup(finger('pointerup', 1, 90, 100))
    expect(lifts).toEqual([])
    on.pointerup(finger('pointerup', 2, 130, 100))
    expect(lifts).toEqual([null])
  })

  it('tap when they tremble a little, unless the system takes them away', () => {
    const { lifts, on } = hand()
    for (const end of ['pointerup', 'pointercancel'] as const) {
      on.pointerdown(finger('pointerdown', 1, 50, 60))
      on.pointermove(finger('pointermove', 1, 53, 61))
      on[end](finger(end, 1, 53, 61))
    }
    expect(lifts).toEqual([[53, 61], null])
  })

  it('do nothing while the map may not be moved', () => {
    const { frame, lifts, on } = hand(false)
    const before = frame.value
    on.pointerdown(finger('pointerdown', 1, 50, 60))
    on.pointermove(finger('pointermove', 1, 90, 60))
    on.pointerup(finger('pointerup', 1, 90, 60))
    expect(frame.value).toBe(before)
    expect(lifts).toEqual([])
  })
})
