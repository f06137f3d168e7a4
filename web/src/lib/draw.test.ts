// @vitest-environment node
import { expect, it } from 'vitest'
import text from '../../../api-spec/draw-vectors.json?raw'
import { bestTicket, mismatch, sha256, type Mismatch, type Pack } from './draw'

interface Vectors {
  tickets: [seed: string, code: string, weight: number, ticket: string][]
  packs: { name: string; mismatch: Mismatch | null; pack: Pack }[]
}

const vectors = JSON.parse(text) as Vectors

it('hashes as everybody does, at every length of padding', async () => {
  for (let length = 0; length < 200; length++) {
    const words = '抽签abc'.repeat(40).slice(0, length)
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(words)))
    expect(sha256(words)).toBe(Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''))
  }
})

it('draws the tickets of the vectors', () => {
  for (const [seed, code, weight, ticket] of vectors.tickets) {
    expect(bestTicket(sha256(seed), code, weight)).toBe(ticket)
  }
})

it('agrees with the other verifiers about every pack, and sees every change', () => {
  expect(vectors.packs.length).toBeGreaterThan(10)
  for (const { name, mismatch: expected, pack } of vectors.packs) {
    expect(mismatch(pack), name).toBe(expected)
  }
})
