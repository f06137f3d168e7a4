//! What can be done with spots, in an open transaction; called by HTTP, by sync and at the end of every transaction.

use super::{
    rules::{self, Before, RecordKind, Sighting, Span, SpotCause, SpotState, Weighed},
    store::{self, Reported, Sight, SpotCaseRow, SpotEventRow, SpotPage, SpotRow},
};
use crate::{
    cases::{
        actions::Cause,
        report::{Position as Stated, class_code},
    },
    catalogue::rules::ClassKind,
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, CaseId, SpotEventId, SpotId},
    },
    error::{Code, Error, Result},
    evidence::datum::{Datum, Position, distance_m, to_wgs84},
    grids, identity,
    identity::rules::{Actor, CENTRE, Role, text},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;

/// Who decides about spots.
const DECIDES: &[Role] = &[Role::Dispatcher];
/// Who adds observations.
const OBSERVES: &[Role] = &[Role::Inspector, Role::Dispatcher];

/// Who carries a spot. Every inspector carries all of them: patrols change, and a county has few thousand.
pub fn keys() -> Keys {
    vec!["centre".into(), "spots".into()]
}

/// Whose spots a person's lists show: the Centre and inspectors all, a unit those of its cases.
pub fn sight(who: &Actor) -> Sight {
    if CENTRE.contains(&who.role) || who.role == Role::Inspector {
        return Sight::All;
    }
    who.unit_of_cases().map_or(Sight::Nothing, Sight::Unit)
}

/// A page of spots, entered last first.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn spot_page(db: &mut Db, page: &SpotPage) -> Result<Vec<SpotRow>> {
    store::spot_page(db, page)
}

/// A spot that this person may see.
///
/// # Errors
/// `not_found`.
pub fn spot_get(db: &mut Db, who: &Actor, id: SpotId) -> Result<SpotRow> {
    store::spot_get(db, sight(who), id)?.ok_or_else(|| Error::not_found("spot"))
}

/// Spots by id, for the feed.
///
/// # Errors
/// The engine's own.
pub fn spots_by_id(db: &mut Db, ids: &[SpotId]) -> Result<Vec<SpotRow>> {
    store::spots_by_id(db, ids)
}

/// The spots of a snapshot, by id: all, or none for who does not carry them.
///
/// # Errors
/// The engine's own.
pub fn spot_after(db: &mut Db, who: &Actor, after: Option<SpotId>, limit: i64) -> Result<Vec<SpotRow>> {
    let held = who.keys();
    if keys().iter().any(|key| held.contains(key)) { store::spot_after(db, after, limit) } else { Ok(vec![]) }
}

/// A page of what happened to a spot, oldest first, with the actors' names.
///
/// # Errors
/// `not_found`.
pub fn spot_timeline(
    db: &mut Db,
    who: &Actor,
    id: SpotId,
    after: i64,
    limit: i64,
) -> Result<Vec<(SpotEventRow, Option<String>)>> {
    spot_get(db, who, id)?;
    let lines = store::event_page(db, id, after, limit)?;
    let actors: Vec<_> = lines.iter().filter_map(|line| line.actor_id).collect();
    let names = identity::actions::user_names(db, &actors)?;
    let named = |line: SpotEventRow| {
        let name = line.actor_id.and_then(|actor| names.get(&actor).cloned());
        (line, name)
    };
    Ok(lines.into_iter().map(named).collect())
}

/// What is known of a spot by its records.
#[derive(Debug, Default)]
struct Known {
    sightings: Vec<Sighting>,
    closings: Vec<DateTime<Utc>>,
    /// Records that were noted as come after it was solved.
    recurrences: usize,
}

