//! Units are urged before they are late (催办, 督办函草稿), and the Centre sees what will be late today (今日将超期), in an
//! open transaction.

use super::{
    appeals::remark,
    rules::{Expectation, Facts, UrgingKind, expect, used_percent, words},
    store::{self, Urged, UrgingRow},
};
use crate::{
    calendar::{self, rules::local_day},
    cases::{self, rules::Assignment, store::CaseRow},
    db::{
        Db, Tx,
        types::{At, CaseId, UnitId, UrgingId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{Actor, text},
    },
};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use std::collections::{HashMap, hash_map::Entry};

/// How far back a unit's own past reaches.
const PAST: TimeDelta = TimeDelta::days(90);
/// Cases of it that are looked at.
const MOST: i64 = 200;

fn unit_names(db: &mut Db, now: DateTime<Utc>) -> Result<HashMap<UnitId, String>> {
    let year = chrono::Datelike::year(&local_day(now));
    Ok(identity::actions::unit_list(db, year)?.into_iter().map(|(unit, _)| (unit.id, unit.name)).collect())
}

/// What the clock has to say of a case.
struct Unsaid {
    case: CaseRow,
    charge: Assignment,
    used_percent: i32,
    kinds: Vec<UrgingKind>,
}

/// What the clock has passed a mark for and not said yet, of these cases.
fn unsaid(db: &mut Db, ids: &[CaseId], now: DateTime<Utc>) -> Result<Vec<Unsaid>> {
    let calendar = calendar::actions::calendar(db)?;
    let mut found = Vec::new();
    for case in cases::actions::cases_by_id(db, ids)? {
        let Some(charge) = case.place()?.assignment().cloned() else { continue };
        let Some(used_percent) = used_percent(&charge, &calendar, now) else { continue };
        let passed = |kind: &&UrgingKind| kind.from_percent().is_some_and(|from| from <= used_percent);
        let mut kinds: Vec<UrgingKind> = UrgingKind::ALL.iter().filter(passed).copied().collect();
        if kinds.is_empty() {
            continue;
        }
        let said = store::urged(db, case.id, At(charge.due_at))?;
        kinds.retain(|kind| !said.iter().any(|known| known == kind.as_str()));
        if !kinds.is_empty() {
            found.push(Unsaid { case, charge, used_percent, kinds });
        }
    }
    Ok(found)
}

/// For which of the next cases behind one something is to be said; and where to go on, none when those were the last.
///
/// # Errors
/// The engine's own.
pub fn due(
    db: &mut Db,
    after: Option<CaseId>,
    at_once: i64,
    now: DateTime<Utc>,
) -> Result<(Option<CaseId>, Vec<CaseId>)> {
    let ids = store::ticking(db, after, at_once)?;
    let next = ids.last().copied();
    Ok((next, unsaid(db, &ids, now)?.into_iter().map(|unsaid| unsaid.case.id).collect()))
}

/// Urges the units of these cases, where the clock has passed a mark and has not said so.
///
/// # Errors
/// The engine's own.
pub fn urge(tx: &mut Tx, ids: &[CaseId]) -> Result<()> {
    let names = unit_names(tx.db, tx.now)?;
    for Unsaid { case, charge, used_percent, kinds } in unsaid(tx.db, ids, tx.now)? {
        let unit = names.get(&charge.unit_id).map(String::as_str).unwrap_or_default();
        for kind in kinds {
            let row = urging(tx, &case, charge.unit_id, charge.due_at, used_percent, kind, unit);
            store::urging_add(tx.db, &row)?;
        }
    }
    Ok(())
}

fn urging(
    tx: &Tx,
    case: &CaseRow,
    unit_id: UnitId,
    due_at: DateTime<Utc>,
    used_percent: i32,
    kind: UrgingKind,
    unit: &str,
) -> UrgingRow {
    UrgingRow {
        id: UrgingId(tx.id()),
        case_id: case.id,
        unit_id,
        kind: kind.to_string(),
        due_at: At(due_at),
        used_percent,
        text: words(kind, &Facts { number: &case.number, title: &case.title, unit, due_at, used_percent }),
        urged_by: None,
        urged_at: At(tx.now),
    }
}

/// A person at the Centre urges the unit that has a case, in own words or the usual ones. The timeline tells of it.
///
/// # Errors
/// `not_found`, `value_invalid`, `stage_forbids` when no unit has it.
pub fn urge_by(tx: &mut Tx, who: &Actor, case: CaseId, said: Option<String>) -> Result<UrgingRow> {
    said.as_deref().map_or(Ok(()), |said| text("text", said, 1000))?;
    let row = cases::actions::case_get(tx.db, who, case)?;
    let place = row.place()?;
    let waits = matches!(row.state.as_str(), "dispatched" | "handled");
    let charge = place.assignment().filter(|_| waits).ok_or_else(|| Code::StageForbids.with(row.state.clone()))?;
    let calendar = calendar::actions::calendar(tx.db)?;
    let percent = used_percent(charge, &calendar, tx.now).unwrap_or_default();
    let unit = identity::actions::unit_get(tx.db, charge.unit_id)?.name;
    let mut row = urging(tx, &row, charge.unit_id, charge.due_at, percent, UrgingKind::Person, &unit);
    row.urged_by = Some(who.user_id);
    if let Some(said) = said {
        row.text = said;
    }
    store::urging_add(tx.db, &row)?;
    remark(tx, who, case, row.text.clone())?;
    Ok(row)
}

/// A page of urgings, the last first.
///
/// # Errors
/// The engine's own.
pub fn page(db: &mut Db, only: &Urged, after: Option<UrgingId>, limit: i64) -> Result<Vec<UrgingRow>> {
    store::urging_page(db, only, after, limit)
}

/// What is due before the end of the county's day, by deadline, each with what the unit's own past lets one expect.
///
/// # Errors
/// The engine's own.
pub fn due_today(db: &mut Db, unit: Option<UnitId>, now: DateTime<Utc>) -> Result<Vec<(CaseRow, Expectation)>> {
    let tomorrow = (local_day(now) + TimeDelta::days(1)).and_time(NaiveTime::MIN);
    let midnight = tomorrow.and_local_timezone(Shanghai).single().ok_or_else(|| Error::internal("no midnight"))?;
    let ids = store::due_between(db, unit, At(now), At(midnight.to_utc()))?;
    let calendar = calendar::actions::calendar(db)?;
    let mut rows: HashMap<CaseId, CaseRow> =
        cases::actions::cases_by_id(db, &ids)?.into_iter().map(|row| (row.id, row)).collect();
    let mut pasts = HashMap::new();
    let mut found = Vec::with_capacity(ids.len());
    for row in ids.iter().filter_map(|id| rows.remove(id)).collect::<Vec<_>>() {
        let place = row.place()?;
        let Some(charge) = place.assignment().filter(|charge| !charge.on_hold()) else { continue };
        let past = match pasts.entry(charge.unit_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(store::past(db, charge.unit_id, At(now - PAST), MOST)?),
        };
        let expectation = expect(charge, row.class_code.as_deref(), past, &calendar, now);
        found.push((row, expectation));
    }
    Ok(found)
}
