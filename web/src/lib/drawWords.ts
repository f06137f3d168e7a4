// The draw of the spot checks as people read and check it.

import { canonical, type Json } from './capture'
import { mismatch, sha256, type Frame, type Mismatch, type Pack } from './draw'
import { siteKindLabel } from './recordWords'
import { SITE_KINDS, SLOTS, type DrawPick, type DrawState, type KindList } from './spotchecks'

const STATES: Record<DrawState, [word: string, tone: string]> = {
  framed: ['已公布抽样框', 'centre'],
  sealed: ['种子已确认', 'warn'],
  drawn: ['已抽签', 'unit'],
}

export const drawStateLabel = (state: string): string => STATES[state as DrawState]?.[0] ?? state
export const drawStateTone = (state: string): string => STATES[state as DrawState]?.[1] ?? 'ended'

const PICK_STATES: Record<DrawPick['state'], [mark: string, word: string]> = {
  open: ['…', '待检查'],
  visited: ['✓', '已检查'],
  unreachable: ['✗', '到不了'],
}

export const pickMark = (state: string): string => PICK_STATES[state as DrawPick['state']]?.[0] ?? '?'
export const pickLabel = (state: string): string => PICK_STATES[state as DrawPick['state']]?.[1] ?? state

/** What stands in a slot now: of those that took each other's place the last; second visits are none of them. */
export function slotPick(picks: DrawPick[], slot: number): DrawPick | undefined {
  return picks.filter((pick) => pick.slot === slot && !pick.recheck).sort((a, b) => b.turn - a.turn)[0]
}

/** The slots from 1 on, each with its kind. */
export const slots = SLOTS.map((kind, at) => ({ slot: at + 1, kind }))

/** How many sites of each kind a unit has in the frame. */
export function siteCounts(unit: Frame['units'][number]): number[] {
  return SITE_KINDS.map((kind) => unit.sites.filter((site) => site.kind === kind).length)
}

/** Whether a frame has the hash that was published, computed here. */
export const frameAgrees = (frame: Frame, published: string): boolean => sha256(canonical(frame as unknown as Json)) === published

const MISMATCHES: Record<Mismatch, string> = {
  format: '抽签包的格式不认识',
  frame: '抽样框与公布的摘要不符',
  sources: '开奖来源不是抽样框写明的',
  nonce: '有随机数与事先的承诺不符',
  seed: '种子不是由开奖结果和随机数组成的',
  draw: '按抽样框和种子重抽，结果不同',
  result: '结果与公布的摘要不符',
}

/** What computing a pack again on this computer has shown. */
export function verdictOf(pack: Pack, published: { frame_sha256: string; result_sha256: string | null }): { agrees: boolean; words: string } {
  if (pack.frame_sha256 !== published.frame_sha256 || pack.result_sha256 !== published.result_sha256) {
    return { agrees: false, words: '抽签包的摘要与本页公布的不同' }
  }
  const found = mismatch(pack)
  return found === null ? { agrees: true, words: '重算结果与公布的逐字节相同' } : { agrees: false, words: MISMATCHES[found] }
}

/** The events that a seed may come from. */
export const SSQ = '双色球'
export const FC3D = '福彩3D'
export const DICE = '骰子'

const SHAPES: Record<string, string> = {
  [SSQ]: '03-08-11-19-24-31+07',
  [FC3D]: '4-0-7',
  [DICE]: '二十次的点数，连写 20 位',
}

export const resultShape = (name: string): string => SHAPES[name] ?? ''

/** 64 hexadecimal digits that nobody else knows. */
export function newNonce(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** ISO week of a day of the county, `2026-W48`. */
export function weekOf(day: string): string {
  const at = new Date(`${day}T00:00:00Z`)
  // The Thursday of the week says which year it is of.
  at.setUTCDate(at.getUTCDate() + 4 - (at.getUTCDay() || 7))
  const first = Date.UTC(at.getUTCFullYear(), 0, 1)
  return `${at.getUTCFullYear()}-W${String(Math.ceil(((at.getTime() - first) / 86_400_000 + 1) / 7)).padStart(2, '0')}`
}

/** The seven days of an ISO week, Monday first; none for what is no week. */
export function daysOf(week: string): string[] {
  const [, year, n] = /^(\d{4})-W(\d{2})$/.exec(week) ?? []
  if (year === undefined) return []
  // The fourth of January is always in the first week.
  const fourth = new Date(Date.UTC(Number(year), 0, 4))
  const monday = fourth.getTime() + ((Number(n) - 1) * 7 - ((fourth.getUTCDay() || 7) - 1)) * 86_400_000
  const days = Array.from({ length: 7 }, (_, at) => new Date(monday + at * 86_400_000).toISOString().slice(0, 10))
  return days.every((day) => weekOf(day) === week) ? days : []
}

/** Whether it is a time band such as `09:00-11:30`. */
export function isBand(text: string): boolean {
  const [, from = '', until = ''] = /^((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)$/.exec(text) ?? []
  return from < until
}

/** What keeps a checklist from being put in force, in words; empty when nothing does. */
export function faultOfChecklist(kinds: KindList[], source: string): string {
  const codes = new Set<string>()
  for (const { kind, items } of kinds) {
    const where = siteKindLabel(kind)
    if (items.length < 1 || items.length > 30) return `${where}：应有 1–30 个检查项。`
    for (const { code, name, rule, points, step } of items) {
      const of = `${where}“${name || code}”`
      if (code.trim() === '' || name.trim() === '' || rule.trim() === '') return `${of}：编号、名称和扣分规则都要填。`
      if (codes.has(code.trim())) return `${of}：编号 ${code} 重复，整张表内不能重复。`
      codes.add(code.trim())
      if (!(points >= 1 && points <= 100_000 && step >= 1 && step <= points)) return `${of}：分值为 0.001–100，每处扣分不超过分值，最多三位小数。`
    }
  }
  return source.trim() === '' ? '请写明依据，如会议或文件。' : ''
}
