// The page begins on what an earlier one left.

import 'fake-indexeddb/auto'
import { expect, it, vi } from 'vitest'
import { Client } from './sync/client'
import { openDb } from './sync/db'
import { freshKey } from './sync/device'
import { type FieldSession, Store } from './sync/store'

it('sends what waits even where it can’t be shown', async () => {
  const run = vi.spyOn(Client.prototype, 'run').mockResolvedValue(null)
  Object.defineProperty(navigator, 'storage', { configurable: true, value: { persisted: async () => true } })
  const store = new Store(await openDb())
  await store.enrolled({ device: crypto.randomUUID(), name: 'h', kind: 'handheld', epoch: 1 }, await freshKey(), { offset_ms: 0, measured_at: 0 })
  await store.setSession({ result: 0 } as unknown as FieldSession)
  const { start } = await import('./field')
  await expect(start()).rejects.toThrow()
  expect(run).toHaveBeenCalledOnce()
})
