import { nextTick } from 'vue'
import { expect, it, vi } from 'vitest'
import { route } from './field'
import { useScrolling } from './scrolling'

it('a page begins at its top, and a list where one left it for what lies below', async () => {
  let at = 0
  vi.stubGlobal('scrollTo', (_: number, y: number) => (at = y))
  Object.defineProperty(window, 'scrollY', { configurable: true, get: () => at })
  useScrolling()
  const open = async (page: string): Promise<number> => {
    route.page = page
    await nextTick()
    return at
  }
  route.page = 'tasks'
  at = 700
  expect(await open('case/1')).toBe(0)
  at = 90
  expect(await open('case/1/handle')).toBe(0)
  expect([await open('case/1'), await open('tasks')]).toEqual([90, 700])
  expect([await open('today'), await open('tasks')]).toEqual([0, 0])
})
