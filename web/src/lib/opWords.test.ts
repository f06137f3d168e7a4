import { expect, it } from 'vitest'
import { corrections, filledIn } from './opWords'
import type { Case } from './types'

const units = new Map([['n1', '县水利局']])
const record = { title: '井盖破损', address: '迎丰路 63 号', class_code: null } as Case

it('what was filled in is told in words', () => {
  expect(
    filledIn({ unit_id: 'n1', due_at: '2026-11-22T09:00:00Z', priority: 2, passed: false, note: '' }, units),
  ).toEqual([
    ['派往单位', '县水利局'],
    ['截止时间', '2026-11-22 17:00'],
    ['优先级', '特急'],
    ['核查结果', '未通过'],
    ['说明', '（空）'],
  ])
})

it('the findings of a spot check are told with their deductions', () => {
  const items = [{ code: 'A1', text: '垃圾未清', deduction: 500 }]
  expect(filledIn({ items }, units)).toEqual([['发现的问题', 'A1 垃圾未清（扣 0.5 分）']])
  expect(filledIn({ items: [] }, units)).toEqual([['发现的问题', '无']])
})

it('arguments of a newer client are shown as they came', () => {
  expect(filledIn({ mood: { sunny: true }, items: 'many' }, units)).toEqual([
    ['mood', '{"sunny":true}'],
    ['发现的问题', '"many"'],
  ])
})

it('a correction stands beside what was seen and what is there now', () => {
  const args = {
    address: { old: '迎丰路 36 号', new: '五溪大道口' },
    title: { old: '井盖破损', new: '井盖缺失' },
    class_code: { old: '0101', new: null },
  }
  expect(corrections(args, record)).toEqual([
    { label: '地址', old: '迎丰路 36 号', new: '五溪大道口', now: '迎丰路 63 号', contested: true },
    { label: '标题', old: '井盖破损', new: '井盖缺失', now: '井盖破损', contested: false },
    { label: '问题类别', old: '0101', new: '（空）', now: '（空）', contested: false },
  ])
  expect(filledIn(args, units)).toEqual([])
})

it('of a case that is not here, nothing is said about now', () => {
  expect(corrections({ title: { old: 'a', new: 'b' } }, null)[0]).toMatchObject({ now: null, contested: false })
})
