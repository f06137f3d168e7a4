//! What makes the clock draft a letter, and what it says. Pure.
//!
//! The thresholds are the platform's own: the regulation says 反复发生 and 到期未解决, not how often.

use super::LetterKind;
use crate::{
    calendar::rules::{Limit, LimitKind},
    error::Result,
};
use chrono::{DateTime, TimeDelta, Utc};

/// A case that came back to its unit so often (返工) is a repeated problem.
pub const REWORKS: i32 = 2;
/// A case that units returned so often (退回) stays unresolved.
pub const RETURNS: usize = 2;
/// A spot whose problem came back so often (返潮) after the last letter about it is a repeated problem.
pub const RECURRENCES: usize = 2;
/// For so long the recurrences of a spot are remembered.
pub const SPOT_MEMORY: TimeDelta = TimeDelta::days(90);

/// Why the clock drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// 超期: the deadline has passed, or four fifths of the time are used.
    Overdue,
    /// 反复退回: passed around, and unresolved.
    Returned,
    /// 反复返工.
    Reworked,
    /// 反复返潮, of a spot.
    Recurred,
}

impl Ground {
    /// The letter that it belongs into.
    #[must_use]
    pub const fn kind(self) -> LetterKind {
        match self {
            Self::Overdue | Self::Returned => LetterKind::Overdue,
            Self::Reworked | Self::Recurred => LetterKind::Repeated,
        }
    }

    /// The word in the timeline.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Returned => "returned",
            Self::Reworked => "reworked",
            Self::Recurred => "recurred",
        }
    }
}

/// What is known of a case that a unit has.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Since when the unit has it.
    pub dispatched_at: DateTime<Utc>,
    /// Its deadline.
    pub due_at: DateTime<Utc>,
    /// Its clock stands still (挂账).
    pub on_hold: bool,
    /// Times it came back to the unit.
    pub reworks: i32,
    /// Times a unit returned it.
    pub returns: usize,
    /// When the workbench said for this deadline that four fifths of the time are used (督办函草稿).
    pub marked_at: Option<DateTime<Utc>>,
    /// When the last letter took it in.
    pub last_letter_at: Option<DateTime<Utc>>,
}

/// Why a case belongs into a letter now. What lies before the last letter about it counts no more.
#[must_use]
pub fn ground(known: &Known, now: DateTime<Utc>) -> Option<Ground> {
    if known.on_hold {
        return None;
    }
    let fresh = |at: DateTime<Utc>| known.last_letter_at.is_none_or(|letter| letter < at);
    if known.due_at < now && fresh(known.due_at) || known.marked_at.is_some_and(fresh) {
        return Some(Ground::Overdue);
    }
    if !fresh(known.dispatched_at) {
        return None;
    }
    if known.reworks >= REWORKS {
        return Some(Ground::Reworked);
    }
    (known.returns >= RETURNS).then_some(Ground::Returned)
}

impl LetterKind {
    /// How long the clock's drafts of this kind give: five working days for what recurs, three for what is overdue.
    ///
    /// # Errors
    /// None: the limits are sound.
    pub fn usual_limit(self) -> Result<Limit> {
        Limit::new(LimitKind::WorkDay, if self == Self::Repeated { 5.0 } else { 3.0 })
    }

    /// What the clock's drafts of this kind are about, and say.
    #[must_use]
    pub const fn usual_words(self) -> (&'static str, &'static str) {
        match self {
            Self::Repeated => (
                "关于反复发生城市管理问题的督办",
                "经查，你单位责任范围内的下列问题反复发生，整改后又出现或整改不到位。\n请查明原因，明确责任领导和责任人，采取长效措施，\
                 在本函规定时限内整改到位，并书面回复整改情况，附整改前后照片。\n确有困难的，请在截止时间前申请延期并说明理由。",
            ),
            _ => (
                "关于到期未解决城市管理问题的督办",
                "经查，你单位承办的下列案件已到或临近截止时间，仍未解决。\n请明确责任领导和责任人，在本函规定时限内处置完毕并申请结案，\
                 书面回复处置情况，附处置前后照片。\n确有困难的，请在截止时间前申请延期并说明理由。",
            ),
        }
    }
}
