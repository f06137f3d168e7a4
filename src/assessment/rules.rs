//! Sets of rules as data, and the months they hold for. Pure.

use crate::{
    error::{Code, Result},
    identity::rules::{text, text_enum},
    merits::rules::Amounts,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One point, in the thousandths that scores are kept in.
pub const POINT: i32 = 1000;

text_enum! {
    /// The parts of a score.
    ScorePart {
        /// 数字城管: cases, by the loop.
        DigitalCases = "digital_cases",
        /// 现场抽检.
        SpotChecks = "spot_checks",
        /// 专项督办.
        Supervision = "supervision",
        /// 正负面清单.
        Merits = "merits",
    }
}

text_enum! {
    /// What a part counts for a unit that has no record in it.
    WhenNone {
        /// All its points: nobody looked, or nothing had to be urged, and neither is the unit's fault.
        Full = "full",
        /// None.
        Zero = "zero",
    }
}

/// A part that is a mean of marks: each record is worth the same share of its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanPart {
    /// Thousandths of a point, 0–100000.
    pub points: i32,
    /// What a unit gets that has no record in it.
    pub when_none: WhenNone,
}

/// The part of the cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CasesPart {
    /// Thousandths of a point, 0–100000.
    pub points: i32,
    /// What a case scores that came through the process after its deadline, percent of a timely one, 0–100.
    pub late_percent: i32,
}

/// The positive and negative list (正负面清单).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeritsPart {
    /// What the list may add or take at most, thousandths of a point, 0–100000.
    pub cap: i32,
    /// What each item is worth; an exposure makes the month's score void (一票否决).
    pub amounts: Amounts,
}

/// The rules of an assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// What the rules stand in, 1–100 characters.
    pub title: String,
    /// 数字城管.
    pub digital_cases: CasesPart,
    /// 现场抽检.
    pub spot_checks: MeanPart,
    /// 专项督办.
    pub supervision: MeanPart,
    /// 正负面清单.
    pub merits: MeritsPart,
    /// How sure the interval of the spot checks is, percent: 80, 90, 95 or 99.
    pub confidence_percent: i32,
    /// Working days in which units may object after a month was opened, 1–30.
    pub objection_days: i32,
}

impl RuleSet {
    /// The county's rules of April 2020 (《中方县城区城市管理工作考核暂行办法》): 60, 20, 20 and at most ±5.
    pub fn county() -> RuleSet {
        let mean = || MeanPart { points: 20 * POINT, when_none: WhenNone::Full };
        RuleSet {
            title: "中方县城区城市管理工作考核暂行办法".into(),
            digital_cases: CasesPart { points: 60 * POINT, late_percent: 55 },
            spot_checks: mean(),
            supervision: mean(),
            merits: MeritsPart { cap: 5 * POINT, amounts: Amounts::default() },
            confidence_percent: 90,
            objection_days: 5,
        }
    }

    /// Checks that the rules can be computed with.
    ///
    /// # Errors
    /// `value_invalid`, naming the field.
    pub fn check(&self) -> Result<()> {
        text("title", &self.title, 100)?;
        let full = 100 * POINT;
        let parts = [self.digital_cases.points, self.spot_checks.points, self.supervision.points];
        if parts.iter().any(|points| !(0..=full).contains(points)) || parts.iter().sum::<i32>() != full {
            return Err(Code::ValueInvalid.with("points: 0–100000 each, 100000 in all"));
        }
        if !(0..=100).contains(&self.digital_cases.late_percent) {
            return Err(Code::ValueInvalid.with("late_percent: 0–100"));
        }
        let MeritsPart { cap, amounts } = &self.merits;
        let more = [amounts.fewer_cases, amounts.praised, amounts.reputation_kept, amounts.reputation_won];
        let less = [amounts.criticised, amounts.fault, amounts.not_reporting];
        if more.iter().chain([cap]).any(|amount| !(0..=full).contains(amount)) {
            return Err(Code::ValueInvalid.with("merits: cap and positive amounts 0–100000"));
        }
        if less.iter().any(|amount| !(-full..=0).contains(amount)) {
            return Err(Code::ValueInvalid.with("merits: negative amounts −100000–0"));
        }
        if normal_quantile(self.confidence_percent).is_none() {
            return Err(Code::ValueInvalid.with("confidence_percent: 80, 90, 95 or 99"));
        }
        if !(1..=30).contains(&self.objection_days) {
            return Err(Code::ValueInvalid.with("objection_days: 1–30"));
        }
        Ok(())
    }
}

/// How many standard deviations to each side hold so many percent of a normal distribution.
pub(super) fn normal_quantile(percent: i32) -> Option<f64> {
    match percent {
        80 => Some(1.281_551_565_544_600_4),
        90 => Some(1.644_853_626_951_472_2),
        95 => Some(1.959_963_984_540_054),
        99 => Some(2.575_829_303_548_900_4),
        _ => None,
    }
}

text_enum! {
    /// How far a month has come.
    Phase {
        /// 试算: the Centre looks at it; it may be run again.
        Trial = "trial",
        /// 公示: every unit sees it and may object; its lines stay.
        Open = "open",
        /// 已发布: it never changes.
        Published = "published",
    }
}

text_enum! {
    /// What became of an objection (申诉).
    Verdict {
        /// 成立: a counter-line changes the score.
        Upheld = "upheld",
        /// 不成立.
        Dismissed = "dismissed",
    }
}

/// The steps of an objection: 初核 by the Centre, 复核 by somebody else there, 终审 by the 督查室.
pub const STEPS: i32 = 3;
