//! Framing, committing, sealing and drawing, in an open transaction.

use super::{
    draw::{self, Frame, FrameSite, FrameUnit, Outcome, Pack, Source, UnitNonce, seed_text},
    rules::{self, DrawState, NewFrame, PickState},
    store::{self, CommitmentRow, DrawRow, PickRow, TeamMemberRow},
};
use crate::{
    calendar,
    canonical::canonical,
    db::{
        Db, Tx,
        types::{At, Json, LogEntryId, PickId, SiteId, UnitId, UserId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{Actor, CENTRE, Role},
        tokens::{hex, sha256},
    },
    spotchecks::library,
    tlog::{self, rules::Kind},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many of a thousand visits another team makes again.
const RECHECK_PER_MILLE: u32 = 50;

fn digest(text: &str) -> String {
    hex(&sha256(text.as_bytes()))
}

fn text_of(value: &impl Serialize) -> Result<String> {
    canonical(&serde_json::to_value(value).map_err(Error::internal)?)
}

fn told(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Writes a fact of a draw into the log.
fn log(tx: &mut Tx, week: &str, body: &serde_json::Value) -> Result<LogEntryId> {
    tlog::actions::record(tx, Kind::Draw, &format!("draw:{week}"), body)
}

/// A draw.
///
/// # Errors
/// `not_found`.
pub fn draw_get(db: &mut Db, week: &str) -> Result<DrawRow> {
    store::draw_get(db, week)?.ok_or_else(|| Error::not_found("draw"))
}

/// Draws of weeks before one, newest first.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn draw_page(db: &mut Db, before: Option<&str>, limit: i64) -> Result<Vec<DrawRow>> {
    store::draw_page(db, before, limit)
}

/// Those of the weeks that were drawn.
///
/// # Errors
/// The engine's own.
pub fn weeks_drawn(db: &mut Db, weeks: &[String]) -> Result<BTreeSet<String>> {
    Ok(store::weeks_drawn(db, weeks)?.into_iter().collect())
}

fn locked(tx: &mut Tx, week: &str, state: DrawState) -> Result<DrawRow> {
    let row = store::draw_locked(tx.db, week)?.ok_or_else(|| Error::not_found("draw"))?;
    if row.state == state.as_str() { Ok(row) } else { Err(Code::DrawStageForbids.with(row.state)) }
}

pub(super) fn frame_of(row: &DrawRow) -> Result<Frame> {
    serde_json::from_str(&row.frame).map_err(Error::internal)
}

pub(super) fn outcome_of(row: &DrawRow) -> Result<Option<Outcome>> {
    row.result.as_deref().map(serde_json::from_str).transpose().map_err(Error::internal)
}

/// Publishes what a week is drawn from. Until the first unit commits it may be published anew; the log keeps both.
///
/// # Errors
/// `value_invalid`, also without teams or sites; `due_at_invalid`; `draw_stage_forbids`.
pub fn frame(tx: &mut Tx, by: UserId, new: NewFrame) -> Result<DrawRow> {
    let new = new.checked(tx.now, &calendar::actions::calendar(tx.db)?)?;
    let before = store::draw_locked(tx.db, &new.week)?;
    if let Some(before) = &before
        && (before.state != DrawState::Framed.as_str()
            || before.commit_until.0 <= tx.now
            || !store::commitments(tx.db, &new.week)?.is_empty())
    {
        return Err(Code::DrawStageForbids.with("framed, and units rely on it"));
    }
    let teams: BTreeSet<String> = store::team_members(tx.db)?.into_iter().map(|row| row.team).collect();
    if teams.is_empty() {
        return Err(Code::ValueInvalid.with("teams: there are none yet"));
    }
    let days: Vec<String> = new.days.iter().map(ToString::to_string).collect();
    let units = frame_units(tx.db, &new, days.first().map_or("", String::as_str))?;
    if units.is_empty() {
        return Err(Code::ValueInvalid.with("sites: there are none yet"));
    }
    let nonce = hex(&tx.env().bytes::<32>());
    let frame = Frame {
        format: "chengguan-draw-frame/1".to_owned(),
        rule: draw::RULE.to_owned(),
        week: new.week.clone(),
        sources: new.sources,
        substitution: library::actions::substitution(tx.db)?.0,
        teams: teams.into_iter().collect(),
        days,
        bands: new.bands,
        recheck_per_mille: RECHECK_PER_MILLE,
        double_after_weeks: new.double_after_weeks,
        commit_until: told(new.commit_until),
        lottery_at: told(new.lottery_at),
        centre_commitment: digest(&nonce),
        units,
    };
    let text = text_of(&frame)?;
    let sha256 = digest(&text);
    let entry = log(tx, &new.week, &json!({"phase": "frame", "week": new.week, "sha256": sha256}))?;
    let row = DrawRow {
        week: new.week,
        state: DrawState::Framed.to_string(),
        frame: text,
        frame_sha256: sha256,
        frame_entry: entry,
        framed_by: by,
        framed_at: At(tx.now),
        commit_until: At(new.commit_until),
        nonce,
        lottery_at: At(new.lottery_at),
        sources: None,
        typed_by: None,
        confirmed_by: None,
        seed: None,
        sealed_at: None,
        result: None,
        result_sha256: None,
        result_entry: None,
        drawn_at: None,
    };
    if before.is_some() {
        store::draw_save(tx.db, &row)?
    } else {
        store::draw_add(tx.db, &row)?
    }
    Ok(row)
}

/// Code and name of every unit.
fn units(db: &mut Db) -> Result<HashMap<UnitId, (String, String)>> {
    // The year decides the class only, which nobody asks for here.
    let units = identity::actions::unit_list(db, 2000)?;
    Ok(units.into_iter().map(|(unit, _)| (unit.id, (unit.code, unit.name))).collect())
}

fn frame_units(db: &mut Db, new: &NewFrame, day: &str) -> Result<Vec<FrameUnit>> {
    let visited = match new.double_after_weeks {
        Some(weeks) => Some(library::actions::visited_since(db, &rules::weeks_before(&new.week, weeks)?)?),
        None => None,
    };
    let units = units(db)?;
    let mut framed = BTreeMap::<String, FrameUnit>::new();
    // By code, so each unit's sites are in their order.
    for site in library::actions::active(db, day)? {
        let unit = units.get(&site.unit_id).ok_or_else(|| Error::internal("a site of no unit"))?;
        let weight = visited.as_ref().map_or(1, |visited| if visited.contains(&site.id) { 1 } else { 2 });
        let (code, name) = unit.clone();
        let of = framed.entry(code.clone()).or_insert_with(|| FrameUnit { code, name, sites: Vec::new() });
        of.sites.push(FrameSite { code: site.code, kind: site.kind.parse()?, weight });
    }
    for unit in framed.values_mut() {
        // A database may order codes by the words of a language; the frame orders them by their bytes.
        unit.sites.sort_by(|a, b| a.code.cmp(&b.code));
    }
    Ok(framed.into_values().collect())
}

/// The caller's unit, when the frame holds it.
fn own_unit(tx: &mut Tx, row: &DrawRow, who: &Actor) -> Result<(UnitId, String)> {
    let unit = who.unit_id.ok_or_else(|| Code::RoleForbidden.with("belongs to no unit"))?;
    let unit = identity::actions::unit_get(tx.db, unit)?;
    if frame_of(row)?.units.iter().any(|framed| framed.code == unit.code) {
        Ok((unit.id, unit.code))
    } else {
        Err(Code::ValueInvalid.with("the unit is not in the frame"))
    }
}

/// A unit commits to a nonce.
///
/// # Errors
/// `draw_stage_forbids` after the deadline; `already_exists`; `value_invalid`.
pub fn commit(tx: &mut Tx, who: &Actor, week: &str, commitment: &str) -> Result<()> {
    rules::commitment(commitment)?;
    let row = locked(tx, week, DrawState::Framed)?;
    let (unit_id, unit) = own_unit(tx, &row, who)?;
    if row.commit_until.0 < tx.now {
        return Err(Code::DrawStageForbids.with(format!("commitments ended at {}", told(row.commit_until.0))));
    }
    if store::commitments(tx.db, week)?.iter().any(|one| one.unit_id == unit_id) {
        return Err(Code::AlreadyExists.with("commitment"));
    }
    log(tx, week, &json!({"phase": "commit", "week": week, "unit": unit, "commitment": commitment}))?;
    let row = CommitmentRow {
        week: week.to_owned(),
        unit_id,
        commitment: commitment.to_owned(),
        committed_by: who.user_id,
        committed_at: At(tx.now),
        nonce: None,
        opened_at: None,
    };
    store::commitment_add(tx.db, &row)
}

/// A unit opens its nonce: when nobody can commit any more, and before the event.
///
/// # Errors
/// `draw_stage_forbids` at any other time; `not_found` without a commitment; `value_invalid` for another nonce.
pub fn open(tx: &mut Tx, who: &Actor, week: &str, nonce: &str) -> Result<()> {
    rules::nonce(nonce)?;
    let row = locked(tx, week, DrawState::Framed)?;
    let (unit_id, _) = own_unit(tx, &row, who)?;
    if !(row.commit_until.0 < tx.now && tx.now < row.lottery_at.0) {
        let (from, until) = (told(row.commit_until.0), told(row.lottery_at.0));
        return Err(Code::DrawStageForbids.with(format!("nonces are opened after {from} and before {until}")));
    }
    let ours = store::commitments(tx.db, week)?.into_iter().find(|one| one.unit_id == unit_id);
    let ours = ours.ok_or_else(|| Error::not_found("commitment"))?;
    if ours.commitment != digest(nonce) {
        return Err(Code::ValueInvalid.with("nonce: not the one that was committed to"));
    }
    store::commitment_open(tx.db, week, unit_id, nonce, At(tx.now))
}

/// Takes down the event's results, once it took place. They count when a second person has typed the same.
///
/// # Errors
/// `draw_stage_forbids` before the event; `value_invalid`.
pub fn type_results(tx: &mut Tx, by: UserId, week: &str, sources: &[Source]) -> Result<DrawRow> {
    let mut row = locked(tx, week, DrawState::Framed)?;
    if tx.now < row.lottery_at.0 {
        return Err(Code::DrawStageForbids.with(format!("the event is at {}", told(row.lottery_at.0))));
    }
    rules::results(&frame_of(&row)?.sources, sources)?;
    row.sources = Some(Json(serde_json::to_value(sources).map_err(Error::internal)?));
    row.typed_by = Some(by);
    store::draw_save(tx.db, &row)?;
    Ok(row)
}

/// A second person types the same results: the seed is known.
///
/// # Errors
/// `draw_stage_forbids` when nobody typed any; `second_person_required`; `value_invalid` when they differ.
pub fn confirm(tx: &mut Tx, by: UserId, week: &str, sources: &[Source]) -> Result<DrawRow> {
    let mut row = locked(tx, week, DrawState::Framed)?;
    let typed = typed(&row)?.ok_or_else(|| Code::DrawStageForbids.with("no results were typed"))?;
    if row.typed_by == Some(by) {
        return Err(Code::SecondPersonRequired.into());
    }
    let said = |sources: &[Source]| -> Vec<(String, String, String)> {
        sources.iter().map(|one| (one.name.clone(), one.issue.clone(), one.result.clone())).collect()
    };
    if said(&typed) != said(sources) {
        return Err(Code::ValueInvalid.with("sources: not what the first person typed; look at the event again"));
    }
    let seed = seed_text(week, &typed, &nonces(tx.db, &row)?);
    log(tx, week, &json!({"phase": "seed", "week": week, "sha256": digest(&seed)}))?;
    row.state = DrawState::Sealed.to_string();
    (row.seed, row.confirmed_by, row.sealed_at) = (Some(seed), Some(by), Some(At(tx.now)));
    store::draw_save(tx.db, &row)?;
    Ok(row)
}

/// The results that were typed.
pub(super) fn typed(row: &DrawRow) -> Result<Option<Vec<Source>>> {
    row.sources.clone().map(|Json(sources)| serde_json::from_value(sources)).transpose().map_err(Error::internal)
}

/// The Centre's nonce and those of the frame's units, in its order.
fn nonces(db: &mut Db, row: &DrawRow) -> Result<Vec<UnitNonce>> {
    let frame = frame_of(row)?;
    let units = units(db)?;
    let of: HashMap<String, CommitmentRow> = store::commitments(db, &row.week)?
        .into_iter()
        .filter_map(|one| Some((units.get(&one.unit_id)?.0.clone(), one)))
        .collect();
    let centre = UnitNonce {
        unit: draw::CENTRE.to_owned(),
        commitment: Some(frame.centre_commitment),
        nonce: Some(row.nonce.clone()),
    };
    let unit = |unit: FrameUnit| {
        let one = of.get(&unit.code);
        let commitment = one.map(|one| one.commitment.clone());
        UnitNonce { commitment, nonce: one.and_then(|one| one.nonce.clone()), unit: unit.code }
    };
    Ok(std::iter::once(centre).chain(frame.units.into_iter().map(unit)).collect())
}

/// Draws a sealed week: the frame and the seed decide everything.
///
/// # Errors
/// `draw_stage_forbids`.
pub fn run(tx: &mut Tx, week: &str) -> Result<DrawRow> {
    let mut row = locked(tx, week, DrawState::Sealed)?;
    let seed = row.seed.clone().ok_or_else(|| Error::internal("sealed without a seed"))?;
    let outcome = draw::draw(&frame_of(&row)?, &row.frame_sha256, &seed);
    let text = text_of(&outcome)?;
    let sha256 = digest(&text);
    let entry = log(tx, week, &json!({"phase": "result", "week": week, "sha256": sha256}))?;
    row.state = DrawState::Drawn.to_string();
    (row.result, row.result_sha256, row.result_entry) = (Some(text), Some(sha256), Some(entry));
    row.drawn_at = Some(At(tx.now));
    store::draw_save(tx.db, &row)?;
    picks_add(tx, week, &outcome)?;
    Ok(row)
}

fn picks_add(tx: &mut Tx, week: &str, outcome: &Outcome) -> Result<()> {
    let units = units(tx.db)?;
    let by_code: HashMap<&str, UnitId> = units.iter().map(|(id, (code, _))| (code.as_str(), *id)).collect();
    let sites: HashMap<String, SiteId> =
        library::actions::all(tx.db)?.into_iter().map(|site| (site.code, site.id)).collect();
    let missing = || Error::internal("the frame names what is not there");
    let whole = |n: u32| i32::try_from(n).map_err(Error::internal);
    for unit in &outcome.units {
        let unit_id = *by_code.get(unit.code.as_str()).ok_or_else(missing)?;
        for pick in &unit.picks {
            let row = PickRow {
                id: PickId(tx.id()),
                week: week.to_owned(),
                unit_id,
                slot: whole(pick.slot)?,
                turn: 0,
                recheck: false,
                kind: pick.kind.to_string(),
                site_id: *sites.get(&pick.site).ok_or_else(missing)?,
                team: unit.team.clone(),
                day: unit.day.clone(),
                band: unit.band.clone(),
                visit_order: whole(pick.order)?,
                state: PickState::Open.to_string(),
                check_id: None,
            };
            store::pick_add(tx.db, &row)?;
            if let Some(again) = outcome.rechecks.iter().find(|one| one.unit == unit.code && one.slot == pick.slot) {
                let (id, team, day) = (PickId(tx.id()), again.team.clone(), again.day.clone());
                store::pick_add(tx.db, &PickRow { id, recheck: true, team, day, ..row })?;
            }
        }
    }
    Ok(())
}

/// Whether a person may see all of a draw: at the Centre always, else when the week is over.
///
/// # Errors
/// `value_invalid` for a week that is none.
pub fn may_see_all(who: &Actor, week: &str, now: DateTime<Utc>) -> Result<bool> {
    Ok(CENTRE.contains(&who.role) || rules::over_at(week)? <= now)
}

/// A draw's commitments with their units' codes.
///
/// # Errors
/// The engine's own.
pub fn commitments(db: &mut Db, row: &DrawRow) -> Result<Vec<(String, CommitmentRow)>> {
    let units = units(db)?;
    let found = store::commitments(db, &row.week)?.into_iter();
    let mut found: Vec<_> =
        found.map(|one| (units.get(&one.unit_id).map_or(String::new(), |(code, _)| code.clone()), one)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// All that a verifier needs.
///
/// # Errors
/// `draw_stage_forbids` before the draw, or while its visits are secret; `not_found`.
pub fn pack(db: &mut Db, who: &Actor, week: &str, now: DateTime<Utc>) -> Result<Pack> {
    let row = draw_get(db, week)?;
    if !may_see_all(who, week, now)? {
        return Err(Code::DrawStageForbids.with(format!("open from {}", told(rules::over_at(week)?))));
    }
    let nonces = nonces(db, &row)?;
    let drawn = || Code::DrawStageForbids.with("not drawn yet");
    Ok(Pack {
        format: "chengguan-draw-pack/1".to_owned(),
        sources: typed(&row)?.ok_or_else(drawn)?,
        frame_entry: row.frame_entry.to_string(),
        frame: row.frame,
        frame_sha256: row.frame_sha256,
        nonces,
        seed: row.seed.ok_or_else(drawn)?,
        result: row.result.ok_or_else(drawn)?,
        result_sha256: row.result_sha256.ok_or_else(drawn)?,
        result_entry: row.result_entry.ok_or_else(drawn)?.to_string(),
    })
}

/// Who is in which team.
///
/// # Errors
/// The engine's own.
pub fn team_members(db: &mut Db) -> Result<Vec<TeamMemberRow>> {
    store::team_members(db)
}

/// Says who is in which team, in the place of what was said before.
///
/// # Errors
/// `value_invalid` for a person twice, or one who makes no spot checks; `not_found`.
pub fn team_members_put(tx: &mut Tx, members: Vec<TeamMemberRow>) -> Result<Vec<TeamMemberRow>> {
    let mut seen = BTreeSet::new();
    for member in &members {
        rules::team(&member.team)?;
        let person = identity::actions::person_by_id(tx.db, member.user_id)?;
        if !matches!(person.role, Role::SpotChecker | Role::Inspector) || !seen.insert(member.user_id) {
            return Err(Code::ValueInvalid.with("members: spot checkers and inspectors, each once"));
        }
    }
    store::team_members_put(tx.db, &members)?;
    store::team_members(tx.db)
}
