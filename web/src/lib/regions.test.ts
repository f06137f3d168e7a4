import { expect, it } from 'vitest'
import { between, moved, resized } from './regions'

it('a rectangle is drawn from any corner and stays inside the picture', () => {
  expect(between({ x: 300, y: 400 }, { x: 100.2, y: 200.9 })).toEqual({ x: 100, y: 200, w: 200, h: 200 })
  expect(between({ x: -50, y: 990 }, { x: 20, y: 1200 })).toEqual({ x: 0, y: 990, w: 20, h: 10 })
  expect(between({ x: 500, y: 500 }, { x: 503, y: 700 })).toBeNull()
})

it('no key moves or sizes one out of the picture', () => {
  const region = { x: 5, y: 980, w: 100, h: 20 }
  expect(moved(region, -10, 10)).toEqual({ x: 0, y: 980, w: 100, h: 20 })
  expect(resized(region, 2000, 10)).toEqual({ x: 5, y: 980, w: 995, h: 20 })
  expect(resized(region, -500, -500)).toMatchObject({ w: 8, h: 8 })
})
