//! What can be done with sites and records.

use super::{
    agreement::{self, Agreement, Pair},
    checklist::{self, Answer, Checklist, KindList},
    draws::{rules::PickState, visits},
    library,
    rules::{self, FENCE_M, Record},
    store::{self, ChecklistRow, SpotCheckRow, Wanted},
};
use crate::{
    canonical::canonical,
    cases::actions::Cause,
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, Json, SpotCheckId, UserId},
    },
    error::{Code, Error, Result},
    evidence::datum::{Position, distance_m},
    identity::{
        rules::{Actor, CENTRE, Role, text},
        tokens::{hex, sha256},
    },
};
use serde_json::json;
use std::collections::HashMap;

/// Who may see a record: the Centre, the unit, and whoever made it; not other checkers, so that a second visit is
/// blind. A second visit is not the unit's to see.
pub fn check_keys(check: &SpotCheckRow) -> Keys {
    let mut keys = vec!["centre".to_owned(), format!("user:{}", check.actor_id)];
    if !check.recheck {
        keys.push(format!("unit:{}", check.unit_id));
    }
    keys
}

/// Where the person stood.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Latitude, degrees, WGS-84.
    pub lat: f64,
    /// Longitude, degrees, WGS-84.
    pub lon: f64,
    /// Radius, metres.
    pub accuracy_m: Option<f64>,
}

/// How far a checker stood from a site's point, metres, and whether that is beyond the fence.
fn fence(site: &library::store::SiteRow, stand: Option<Stand>) -> (Option<f64>, Option<bool>) {
    let here = stand.and_then(|stand| Some((Position::new(stand.lat, stand.lon).ok()?, stand.accuracy_m)));
    let there = site.lat.zip(site.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
    let distance = here.zip(there).map(|((here, accuracy), there)| (distance_m(here, there), accuracy.unwrap_or(0.0)));
    (distance.map(|(metres, _)| metres), distance.map(|(metres, accuracy)| metres - accuracy > FENCE_M))
}

/// Adds a record; the id was made on the handheld, `named` are the digests of the evidence that comes with it.
///
/// # Errors
/// `role_forbidden`, `value_invalid`, also without the photos it needs, `not_found` for the site, visit or checklist,
/// `already_exists` for the id and for a visit that was recorded.
pub fn check_record(
    tx: &mut Tx,
    who: &Actor,
    id: SpotCheckId,
    record: &Record,
    (stand, named): (Option<Stand>, &[String]),
    cause: Cause,
) -> Result<SpotCheckRow> {
    who.must_be(&[Role::SpotChecker, Role::Inspector])?;
    record.check()?;
    record.check_evidence(named)?;
    let site = library::actions::site(tx.db, record.site_id)?;
    if store::check_get(tx.db, id)?.is_some() {
        return Err(Code::AlreadyExists.with("spot_check"));
    }
    let pick = match record.pick_id {
        Some(pick) => Some(visits::of_record(tx, who, pick, &record.week, site.id)?),
        None if record.unreachable.is_some() => {
            return Err(Code::ValueInvalid.with("unreachable: only of a drawn visit"));
        }
        None => None,
    };
    let (items, score) = match (&record.answers, record.checklist_version) {
        (Some(answers), Some(version)) => {
            checklist(tx.db, Some(version))?.0.judge(site.kind.parse()?, answers, named)?
        }
        _ if record.unreachable.is_some() => (vec![], 0),
        _ => (record.items.clone(), record.score()),
    };
    let answers = record.answers.as_ref().map(serde_json::to_value).transpose().map_err(Error::internal)?;
    let (distance_m, outside_fence) = fence(&site, stand);
    let row = SpotCheckRow {
        id,
        site_id: site.id,
        unit_id: site.unit_id,
        week: record.week.clone(),
        score,
        items: Json(serde_json::to_value(&items).map_err(Error::internal)?),
        note: record.note.clone(),
        lat: stand.map(|s| s.lat),
        lon: stand.map(|s| s.lon),
        accuracy_m: stand.and_then(|s| s.accuracy_m),
        checked_at: At(cause.occurred_at),
        recorded_at: At(tx.now),
        actor_id: who.user_id,
        device_id: cause.device,
        op_id: cause.op,
        pick_id: pick.as_ref().map(|pick| pick.id),
        recheck: pick.as_ref().is_some_and(|pick| pick.recheck),
        checklist_version: record.checklist_version,
        answers: answers.map(Json),
        arrived_at: record.arrived_at.map(At),
        left_at: record.left_at.map(At),
        distance_m,
        outside_fence,
        unreachable: record.unreachable.clone(),
        signature_sha256: record.signature.clone(),
        seal_sha256: Some(seal(id, record)?),
    };
    store::check_add(tx.db, &row)?;
    if let Some(pick) = &pick {
        let state = if record.unreachable.is_some() { PickState::Unreachable } else { PickState::Visited };
        visits::close(tx, pick, id, state)?;
    }
    let after = check_keys(&row);
    tx.announce(Change { kind: "spot_check", id: id.to_string(), before: vec![], after, op: cause.op });
    Ok(row)
}

/// What seals a record: SHA-256 of the canonical text (RFC 8785) of its id and of what the handheld wrote down, moments
/// in UTC. The handheld computes the same and shows it.
///
/// # Errors
/// A fault of ours.
pub fn seal(id: SpotCheckId, record: &Record) -> Result<String> {
    let text = canonical(&json!({"id": id, "record": record}))?;
    Ok(hex(&sha256(text.as_bytes())))
}

/// All records of some weeks that count for a score, by id: no second visits, no sites that could not be reached, and
/// where a draw decided the visits, nothing but those.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn scored(db: &mut Db, weeks: &[String]) -> Result<Vec<SpotCheckRow>> {
    let drawn = super::draws::actions::weeks_drawn(db, weeks)?;
    let mut rows = store::found_in(db, weeks)?;
    rows.retain(|row| row.pick_id.is_some() || !drawn.contains(&row.week));
    Ok(rows)
}

