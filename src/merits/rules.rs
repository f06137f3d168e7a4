//! The items of the list and what they are worth. Pure.
//!
//! 考核办法, 正负面清单考核: 加减分上限不超过 5 分.

use crate::{
    db::types::{UnitId, UserId},
    error::{Code, Result},
    identity::rules::{Role, text, text_enum},
    statistics::rules::Period,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

text_enum! {
    /// What a unit is praised or blamed for.
    MeritItem {
        /// 数字城管当月立案数与上年同月相比减少; computed, never entered.
        FewerCases = "fewer_cases",
        /// 上级部门通报表扬或省级以上媒体正面报道.
        Praised = "praised",
        /// 城市名片复审过关.
        ReputationKept = "reputation_kept",
        /// 城市名片新创建成功.
        ReputationWon = "reputation_won",
        /// 未完成上级交办任务被通报批评.
        Criticised = "criticised",
        /// 工作过错造成重大损失或恶劣社会影响.
        Fault = "fault",
        /// 被省级以上官方媒体曝光属实: 当月一票否决.
        Exposed = "exposed",
        /// 不按要求报送信息, 拒不参加调度会或不服从指挥调度.
        NotReporting = "not_reporting",
    }
}

text_enum! {
    /// Where an entry stands.
    MeritState {
        /// 待审核.
        Entered = "entered",
        /// 已核准.
        Approved = "approved",
        /// 未核准.
        Refused = "refused",
        /// 已撤销.
        Withdrawn = "withdrawn",
    }
}

/// Who enters.
pub const ENTERERS: &[Role] = &[Role::Dispatcher, Role::Supervisor, Role::Admin];
/// Who decides, but never on an own entry.
pub const DECIDERS: &[Role] = &[Role::Supervisor, Role::Admin];

/// What each item is worth each time, thousandths of a point; rule data of the assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// For each whole percentage point fewer cases.
    pub fewer_cases: i32,
    /// For each praise.
    pub praised: i32,
    /// For each title kept.
    pub reputation_kept: i32,
    /// For each title won.
    pub reputation_won: i32,
    /// For each criticism; below 0.
    pub criticised: i32,
    /// For each fault; below 0.
    pub fault: i32,
    /// For each time; below 0.
    pub not_reporting: i32,
}

impl Default for Amounts {
    /// The regulation's.
    fn default() -> Amounts {
        Amounts {
            fewer_cases: 100,
            praised: 500,
            reputation_kept: 1_000,
            reputation_won: 2_000,
            criticised: -500,
            fault: -2_000,
            not_reporting: -500,
        }
    }
}

/// What an entry does to a month's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// So much more or less, thousandths of a point.
    Points(i32),
    /// 一票否决: the month's score is void.
    Veto,
}

/// What an item does that happened so often. Of `fewer_cases` the times are whole percentage points.
#[must_use]
pub fn delta(item: MeritItem, times: i32, amounts: &Amounts) -> Effect {
    let each = match item {
        MeritItem::FewerCases => amounts.fewer_cases,
        MeritItem::Praised => amounts.praised,
        MeritItem::ReputationKept => amounts.reputation_kept,
        MeritItem::ReputationWon => amounts.reputation_won,
        MeritItem::Criticised => amounts.criticised,
        MeritItem::Fault => amounts.fault,
        MeritItem::NotReporting => amounts.not_reporting,
        MeritItem::Exposed => return Effect::Veto,
    };
    Effect::Points(each.saturating_mul(times))
}

/// What fewer cases than in the same month a year before are worth, thousandths of a point. 每减少一个百分点加0.1分: each
/// whole percentage point counts, a part of one does not; more cases cost nothing, and from none nothing can fall.
#[must_use]
pub fn year_on_year(this: i64, last: i64, per_point: i32) -> i32 {
    if last <= 0 || this >= last {
        return 0;
    }
    let points = (last - this.max(0)).saturating_mul(100) / last;
    i32::try_from(points).unwrap_or(100).saturating_mul(per_point)
}

