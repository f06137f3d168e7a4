// Times arrive as RFC 3339 in UTC and are read by people in Huaihua: always Asia/Shanghai, whatever
// the zone of the computer is.

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
  if (days > 0) return hours > 0 ? `${days} 天 ${hours} 时` : `${days} 天`
  if (hours > 0) return rest > 0 ? `${hours} 时 ${rest} 分` : `${hours} 时`
  return rest > 0 ? `${rest} 分` : '不到 1 分'
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
  if (subject.on_hold) return { text: '挂账，停止计时', tone: 'calm' }
  const due = due_at === null ? Number.NaN : Date.parse(due_at)
  const ended = state === 'closed' || state === 'void'
  if (overdue) {
    if (ended) return { text: state === 'closed' ? '超期办结' : '已超期', tone: 'overdue' }
    const late = now - due
    return { text: late >= 60_000 ? `已超期 ${duration(late)}` : '已超期', tone: 'overdue' }
  }
  if (ended || Number.isNaN(due)) return { text: '', tone: 'none' }
  // Not overdue when the list was loaded, but the minutes went on.
  if (due <= now) return { text: '已到时限', tone: 'soon' }
  return { text: `剩 ${duration(due - now)}`, tone: due - now <= SOON ? 'soon' : 'calm' }
}
