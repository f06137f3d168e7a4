import { beforeEach, expect, it } from 'vitest'
import { tabSessionStore } from './session'
import type { Session } from './types'

const session: Session = {
  access_token: 'a',
  refresh_token: 'r',
  expires_in: 900,
  user: { id: 'u', username: 'zhang', name: '张敏', role: 'dispatcher', unit_id: null },
}

beforeEach(() => sessionStorage.clear())

it('a session outlives a reload of the page but not the tab', () => {
  tabSessionStore().save(session)
  expect(tabSessionStore().load()).toEqual(session)
  expect(localStorage.length).toBe(0)
})

it('a session that was left is gone from storage', () => {
  const store = tabSessionStore()
  store.save(session)
  store.save(null)
  expect(store.load()).toBeNull()
  expect(sessionStorage.length).toBe(0)
})

it.each(['{', 'null', '{"access_token":"a"}'])('what cannot be read as a session (%s) is none', (text) => {
  sessionStorage.setItem('chengguan.session', text)
  expect(tabSessionStore().load()).toBeNull()
})

it('a browser that forbids storage still lets people work until the page is left', () => {
  const refuse = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const store = tabSessionStore({ getItem: refuse, setItem: refuse, removeItem: refuse } as unknown as Storage)
  store.save(session)
  expect(store.load()).toEqual(session)
})