/// A sum within the cap to both sides (加减分上限), thousandths of a point.
#[must_use]
pub fn capped(sum: i32, cap: i32) -> i32 {
    sum.clamp(-cap.abs(), cap.abs())
}

/// What is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMerit {
    /// The unit.
    pub unit_id: UnitId,
    /// The month it counts in, such as 2026-11.
    pub month: String,
    /// The item.
    pub item: MeritItem,
    /// How often, 1–100.
    pub times: i32,
    /// What happened, 1–1000 characters.
    pub summary: String,
    /// When, not after the month.
    pub happened_on: NaiveDate,
    /// Where that is written: the paper's number or the medium, 1–200 characters.
    pub source: String,
    /// SHA-256 of stored evidence, 1–20.
    pub evidence: Vec<String>,
}

impl NewMerit {
    /// Checks the form, and takes each piece of evidence once.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn checked(mut self, now: DateTime<Utc>) -> Result<NewMerit> {
        let (_, end) = month(&self.month)?.span();
        if self.item == MeritItem::FewerCases {
            return Err(Code::ValueInvalid.with("item: fewer_cases is computed"));
        }
        if !(1..=100).contains(&self.times) {
            return Err(Code::ValueInvalid.with("times: 1–100"));
        }
        text("summary", &self.summary, 1000)?;
        text("source", &self.source, 200)?;
        let local = |at: DateTime<Utc>| at.with_timezone(&chrono_tz::Asia::Shanghai).date_naive();
        let early = self.happened_on < local(end) && self.happened_on <= local(now);
        if !early || self.happened_on < NaiveDate::default() {
            return Err(Code::ValueInvalid.with("happened_on: not after the month, and not in the future"));
        }
        let mut known = BTreeSet::new();
        self.evidence.retain(|digest| known.insert(digest.clone()));
        if !(1..=20).contains(&self.evidence.len()) {
            return Err(Code::ValueInvalid.with("evidence: 1–20"));
        }
        Ok(self)
    }
}

/// Reads a month.
///
/// # Errors
/// `value_invalid`.
pub fn month(text: &str) -> Result<Period> {
    let wrong = || Code::ValueInvalid.with("month: such as 2026-11");
    let period: Period = text.parse().map_err(|_| wrong())?;
    // Quarters and years are periods too.
    if text.len() == 7 && !text.contains('Q') { Ok(period) } else { Err(wrong()) }
}

/// A decision on an entry: by another person than who entered it.
///
/// # Errors
/// `stage_forbids` when it was decided or taken back, `second_person_required`.
pub fn decide(state: MeritState, entered_by: UserId, by: UserId, approved: bool) -> Result<MeritState> {
    if state != MeritState::Entered {
        return Err(Code::StageForbids.with(state.as_str()));
    }
    if entered_by == by {
        return Err(Code::SecondPersonRequired.into());
    }
    Ok(if approved { MeritState::Approved } else { MeritState::Refused })
}

