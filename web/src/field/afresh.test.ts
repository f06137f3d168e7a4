import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createApp, nextTick } from 'vue'
import Afresh from './Afresh.vue'

let times: number
let button: HTMLButtonElement
const tap = async (): Promise<string> => {
  button.click()
  await nextTick()
  return button.textContent ?? ''
}

beforeEach(() => {
  vi.useFakeTimers()
  times = 0
  const root = document.createElement('div')
  createApp(Afresh, { words: '已恢复', onAfresh: () => (times += 1) }).mount(root)
  button = root.querySelector('button') as HTMLButtonElement
})

afterEach(() => vi.useRealTimers())

it('what was begun is let go of at a second tap only, and not by a finger that trembles', async () => {
  expect(await tap()).toContain('再点一次')
  await tap()
  expect(times).toBe(0)
  await vi.advanceTimersByTimeAsync(500)
  await tap()
  expect(times).toBe(1)
})

it('a tap by mistake is forgotten after a while', async () => {
  await tap()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(button.textContent).toBe('重新开始')
  await tap()
  expect(times).toBe(0)
})
