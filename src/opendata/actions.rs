//! Features of the collections, a page at a time, on an open connection.

use super::{
    rules::{Bounds, Cell, Collection, Feature, Span, blotted, point},
    store::{self, OpenCase, OpenGrid, OpenSite, OpenSpot},
};
use crate::{
    cases::rules::Stage,
    catalogue::rules::ClassKind,
    db::{
        Db,
        types::{At, CaseId, SiteId, SpotId, UnitId},
    },
    error::{Code, Error, Result},
    evidence::datum::{Datum, Position, to_wgs84},
    grids::geojson,
    identity,
    proof::words::word,
    spotchecks::rules::SiteKind,
    spots::{
        self,
        rules::{SpotCause, SpotState},
    },
};
use chrono::{DateTime, Utc};
use geo::{Coord, Intersects, MultiPolygon, Rect};
use std::{collections::HashMap, str::FromStr};

/// Which features. What a collection has no column for does not narrow it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Cases in this stage.
    pub state: Option<Stage>,
    /// Spots in this state.
    pub spot_state: Option<SpotState>,
    /// Cases and sites of this unit.
    pub unit_id: Option<UnitId>,
    /// Grids whose code begins so, and spots in such.
    pub prefix: Option<String>,
    /// Those that lie in it or touch it.
    pub bounds: Option<Bounds>,
    /// See [`Collection::description`].
    pub during: Span,
    /// When it is asked.
    pub now: DateTime<Utc>,
}

/// A part of a collection in its order: cases newest first, sites and spots by id, grids by code.
#[derive(Debug, Clone)]
pub struct Page {
    /// At most as many as were asked for.
    pub features: Vec<Feature>,
    /// Where the next part begins; none when there is certainly nothing more.
    pub next: Option<String>,
}

/// The features after one.
///
/// # Errors
/// `parameter_invalid` when `after` is no id of the collection.
pub fn page(db: &mut Db, collection: Collection, wanted: &Wanted, after: Option<&str>, limit: i64) -> Result<Page> {
    let names = names(db)?;
    let mut reading = Reading { limit, features: Vec::new(), after: after.map(str::to_owned), more: true };
    let rows = narrowed(wanted);
    // The database finds what may lie in the rectangle; the shapes and datums of what it found decide.
    while reading.wants_more() {
        match collection {
            Collection::Cases => {
                let after = key::<CaseId>(reading.after.as_deref())?;
                let found = store::cases(db, &rows, after, limit)?;
                reading.take(found, |case| case_feature(case, wanted.bounds.as_ref(), &names));
            }
            Collection::Sites => {
                let after = key::<SiteId>(reading.after.as_deref())?;
                let found = store::sites(db, &rows, after, limit)?;
                reading.take(found, |site| site_feature(site, wanted.bounds.as_ref(), &names));
            }
            Collection::Spots => {
                let after = key::<SpotId>(reading.after.as_deref())?;
                let found = store::spots(db, &rows, after, limit)?;
                let ids: Vec<SpotId> = found.iter().map(|spot| spot.id).collect();
                let indices = spots::actions::indices(db, &ids, wanted.now)?;
                reading.take(found, |spot| spot_feature(spot, wanted.bounds.as_ref(), &indices));
            }
            Collection::Grids => {
                let found = store::grids(db, &rows, reading.after.as_deref(), limit)?;
                let features = found.into_iter().map(|grid| grid_feature(grid, wanted.bounds.as_ref()));
                reading.take(features.collect::<Result<Vec<_>>>()?, |feature| feature);
            }
        }
    }
    Ok(Page { next: reading.after.filter(|_| reading.more), features: reading.features })
}

/// How many features there are; without a rectangle, which only the features themselves can answer.
///
/// # Errors
/// The engine's own.
pub fn count(db: &mut Db, collection: Collection, wanted: &Wanted) -> Result<i64> {
    let rows = narrowed(wanted);
    match collection {
        Collection::Cases => store::case_count(db, &rows),
        Collection::Sites => store::site_count(db, &rows),
        Collection::Spots => store::spot_count(db, &rows),
        Collection::Grids => store::grid_count(db, &rows),
    }
}

