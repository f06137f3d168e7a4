//! Who is responsible for what where: the rows of the map, and how they decide. Pure.

use crate::{
    catalogue::rules::ClassKind,
    db::types::{CaseId, ResponsibilityId, UnitId},
    error::{Code, Result},
    identity::{county::REGION, rules::text_enum},
};
use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

/// Hours of the day, minutes after local midnight, half-open; past midnight when they end before they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The first minute, 0–1439.
    pub from_min: i32,
    /// The first minute after, 0–1440; not the first one.
    pub until_min: i32,
}

/// Minutes of a day.
const DAY: i32 = 24 * 60;

impl Hours {
    fn length(self) -> i32 {
        (self.until_min - self.from_min).rem_euclid(DAY)
    }

    fn holds(self, minute: i32) -> bool {
        (minute - self.from_min).rem_euclid(DAY) < self.length()
    }

    /// Whether all of it lies in the other.
    fn within(self, other: Hours) -> bool {
        (self.from_min - other.from_min).rem_euclid(DAY) + self.length() <= other.length()
    }
}

/// What a row of the map is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// A grid's code or the beginning of one, 6–16 digits; empty for everywhere.
    pub area: String,
    /// Components or events; null for both.
    pub class_kind: Option<ClassKind>,
    /// A class's code or the beginning of one, 1–5 digits; empty for all of the kind.
    pub class_code: String,
    /// Only in these hours; null for all day.
    pub hours: Option<Hours>,
}

impl Scope {
    /// Whether it can be a row's.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let area = self.area.is_empty() || (6..=16).contains(&self.area.len()) && self.area.starts_with(REGION);
        if !area || !digits(&self.area) {
            return Err(Code::ValueInvalid.with(format!("area: empty, or 6–16 digits that begin with {REGION}")));
        }
        if self.class_code.len() > 5 || !digits(&self.class_code) {
            return Err(Code::ValueInvalid.with("class_code: at most 5 digits"));
        }
        if self.class_kind.is_none() && !self.class_code.is_empty() {
            // Component 01 and event 01 have nothing to do with each other.
            return Err(Code::ValueInvalid.with("class_kind: needed with a class_code"));
        }
        let good = |hours: Hours| {
            let (from, until) = (hours.from_min, hours.until_min);
            (0..DAY).contains(&from) && (0..=DAY).contains(&until) && hours.length() > 0
        };
        if !self.hours.is_none_or(good) {
            return Err(Code::ValueInvalid.with("hours: from_min 0–1439, until_min 0–1440, and not the whole day"));
        }
        Ok(())
    }

    /// Whether it is about this.
    #[must_use]
    pub fn covers(&self, question: &Question) -> bool {
        let area = self.area.is_empty() || question.grids.iter().any(|grid| grid.starts_with(&self.area));
        let kind = match (self.class_kind, question.class_kind) {
            (Some(ours), Some(theirs)) => ours == theirs,
            // An old case does not say which; rows of both may be meant.
            _ => true,
        };
        let hours = self.hours.is_none_or(|hours| hours.holds(question.minute));
        area && kind && hours && question.class_code.starts_with(&self.class_code)
    }

    /// Whether the other is about all that this is about.
    #[must_use]
    pub fn within(&self, other: &Scope) -> bool {
        let hours = match (self.hours, other.hours) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours.within(theirs),
        };
        let kind = other.class_kind.is_none() || other.class_kind == self.class_kind;
        hours && kind && self.area.starts_with(&other.area) && self.class_code.starts_with(&other.class_code)
    }

    /// In Chinese: `网格 431221100001001、事件 0405、08:00–18:00`.
    #[must_use]
    pub fn told(&self) -> String {
        let area = match self.area.len() {
            0 => "全部区域".to_owned(),
            14.. => format!("网格 {}", self.area),
            _ => format!("区域 {}", self.area),
        };
        let kind = self.class_kind.map_or("全部分类", ClassKind::chinese);
        let class = if self.class_code.is_empty() { kind.to_owned() } else { format!("{kind} {}", self.class_code) };
        let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let hours = self.hours.map(|hours| format!("、{}–{}", clock(hours.from_min), clock(hours.until_min)));
        format!("{area}、{class}{}", hours.unwrap_or_default())
    }
}

/// A row of the map that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responsibility {
    /// Its id.
    pub id: ResponsibilityId,
    /// What it is about.
    pub scope: Scope,
    /// Who sees to it.
    pub unit_id: UnitId,
    /// Whether an arbitration wrote it.
    pub ruling: bool,
    /// Since when.
    pub set_at: DateTime<Utc>,
}

