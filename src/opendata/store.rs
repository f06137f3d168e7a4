//! Open rows, a page at a time.

use super::rules::{Bounds, Span};
use crate::{
    db::{
        Db, MultiBackend, literally,
        schema::{cases, grids, spot_sites, spots},
        types::{At, CaseId, Json, SiteId, SpotId, UnitId},
    },
    error::Result,
};
use diesel::prelude::*;

/// What of a case is open.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = cases)]
pub(super) struct OpenCase {
    pub(super) id: CaseId,
    pub(super) number: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) class_kind: Option<String>,
    pub(super) class_code: Option<String>,
    pub(super) address: Option<String>,
    pub(super) lat: Option<f64>,
    pub(super) lon: Option<f64>,
    pub(super) datum: Option<String>,
    pub(super) unit_id: Option<UnitId>,
    pub(super) reported_at: At,
    pub(super) dispatched_at: Option<At>,
    pub(super) due_at: Option<At>,
    pub(super) handled_at: Option<At>,
    pub(super) closed_at: Option<At>,
    pub(super) timely: Option<bool>,
    pub(super) rework_count: i32,
    pub(super) extension_count: i32,
    pub(super) priority: i32,
    pub(super) updated_at: At,
}

/// What of a site is open.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = spot_sites)]
pub(super) struct OpenSite {
    pub(super) id: SiteId,
    pub(super) unit_id: UnitId,
    pub(super) kind: String,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) address: Option<String>,
    pub(super) lat: Option<f64>,
    pub(super) lon: Option<f64>,
    pub(super) updated_at: At,
}

/// What of a spot is open.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = spots)]
pub(super) struct OpenSpot {
    pub(super) id: SpotId,
    pub(super) class_kind: Option<String>,
    pub(super) class_code: String,
    pub(super) address: Option<String>,
    pub(super) lat: f64,
    pub(super) lon: f64,
    pub(super) radius_m: i32,
    pub(super) grid_code: Option<String>,
    pub(super) state: String,
    pub(super) cause: Option<String>,
    pub(super) case_count: i32,
    pub(super) observation_count: i32,
    pub(super) recurrence_count: i32,
    pub(super) first_seen_at: At,
    pub(super) last_seen_at: At,
    pub(super) closed_at: Option<At>,
}

/// A grid.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = grids)]
pub(super) struct OpenGrid {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) shape: Json,
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
    pub(super) imported_at: At,
}

/// Which rows. What a collection has no column for does not narrow it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) state: Option<&'static str>,
    pub(super) unit_id: Option<UnitId>,
    pub(super) prefix: Option<String>,
    /// Those whose place may lie in it.
    pub(super) bounds: Option<Bounds>,
    pub(super) during: Span,
}

type Filtered<T> = diesel::helper_types::IntoBoxed<'static, T, MultiBackend>;

/// Narrows a query to rows whose point may lie in a rectangle, and whose moment lies in a stretch.
macro_rules! narrowed {
    ($query:ident, $table:ident, $wanted:ident, $moment:ident) => {
        if let Some(bounds) = &$wanted.bounds {
            $query = $query.filter($table::lat.between(bounds.south, bounds.north));
            if bounds.west <= bounds.east {
                $query = $query.filter($table::lon.between(bounds.west, bounds.east));
            } else {
                $query = $query.filter($table::lon.ge(bounds.west).or($table::lon.le(bounds.east)));
            }
        }
        narrowed!($query, $table, $wanted.during, $moment);
    };
    ($query:ident, $table:ident, $wanted:ident . during, $moment:ident) => {
        if let Some(from) = $wanted.during.from {
            $query = $query.filter($table::$moment.ge(At(from)));
        }
        if let Some(until) = $wanted.during.until {
            $query = $query.filter($table::$moment.le(At(until)));
        }
    };
}

fn of_cases(wanted: &Wanted) -> Filtered<cases::table> {
    let mut query = cases::table.into_boxed();
    if let Some(state) = wanted.state {
        query = query.filter(cases::state.eq(state));
    }
    if let Some(unit) = wanted.unit_id {
        query = query.filter(cases::unit_id.eq(unit));
    }
    narrowed!(query, cases, wanted, reported_at);
    query
}

fn of_sites(wanted: &Wanted) -> Filtered<spot_sites::table> {
    let mut query = spot_sites::table.into_boxed();
    if let Some(unit) = wanted.unit_id {
        query = query.filter(spot_sites::unit_id.eq(unit));
    }
    narrowed!(query, spot_sites, wanted, updated_at);
    query
}

