//! What can be done with evidence, in an open transaction. Files are never touched here.

use super::{
    custody::{
        self,
        actions::Act,
        keeping,
        rules::{AccessClass, Action, RetentionClass},
    },
    datum::Position,
    media::{Facts, Flag, MAX_TIME_GAP_S, Stamp, compare},
    reuse,
    rules::{Gps, NewEvidence, OCTETS, Owner, ROLE, State, Viewer},
    store::{self, EvidenceRow, LinkRow, Wanted},
    tracks,
    view::Evidence,
};
use crate::{
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, CaseId, EvidenceId, Json, OpId, UserId},
    },
    error::{Code, Error, Result},
    identity::rules::Actor,
    tlog,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Names a piece of evidence. A digest that is known stays as it was declared first; who declared it may fill what was
/// left blank. Links it to the case, when the declaration names one.
///
/// # Errors
/// `value_invalid`.
pub fn declare(tx: &mut Tx, who: &Owner, new: NewEvidence) -> Result<EvidenceRow> {
    let new = new.checked()?;
    let row = match store::evidence_locked(tx.db, &new.sha256)? {
        Some(known) => fill(tx, who, known, &new)?,
        None => {
            let fresh = fresh(tx, who, &new)?;
            store::evidence_add(tx.db, &fresh)?;
            // Another process may have been quicker; then its row is the one.
            let row =
                store::evidence_locked(tx.db, &new.sha256)?.ok_or_else(|| Error::internal("evidence vanished"))?;
            if row.id == fresh.id { row } else { fill(tx, who, row, &new)? }
        }
    };
    if let Some(of) = &new.sidecar {
        tracks::actions::declared(tx, &row, of)?;
    }
    if let Some(case) = new.case_id {
        let role = new.role.as_deref().unwrap_or(ROLE);
        let to = NewLink { kind: "case", id: &case.to_string(), role, need: "none", op: None };
        link_by(tx, row.id, to, *who)?;
    }
    Ok(row)
}

fn fresh(tx: &Tx, who: &Owner, new: &NewEvidence) -> Result<EvidenceRow> {
    let mut row = EvidenceRow {
        id: EvidenceId(tx.id()),
        sha256: new.sha256.clone(),
        size: new.size,
        media_type: new.media_type.clone(),
        state: State::Declared.to_string(),
        filename: new.filename.clone(),
        captured_at: new.captured_at.map(At),
        lat: None,
        lon: None,
        datum: None,
        wgs84_lat: None,
        wgs84_lon: None,
        accuracy_m: None,
        fix_age_s: None,
        position_source: None,
        role: new.role.clone(),
        device_id: who.device_id,
        user_id: who.user_id,
        declared_at: At(tx.now),
        stored_at: None,
        facts: None,
        flags: Json(json!([])),
        access_class: AccessClass::Normal.to_string(),
        retention_class: RetentionClass::General.to_string(),
        delete_at: None,
        derived_from: None,
    };
    if let Some(gps) = &new.gps {
        stamp(&mut row, gps)?;
    }
    Ok(row)
}

fn stamp(row: &mut EvidenceRow, gps: &Gps) -> Result<()> {
    let wgs84 = gps.wgs84()?;
    (row.lat, row.lon, row.datum) = (Some(gps.lat), Some(gps.lon), Some(gps.datum.to_string()));
    (row.wgs84_lat, row.wgs84_lon) = (Some(wgs84.lat()), Some(wgs84.lon()));
    (row.accuracy_m, row.fix_age_s, row.position_source) = (gps.accuracy_m, gps.fix_age_s, gps.source.clone());
    Ok(())
}