fn known(db: &mut Db, ids: &[SpotId]) -> Result<HashMap<SpotId, Known>> {
    let mut found: HashMap<SpotId, Known> = HashMap::new();
    let mut spans: HashMap<SpotId, Vec<Span>> = HashMap::new();
    for (spot, since, case) in store::cases_of(db, ids)? {
        let here = found.entry(spot).or_default();
        if case.counts() {
            here.sightings.push(Sighting { id: case.id.0, kind: RecordKind::Case, at: case.reported_at.0 });
            here.recurrences += usize::from(since.is_some());
            spans.entry(spot).or_default().push((case.reported_at.0, case.solved_at()));
        }
    }
    for (spot, spans) in spans {
        found.entry(spot).or_default().closings = rules::closings(&spans);
    }
    for line in store::lines_of(db, ids)? {
        let here = found.entry(line.spot_id).or_default();
        if line.command == "close" {
            here.closings.push(line.at.0);
        } else {
            let (id, kind) = (line.id.0, RecordKind::Observation);
            here.sightings.push(Sighting { id, kind, at: line.occurred_at.0 });
            here.recurrences += usize::from(line.since_closing_s.is_some());
        }
    }
    Ok(found)
}

fn known_of(db: &mut Db, id: SpotId) -> Result<Known> {
    Ok(known(db, &[id])?.remove(&id).unwrap_or_default())
}

/// A line to be written.
#[derive(Default)]
struct Said {
    command: &'static str,
    case: Option<CaseId>,
    point: Option<Position>,
    since_closing_s: Option<i64>,
    note: Option<String>,
}

/// By whom: nobody, when the rules did it.
type By<'a> = (Option<&'a Actor>, Cause);

/// Writes a line, and the spot with the counts of its records.
fn put(tx: &mut Tx, row: &mut SpotRow, (who, cause): By, said: Said) -> Result<()> {
    let before = if row.ver == 0 { vec![] } else { keys() };
    row.ver += 1;
    if row.ver == 1 {
        store::spot_add(tx.db, row)?;
    }
    let line = SpotEventRow {
        id: SpotEventId(tx.id()),
        spot_id: row.id,
        ver: row.ver,
        command: said.command.to_owned(),
        at: At(tx.now),
        occurred_at: At(cause.occurred_at),
        actor_id: who.map(|who| who.user_id),
        device_id: cause.device,
        op_id: cause.op,
        case_id: said.case,
        lat: said.point.map(Position::lat),
        lon: said.point.map(Position::lon),
        since_closing_s: said.since_closing_s,
        note: said.note,
    };
    store::event_add(tx.db, &line)?;
    let known = known_of(tx.db, row.id)?;
    let count = |n: usize| i32::try_from(n).map_err(Error::internal);
    let cases = known.sightings.iter().filter(|sighting| sighting.kind == RecordKind::Case).count();
    row.case_count = count(cases)?;
    row.observation_count = count(known.sightings.len() - cases)?;
    row.recurrence_count = count(known.recurrences)?;
    let seen = || known.sightings.iter().map(|sighting| At(sighting.at));
    row.first_seen_at = seen().min().unwrap_or(row.created_at);
    row.last_seen_at = seen().max().unwrap_or(row.created_at);
    store::spot_save(tx.db, row)?;
    tx.announce(Change { kind: "spot", id: row.id.to_string(), before, after: keys(), op: cause.op });
    Ok(())
}

fn locked(tx: &mut Tx, id: SpotId) -> Result<SpotRow> {
    store::spot_locked(tx.db, id)?.ok_or_else(|| Error::not_found("spot"))
}

/// A stated place in WGS-84.
///
/// # Errors
/// `value_invalid`.
pub fn point(stated: &Stated) -> Result<Position> {
    stated.check()?;
    let datum: Datum = stated.datum.parse().map_err(|_| Code::ValueInvalid.with("datum"))?;
    let position = Position::new(stated.lat, stated.lon).map_err(|e| Code::ValueInvalid.with(e.to_string()))?;
    Ok(to_wgs84(position, datum))
}

