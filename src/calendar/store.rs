//! Rows of the calendar.

use crate::{
    db::{
        Db,
        schema::{calendar_days, calendar_years, working_slots},
        types::{At, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// A year whose holidays somebody imported.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = calendar_years)]
pub struct YearRow {
    /// The year.
    pub year: i32,
    /// Where the list comes from, in words.
    pub source: String,
    /// Who imported it; null on the server's own command line.
    pub imported_by: Option<UserId>,
    /// When.
    pub imported_at: At,
}

/// A special day of such a year.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = calendar_days)]
pub(super) struct DayRow {
    pub(super) day: String,
    pub(super) year: i32,
    pub(super) kind: String,
    pub(super) name: String,
}

/// A slot of the table that begins on a day.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = working_slots)]
pub(super) struct SlotRow {
    pub(super) from_day: String,
    pub(super) from_min: i32,
    pub(super) until_min: i32,
    pub(super) set_by: Option<UserId>,
    pub(super) set_at: At,
}

pub(super) fn years(db: &mut Db) -> Result<Vec<YearRow>> {
    Ok(calendar_years::table.order(calendar_years::year).select(YearRow::as_select()).load(db)?)
}

pub(super) fn days(db: &mut Db) -> Result<Vec<DayRow>> {
    Ok(calendar_days::table.order(calendar_days::day).select(DayRow::as_select()).load(db)?)
}

pub(super) fn slots(db: &mut Db) -> Result<Vec<SlotRow>> {
    let order = (working_slots::from_day, working_slots::from_min);
    Ok(working_slots::table.order(order).select(SlotRow::as_select()).load(db)?)
}

/// Puts a year's list in the place of the one before.
pub(super) fn year_put(db: &mut Db, year: &YearRow, days: &[DayRow]) -> Result<()> {
    diesel::delete(calendar_days::table.filter(calendar_days::year.eq(year.year))).execute(db)?;
    diesel::delete(calendar_years::table.find(year.year)).execute(db)?;
    diesel::insert_into(calendar_years::table).values(year).execute(db)?;
    for day in days {
        diesel::insert_into(calendar_days::table).values(day).execute(db)?;
    }
    Ok(())
}

/// The year whose list names this day.
pub(super) fn year_of(db: &mut Db, day: &str) -> Result<Option<i32>> {
    Ok(calendar_days::table.find(day).select(calendar_days::year).get_result(db).optional()?)
}

/// Puts a table of slots in the place of the one that began on the same day; no slots take it away.
pub(super) fn slots_put(db: &mut Db, from_day: &str, slots: &[SlotRow]) -> Result<usize> {
    let gone = diesel::delete(working_slots::table.filter(working_slots::from_day.eq(from_day))).execute(db)?;
    for slot in slots {
        diesel::insert_into(working_slots::table).values(slot).execute(db)?;
    }
    Ok(gone)
}