/// Fills blanks of a known declaration, when its own author knows more by now.
fn fill(tx: &mut Tx, who: &Owner, row: EvidenceRow, new: &NewEvidence) -> Result<EvidenceRow> {
    let same = (row.device_id.is_some() && row.device_id == who.device_id)
        || (row.user_id.is_some() && row.user_id == who.user_id);
    if !same {
        if let Some(device) = who.device_id {
            reuse::actions::sent_again(tx, &row, device)?;
        }
        return Ok(row);
    }
    let mut fuller = row.clone();
    fuller.filename = row.filename.clone().or_else(|| new.filename.clone());
    fuller.role = row.role.clone().or_else(|| new.role.clone());
    fuller.captured_at = row.captured_at.or(new.captured_at.map(At));
    fuller.device_id = row.device_id.or(who.device_id);
    fuller.user_id = row.user_id.or(who.user_id);
    if row.media_type == OCTETS {
        fuller.media_type = new.media_type.clone();
    }
    if let (None, Some(gps)) = (row.lat, &new.gps) {
        stamp(&mut fuller, gps)?;
    }
    if fuller == row {
        return Ok(row);
    }
    let stored = row.state == State::Stored.as_str();
    if stored && (fuller.captured_at != row.captured_at || fuller.lat != row.lat) {
        // The comparison was made without it, and whoever wrote it may have looked into the file first.
        flag(&mut fuller, "stamp_after_bytes", &tx.now.to_rfc3339());
    }
    let before = if stored { store::audience(tx.db, &row)? } else { Keys::new() };
    store::evidence_save(tx.db, &fuller)?;
    if stored {
        announce(tx, &fuller, before, None)?;
    }
    Ok(fuller)
}

fn flag(row: &mut EvidenceRow, code: &str, detail: &str) {
    if let Value::Array(flags) = &mut row.flags.0 {
        flags.push(json!({ "code": code, "detail": detail }));
    }
}

/// Adds flags to a stored piece, when something that was sent later shows them.
pub(super) fn add_flags(tx: &mut Tx, mut row: EvidenceRow, flags: Vec<Flag>) -> Result<()> {
    if flags.is_empty() {
        return Ok(());
    }
    for found in flags {
        flag(&mut row, found.code, &found.detail);
    }
    let before = store::audience(tx.db, &row)?;
    store::evidence_save(tx.db, &row)?;
    announce(tx, &row, before, None)
}

/// A declaration by REST: as [`declare`], but a contradiction is told. Says whether the record is new.
///
/// # Errors
/// `value_invalid`, or `already_exists` when the same digest was declared with another size.
pub fn register(tx: &mut Tx, who: &Owner, viewer: &Viewer, new: NewEvidence) -> Result<(Evidence, bool)> {
    let new = new.checked()?;
    let known = store::evidence_by_sha256(tx.db, &new.sha256)?;
    if known.as_ref().is_some_and(|row| row.size != new.size) {
        return Err(Code::AlreadyExists.with("size"));
    }
    let row = declare(tx, who, new)?;
    let evidence = if viewer.sees(&store::audience(tx.db, &row)?) {
        let links = store::links_of(tx.db, &[row.id])?;
        Evidence::of(row, &links)
    } else {
        Evidence::blind(row)
    };
    Ok((evidence, known.is_none()))
}

/// What a piece of evidence belongs to.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    /// `case`, `spot_check`, `spot`, `letter` or `merit`.
    pub kind: &'a str,
    /// The record's id.
    pub id: &'a str,
    /// What it shows there.
    pub role: &'a str,
    /// `none`, or `before_close`.
    pub need: &'a str,
    /// The operation that brought it.
    pub op: Option<OpId>,
}

/// Digests that must be stored before a case can be closed, and are not.
///
/// # Errors
/// The engine's own.
pub fn missing_before_close(db: &mut Db, case: CaseId) -> Result<Vec<String>> {
    store::missing_before_close(db, case)
}

/// What pieces of evidence show of a case, as their links say; the case may still have to come.
///
/// # Errors
/// The engine's own.
pub fn roles_of(db: &mut Db, case: CaseId) -> Result<Vec<String>> {
    store::roles_of(db, case)
}

/// Says what a piece of evidence belongs to. The target may arrive later; the same link twice is one.
///
/// # Errors
/// `not_found` for the evidence.
pub fn link(tx: &mut Tx, evidence: EvidenceId, to: NewLink, user: Option<UserId>) -> Result<()> {
    link_by(tx, evidence, to, Owner { device_id: None, user_id: user })
}

/// Says that stored pieces, named by their digests, belong to a record.
///
/// # Errors
/// `not_found` for a piece that is not stored, or not this person's to see.
pub fn link_stored(tx: &mut Tx, who: &Actor, sha256s: &[String], to: NewLink) -> Result<()> {
    let viewer = Viewer::person(who);
    for sha256 in sha256s {
        let row = at_hand(tx.db, &viewer, sha256)?.ok_or_else(|| Error::not_found("evidence"))?;
        link(tx, row.id, to, Some(who.user_id))?;
    }
    Ok(())
}

