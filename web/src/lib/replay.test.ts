// @vitest-environment node
import { expect, it } from 'vitest'
import text from '../../../api-spec/assessment-vectors.json?raw'
import { replay } from './replay'

interface Vectors {
  packs: { name: string; text: string; sha256: string }[]
  changes: { name: string; pack: number; from: string; to: string; differences: string[] }[]
}

const vectors = JSON.parse(text) as Vectors

it('the server’s packs come out equal, with the hash they were published by', () => {
  expect(vectors.packs.length).toBeGreaterThan(2)
  for (const { name, text, sha256 } of vectors.packs) {
    expect(replay(text), name).toMatchObject({ sha256, differences: [] })
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

it('no pack is told from one', () => {
  expect(() => replay('{"format":"chengguan-assessment/9"}')).toThrow('chengguan-assessment/1')
  expect(() => replay('<html>')).toThrow()
})
