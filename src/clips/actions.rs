//! What can be done with clips and the roster, in an open transaction.

use super::{
    rules::{self, AROUND, Candidate, ClipState, Deed, Film, PROPOSED, Proposal, Said, Shift, Span},
    store::{self, ClipRow, DeedRow, Page, ShiftPage, ShiftRow, Sight, Video},
};
use crate::{
    cases,
    db::{
        Db, Tx,
        feed::Keys,
        types::{AssignmentId, At, CaseId, DeviceId, EvidenceId, Json, UserId},
    },
    error::{Code, Error, Result},
    evidence::{
        self,
        actions::NewLink,
        datum::{Datum, Position, to_wgs84},
        rules::{Gps, Viewer},
        uploads::rules::words,
        view::Evidence,
    },
    identity::{
        self,
        rules::{Actor, CENTRE, Role, text},
    },
    tlog,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The role of a clip in its case.
const ROLE: &str = "recording";
/// What a person did about a time is read up to so many lines.
const DEEDS: i64 = 500;
/// Places of a track that are compared: one in half a minute of an hour.
const PLACES: usize = 120;
/// Cases about a place are read up to so many.
const CASES: i64 = 200;
/// Half the side of the square that is searched about a place, degrees: 2 km, and 700 m between datums.
const SQUARE: f64 = 0.03;
/// Cases are looked for so often while a clip is new: handhelds bring what was done hours or days later.
const SOON: TimeDelta = TimeDelta::minutes(10);
/// So long it is new.
const NEW: TimeDelta = TimeDelta::days(2);
/// Afterwards once a day, and then no more.
const DAILY_FOR: TimeDelta = TimeDelta::days(30);

/// Makes clips of the videos whose bytes were accepted in this transaction.
///
/// # Errors
/// The engine's own.
pub fn arrived(tx: &mut Tx) -> Result<()> {
    let keys = tx.settled().iter();
    let all: Vec<String> = keys.filter_map(|key| key.strip_prefix("evidence:").map(str::to_owned)).collect();
    let mut sha256s = Vec::new();
    for sha256 in all {
        if store::is_video(tx.db, &sha256)? {
            sha256s.push(sha256);
        }
    }
    if sha256s.is_empty() {
        return Ok(());
    }
    for video in store::videos_new(tx.db, Some(&sha256s), 1000)? {
        take(tx, video)?;
    }
    Ok(())
}

/// The part of `media::Facts` that makes a clip.
#[derive(Default, Deserialize)]
struct Facts {
    duration_ms: Option<u64>,
    taken_at: Option<TakenAt>,
    position: Option<Position>,
}

#[derive(Deserialize)]
struct TakenAt {
    at: DateTime<Utc>,
}

fn facts(json: Option<Json>) -> Facts {
    json.and_then(|json| serde_json::from_value(json.0).ok()).unwrap_or_default()
}

fn take(tx: &mut Tx, video: Video) -> Result<()> {
    let (said, facts) = (Said::read(&words(&video.metadata)), facts(video.facts));
    let mut doubts: Vec<Value> =
        said.doubts.iter().map(|(code, detail)| json!({"code": code, "detail": detail})).collect();
    let arrived_at = video.stored_at.unwrap_or(At(tx.now));
    let (recorded_at, recorded_from) = match (video.captured_at, facts.taken_at) {
        (Some(at), _) => (at.0, said.captured_from.clone().unwrap_or_else(|| "device".into())),
        (None, Some(taken)) => (taken.at, "file".to_owned()),
        (None, None) => (video.declared_at.0, "received".to_owned()),
    };
    let camera = match (video.kind.as_str(), said.camera) {
        ("dock", Some(camera)) => camera,
        ("camera", Some(camera)) if camera != video.sender => {
            doubts.push(json!({"code": "camera_differs", "detail": camera}));
            video.sender.clone()
        }
        _ => video.sender.clone(),
    };
    let device_id = store::camera_labelled(tx.db, &camera)?;
    if device_id.is_none() {
        doubts.push(json!({"code": "camera_unknown", "detail": camera}));
    }
    let span = Span::of(recorded_at, said.clock_offset_ms, facts.duration_ms);
    if span.started_at > arrived_at.0 + TimeDelta::minutes(2) {
        let ahead = (span.started_at - arrived_at.0).num_seconds().to_string();
        doubts.push(json!({"code": "after_arrival", "detail": ahead}));
    }
    let mut row = ClipRow {
        evidence_id: video.id,
        camera,
        device_id,
        user_id: None,
        user_from: None,
        recorded_at: At(recorded_at),
        recorded_from,
        clock_offset_ms: said.clock_offset_ms,
        clock_from: said.clock_from,
        started_at: At(span.started_at),
        ended_at: At(span.ended_at),
        key_file: said.key_file,
        doubts: Json(Value::Array(doubts)),
        state: ClipState::Unclaimed.to_string(),
        best_case: None,
        best_score: None,
        judged_at: At(tx.now),
        decided_by: None,
        decided_at: None,
        reason: None,
        arrived_at,
    };
    wear(tx.db, &mut row)?;
    judge(tx, &mut row)?;
    let before = audience(tx.db, row.evidence_id)?;
    if store::clip_add(tx.db, &row)? && row.user_id.is_some() {
        evidence::actions::audience_changed(tx, row.evidence_id, before)?;
    }
    Ok(())
}

fn audience(db: &mut Db, id: EvidenceId) -> Result<Keys> {
    Ok(evidence::actions::audiences(db, &[id])?.remove(&id).unwrap_or_default())
}

/// Finds out who wore the camera: the roster, or else the officer's number in the file's name.
fn wear(db: &mut Db, row: &mut ClipRow) -> Result<()> {
    let said = store::metadata_of(db, row.evidence_id)?.map(|text| Said::read(&words(&text))).unwrap_or_default();
    let by_name = match &said.officer {
        Some(number) => store::officer_numbered(db, number)?,
        None => None,
    };
    // A clip without length still belongs to a shift.
    let end = At(row.ended_at.0.max(row.started_at.0 + TimeDelta::milliseconds(1)));
    let shifts = store::shifts_touching(db, &row.camera, row.started_at, end)?;
    let overlap = |shift: &ShiftRow| end.0.min(shift.until_at.0) - row.started_at.0.max(shift.from_at.0);
    let rostered = shifts.iter().max_by_key(|shift| overlap(shift)).map(|shift| shift.user_id);
    if let Value::Array(doubts) = &mut row.doubts.0 {
        doubts.retain(|doubt| doubt["code"] != "officer_differs");
        if let (Some(rostered), Some(by_name)) = (rostered, by_name)
            && rostered != by_name
        {
            doubts.push(json!({"code": "officer_differs", "detail": by_name}));
        }
    }
    (row.user_id, row.user_from) = match (rostered, by_name) {
        (Some(user), _) => (Some(user), Some("roster".to_owned())),
        (None, Some(user)) => (Some(user), Some("name".to_owned())),
        (None, None) => (None, None),
    };
    Ok(())
}

/// Looks for cases that fit a clip about which nobody has decided.
fn judge(tx: &mut Tx, row: &mut ClipRow) -> Result<()> {
    row.judged_at = At(tx.now);
    // Linked on its way: the upload named the case, or somebody did it on the evidence.
    if let Some((user, at)) = store::case_link(tx.db, row.evidence_id)? {
        row.state = ClipState::Linked.to_string();
        (row.decided_by, row.decided_at) = (user, Some(at));
        (row.best_case, row.best_score) = (None, None);
        return Ok(());
    }
    let best = proposals(tx.db, row)?.into_iter().next().filter(|best| best.score >= PROPOSED);
    row.state = if best.is_some() { ClipState::Proposed } else { ClipState::Unclaimed }.to_string();
    (row.best_case, row.best_score) = (best.as_ref().map(|best| best.case_id), best.map(|best| best.score));
    Ok(())
}

/// The cases that fit a clip, best first.
///
/// # Errors
/// The engine's own.
pub fn proposals(db: &mut Db, row: &ClipRow) -> Result<Vec<Proposal>> {
    let film = film(db, row)?;
    let candidates = candidates(db, &film, None)?;
    Ok(rules::proposals(&film, &candidates))
}

fn film(db: &mut Db, row: &ClipRow) -> Result<Film> {
    let unit = match row.user_id {
        Some(user) => store::unit_of(db, user)?,
        None => None,
    };
    let place = store::stamped_place(db, row.evidence_id)?.and_then(|(lat, lon, json)| {
        let stamped = lat.zip(lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
        stamped.or(facts(json).position)
    });
    let span = Span { recorded_at: row.recorded_at.0, started_at: row.started_at.0, ended_at: row.ended_at.0 };
    let mut places = evidence::tracks::actions::places(db, row.evidence_id, (span.started_at, span.ended_at), PLACES)?;
    if places.is_empty() {
        places.extend(place);
    }
    Ok(Film { span, wearer: row.user_id, unit, places })
}

/// Where the operation behind a line of a timeline was made.
#[derive(Deserialize)]
struct Made {
    gps: Option<Gps>,
}

fn deed((_, by, at, raw): &DeedRow) -> Deed {
    let made: Option<Made> = raw.as_deref().and_then(|raw| serde_json::from_slice(raw).ok());
    let place = made.and_then(|made| made.gps).and_then(|gps| gps.wgs84().ok());
    Deed { by: *by, at: at.0, place }
}

/// The cases that may belong to a clip: those its wearer worked on about that time, those about its place, and `also`.
fn candidates(db: &mut Db, film: &Film, also: Option<CaseId>) -> Result<Vec<Candidate>> {
    let (from, until) = (At(film.span.started_at - AROUND), At(film.span.ended_at + AROUND));
    let mut ids: BTreeSet<CaseId> = also.into_iter().collect();
    if let Some(user) = film.wearer {
        ids.extend(store::deeds_by(db, user, from, until, DEEDS)?.into_iter().map(|(case, ..)| case));
    }
    let mut rows: BTreeMap<CaseId, store::CaseRow> = BTreeMap::new();
    let named: Vec<CaseId> = ids.iter().copied().collect();
    rows.extend(store::cases_named(db, &named)?.into_iter().map(|row| (row.0, row)));
    let bound = |of: fn(Position) -> f64| {
        let all = film.places.iter().copied().map(of);
        all.fold(None, |bound: Option<(f64, f64)>, n| Some(bound.map_or((n, n), |(a, b)| (a.min(n), b.max(n)))))
    };
    if let (Some((south, north)), Some((west, east))) = (bound(Position::lat), bound(Position::lon)) {
        let square = [south - SQUARE, west - SQUARE, north + SQUARE, east + SQUARE];
        rows.extend(store::cases_about(db, square, from, until, CASES)?.into_iter().map(|row| (row.0, row)));
    }
    let ids: Vec<CaseId> = rows.keys().copied().collect();
    let mut deeds: HashMap<CaseId, Vec<Deed>> = HashMap::new();
    for row in store::deeds_about(db, &ids, from, until)? {
        deeds.entry(row.0).or_default().push(deed(&row));
    }
    let candidate = |(case_id, unit, lat, lon, datum): store::CaseRow| {
        let place = lat.zip(lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
        let datum = datum.and_then(|datum| datum.parse().ok()).unwrap_or(Datum::Wgs84);
        let deeds = deeds.remove(&case_id).unwrap_or_default();
        Candidate { case_id, unit, place: place.map(|place| to_wgs84(place, datum)), deeds }
    };
    Ok(rows.into_values().map(candidate).collect())
}

/// Takes in videos that were passed over, and looks again for cases of clips that are still open: what was done offline
/// comes later. Returns how much it did.
///
/// # Errors
/// The engine's own.
pub fn refresh(tx: &mut Tx, limit: i64) -> Result<usize> {
    let new = store::videos_new(tx.db, None, limit)?;
    let mut done = new.len();
    for video in new {
        take(tx, video)?;
    }
    let now = tx.now;
    let mut stale = store::clips_stale(tx.db, At(now - SOON), At(now - NEW), limit)?;
    stale.extend(store::clips_stale(tx.db, At(now - TimeDelta::days(1)), At(now - DAILY_FOR), limit)?);
    done += stale.len();
    for row in stale {
        again(tx, row.evidence_id, false)?;
    }
    Ok(done)
}

/// Judges an open clip again; asks the roster first when that has changed.
fn again(tx: &mut Tx, id: EvidenceId, roster: bool) -> Result<()> {
    let Some(mut row) = store::clip_locked(tx.db, id)? else { return Ok(()) };
    if !matches!(row.state.parse()?, ClipState::Unclaimed | ClipState::Proposed) {
        return Ok(());
    }
    let (wearer, before) = (row.user_id, audience(tx.db, id)?);
    if roster {
        wear(tx.db, &mut row)?;
    }
    judge(tx, &mut row)?;
    store::clip_save(tx.db, &row)?;
    if row.user_id != wearer {
        evidence::actions::audience_changed(tx, id, before)?;
    }
    Ok(())
}

/// Whose clips a person may see: the Centre all, a liaison those of the unit's officers, an officer the own.
///
/// # Errors
/// `role_forbidden`.
pub fn sight(who: &Actor) -> Result<Sight> {
    match (who.role, who.unit_id) {
        (role, _) if CENTRE.contains(&role) => Ok(Sight::All),
        (Role::Liaison, Some(unit)) => Ok(Sight::Unit(unit)),
        (Role::Officer, _) => Ok(Sight::Own(who.user_id)),
        _ => Err(Code::RoleForbidden.into()),
    }
}

fn seen(db: &mut Db, who: &Actor, row: Option<ClipRow>) -> Result<ClipRow> {
    let sight = sight(who)?;
    let row = row.ok_or_else(|| Error::not_found("clip"))?;
    let theirs = match sight {
        Sight::All => true,
        Sight::Own(user) => row.user_id == Some(user),
        Sight::Unit(unit) => match row.user_id {
            Some(user) => store::unit_of(db, user)? == Some(unit),
            None => false,
        },
    };
    if theirs { Ok(row) } else { Err(Error::not_found("clip")) }
}

/// A page of clips.
///
/// # Errors
/// The engine's own.
pub fn page(db: &mut Db, page: &Page) -> Result<Vec<ClipRow>> {
    store::clip_page(db, page)
}

/// How many clips there are in each state, and since when the oldest of them is here.
///
/// # Errors
/// The engine's own.
pub fn counts(db: &mut Db) -> Result<Vec<(String, i64, Option<At>)>> {
    store::clip_counts(db)
}

/// A clip with its proposals; the video itself when this person may see it, and of the cases those they may see.
#[derive(Debug)]
pub struct Whole {
    /// The clip.
    pub row: ClipRow,
    /// The video.
    pub evidence: Option<Evidence>,
    /// Cases that fit, with their number and title.
    pub proposals: Vec<(Proposal, String, String)>,
}

/// A clip that this person may see.
///
/// # Errors
/// `not_found`, `role_forbidden`.
pub fn get(db: &mut Db, who: &Actor, id: EvidenceId) -> Result<Whole> {
    let row = store::clip_get(db, id)?;
    let row = seen(db, who, row)?;
    let evidence = evidence::actions::evidence_for_feed(db, &Viewer::person(who), &[id])?.pop();
    let found = proposals(db, &row)?;
    let ids: Vec<CaseId> = found.iter().map(|proposal| proposal.case_id).collect();
    let held = who.keys();
    let cases = cases::actions::cases_by_id(db, &ids)?;
    let theirs = cases.into_iter().filter(|case| cases::actions::keys(case).iter().any(|key| held.contains(key)));
    let mut words: HashMap<CaseId, (String, String)> =
        theirs.map(|case| (case.id, (case.number, case.title))).collect();
    let shown = found.into_iter().filter_map(|proposal| {
        let (number, title) = words.remove(&proposal.case_id)?;
        Some((proposal, number, title))
    });
    Ok(Whole { row, evidence, proposals: shown.collect() })
}

/// Links a clip to a case: a person says so. The wearer, the dispatcher, or the liaison of the unit that has both the
/// wearer and the case. The same link again changes nothing.
///
/// # Errors
/// `not_found` for the clip or the case, `role_forbidden`, `unit_foreign`, `value_invalid`.
pub fn link(tx: &mut Tx, who: &Actor, id: EvidenceId, case: CaseId, reason: Option<String>) -> Result<ClipRow> {
    let mut row = decidable(tx, who, id)?;
    if let Some(reason) = &reason {
        text("reason", reason, 500)?;
    }
    let target = cases::actions::case_get(tx.db, who, case)?;
    if who.role == Role::Liaison && target.unit_id != who.unit_id {
        return Err(Code::UnitForeign.into());
    }
    if store::linked_to(tx.db, id, case)? && row.state == ClipState::Linked.as_str() {
        return Ok(row);
    }
    let film = film(tx.db, &row)?;
    let score = candidates(tx.db, &film, Some(case))?
        .iter()
        .find(|candidate| candidate.case_id == case)
        .map(|candidate| rules::proposal(&film, candidate).score);
    let to = NewLink { kind: "case", id: &case.to_string(), role: ROLE, need: "none", op: None };
    evidence::actions::link(tx, id, to, Some(who.user_id))?;
    record(tx, who, &row, json!({"decision": "linked", "case_id": case, "score": score, "reason": reason}))?;
    row.state = ClipState::Linked.to_string();
    (row.decided_by, row.decided_at, row.reason) = (Some(who.user_id), Some(At(tx.now)), reason);
    (row.best_case, row.best_score) = (score.map(|_| case), score);
    store::clip_save(tx.db, &row)?;
    Ok(row)
}

/// Says that a clip belongs to no case; it stays where it is.
///
/// # Errors
/// `not_found`, `role_forbidden`, `value_invalid`, `review_closed` for one that is linked.
pub fn dismiss(tx: &mut Tx, who: &Actor, id: EvidenceId, reason: String) -> Result<ClipRow> {
    let mut row = decidable(tx, who, id)?;
    text("reason", &reason, 500)?;
    if row.state == ClipState::Linked.as_str() {
        return Err(Code::ReviewClosed.into());
    }
    record(tx, who, &row, json!({"decision": "dismissed", "reason": reason}))?;
    row.state = ClipState::Dismissed.to_string();
    (row.decided_by, row.decided_at, row.reason) = (Some(who.user_id), Some(At(tx.now)), Some(reason));
    (row.best_case, row.best_score) = (None, None);
    store::clip_save(tx.db, &row)?;
    Ok(row)
}

fn decidable(tx: &mut Tx, who: &Actor, id: EvidenceId) -> Result<ClipRow> {
    who.must_be(&[Role::Officer, Role::Liaison, Role::Dispatcher])?;
    let row = store::clip_locked(tx.db, id)?;
    seen(tx.db, who, row)
}

fn record(tx: &mut Tx, who: &Actor, row: &ClipRow, mut body: Value) -> Result<()> {
    body["by"] = json!(who.user_id);
    body["state_before"] = json!(row.state);
    tlog::record(tx, tlog::Kind::Link, &format!("evidence:{}", row.evidence_id), &body).map(drop)
}

/// Enters a shift. One that begins at the same moment is replaced; another that overlaps is refused. Clips of that time
/// about which nobody has decided get their wearer.
///
/// # Errors
/// `value_invalid`, `not_found` for the person, `already_exists` with the shift that is in the way.
pub fn assign(tx: &mut Tx, by: Option<UserId>, shift: Shift) -> Result<ShiftRow> {
    shift.check()?;
    if !store::user_known(tx.db, shift.user_id)? {
        return Err(Error::not_found("user"));
    }
    let (from, until) = (At(shift.from), At(shift.until));
    let mut last = until;
    for other in store::shifts_touching(tx.db, &shift.camera, from, until)? {
        if other.from_at != from {
            let (from, until) = (other.from_at.0.to_rfc3339(), other.until_at.0.to_rfc3339());
            return Err(Code::AlreadyExists.with(format!("{}: {from} – {until}", shift.camera)));
        }
        store::shift_remove(tx.db, other.id)?;
        last = last.max(other.until_at);
    }
    let row = ShiftRow {
        id: AssignmentId(tx.id()),
        camera: shift.camera,
        user_id: shift.user_id,
        from_at: from,
        until_at: until,
        set_by: by,
        set_at: At(tx.now),
    };
    store::shift_add(tx.db, &row)?;
    roster_changed(tx, &row.camera, from, last)?;
    Ok(row)
}

/// Takes a shift back.
///
/// # Errors
/// `not_found`.
pub fn unassign(tx: &mut Tx, id: AssignmentId) -> Result<()> {
    let row = store::shift_remove(tx.db, id)?.ok_or_else(|| Error::not_found("camera_assignment"))?;
    roster_changed(tx, &row.camera, row.from_at, row.until_at)
}

fn roster_changed(tx: &mut Tx, camera: &str, from: At, until: At) -> Result<()> {
    // A clip that began before the shift may reach into it.
    let from = At(from.0 - TimeDelta::hours(24));
    for row in store::clips_open_of(tx.db, camera, from, until)? {
        again(tx, row.evidence_id, true)?;
    }
    Ok(())
}

/// A page of the roster; an officer sees the own shifts.
///
/// # Errors
/// The engine's own.
pub fn shifts(db: &mut Db, page: &ShiftPage) -> Result<Vec<ShiftRow>> {
    store::shift_page(db, page)
}

/// Marks a device as waiting for repair (待修), with the reason; without one the mark is cleared.
///
/// # Errors
/// `not_found`, `value_invalid`.
pub fn repair(tx: &mut Tx, who: &Actor, device: DeviceId, reason: Option<String>) -> Result<()> {
    if let Some(reason) = &reason {
        text("reason", reason, 200)?;
    }
    if identity::devices::devices_by_id(tx.db, &[device])?.is_empty() {
        return Err(Error::not_found("device"));
    }
    store::repair_set(tx.db, device, who.user_id, At(tx.now), reason.as_deref())
}
