// A film whose player fetches what it shows in parts and by itself. It cannot bring a token, so the server gives it a way
// in that holds for a while; nothing is fetched before somebody wants to see it.

import { ref, shallowRef } from 'vue'
import type { Ticket } from './evidence'

/** `ask` gets the way in; its failure is the caller's to tell. */
export function useFilm(ask: () => Promise<Ticket>) {
  const ticket = shallowRef<Ticket | null>(null)
  const unplayable = ref(false)
  /** Where to go on, seconds. */
  let from = 0

  async function open(): Promise<void> {
    ticket.value = await ask()
  }

  function ready({ target }: Event): void {
    if (from > 0) (target as HTMLVideoElement).currentTime = from
  }

  /** Whether the way in ended while the film was paused: opened again, it goes on where it stood. */
  function ended({ target }: Event): boolean {
    if (ticket.value !== null && Date.parse(ticket.value.expires_at) <= Date.now()) {
      from = (target as HTMLVideoElement).currentTime
      return true
    }
    unplayable.value = true
    ticket.value = null
    return false
  }

  return { ticket, unplayable, open, ready, ended }
}
