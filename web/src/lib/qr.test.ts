import { expect, it } from 'vitest'
import { qrOf } from './qr'

it('draws the finders in three corners and a white border of four squares', () => {
  const { side, path } = qrOf('https://city.example/field/#enrol/ab3d-ef7h')
  // Version 4: 33 squares hold the 44 bytes at level M.
  expect(side).toBe(33 + 8)
  const dark = new Set(path.match(/M\d+ \d+/g))
  const finder = [4, 5, 6, 7, 8, 9, 10]
  for (const [left, top] of [[0, 0], [26, 0], [0, 26]] as const) {
    for (const at of finder) expect(dark).toContain(`M${left + at} ${top + 4}`)
  }
  expect([...dark].some((square) => /M[0-3] | [0-3]$/.test(square))).toBe(false)
})