/// One feature.
///
/// # Errors
/// `not_found`.
pub fn feature(db: &mut Db, collection: Collection, id: &str, now: DateTime<Utc>) -> Result<Feature> {
    let names = names(db)?;
    let found = match collection {
        Collection::Cases => match id.parse() {
            Ok(id) => store::case_get(db, id)?.and_then(|case| case_feature(case, None, &names).1),
            Err(_) => None,
        },
        Collection::Sites => match id.parse() {
            Ok(id) => store::site_get(db, id)?.and_then(|site| site_feature(site, None, &names).1),
            Err(_) => None,
        },
        Collection::Spots => match id.parse() {
            Ok(id) => {
                let indices = spots::actions::indices(db, &[id], now)?;
                store::spot_get(db, id)?.and_then(|spot| spot_feature(spot, None, &indices).1)
            }
            Err(_) => None,
        },
        Collection::Grids => match store::grid_get(db, id)? {
            Some(grid) => grid_feature(grid, None)?.1,
            None => None,
        },
    };
    found.ok_or_else(|| Error::not_found("feature"))
}

/// A page on its way.
struct Reading {
    limit: i64,
    features: Vec<Feature>,
    /// Read so far.
    after: Option<String>,
    /// Whether there may be rows behind.
    more: bool,
}

/// The key of a row, and what it shows when it lies where it should.
type Seen = (String, Option<Feature>);

impl Reading {
    fn full(&self, count: usize) -> bool {
        i64::try_from(count).unwrap_or(i64::MAX) >= self.limit
    }

    fn wants_more(&self) -> bool {
        self.more && !self.full(self.features.len())
    }

    fn take<R>(&mut self, rows: Vec<R>, see: impl Fn(R) -> Seen) {
        self.more = self.full(rows.len());
        let mut rows = rows.into_iter();
        while !self.full(self.features.len())
            && let Some(row) = rows.next()
        {
            let (key, feature) = see(row);
            self.after = Some(key);
            self.features.extend(feature);
        }
        self.more |= rows.next().is_some();
    }
}

fn key<K: FromStr>(after: Option<&str>) -> Result<Option<K>> {
    after.map(|text| text.parse().map_err(|_| Code::ParameterInvalid.with("cursor"))).transpose()
}

fn narrowed(wanted: &Wanted) -> store::Wanted {
    store::Wanted {
        state: wanted.state.map(Stage::as_str).or(wanted.spot_state.map(SpotState::as_str)),
        unit_id: wanted.unit_id,
        prefix: wanted.prefix.clone(),
        bounds: wanted.bounds.as_ref().map(Bounds::widened),
        during: wanted.during,
    }
}

/// The units are a few dozen.
fn names(db: &mut Db) -> Result<HashMap<UnitId, String>> {
    Ok(identity::actions::unit_list(db, 0)?.into_iter().map(|(unit, _)| (unit.id, unit.name)).collect())
}

/// Longitude and latitude in WGS-84 of a place as it was measured; none when that is no place, or in no known datum.
#[must_use]
pub fn place(lat: Option<f64>, lon: Option<f64>, datum: Option<&str>) -> Option<(f64, f64)> {
    let position = Position::new(lat?, lon?).ok()?;
    let datum = datum.map_or(Some(Datum::Wgs84), |datum| datum.parse().ok())?;
    let here = to_wgs84(position, datum);
    Some((here.lon(), here.lat()))
}

fn lies_in(place: Option<(f64, f64)>, bounds: Option<&Bounds>) -> bool {
    bounds.is_none_or(|bounds| place.is_some_and(|place| bounds.holds(place)))
}

fn moment(at: Option<At>) -> Cell {
    Cell::of(at, |at| Cell::Moment(at.0))
}

fn kind(kind: Option<String>) -> Cell {
    Cell::of(kind, |kind| {
        let words = kind.parse().map_or("", ClassKind::chinese);
        Cell::Word(kind.into(), words.to_owned())
    })
}

fn case_feature(case: OpenCase, bounds: Option<&Bounds>, names: &HashMap<UnitId, String>) -> Seen {
    let id = case.id.to_string();
    let here = place(case.lat, case.lon, case.datum.as_deref());
    if !lies_in(here, bounds) {
        return (id, None);
    }
    let unit = case.unit_id.and_then(|unit| names.get(&unit).cloned());
    let priority = ["普通", "紧急", "特急"];
    let urgent = usize::try_from(case.priority).ok().and_then(|n| priority.get(n)).copied().unwrap_or_default();
    let state = if case.state == Stage::Void.as_str() { "作废" } else { word(&case.state) }.to_owned();
    let cells = vec![
        Cell::Text(case.number),
        Cell::Word(case.state.into(), state),
        Cell::Text(blotted(&case.title)),
        kind(case.class_kind),
        Cell::of(case.class_code, Cell::Text),
        Cell::of(case.address, |address| Cell::Text(blotted(&address))),
        Cell::of(here, |(lon, _)| Cell::Degrees(lon)),
        Cell::of(here, |(_, lat)| Cell::Degrees(lat)),
        Cell::of(unit, Cell::Text),
        Cell::Moment(case.reported_at.0),
        moment(case.dispatched_at),
        moment(case.due_at),
        moment(case.handled_at),
        moment(case.closed_at),
        Cell::of(case.timely, Cell::Truth),
        Cell::Integer(case.rework_count.into()),
        Cell::Integer(case.extension_count.into()),
        Cell::Word(case.priority.into(), urgent.to_owned()),
        Cell::Moment(case.updated_at.0),
    ];
    (id.clone(), Some(Feature { id, geometry: point(here), cells }))
}