fn fresh(tx: &mut Tx, kind: Option<ClassKind>, code: String, here: Position) -> Result<SpotRow> {
    let grid = grids::actions::grids_at(tx.db, here, Datum::Wgs84)?.into_iter().next();
    Ok(SpotRow {
        id: SpotId(tx.id()),
        class_kind: kind.map(|kind| kind.to_string()),
        class_code: code,
        address: None,
        lat: here.lat(),
        lon: here.lon(),
        radius_m: rules::radius_m(kind),
        grid_code: grid,
        state: SpotState::Open.to_string(),
        closed_at: None,
        cause: None,
        cause_note: None,
        cause_by: None,
        cause_at: None,
        first_seen_at: At(tx.now),
        last_seen_at: At(tx.now),
        case_count: 0,
        observation_count: 0,
        recurrence_count: 0,
        ver: 0,
        created_at: At(tx.now),
    })
}

/// A spot to be entered.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSpot {
    /// Components or events.
    pub class_kind: ClassKind,
    /// Class code: 4–10 digits.
    pub class_code: String,
    /// Where.
    pub position: Stated,
    /// Where, in words; at most 200 characters.
    #[serde(default)]
    pub address: Option<String>,
    /// How far it reaches, 5–100 metres; by the class unless said.
    #[serde(default)]
    pub radius_m: Option<i32>,
}

/// Enters a spot.
///
/// # Errors
/// `role_forbidden`, `value_invalid`.
pub fn spot_create(tx: &mut Tx, who: &Actor, new: NewSpot, cause: Cause) -> Result<SpotRow> {
    who.must_be(DECIDES)?;
    class_code(&new.class_code)?;
    new.address.as_deref().map_or(Ok(()), |address| text("address", address, 200))?;
    let here = point(&new.position)?;
    let mut row = fresh(tx, Some(new.class_kind), new.class_code, here)?;
    row.address = new.address;
    if let Some(metres) = new.radius_m {
        row.radius_m = rules::radius(metres)?;
    }
    put(tx, &mut row, (Some(who), cause), Said { command: "create", ..Said::default() })?;
    Ok(row)
}

/// Ties a case to a spot.
fn tie(
    tx: &mut Tx,
    id: SpotId,
    case: &Reported,
    by: By,
    command: &'static str,
    note: Option<String>,
) -> Result<SpotRow> {
    let tied = SpotCaseRow {
        case_id: case.id,
        spot_id: id,
        attached_at: At(tx.now),
        attached_by: by.0.map(|who| who.user_id),
        since_closing_s: None,
    };
    // Before the spot is locked: the case may be in the hands of somebody who waits for the spot. When somebody else ties
    // it at the same time, the key is taken: the answer is `busy`, and who asks again finds it tied.
    store::case_attach(tx.db, &tied)?;
    let mut row = locked(tx, id)?;
    let known = known_of(tx.db, id)?;
    let before = rules::before(&known.sightings, &known.closings, case.reported_at.0);
    let since_closing_s = before.recurred().map(|time| time.num_seconds());
    store::case_recurred(tx.db, case.id, since_closing_s)?;
    if case.is_open() {
        (row.state, row.closed_at) = (SpotState::Open.to_string(), None);
    }
    put(tx, &mut row, by, Said { command, case: Some(case.id), since_closing_s, note, ..Said::default() })?;
    Ok(row)
}

/// Ties a case to a spot: the Centre's decision that it is the same problem.
///
/// # Errors
/// `role_forbidden`, `not_found`, `value_invalid` for a case of another class or outside the spot's radius,
/// `already_exists` when it belongs to a spot.
pub fn attach(
    tx: &mut Tx,
    who: &Actor,
    id: SpotId,
    case: CaseId,
    note: Option<String>,
    cause: Cause,
) -> Result<SpotRow> {
    who.must_be(DECIDES)?;
    note.as_deref().map_or(Ok(()), |note| text("note", note, 2000))?;
    let spot = spot_get(tx.db, who, id)?;
    let case = store::case_get(tx.db, case)?.ok_or_else(|| Error::not_found("case"))?;
    if case.class_code.as_deref() != Some(spot.class_code.as_str()) || !rules::same_kind(case.kind(), spot.kind()?) {
        let kind = spot.class_kind.unwrap_or_default();
        return Err(Code::ValueInvalid.with(format!("case: its class is not {kind} {}", spot.class_code)));
    }
    let there = case.point().ok_or_else(|| Code::ValueInvalid.with("case: has no position"))?;
    reaches(&spot, there, 0.0)?;
    if store::spots_of(tx.db, &[case.id])?.contains_key(&case.id) {
        return Err(Code::AlreadyExists.with("case: belongs to a spot"));
    }
    tie(tx, id, &case, (Some(who), cause), "attach", note)
}

