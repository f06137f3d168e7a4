//! The visits of a draw: who may see which, and what a record does to one.

use super::{
    actions::{self, frame_of, outcome_of},
    draw::{self, DrawnUnit, Frame},
    rules::PickState,
    store::{self, PickRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{PickId, SiteId, SpotCheckId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{Actor, Role},
    },
    spotchecks::library,
};
use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;
use std::collections::BTreeSet;

/// How many substitutes a team takes along for each visit.
const TAKEN_ALONG: usize = 5;

/// The visits of a week that a person may see now, by unit and slot.
///
/// # Errors
/// `value_invalid` for a week that is none.
pub fn seen(db: &mut Db, who: &Actor, week: &str, now: DateTime<Utc>) -> Result<Vec<PickRow>> {
    if actions::may_see_all(who, week, now)? {
        return store::picks(db, week, None);
    }
    match who.role {
        Role::SpotChecker | Role::Inspector => {
            let Some(team) = store::team_of(db, who.user_id)? else { return Ok(Vec::new()) };
            let today = now.with_timezone(&Shanghai).date_naive().to_string();
            let mut picks = store::picks(db, week, None)?;
            picks.retain(|pick| pick.team == team && pick.day == today);
            Ok(picks)
        }
        Role::Liaison => {
            let Some(unit) = who.unit_id else { return Ok(Vec::new()) };
            let mut picks = store::picks(db, week, Some(unit))?;
            picks.retain(|pick| pick.state != PickState::Open.as_str() && !pick.recheck);
            Ok(picks)
        }
        _ => Ok(Vec::new()),
    }
}

/// The frame of a drawn week and what it gave a unit.
fn drawn(db: &mut Db, pick: &PickRow) -> Result<(Frame, DrawnUnit)> {
    let row = actions::draw_get(db, &pick.week)?;
    let code = identity::actions::unit_get(db, pick.unit_id)?.code;
    let unit = outcome_of(&row)?.into_iter().flat_map(|outcome| outcome.units).find(|unit| unit.code == code);
    Ok((frame_of(&row)?, unit.ok_or_else(|| Error::internal("a visit that no draw gave"))?))
}

/// The codes of the sites that stood in for others of the unit this week.
fn used(db: &mut Db, pick: &PickRow) -> Result<BTreeSet<String>> {
    let turns = store::picks(db, &pick.week, Some(pick.unit_id))?.into_iter().filter(|pick| pick.turn > 0);
    let ids: Vec<SiteId> = turns.map(|pick| pick.site_id).collect();
    Ok(library::actions::sites_by_id(db, &ids)?.into_iter().map(|site| site.code).collect())
}

/// The codes of the next sites in the published order, should this one not be reached; the first that was not used for
/// another of the unit's visits takes its place.
///
/// # Errors
/// The engine's own.
pub fn substitutes(db: &mut Db, pick: &PickRow) -> Result<Vec<String>> {
    if pick.recheck || pick.state != PickState::Open.as_str() {
        return Ok(Vec::new());
    }
    let (frame, unit) = drawn(db, pick)?;
    let (mut used, kind) = (used(db, pick)?, pick.kind.parse()?);
    let mut found = Vec::new();
    while found.len() < TAKEN_ALONG {
        let Some(code) = draw::next_of(&unit, kind, &frame.substitution, &used) else { break };
        used.insert(code.clone());
        found.push(code);
    }
    Ok(found)
}

/// The visit that a record is of: the last turn of the slot it names, when the person is in the team that goes there.
///
/// # Errors
/// `not_found`, also for another team's; `already_exists` when it is over; `value_invalid` for a week or site that it
/// is not.
pub fn of_record(tx: &mut Tx, who: &Actor, id: PickId, week: &str, site: SiteId) -> Result<PickRow> {
    let missing = || Error::not_found("pick");
    let named = store::pick_get(tx.db, id)?.ok_or_else(missing)?;
    // Two records of one slot take turns.
    store::draw_locked(tx.db, &named.week)?;
    let turns = store::picks(tx.db, &named.week, Some(named.unit_id))?;
    let turns = turns.into_iter().filter(|pick| pick.slot == named.slot && pick.recheck == named.recheck);
    let pick = turns.max_by_key(|pick| pick.turn).ok_or_else(missing)?;
    if store::team_of(tx.db, who.user_id)?.as_ref() != Some(&pick.team) {
        return Err(missing());
    }
    if pick.state != PickState::Open.as_str() {
        return Err(Code::AlreadyExists.with("the visit was recorded"));
    }
    if pick.week != week || pick.site_id != site {
        let due = library::actions::site(tx.db, pick.site_id)?;
        return Err(Code::ValueInvalid.with(format!("site_id: the published order says {} in {}", due.code, pick.week)));
    }
    Ok(pick)
}

/// Closes a visit with its record. When the site could not be reached, the next of the published order takes its place.
///
/// # Errors
/// The engine's own.
pub fn close(tx: &mut Tx, pick: &PickRow, check: SpotCheckId, state: PickState) -> Result<()> {
    let next = if state == PickState::Unreachable { substitutes(tx.db, pick)?.into_iter().next() } else { None };
    store::pick_close(tx.db, pick.id, state.as_str(), check)?;
    let Some(code) = next else { return Ok(()) };
    let site = library::actions::site_by_code(tx.db, &code)?;
    let row = PickRow {
        id: PickId(tx.id()),
        turn: pick.turn + 1,
        site_id: site.id,
        state: PickState::Open.to_string(),
        check_id: None,
        ..pick.clone()
    };
    store::pick_add(tx.db, &row)
}

/// The visits of a week; for the statistics of second visits.
///
/// # Errors
/// The engine's own.
pub fn of_week(db: &mut Db, week: &str) -> Result<Vec<PickRow>> {
    store::picks(db, week, None)
}
