import { describe, expect, it } from 'vitest'
import type { CaseState, Role } from '../lib/types'
import { mayEdit, stepsFor } from './steps'
import { casesOf } from './sync/view'
import type { BaseRow } from './sync/store'
import type { Op, OpResult } from './sync/wire'

const record = (state: CaseState, more: object = {}): BaseRow => ({
  kind: 'case', id: 'c', ver: 1, gone: 0, keys: [],
  data: { number: '1', title: '占道', state, unit_id: 'own', reported_at: '2026-11-26T01:00:00Z', rework_count: 0, ...more },
})
const view = (state: CaseState, more: object = {}) => casesOf([record(state, more)], [])[0]!
const steps = (role: Role, state: CaseState, more: object = {}, unit_id = 'own') =>
  stepsFor({ role, unit_id }, view(state, more)).map(({ id }) => id)

describe('the steps of a person at a case', () => {
  it('an officer handles or returns what their unit has, then applies for closing', () => {
    expect(steps('officer', 'dispatched')).toEqual(['handle', 'return', 'note'])
    expect(steps('officer', 'handled')).toEqual(['apply_closing', 'note'])
    expect(steps('officer', 'dispatched', {}, 'other')).toEqual(['note'])
    expect(steps('officer', 'closed')).toEqual(['note'])
  })

  it('a liaison also asks for time, once', () => {
    expect(steps('liaison', 'dispatched')).toEqual(['handle', 'return', 'request_extension', 'request_hold', 'note'])
    expect(steps('liaison', 'handled', { extension: {}, on_hold: true })).toEqual(['apply_closing', 'note'])
  })

  it('the city verifies what nobody has passed yet, and an inspector remarks', () => {
    expect(steps('verifier', 'verifying')).toEqual(['verify', 'verify_failed', 'note'])
    expect(steps('verifier', 'verifying', { passed: true })).toEqual(['note'])
    expect(steps('inspector', 'dispatched')).toEqual(['note'])
  })

  it('words are corrected until the case is over, by a unit in its own cases', () => {
    expect(mayEdit({ role: 'inspector', unit_id: null }, view('dispatched'))).toBe(true)
    expect(mayEdit({ role: 'officer', unit_id: 'other' }, view('dispatched'))).toBe(false)
    expect(mayEdit({ role: 'inspector', unit_id: null }, view('closed'))).toBe(false)
    expect(mayEdit({ role: 'supervisor', unit_id: null }, view('dispatched'))).toBe(false)
  })
})

describe('own operations on top of the records', () => {
  const op = (type: string, args: object): Op => ({
    op_id: type, seq: 1, type, v: 1, target: { kind: 'case', id: 'c' }, actor: 'u', session: 's', occurred_at: '2026-11-26T02:00:00Z',
    args: args as Record<string, unknown>,
  })
  const seen = (state: CaseState, one: Op, result: OpResult | null = null) => casesOf([record(state)], [{ op: one, result }])[0]

  it('what was done is seen at once, with the words it was done with', () => {
    const handled = seen('dispatched', op('case.handle', { note: '已清理' }))
    expect(handled).toMatchObject({ state: 'handled', pending: [{ words: '已清理', result: null }] })
    expect(seen('verifying', op('case.verify', { passed: false, note: '' }))?.state).toBe('dispatched')
    expect(seen('verifying', op('case.verify', { passed: true }))).toMatchObject({ state: 'verifying', passed: true })
    const edit = op('case.edit', { address: { old: null, new: '人民路 3 号' } })
    expect(seen('dispatched', edit)).toMatchObject({ title: '占道', address: '人民路 3 号' })
  })

  it('what came too late changes nothing that is seen', () => {
    const late: OpResult = { op_id: 'case.handle', status: 'conflict', code: 'stage_moved' }
    expect(seen('returned', op('case.handle', { note: '已清理' }), late)?.state).toBe('returned')
  })
})
