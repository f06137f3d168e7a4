// Unlocking without a network: a session is sealed under a key that is derived from the person's six digits and from a
// secret that this browser holds and cannot show, so that the sealed bytes alone can be guessed at nowhere else. Wrong
// digits are counted before they are tried; after the fifth the sealed session is gone, and only the password helps.
// While a person works their session lies open, as does what they read; what locks it away is `Persons.lock`.

import type { User } from '../../lib/types'
import type { Tx } from './db'
import type { FieldSession, Store } from './store'
import { say } from './words'

export const TRIES = 5
const ROUNDS = 210_000
const SECRET = { name: 'HMAC', hash: 'SHA-256' } as const

/** A person who can unlock this device, and their session while they do not work. */
export interface PersonRow {
  user: User
  salt: Uint8Array<ArrayBuffer>
  /** Null while the person works: then the session is open, and `key` will seal it. */
  sealed: { iv: Uint8Array<ArrayBuffer>; bytes: ArrayBuffer } | null
  key: CryptoKey | null
  tries: number
}

export type Unlocked = { t: 'open'; user: User } | { t: 'wrong'; left: number } | { t: 'gone' }

/** Six digits that are not the first anybody would try. */
export function pinFault(pin: string): string | null {
  if (!/^\d{6}$/.test(pin)) return say('six_digits')
  const steps = new Set([...pin].slice(1).map((digit, index) => Number(digit) - Number(pin[index])))
  return steps.size === 1 && [0, 1, -1].includes([...steps][0] as number) ? say('too_easy') : null
}

export class Persons {
  constructor(private readonly store: Store) {}

  async all(): Promise<PersonRow[]> {
    return (await this.store.meta<PersonRow[]>('persons')) ?? []
  }

  /** Lets the person who works now unlock with these digits from here on. */
  async setPin(pin: string): Promise<void> {
    const session = await this.store.session()
    if (session === null) throw new Error('nobody is signed in')
    const salt = crypto.getRandomValues(new Uint8Array(16))
    const key = await this.derive(pin, salt)
    await this.store.change(async (tx) => {
      const others = (await rows(tx)).filter(({ user }) => user.id !== session.user.id)
      const row: PersonRow = { user: session.user, salt, sealed: null, key, tries: TRIES }
      await tx.put('meta', [...others, row], 'persons')
    })
  }

  /**
   * Seals the open session away; true when it is, false when its person has no digits. What waits is still sent, by the
   * device's own key and in the name of whoever made it.
   */
  async lock(): Promise<boolean> {
    for (;;) {
      const session = await this.store.session()
      const mine = (await this.all()).find(({ user }) => user.id === session?.user.id)
      if (session === null || mine?.key == null) return false
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const text = new TextEncoder().encode(JSON.stringify(session))
      const bytes = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, mine.key, text)
      const done = await this.store.change(async (tx) => {
        const now = await tx.get<FieldSession>('meta', 'session')
        // Its tokens were renewed meanwhile: the old ones must not be what is kept.
        if (now?.refresh_token !== session.refresh_token) return false
        await replace(tx, { ...mine, sealed: { iv, bytes }, key: null, tries: TRIES })
        await tx.delete('meta', 'session')
        return true
      })
      if (done) return true
    }
  }

  async unlock(userId: string, pin: string): Promise<Unlocked> {
    const row = await this.store.change(async (tx) => {
      const found = (await rows(tx)).find(({ user }) => user.id === userId)
      if (found?.sealed == null) return null
      // Counted first: a page that is closed while it tries has tried.
      if (found.tries > 0) await replace(tx, { ...found, tries: found.tries - 1 })
      return found
    })
    if (row?.sealed == null) return { t: 'gone' }
    const key = await this.derive(pin, row.salt)
    const { iv, bytes } = row.sealed
    let session: FieldSession
    try {
      const text = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, bytes)
      session = JSON.parse(new TextDecoder().decode(text)) as FieldSession
    } catch {
      if (row.tries > 1) return { t: 'wrong', left: row.tries - 1 }
      await this.forget(userId)
      return { t: 'gone' }
    }
    await this.store.change(async (tx) => {
      await tx.put('meta', session, 'session')
      await replace(tx, { ...row, sealed: null, key, tries: TRIES })
    })
    return { t: 'open', user: session.user }
  }

  /** The person can unlock no more. */
  async forget(userId: string): Promise<void> {
    await this.store.change(async (tx) => {
      await tx.put('meta', (await rows(tx)).filter(({ user }) => user.id !== userId), 'persons')
    })
  }

  private async derive(pin: string, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
    const mixed = await crypto.subtle.sign('HMAC', await this.secret(), new TextEncoder().encode(pin))
    const material = await crypto.subtle.importKey('raw', mixed, 'PBKDF2', false, ['deriveKey'])
    const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ROUNDS }
    return crypto.subtle.deriveKey(how, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
  }

  /** This browser's own secret, which no script can read. */
  private async secret(): Promise<CryptoKey> {
    const known = await this.store.meta<CryptoKey>('pin_secret')
    if (known !== null) return known
    const fresh = (await crypto.subtle.generateKey(SECRET, false, ['sign'])) as CryptoKey
    return this.store.change(async (tx) => {
      const first = await tx.get<CryptoKey>('meta', 'pin_secret')
      if (first === undefined) await tx.put('meta', fresh, 'pin_secret')
      return first ?? fresh
    })
  }
}

const rows = async (tx: Tx): Promise<PersonRow[]> => (await tx.get<PersonRow[]>('meta', 'persons')) ?? []

async function replace(tx: Tx, row: PersonRow): Promise<void> {
  const others = (await rows(tx)).filter(({ user }) => user.id !== row.user.id)
  await tx.put('meta', [...others, row], 'persons')
}
