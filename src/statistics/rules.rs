//! Periods, figures and rates. Pure.

use crate::{
    error::{Code, Error, Result},
    identity::rules::text_enum,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// A month, a quarter or a year: from the first day 00:00 to the last day 24:00, local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    year: i32,
    /// From 0.
    month: u32,
    /// 1, 3 or 12.
    months: u32,
}

impl FromStr for Period {
    type Err = Error;

    /// `2026-10`, `2026-Q4` or `2026`.
    fn from_str(text: &str) -> Result<Period> {
        let wrong = || Code::ParameterInvalid.with("period: such as 2026-10, 2026-Q4 or 2026; years 2000–2100");
        let (year, rest) = text.split_at_checked(4).ok_or_else(wrong)?;
        let whole = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        let year: i32 = whole(year).and_then(|year: u32| i32::try_from(year).ok()).ok_or_else(wrong)?;
        let (month, months) = match rest.as_bytes() {
            [] => (Some(0), 12),
            [b'-', b'Q', quarter @ b'1'..=b'4'] => (Some(u32::from(quarter - b'1') * 3), 3),
            [b'-', _, _] => (whole(&rest[1..]).filter(|month| (1..=12).contains(month)).map(|month| month - 1), 1),
            _ => (None, 0),
        };
        let month = month.filter(|_| (2000..=2100).contains(&year)).ok_or_else(wrong)?;
        Ok(Period { year, month, months })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.months {
            1 => write!(f, "{:04}-{:02}", self.year, self.month + 1),
            3 => write!(f, "{:04}-Q{}", self.year, self.month / 3 + 1),
            _ => write!(f, "{:04}", self.year),
        }
    }
}

impl Period {
    /// The period of the same length just before (环比).
    #[must_use]
    pub fn before(self) -> Period {
        match self.month.checked_sub(self.months) {
            Some(month) => Period { month, ..self },
            None => Period { year: self.year - 1, month: self.month + 12 - self.months, ..self },
        }
    }

    /// The same period a year before (同比).
    #[must_use]
    pub fn year_before(self) -> Period {
        Period { year: self.year - 1, ..self }
    }

    /// The first moment, and the first one after.
    #[must_use]
    pub fn span(self) -> (DateTime<Utc>, DateTime<Utc>) {
        let after = self.month + self.months;
        (midnight(self.year, self.month), midnight(self.year + i32::from(after >= 12), after % 12))
    }

    /// The month that a moment lies in.
    #[must_use]
    pub fn month_of(at: DateTime<Utc>) -> Period {
        let local = at.with_timezone(&Shanghai);
        Period { year: local.year(), month: local.month0(), months: 1 }
    }
}

fn midnight(year: i32, month: u32) -> DateTime<Utc> {
    let first = NaiveDate::from_ymd_opt(year, month + 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    Shanghai.from_local_datetime(&first).earliest().map_or(first.and_utc(), |at| at.to_utc())
}

text_enum! {
    /// What the lines of a table are.
    By {
        /// One line for all.
        All = "all",
        /// The responsible unit.
        Unit = "unit",
        /// The class code; empty for cases without one.
        Class = "class",
        /// Who reported it.
        Reporter = "reporter",
        /// The grid unit its place lies in by the map that holds now, the one with the least code where grids overlap;
        /// empty for cases without a place, and outside of all.
        Grid = "grid",
    }
}

text_enum! {
    /// What is counted: each is one condition on a case whose deadline falls in the period, but for the last one.
    Figure {
        /// 总数 N.
        Total = "total",
        /// 已结案 C: handled, applied for, verified, passed and confirmed.
        Closed = "closed",
        /// 及时结案 T: closed, and through the process before the deadline.
        Timely = "timely",
        /// 超时结案: closed after the deadline.
        Late = "late",
        /// 未处置: not handled.
        NotHandled = "not_handled",
        /// 已处置未申请结案: handled, no closing application.
        NotApplied = "not_applied",
        /// 核查未通过: applied, but refused or not passed, and not applied for again.
        NotPassed = "not_passed",
        /// 核查中: applied, not decided yet.
        InVerification = "in_verification",
        /// 已处置: handled, whatever came after.
        Handled = "handled",
        /// 按期处置: handled by the deadline.
        HandledInTime = "handled_in_time",
        /// 超期未处置: not handled, and the deadline has passed; not while it is on hold (挂账).
        Overdue = "overdue",
        /// 返工: went back to the unit at least once.
        Reworked = "reworked",
        /// 延期: its deadline was moved at least once.
        Extended = "extended",
        /// 自行处置: reported in the period and put right by whoever reported it; without deadline or unit, and so in no
        /// total.
        SelfHandled = "self_handled",
    }
}

/// How often each figure holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Counts {
    /// 总数.
    pub total: i64,
    /// 已结案.
    pub closed: i64,
    /// 及时结案.
    pub timely: i64,
    /// 超时结案.
    pub late: i64,
    /// 未处置.
    pub not_handled: i64,
    /// 已处置未申请结案.
    pub not_applied: i64,
    /// 核查未通过.
    pub not_passed: i64,
    /// 核查中.
    pub in_verification: i64,
    /// 已处置.
    pub handled: i64,
    /// 按期处置.
    pub handled_in_time: i64,
    /// 超期未处置.
    pub overdue: i64,
    /// 返工.
    pub reworked: i64,
    /// 延期.
    pub extended: i64,
    /// 自行处置.
    pub self_handled: i64,
}

