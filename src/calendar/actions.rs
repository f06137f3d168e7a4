//! The calendar that holds now, and its changes, in an open transaction.

use super::{
    national,
    rules::{Calendar, SlotTable, SpecialDay, usual},
    store::{self, DayRow, SlotRow, YearRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, UserId},
    },
    error::{Code, Error, Result},
};
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeSet;

/// All that is known of when is worked.
#[derive(Debug, Clone)]
pub struct Known {
    /// By their first day, the first one from 1970 on.
    pub tables: Vec<SlotTable>,
    /// In order.
    pub days: Vec<SpecialDay>,
    /// The years whose holidays are known, in order.
    pub years: Vec<i32>,
    /// Those of them that somebody imported.
    pub imported: Vec<YearRow>,
}

impl Known {
    /// What deadlines are computed with.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        Calendar::new(self.tables.clone(), self.days.clone(), &self.years)
    }
}

/// What is known now.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn known(db: &mut Db) -> Result<Known> {
    let imported = store::years(db)?;
    let taken: BTreeSet<i32> = imported.iter().map(|year| year.year).collect();
    let mut days: Vec<SpecialDay> =
        national::days_2026().into_iter().filter(|day| !taken.contains(&day.day.year())).collect();
    for row in store::days(db)? {
        days.push(SpecialDay { day: day(&row.day)?, kind: row.kind.parse()?, name: row.name });
    }
    // A list may name the last days of the year before, also of one that came with the program.
    days.reverse();
    days.sort_by_key(|day| day.day);
    days.dedup_by_key(|day| day.day);
    let mut tables: Vec<SlotTable> = Vec::new();
    for row in store::slots(db)? {
        let from_day = day(&row.from_day)?;
        let slot = super::rules::Slot { from_min: row.from_min, until_min: row.until_min };
        match tables.last_mut().filter(|table| table.from_day == from_day) {
            Some(table) => table.slots.push(slot),
            None => tables.push(SlotTable { from_day, slots: vec![slot] }),
        }
    }
    let usual = usual();
    if tables.first().is_none_or(|first| first.from_day > usual.from_day) {
        tables.insert(0, usual);
    }
    let years = taken.into_iter().chain(national::SEEDED.iter().copied()).collect::<BTreeSet<_>>();
    Ok(Known { tables, days, years: years.into_iter().collect(), imported })
}

/// The calendar that holds now.
///
/// # Errors
/// The engine's own.
pub fn calendar(db: &mut Db) -> Result<Calendar> {
    Ok(known(db)?.calendar())
}

fn day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|_| Error::internal("a day of the calendar is no date"))
}

/// Puts a year's list in the place of the one before. Deadlines that were issued stay.
///
/// # Errors
/// `value_invalid`; `already_exists` when another year's list names one of the days.
pub fn import_year(tx: &mut Tx, by: Option<UserId>, year: i32, source: &str, days: &[SpecialDay]) -> Result<()> {
    if source.trim().is_empty() || source.chars().count() > 200 {
        return Err(Code::ValueInvalid.with("source: 1–200 characters"));
    }
    let mut rows = Vec::with_capacity(days.len());
    for special in national::checked(year, days.to_vec())? {
        let day = special.day.to_string();
        if store::year_of(tx.db, &day)?.is_some_and(|other| other != year) {
            return Err(Code::AlreadyExists.with(format!("{day} stands in another year's list")));
        }
        rows.push(DayRow { day, year, kind: special.kind.to_string(), name: special.name });
    }
    let row = YearRow { year, source: source.trim().to_owned(), imported_by: by, imported_at: At(tx.now) };
    store::year_put(tx.db, &row, &rows)
}

/// Sets the slots from a day on. Deadlines that were issued stay.
///
/// # Errors
/// `value_invalid`.
pub fn set_slots(tx: &mut Tx, by: Option<UserId>, table: &SlotTable) -> Result<()> {
    table.check()?;
    let from_day = table.from_day.to_string();
    let row = |slot: &super::rules::Slot| SlotRow {
        from_day: from_day.clone(),
        from_min: slot.from_min,
        until_min: slot.until_min,
        set_by: by,
        set_at: At(tx.now),
    };
    let rows: Vec<SlotRow> = table.slots.iter().map(row).collect();
    store::slots_put(tx.db, &from_day, &rows).map(drop)
}

/// Takes back the slots that begin on a day.
///
/// # Errors
/// `not_found`.
pub fn remove_slots(tx: &mut Tx, from_day: NaiveDate) -> Result<()> {
    match store::slots_put(tx.db, &from_day.to_string(), &[])? {
        0 => Err(Error::not_found("slots")),
        _ => Ok(()),
    }
}
