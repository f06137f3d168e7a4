// What a person may do to a case where they stand, by its stage and their role: the street's part of the server's own
// rules (`Command` in src/cases/rules.rs), so that nothing is offered offline that the server is sure to refuse. Pure.

import { phrases } from '../lib/language'
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

const say = phrases(
  {
    before: '处置前', after: '处置后', scene: '现场', detail: '细节', handle: '处置', apply_closing: '申请结案', return: '退回',
    request_extension: '申请延期', request_hold: '申请挂账', verify: '核查通过', verify_failed: '不通过', note: '补充说明',
  },
  {
    before: 'Before', after: 'After', scene: 'Scene', detail: 'Detail', handle: 'Handle', apply_closing: 'Apply for closing',
    return: 'Return', request_extension: 'Ask for an extension', request_hold: 'Ask for a hold', verify: 'Passed',
    verify_failed: 'Not passed', note: 'Add a remark',
  },
)

/** Words that are often used, one a line: what is written into the record is what the person reads. */
const often = phrases(
  {
    handle: '已清理完毕\n已修复\n已拆除\n已责令当场整改\n已恢复原状',
    apply_closing: '已处置完毕，申请结案\n经复查问题未反弹',
    return: '不属本单位职责\n位置不在本单位责任区\n现场未发现问题\n权属不清，需另行确认',
    request_extension: '工程量大\n天气原因\n等待材料\n需多部门配合',
    request_hold: '涉及拆迁，暂不具备条件\n等待专项资金\n季节性原因',
    verify: '问题已解决\n现场整洁',
    verify_failed: '问题仍在\n处置不彻底\n已反弹\n位置不符',
    note: '现场已核实，情况属实\n现场核实，情况不属实\n已联系责任单位\n无法到达现场',
  },
  {
    handle: 'Cleaned up\nRepaired\nTaken down\nOrdered to put it right at once\nRestored',
    apply_closing: 'Handled, closing applied for\nLooked again: it has not come back',
    return: 'Not this unit’s duty\nOutside this unit’s area\nNo problem found on site\nOwner unclear, to be confirmed',
    request_extension: 'Much work\nWeather\nWaiting for material\nSeveral departments needed',
    request_hold: 'Demolition pending, not possible yet\nWaiting for funds\nSeasonal',
    verify: 'Solved\nThe site is tidy',
    verify_failed: 'The problem is still there\nNot handled thoroughly\nIt has come back\nThe place is wrong',
    note: 'Seen on site: as reported\nSeen on site: not as reported\nThe unit was told\nThe site can’t be reached',
  },
)

type StepId = 'handle' | 'apply_closing' | 'return' | 'request_extension' | 'request_hold' | 'verify' | 'verify_failed' | 'note'

const slot = (id: 'before' | 'after' | 'scene' | 'detail', role: PhotoSlot['role']): PhotoSlot => ({ id, name: say(id), role })
const BEFORE = () => slot('before', 'before')
const AFTER = () => slot('after', 'after')
const SCENE = () => slot('scene', 'scene')
const DETAIL = () => slot('detail', 'scene')

/** In the language of the moment. */
const step = (id: StepId, rest: Omit<CaseStep, 'id' | 'name' | 'phrases'>): CaseStep => ({
  id, name: say(id), phrases: often(id).split('\n'), ...rest,
})

const HANDLE = () =>
  step('handle', { type: 'case.handle', words: 'note', guarded: true, main: true, slots: [BEFORE(), AFTER()], needs: ['after'] })
const APPLY = () =>
  step('apply_closing', { type: 'case.apply_closing', words: 'note', guarded: true, main: true, slots: [AFTER()], needs: [] })
const RETURN = () =>
  step('return', { type: 'case.return', words: 'reason', guarded: true, main: true, slots: [SCENE()], needs: [] })
const EXTENSION = () =>
  step('request_extension', {
    type: 'case.request_extension', words: 'reason', guarded: true, until: true, slots: [SCENE()], needs: [],
  })
const HOLD = () =>
  step('request_hold', { type: 'case.request_hold', words: 'reason', guarded: true, slots: [SCENE()], needs: [] })
const verified = (id: 'verify' | 'verify_failed', passed: boolean) =>
  step(id, {
    type: 'case.verify', words: 'note', wordless: passed, fixed: { passed }, guarded: true, main: true,
    slots: [SCENE(), DETAIL()], needs: ['scene'],
  })
const NOTE = () => step('note', { type: 'case.note', words: 'text', guarded: false, slots: [SCENE(), DETAIL()], needs: [] })

/** The steps at this stage for this person, the most usual first; whoever sees a case may add to it. */
export function stepsFor(person: { role: Role; unit_id: string | null }, of: CaseView): CaseStep[] {
  const steps: CaseStep[] = []
  const { role, unit_id } = person
  const own = unit_id !== null && of.unit_id === unit_id && (role === 'officer' || role === 'liaison')
  if (of.state === 'dispatched') {
    if (own || role === 'dispatcher') steps.push(HANDLE())
    if (own) steps.push(RETURN())
  }
  if (of.state === 'handled' && own) steps.push(APPLY())
  if (own && role === 'liaison' && (of.state === 'dispatched' || of.state === 'handled')) {
    if (!of.asked_extension) steps.push(EXTENSION())
    if (!of.on_hold && !of.asked_hold) steps.push(HOLD())
  }
  if (of.state === 'verifying' && !of.passed && (role === 'verifier' || role === 'dispatcher')) steps.push(verified('verify', true), verified('verify_failed', false))
  // What a report did not bring home yet can carry remarks all the same: they come after it.
  return [...steps, NOTE()]
}

/** Roles whose words a report may hold (`REPORTERS` in src/cases/report.rs) may also correct them. */
const REPORTERS: Role[] = ['inspector', 'officer', 'spot_checker', 'liaison', 'dispatcher']

export function mayEdit(person: { role: Role; unit_id: string | null }, of: CaseView): boolean {
  if (!REPORTERS.includes(person.role) || of.state === 'closed' || of.state === 'void') return false
  const unitWork = person.role === 'officer' || person.role === 'liaison'
  return !unitWork || of.unit_id === null || of.unit_id === person.unit_id
}
