//! A month's records, read from the areas that keep them.

use super::reckon::{CaseIn, CaseOutcome, CheckIn, Inputs, LetterIn, MeritIn, UnitIn};
use crate::{
    cases::{self, rules::Stage},
    db::{Db, types::UnitId},
    error::Result,
    identity,
    merits::{self, actions::MeritRow, rules::month},
    spotchecks,
    statistics::{
        self,
        actions::Cut,
        rules::{By, Figure, Period},
    },
    supervision, workbench,
};
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use std::collections::BTreeMap;

/// The ISO weeks that count in a month: those whose Thursday lies in it, as a week belongs to the year of its Thursday
/// (ISO 8601).
#[must_use]
pub fn weeks(period: Period) -> Vec<String> {
    let (from, until) = period.span();
    let day = |at: DateTime<Utc>| at.with_timezone(&chrono_tz::Asia::Shanghai).date_naive();
    let days = day(from).iter_days().take_while(|at| *at < day(until));
    let thursdays = days.filter(|day: &NaiveDate| day.weekday() == Weekday::Thu);
    thursdays.map(|day| format!("{}-W{:02}", day.iso_week().year(), day.iso_week().week())).collect()
}

/// The records of a month as they stand now.
///
/// # Errors
/// The engine's own.
pub fn gather(db: &mut Db, name: &str, now: DateTime<Utc>) -> Result<Inputs> {
    let period = month(name)?;
    let (from, until) = period.span();
    let year = from.with_timezone(&chrono_tz::Asia::Shanghai).year();
    let filed = |db: &mut Db, period: Period| -> Result<BTreeMap<UnitId, i64>> {
        let (from, until) = period.span();
        Ok(merits::actions::filed(db, from, until)?.into_iter().collect())
    };
    let (filed, filed_before) = (filed(db, period)?, filed(db, period.year_before())?);
    let units = identity::actions::unit_list(db, year)?.into_iter().map(|(unit, class)| {
        Ok(UnitIn {
            class: class.map(|class| class.parse()).transpose()?,
            filed: filed.get(&unit.id).copied().unwrap_or_default(),
            filed_year_before: filed_before.get(&unit.id).copied().unwrap_or_default(),
            id: unit.id,
            code: unit.code,
            name: unit.name,
        })
    });
    let letters = supervision::actions::scored(db, from, until.min(now))?.into_iter().map(|letter| LetterIn {
        id: letter.id,
        number: letter.number,
        unit_id: letter.unit_id,
        score: letter.score,
        why: letter.why,
    });
    let merits = merits::actions::counted(db, name)?.into_iter().map(|merit| {
        let MeritRow { id, unit_id, item, times, summary } = merit;
        Ok(MeritIn { id, unit_id, item: item.parse()?, times, summary })
    });
    let mut inputs = Inputs {
        units: units.collect::<Result<_>>()?,
        cases: cases_of(db, period)?,
        checks: checks_of(db, period)?,
        letters: letters.collect(),
        merits: merits.collect::<Result<_>>()?,
        ..Inputs::default()
    };
    inputs.letters.sort_by_key(|letter| letter.id);
    inputs.merits.sort_by_key(|merit| merit.id);
    Ok(inputs)
}

/// Cases that are read at a time.
const AT_A_TIME: i64 = 5000;

/// The very cases that the month's statistics count (月统计).
fn cases_of(db: &mut Db, period: Period) -> Result<Vec<CaseIn>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let cut = Cut { after, limit: AT_A_TIME };
        // The total does not ask what time it is.
        let ids =
            statistics::actions::records(db, period, (By::All, ""), Figure::Total, None, DateTime::UNIX_EPOCH, cut)?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        let exempt = workbench::appeals::exempt(db, &ids)?;
        for row in cases::actions::cases_by_id(db, &ids)? {
            let Some(unit_id) = row.unit_id else { continue };
            let outcome = match row.timely.filter(|_| row.state == Stage::Closed.as_str()) {
                Some(true) => CaseOutcome::Timely,
                Some(false) => CaseOutcome::Late,
                None => CaseOutcome::Unsolved,
            };
            found.push(CaseIn { id: row.id, exempt: exempt.contains(&row.id), number: row.number, unit_id, outcome });
        }
    }
    found.sort_by_key(|case| case.id);
    Ok(found)
}

fn checks_of(db: &mut Db, period: Period) -> Result<Vec<CheckIn>> {
    let rows = spotchecks::actions::scored(db, &weeks(period))?;
    let ids: Vec<_> = rows.iter().map(|row| row.site_id).collect();
    let sites = spotchecks::library::actions::sites_by_id(db, &ids)?.into_iter().map(|site| (site.id, site.name));
    let names: BTreeMap<_, _> = sites.collect();
    let mut found: Vec<CheckIn> = rows
        .into_iter()
        .map(|row| CheckIn {
            id: row.id,
            unit_id: row.unit_id,
            week: row.week,
            site: names.get(&row.site_id).cloned().unwrap_or_default(),
            score: row.score,
        })
        .collect();
    found.sort_by_key(|check| check.id);
    Ok(found)
}
