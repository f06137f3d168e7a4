// For tests of whole pages: the console in a document, with the API's answers in place of a server.

import { createApp, type App as VueApp } from 'vue'
import { afterEach, beforeEach, vi } from 'vitest'
import type { Role } from '../lib/types'
import App from './App.vue'
import { leave } from './route'

export interface Asked {
  method: string
  body: unknown
  query: URLSearchParams
  headers: Record<string, string>
}

type Answers = Record<string, (asked: Asked) => Response>

export const problem = (status: number, code: string, title: string, detail?: string): Response =>
  Response.json(
    { type: `/problems/${code}`, title, status, code, detail, request_id: 'req-7' },
    { status, headers: { 'content-type': 'application/problem+json' } },
  )

/** What each path answers in every test of the file; a test replaces those it is about. */
export function fakeServer(usual: () => Answers): Answers {
  const answers: Answers = {}
  beforeEach(() => {
    sessionStorage.clear()
    leave()
    for (const path of Object.keys(answers)) delete answers[path]
    Object.assign(answers, usual())
    vi.stubGlobal('fetch', async (input: string, init?: RequestInit) => {
      const [path = '', query] = input.replace('/api/v1', '').split('?')
      const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : null
      const asked = {
        method: init?.method ?? 'GET',
        body,
        query: new URLSearchParams(query),
        headers: (init?.headers ?? {}) as Record<string, string>,
      }
      return answers[path]?.(asked) ?? problem(404, 'not_found', '找不到该记录')
    })
  })
  afterEach(() => {
    app?.unmount()
    app = null
    vi.unstubAllGlobals()
    document.body.innerHTML = ''
  })

  let app: VueApp | null = null
  open = () => {
    document.body.innerHTML = '<div id="app"></div>'
    app = createApp(App)
    app.mount('#app')
  }
  known = answers
  return answers
}

let open: () => void = () => undefined
let known: Answers = {}

/** Opens the page as somebody who is signed in. */
export function openAs(role: Role): void {
  const user = { id: 'u1', username: 'zhang', name: '张敏', role, unit_id: null }
  known['/me'] = () => Response.json({ user })
  sessionStorage.setItem('chengguan.session', JSON.stringify({ access_token: 'a', refresh_token: 'r', expires_in: 900, user }))
  open()
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
