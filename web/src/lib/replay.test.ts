// @vitest-environment node
import { expect, it } from 'vitest'
import text from '../../../api-spec/assessment-vectors.json?raw'
import { canonical, type Json } from './capture'
import { replay, type MonthPack } from './replay'

interface Vectors {
  packs: { name: string; text: string; sha256: string }[]
  changes: { name: string; pack: number; from: string; to: string; differences: string[] }[]
}

const vectors = JSON.parse(text) as Vectors

it('the server’s packs come out equal, with the hash they were published by', () => {
  expect(vectors.packs.length).toBeGreaterThan(2)
  for (const { name, text, sha256 } of vectors.packs) {
    expect(replay(text), name).toMatchObject({ edition: 1, sha256, differences: [] })
  }
})

it('what was changed in a pack is told in the words of the command', () => {
  expect(vectors.changes.length).toBeGreaterThan(5)
  for (const { name, pack, from, to, differences } of vectors.changes) {
    const { text = '', sha256 } = vectors.packs[pack] ?? {}
    const found = replay(text.replace(from, to))
    expect(found.differences, name).toEqual(differences)
    expect(found.sha256).not.toBe(sha256)
  }
})

/** The second edition of the first pack: what two counter-lines and a third beside one of them come to, reckoned by hand. */
function aSecondEdition(): MonthPack {
  const { text = '', sha256: corrects = '' } = vectors.packs[0] ?? {}
  const pack = JSON.parse(text) as MonthPack
  const [one, five] = [1, 5].map((n) => `00000000-0000-7000-0001-00000000000${n}`) as [string, string]
  const id = '00000000-0000-7000-0007-000000000001'
  const counters = [
    { unit_id: one, line: 4, delta: 16_000, why: '第 2 版更正第 4 条：记在了别的单位名下' },
    { unit_id: five, line: 31, delta: 4_000, why: '第 2 版更正第 31 条：漏记' },
    { unit_id: five, line: 40, delta: -500, why: '第 2 版更正第 40 条：多计' },
  ]
  pack.correction = { edition: 2, corrects, reason: '抽检记录张冠李戴' }
  pack.inputs.corrections = counters.map(({ line, delta, why }) => ({ id, line, delta, why }))
  counters.forEach(({ unit_id, line, delta, why }, at) =>
    pack.lines.push({ n: 39 + at, unit_id, part: 'spot_checks', item: 'correction', record_kind: 'correction', record_id: id, delta, why, counters: line }),
  )
  // The first unit comes within what the best of its class has by chance.
  Object.assign(pack.totals.find((total) => total.unit_id === one) ?? {}, { spot_checks: 34_989, total: 90_810, rank: 2, band: 1 })
  Object.assign(pack.totals.find((total) => total.unit_id === five) ?? {}, { spot_checks: 3_500, total: 58_500, rank: 1, band: 1 })
  return pack
}

const spelt = (pack: MonthPack): string => canonical(pack as unknown as Json)

it('a second edition comes out equal, with its counter-lines after those of the objections', () => {
  const pack = aSecondEdition()
  expect(pack.lines[37]).toMatchObject({ n: 38, item: 'counter' })
  expect(replay(spelt(pack))).toMatchObject({ edition: 2, differences: [] })
  Object.assign(pack.inputs.corrections?.[0] ?? {}, { delta: 15_000 })
  expect(replay(spelt(pack)).differences[0]).toMatch(/^明细第 39 条：包内 .* 16 分（.*）；重算 .* 15 分（/)
})

it('a pack that corrects nothing can’t call itself an edition', () => {
  const pack = aSecondEdition()
  Object.assign(pack.correction ?? {}, { edition: 1 })
  expect(() => replay(spelt(pack))).toThrow('correction.edition')
})

it('no pack is told from one', () => {
  expect(() => replay('{"format":"chengguan-assessment/9"}')).toThrow('chengguan-assessment/1')
  expect(() => replay('<html>')).toThrow()
})
