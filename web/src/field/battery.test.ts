import { afterEach, expect, it, vi } from 'vitest'
import { battery, watchBattery } from './battery'

afterEach(() => {
  vi.unstubAllGlobals()
  battery.value = null
})

it('warns below 15 % unless it is being charged, and follows the battery', async () => {
  const manager = Object.assign(new EventTarget(), { level: 0.4, charging: false })
  vi.stubGlobal('navigator', { getBattery: () => Promise.resolve(manager) })
  await watchBattery()
  expect(battery.value).toEqual({ percent: 40, low: false })
  manager.level = 0.14
  manager.dispatchEvent(new Event('levelchange'))
  expect(battery.value).toEqual({ percent: 14, low: true })
  manager.charging = true
  manager.dispatchEvent(new Event('chargingchange'))
  expect(battery.value).toEqual({ percent: 14, low: false })
})

it('says nothing where the browser says nothing', async () => {
  vi.stubGlobal('navigator', {})
  await watchBattery()
  expect(battery.value).toBeNull()
})
