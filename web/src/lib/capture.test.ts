// @vitest-environment node
import { expect, it } from 'vitest'
import text from '../../../api-spec/capture-vectors.json?raw'
import { GENESIS, canonical, publicKey, sha256, sign, verifyChain, verifyRecord } from './capture'
import type { Content, Json } from './capture'

interface Vectors {
  canonical: { why: string; json: string; canonical: string | null }[]
  key: JsonWebKey
  record: { raw: string; signed: string; sha256: string }
  chains: { why: string; records: string[]; findings: { index: number; code: string }[] }[]
}

const vectors = JSON.parse(text) as Vectors

it.each(vectors.canonical)('$why', ({ json, canonical: expected }) => {
  const spelling = () => canonical(JSON.parse(json) as Json)
  if (expected === null) expect(spelling).toThrow()
  else expect(spelling()).toBe(expected)
})

it('the record of the vectors is read and verified', async () => {
  const { raw, signed, sha256: hash } = vectors.record
  const record = await verifyRecord(raw, await publicKey(vectors.key))
  expect(record).toMatchObject({ signed, sha256: hash })
  expect(await sha256(raw)).toBe(hash)
})

it.each(vectors.chains)('$why', async ({ records, findings }) => {
  expect(await verifyChain(records, await publicKey(vectors.key))).toEqual(findings)
})

it('what is signed here verifies', async () => {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
  const content: Content = {
    v: 1,
    device: '01900000-0000-7000-8000-000000000009',
    epoch: 1,
    seq: 1,
    prev: GENESIS,
    type: 'photo',
    body: { 说明: '井盖' },
    media: [{ sha256: await sha256('photo'), size: 5 }],
    wall_ms: 1_790_000_000_000,
  }
  const first = await sign(content, pair.privateKey)
  const second = await sign({ ...content, seq: 2, prev: await sha256(first) }, pair.privateKey)
  expect(await verifyChain([first, second], pair.publicKey)).toEqual([])
  expect(await verifyChain([second], pair.publicKey)).toEqual([{ index: 0, code: 'gap' }])
  expect(await verifyRecord(first.replace('井盖', '井蓋'), pair.publicKey)).toBe('bad_signature')
  await expect(sign({ ...content, seq: 0 }, pair.privateKey)).rejects.toThrow('seq')
})
