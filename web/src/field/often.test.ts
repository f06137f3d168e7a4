import { describe, expect, it } from 'vitest'
import { often, remembered, toggled } from './often'

describe('words that are often used', () => {
  it('fit the class, and some fit all', () => {
    const first = (kind: 'component' | 'event', code: string) => often({ kind, code })[0]
    expect(first('event', '0406')).toBe('占用人行道')
    expect(first('event', '0113')).toBe('坑洼积水')
    expect(first('event', '0301')).toBe('油烟扰民')
    expect(first('event', '0304')).toBe('未设围挡')
    expect(first('component', '0101')).toBe('破损')
    // A county's own classes have more digits.
    expect(first('component', '013701')).toBe('设施破损')
    const any = often(null)
    expect(any.length).toBeGreaterThan(2)
    for (const code of ['0601', '9901']) expect(often({ kind: 'event', code })).toEqual(any)
  })

  it('a tap writes one behind the others, the next one takes it out', () => {
    const once = toggled('三轮车', '占用盲道', '；')
    expect(once).toBe('三轮车；占用盲道')
    expect(toggled(once, '占用盲道', '；')).toBe('三轮车')
    expect(toggled('', '占用盲道', '；')).toBe('占用盲道')
    // A part of other words is not the phrase.
    expect(toggled('严重占用盲道', '占用盲道', '；')).toBe('严重占用盲道；占用盲道')
  })

  it('remembers the last five short words of a person, each once', () => {
    expect(remembered([], '甲；乙')).toEqual(['乙', '甲'])
    expect(remembered(['甲', '乙', '丙', '丁', '戊'], '己；甲')).toEqual(['甲', '己', '乙', '丙', '丁'])
    expect(remembered(['甲'], `${'长'.repeat(25)}；  `)).toEqual(['甲'])
  })
})