fn of_spots(wanted: &Wanted) -> Filtered<spots::table> {
    let mut query = spots::table.into_boxed();
    if let Some(state) = wanted.state {
        query = query.filter(spots::state.eq(state));
    }
    if let Some(prefix) = &wanted.prefix {
        let within = spots::grid_code.assume_not_null().like(format!("{}%", literally(prefix))).escape('\\');
        query = query.filter(spots::grid_code.is_not_null()).filter(within);
    }
    narrowed!(query, spots, wanted, last_seen_at);
    query
}

fn of_grids(wanted: &Wanted) -> Filtered<grids::table> {
    let mut query = grids::table.into_boxed();
    if let Some(prefix) = &wanted.prefix {
        query = query.filter(grids::code.like(format!("{}%", literally(prefix))).escape('\\'));
    }
    if let Some(bounds) = &wanted.bounds {
        query = query.filter(grids::north.ge(bounds.south).and(grids::south.le(bounds.north)));
        // No grid crosses the date line.
        if bounds.west <= bounds.east {
            query = query.filter(grids::east.ge(bounds.west).and(grids::west.le(bounds.east)));
        } else {
            query = query.filter(grids::east.ge(bounds.west).or(grids::west.le(bounds.east)));
        }
    }
    narrowed!(query, grids, wanted.during, imported_at);
    query
}

/// Newest first.
pub(super) fn cases(db: &mut Db, wanted: &Wanted, after: Option<CaseId>, limit: i64) -> Result<Vec<OpenCase>> {
    let mut query = of_cases(wanted);
    if let Some(after) = after {
        query = query.filter(cases::id.lt(after));
    }
    Ok(query.order(cases::id.desc()).limit(limit).select(OpenCase::as_select()).load(db)?)
}

/// By id.
pub(super) fn sites(db: &mut Db, wanted: &Wanted, after: Option<SiteId>, limit: i64) -> Result<Vec<OpenSite>> {
    let mut query = of_sites(wanted);
    if let Some(after) = after {
        query = query.filter(spot_sites::id.gt(after));
    }
    Ok(query.order(spot_sites::id.asc()).limit(limit).select(OpenSite::as_select()).load(db)?)
}

/// By id.
pub(super) fn spots(db: &mut Db, wanted: &Wanted, after: Option<SpotId>, limit: i64) -> Result<Vec<OpenSpot>> {
    let mut query = of_spots(wanted);
    if let Some(after) = after {
        query = query.filter(spots::id.gt(after));
    }
    Ok(query.order(spots::id.asc()).limit(limit).select(OpenSpot::as_select()).load(db)?)
}

/// By code.
pub(super) fn grids(db: &mut Db, wanted: &Wanted, after: Option<&str>, limit: i64) -> Result<Vec<OpenGrid>> {
    let mut query = of_grids(wanted);
    if let Some(after) = after {
        query = query.filter(grids::code.gt(after.to_owned()));
    }
    Ok(query.order(grids::code.asc()).limit(limit).select(OpenGrid::as_select()).load(db)?)
}

pub(super) fn case_count(db: &mut Db, wanted: &Wanted) -> Result<i64> {
    Ok(of_cases(wanted).count().get_result(db)?)
}

pub(super) fn site_count(db: &mut Db, wanted: &Wanted) -> Result<i64> {
    Ok(of_sites(wanted).count().get_result(db)?)
}

pub(super) fn spot_count(db: &mut Db, wanted: &Wanted) -> Result<i64> {
    Ok(of_spots(wanted).count().get_result(db)?)
}

pub(super) fn grid_count(db: &mut Db, wanted: &Wanted) -> Result<i64> {
    Ok(of_grids(wanted).count().get_result(db)?)
}

pub(super) fn case_get(db: &mut Db, id: CaseId) -> Result<Option<OpenCase>> {
    Ok(cases::table.find(id).select(OpenCase::as_select()).get_result(db).optional()?)
}

pub(super) fn site_get(db: &mut Db, id: SiteId) -> Result<Option<OpenSite>> {
    Ok(spot_sites::table.find(id).select(OpenSite::as_select()).get_result(db).optional()?)
}

pub(super) fn spot_get(db: &mut Db, id: SpotId) -> Result<Option<OpenSpot>> {
    Ok(spots::table.find(id).select(OpenSpot::as_select()).get_result(db).optional()?)
}

pub(super) fn grid_get(db: &mut Db, code: &str) -> Result<Option<OpenGrid>> {
    Ok(grids::table.find(code).select(OpenGrid::as_select()).get_result(db).optional()?)
}
