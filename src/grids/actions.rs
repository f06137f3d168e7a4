//! Grids, the responsibility map and its doubts, in an open transaction.

use super::{
    atlas::{self, Atlas, Grid},
    geojson,
    rules::{self, Bounce, Hours, Question, Responsibility, Scope, Standing},
    store::{self, GridRow, ResponsibilityPage, ResponsibilityRow},
};
use crate::{
    catalogue::rules::ClassKind,
    db::{
        Db, Tx,
        types::{At, Json, ResponsibilityId, UnitId, UserId},
    },
    error::{Code, Error, Result},
    evidence::datum::{Datum, Position, to_wgs84},
    identity,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

fn grid(row: GridRow) -> Result<Grid> {
    let shape = geojson::shape(row.shape.0).map_err(|problem| Error::internal(format!("{}: {problem}", row.code)))?;
    Ok(Grid { code: row.code, name: row.name, shape })
}

/// All grids by code.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn grids(db: &mut Db) -> Result<Vec<Grid>> {
    store::grids(db, None)?.into_iter().map(grid).collect()
}

/// Codes and names of grids whose code begins with `prefix`, after a code.
///
/// # Errors
/// The engine's own.
pub fn grid_page(db: &mut Db, prefix: Option<&str>, after: Option<&str>, limit: i64) -> Result<Vec<(String, String)>> {
    store::grid_page(db, prefix, after, limit)
}

/// Puts a map in the place of the one before. Rows of the responsibility map name areas by code and stay.
///
/// # Errors
/// The engine's own.
pub fn import(tx: &mut Tx, grids: &[Grid]) -> Result<()> {
    let row = |grid: &Grid| {
        let bounds = grid.bounds().ok_or_else(|| Error::internal("a grid without a point was read"))?;
        Ok(GridRow {
            code: grid.code.clone(),
            name: grid.name.clone(),
            shape: Json(geojson::geometry(&grid.shape)),
            west: bounds.min().x,
            south: bounds.min().y,
            east: bounds.max().x,
            north: bounds.max().y,
            imported_at: At(tx.now),
        })
    };
    let rows: Vec<GridRow> = grids.iter().map(row).collect::<Result<_>>()?;
    store::grids_put(tx.db, &rows)
}

/// Where something is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A point in a datum.
    Point(Position, Datum),
    /// A grid, by its code.
    Grid(String),
}

/// The codes of the grids a point lies in: mostly one.
///
/// # Errors
/// The engine's own.
pub fn grids_at(db: &mut Db, position: Position, datum: Datum) -> Result<Vec<String>> {
    let here = to_wgs84(position, datum);
    let near: Vec<Grid> =
        store::grids(db, Some((here.lon(), here.lat())))?.into_iter().map(grid).collect::<Result<_>>()?;
    Ok(atlas::holding(&near.iter().collect::<Vec<_>>(), here.lon(), here.lat()))
}

fn responsibility(row: ResponsibilityRow) -> Result<Responsibility> {
    let scope = scope_of(&row)?;
    Ok(Responsibility { id: row.id, scope, unit_id: row.unit_id, ruling: row.ruling, set_at: row.set_at.0 })
}

/// What a row is about.
pub(super) fn scope_of(row: &ResponsibilityRow) -> Result<Scope> {
    Ok(Scope {
        area: row.area.clone(),
        class_kind: row.class_kind.as_deref().map(str::parse::<ClassKind>).transpose()?,
        class_code: row.class_code.clone(),
        hours: row.from_min.zip(row.until_min).map(|(from_min, until_min)| Hours { from_min, until_min }),
    })
}

fn in_force(db: &mut Db) -> Result<Vec<Responsibility>> {
    let page = ResponsibilityPage { in_force: true, ..ResponsibilityPage::default() };
    store::responsibilities(db, &page)?.into_iter().map(responsibility).collect()
}

/// A unit and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NamedUnit {
    /// Its id.
    pub id: UnitId,
    /// Its name.
    pub name: String,
}

