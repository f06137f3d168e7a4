//! Tables of figures, and the records behind each of them, on an open connection.

use super::{
    rules::{By, Counts, Figure, Period},
    store::{self, Measured, Scope},
};
use crate::{
    db::{
        Db,
        types::{At, CaseId, UnitId, UserId},
    },
    error::Result,
    evidence::datum::{Position, to_wgs84},
    grids::{self, atlas::Atlas},
    identity,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// One line of a table: the period, the one before and the same one a year before.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// A unit's or a person's id, a class's or a grid's code, or nothing.
    pub key: String,
    /// The unit's, the person's or the grid's name; the class code.
    pub name: String,
    /// The period's figures.
    pub counts: Counts,
    /// Those of the period before (环比).
    pub before: Counts,
    /// Those of the same period a year before (同比).
    pub year_before: Counts,
}

fn scope(period: Period, unit: Option<UnitId>, now: DateTime<Utc>) -> Scope {
    let (from, until) = period.span();
    Scope { from: At(from), until: At(until), unit, now: At(now) }
}

/// The lines of a table, those with most cases first.
///
/// # Errors
/// The engine's own.
pub fn table(db: &mut Db, period: Period, by: By, unit: Option<UnitId>, now: DateTime<Utc>) -> Result<Vec<Line>> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let map = if by == By::Grid { Some(Atlas::new(grids::actions::grids(db)?)) } else { None };
    let periods = [period, period.before(), period.year_before()];
    for (n, period) in periods.into_iter().enumerate() {
        let scope = scope(period, unit, now);
        let counted = match &map {
            Some(map) => counts_by_grid(db, scope, map)?,
            None => store::counts(db, scope, by)?,
        };
        for (key, counts) in counted {
            let line = lines.entry(key.clone()).or_insert_with(|| Line { key, ..Line::default() });
            *[&mut line.counts, &mut line.before, &mut line.year_before][n] = counts;
        }
    }
    // All is a line also when there is nothing.
    if by == By::All {
        lines.entry(String::new()).or_default();
    }
    let mut lines: Vec<Line> = lines.into_values().collect();
    name(db, by, &mut lines)?;
    lines.sort_by(|a, b| (b.counts.total, &a.key).cmp(&(a.counts.total, &b.key)));
    Ok(lines)
}

fn counts_by_grid(db: &mut Db, scope: Scope, map: &Atlas) -> Result<Vec<(String, Counts)>> {
    let mut grids = BTreeMap::<String, Counts>::new();
    for (place, counts) in store::counts_by_place(db, scope)? {
        grids.entry(grid_of(map, &place)).or_default().add(counts);
    }
    Ok(grids.into_iter().collect())
}

/// The grid that a place counts in; empty without one.
fn grid_of(map: &Atlas, place: &Measured) -> String {
    let position = place.lat.zip(place.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
    let datum = place.datum.as_deref().and_then(|datum| datum.parse().ok());
    let here = position.zip(datum).map(|(position, datum)| to_wgs84(position, datum));
    here.and_then(|here| map.at(here.lon(), here.lat()).into_iter().next()).unwrap_or_default()
}

fn name(db: &mut Db, by: By, lines: &mut [Line]) -> Result<()> {
    match by {
        By::All => {}
        By::Class => lines.iter_mut().for_each(|line| line.name.clone_from(&line.key)),
        By::Unit => {
            let units = identity::actions::unit_list(db, 0)?.into_iter();
            let names: BTreeMap<String, String> = units.map(|(unit, _)| (unit.id.to_string(), unit.name)).collect();
            for line in lines {
                line.name = names.get(&line.key).cloned().unwrap_or_default();
            }
        }
        By::Grid => {
            let grids = grids::actions::grids(db)?.into_iter().map(|grid| (grid.code, grid.name));
            let names: BTreeMap<String, String> = grids.collect();
            for line in lines {
                line.name = names.get(&line.key).cloned().unwrap_or_default();
            }
        }
        By::Reporter => {
            let ids: Vec<UserId> = lines.iter().filter_map(|line| line.key.parse().ok().map(UserId)).collect();
            let names = identity::actions::user_names(db, &ids)?;
            for line in lines {
                let user = line.key.parse().ok().map(UserId);
                line.name = user.and_then(|user| names.get(&user).cloned()).unwrap_or_default();
            }
        }
    }
    Ok(())
}

/// Where a page of records begins, and how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// After this one.
    pub after: Option<CaseId>,
    /// At most so many.
    pub limit: i64,
}

/// Cases that are looked up on the map at a time.
const AT_A_TIME: i64 = 5000;

/// The cases behind a figure of a line, by id.
///
/// # Errors
/// The engine's own.
pub fn records(
    db: &mut Db,
    period: Period,
    line: (By, &str),
    figure: Figure,
    unit: Option<UnitId>,
    now: DateTime<Utc>,
    cut: Cut,
) -> Result<Vec<CaseId>> {
    let scope = scope(period, unit, now);
    if line.0 != By::Grid {
        let found = store::cases(db, scope, line, figure, cut.after, cut.limit)?;
        return Ok(found.into_iter().map(|(id, _)| id).collect());
    }
    let map = Atlas::new(grids::actions::grids(db)?);
    let most = usize::try_from(cut.limit).unwrap_or_default();
    let (mut ids, mut after) = (Vec::new(), cut.after);
    while ids.len() < most {
        let found = store::cases(db, scope, (By::Grid, ""), figure, after, AT_A_TIME)?;
        let Some((last, _)) = found.last() else { break };
        after = Some(*last);
        ids.extend(found.into_iter().filter(|(_, place)| grid_of(&map, place) == line.1).map(|(id, _)| id));
    }
    ids.truncate(most);
    Ok(ids)
}
