// How much a day's work is left in the battery, where the browser says.

import { shallowRef } from 'vue'

/** Below this share what waits may not come home today. */
const LOW = 0.15

interface BatteryManager extends EventTarget {
  /** 0…1. */
  level: number
  charging: boolean
}

export interface Battery {
  percent: number
  low: boolean
}

export const battery = shallowRef<Battery | null>(null)

export async function watchBattery(): Promise<void> {
  const { getBattery } = navigator as Navigator & { getBattery?: () => Promise<BatteryManager> }
  const manager = await getBattery?.call(navigator).catch(() => null)
  if (manager == null) return
  const read = (): void => {
    battery.value = { percent: Math.round(manager.level * 100), low: manager.level < LOW && !manager.charging }
  }
  read()
  for (const what of ['levelchange', 'chargingchange']) manager.addEventListener(what, read)
}
