//! Working time: how long a limit is, when it runs out, and why. Pure.
//!
//! There are two measures of time. Continuous limits count every minute; working limits count only the minutes inside
//! the day's working slots, on working days. A suspension (挂账, 停表) stops both. A slot is half-open, `[start, end)`; a
//! deadline that falls on the end of a slot stays there. (GB/T 30428.8 names the four kinds of limit; that eight working
//! hours are one working day, wherever they lie, is how the county's neighbours count.)

use crate::{
    error::{Code, Result},
    identity::rules::text_enum,
};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

text_enum! {
    /// What a limit is counted in.
    LimitKind {
        /// 紧急工作时: hours on end, nights and holidays included.
        UrgentHour = "urgent_hour",
        /// 自然日, 紧急工作日: days of 24 hours on end.
        NaturalDay = "natural_day",
        /// 工作时: hours inside the working slots.
        WorkHour = "work_hour",
        /// 工作日: eight working hours.
        WorkDay = "work_day",
    }
}

impl LimitKind {
    /// Minutes of one unit.
    #[must_use]
    pub const fn minutes(self) -> i64 {
        match self {
            Self::UrgentHour | Self::WorkHour => 60,
            Self::NaturalDay => 24 * 60,
            Self::WorkDay => 8 * 60,
        }
    }

    /// Whether every minute counts, at night too.
    #[must_use]
    pub const fn continuous(self) -> bool {
        matches!(self, Self::UrgentHour | Self::NaturalDay)
    }
}

/// The longest limit, in tenths of its kind's unit.
const LONGEST: i32 = 10_000;

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What it is counted in.
    pub kind: LimitKind,
    /// How many: more than 0, at most 1000, in tenths.
    #[serde(rename = "value", with = "in_tenths")]
    #[schema(value_type = f64)]
    tenths: i32,
}

mod in_tenths {
    use super::Limit;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(tenths: &i32, to: S) -> Result<S::Ok, S::Error> {
        if tenths % 10 == 0 { to.serialize_i32(tenths / 10) } else { to.serialize_f64(f64::from(*tenths) / 10.0) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        Limit::tenths_of(f64::deserialize(from)?).ok_or_else(|| D::Error::custom(super::NO_LIMIT))
    }
}

const NO_LIMIT: &str = "a limit is more than 0 and at most 1000, in tenths";

impl Limit {
    /// A limit of so many units, whole or in tenths.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn new(kind: LimitKind, value: f64) -> Result<Limit> {
        let tenths = Limit::tenths_of(value).ok_or_else(|| Code::ValueInvalid.with(NO_LIMIT))?;
        Ok(Limit { kind, tenths })
    }

    /// A limit in tenths of a unit, as the database keeps it.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn of_tenths(kind: LimitKind, tenths: i32) -> Result<Limit> {
        Limit::new(kind, f64::from(tenths) / 10.0)
    }

    fn tenths_of(value: f64) -> Option<i32> {
        let tenths = value * 10.0;
        let whole = (tenths - tenths.round()).abs() < 1e-6;
        (whole && tenths.round() >= 1.0 && tenths <= f64::from(LONGEST)).then(|| tenths.round() as i32)
    }

    /// How many tenths of a unit.
    #[must_use]
    pub const fn tenths(self) -> i32 {
        self.tenths
    }

    /// How many units.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.tenths) / 10.0
    }

    /// How much counted time it is.
    #[must_use]
    pub fn span(self) -> TimeDelta {
        // A tenth of the shortest unit is six minutes: all are whole.
        TimeDelta::minutes(i64::from(self.tenths) * self.kind.minutes() / 10)
    }
}

/// A stretch of a day in which is worked: minutes after midnight, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The first minute, 0–1439.
    pub from_min: i32,
    /// The first minute after, up to 1440.
    pub until_min: i32,
}

/// The slots of a working day from a date on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotTable {
    /// The first day.
    pub from_day: NaiveDate,
    /// 1–6 slots, in order, apart.
    pub slots: Vec<Slot>,
}

impl SlotTable {
    /// Whether it can be worked by.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        let each = self.slots.iter().all(|slot| 0 <= slot.from_min && slot.from_min < slot.until_min);
        let apart = self.slots.windows(2).all(|two| two[0].until_min <= two[1].from_min);
        let inside = self.slots.last().is_some_and(|slot| slot.until_min <= 24 * 60);
        if each && apart && inside && self.slots.len() <= 6 && (1970..=9999).contains(&self.from_day.year()) {
            return Ok(());
        }
        Err(Code::ValueInvalid.with("slots: 1–6 in order, each with from_min < until_min, within 0–1440"))
    }
}

