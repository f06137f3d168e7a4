//! Rows of grids and of the responsibility map, and the cases that weigh its doubts.

use crate::{
    db::{
        Db, literally,
        schema::{case_events, cases, grids, responsibilities},
        types::{At, CaseId, Json, ResponsibilityId, UnitId, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// A grid unit.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = grids)]
pub struct GridRow {
    /// 14–16 digits.
    pub code: String,
    /// What people call it.
    pub name: String,
    pub(super) shape: Json,
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
    /// When the map that has it was imported.
    pub imported_at: At,
}

/// A row of the responsibility map.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = responsibilities)]
pub struct ResponsibilityRow {
    /// Its id.
    pub id: ResponsibilityId,
    /// A grid's code or the beginning of one.
    pub area: String,
    /// Components or events; null for both.
    pub class_kind: Option<String>,
    /// A class's code or the beginning of one.
    pub class_code: String,
    /// The first minute of the day it holds; null for all day.
    pub from_min: Option<i32>,
    /// The first minute after.
    pub until_min: Option<i32>,
    /// Who is responsible.
    pub unit_id: UnitId,
    /// Whether an arbitration wrote it.
    pub ruling: bool,
    /// Why.
    pub reason: String,
    /// Who entered it.
    pub set_by: Option<UserId>,
    /// When.
    pub set_at: At,
    /// Who ended it.
    pub ended_by: Option<UserId>,
    /// Since when it no longer holds.
    pub ended_at: Option<At>,
}

/// Puts a map in the place of the one before.
pub(super) fn grids_put(db: &mut Db, rows: &[GridRow]) -> Result<()> {
    diesel::delete(grids::table).execute(db)?;
    for row in rows {
        diesel::insert_into(grids::table).values(row).execute(db)?;
    }
    Ok(())
}

/// All grids, or those whose box holds a point, by code.
pub(super) fn grids(db: &mut Db, at: Option<(f64, f64)>) -> Result<Vec<GridRow>> {
    let mut query = grids::table.order(grids::code).select(GridRow::as_select()).into_boxed();
    if let Some((lon, lat)) = at {
        query = query.filter(grids::west.le(lon).and(grids::east.ge(lon)));
        query = query.filter(grids::south.le(lat).and(grids::north.ge(lat)));
    }
    Ok(query.load(db)?)
}

/// Codes and names of grids after a code.
pub(super) fn grid_page(
    db: &mut Db,
    prefix: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<(String, String)>> {
    let mut query = grids::table.order(grids::code).select((grids::code, grids::name)).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(grids::code.gt(after.to_owned()));
    }
    if let Some(prefix) = prefix {
        query = query.filter(grids::code.like(format!("{}%", literally(prefix))).escape('\\'));
    }
    Ok(query.load(db)?)
}

pub(super) fn grid_exists(db: &mut Db, code: &str) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(grids::table.find(code))).get_result(db)?)
}

pub(super) fn responsibility_add(db: &mut Db, row: &ResponsibilityRow) -> Result<()> {
    diesel::insert_into(responsibilities::table).values(row).execute(db)?;
    Ok(())
}

/// Ends a row that is in force.
pub(super) fn responsibility_end(db: &mut Db, id: ResponsibilityId, by: UserId, at: At) -> Result<bool> {
    let row = responsibilities::table.filter(responsibilities::id.eq(id)).filter(responsibilities::ended_at.is_null());
    let ends = (responsibilities::ended_by.eq(by), responsibilities::ended_at.eq(at));
    Ok(diesel::update(row).set(ends).execute(db)? > 0)
}

/// Which rows a list shows.
#[derive(Debug, Clone, Default)]
pub struct ResponsibilityPage {
    /// Only those in force.
    pub in_force: bool,
    /// Only of this unit.
    pub unit_id: Option<UnitId>,
    /// Only rulings, or only what the map says.
    pub ruling: Option<bool>,
    /// Only those entered before this one.
    pub after: Option<ResponsibilityId>,
    /// At most so many; all without.
    pub limit: Option<i64>,
}

/// Rows, entered last first.
pub(super) fn responsibilities(db: &mut Db, page: &ResponsibilityPage) -> Result<Vec<ResponsibilityRow>> {
    use responsibilities as r;
    let mut query = r::table.order(r::id.desc()).select(ResponsibilityRow::as_select()).into_boxed();
    if page.in_force {
        query = query.filter(r::ended_at.is_null());
    }
    if let Some(unit_id) = page.unit_id {
        query = query.filter(r::unit_id.eq(unit_id));
    }
    if let Some(ruling) = page.ruling {
        query = query.filter(r::ruling.eq(ruling));
    }
    if let Some(after) = page.after {
        query = query.filter(r::id.lt(after));
    }
    if let Some(limit) = page.limit {
        query = query.limit(limit);
    }
    Ok(query.load(db)?)
}

/// What of a case decides who is responsible.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Reported {
    pub(super) class_kind: Option<String>,
    pub(super) class_code: Option<String>,
    pub(super) lat: Option<f64>,
    pub(super) lon: Option<f64>,
    pub(super) datum: Option<String>,
    pub(super) reported_at: At,
}

/// Cases with a class that were reported since.
pub(super) fn reported(db: &mut Db, since: At) -> Result<Vec<Reported>> {
    Ok(cases::table
        .filter(cases::reported_at.ge(since))
        .filter(cases::class_code.is_not_null())
        .select((cases::class_kind, cases::class_code, cases::lat, cases::lon, cases::datum, cases::reported_at))
        .load(db)?)
}

/// The dispatches of the cases that were dispatched since, each with its unit; those of a case together, in order.
pub(super) fn dispatches(db: &mut Db, since: At) -> Result<Vec<(CaseId, UnitId)>> {
    let rows: Vec<(CaseId, Json)> = case_events::table
        .filter(case_events::command.eq("dispatch"))
        .filter(case_events::outcome.eq("applied"))
        .filter(case_events::at.ge(since))
        .order((case_events::case_id, case_events::seq))
        .select((case_events::case_id, case_events::args))
        .load(db)?;
    let unit = |(case, args): (CaseId, Json)| Some((case, args.0["unit_id"].as_str()?.parse().ok()?));
    Ok(rows.into_iter().filter_map(unit).collect())
}
