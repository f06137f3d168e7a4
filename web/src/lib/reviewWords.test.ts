import { describe, expect, it } from 'vitest'
import { confidence, reason, refusalDetail, verdictText } from './reviewWords'
import type { OpResult } from './sync'

const result = (change: Partial<OpResult>): OpResult => ({ op_id: 'o1', status: 'conflict', ...change })
const why = (change: Partial<OpResult>) => reason({ result: result(change) })

describe('why an operation waits', () => {
  it.each([
    ['stage_moved', 'conflict'],
    ['field_changed', 'conflict'],
    ['dependency_missing', 'held'],
    ['dependency_unsettled', 'held'],
    ['dependency_unsettled', 'conflict'],
    ['evidence_missing', 'held'],
    ['reauth', 'held'],
    ['op_unsupported', 'held'],
    ['device_revoked', 'quarantined'],
    ['held_too_long', 'conflict'],
    ['internal', 'quarantined'],
  ] as const)('is said in Chinese for %s (%s), with what to do about it', (code, status) => {
    const { title, text, hint } = why({ code, status, detail: 'title' })
    for (const words of [title, text, hint]) expect(words).toMatch(/^[\u3000-\u9fff「」\d，。：；、（） A-Za-z]{5,}$/)
    expect(title + text + hint).not.toContain('_')
  })

  it('names the stage that others brought the case to', () => {
    expect(why({ code: 'stage_moved', detail: 'closed' }).text).toContain('「已结案」')
  })

  it('without a stage says that the case is no longer the person\'s unit\'s', () => {
    expect(why({ code: 'stage_moved' }).title).toBe('案件已不归该单位')
  })

  it('names the fields that two people changed', () => {
    expect(why({ code: 'field_changed', detail: 'address class_code' }).text).toContain('「地址、问题类别」')
  })

  it('counts what has not arrived', () => {
    expect(why({ status: 'held', code: 'dependency_missing', waiting: ['op:a', 'op:b'] }).text).toContain('另外 2 步')
    expect(why({ status: 'held', code: 'evidence_missing', waiting: ['evidence:a'] }).text).toContain('1 件')
  })

  it('names the type that the server does not know, with its version', () => {
    const { text } = why({ status: 'held', code: 'op_unsupported', waiting: ['type:case.praise:3'] })
    expect(text).toContain('（praise，第 3 版）')
  })

  it.each(['uncompared', 'undecided', 'reused', 'of_tomorrow'])('says what is the matter with the photos: %s', (detail) => {
    const { title, text, hint } = why({ status: 'held', code: 'photo_reuse_undecided', detail })
    for (const words of [title, text, hint]) expect(words).toMatch(/照片/)
  })

  it('of one that was held too long is what it had waited for', () => {
    expect(why({ code: 'held_too_long', detail: 'evidence_missing' }).text).toContain('照片或视频还没有传到')
  })

  it('is the raw code when a newer server has a reason of its own', () => {
    expect(why({ code: 'moon_phase', detail: 'waxing' })).toEqual({ title: 'moon_phase', text: 'waxing', hint: '' })
  })
})

it('a refused decision names the stage as it is now, and that nothing changed', () => {
  expect(refusalDetail('stage_moved', 'closed')).toBe(
    '案件现在是「已结案」，这一环节不能做这一步。这一步没有执行，仍在等待决定。',
  )
  expect(refusalDetail('busy', null)).toBeNull()
})

it.each([
  ['good', '可信'],
  ['aged', '较旧'],
  ['suspect', '存疑'],
  ['guessed', 'guessed'],
])('a time that is known as %s is called %s', (word, said) => expect(confidence(word).word).toBe(said))

describe('what a decision came to', () => {
  it.each([
    ['applied', 0, '已采纳，这一步已生效。'],
    ['merged', 2, '已采纳，这一步已生效。排在后面的 2 项已按顺序处理，如有新的分歧会列在清单里。'],
    ['rejected', 3, '已决定不采纳，这一步没有生效，原文仍保存。排在后面的 3 项也一并不采纳。'],
  ] as const)('%s with %i behind it is told', (status, followers, said) => {
    expect(verdictText(result({ status }), followers)).toBe(said)
  })

  it('names what an accepted operation still waits for', () => {
    expect(verdictText(result({ status: 'held', code: 'evidence_missing' }), 1)).toContain('照片或视频还没有传到')
  })
})