/// Taking an entry back: before the decision by who entered it, and whenever it may count by who decides.
///
/// # Errors
/// `stage_forbids`, `role_forbidden`.
pub fn withdraw(state: MeritState, entered_by: UserId, by: UserId, role: Role) -> Result<MeritState> {
    let own = state == MeritState::Entered && entered_by == by;
    match state {
        MeritState::Refused | MeritState::Withdrawn => Err(Code::StageForbids.with(state.as_str())),
        _ if own || DECIDERS.contains(&role) => Ok(MeritState::Withdrawn),
        _ => Err(Code::RoleForbidden.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_items_are_worth_what_the_regulation_says() {
        let amounts = Amounts::default();
        for (item, times, expected) in [
            (MeritItem::FewerCases, 12, Effect::Points(1_200)),
            (MeritItem::Praised, 1, Effect::Points(500)),
            (MeritItem::Praised, 3, Effect::Points(1_500)),
            (MeritItem::ReputationKept, 1, Effect::Points(1_000)),
            (MeritItem::ReputationWon, 2, Effect::Points(4_000)),
            (MeritItem::Criticised, 1, Effect::Points(-500)),
            (MeritItem::Fault, 1, Effect::Points(-2_000)),
            (MeritItem::NotReporting, 2, Effect::Points(-1_000)),
            (MeritItem::Exposed, 1, Effect::Veto),
            (MeritItem::Fault, i32::MAX, Effect::Points(i32::MIN)),
        ] {
            assert_eq!(delta(item, times, &amounts), expected, "{item} × {times}");
        }
    }

    #[test]
    fn only_a_decrease_counts_by_whole_percentage_points() {
        for (this, last, expected) in [
            (90, 100, 1_000),
            (99, 100, 100),
            (991, 1000, 0),
            (990, 1000, 100),
            (2, 3, 3_300),
            (0, 5, 10_000),
            (100, 100, 0),
            (120, 100, 0),
            (0, 0, 0),
            (7, 0, 0),
        ] {
            assert_eq!(year_on_year(this, last, 100), expected, "{this} after {last}");
        }
    }

    #[test]
    fn a_sum_stays_within_the_cap_to_both_sides() {
        for (sum, expected) in [(0, 0), (5_000, 5_000), (5_100, 5_000), (-5_000, -5_000), (-7_500, -5_000)] {
            assert_eq!(capped(sum, 5_000), expected);
        }
    }

    #[test]
    fn an_entry_has_a_month_times_words_a_day_and_evidence() {
        let now = DateTime::parse_from_rfc3339("2026-11-23T01:00:00Z").unwrap().to_utc();
        let good = NewMerit {
            unit_id: UnitId(Uuid::nil()),
            month: "2026-11".into(),
            item: MeritItem::Praised,
            times: 1,
            summary: "获省住建厅通报表扬".into(),
            happened_on: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            source: "湘建城〔2026〕88号".into(),
            evidence: vec!["a".into(), "a".into()],
        };
        assert_eq!(good.clone().checked(now).unwrap().evidence, ["a"]);
        let day = |m, d| NaiveDate::from_ymd_opt(2026, m, d).unwrap();
        for wrong in [
            NewMerit { month: "2026-13".into(), ..good.clone() },
            NewMerit { month: "2026-Q4".into(), ..good.clone() },
            NewMerit { month: "2026".into(), ..good.clone() },
            NewMerit { item: MeritItem::FewerCases, ..good.clone() },
            NewMerit { times: 0, ..good.clone() },
            NewMerit { summary: " ".into(), ..good.clone() },
            NewMerit { source: String::new(), ..good.clone() },
            NewMerit { happened_on: day(11, 24), ..good.clone() },
            NewMerit { month: "2026-10".into(), happened_on: day(11, 1), ..good.clone() },
            NewMerit { evidence: vec![], ..good.clone() },
        ] {
            assert!(wrong.clone().checked(now).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn whoever_entered_never_decides() {
        let (one, two) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        use MeritState::{Approved, Entered, Refused, Withdrawn};
        assert_eq!(decide(Entered, one, two, true).unwrap(), Approved);
        assert_eq!(decide(Entered, one, two, false).unwrap(), Refused);
        assert_eq!(decide(Entered, one, one, false).unwrap_err().code, Code::SecondPersonRequired);
        for over in [Approved, Refused, Withdrawn] {
            assert_eq!(decide(over, one, two, true).unwrap_err().code, Code::StageForbids);
        }
        assert_eq!(withdraw(Entered, one, one, Role::Dispatcher).unwrap(), Withdrawn);
        assert_eq!(withdraw(Entered, one, two, Role::Dispatcher).unwrap_err().code, Code::RoleForbidden);
        assert_eq!(withdraw(Approved, one, one, Role::Dispatcher).unwrap_err().code, Code::RoleForbidden);
        assert_eq!(withdraw(Approved, one, two, Role::Supervisor).unwrap(), Withdrawn);
        assert_eq!(withdraw(Refused, one, two, Role::Admin).unwrap_err().code, Code::StageForbids);
    }
}