/// What is asked: a place, a class, an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The grids the place lies in: mostly one, several where they overlap, none outside.
    pub grids: Vec<String>,
    /// Component or event; null when that is not known.
    pub class_kind: Option<ClassKind>,
    /// The class's code.
    pub class_code: String,
    /// The minute of the local day.
    pub minute: i32,
}

/// The minute of the local day, 0–1439.
#[must_use]
pub fn minute_of(at: DateTime<Utc>) -> i32 {
    let local = at.with_timezone(&Shanghai);
    i32::try_from(local.hour() * 60 + local.minute()).unwrap_or_default()
}

text_enum! {
    /// How it stands with the responsibility for something.
    Standing {
        /// 空白: no row is about it.
        Unset = "unset",
        /// 明确: one unit.
        One = "one",
        /// 共管: one scope names several units; a person chooses.
        Several = "several",
        /// 争议: rows of which none is narrower than the other name different units; it needs a ruling.
        Disputed = "disputed",
    }
}

/// Who is responsible, and by which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'r> {
    /// How it stands.
    pub standing: Standing,
    /// The units, without doubles, in the order of the rows.
    pub units: Vec<UnitId>,
    /// The rows that decide.
    pub by: Vec<&'r Responsibility>,
    /// How many rows fit too, but are wider or were ruled upon.
    pub passed_over: usize,
}

/// Who is responsible. The order of the rows makes no difference but to the order of the units.
#[must_use]
pub fn judge<'r>(rows: &'r [Responsibility], question: &Question) -> Verdict<'r> {
    let fitting: Vec<&Responsibility> = rows.iter().filter(|row| row.scope.covers(question)).collect();
    let beaten = |row: &Responsibility| {
        fitting.iter().any(|other| match (other.scope.within(&row.scope), row.scope.within(&other.scope)) {
            (true, false) => true,
            // Of rulings on the same, the last one holds.
            (true, true) => other.ruling && (!row.ruling || (other.set_at, other.id) > (row.set_at, row.id)),
            (false, _) => false,
        })
    };
    let by: Vec<&Responsibility> = fitting.iter().copied().filter(|row| !beaten(row)).collect();
    let mut units = Vec::new();
    for row in &by {
        if !units.contains(&row.unit_id) {
            units.push(row.unit_id);
        }
    }
    let standing = match units.len() {
        0 => Standing::Unset,
        1 => Standing::One,
        _ if by.windows(2).all(|two| two[0].scope == two[1].scope) => Standing::Several,
        _ => Standing::Disputed,
    };
    Verdict { standing, units, passed_over: fitting.len() - by.len(), by }
}

/// Why, in Chinese.
pub fn reason(verdict: &Verdict, question: &Question, name: impl Fn(UnitId) -> String) -> String {
    let place = match &question.grids[..] {
        [] => "该点不在任何单元网格内".to_owned(),
        grids => format!("位于网格 {}", grids.join("、")),
    };
    let row = |row: &&Responsibility| {
        let by = if row.ruling { "裁定" } else { "责任清单" };
        format!("{by}“{}”由{}负责", row.scope.told(), name(row.unit_id))
    };
    let rows = verdict.by.iter().map(row).collect::<Vec<_>>().join("；");
    let wider = match verdict.passed_over {
        0 => String::new(),
        n => format!("；另有 {n} 条范围更宽或已被裁定的未采用"),
    };
    match verdict.standing {
        Standing::Unset => format!("{place}，责任清单中没有适用于该类的规定"),
        Standing::One => format!("{place}，按{rows}{wider}"),
        Standing::Several => format!("{place}，同一范围登记了多个单位，请选定：{rows}{wider}"),
        Standing::Disputed => format!("{place}，规定互相冲突，须裁定：{rows}{wider}"),
    }
}

/// How often cases went from one unit on to another (推诿): returned by the one, dispatched to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bounce {
    /// The unit that had it before.
    pub from: UnitId,
    /// The unit that got it then.
    pub to: UnitId,
    /// How often.
    pub times: i64,
}

/// The bounces in a list of dispatches, each with its case; those of a case stand together, in order. The most first.
#[must_use]
pub fn bounces(dispatches: &[(CaseId, UnitId)]) -> Vec<Bounce> {
    let mut counted = BTreeMap::<(UnitId, UnitId), i64>::new();
    for two in dispatches.windows(2) {
        let ((case, from), (same, to)) = (two[0], two[1]);
        if case == same && from != to {
            *counted.entry((from, to)).or_default() += 1;
        }
    }
    let mut bounces: Vec<Bounce> = counted.into_iter().map(|((from, to), times)| Bounce { from, to, times }).collect();
    bounces.sort_by_key(|bounce| std::cmp::Reverse(bounce.times));
    bounces
}
