// For tests of whole pages: the console in a document, with the API's answers in place of a server.

import { createApp, type App as VueApp } from 'vue'
import { afterEach, beforeEach, vi } from 'vitest'
import type { Role, Session } from '../lib/types'
import App from './App.vue'
import { leave } from './route'

export interface Asked {
  method: string
  /** Of JSON, what it says. */
  body: unknown
  query: URLSearchParams
  headers: Record<string, string>
}

export const problem = (status: number, code: string, title: string, detail?: string): Response =>
  Response.json(
    { type: `/problems/${code}`, title, status, code, detail, request_id: 'req-7' },
    { status, headers: { 'content-type': 'application/problem+json' } },
  )

/** What each path answers; a test replaces those it is about. */
export const answers: Record<string, (asked: Asked) => Response> = {}

let app: VueApp | null = null

/** What stands around the cases, and most tests are not about. */
const QUIET = ['queues', 'claims', 'views', 'templates', 'urgings', 'appeals'].map((name) => `/workbench/${name}`)

/** Stands in for the server in every test of the file. */
export function fakeServer(usual: () => typeof answers): void {
  beforeEach(() => {
    sessionStorage.clear()
    leave()
    for (const path of Object.keys(answers)) delete answers[path]
    for (const path of QUIET) answers[path] = () => Response.json({ items: [] })
    Object.assign(answers, usual())
    vi.stubGlobal('fetch', async (input: string, init?: RequestInit) => {
      const [path = '', query] = input.replace('/api/v1', '').split('?')
      const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : (init?.body ?? null)
      const headers = (init?.headers ?? {}) as Record<string, string>
      const method = init?.method ?? 'GET'
      return answers[path]?.({ method, body, query: new URLSearchParams(query), headers }) ?? problem(404, 'not_found', '找不到该记录')
    })
  })
  afterEach(() => {
    app?.unmount()
    vi.unstubAllGlobals()
    document.body.innerHTML = ''
  })
}

export function openPage(): void {
  document.body.innerHTML = '<div id="app"></div>'
  app = createApp(App)
  app.mount('#app')
}

export const sessionOf = (role: Role): Session => ({
  access_token: 'a',
  refresh_token: 'r',
  expires_in: 900,
  user: { id: 'u1', username: 'zhang', name: '张敏', role, unit_id: null },
})

/** Opens the page as somebody who is signed in. */
export function openAs(role: Role): void {
  const session = sessionOf(role)
  answers['/me'] ??= () => Response.json({ user: session.user })
  sessionStorage.setItem('chengguan.session', JSON.stringify(session))
  openPage()
}

export const one = <E extends HTMLElement>(name: string) => document.querySelector<E>(`[data-testid=${name}]`)
export const all = (name: string) => [...document.querySelectorAll<HTMLElement>(`[data-testid=${name}]`)]
export const text = (name: string) => one(name)?.textContent ?? ''

export function write(name: string, words: string): void {
  const field = one<HTMLTextAreaElement>(name)
  if (field === null) throw new Error(`no field ${name}`)
  field.value = words
  field.dispatchEvent(new Event('input'))
}

export function choose(name: string, value: string): void {
  const field = one<HTMLSelectElement>(name)
  if (field === null) throw new Error(`no field ${name}`)
  field.value = value
  field.dispatchEvent(new Event('change'))
}
