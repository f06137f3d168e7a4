//! The nine slots, and what a record's items come to.

use super::checklist::Answer;
use crate::{
    db::types::PickId,
    error::{Code, Result},
    identity::rules::{text, text_enum},
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// The seven kinds of site.
    SiteKind {
        /// 主次干道.
        MainRoad = "main_road",
        /// 背街小巷.
        BackStreet = "back_street",
        /// 居民区.
        Residential = "residential",
        /// 市场.
        Market = "market",
        /// 工地.
        Construction = "construction",
        /// 公厕.
        Toilet = "toilet",
        /// 其他区域.
        Other = "other",
    }
}

impl SiteKind {
    /// As people write it.
    #[must_use]
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::MainRoad => "主次干道",
            Self::BackStreet => "背街小巷",
            Self::Residential => "居民区",
            Self::Market => "市场",
            Self::Construction => "工地",
            Self::Toilet => "公厕",
            Self::Other => "其他区域",
        }
    }
}

/// The kind of each of a unit's nine slots: main road ×2, back street ×2, the others once.
pub const SLOTS: [SiteKind; 9] = [
    SiteKind::MainRoad,
    SiteKind::MainRoad,
    SiteKind::BackStreet,
    SiteKind::BackStreet,
    SiteKind::Residential,
    SiteKind::Market,
    SiteKind::Construction,
    SiteKind::Toilet,
    SiteKind::Other,
];

/// A full score, thousandths of a point.
pub const FULL: i32 = 100_000;

/// One finding of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The checklist's code, 1–32 characters.
    pub code: String,
    /// What was seen, 1–500 characters.
    pub text: String,
    /// Thousandths of a point, 0–100000.
    pub deduction: i32,
}

/// What a handheld writes down at a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The site.
    pub site_id: crate::db::types::SiteId,
    /// ISO 8601 week, `2026-W47`.
    pub week: String,
    /// The findings, at most 100; none is a clean site.
    #[serde(default)]
    pub items: Vec<Item>,
    /// A remark, at most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The drawn visit, or the one whose place this site takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick_id: Option<PickId>,
    /// The version of the checklist that `answers` are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checklist_version: Option<i32>,
    /// One of each item of the kind; then `items` is empty, and written from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<Answer>>,
    /// When the checker came, by the device's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<DateTime<Utc>>,
    /// When the checker went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<DateTime<Utc>>,
    /// Why the site can't be reached, 1–500 characters; then there is nothing else to say, and a photo shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// SHA-256 of the drawn signature, named in the operation's evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// How far from a site's point a checker may stand, metres, beyond the fix's accuracy.
pub const FENCE_M: f64 = 60.0;
/// How long a checker may be on site.
const LONGEST: TimeDelta = TimeDelta::hours(12);

impl Record {
    /// Checks the form.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        week(&self.week)?;
        if self.items.len() > 100 {
            return Err(Code::ValueInvalid.with("items: at most 100"));
        }
        for item in &self.items {
            text("items.code", &item.code, 32)?;
            text("items.text", &item.text, 500)?;
            if !(0..=FULL).contains(&item.deduction) {
                return Err(Code::ValueInvalid.with("items.deduction: 0–100000"));
            }
        }
        if let Some(note) = &self.note {
            text("note", note, 2000)?;
        }
        let years = [self.arrived_at, self.left_at].into_iter().flatten().map(|at| at.year());
        if years.into_iter().any(|year| !(1970..=9999).contains(&year)) {
            return Err(Code::ValueInvalid.with("arrived_at, left_at: year 1970–9999"));
        }
        if let Some((came, went)) = self.arrived_at.zip(self.left_at)
            && !(TimeDelta::zero()..=LONGEST).contains(&(went - came))
        {
            return Err(Code::ValueInvalid.with("left_at: at most 12 hours after arrived_at"));
        }
        if self.answers.is_some() != self.checklist_version.is_some() {
            return Err(Code::ValueInvalid.with("answers and checklist_version: both or none"));
        }
        if self.answers.is_some() && !self.items.is_empty() {
            return Err(Code::ValueInvalid.with("items: empty when there are answers"));
        }
        if let Some(reason) = &self.unreachable {
            text("unreachable", reason, 500)?;
            if !self.items.is_empty() || self.answers.is_some() {
                return Err(Code::ValueInvalid.with("a site that can't be reached has no findings"));
            }
        }
        Ok(())
    }

    /// Checks that what the record rests on comes with it.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check_evidence(&self, named: &[String]) -> Result<()> {
        if let Some(signature) = self.signature.as_ref().filter(|signature| !named.contains(signature)) {
            return Err(Code::ValueInvalid.with(format!("signature: {signature} is not among the evidence")));
        }
        if self.unreachable.is_some() && named.is_empty() {
            return Err(Code::ValueInvalid.with("unreachable: a photo shows why"));
        }
        Ok(())
    }

    /// Full score less the deductions, never below 0; thousandths of a point.
    pub fn score(&self) -> i32 {
        let deducted: i64 = self.items.iter().map(|item| i64::from(item.deduction)).sum();
        i32::try_from((i64::from(FULL) - deducted).max(0)).unwrap_or(0)
    }
}