/// Refuses a place that a spot does not reach, with so many metres of doubt.
fn reaches(spot: &SpotRow, there: Position, doubt: f64) -> Result<()> {
    let distance = distance_m(spot.point()?, there);
    if distance <= f64::from(spot.radius_m) + doubt {
        return Ok(());
    }
    let told = format!("position: {distance:.0} m from the spot, which reaches {} m", spot.radius_m);
    Err(Code::ValueInvalid.with(told))
}

/// Unties a case from a spot.
///
/// # Errors
/// `role_forbidden`, `value_invalid` for the reason, `not_found` also when it is not tied to this spot.
pub fn detach(tx: &mut Tx, who: &Actor, id: SpotId, case: CaseId, reason: String, cause: Cause) -> Result<SpotRow> {
    who.must_be(DECIDES)?;
    let mut row = locked(tx, id)?;
    text("reason", &reason, 2000)?;
    if !store::case_detach(tx.db, case, id)? {
        return Err(Error::not_found("case"));
    }
    let said = Said { command: "detach", case: Some(case), note: Some(reason), ..Said::default() };
    put(tx, &mut row, (Some(who), cause), said)?;
    Ok(row)
}

/// Says why the problem comes back.
///
/// # Errors
/// `role_forbidden`, `not_found`, `value_invalid` for the words.
pub fn cause_set(
    tx: &mut Tx,
    who: &Actor,
    id: SpotId,
    why: SpotCause,
    note: Option<String>,
    cause: Cause,
) -> Result<SpotRow> {
    who.must_be(DECIDES)?;
    let mut row = locked(tx, id)?;
    note.as_deref().map_or(Ok(()), |note| text("note", note, 2000))?;
    row.cause = Some(why.to_string());
    row.cause_note.clone_from(&note);
    (row.cause_by, row.cause_at) = (Some(who.user_id), Some(At(tx.now)));
    // The line keeps what the next word on it replaces.
    let words = note.map_or_else(|| why.to_string(), |note| format!("{why}: {note}"));
    put(tx, &mut row, (Some(who), cause), Said { command: "set_cause", note: Some(words), ..Said::default() })?;
    Ok(row)
}

/// Closes a spot (销号): the problem is solved here.
///
/// # Errors
/// `role_forbidden`, `not_found`, `value_invalid` for the reason, `already_done`, `stage_forbids` while a case of it is
/// open.
pub fn close(tx: &mut Tx, who: &Actor, id: SpotId, reason: String, cause: Cause) -> Result<SpotRow> {
    who.must_be(DECIDES)?;
    let mut row = locked(tx, id)?;
    text("reason", &reason, 2000)?;
    if row.state == SpotState::Closed.as_str() {
        return Err(Code::AlreadyDone.into());
    }
    if let Some((.., case)) = store::cases_of(tx.db, &[id])?.into_iter().find(|(.., case)| case.is_open()) {
        return Err(Code::StageForbids.with(format!("case {}: {}", case.number, case.state)));
    }
    (row.state, row.closed_at) = (SpotState::Closed.to_string(), Some(At(tx.now)));
    put(tx, &mut row, (Some(who), cause), Said { command: "close", note: Some(reason), ..Said::default() })?;
    Ok(row)
}

/// That the problem of a spot is there, said in place of a new case (补拍).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// At most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the problem is, when the person says so; else where they stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Stated>,
}

