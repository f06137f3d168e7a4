// Deadlines, as src/calendar/rules.rs computes them: offline and server must agree. `api-spec/clock-vectors.json` holds both
// to it. Moments are milliseconds since 1970; days are ISO dates of the county (UTC+8, no summer time since 1991).

export const LIMIT_KINDS = ['urgent_hour', 'natural_day', 'work_hour', 'work_day'] as const

export type LimitKind = (typeof LIMIT_KINDS)[number]
export type Why = 'counted' | 'off_hours' | 'weekend' | 'holiday' | 'paused'

export interface Limit {
  kind: LimitKind
  value: number
}

export interface Slot {
  from_min: number
  until_min: number
}

export interface SlotTable {
  from_day: string
  slots: Slot[]
}

export interface SpecialDay {
  day: string
  kind: 'holiday' | 'workday'
  name: string
}

/** What `GET /api/v1/calendar` answers. */
export interface WorkingCalendar {
  slots: SlotTable[]
  days: SpecialDay[]
  known_years: number[]
}

export interface Pause {
  from: number
  /** Absent while it lasts. */
  until?: number | undefined
}

export interface Interval {
  from: number
  until: number
  why: Why
  name?: string
}

export interface Due {
  /** Null while it is suspended without an end. */
  at: number | null
  /** The holidays of that year are not known yet. */
  beyond_calendar: boolean
  intervals: Interval[]
}

interface Span {
  from: number
  until: number
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const ZONE = 8 * 60 * MINUTE
const FARTHEST = 40 * 366 * DAY

const MINUTES: Record<LimitKind, number> = { urgent_hour: 60, natural_day: 24 * 60, work_hour: 60, work_day: 8 * 60 }

const continuous = (kind: LimitKind): boolean => kind === 'urgent_hour' || kind === 'natural_day'

/** The number of the county's day, from 1970 on. */
const dayNumber = (at: number): number => Math.floor((at + ZONE) / DAY)
const isoDay = (day: number): string => new Date(day * DAY).toISOString().slice(0, 10)
const moment = (day: number, minute: number): number => day * DAY - ZONE + minute * MINUTE

export class WorkTime {
  readonly #tables: SlotTable[]
  readonly #days: Map<string, SpecialDay>
  readonly #knownUntil: number

  constructor(calendar: WorkingCalendar) {
    this.#tables = [...calendar.slots].sort((a, b) => (a.from_day < b.from_day ? -1 : 1))
    this.#days = new Map(calendar.days.map((day) => [day.day, day]))
    this.#knownUntil = Math.max(0, ...calendar.known_years)
  }

  works(day: number): boolean {
    const special = this.#days.get(isoDay(day))
    if (special !== undefined) return special.kind === 'workday'
    // 1970-01-01 was a Thursday.
    return (day + 3) % 7 < 5
  }

  #stretches(day: number): Span[] {
    if (!this.works(day)) return []
    const iso = isoDay(day)
    const table = this.#tables.filter(({ from_day }) => from_day <= iso).at(-1) ?? this.#tables[0]
    return (table?.slots ?? []).map(({ from_min, until_min }) => ({ from: moment(day, from_min), until: moment(day, until_min) }))
  }

  /** The stretches that count from `start` on, in order, without the pauses. */
  *#counted(kind: LimitKind, start: number, pauses: readonly Pause[]): Generator<Span> {
    const end = Math.min(start + FARTHEST, ...pauses.filter(({ until }) => until === undefined).map(({ from }) => from))
    if (continuous(kind)) {
      yield* without({ from: start, until: end }, pauses)
      return
    }
    for (let day = dayNumber(start); moment(day, 0) < end; day++) {
      for (const span of this.#stretches(day)) {
        if (span.until > start) yield* without({ from: Math.max(span.from, start), until: span.until }, pauses)
      }
    }
  }

  /** When a limit that starts at `start` runs out, and every stretch on the way. */
  due(start: number, limit: Limit, pauses: readonly Pause[] = []): Due {
    let left = (Math.round(limit.value * 10) * MINUTES[limit.kind] * MINUTE) / 10
    const counted: Span[] = []
    for (const span of this.#counted(limit.kind, start, pauses)) {
      const until = Math.min(span.until, span.from + left)
      left -= until - span.from
      counted.push({ from: span.from, until })
      if (left <= 0) break
    }
    const at = left <= 0 ? (counted.at(-1)?.until ?? null) : null
    const year = at === null ? 0 : new Date(at + ZONE).getUTCFullYear()
    const beyond_calendar = !continuous(limit.kind) && at !== null && year > this.#knownUntil
    return { at, beyond_calendar, intervals: this.#intervals(start, counted, pauses) }
  }

  /** How much time of this kind lies between two moments, milliseconds. */
  elapsed(kind: LimitKind, from: number, until: number, pauses: readonly Pause[] = []): number {
    let sum = 0
    for (const span of this.#counted(kind, from, pauses)) {
      if (span.from >= until) break
      sum += Math.min(span.until, until) - span.from
    }
    return sum
  }

  #intervals(start: number, counted: readonly Span[], pauses: readonly Pause[]): Interval[] {
    const found: Interval[] = []
    const add = (from: number, until: number, why: Why, name?: string): void => {
      const last = found.at(-1)
      if (last?.why === why && last.name === name && last.until === from) last.until = until
      else found.push(name === undefined ? { from, until, why } : { from, until, why, name })
    }
    let at = start
    for (const span of counted) {
      while (at < span.from) {
        const day = dayNumber(at)
        let until = Math.min(span.from, moment(day + 1, 0))
        const pause = pauses.find(({ from, until }) => from <= at && (until === undefined || at < until))
        if (pause !== undefined) {
          until = Math.min(until, pause.until ?? until)
          add(at, until, 'paused')
        } else {
          until = Math.min(until, ...pauses.map(({ from }) => from).filter((from) => from > at))
          const special = this.#days.get(isoDay(day))
          if (special?.kind === 'holiday') add(at, until, 'holiday', special.name)
          else add(at, until, this.works(day) ? 'off_hours' : 'weekend')
        }
        at = until
      }
      add(span.from, span.until, 'counted')
      at = span.until
    }
    return found
  }
}

function without(span: Span, pauses: readonly Pause[]): Span[] {
  let left = [span]
  for (const { from, until = Infinity } of pauses) {
    const end = Math.max(until, from)
    left = left
      .flatMap((part) => [
        { from: part.from, until: Math.min(part.until, from) },
        { from: Math.max(part.from, end), until: part.until },
      ])
      .filter((part) => part.from < part.until)
  }
  return left
}