/// Checks an ISO 8601 week.
///
/// # Errors
/// `value_invalid`.
pub fn week(week: &str) -> Result<()> {
    let parts = week.split_once("-W").and_then(|(year, number)| {
        let two_digits = number.len() == 2;
        Some((year.parse::<i32>().ok()?, number.parse::<u32>().ok().filter(|_| two_digits)?))
    });
    let monday = parts.and_then(|(year, number)| NaiveDate::from_isoywd_opt(year, number, Weekday::Mon));
    // One week has one name: `+2026-W47` and `2026-W+7` read as numbers too.
    match monday.map(|day| format!("{:04}-W{:02}", day.iso_week().year(), day.iso_week().week())) {
        // Four digits: later years are beyond what calendars can count on from there.
        Some(name) if name == week && week.len() == 8 => Ok(()),
        _ => Err(Code::ValueInvalid.with("week: such as 2026-W47")),
    }
}

/// The ISO week a moment falls in, local time.
pub fn week_of(at: DateTime<Utc>) -> String {
    let week = at.with_timezone(&chrono_tz::Asia::Shanghai).iso_week();
    format!("{}-W{:02}", week.year(), week.week())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::types::SiteId;

    fn record(deductions: &[i32]) -> Record {
        let item = |d: &i32| Item { code: "1.1".into(), text: "果皮箱满溢".into(), deduction: *d };
        Record {
            site_id: SiteId(uuid::Uuid::nil()),
            week: "2026-W47".into(),
            items: deductions.iter().map(item).collect(),
            note: None,
            pick_id: None,
            checklist_version: None,
            answers: None,
            arrived_at: None,
            left_at: None,
            unreachable: None,
            signature: None,
        }
    }

    #[test]
    fn nine_slots_hold_two_main_roads_two_back_streets_and_one_of_each_other_kind() {
        for kind in SiteKind::ALL {
            let twice = matches!(kind, SiteKind::MainRoad | SiteKind::BackStreet);
            assert_eq!(SLOTS.iter().filter(|k| *k == kind).count(), if twice { 2 } else { 1 });
        }
    }

    #[test]
    fn a_score_is_full_less_deductions_and_never_negative() {
        assert_eq!(record(&[]).score(), 100_000);
        assert_eq!(record(&[500, 2_000]).score(), 97_500);
        assert_eq!(record(&[100_000, 100_000]).score(), 0);
        assert!(record(&[-1]).check().is_err() && record(&[100_001]).check().is_err() && record(&[3]).check().is_ok());
    }

    #[test]
    fn answers_take_the_place_of_items_and_an_unreachable_site_has_neither() {
        let refused = |change: fn(&mut Record)| {
            let mut record = record(&[500]);
            change(&mut record);
            assert!(record.check().is_err(), "{record:?}");
        };
        refused(|record| record.answers = Some(vec![]));
        refused(|record| (record.answers, record.checklist_version) = (Some(vec![]), Some(1)));
        refused(|record| record.unreachable = Some("大门上锁".into()));
        refused(|record| {
            (record.arrived_at, record.left_at) = (DateTime::from_timestamp(9, 0), DateTime::from_timestamp(8, 0))
        });
        let locked = Record { unreachable: Some("大门上锁".into()), ..record(&[]) };
        assert!(locked.check().is_ok());
        assert_eq!(locked.check_evidence(&[]).unwrap_err().code, Code::ValueInvalid);
        let signed = Record { signature: Some("aa".into()), ..record(&[]) };
        assert!(signed.check_evidence(&["bb".into()]).is_err() && signed.check_evidence(&["aa".into()]).is_ok());
    }

    #[test]
    fn weeks_follow_iso_8601_in_local_time() {
        assert!(week("2026-W53").is_ok() && week("2025-W53").is_err());
        assert!(week("2026-W00").is_err() && week("2026-W7").is_err() && week("2026-47").is_err());
        assert!(week("262142-W52").is_err());
        assert!(week("+2026-W47").is_err() && week("2026-W+7").is_err() && week("02026-W47").is_err());
        let sunday_evening_in_london = DateTime::parse_from_rfc3339("2026-11-22T17:00:00Z").unwrap().to_utc();
        assert_eq!(week_of(sunday_evening_in_london), "2026-W48", "it is Monday in the county");
    }
}
