import { afterEach, expect, it } from 'vitest'
import { language, locale, phrases, terms } from './language'

afterEach(() => {
  language.value = 'zh'
})

it('says a phrase in the language that a person chose, with its values', () => {
  const say = phrases({ left: '还有 {count} 张' }, { left: '{count} left' })
  expect(say('left', { count: 3 })).toBe('还有 3 张')
  language.value = 'en'
  expect(say('left', { count: 3 })).toBe('3 left')
})

it('leaves a place without a value as it is written', () => {
  expect(phrases({ a: '{n} 个' }, { a: '{n}' })('a')).toBe('{n} 个')
})

it('shows what it has no word for as it came', () => {
  const say = terms({ a: '甲' }, { a: 'A' })
  expect([say('a'), say('new')]).toEqual(['甲', 'new'])
  language.value = 'en'
  expect([say('a'), say('new'), locale()]).toEqual(['A', 'new', 'en'])
})
