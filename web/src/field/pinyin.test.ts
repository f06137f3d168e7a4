import { expect, it } from 'vitest'
import { classIndex, findClasses, initials } from './pinyin'
import type { CaseClass } from './sync/client'

it('names are found by the first letters of their pinyin', () => {
  expect(initials('上水井盖')).toBe('ssjg')
  expect(initials('暴露垃圾')).toBe('bllj')
  expect(initials('路面破损')).toBe('lmps')
  expect(initials('无照经营游商')).toBe('wzjyys')
  expect(initials('ATM机')).toBe('atmj')
})

const made = (kind: CaseClass['kind'], code: string, name: string, ...filings: string[]): CaseClass => ({
  kind, code, name, big_name: '大类', conditions: filings.map((filing, at) => ({ number: at + 1, filing, limit: {} as CaseClass['conditions'][number]['limit'] })),
})
const items = [
  made('event', '0301', '工地扬尘', '渣土撒漏'),
  made('event', '0120', '油烟污染', '噪音扰民、油烟扰民'),
  made('component', '0101', '上水井盖', '盖体破损', '车辆碾压时弹跳作响'),
  made('event', '0113', '道路破损', '路面坑洼'),
]
const names = (text: string) => findClasses(classIndex(items), text).map(({ name }) => name)

it('a class is found by the words of its filing conditions and their letters, for whoever does not know its name', () => {
  expect(names('坑洼')).toEqual(['道路破损'])
  expect(names('zyrm')).toEqual(['油烟污染'])
  expect(names('没有这种事')).toEqual([])
})

it('what the name or the code says comes before what a filing condition says', () => {
  expect(names('破损')).toEqual(['道路破损', '上水井盖'])
  expect(names('ps')).toEqual(['道路破损', '上水井盖'])
  expect(names('0101')).toEqual(['上水井盖'])
})

it('letters that a keyboard for Chinese sets apart are found while they are typed', () => {
  expect(names("J'g")).toEqual(['上水井盖'])
  expect(names('l m')).toEqual(['道路破损'])
})

it('the letters of one catalogue are made once', () => {
  const first = classIndex(items)
  expect(classIndex(items)).toBe(first)
  expect(classIndex([...items])).not.toBe(first)
})