fn named(db: &mut Db, id: UnitId) -> Result<NamedUnit> {
    Ok(NamedUnit { id, name: identity::actions::unit_get(db, id)?.name })
}

/// Who would see to something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggestion {
    /// How it stands; only `one` can be dispatched without a person's choice.
    pub standing: Standing,
    /// The unit; null unless there is one.
    pub unit: Option<NamedUnit>,
    /// All units that the deciding rows name.
    pub units: Vec<NamedUnit>,
    /// The grids the place lies in.
    pub grids: Vec<String>,
    /// The rows that decide.
    pub rows: Vec<ResponsibilityId>,
    /// Why, in Chinese.
    pub reason: String,
}

/// Who is responsible for a class at a place and a moment.
///
/// # Errors
/// `not_found` for a grid that is not there.
pub fn suggest(
    db: &mut Db,
    place: Place,
    class_kind: Option<ClassKind>,
    class_code: &str,
    at: DateTime<Utc>,
) -> Result<Suggestion> {
    let grids = match place {
        Place::Point(position, datum) => grids_at(db, position, datum)?,
        Place::Grid(code) if store::grid_exists(db, &code)? => vec![code],
        Place::Grid(_) => return Err(Error::not_found("grid")),
    };
    let question =
        Question { grids, class_kind, class_code: of_class(class_code).to_owned(), minute: rules::minute_of(at) };
    let rows = in_force(db)?;
    let verdict = rules::judge(&rows, &question);
    let units: Vec<NamedUnit> = verdict.units.iter().map(|id| named(db, *id)).collect::<Result<_>>()?;
    let name = |id: UnitId| units.iter().find(|unit| unit.id == id).map_or_else(|| id.to_string(), |u| u.name.clone());
    Ok(Suggestion {
        standing: verdict.standing,
        unit: units.first().filter(|_| verdict.standing == Standing::One).cloned(),
        reason: rules::reason(&verdict, &question, name),
        rows: verdict.by.iter().map(|row| row.id).collect(),
        units,
        grids: question.grids,
    })
}

/// The class in an event's code of ten digits: region, big class, small class (GB/T 30428.2).
fn of_class(code: &str) -> &str {
    if code.len() == 10 { code.get(6..).unwrap_or(code) } else { code }
}

/// What a person enters into the map.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is about.
    pub scope: Scope,
    /// Who is responsible.
    pub unit_id: UnitId,
    /// Why, or where it stands; at most 500 characters.
    pub reason: String,
}

fn enter(tx: &mut Tx, by: UserId, entry: Entry, ruling: bool) -> Result<ResponsibilityRow> {
    let Entry { scope, unit_id, reason } = entry;
    scope.check()?;
    if reason.trim().chars().count() > 500 {
        return Err(Code::ValueInvalid.with("reason: at most 500 characters"));
    }
    identity::actions::unit_get(tx.db, unit_id)?;
    let row = ResponsibilityRow {
        id: ResponsibilityId(tx.id()),
        area: scope.area,
        class_kind: scope.class_kind.map(|kind| kind.to_string()),
        class_code: scope.class_code,
        from_min: scope.hours.map(|hours| hours.from_min),
        until_min: scope.hours.map(|hours| hours.until_min),
        unit_id,
        ruling,
        reason: reason.trim().to_owned(),
        set_by: Some(by),
        set_at: At(tx.now),
        ended_by: None,
        ended_at: None,
    };
    store::responsibility_add(tx.db, &row)?;
    Ok(row)
}

/// Enters a row of the map.
///
/// # Errors
/// `value_invalid`; `not_found` for the unit.
pub fn add(tx: &mut Tx, by: UserId, entry: Entry) -> Result<ResponsibilityRow> {
    enter(tx, by, entry, false)
}