text_enum! {
    /// What a day is, against its weekday.
    DayKind {
        /// 节假日: no work, though it may be a Monday.
        Holiday = "holiday",
        /// 调休上班: work, though it is a weekend.
        Workday = "workday",
    }
}

/// A day that is not what its weekday says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// The day.
    pub day: NaiveDate,
    /// What it is.
    pub kind: DayKind,
    /// 国庆节, …; at most 40 characters.
    pub name: String,
}

/// When is worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// By their first day; not empty. What lies before the first one is worked by the first one.
    tables: Vec<SlotTable>,
    days: BTreeMap<NaiveDate, (DayKind, String)>,
    /// The last day of the last year whose holidays are known.
    known_until: Option<NaiveDate>,
}

impl Default for Calendar {
    /// What comes with nothing: the usual slots, no holidays.
    fn default() -> Calendar {
        Calendar::new(vec![], vec![], &[])
    }
}

impl Calendar {
    /// A calendar. `years` are those whose holidays are known.
    #[must_use]
    pub fn new(mut tables: Vec<SlotTable>, days: Vec<SpecialDay>, years: &[i32]) -> Calendar {
        tables.retain(|table| table.check().is_ok());
        tables.sort_by_key(|table| table.from_day);
        if tables.is_empty() {
            tables.push(usual());
        }
        let known_until = years.iter().max().and_then(|year| NaiveDate::from_ymd_opt(*year, 12, 31));
        Calendar { tables, days: days.into_iter().map(|day| (day.day, (day.kind, day.name))).collect(), known_until }
    }

    /// Whether is worked on this day.
    #[must_use]
    pub fn works(&self, day: NaiveDate) -> bool {
        match self.days.get(&day) {
            Some((kind, _)) => *kind == DayKind::Workday,
            None => day.weekday().num_days_from_monday() < 5,
        }
    }

    /// The slots of a working day.
    fn slots(&self, day: NaiveDate) -> &[Slot] {
        let after = self.tables.partition_point(|table| table.from_day <= day);
        self.tables.get(after.saturating_sub(1)).map_or(&[], |table| &table.slots)
    }

    /// The moments between which is worked on this day.
    fn stretches(&self, day: NaiveDate) -> impl Iterator<Item = Span> {
        let slots = if self.works(day) { self.slots(day) } else { &[] };
        slots.iter().map(move |slot| Span { from: moment(day, slot.from_min), until: moment(day, slot.until_min) })
    }

    /// Whether a holiday that nobody knows yet may lie before this moment.
    #[must_use]
    pub fn knows(&self, at: DateTime<Utc>) -> bool {
        self.known_until.is_some_and(|last| local_day(at) <= last)
    }

    /// When a limit that starts at `start` runs out.
    #[must_use]
    pub fn due(&self, start: DateTime<Utc>, limit: Limit, pauses: &[Pause]) -> Due {
        self.after(start, limit.kind, limit.span(), pauses)
    }

    /// When so much time of a kind, more than none, has gone by.
    #[must_use]
    pub fn after(&self, start: DateTime<Utc>, kind: LimitKind, mut left: TimeDelta, pauses: &[Pause]) -> Due {
        let mut counted = Vec::new();
        for span in self.counted(kind, start, pauses) {
            let until = span.until.min(span.from.checked_add_signed(left).unwrap_or(span.until));
            left -= until - span.from;
            counted.push(Span { from: span.from, until });
            if left <= TimeDelta::zero() {
                break;
            }
        }
        let at = counted.last().filter(|_| left <= TimeDelta::zero()).map(|span| span.until);
        let beyond_calendar = !kind.continuous() && at.is_some_and(|at| !self.knows(at));
        Due { at, beyond_calendar, intervals: self.intervals(start, &counted, pauses) }
    }

    /// How much time of this kind lies between two moments.
    #[must_use]
    pub fn elapsed(&self, kind: LimitKind, from: DateTime<Utc>, until: DateTime<Utc>, pauses: &[Pause]) -> TimeDelta {
        let spans = self.counted(kind, from, pauses).take_while(|span| span.from < until);
        spans.fold(TimeDelta::zero(), |sum, span| sum + (span.until.min(until) - span.from))
    }