fn site_feature(site: OpenSite, bounds: Option<&Bounds>, names: &HashMap<UnitId, String>) -> Seen {
    let id = site.id.to_string();
    let here = place(site.lat, site.lon, None);
    if !lies_in(here, bounds) {
        return (id, None);
    }
    let kind = site.kind.parse().map_or("", SiteKind::chinese);
    let cells = vec![
        Cell::of(names.get(&site.unit_id).cloned(), Cell::Text),
        Cell::Text(site.code),
        Cell::Word(site.kind.into(), kind.to_owned()),
        Cell::Text(site.name),
        Cell::of(site.address, Cell::Text),
        Cell::of(here, |(lon, _)| Cell::Degrees(lon)),
        Cell::of(here, |(_, lat)| Cell::Degrees(lat)),
        Cell::Moment(site.updated_at.0),
    ];
    (id.clone(), Some(Feature { id, geometry: point(here), cells }))
}

fn spot_feature(spot: OpenSpot, bounds: Option<&Bounds>, indices: &HashMap<SpotId, i64>) -> Seen {
    let id = spot.id.to_string();
    let here = place(Some(spot.lat), Some(spot.lon), None);
    if !lies_in(here, bounds) {
        return (id, None);
    }
    let state = if spot.state == SpotState::Closed.as_str() { "已销号" } else { "未销号" };
    let cause = |cause: String| {
        let words = cause.parse().map_or("", |cause| match cause {
            SpotCause::UnclearOwnership => "权属不清",
            SpotCause::RepeatOffender => "屡教不改",
            SpotCause::Construction => "工程",
            SpotCause::OverCollection => "采集过密",
            SpotCause::Other => "其他",
        });
        Cell::Word(cause.into(), words.to_owned())
    };
    let cells = vec![
        kind(spot.class_kind),
        Cell::Text(spot.class_code),
        Cell::of(spot.address, |address| Cell::Text(blotted(&address))),
        Cell::of(here, |(lon, _)| Cell::Degrees(lon)),
        Cell::of(here, |(_, lat)| Cell::Degrees(lat)),
        Cell::Integer(spot.radius_m.into()),
        Cell::of(spot.grid_code, Cell::Text),
        Cell::Word(spot.state.into(), state.to_owned()),
        Cell::of(spot.cause, cause),
        Cell::Integer(spot.case_count.into()),
        Cell::Integer(spot.observation_count.into()),
        Cell::Integer(spot.recurrence_count.into()),
        Cell::Hundredths(indices.get(&spot.id).copied().unwrap_or_default()),
        Cell::Moment(spot.first_seen_at.0),
        Cell::Moment(spot.last_seen_at.0),
        moment(spot.closed_at),
    ];
    (id.clone(), Some(Feature { id, geometry: point(here), cells }))
}

fn grid_feature(grid: OpenGrid, bounds: Option<&Bounds>) -> Result<Seen> {
    let broken = |problem: String| Error::internal(format!("grid {}: {problem}", grid.code));
    if let Some(bounds) = bounds {
        let shape = geojson::shape(grid.shape.0.clone()).map_err(broken)?;
        if !bounds.parts().iter().any(|part| touches(&shape, part)) {
            return Ok((grid.code, None));
        }
    }
    let cells = vec![
        Cell::Text(grid.code.clone()),
        Cell::Text(grid.name),
        Cell::Degrees(grid.west),
        Cell::Degrees(grid.south),
        Cell::Degrees(grid.east),
        Cell::Degrees(grid.north),
        Cell::Moment(grid.imported_at.0),
    ];
    Ok((grid.code.clone(), Some(Feature { id: grid.code, geometry: grid.shape.0, cells })))
}

fn touches(shape: &MultiPolygon<f64>, part: &Bounds) -> bool {
    let (southwest, northeast) = (Coord { x: part.west, y: part.south }, Coord { x: part.east, y: part.north });
    shape.intersects(&Rect::new(southwest, northeast))
}
