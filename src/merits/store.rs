//! Rows of the list, and the cases that were filed.

use super::rules::{MeritItem, MeritState};
use crate::{
    db::{
        Db,
        schema::{cases, merits},
        types::{At, Json, MeritId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{dsl::count_star, prelude::*};

/// An entry.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = merits, treat_none_as_null = true)]
pub struct EntryRow {
    /// Its id.
    pub id: MeritId,
    /// The unit.
    pub unit_id: UnitId,
    /// The month it counts in.
    pub month: String,
    /// See `rules::MeritItem`.
    pub item: String,
    /// How often.
    pub times: i32,
    /// What happened.
    pub summary: String,
    /// When, an ISO date.
    pub happened_on: String,
    /// Where that is written.
    pub source: String,
    /// SHA-256 of evidence, a list.
    pub evidence: Json,
    /// See `rules::MeritState`.
    pub state: String,
    /// Who entered it.
    pub entered_by: UserId,
    /// When.
    pub entered_at: At,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<At>,
    /// The decision in words.
    pub decision_words: Option<String>,
    /// Who took it back.
    pub withdrawn_by: Option<UserId>,
    /// When.
    pub withdrawn_at: Option<At>,
    /// Why.
    pub withdrawn_reason: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Of this month.
    pub month: Option<String>,
    /// Of this unit.
    pub unit_id: Option<UnitId>,
    /// Of this item.
    pub item: Option<MeritItem>,
    /// In this state.
    pub state: Option<MeritState>,
}

pub(super) fn entry_add(db: &mut Db, row: &EntryRow) -> Result<()> {
    diesel::insert_into(merits::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn entry_get(db: &mut Db, id: MeritId) -> Result<Option<EntryRow>> {
    Ok(merits::table.find(id).select(EntryRow::as_select()).get_result(db).optional()?)
}

/// Writes what became of an entry; false when it is not in this state any more.
pub(super) fn entry_save(db: &mut Db, row: &EntryRow, was: MeritState) -> Result<bool> {
    let same = merits::table.filter(merits::id.eq(row.id)).filter(merits::state.eq(was.as_str()));
    Ok(diesel::update(same).set(row).execute(db)? == 1)
}

pub(super) fn entry_page(db: &mut Db, only: &Only, before: Option<MeritId>, limit: i64) -> Result<Vec<EntryRow>> {
    let mut query = merits::table.order(merits::id.desc()).limit(limit).select(EntryRow::as_select()).into_boxed();
    if let Some(month) = &only.month {
        query = query.filter(merits::month.eq(month));
    }
    if let Some(unit) = only.unit_id {
        query = query.filter(merits::unit_id.eq(unit));
    }
    if let Some(item) = only.item {
        query = query.filter(merits::item.eq(item.as_str()));
    }
    if let Some(state) = only.state {
        query = query.filter(merits::state.eq(state.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(merits::id.lt(before));
    }
    Ok(query.load(db)?)
}

/// The approved entries of a month, oldest first.
pub(super) fn approved(db: &mut Db, month: &str) -> Result<Vec<EntryRow>> {
    Ok(merits::table
        .filter(merits::month.eq(month))
        .filter(merits::state.eq(MeritState::Approved.as_str()))
        .order(merits::id)
        .select(EntryRow::as_select())
        .load(db)?)
}

/// How many cases that were reported in a stretch and filed are each unit's, by unit.
pub(super) fn filed(db: &mut Db, from: At, until: At) -> Result<Vec<(UnitId, i64)>> {
    let rows: Vec<(Option<UnitId>, i64)> = cases::table
        .filter(cases::reported_at.ge(from))
        .filter(cases::reported_at.lt(until))
        .filter(cases::unit_id.is_not_null())
        .filter(cases::dispatched_at.is_not_null())
        .group_by(cases::unit_id)
        .order(cases::unit_id)
        .select((cases::unit_id, count_star()))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(unit, count)| Some((unit?, count))).collect())
}