    /// The stretches that count from `start` on, in order, without the pauses.
    fn counted<'c>(
        &'c self,
        kind: LimitKind,
        start: DateTime<Utc>,
        pauses: &'c [Pause],
    ) -> impl Iterator<Item = Span> + 'c {
        let end = start.checked_add_signed(FARTHEST).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let end = pauses.iter().filter(|pause| pause.until.is_none()).fold(end, |end, pause| end.min(pause.from));
        let whole = kind.continuous().then_some(Span { from: start, until: end });
        let days = (!kind.continuous()).then(|| local_day(start)).into_iter();
        let working = days
            .flat_map(|first| first.iter_days())
            .take_while(move |day| moment(*day, 0) < end)
            .flat_map(|day| self.stretches(day).collect::<Vec<_>>())
            .filter(move |span| span.until > start)
            .map(move |span| Span { from: span.from.max(start), until: span.until });
        whole.into_iter().chain(working).flat_map(move |span| without(span, pauses))
    }

    /// The counted stretches and what lies between them, each with its reason.
    fn intervals(&self, start: DateTime<Utc>, counted: &[Span], pauses: &[Pause]) -> Vec<Interval> {
        let mut found: Vec<Interval> = Vec::new();
        let mut add = |from, until, why: Why, name: Option<&str>| {
            let last =
                found.last_mut().filter(|last| last.why == why && last.name.as_deref() == name && last.until == from);
            match last {
                Some(last) => last.until = until,
                None => found.push(Interval { from, until, why, name: name.map(str::to_owned) }),
            }
        };
        let mut at = start;
        for span in counted {
            while at < span.from {
                let day = local_day(at);
                let mut until = span.from.min(moment(day, 24 * 60));
                let (why, name) = match pauses.iter().find(|pause| pause.covers(at)) {
                    Some(pause) => {
                        until = until.min(pause.until.unwrap_or(until));
                        (Why::Paused, None)
                    }
                    None => {
                        until = pauses.iter().map(|p| p.from).filter(|from| *from > at).fold(until, Ord::min);
                        match self.days.get(&day) {
                            Some((DayKind::Holiday, name)) => (Why::Holiday, Some(name.as_str())),
                            _ if self.works(day) => (Why::OffHours, None),
                            _ => (Why::Weekend, None),
                        }
                    }
                };
                add(at, until, why, name);
                at = until;
            }
            add(span.from, span.until, Why::Counted, None);
            at = span.until;
        }
        found
    }
}

/// How far a limit is followed: the longest one takes five years of working days, and somebody may pause it.
const FARTHEST: TimeDelta = TimeDelta::days(40 * 366);

/// 08:00–12:00 and 14:00–18:00, what offices work by when nobody has said anything else.
#[must_use]
pub fn usual() -> SlotTable {
    let slot = |from, until| Slot { from_min: from * 60, until_min: until * 60 };
    SlotTable { from_day: NaiveDate::default(), slots: vec![slot(8, 12), slot(14, 18)] }
}

/// A time in which a limit stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Since when.
    pub from: DateTime<Utc>,
    /// Until when; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Pause {
    fn covers(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

text_enum! {
    /// What a stretch of time does to a limit.
    Why {
        /// 计时.
        Counted = "counted",
        /// 非工作时段: before, between or after the slots of a working day.
        OffHours = "off_hours",
        /// 周末.
        Weekend = "weekend",
        /// 节假日.
        Holiday = "holiday",
        /// 停表: suspended.
        Paused = "paused",
    }
}

/// A stretch between the start of a limit and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// Its start.
    pub from: DateTime<Utc>,
    /// Its end.
    pub until: DateTime<Utc>,
    /// What it does.
    pub why: Why,
    /// The holiday's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// When a limit runs out, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Due {
    /// Null while it is suspended without an end.
    pub at: Option<DateTime<Utc>>,
    /// The holidays of that year are not known yet: it may move when they are.
    pub beyond_calendar: bool,
    /// From the start to the end without a hole.
    pub intervals: Vec<Interval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// What is left of a stretch outside all pauses, in order.
fn without(span: Span, pauses: &[Pause]) -> Vec<Span> {
    let mut left = vec![span];
    for pause in pauses {
        let until = pause.until.unwrap_or(DateTime::<Utc>::MAX_UTC).max(pause.from);
        left = left
            .into_iter()
            .flat_map(|span| {
                [
                    Span { from: span.from, until: span.until.min(pause.from) },
                    Span { from: span.from.max(until), until: span.until },
                ]
            })
            .filter(|span| span.from < span.until)
            .collect();
    }
    left
}

/// The county's day at a moment.
#[must_use]
pub fn local_day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&Shanghai).date_naive()
}

/// A minute of a county's day; minute 1440 is the next midnight (24时).
fn moment(day: NaiveDate, minute: i32) -> DateTime<Utc> {
    let days = Days::new(u64::from(minute >= 24 * 60));
    let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(minute % (24 * 60) * 60).unwrap_or(0), 0);
    let local = day.checked_add_days(days).unwrap_or(day).and_time(time.unwrap_or_default());
    Shanghai.from_local_datetime(&local).earliest().map_or(local.and_utc(), |at| at.to_utc())
}

#[cfg(test)]
mod tests;
