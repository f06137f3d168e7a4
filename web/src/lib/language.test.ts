import { afterEach, expect, it } from 'vitest'
import { language, phrases } from './language'

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
