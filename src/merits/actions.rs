//! What people do with the list, and what the assessment asks of it, in an open transaction.

use super::{
    rules::{self, DECIDERS, ENTERERS, MeritState, NewMerit},
    store::{self, EntryRow, Only},
};
use crate::{
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, Json, MeritId, UnitId},
    },
    error::{Code, Error, Result},
    evidence::{self, actions::NewLink},
    identity::{
        self,
        rules::{Actor, CENTRE, text},
    },
};
use chrono::{DateTime, Utc};
use serde_json::json;

/// Who may see an entry: everybody once it is approved, else the Centre.
fn keys(row: &EntryRow) -> Keys {
    let all = (row.state == MeritState::Approved.as_str()).then(|| "all".to_owned());
    ["centre".to_owned()].into_iter().chain(all).collect()
}

fn announce(tx: &mut Tx, row: &EntryRow) {
    tx.announce(Change { kind: "merit", id: row.id.to_string(), before: vec![], after: keys(row), op: None });
}

/// Enters something that happened.
///
/// # Errors
/// `role_forbidden`, `value_invalid`, `not_found` for the unit or evidence.
pub fn enter(tx: &mut Tx, who: &Actor, new: NewMerit) -> Result<EntryRow> {
    who.must_be(ENTERERS)?;
    let new = new.checked(tx.now)?;
    identity::actions::unit_get(tx.db, new.unit_id)?;
    let row = EntryRow {
        id: MeritId(tx.id()),
        unit_id: new.unit_id,
        month: new.month,
        item: new.item.to_string(),
        times: new.times,
        summary: new.summary,
        happened_on: new.happened_on.to_string(),
        source: new.source,
        evidence: Json(json!(new.evidence)),
        state: MeritState::Entered.to_string(),
        entered_by: who.user_id,
        entered_at: At(tx.now),
        decided_by: None,
        decided_at: None,
        decision_words: None,
        withdrawn_by: None,
        withdrawn_at: None,
        withdrawn_reason: None,
    };
    store::entry_add(tx.db, &row)?;
    let to = NewLink { kind: "merit", id: &row.id.to_string(), role: "basis", need: "none", op: None };
    evidence::actions::link_stored(tx, who, &new.evidence, to)?;
    announce(tx, &row);
    Ok(row)
}

fn known(db: &mut Db, id: MeritId) -> Result<(EntryRow, MeritState)> {
    let row = store::entry_get(db, id)?.ok_or_else(|| Error::not_found("merit"))?;
    let state = row.state.parse().map_err(|_| Error::internal("an entry holds a broken state"))?;
    Ok((row, state))
}

/// Writes what became of an entry; somebody may have been quicker.
fn save(tx: &mut Tx, row: EntryRow, was: MeritState) -> Result<EntryRow> {
    if !store::entry_save(tx.db, &row, was)? {
        return Err(Code::StageForbids.into());
    }
    announce(tx, &row);
    Ok(row)
}

/// Approves or refuses an entry.
///
/// # Errors
/// `role_forbidden`, `value_invalid`, `not_found`, and those of [`rules::decide`].
pub fn decide(tx: &mut Tx, who: &Actor, id: MeritId, approved: bool, words: &str) -> Result<EntryRow> {
    who.must_be(DECIDERS)?;
    text("words", words, 1000)?;
    let (mut row, was) = known(tx.db, id)?;
    row.state = rules::decide(was, row.entered_by, who.user_id, approved)?.to_string();
    (row.decided_by, row.decided_at) = (Some(who.user_id), Some(At(tx.now)));
    row.decision_words = Some(words.to_owned());
    save(tx, row, was)
}

/// Takes an entry back. It stays on record.
///
/// # Errors
/// `value_invalid`, `not_found`, and those of [`rules::withdraw`].
pub fn withdraw(tx: &mut Tx, who: &Actor, id: MeritId, reason: &str) -> Result<EntryRow> {
    who.must_be(ENTERERS)?;
    text("reason", reason, 1000)?;
    let (mut row, was) = known(tx.db, id)?;
    row.state = rules::withdraw(was, row.entered_by, who.user_id, who.role)?.to_string();
    (row.withdrawn_by, row.withdrawn_at) = (Some(who.user_id), Some(At(tx.now)));
    row.withdrawn_reason = Some(reason.to_owned());
    save(tx, row, was)
}

/// A page of the list, the last entered first: for the Centre all, for others what is approved.
///
/// # Errors
/// `value_invalid` for a month that is none.
pub fn page(db: &mut Db, who: &Actor, only: Only, before: Option<MeritId>, limit: i64) -> Result<Vec<EntryRow>> {
    only.month.as_deref().map_or(Ok(()), |month| rules::month(month).map(drop))?;
    if CENTRE.contains(&who.role) {
        return store::entry_page(db, &only, before, limit);
    }
    if only.state.is_some_and(|state| state != MeritState::Approved) {
        return Ok(vec![]);
    }
    store::entry_page(db, &Only { state: Some(MeritState::Approved), ..only }, before, limit)
}

/// An entry.
///
/// # Errors
/// `not_found`, also for what is not approved and asked for from outside the Centre.
pub fn get(db: &mut Db, who: &Actor, id: MeritId) -> Result<EntryRow> {
    let (row, state) = known(db, id)?;
    let seen = CENTRE.contains(&who.role) || state == MeritState::Approved;
    if seen { Ok(row) } else { Err(Error::not_found("merit")) }
}

/// What the assessment counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeritRow {
    /// The entry.
    pub id: MeritId,
    /// The unit.
    pub unit_id: UnitId,
    /// See `rules::MeritItem`.
    pub item: String,
    /// How often.
    pub times: i32,
    /// What happened.
    pub summary: String,
}

/// The entries of a month, such as 2026-11, that are approved and not taken back, oldest first.
///
/// # Errors
/// `value_invalid` for a month that is none.
pub fn counted(db: &mut Db, month: &str) -> Result<Vec<MeritRow>> {
    rules::month(month)?;
    let row = |row: EntryRow| MeritRow {
        id: row.id,
        unit_id: row.unit_id,
        item: row.item,
        times: row.times,
        summary: row.summary,
    };
    Ok(store::approved(db, month)?.into_iter().map(row).collect())
}

/// How many cases were filed (立案) for each unit in a stretch, `until` excluded; units without any are left out. A case
/// is filed in the month it was reported in, for the unit that has it: one that is void, or that no unit has, is not.
///
/// # Errors
/// The engine's own.
pub fn filed(db: &mut Db, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<(UnitId, i64)>> {
    store::filed(db, At(from), At(until))
}

/// An entry whoever may see it: the caller has found that the reader may.
///
/// # Errors
/// `not_found`.
pub fn judged(db: &mut Db, id: MeritId) -> Result<EntryRow> {
    known(db, id).map(|(row, _)| row)
}
