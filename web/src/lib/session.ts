import type { Session } from './types'

/** Where the tokens are kept between page loads. */
export interface SessionStore {
  load(): Session | null
  save(session: Session | null): void
}

const KEY = 'chengguan.session'

/**
 * `sessionStorage`, not `localStorage`: on the shared computers of a duty room, closing the tab
 * must end the session. Storage may be forbidden by policy; then the session lives in memory only.
 */
export function tabSessionStore(storage: Storage = window.sessionStorage): SessionStore {
  let memory: Session | null = null
  return {
    load() {
      try {
        const text = storage.getItem(KEY)
        return text === null ? memory : readSession(JSON.parse(text))
      } catch {
        return memory
      }
    },
    save(session) {
      memory = session
      try {
        if (session === null) storage.removeItem(KEY)
        else storage.setItem(KEY, JSON.stringify(session))
      } catch {
        // Full or forbidden: `memory` serves until the page is left.
      }
    },
  }
}

/** What an older version of the page stored may be anything; half a session is none. */
function readSession(value: unknown): Session | null {
  const session = value as Partial<Session> | null
  const whole =
    typeof session?.access_token === 'string' &&
    typeof session.refresh_token === 'string' &&
    typeof session.user?.name === 'string'
  return whole ? (session as Session) : null
}
