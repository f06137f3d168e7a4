// The first letter of each character's pinyin, by the browser's own Chinese order: it sorts by pinyin, so the letter is
// that of the last of these characters that does not come after. Each is the first of its letter.

const FIRSTS = '阿八嚓哒妸发旮哈讥咔垃妈拏噢妑七呥扨它穵夕丫帀'
const LETTERS = 'abcdefghjklmnopqrstwxyz'
const order = new Intl.Collator('zh-CN-u-co-pinyin')

export function initials(text: string): string {
  let out = ''
  for (const char of text) {
    if (!/\p{Script=Han}/u.test(char)) {
      out += char.toLowerCase()
      continue
    }
    let found = ''
    for (const [index, first] of [...FIRSTS].entries()) {
      if (order.compare(first, char) > 0) break
      found = LETTERS[index] ?? ''
    }
    out += found
  }
  return out
}