fn link_by(tx: &mut Tx, evidence: EvidenceId, to: NewLink, who: Owner) -> Result<()> {
    let row = store::evidence_lock(tx.db, evidence)?.ok_or_else(|| Error::not_found("evidence"))?;
    let stored = row.state == State::Stored.as_str();
    let before = if stored { store::audience(tx.db, &row)? } else { Keys::new() };
    let added = store::link_add(
        tx.db,
        &LinkRow {
            evidence_id: evidence,
            target_kind: to.kind.to_owned(),
            target_id: to.id.to_owned(),
            role: to.role.to_owned(),
            need: to.need.to_owned(),
            op_id: to.op,
            user_id: who.user_id,
            linked_at: At(tx.now),
        },
    )?;
    if !added {
        return Ok(());
    }
    let detail = json!({"target_kind": to.kind, "target_id": to.id, "role": to.role, "op": to.op});
    let act = Act::by(who);
    custody::actions::record(tx, &row, Action::Linked, &act, &detail)?;
    if stored && row.delete_at.is_some() {
        // It proves something again: it is seen again, by those concerned with that too.
        keeping::keep(tx, row.clone(), &act, "linked")?;
    } else if stored {
        announce(tx, &row, before, to.op)?;
    }
    reuse::actions::linked(tx, &row)
}

/// Tells those who may see it now, or could before, that stored evidence changed.
pub(super) fn announce(tx: &mut Tx, row: &EvidenceRow, before: Keys, op: Option<OpId>) -> Result<()> {
    let after = store::audience(tx.db, row)?;
    tx.announce(Change { kind: "evidence", id: row.id.to_string(), before, after, op });
    Ok(())
}

/// After more or other people may see a stored piece than `before` says: announces it anew.
///
/// # Errors
/// `not_found`.
pub fn audience_changed(tx: &mut Tx, id: EvidenceId, before: Keys) -> Result<()> {
    let row = store::evidence_get(tx.db, id)?.ok_or_else(|| Error::not_found("evidence"))?;
    announce(tx, &row, before, None)
}

/// After a case changed hands: announces its stored evidence anew. `lost` are the audience keys that the case had
/// before and has no more.
///
/// # Errors
/// The engine's own.
pub fn case_moved(tx: &mut Tx, case: CaseId, lost: &[String]) -> Result<()> {
    for row in store::linked_to(tx.db, "case", &case.to_string())? {
        if row.state == State::Stored.as_str() {
            let mut before = store::audience(tx.db, &row)?;
            before.extend(lost.iter().filter(|key| !before.contains(key)).cloned().collect::<Vec<_>>());
            announce(tx, &row, before, None)?;
        }
    }
    Ok(())
}

/// Bytes that were verified on the disk.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// What the uploader said about them; its digest and size are the verified ones.
    pub said: NewEvidence,
    /// What the file says.
    pub facts: Facts,
    /// Who sent them.
    pub sender: Owner,
    /// The audience before the sender's upload was accepted, when the evidence was stored already.
    pub before: Keys,
    /// Doubts about the way they came.
    pub doubts: Vec<(&'static str, String)>,
}

/// Records that the bytes are here: the evidence becomes stored, the stamp is compared with the file, and whoever
/// waited for it goes on.
///
/// # Errors
/// `value_invalid`, when what the uploader said breaks a rule.
pub fn store_bytes(tx: &mut Tx, arrived: Arrived) -> Result<EvidenceRow> {
    let Arrived { said, facts, sender, before, doubts } = arrived;
    let size = said.size;
    let mut row = declare(tx, &sender, said)?;
    if row.state == State::Stored.as_str() {
        tracks::actions::stored(tx, &row, &facts)?;
        if row.delete_at.is_some() {
            return keeping::keep(tx, row, &Act::by(sender), "arrived_again");
        }
        announce(tx, &row, before, None)?;
        return Ok(row);
    }
    let deleted_at = row.delete_at.take();
    if row.media_type == OCTETS {
        facts.media_type.clone_into(&mut row.media_type);
    }
    (row.state, row.stored_at, row.size) = (State::Stored.to_string(), Some(At(tx.now)), size);
    row.facts = Some(Json(serde_json::to_value(&facts).map_err(Error::internal)?));
    row.flags = Json(serde_json::to_value(differences(&row, &facts)).map_err(Error::internal)?);
    for (code, detail) in doubts {
        flag(&mut row, code, &detail);
    }
    if let Some(at) = deleted_at {
        flag(&mut row, "was_deleted", &at.0.to_rfc3339());
    }
    for found in tracks::actions::differences(tx, &row)? {
        flag(&mut row, found.code, &found.detail);
    }
    if tracks::actions::stored(tx, &row, &facts)? {
        flag(&mut row, "track_unreadable", "");
    }
    store::evidence_save_stored(tx.db, &row)?;
    accepted(tx, &row)?;
    if deleted_at.is_some() {
        custody::actions::record(tx, &row, Action::ArrivedAgain, &Act::by(sender), &json!({}))?;
    }
    reuse::actions::stored(tx, &row)?;
    tx.settle(settled_key(&row.sha256));
    announce(tx, &row, Keys::new(), None)?;
    Ok(row)
}

