//! When a unit is urged, what it is told, and what its own past lets one expect. Pure.

use crate::{
    calendar::rules::{Calendar, LimitKind},
    cases::rules::Assignment,
    identity::rules::text_enum,
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};

/// How long a claim holds unless the case goes on before.
pub const CLAIM_LASTS: TimeDelta = TimeDelta::hours(2);

/// Cases that are dispatched at once.
pub const DISPATCHED_AT_ONCE: usize = 200;

text_enum! {
    /// How a unit was urged.
    UrgingKind {
        /// 催办: by the clock, half of the time is used.
        Half = "half",
        /// 督办函草稿: by the clock, four fifths of the time are used; the case goes into a draft of `supervision`.
        LetterDraft = "letter_draft",
        /// 催办: by a person.
        Person = "person",
    }
}

impl UrgingKind {
    /// From how much of the used time on, in percent; none for what a person does.
    #[must_use]
    pub const fn from_percent(self) -> Option<i32> {
        match self {
            Self::Half => Some(50),
            Self::LetterDraft => Some(80),
            Self::Person => None,
        }
    }
}

/// What a clock of a charge is counted in.
fn measure(charge: &Assignment) -> LimitKind {
    charge.limit.map_or(LimitKind::UrgentHour, |limit| limit.kind)
}

/// How much of a charge's time is used, in percent of what it has with extensions; none while it stands still.
#[must_use]
pub fn used_percent(charge: &Assignment, calendar: &Calendar, now: DateTime<Utc>) -> Option<i32> {
    if charge.on_hold() {
        return None;
    }
    let counted = |until| calendar.elapsed(measure(charge), charge.dispatched_at, until, &charge.pauses).num_seconds();
    let (used, whole) = (counted(now), counted(charge.due_at));
    Some(i32::try_from((used * 100).checked_div(whole).unwrap_or(100)).unwrap_or(i32::MAX).min(999))
}

/// What the words to a unit are made of.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The case's number.
    pub number: &'a str,
    /// Its title.
    pub title: &'a str,
    /// The unit's name.
    pub unit: &'a str,
    /// The deadline.
    pub due_at: DateTime<Utc>,
    /// How much of the time is used.
    pub used_percent: i32,
}

/// What the clock says to a unit.
#[must_use]
pub fn words(kind: UrgingKind, facts: &Facts) -> String {
    let Facts { number, title, unit, due_at, used_percent } = facts;
    let due = due_at.with_timezone(&Shanghai).format("%Y年%-m月%-d日 %H:%M");
    match kind {
        UrgingKind::Half | UrgingKind::Person => {
            format!("【催办】{unit}：案件 {number}“{title}”已用时限 {used_percent}%，截止 {due}，请抓紧办理。")
        }
        UrgingKind::LetterDraft => format!(
            "【督办预警】{unit}：案件 {number}“{title}”已用时限 {used_percent}%，截止 {due}，至今未申请结案，列入督办函草稿。"
        ),
    }
}

text_enum! {
    /// Whose past an expectation stands on.
    Basis {
        /// The unit's own cases of the class.
        Class = "class",
        /// All cases of the unit.
        Unit = "unit",
    }
}

/// Closed cases that an expectation needs at least.
pub const ENOUGH: usize = 5;

/// A closed case of a unit.
#[derive(Debug, Clone)]
pub struct Past {
    /// Its class.
    pub class_code: Option<String>,
    /// When the unit got it.
    pub dispatched_at: DateTime<Utc>,
    /// When the unit asked for closing.
    pub applied_at: DateTime<Utc>,
}

/// What a unit's own past lets one expect of a case that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Whose past; none when there is too little of it.
    pub basis: Option<Basis>,
    /// How many cases of the past.
    pub cases: usize,
    /// Four of five of them took at most so long, by the measure of the case's limit.
    pub usual: Option<TimeDelta>,
    /// What is left of the case's time.
    pub left: TimeDelta,
    /// Less is left than the unit usually needs; none when nothing can be said.
    pub likely_late: Option<bool>,
}