/// A version of the checklist, the newest when none is named, and where it was decided.
///
/// # Errors
/// `not_found`.
pub fn checklist(db: &mut Db, version: Option<i32>) -> Result<(Checklist, String)> {
    let row = match version {
        Some(1) => None,
        Some(version) => Some(store::checklist_get(db, version)?.ok_or_else(|| Error::not_found("checklist"))?),
        None => store::checklist_newest(db)?,
    };
    let Some(row) = row else { return Ok((checklist::usual(), "随程序提供".to_owned())) };
    let kinds = serde_json::from_value(row.kinds.0).map_err(Error::internal)?;
    Ok((Checklist { version: row.version, kinds }, row.source))
}

/// Sets the checklist as a new version; records keep theirs.
///
/// # Errors
/// `value_invalid`.
pub fn checklist_set(tx: &mut Tx, by: UserId, kinds: Vec<KindList>, source: &str) -> Result<Checklist> {
    text("source", source, 200)?;
    let new = Checklist { version: checklist(tx.db, None)?.0.version + 1, kinds };
    new.check()?;
    let row = ChecklistRow {
        version: new.version,
        kinds: Json(serde_json::to_value(&new.kinds).map_err(Error::internal)?),
        source: source.to_owned(),
        set_by: by,
        set_at: At(tx.now),
    };
    store::checklist_add(tx.db, &row)?;
    Ok(new)
}

/// How far the second visits of a week agree with the first.
///
/// # Errors
/// `value_invalid` for a week that is none.
pub fn week_agreement(db: &mut Db, week: &str) -> Result<Agreement> {
    rules::week(week)?;
    let picks = visits::of_week(db, week)?;
    let ids: Vec<SpotCheckId> = picks.iter().filter_map(|pick| pick.check_id).collect();
    let checks: HashMap<SpotCheckId, SpotCheckRow> =
        store::checks_by_id(db, &ids)?.into_iter().map(|row| (row.id, row)).collect();
    let answers = |row: &SpotCheckRow| -> Result<Vec<Answer>> {
        let answers = row.answers.clone().map(|Json(answers)| serde_json::from_value(answers));
        Ok(answers.transpose().map_err(Error::internal)?.unwrap_or_default())
    };
    let mut pairs = Vec::new();
    let visited = |recheck: bool| {
        picks.iter().filter(move |pick| pick.recheck == recheck && pick.state == PickState::Visited.as_str())
    };
    for again in visited(true) {
        let first = visited(false).find(|pick| (pick.unit_id, pick.site_id) == (again.unit_id, again.site_id));
        let check = |pick: &super::draws::store::PickRow| pick.check_id.and_then(|id| checks.get(&id));
        if let Some((first, second)) = first.and_then(check).zip(check(again)) {
            let (scores, answers) = ((first.score, second.score), (answers(first)?, answers(second)?));
            pairs.push(Pair { checker: first.actor_id, scores, answers });
        }
    }
    Ok(agreement::agreement(&pairs))
}

/// Records by id, for the feed.
///
/// # Errors
/// The engine's own.
pub fn checks_by_id(db: &mut Db, ids: &[SpotCheckId]) -> Result<Vec<SpotCheckRow>> {
    store::checks_by_id(db, ids)
}

/// The records of a snapshot, by id.
///
/// # Errors
/// The engine's own.
pub fn check_after(db: &mut Db, who: &Actor, after: Option<SpotCheckId>, limit: i64) -> Result<Vec<SpotCheckRow>> {
    let mut wanted = Wanted { after, limit, ..Wanted::default() };
    narrow(who, &mut wanted);
    store::check_after(db, &wanted)
}

fn narrow(who: &Actor, wanted: &mut Wanted) {
    match who.role {
        role if CENTRE.contains(&role) => {}
        // Every unit may compare every score; the records behind them open with the assessment (全面公开).
        Role::Liaison | Role::Officer if who.unit_id.is_some() => {
            (wanted.unit_id, wanted.without_rechecks) = (who.unit_id, true);
        }
        _ => wanted.actor_id = Some(who.user_id),
    }
}

/// A page of the records a person may see, newest first.
///
/// # Errors
/// `value_invalid` for a week that is none.
pub fn check_page(db: &mut Db, who: &Actor, mut wanted: Wanted) -> Result<Vec<SpotCheckRow>> {
    if let Some(week) = &wanted.week {
        rules::week(week)?;
    }
    narrow(who, &mut wanted);
    store::check_page(db, &wanted)
}