/// Where somebody stood, in WGS-84, and how surely, metres.
pub type Fix = (Position, Option<f64>);

/// The largest doubt about a fix that is forgiven, metres.
const MOST_DOUBT_M: f64 = 50.0;

/// Adds an observation to a spot; nothing happens to its cases. Returns the spot and its newest open case, which the
/// photos belong to as well.
///
/// # Errors
/// `role_forbidden`, `not_found`, `value_invalid` for the note and for a place that the spot does not reach.
pub fn observe(
    tx: &mut Tx,
    who: &Actor,
    id: SpotId,
    observation: &Observation,
    fix: Option<Fix>,
    cause: Cause,
) -> Result<(SpotRow, Option<CaseId>)> {
    who.must_be(OBSERVES)?;
    let mut row = locked(tx, id)?;
    observation.note.as_deref().map_or(Ok(()), |note| text("note", note, 2000))?;
    let fix = match &observation.position {
        Some(stated) => Some((point(stated)?, None)),
        None => fix,
    };
    if let Some((there, accuracy)) = fix {
        reaches(&row, there, accuracy.unwrap_or(0.0).clamp(0.0, MOST_DOUBT_M))?;
    }
    let known = known_of(tx.db, id)?;
    let before = rules::before(&known.sightings, &known.closings, cause.occurred_at);
    // What was seen before it was closed, and came home later, does not open it again.
    if row.closed_at.is_some_and(|closed| closed.0 <= cause.occurred_at) {
        (row.state, row.closed_at) = (SpotState::Open.to_string(), None);
    }
    let said = Said {
        command: "observe",
        point: fix.map(|(there, _)| there),
        since_closing_s: before.recurred().map(|time| time.num_seconds()),
        note: observation.note.clone(),
        ..Said::default()
    };
    put(tx, &mut row, (Some(who), cause), said)?;
    let cases = store::cases_of(tx.db, &[id])?.into_iter().map(|(.., case)| case);
    let open = cases.filter(Reported::is_open).max_by_key(|case| (case.reported_at, case.id));
    Ok((row, open.map(|case| case.id)))
}

/// A spot with its index (蘑菇指数).
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The spot.
    pub spot: SpotRow,
    /// Hundredths of a weighted day.
    pub points: i64,
    /// Records of the time: cases and observations.
    pub records: usize,
}

/// The indices of spots over the last [`rules::MEMORY`], hundredths of a weighted day; those that are not named have 0.
///
/// # Errors
/// The engine's own.
pub fn indices(db: &mut Db, ids: &[SpotId], now: DateTime<Utc>) -> Result<HashMap<SpotId, i64>> {
    let weighed = |here: Known| rules::weigh(&here.sightings, &here.closings, now - rules::MEMORY, now);
    let points = |(id, here): (SpotId, Known)| (id, weighed(here).iter().map(|w| w.points).sum());
    Ok(known(db, ids)?.into_iter().map(points).collect())
}

