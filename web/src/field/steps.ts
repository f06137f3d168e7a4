// What a person may do to a case where they stand, by its stage and their role: the street's part of the server's own
// rules (`Command` in src/cases/rules.rs), so that nothing is offered offline that the server is sure to refuse. Pure.

import type { Role } from '../lib/types'
import type { CaseView } from './sync/view'

/** A place for one photo, and what it shows there. */
export interface PhotoSlot {
  id: string
  name: string
  /** The role of the evidence. */
  role: 'before' | 'after' | 'scene'
}

export interface CaseStep {
  /** In the address of its page. */
  id: string
  type: string
  name: string
  /** Which argument the person's words are; they must not be missing unless `wordless`. */
  words: 'note' | 'reason' | 'text'
  wordless?: boolean
  fixed?: Record<string, unknown>
  /** Words that are often used; a tap writes them. */
  phrases: string[]
  slots: PhotoSlot[]
  /** The slots that must be filled. */
  needs: string[]
  /** Asks for a moment, as `until`. */
  until?: boolean
  /** Builds on what the person saw; a remark does not. */
  guarded: boolean
  /** Stands below, as a large button. */
  main?: boolean
}

const BEFORE: PhotoSlot = { id: 'before', name: '处置前', role: 'before' }
const AFTER: PhotoSlot = { id: 'after', name: '处置后', role: 'after' }
const SCENE: PhotoSlot = { id: 'scene', name: '现场', role: 'scene' }
const DETAIL: PhotoSlot = { id: 'detail', name: '细节', role: 'scene' }

const HANDLE: CaseStep = {
  id: 'handle', type: 'case.handle', name: '处置', words: 'note', guarded: true, main: true,
  phrases: ['已清理完毕', '已修复', '已拆除', '已责令当场整改', '已恢复原状'],
  slots: [BEFORE, AFTER], needs: ['after'],
}
const APPLY: CaseStep = {
  id: 'apply_closing', type: 'case.apply_closing', name: '申请结案', words: 'note', guarded: true, main: true,
  phrases: ['已处置完毕，申请结案', '经复查问题未反弹'], slots: [AFTER], needs: [],
}
const RETURN: CaseStep = {
  id: 'return', type: 'case.return', name: '退回', words: 'reason', guarded: true, main: true,
  phrases: ['不属本单位职责', '位置不在本单位责任区', '现场未发现问题', '权属不清，需另行确认'], slots: [SCENE], needs: [],
}
const EXTENSION: CaseStep = {
  id: 'request_extension', type: 'case.request_extension', name: '申请延期', words: 'reason', guarded: true, until: true,
  phrases: ['工程量大', '天气原因', '等待材料', '需多部门配合'], slots: [SCENE], needs: [],
}
const HOLD: CaseStep = {
  id: 'request_hold', type: 'case.request_hold', name: '申请挂账', words: 'reason', guarded: true,
  phrases: ['涉及拆迁，暂不具备条件', '等待专项资金', '季节性原因'], slots: [SCENE], needs: [],
}
const PASSED: CaseStep = {
  id: 'verify', type: 'case.verify', name: '核查通过', words: 'note', wordless: true, fixed: { passed: true }, guarded: true,
  main: true, phrases: ['问题已解决', '现场整洁'], slots: [SCENE, DETAIL], needs: ['scene'],
}
const FAILED: CaseStep = {
  ...PASSED, id: 'verify_failed', name: '不通过', wordless: false, fixed: { passed: false },
  phrases: ['问题仍在', '处置不彻底', '已反弹', '位置不符'],
}
const NOTE: CaseStep = {
  id: 'note', type: 'case.note', name: '补充说明', words: 'text', guarded: false,
  phrases: ['现场已核实，情况属实', '现场核实，情况不属实', '已联系责任单位', '无法到达现场'], slots: [SCENE, DETAIL], needs: [],
}

/** The steps at this stage for this person, the most usual first; whoever sees a case may add to it. */
export function stepsFor(person: { role: Role; unit_id: string | null }, of: CaseView): CaseStep[] {
  const steps: CaseStep[] = []
  const { role, unit_id } = person
  const own = unit_id !== null && of.unit_id === unit_id && (role === 'officer' || role === 'liaison')
  if (of.state === 'dispatched') {
    if (own || role === 'dispatcher') steps.push(HANDLE)
    if (own) steps.push(RETURN)
  }
  if (of.state === 'handled' && own) steps.push(APPLY)
  if (own && role === 'liaison' && (of.state === 'dispatched' || of.state === 'handled')) {
    if (!of.asked_extension) steps.push(EXTENSION)
    if (!of.on_hold && !of.asked_hold) steps.push(HOLD)
  }
  if (of.state === 'verifying' && !of.passed && (role === 'verifier' || role === 'dispatcher')) steps.push(PASSED, FAILED)
  // What a report did not bring home yet can carry remarks all the same: they come after it.
  return [...steps, NOTE]
}

/** Roles whose words a report may hold (`REPORTERS` in src/cases/report.rs) may also correct them. */
const REPORTERS: Role[] = ['inspector', 'officer', 'spot_checker', 'liaison', 'dispatcher']

export function mayEdit(person: { role: Role; unit_id: string | null }, of: CaseView): boolean {
  if (!REPORTERS.includes(person.role) || of.state === 'closed' || of.state === 'void') return false
  const unitWork = person.role === 'officer' || person.role === 'liaison'
  return !unitWork || of.unit_id === null || of.unit_id === person.unit_id
}