/// Whether a case that a unit still has to handle is likely to be late: what is left of its time against what four of
/// five of the unit's own cases took, of its class when there are enough of them.
#[must_use]
pub fn expect(
    charge: &Assignment,
    class_code: Option<&str>,
    past: &[Past],
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Expectation {
    let kind = measure(charge);
    let left = calendar.elapsed(kind, now, charge.due_at, &charge.pauses);
    let of_class: Vec<&Past> =
        past.iter().filter(|p| class_code.is_some() && p.class_code.as_deref() == class_code).collect();
    let (basis, chosen) = match (of_class.len() >= ENOUGH, past.len() >= ENOUGH) {
        (true, _) => (Basis::Class, of_class),
        (false, true) => (Basis::Unit, past.iter().collect()),
        (false, false) => {
            return Expectation { basis: None, cases: past.len(), usual: None, left, likely_late: None };
        }
    };
    let took = chosen.iter().map(|p| calendar.elapsed(kind, p.dispatched_at, p.applied_at, &[]));
    let usual = four_of_five(took.collect());
    Expectation {
        basis: Some(basis),
        cases: chosen.len(),
        usual,
        left,
        likely_late: Some(charge.handled_at.is_none() && usual.is_some_and(|usual| left < usual)),
    }
}

/// The shortest time that at least four fifths took at most.
fn four_of_five(mut times: Vec<TimeDelta>) -> Option<TimeDelta> {
    times.sort_unstable();
    times.get((times.len() * 4).div_ceil(5).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calendar::rules::Pause, db::types::UnitId};

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_392_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    fn charge(due: i64) -> Assignment {
        Assignment {
            unit_id: UnitId(uuid::Uuid::nil()),
            dispatched_at: at(0),
            due_at: at(due),
            limit: None,
            pauses: vec![],
            hold: None,
            extension: None,
            handled_at: None,
            applied_at: None,
            passed: false,
        }
    }

    #[test]
    fn the_share_of_used_time_leaves_out_what_stood_still() {
        let calendar = Calendar::default();
        let percent = |charge: &Assignment, hour| used_percent(charge, &calendar, at(hour));
        assert_eq!(
            (percent(&charge(10), 0), percent(&charge(10), 5), percent(&charge(10), 25)),
            (Some(0), Some(50), Some(250))
        );
        let paused = Assignment { pauses: vec![Pause { from: at(1), until: Some(at(11)) }], ..charge(20) };
        assert_eq!((percent(&paused, 12), percent(&paused, 16)), (Some(20), Some(60)));
        let held = Assignment { pauses: vec![Pause { from: at(1), until: None }], ..charge(20) };
        assert_eq!(percent(&held, 12), None);
        assert_eq!(percent(&charge(0), 1), Some(100), "a deadline without time");
    }

    #[test]
    fn a_unit_is_measured_by_its_own_past() {
        let calendar = Calendar::default();
        let took = |hours: i64, class: &str| Past {
            class_code: Some(class.to_owned()),
            dispatched_at: at(-100),
            applied_at: at(-100 + hours),
        };
        let mut past: Vec<Past> = (1..=4).map(|hours| took(hours, "0101")).collect();
        let told = expect(&charge(10), Some("0101"), &past, &calendar, at(0));
        assert_eq!((told.basis, told.likely_late, told.cases), (None, None, 4));
        past.extend((1..=6).map(|_| took(20, "0202")));
        let told = expect(&charge(10), Some("0101"), &past, &calendar, at(0));
        assert_eq!(
            (told.basis, told.usual, told.likely_late),
            (Some(Basis::Unit), Some(TimeDelta::hours(20)), Some(true))
        );
        past.push(took(9, "0101"));
        let told = expect(&charge(10), Some("0101"), &past, &calendar, at(0));
        assert_eq!(
            (told.basis, told.usual, told.likely_late),
            (Some(Basis::Class), Some(TimeDelta::hours(4)), Some(false))
        );
        let told = expect(&charge(10), Some("0101"), &past, &calendar, at(7));
        assert_eq!((told.left, told.likely_late), (TimeDelta::hours(3), Some(true)));
        let handled = Assignment { handled_at: Some(at(1)), ..charge(10) };
        assert_eq!(expect(&handled, Some("0101"), &past, &calendar, at(7)).likely_late, Some(false));
    }
}
