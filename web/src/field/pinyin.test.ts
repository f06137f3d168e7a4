import { expect, it } from 'vitest'
import { initials } from './pinyin'

it('names are found by the first letters of their pinyin', () => {
  expect(initials('上水井盖')).toBe('ssjg')
  expect(initials('暴露垃圾')).toBe('bllj')
  expect(initials('路面破损')).toBe('lmps')
  expect(initials('无照经营游商')).toBe('wzjyys')
  expect(initials('ATM机')).toBe('atmj')
})
