//! The State Council's holidays (国务院办公厅关于部分节假日安排的通知): those that are known, and the lists that are published
//! for machines.

use super::rules::{DayKind, SpecialDay};
use crate::error::{Code, Error, Result};
use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

/// The years that come with the program.
pub const SEEDED: &[i32] = &[2026];

/// Name, month, first and last day.
type Run = (&'static str, u32, u32, u32);

/// 2026, as published in November 2025.
const HOLIDAYS_2026: &[Run] = &[
    ("元旦", 1, 1, 3),
    ("春节", 2, 15, 23),
    ("清明节", 4, 4, 6),
    ("劳动节", 5, 1, 5),
    ("端午节", 6, 19, 21),
    ("中秋节", 9, 25, 27),
    ("国庆节", 10, 1, 7),
];
/// The weekends of 2026 that make up for them.
const WORKDAYS_2026: &[Run] = &[
    ("元旦", 1, 4, 4),
    ("春节", 2, 14, 14),
    ("春节", 2, 28, 28),
    ("劳动节", 5, 9, 9),
    ("中秋节", 9, 20, 20),
    ("国庆节", 10, 10, 10),
];

/// The special days of 2026.
#[must_use]
pub fn days_2026() -> Vec<SpecialDay> {
    let run = |kind| {
        move |&(name, month, first, last): &Run| {
            let days = (first..=last).filter_map(move |day| NaiveDate::from_ymd_opt(2026, month, day));
            days.map(move |day| SpecialDay { day, kind, name: name.to_owned() })
        }
    };
    let holidays = HOLIDAYS_2026.iter().flat_map(run(DayKind::Holiday));
    holidays.chain(WORKDAYS_2026.iter().flat_map(run(DayKind::Workday))).collect()
}

/// A year's list as it is published for machines.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    year: i32,
    days: Vec<PublishedDay>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublishedDay {
    name: String,
    date: NaiveDate,
    is_off_day: bool,
}

/// Reads a year's list: `{"year":2027,"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true},…]}`.
///
/// # Errors
/// `value_invalid`: no such JSON, or as [`checked`].
pub fn read(text: &str) -> Result<(i32, Vec<SpecialDay>)> {
    let list: Published = serde_json::from_str(text).map_err(|e| wrong(format!("the list: {e}")))?;
    let days = list.days.into_iter().map(|PublishedDay { name, date, is_off_day }| {
        let kind = if is_off_day { DayKind::Holiday } else { DayKind::Workday };
        SpecialDay { day: date, kind, name }
    });
    Ok((list.year, checked(list.year, days.collect())?))
}

/// A year's special days in order.
///
/// # Errors
/// `value_invalid`: a day of another year, twice the same day, a name that is none, or no day at all (the list of a year
/// that is not published yet is empty).
pub fn checked(year: i32, mut days: Vec<SpecialDay>) -> Result<Vec<SpecialDay>> {
    if !(2007..=2100).contains(&year) {
        return Err(wrong(format!("year {year}: 2007–2100")));
    }
    if days.is_empty() || days.len() > 200 {
        return Err(wrong(format!("year {year}: {} days; an empty list is not published yet", days.len())));
    }
    for SpecialDay { day, name, .. } in &days {
        // New Year's list begins with the last days of the year before.
        if day.year() != year && day.year() != year - 1 {
            return Err(wrong(format!("{day} is not of {year}")));
        }
        if name.is_empty() || name.chars().count() > 40 {
            return Err(wrong(format!("{day}: a name of 1–40 characters")));
        }
    }
    days.sort_by_key(|day| day.day);
    match days.windows(2).find(|two| two[0].day == two[1].day) {
        Some(two) => Err(wrong(format!("{} stands there twice", two[0].day))),
        None => Ok(days),
    }
}

fn wrong(why: String) -> Error {
    Code::ValueInvalid.with(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holidays_of_2026_are_those_of_the_notice() {
        let days = days_2026();
        let count = |kind| days.iter().filter(|day| day.kind == kind).count();
        assert_eq!((count(DayKind::Holiday), count(DayKind::Workday)), (33, 6));
    }

    #[test]
    fn a_published_list_is_read_and_a_wrong_one_is_told() {
        let list = |year: i32, date: &str| {
            format!(r#"{{"year":{year},"papers":[],"days":[{{"name":"元旦","date":"{date}","isOffDay":true}}]}}"#)
        };
        let (year, days) = read(&list(2027, "2027-01-01")).unwrap();
        assert_eq!((year, days[0].kind, days[0].name.as_str()), (2027, DayKind::Holiday, "元旦"));
        for (wrong, told) in [
            ("[]", "the list"),
            (&list(2027, "2025-12-31"), "not of 2027"),
            (&list(2027, "2027-02-30"), "the list"),
            (&list(1900, "1900-01-01"), "2007–2100"),
            (r#"{"year":2027,"days":[]}"#, "not published yet"),
            (&list(2027, r#"2027-01-01","isOffDay":true},{"name":"元旦","date":"2027-01-01"#), "twice"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.detail.unwrap().contains(told), "{wrong}");
        }
    }
}
