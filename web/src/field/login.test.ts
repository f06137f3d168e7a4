import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type App, createApp, nextTick } from 'vue'
import LoginPage from './LoginPage.vue'
import { persons } from './field'

const unlock = vi.fn(async (_who: string, _pin: string): Promise<object> => ({ t: 'open' }))
vi.mock('./field', async (whole) => ({ ...(await whole<typeof import('./field')>()), client: () => ({ unlock }) }))

const person = (id: string) => ({ sealed: {}, user: { id, name: id, role: 'inspector' } })
let app: App | null = null

const pin = (): HTMLInputElement | null => document.querySelector('[name=pin]')
const byId = (id: string): HTMLElement | null => document.querySelector(`[data-testid=${id}]`)

async function open(...ids: string[]): Promise<void> {
  persons.value = ids.map(person) as unknown as typeof persons.value
  app = createApp(LoginPage)
  app.mount(document.body.appendChild(document.createElement('div')))
  await nextTick()
}

async function enter(value: string): Promise<void> {
  const box = pin() as HTMLInputElement
  box.value = value
  box.dispatchEvent(new Event('input'))
  await nextTick()
}

async function type(digits: string): Promise<void> {
  for (const digit of digits) await enter((pin()?.value ?? '') + digit)
}

beforeEach(() => {
  unlock.mockReset()
  unlock.mockResolvedValue({ t: 'open' })
})

afterEach(() => {
  app?.unmount()
  document.body.innerHTML = ''
})

it('is ready for the digits as soon as somebody says who they are', async () => {
  await open('a', 'b')
  expect(pin()).toBeNull()
  byId('person')?.click()
  await vi.waitFor(() => expect(document.activeElement).toBe(pin()))
})

it('unlocks at the sixth digit, once', async () => {
  await open('a')
  await type('40281')
  expect(unlock).not.toHaveBeenCalled()
  await type('6')
  document.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }))
  await vi.waitFor(() => expect(unlock).toHaveBeenCalledTimes(1))
  expect(unlock).toHaveBeenCalledWith('a', '402816')
})

it('leaves the button to whatever fills in all six at once', async () => {
  await open('a')
  await enter('402816')
  expect(unlock).not.toHaveBeenCalled()
  document.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }))
  await vi.waitFor(() => expect(unlock).toHaveBeenCalledWith('a', '402816'))
})

it('takes the only one who can unlock for the one who is there, and lets others sign in', async () => {
  await open('a')
  expect(byId('person')).toBeNull()
  expect(pin()).not.toBeNull()
  byId('other-person')?.click()
  await nextTick()
  expect(document.querySelector('[name=username]')).not.toBeNull()
})

it('asks for the password once the digits are gone, and says why', async () => {
  unlock.mockResolvedValue({ t: 'gone' })
  await open('a')
  await type('402816')
  await vi.waitFor(() => expect(document.querySelector('[name=username]')).not.toBeNull())
  expect(document.querySelector('[role=alert]')?.textContent).toContain('解锁码已失效')
})
