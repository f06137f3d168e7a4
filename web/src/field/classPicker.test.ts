import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, h, nextTick } from 'vue'
import ClassPicker from './ClassPicker.vue'
import { classes } from './field'
import type { CaseClass } from './sync/client'

let recent: CaseClass[] = []
vi.mock('./field', async (whole) => ({
  ...(await whole<typeof import('./field')>()),
  client: () => ({ store: { meta: async () => recent } }),
}))

const made = (kind: CaseClass['kind'], big_name: string, code: string, name: string, filing: string) =>
  ({ kind, big_name, code, name, conditions: [{ number: 1, filing, limit: {} }] }) as CaseClass
const cover = made('component', '公用设施', '0101', '上水井盖', '盖体破损')
const road = made('event', '市容环境', '0113', '道路破损', '路面坑洼')
const works = made('event', '施工管理', '0303', '工地扬尘', '渣土撒漏')
const filth = made('event', '市容环境', '0101', '私搭乱建', '违法搭建')

const choose = vi.fn()
const submitted = vi.fn()
let app: App
function open(): void {
  classes.value = { at: 0, items: [cover, filth, road, works] }
  document.body.innerHTML = '<form><div id="app"></div><button type="submit"></button></form>'
  document.querySelector('form')?.addEventListener('submit', submitted)
  app = createApp({ render: () => h(ClassPicker, { chosen: null, condition: '', onChoose: choose }) })
  app.mount('#app')
}

beforeEach(() => {
  recent = []
  choose.mockClear()
  open()
})
afterEach(() => app.unmount())

const field = () => document.querySelector('[data-testid=class-search]') as HTMLInputElement
const chips = (id: string) => [...document.querySelectorAll<HTMLButtonElement>(`[data-testid=${id}] button`)]
const words = (id: string) => chips(id).map(({ firstChild }) => firstChild?.textContent?.trim())
const tap = async (id: string, word: string) => {
  chips(id).find(({ textContent }) => textContent?.includes(word))?.click()
  await nextTick()
}

async function type(text: string): Promise<void> {
  field().value = text
  field().dispatchEvent(new Event('input'))
  await nextTick()
}

function enter(isComposing = false): KeyboardEvent {
  field().focus()
  const event = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, isComposing })
  field().dispatchEvent(event)
  return event
}

it('opens the classes by kind and big class for whoever knows no name, and goes back with one tap', async () => {
  await vi.waitFor(() => expect([words('class-kinds'), words('classes')]).toEqual([['部件', '事件'], []]))
  await tap('class-kinds', '事件')
  expect([words('class-kinds'), words('classes')]).toEqual([['‹ 返回', '市容环境', '施工管理'], []])
  await tap('class-kinds', '市容环境')
  expect(words('classes')).toEqual(['私搭乱建', '道路破损'])
  await tap('class-kinds', '施工管理')
  expect(words('classes')).toEqual(['工地扬尘'])
  await tap('class-kinds', '返回')
  expect([words('class-kinds'), words('classes')]).toEqual([['部件', '事件'], []])
  await tap('class-kinds', '部件')
  await tap('class-kinds', '公用设施')
  await tap('classes', '上水井盖')
  expect(choose).toHaveBeenCalledExactlyOnceWith(cover)
})

it('offers the kinds beside a few recent classes, but not beside six or a search', async () => {
  await type('渣土')
  expect([words('class-kinds'), words('classes')]).toEqual([[], ['工地扬尘']])
  app.unmount()
  recent = [road]
  open()
  await vi.waitFor(() => expect(words('classes')).toEqual(['道路破损']))
  expect(words('class-kinds')).toEqual(['部件', '事件'])
  app.unmount()
  recent = Array.from({ length: 6 }, (_, at) => ({ ...road, code: `0${at}` }))
  open()
  await vi.waitFor(() => expect(words('classes')).toHaveLength(6))
  expect(words('class-kinds')).toEqual([])
})

it('takes the only class found at Enter, else leaves the field, and never submits the form round it', async () => {
  await type('ps')
  expect(enter().defaultPrevented).toBe(true)
  expect([choose.mock.calls, document.activeElement === field()]).toEqual([[], false])
  await type('keng')
  expect(enter().defaultPrevented).toBe(true)
  await type('坑')
  expect([enter(true).defaultPrevented, choose.mock.calls, document.activeElement === field()]).toEqual([true, [], true])
  expect(enter().defaultPrevented).toBe(true)
  expect(choose).toHaveBeenCalledExactlyOnceWith(road)
  await type('')
  enter()
  expect(choose).toHaveBeenCalledOnce()
  expect(submitted).not.toHaveBeenCalled()
})
