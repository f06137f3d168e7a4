import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { openDb } from './db'
import { Persons, TRIES, pinFault } from './pin'
import { type FieldSession, Store } from './store'

const session = (id: string, refresh_token = 'r1'): FieldSession => ({
  session_id: `s-${id}`, access_token: 'a', refresh_token, user: { id, username: id, name: id, role: 'inspector', unit_id: null },
})

let stores = 0
let store: Store
let persons: Persons

beforeEach(async () => {
  store = new Store(await openDb(`pin-${stores++}`))
  persons = new Persons(store)
  await store.setSession(session('zhang'))
})

describe('unlocking without a network', () => {
  it('a locked session is nowhere to be read, and its digits bring it back as it last was', async () => {
    await persons.setPin('402816')
    // Renewed after the digits were set: the newest tokens are what is kept.
    await store.setSession(session('zhang', 'r2'))
    expect(await persons.lock()).toBe(true)
    expect(await store.session()).toBeNull()
    expect(JSON.stringify(await store.meta('persons'))).not.toContain('r2')
    expect(await persons.unlock('zhang', '402817')).toEqual({ t: 'wrong', left: TRIES - 1 })
    expect((await persons.unlock('zhang', '402816')).t).toBe('open')
    expect((await store.session())?.refresh_token).toBe('r2')
  })

  it('after five wrong tries the session is gone, also for the right digits', async () => {
    await persons.setPin('402816')
    await persons.lock()
    for (let left = TRIES - 1; left > 0; left -= 1) expect(await persons.unlock('zhang', '000001')).toEqual({ t: 'wrong', left })
    expect(await persons.unlock('zhang', '000001')).toEqual({ t: 'gone' })
    expect(await persons.unlock('zhang', '402816')).toEqual({ t: 'gone' })
    expect(await persons.all()).toEqual([])
  })

  it('a shift takes over, and each comes back to their own session', async () => {
    await persons.setPin('402816')
    await persons.lock()
    await store.setSession(session('li'))
    await persons.setPin('775310')
    expect(await persons.lock()).toBe(true)
    expect(await persons.unlock('li', '402816')).toEqual({ t: 'wrong', left: TRIES - 1 })
    await persons.unlock('zhang', '402816')
    expect((await store.session())?.user.id).toBe('zhang')
    expect((await persons.all()).map(({ user, sealed }) => [user.id, sealed !== null]).sort()).toEqual([['li', true], ['zhang', false]])
  })

  it('who has set no digits cannot be locked away', async () => {
    expect(await persons.lock()).toBe(false)
    expect(await store.session()).not.toBeNull()
  })

  it('digits that everybody tries first are refused', () => {
    expect(['111111', '123456', '987654', '12345', 'abcdef'].map(pinFault)).not.toContain(null)
    expect(pinFault('402816')).toBeNull()
  })
})