/// Writes down what an arbitration decided for one grid and class: from now on it routes every such case.
///
/// # Errors
/// `value_invalid`, also without a reason or for more than one grid and class; `not_found` for the unit or grid.
pub fn rule(tx: &mut Tx, by: UserId, entry: Entry) -> Result<ResponsibilityRow> {
    let Scope { area, class_code, hours, .. } = &entry.scope;
    if class_code.len() < 4 || hours.is_some() {
        return Err(Code::ValueInvalid.with("a ruling is about one class, all day"));
    }
    if entry.reason.trim().is_empty() {
        return Err(Code::ValueInvalid.with("reason: 1–500 characters"));
    }
    if !store::grid_exists(tx.db, area)? {
        return Err(Error::not_found("grid"));
    }
    enter(tx, by, entry, true)
}

/// Ends a row: it decides nothing any more and stays readable.
///
/// # Errors
/// `not_found`, also when it was ended before.
pub fn end(tx: &mut Tx, by: UserId, id: ResponsibilityId) -> Result<()> {
    if store::responsibility_end(tx.db, id, by, At(tx.now))? { Ok(()) } else { Err(Error::not_found("row")) }
}

/// Rows of the map, entered last first.
///
/// # Errors
/// The engine's own.
pub fn responsibilities(db: &mut Db, page: &ResponsibilityPage) -> Result<Vec<ResponsibilityRow>> {
    store::responsibilities(db, page)
}

/// A hole or an overlap of the map, with what it weighs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Doubt {
    /// `unset`, `several` or `disputed`.
    pub standing: Standing,
    /// The grids the place lies in; empty outside of all.
    pub grids: Vec<String>,
    /// Component or event, where the cases say so.
    pub class_kind: Option<ClassKind>,
    /// The class.
    pub class_code: String,
    /// The units that are named, by id.
    pub units: Vec<UnitId>,
    /// How many cases of it were reported in the 365 days before.
    pub cases: i64,
}

/// Holes (盲区) and overlaps (交叉) of the map that last year's cases fell into, the heaviest first.
///
/// # Errors
/// The engine's own.
pub fn doubts(db: &mut Db, now: DateTime<Utc>) -> Result<Vec<Doubt>> {
    let cases = store::reported(db, At(now - TimeDelta::days(365)))?;
    let atlas = Atlas::new(grids(db)?);
    let rows = in_force(db)?;
    let mut weights = BTreeMap::<(Vec<String>, String, Option<&str>, &str, Vec<UnitId>), (Standing, i64)>::new();
    for case in cases {
        let position = case.lat.zip(case.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
        let datum = case.datum.as_deref().and_then(|datum| datum.parse().ok()).unwrap_or(Datum::Wgs84);
        let here = position.map(|position| to_wgs84(position, datum));
        let grids = here.map_or_else(Vec::new, |here| atlas.at(here.lon(), here.lat()));
        let class_code = of_class(case.class_code.as_deref().unwrap_or_default()).to_owned();
        let minute = rules::minute_of(case.reported_at.0);
        let class_kind = case.class_kind.as_deref().map(str::parse).transpose()?;
        let question = Question { grids, class_kind, class_code, minute };
        let verdict = rules::judge(&rows, &question);
        if verdict.standing != Standing::One {
            let mut units = verdict.units;
            units.sort_unstable();
            let kind = class_kind.map(ClassKind::as_str);
            let key = (question.grids, question.class_code, kind, verdict.standing.as_str(), units);
            weights.entry(key).or_insert((verdict.standing, 0)).1 += 1;
        }
    }
    let doubt = |((grids, class_code, kind, _, units), (standing, cases)): ((_, _, Option<&str>, _, _), _)| {
        let class_kind = kind.map(str::parse).transpose()?;
        Ok(Doubt { standing, grids, class_kind, class_code, units, cases })
    };
    let mut doubts = weights.into_iter().map(doubt).collect::<Result<Vec<Doubt>>>()?;
    // Stable: of the same weight, by place and class.
    doubts.sort_by_key(|doubt| std::cmp::Reverse(doubt.cases));
    Ok(doubts)
}

/// Which units hand cases on to which, in the dispatches of the 365 days before; the most first.
///
/// # Errors
/// The engine's own.
pub fn bounces(db: &mut Db, now: DateTime<Utc>) -> Result<Vec<Bounce>> {
    Ok(rules::bounces(&store::dispatches(db, At(now - TimeDelta::days(365)))?))
}
