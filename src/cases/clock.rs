//! Where the time of a case went: who had it when, and which stage ate the limit. Pure.
//!
//! The timeline says when a case changed hands. Each stretch is measured twice: as it went by, and by the measure of the
//! case's limit, without the times in which its clock stood still.

use super::rules::{Assignment, Stage};
use crate::{
    calendar::rules::{Calendar, LimitKind},
    identity::rules::text_enum,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

text_enum! {
    /// A stage with a clock of its own.
    StageClock {
        /// 受理: reported, the Centre has not dispatched it yet.
        Accept = "accept",
        /// 派遣: returned by a unit, the Centre must dispatch it anew.
        Dispatch = "dispatch",
        /// 处置: with the unit, until it applies for closing.
        Handle = "handle",
        /// 核查: applied, until it is confirmed or goes back.
        Verify = "verify",
    }
}

impl StageClock {
    /// The clock that runs while a case stands there; none when it is over.
    #[must_use]
    pub const fn of(stage: Stage) -> Option<StageClock> {
        match stage {
            Stage::Reported => Some(Self::Accept),
            Stage::Returned => Some(Self::Dispatch),
            Stage::Dispatched | Stage::Handled => Some(Self::Handle),
            Stage::ClosingApplied | Stage::Verifying | Stage::Verified => Some(Self::Verify),
            Stage::Closed | Stage::Void => None,
        }
    }
}

/// A stretch in which one stage had the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The stage.
    pub clock: StageClock,
    /// Since when.
    pub from: DateTime<Utc>,
    /// Until when; until now while it lasts.
    pub until: DateTime<Utc>,
    /// How much of it counts by the measure of the case's limit.
    pub counted: TimeDelta,
}

/// The stretches of a timeline: `moves` are the moments of its steps with the stage after each, in order.
#[must_use]
pub fn stretches(
    moves: &[(DateTime<Utc>, Stage)],
    charge: Option<&Assignment>,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Vec<Stretch> {
    let kind = charge.and_then(|a| a.limit).map_or(LimitKind::UrgentHour, |limit| limit.kind);
    let pauses = charge.map_or(&[][..], |a| &a.pauses);
    let mut found: Vec<Stretch> = Vec::new();
    for (n, (from, stage)) in moves.iter().enumerate() {
        let until = moves.get(n + 1).map_or(now.max(*from), |(at, _)| *at);
        let Some(clock) = StageClock::of(*stage).filter(|_| *from < until) else { continue };
        let counted = calendar.elapsed(kind, *from, until, pauses);
        match found.last_mut().filter(|last| last.clock == clock && last.until == *from) {
            Some(last) => (last.until, last.counted) = (until, last.counted + counted),
            None => found.push(Stretch { clock, from: *from, until, counted }),
        }
    }
    found
}

/// The stage that took most of the counted time; none when nothing has been counted.
#[must_use]
pub fn ate(stretches: &[Stretch]) -> Option<StageClock> {
    let total = |clock: StageClock| {
        let own = stretches.iter().filter(|stretch| stretch.clock == clock);
        own.fold(TimeDelta::zero(), |sum, stretch| sum + stretch.counted)
    };
    let most = StageClock::ALL.iter().copied().max_by_key(|clock| total(*clock))?;
    Some(most).filter(|clock| total(*clock) > TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        // Monday 2026-11-23 08:00 in the county.
        DateTime::from_timestamp(1_795_392_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    #[test]
    fn time_is_charged_to_whoever_had_the_case() {
        let moves = [
            (at(0), Stage::Reported),
            (at(1), Stage::Dispatched),
            (at(2), Stage::Returned),
            (at(7), Stage::Dispatched),
            (at(8), Stage::Handled),
            (at(9), Stage::ClosingApplied),
            (at(10), Stage::Verifying),
            (at(11), Stage::Dispatched),
            (at(12), Stage::Closed),
        ];
        let found = stretches(&moves, None, &Calendar::default(), at(99));
        let told: Vec<(StageClock, i64)> = found.iter().map(|s| (s.clock, s.counted.num_hours())).collect();
        let expected = [
            (StageClock::Accept, 1),
            (StageClock::Handle, 1),
            (StageClock::Dispatch, 5),
            (StageClock::Handle, 2),
            (StageClock::Verify, 2),
            (StageClock::Handle, 1),
        ];
        assert_eq!(told, expected);
        assert_eq!(ate(&found), Some(StageClock::Dispatch));
        assert_eq!(ate(&[]), None);
    }

    #[test]
    fn a_case_in_hand_counts_until_now_and_not_while_it_is_on_hold() {
        let moves = [(at(0), Stage::Reported), (at(0), Stage::Dispatched)];
        let found = stretches(&moves, None, &Calendar::default(), at(3));
        assert_eq!((found.len(), found[0].counted), (1, TimeDelta::hours(3)));
        assert_eq!(ate(&found), Some(StageClock::Handle));
    }
}