/// What operations wait for that need these bytes.
pub fn settled_key(sha256: &str) -> String {
    format!("evidence:{sha256}")
}

/// What the device said of a piece.
pub(super) fn stamp_of(row: &EvidenceRow) -> Stamp {
    Stamp {
        captured_at: row.captured_at.unwrap_or(row.declared_at).0,
        position: row.wgs84_lat.zip(row.wgs84_lon).and_then(|(lat, lon)| Position::new(lat, lon).ok()),
        accuracy_m: row.accuracy_m,
        media_type: row.media_type.clone(),
    }
}

fn differences(row: &EvidenceRow, facts: &Facts) -> Vec<Flag> {
    let mut flags = compare(&stamp_of(row), facts);
    if facts.track.is_some() {
        return flags;
    }
    match row.captured_at {
        // Without a stamped time there is nothing to compare the file's with.
        None => {
            flags.retain(|f| f.code != "time_differs");
            flags.push(Flag { code: "time_missing_in_stamp", detail: String::new() });
        }
        // The server heard of it before it was taken: the device's clock is wrong, whatever the file says.
        Some(at) => {
            let ahead_s = (at.0 - row.declared_at.0).num_seconds();
            if ahead_s > MAX_TIME_GAP_S {
                let detail = format!("{ahead_s} s > {MAX_TIME_GAP_S} s");
                flags.push(Flag { code: "time_in_future", detail });
            }
        }
    }
    flags
}

/// Which of these digests are stored.
///
/// # Errors
/// The engine's own.
pub fn stored(db: &mut Db, sha256s: &[String]) -> Result<HashSet<String>> {
    Ok(store::evidence_stored(db, sha256s)?.into_iter().collect())
}

/// Those of these records that are stored and that the viewer may see now, for the feed.
///
/// # Errors
/// The engine's own.
pub fn evidence_for_feed(db: &mut Db, viewer: &Viewer, ids: &[EvidenceId]) -> Result<Vec<Evidence>> {
    let limit = i64::try_from(ids.len()).map_err(Error::internal)?;
    let rows = store::evidence_list(db, viewer, Wanted { only: Some(ids), stored: true, limit, ..Wanted::default() })?;
    let links = store::links_of(db, ids)?;
    Ok(rows.into_iter().map(|row| Evidence::of(row, &links)).collect())
}

/// Stored evidence by id, after `after`.
///
/// # Errors
/// The engine's own.
pub fn stored_after(db: &mut Db, after: Option<EvidenceId>, limit: i64) -> Result<Vec<EvidenceRow>> {
    store::stored_after(db, after, limit)
}

/// Which of these have a record, and how it stands with them: [`State`] as text.
///
/// # Errors
/// The engine's own.
pub fn known(db: &mut Db, ids: &[EvidenceId]) -> Result<Vec<(EvidenceId, String)>> {
    Ok(store::evidence_by_id(db, ids)?.into_iter().map(|row| (row.id, row.state)).collect())
}

/// Makes leaves of evidence that was accepted before there was a log; only while the log is empty.
///
/// # Errors
/// The engine's own.
pub fn enter_log(tx: &mut Tx) -> Result<()> {
    if !tlog::actions::list(tx.db, None, None, None, 1)?.is_empty() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = store::stored_after(tx.db, after, 1000)?;
        let Some(end) = page.last() else { return Ok(()) };
        after = Some(end.id);
        for row in page {
            accepted(tx, &row)?;
        }
    }
}