/// The spots of a sight with an index over the time, the greatest first.
///
/// # Errors
/// The engine's own.
pub fn top(db: &mut Db, sight: Sight, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Ranked>> {
    let spots = store::spots_seen_since(db, sight, At(from))?;
    let known = known(db, &spots.iter().map(|spot| spot.id).collect::<Vec<_>>())?;
    let ranked = |spot: SpotRow| {
        let here = known.get(&spot.id)?;
        let weighed = rules::weigh(&here.sightings, &here.closings, from, until);
        let points = weighed.iter().map(|w| w.points).sum();
        Some(Ranked { spot, points, records: weighed.len() }).filter(|ranked| ranked.points > 0)
    };
    let mut found: Vec<Ranked> = spots.into_iter().filter_map(ranked).collect();
    found.sort_by(|a, b| (b.points, a.spot.id).cmp(&(a.points, b.spot.id)));
    Ok(found)
}

/// The records of a spot over a time, oldest first, each with what it adds to the index.
///
/// # Errors
/// `not_found`.
pub fn records(
    db: &mut Db,
    who: &Actor,
    id: SpotId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Weighed>> {
    spot_get(db, who, id)?;
    let known = known_of(db, id)?;
    Ok(rules::weigh(&known.sightings, &known.closings, from, until))
}

/// Ties the new cases of this transaction to spots when their problem has come back (返潮). Runs at the end of every
/// writing transaction.
///
/// # Errors
/// The engine's own.
pub fn follow(tx: &mut Tx) -> Result<()> {
    let changed: BTreeSet<CaseId> = tx.changed("case").filter_map(|id| id.parse().ok()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<CaseId> = changed.into_iter().collect();
    let new = store::cases_new(tx.db, &ids, At(tx.now))?;
    let tied = store::spots_of(tx.db, &new.iter().map(|case| case.id).collect::<Vec<_>>())?;
    for case in new.iter().filter(|case| !tied.contains_key(&case.id)) {
        come_back(tx, case)?;
    }
    Ok(())
}

/// Cases around a new one that are looked at: with more of a class at one place, each new one would read them all.
const CROWD: i64 = 64;

fn come_back(tx: &mut Tx, case: &Reported) -> Result<()> {
    let (Some(code), Some(here)) = (case.class_code.as_deref(), case.point()) else { return Ok(()) };
    let (kind, at, since) = (case.kind(), case.reported_at.0, case.reported_at.0 - rules::MEMORY);
    let by: By = (None, Cause { op: None, device: None, occurred_at: at });
    let spot = store::spots_around(tx.db, (kind, code), here)?.into_iter().next().map(|(_, spot)| spot);
    let reach = spot.as_ref().map_or(0, |spot| spot.radius_m).max(rules::radius_m(kind));
    let mut near = store::cases_around(tx.db, (kind, code), here, reach, At(since), CROWD)?;
    let crowded = i64::try_from(near.len()).is_ok_and(|found| found >= CROWD);
    near.retain(|(_, other)| (other.reported_at, other.id) < (case.reported_at, case.id));
    // In a crowd without a spot not all were seen: it is for a person to say what comes back there.
    if near.iter().any(|(_, other)| other.is_open()) || (crowded && spot.is_none()) {
        return Ok(());
    }
    if let Some(spot) = &spot {
        let known = known_of(tx.db, spot.id)?;
        match rules::before(&known.sightings, &known.closings, at) {
            Before::Unsolved => return Ok(()),
            before if before.recurred().is_some() => return tie(tx, spot.id, case, by, "recur", None).map(drop),
            Before::Solved(_) | Before::Nothing => {}
        }
    }
    let tied = store::spots_of(tx.db, &near.iter().map(|(_, other)| other.id).collect::<Vec<_>>())?;
    near.retain(|(_, other)| !tied.contains_key(&other.id));
    // One of a kind that nobody knows is taken for the same only as near as a component.
    near.retain(|(distance, other)| other.kind() == kind || *distance <= f64::from(rules::radius_m(None)));
    let solved = near.into_iter().filter_map(|(_, other)| Some((other.solved_at().filter(|at| *at >= since)?, other)));
    let Some((_, earlier)) = solved.max_by_key(|(solved, other)| (*solved, other.id)) else { return Ok(()) };
    let Some(there) = earlier.point() else { return Ok(()) };
    let spot = match spot {
        Some(spot) if reaches(&spot, there, 0.0).is_ok() => spot,
        // It reaches the one and not the other: a person's to judge.
        Some(_) => return Ok(()),
        None => {
            let mut row = fresh(tx, kind, code.to_owned(), there)?;
            row.address.clone_from(&earlier.address);
            put(tx, &mut row, by, Said { command: "create", ..Said::default() })?;
            row
        }
    };
    tie(tx, spot.id, &earlier, by, "attach", None)?;
    tie(tx, spot.id, case, by, "recur", None).map(drop)
}
