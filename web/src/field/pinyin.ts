// How a class is found by whoever types: by the words of the catalogue, and by the first letter of each character's pinyin.
// The letters are by the browser's own Chinese order: it sorts by pinyin, so the letter is that of the last of these
// characters that does not come after. Each is the first of its letter.

import type { CaseClass } from './sync/client'

const FIRSTS = [...'阿八嚓哒妸发旮哈讥咔垃妈拏噢妑七呥扨它穵夕丫帀']
const LETTERS = 'abcdefghjklmnopqrstwxyz'
const order = new Intl.Collator('zh-CN-u-co-pinyin')
/** A catalogue has many words and few characters, and a cheap phone compares slowly. */
const known = new Map<string, string>()

function initial(char: string): string {
  if (!/\p{Script=Han}/u.test(char)) return char.toLowerCase()
  const after = FIRSTS.findIndex((first) => order.compare(first, char) > 0)
  return LETTERS[(after < 0 ? FIRSTS.length : after) - 1] ?? ''
}

export function initials(text: string): string {
  let out = ''
  for (const char of text) {
    const letter = known.get(char) ?? initial(char)
    known.set(char, letter)
    out += letter
  }
  return out
}

interface Indexed {
  one: CaseClass
  letters: string
  filings: string
  filingLetters: string
}

const indices = new WeakMap<CaseClass[], Indexed[]>()

/** Kept for as long as the catalogue is: each report opens the search anew. */
export function classIndex(items: CaseClass[]): Indexed[] {
  const made = indices.get(items) ?? items.map((one) => {
    // One a line: no word is found across the end of one and the beginning of the next.
    const filings = one.conditions.map(({ filing }) => filing).join('\n')
    return { one, letters: initials(one.name), filings, filingLetters: initials(filings) }
  })
  indices.set(items, made)
  return made
}

/** Those that are called so first, then those whose filing conditions say so. */
export function findClasses(index: Indexed[], typed: string): CaseClass[] {
  // Keyboards set the letters of pinyin apart while they are typed.
  const text = typed.toLowerCase().replace(/['’\s]/g, '')
  if (text === '') return []
  const called = ({ one, letters }: Indexed) => one.name.includes(text) || one.code.startsWith(text) || letters.includes(text)
  const filed = ({ filings, filingLetters }: Indexed) => filings.includes(text) || filingLetters.includes(text)
  return [...index.filter(called), ...index.filter((each) => !called(each) && filed(each))].map(({ one }) => one)
}