fn accepted(tx: &mut Tx, row: &EvidenceRow) -> Result<()> {
    let body = json!({
        "sha256": row.sha256, "size": row.size, "media_type": row.media_type, "device": row.device_id, "user": row.user_id,
        "stored_ms": row.stored_at.map(|at| at.0.timestamp_millis()),
    });
    tlog::record(tx, tlog::Kind::Evidence, &format!("evidence:{}", row.id), &body)?;
    Ok(())
}

/// Who may see each of these pieces.
///
/// # Errors
/// The engine's own.
pub fn audiences(db: &mut Db, ids: &[EvidenceId]) -> Result<HashMap<EvidenceId, Keys>> {
    let rows = store::evidence_by_id(db, ids)?;
    store::audiences(db, &rows)
}

/// A page of the stored evidence that the viewer may see, newest first, for a snapshot.
///
/// # Errors
/// The engine's own.
pub fn evidence_before(db: &mut Db, viewer: &Viewer, before: Option<EvidenceId>, limit: i64) -> Result<Vec<Evidence>> {
    let rows = store::evidence_list(db, viewer, Wanted { stored: true, before, limit, ..Wanted::default() })?;
    let ids: Vec<EvidenceId> = rows.iter().map(|row| row.id).collect();
    let links = store::links_of(db, &ids)?;
    Ok(rows.into_iter().map(|row| Evidence::of(row, &links)).collect())
}

/// The evidence of a record, oldest first, whole: for a bundle, whose reason is on record.
///
/// # Errors
/// The engine's own.
pub fn evidence_of(db: &mut Db, target_kind: &str, target_id: &str) -> Result<Vec<Evidence>> {
    let mut rows = store::linked_to(db, target_kind, target_id)?;
    rows.sort_by_key(|row| row.id);
    let links = store::links_of(db, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
    Ok(rows.into_iter().map(|row| Evidence::whole(row, &links)).collect())
}

/// A row that the viewer may see.
///
/// # Errors
/// `not_found`, also for what exists but is not theirs to see.
pub fn seen(db: &mut Db, viewer: &Viewer, id: EvidenceId) -> Result<EvidenceRow> {
    let row = store::evidence_get(db, id)?.ok_or_else(|| Error::not_found("evidence"))?;
    if viewer.centre || viewer.sees(&store::audience(db, &row)?) { Ok(row) } else { Err(Error::not_found("evidence")) }
}

/// One page, newest first, and the id it ended with when there is more.
///
/// # Errors
/// The engine's own.
pub fn list(
    db: &mut Db,
    viewer: &Viewer,
    case: Option<CaseId>,
    before: Option<EvidenceId>,
    limit: usize,
) -> Result<(Vec<Evidence>, Option<EvidenceId>)> {
    let one_more = i64::try_from(limit + 1).map_err(Error::internal)?;
    let mut rows = store::evidence_list(db, viewer, Wanted { case, before, limit: one_more, ..Wanted::default() })?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let ids: Vec<EvidenceId> = rows.iter().map(|row| row.id).collect();
    let links = store::links_of(db, &ids)?;
    let next = ids.last().copied().filter(|_| more);
    Ok((rows.into_iter().map(|row| Evidence::of(row, &links)).collect(), next))
}

/// The evidence with this digest when it is stored and the viewer may see it: then no bytes need to travel.
///
/// # Errors
/// The engine's own.
pub fn at_hand(db: &mut Db, viewer: &Viewer, sha256: &str) -> Result<Option<EvidenceRow>> {
    let Some(row) = store::evidence_by_sha256(db, sha256)?.filter(|row| row.state == State::Stored.as_str()) else {
        return Ok(None);
    };
    let audience = store::audience(db, &row)?;
    Ok(viewer.sees(&audience).then_some(row))
}

/// The audience of stored evidence with this digest; empty when it is not stored.
///
/// # Errors
/// The engine's own.
pub fn audience_of(db: &mut Db, sha256: &str) -> Result<Keys> {
    match store::evidence_by_sha256(db, sha256)? {
        Some(row) if row.state == State::Stored.as_str() => store::audience(db, &row),
        _ => Ok(Keys::new()),
    }
}
