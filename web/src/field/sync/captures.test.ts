import 'fake-indexeddb/auto'
import { expect, it } from 'vitest'
import { publicKey, verifyChain } from '../../lib/capture'
import { openDb } from './db'
import { freshKey, publicJwk } from './device'
import { Store } from './store'

const photo = (digit: string) => ({
  blob: new Blob(['x']),
  filename: 'x.jpg',
  evidence: { sha256: digit.repeat(64), size: 1, mime: 'image/jpeg', role: 'scene', need: 'none' as const, captured_at: '2026-11-23T01:00:00Z' },
})

it('what is saved with photos is signed in one chain, also when two are saved at once', async () => {
  const store = new Store(await openDb('captures'))
  const key = await freshKey()
  const device = '01900000-0000-7000-8000-00000000000a'
  await store.enrolled({ device, name: 'h', kind: 'handheld', epoch: 1 }, key, { offset_ms: 0, measured_at: 0 })
  const save = (op_id: string, digit: string) =>
    store.save({
      op_id, type: 'case.report', target: { kind: 'case', id: op_id }, actor: 'u', session: 's',
      occurred_at: '2026-11-23T01:00:00Z', mono_ms: 5, boot: 'b', args: { title: 'x' }, files: [photo(digit)],
      gps: { lat: 27.44, lon: 109.94 + Number(digit) / 1000, datum: 'wgs84', accuracy_m: 6, fix_age_s: 1 },
    })
  await Promise.all([save('a', '1'), save('b', '2'), save('c', '3')])
  const rows = await store.capturesWaiting(10)
  expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3])
  const jwk = await publicJwk(key)
  expect(await verifyChain(rows.map(({ raw }) => raw), await publicKey(jwk))).toEqual([])
  await store.capturesAnswered(rows.slice(0, 2).map(({ sha256 }) => sha256), '2026-11-23T02:00:00Z', { size: 1, root: '0'.repeat(64) })
  expect((await store.capturesWaiting(10)).map(({ seq }) => seq)).toEqual([3])
  // A server with a new life may know nothing of them.
  await store.live(null, 'g')
  expect((await store.capturesWaiting(10)).length).toBe(3)
})
