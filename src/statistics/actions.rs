//! Tables of figures, and the records behind each of them, on an open connection.

use super::{
    rules::{By, Counts, Figure, Period},
    store::{self, Scope},
};
use crate::{
    db::{
        Db,
        types::{At, CaseId, UnitId, UserId},
    },
    error::Result,
    identity,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// One line of a table: the period, the one before and the same one a year before.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// A unit's or a person's id, a class code, or nothing.
    pub key: String,
    /// The unit's or the person's name; the class code.
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
    let periods = [period, period.before(), period.year_before()];
    for (n, period) in periods.into_iter().enumerate() {
        for (key, counts) in store::counts(db, scope(period, unit, now), by)? {
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
    store::cases(db, scope(period, unit, now), line, figure, cut.after, cut.limit)
}