impl Counts {
    /// Counts these cases too.
    pub fn add(&mut self, mut more: Counts) {
        for figure in Figure::ALL {
            *self.of(*figure) += *more.of(*figure);
        }
    }

    /// The place of a figure.
    pub fn of(&mut self, figure: Figure) -> &mut i64 {
        match figure {
            Figure::Total => &mut self.total,
            Figure::Closed => &mut self.closed,
            Figure::Timely => &mut self.timely,
            Figure::Late => &mut self.late,
            Figure::NotHandled => &mut self.not_handled,
            Figure::NotApplied => &mut self.not_applied,
            Figure::NotPassed => &mut self.not_passed,
            Figure::InVerification => &mut self.in_verification,
            Figure::Handled => &mut self.handled,
            Figure::HandledInTime => &mut self.handled_in_time,
            Figure::Overdue => &mut self.overdue,
            Figure::Reworked => &mut self.reworked,
            Figure::Extended => &mut self.extended,
            Figure::SelfHandled => &mut self.self_handled,
        }
    }
}

/// A share in hundredths of a percent, rounded half up; none of nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rate {
    /// Hundredths of a percent; null when there is nothing to divide by.
    pub basis_points: Option<i64>,
    /// `60.74%`, or `—`.
    pub text: String,
}

impl Rate {
    /// A part of a whole.
    #[must_use]
    pub fn of(part: i64, whole: i64) -> Rate {
        Rate::hundredths(part.saturating_mul(100), whole)
    }

    /// The same of a part in hundredths.
    fn hundredths(part: i64, whole: i64) -> Rate {
        if whole <= 0 {
            return Rate { basis_points: None, text: "—".into() };
        }
        let points = (part.saturating_mul(200) + whole).div_euclid(whole.saturating_mul(2));
        let sign = if points < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:02}%", points.abs() / 100, points.abs() % 100);
        Rate { basis_points: Some(points), text }
    }
}

/// The rates that units are judged by, and those of the national indicators (GB/T 30428.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rates {
    /// 解决率 C/N.
    pub resolution: Rate,
    /// 及时解决率 T/N.
    pub timely: Rate,
    /// 综合解决率 (T + 0.55·L)/N: a late case counts 55 %.
    pub comprehensive: Rate,
    /// 处置率.
    pub handled: Rate,
    /// 按期处置率, of all that had to be handled.
    pub handled_in_time: Rate,
    /// 超期未处置率.
    pub overdue: Rate,
    /// 返工率, of all that had to be handled.
    pub rework: Rate,
    /// 延期率.
    pub extension: Rate,
}

impl From<&Counts> for Rates {
    fn from(c: &Counts) -> Rates {
        let of = |part| Rate::of(part, c.total);
        Rates {
            resolution: of(c.closed),
            timely: of(c.timely),
            comprehensive: Rate::hundredths(c.closed * 55 + c.timely * 45, c.total),
            handled: of(c.handled),
            handled_in_time: of(c.handled_in_time),
            overdue: of(c.overdue),
            rework: of(c.reworked),
            extension: of(c.extended),
        }
    }
}

/// The counting rule of a table, as it is printed with its figures.
#[must_use]
pub fn rule(by: By) -> String {
    if by == By::Grid { format!("{RULE}{GRID_RULE}") } else { RULE.to_owned() }
}

const GRID_RULE: &str = "按网格统计时，以案件位置（换算为 CGCS2000/WGS-84）所在的现行网格为准，位于多个网格的计入编码最小的一个，无位置或在\
网格之外的合计一行；重新导入网格后，往期数据按新网格计算。";

const RULE: &str = "统计口径：截止时间（含已批准的延期和挂账顺延）落在统计期内的案件，自首日 00:00 起，至末日 24:00 止（24:00 整\
属于下一期），不论何时上报；挂账期间不计超期；未派遣、作废和退回待重派的案件不计。解决率＝已结案÷总数；及时解决率＝及时结案÷总数；综合解决率＝（及时结案＋\
0.55×超时结案）÷总数；处置率、按期处置率、超期未处置率、返工率、延期率均以总数为分母。分母为 0 时记“—”。自行处置数另计：统计期内上报、由上报人自行处置且未经\
复核退回的案件，没有责任单位，不计入总数。";

#[cfg(test)]
mod tests;
