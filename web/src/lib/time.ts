// Times arrive as RFC 3339 in UTC and are read by people in Huaihua: always Asia/Shanghai, whatever
// the zone of the computer is.

import { phrases } from './language'

const say = phrases(
  {
    days: '{d} 天', days_hours: '{d} 天 {h} 时', hours: '{h} 时', hours_minutes: '{h} 时 {m} 分', minutes: '{m} 分', moment: '不到 1 分',
    held: '挂账，停止计时', closed_late: '超期办结', overdue: '已超期', overdue_by: '已超期 {time}', due: '已到时限', left: '剩 {time}',
  },
  {
    days: '{d} d', days_hours: '{d} d {h} h', hours: '{h} h', hours_minutes: '{h} h {m} min', minutes: '{m} min', moment: 'under 1 min',
    held: 'On hold, clock stopped', closed_late: 'Closed late', overdue: 'Overdue', overdue_by: 'Overdue by {time}',
    due: 'Due now', left: '{time} left',
  },
)

const parts = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Asia/Shanghai',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})

/** `2026-11-22 17:05`; a time that is not there is `—`, one that cannot be read is shown as it came. */
export function localTime(at: string | null | undefined): string {
  if (!at) return '—'
  const time = new Date(at)
  if (Number.isNaN(time.getTime())) return at
  const part: Record<string, string> = {}
  for (const { type, value } of parts.formatToParts(time)) part[type] = value
  return `${part['year']}-${part['month']}-${part['day']} ${part['hour']}:${part['minute']}`
}

/** `2 天 3 时`, `3 时 20 分`, `20 分`: the two largest units, as people say it. */
export function duration(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000)
  const days = Math.floor(minutes / 1440)
  const hours = Math.floor((minutes % 1440) / 60)
  const rest = minutes % 60
  if (days > 0) return say(hours > 0 ? 'days_hours' : 'days', { d: days, h: hours })
  if (hours > 0) return say(rest > 0 ? 'hours_minutes' : 'hours', { h: hours, m: rest })
  return say(rest > 0 ? 'minutes' : 'moment', { m: rest })
}

export type DeadlineTone = 'none' | 'calm' | 'soon' | 'overdue'

export interface Deadline {
  text: string
  tone: DeadlineTone
}

/** Within the last hours a case still can be saved, so they are marked. */
const SOON = 4 * 3_600_000

/**
 * What to say beside a deadline. Whether a case is overdue is the server's word, since this
 * computer's clock may be wrong; the clock here only says by how much.
 */
export function deadline(
  subject: { due_at: string | null; overdue: boolean; state: string; on_hold?: boolean },
  now: number,
): Deadline {
  const { due_at, overdue, state } = subject
  if (subject.on_hold) return { text: say('held'), tone: 'calm' }
  const due = due_at === null ? Number.NaN : Date.parse(due_at)
  const ended = state === 'closed' || state === 'void'
  if (overdue) {
    if (ended) return { text: say(state === 'closed' ? 'closed_late' : 'overdue'), tone: 'overdue' }
    const late = now - due
    return { text: late >= 60_000 ? say('overdue_by', { time: duration(late) }) : say('overdue'), tone: 'overdue' }
  }
  if (ended || Number.isNaN(due)) return { text: '', tone: 'none' }
  // Not overdue when the list was loaded, but the minutes went on.
  if (due <= now) return { text: say('due'), tone: 'soon' }
  return { text: say('left', { time: duration(due - now) }), tone: due - now <= SOON ? 'soon' : 'calm' }
}
