//! How long evidence is kept, and its deletion by two people. All in an open transaction.

pub(super) mod routes;

use super::{
    actions::{Act, is_there, record},
    rules::{
        Action, DeletionState, Keeping, PROPOSERS, Record, Retention, RetentionClass, Terms, UNDO_FOR, may_set_class,
    },
    store::{self, DeletionRow, HoldRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, DeletionId, EvidenceId, HoldId, Json},
    },
    error::{Code, Error, Result},
    evidence::{
        actions as evidence,
        rules::{Owner, State, Viewer},
        store::{self as pieces, EvidenceRow},
        view::Evidence,
    },
    identity::rules::Role,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::HashMap;

/// How long a server may take to remove the bytes of one piece; nobody else tries meanwhile, and the same bytes can't
/// come again.
pub const REMOVAL_FOR: TimeDelta = TimeDelta::minutes(5);
/// Pieces that are looked at for one page of what is due.
const MOST_LOOKED_AT: usize = 2000;

/// All that is said about how a piece is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The evidence.
    pub row: EvidenceRow,
    /// How long, and why.
    pub retention: Retention,
    /// Its holds, lifted ones too.
    pub holds: Vec<HoldRow>,
    /// The deletion that is open, or its last, whatever became of it.
    pub deletion: Option<DeletionRow>,
}

/// How a piece is kept.
///
/// # Errors
/// `not_found`.
pub fn kept(db: &mut Db, viewer: &Viewer, id: EvidenceId, terms: Terms) -> Result<Kept> {
    let row = evidence::seen(db, viewer, id)?;
    let retention = keeping(db, &row)?.retention(terms);
    let deletion = match open_deletion(db, id)? {
        Some(open) => Some(open),
        None => store::deletions_of(db, id)?.pop(),
    };
    Ok(Kept { retention, holds: store::holds_of(db, &[id])?, deletion, row })
}

fn keeping(db: &mut Db, row: &EvidenceRow) -> Result<Keeping> {
    let mut all = keepings(db, std::slice::from_ref(row))?;
    all.remove(&row.id).ok_or_else(|| Error::internal("evidence without its keeping"))
}

fn keepings(db: &mut Db, rows: &[EvidenceRow]) -> Result<HashMap<EvidenceId, Keeping>> {
    let ids: Vec<EvidenceId> = rows.iter().map(|row| row.id).collect();
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let stored_at = row.stored_at.unwrap_or(row.declared_at).0;
        let raised: RetentionClass = row.retention_class.parse()?;
        found.insert(row.id, Keeping { stored_at, raised, records: vec![], holds: 0 });
    }
    let links = pieces::links_of(db, &ids)?;
    let records = store::records_of(db, &links)?;
    for link in links {
        if let Some(keeping) = found.get_mut(&link.evidence_id) {
            let record = records.get(&(link.target_kind, link.target_id)).copied();
            keeping.records.push(record.unwrap_or(Record::Open));
        }
    }
    for hold in store::holds_of(db, &ids)? {
        if let Some(keeping) = found.get_mut(&hold.evidence_id) {
            keeping.holds += usize::from(hold.lifted_at.is_none());
        }
    }
    Ok(found)
}

/// Evidence whose time is over.
#[derive(Debug, Clone)]
pub struct Due {
    /// The evidence.
    pub evidence: Evidence,
    /// How long it was to be kept, and why.
    pub retention: Retention,
}

/// Where a page of what is due ended: the age and id of the last piece that was looked at.
pub type Aged = (At, EvidenceId);

/// A page of what may be proposed for deletion, oldest first. It may be short, even empty, while there is more: looking
/// through what a case keeps is bounded.
///
/// # Errors
/// The engine's own.
pub fn due(
    db: &mut Db,
    now: DateTime<Utc>,
    terms: Terms,
    after: Option<Aged>,
    limit: usize,
) -> Result<(Vec<Due>, Option<Aged>)> {
    let youngest = At(now - TimeDelta::days(terms.general_days.into()));
    let (mut found, mut after, mut looked_at) = (Vec::new(), after, 0);
    while looked_at < MOST_LOOKED_AT {
        let batch = 200;
        let rows = store::aged(db, youngest, after, batch)?;
        let full = i64::try_from(rows.len()).map_err(Error::internal)? == batch;
        looked_at += rows.len();
        let mut keepings = keepings(db, &rows)?;
        let links = pieces::links_of(db, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
        for row in rows {
            after = row.stored_at.map(|at| (at, row.id)).or(after);
            let Some(keeping) = keepings.remove(&row.id).filter(|k| k.deletable(terms, now).is_ok()) else { continue };
            found.push(Due { retention: keeping.retention(terms), evidence: Evidence::of(row, &links) });
            if found.len() == limit {
                return Ok((found, after));
            }
        }
        if !full {
            return Ok((found, None));
        }
    }
    Ok((found, after))
}

/// Changes how long a person wants a piece kept.
///
/// # Errors
/// `not_found`, `evidence_deleted`, or as [`may_set_class`].
pub fn set_class(tx: &mut Tx, id: EvidenceId, role: Role, to: RetentionClass, act: &Act) -> Result<()> {
    let mut row = locked(tx, id)?;
    let from: RetentionClass = row.retention_class.parse()?;
    may_set_class(role, from, to)?;
    if from == to {
        return Ok(());
    }
    row.retention_class = to.to_string();
    pieces::evidence_save(tx.db, &row)?;
    let detail = json!({"what": "retention", "from": from, "to": to});
    record(tx, &row, Action::ClassChanged, act, &detail)
}

/// Sets a legal hold; a deletion that was proposed or approved is undone by it.
///
/// # Errors
/// `not_found`, or `evidence_deleted` when the bytes are gone.
pub fn set_hold(tx: &mut Tx, id: EvidenceId, act: &Act) -> Result<HoldRow> {
    let row = any(tx, id)?;
    if row.state == State::Deleted.as_str() {
        return Err(Code::EvidenceDeleted.into());
    }
    let hold = HoldRow {
        id: HoldId(tx.id()),
        evidence_id: id,
        reason: act.why()?,
        set_by: act.user()?,
        set_at: At(tx.now),
        lifted_by: None,
        lifted_at: None,
        lift_reason: None,
    };
    store::hold_add(tx.db, &hold)?;
    record(tx, &row, Action::HoldSet, act, &json!({"hold": hold.id}))?;
    keep(tx, row, act, "hold_set")?;
    Ok(hold)
}

/// Lifts one hold; others stand.
///
/// # Errors
/// `not_found`, also for a hold that was lifted already.
pub fn lift_hold(tx: &mut Tx, id: EvidenceId, hold: HoldId, act: &Act) -> Result<HoldRow> {
    let row = any(tx, id)?;
    let standing = store::holds_of(tx.db, &[id])?.into_iter().find(|h| h.id == hold && h.lifted_at.is_none());
    let mut hold = standing.ok_or_else(|| Error::not_found("hold"))?;
    hold.lifted_by = Some(act.user()?);
    hold.lifted_at = Some(At(tx.now));
    hold.lift_reason = Some(act.why()?);
    store::hold_save(tx.db, &hold)?;
    record(tx, &row, Action::HoldLifted, act, &json!({"hold": hold.id}))?;
    Ok(hold)
}

/// The first of the two people: proposes a deletion.
///
/// # Errors
/// `not_found`, `evidence_not_stored`, `deletion_pending`, or as [`Keeping::deletable`].
pub fn propose(tx: &mut Tx, id: EvidenceId, role: Role, terms: Terms, act: &Act) -> Result<DeletionRow> {
    if !PROPOSERS.contains(&role) {
        return Err(Code::RoleForbidden.into());
    }
    let row = any(tx, id)?;
    if open_deletion(tx.db, id)?.is_some() {
        return Err(Code::DeletionPending.into());
    }
    is_there(&row)?;
    if row.state != State::Stored.as_str() {
        return Err(Code::EvidenceNotStored.into());
    }
    keeping(tx.db, &row)?.deletable(terms, tx.now)?;
    let deletion = DeletionRow {
        id: DeletionId(tx.id()),
        evidence_id: id,
        state: DeletionState::Proposed.to_string(),
        reason: act.why()?,
        proposed_by: act.user()?,
        proposed_at: At(tx.now),
        approved_by: None,
        approved_at: None,
        approval_reason: None,
        delete_at: None,
        undone_by: None,
        undone_at: None,
        undo_reason: None,
        done_at: None,
        removing_until: None,
        bytes_removed_at: None,
    };
    store::deletion_add(tx.db, &deletion)?;
    record(tx, &row, Action::DeletionProposed, act, &json!({"deletion": deletion.id, "role": role}))?;
    Ok(deletion)
}

/// The second: approves it. From now on the evidence is hidden, and in seven days its bytes go.
///
/// # Errors
/// `deletion_absent`, `second_person_required`, or as [`Keeping::deletable`], which may have changed meanwhile.
pub fn approve(tx: &mut Tx, id: EvidenceId, role: Role, terms: Terms, act: &Act) -> Result<DeletionRow> {
    let mut row = any(tx, id)?;
    let proposed = open_deletion(tx.db, id)?.filter(|d| d.state == DeletionState::Proposed.as_str());
    let mut deletion = proposed.ok_or(Code::DeletionAbsent)?;
    let user = act.user()?;
    if deletion.proposed_by == user {
        // Whoever proposed it has another role by now.
        return Err(Code::SecondPersonRequired.into());
    }
    keeping(tx.db, &row)?.deletable(terms, tx.now)?;
    let delete_at = At(tx.now + UNDO_FOR);
    deletion.state = DeletionState::Approved.to_string();
    (deletion.approved_by, deletion.approved_at) = (Some(user), Some(At(tx.now)));
    (deletion.approval_reason, deletion.delete_at) = (Some(act.why()?), Some(delete_at));
    store::deletion_save(tx.db, &deletion)?;
    let before = pieces::audience(tx.db, &row)?;
    row.delete_at = Some(delete_at);
    pieces::evidence_save(tx.db, &row)?;
    let detail = json!({"deletion": deletion.id, "role": role, "delete_at_ms": delete_at.0.timestamp_millis()});
    record(tx, &row, Action::DeletionApproved, act, &detail)?;
    evidence::announce(tx, &row, before, None)?;
    Ok(deletion)
}

/// Withdraws or refuses a proposal, or takes an approved deletion back while the bytes are there.
///
/// # Errors
/// `not_found` or `deletion_absent`.
pub fn undo(tx: &mut Tx, id: EvidenceId, act: &Act) -> Result<DeletionRow> {
    let row = any(tx, id)?;
    act.why()?;
    let open = open_deletion(tx.db, id)?.ok_or(Code::DeletionAbsent)?;
    keep(tx, row, act, "undone")?;
    let undone = store::deletions_of(tx.db, id)?.into_iter().find(|deletion| deletion.id == open.id);
    undone.ok_or_else(|| Error::internal("the deletion vanished"))
}

/// Ends whatever deletion is open: the evidence stays, and is seen again. `cause` is a code: `undone`, `hold_set`,
/// `linked`, `arrived_again` or that of a refusal.
///
/// # Errors
/// The engine's own.
pub fn keep(tx: &mut Tx, mut row: EvidenceRow, act: &Act, cause: &str) -> Result<EvidenceRow> {
    let Some(mut deletion) = open_deletion(tx.db, row.id)? else { return Ok(row) };
    deletion.state = DeletionState::Undone.to_string();
    (deletion.undone_by, deletion.undone_at) = (act.who.user_id, Some(At(tx.now)));
    deletion.undo_reason = Some(act.reason.clone().unwrap_or_else(|| cause.to_owned()));
    store::deletion_save(tx.db, &deletion)?;
    let before = pieces::audience(tx.db, &row)?;
    let hidden = row.delete_at.take().is_some();
    if hidden {
        pieces::evidence_save(tx.db, &row)?;
    }
    record(tx, &row, Action::DeletionUndone, act, &json!({"deletion": deletion.id, "cause": cause}))?;
    if hidden {
        evidence::announce(tx, &row, before, None)?;
    }
    Ok(row)
}

/// A page of deletions, newest first, and the id it ended with when there is more.
///
/// # Errors
/// The engine's own.
pub fn deletions(
    db: &mut Db,
    state: Option<DeletionState>,
    before: Option<DeletionId>,
    limit: usize,
) -> Result<(Vec<DeletionRow>, Option<DeletionId>)> {
    let mut rows = store::deletions_before(db, state, before, i64::try_from(limit + 1).map_err(Error::internal)?)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.id).filter(|_| more);
    Ok((rows, next))
}

/// Gives a piece up whose week is over: it counts as deleted from this moment, and its bytes may be removed. False: it
/// may not be, or not yet.
///
/// The order matters. A row that says `deleted` over bytes that are still there is finished by the next sweep; bytes
/// that are gone under a row that says `stored` would be a loss nobody decided.
///
/// # Errors
/// The engine's own.
pub(super) fn give_up(tx: &mut Tx, id: EvidenceId, terms: Terms) -> Result<bool> {
    let mut row = any(tx, id)?;
    let approved = open_deletion(tx.db, id)?.filter(|d| d.delete_at.is_some_and(|at| at.0 <= tx.now));
    let Some(mut deletion) = approved else { return Ok(false) };
    let nobody = Act::by(Owner { device_id: None, user_id: None });
    if let Err(refusal) = keeping(tx.db, &row)?.deletable(terms, tx.now) {
        keep(tx, row, &nobody, refusal.code.as_str())?;
        return Ok(false);
    }
    row.state = State::Deleted.to_string();
    // What the file said and where it was taken go with it.
    (row.facts, row.flags) = (None, Json(json!([])));
    (row.lat, row.lon, row.datum, row.wgs84_lat, row.wgs84_lon) = (None, None, None, None, None);
    (row.accuracy_m, row.fix_age_s, row.position_source) = (None, None, None);
    pieces::evidence_save(tx.db, &row)?;
    deletion.state = DeletionState::Done.to_string();
    deletion.done_at = Some(At(tx.now));
    store::deletion_save(tx.db, &deletion)?;
    let detail = json!({
        "deletion": deletion.id, "size": row.size, "proposed_by": deletion.proposed_by,
        "approved_by": deletion.approved_by,
    });
    record(tx, &row, Action::Deleted, &nobody, &detail)?;
    Ok(true)
}

/// Takes the right to remove the bytes of deleted pieces, for [`REMOVAL_FOR`]: their digests.
///
/// # Errors
/// The engine's own.
pub(super) fn claim_removals(tx: &mut Tx, limit: i64) -> Result<Vec<(EvidenceId, String)>> {
    let mut claimed = Vec::new();
    for id in store::removals_due(tx.db, At(tx.now), limit)? {
        let row = any(tx, id)?;
        let Some(mut deletion) = removal(tx.db, &row)? else { continue };
        if deletion.removing_until.is_some_and(|until| until.0 > tx.now) {
            continue;
        }
        deletion.removing_until = Some(At(tx.now + REMOVAL_FOR));
        store::deletion_save(tx.db, &deletion)?;
        claimed.push((id, row.sha256));
    }
    Ok(claimed)
}

/// Notes that the bytes are gone.
///
/// # Errors
/// The engine's own.
pub(super) fn removed(tx: &mut Tx, id: EvidenceId) -> Result<()> {
    let row = any(tx, id)?;
    let Some(mut deletion) = removal(tx.db, &row)? else { return Ok(()) };
    deletion.bytes_removed_at = Some(At(tx.now));
    store::deletion_save(tx.db, &deletion)
}

/// The deletion whose bytes may still be there.
fn removal(db: &mut Db, row: &EvidenceRow) -> Result<Option<DeletionRow>> {
    Ok(store::deletions_of(db, row.id)?.into_iter().find(|d| d.done_at.is_some() && d.bytes_removed_at.is_none()))
}

/// Pieces whose week is over.
///
/// # Errors
/// The engine's own.
pub(super) fn given_up_next(db: &mut Db, now: At, limit: i64) -> Result<Vec<EvidenceId>> {
    store::deletions_due(db, now, limit)
}

/// Whether bytes with this digest have to ask first ([`admit`]): a deletion of theirs is under way or done.
///
/// # Errors
/// The engine's own.
pub(super) fn must_ask(db: &mut Db, sha256: &str) -> Result<bool> {
    Ok(pieces::evidence_by_sha256(db, sha256)?.is_some_and(|row| row.delete_at.is_some()))
}

/// Lets bytes come again whose deletion is under way or done: one that waits is undone by them, so that they are not
/// removed between here and the record that they came.
///
/// # Errors
/// `busy` while the old bytes are being removed: the new ones would go with them.
pub(super) fn admit(tx: &mut Tx, sha256: &str, sender: Owner) -> Result<()> {
    let Some(row) = pieces::evidence_locked(tx.db, sha256)? else { return Ok(()) };
    if row.state != State::Deleted.as_str() {
        keep(tx, row, &Act::by(sender), "arrived_again")?;
        return Ok(());
    }
    let removing = store::deletions_of(tx.db, row.id)?.into_iter().any(|deletion| {
        let right = deletion.removing_until.is_some_and(|until| until.0 > tx.now);
        deletion.done_at.is_some() && (deletion.bytes_removed_at.is_none() || right)
    });
    if removing { Err(Code::Busy.into()) } else { Ok(()) }
}

fn open_deletion(db: &mut Db, id: EvidenceId) -> Result<Option<DeletionRow>> {
    let open = [DeletionState::Proposed.as_str(), DeletionState::Approved.as_str()];
    Ok(store::deletions_of(db, id)?.into_iter().find(|deletion| open.contains(&deletion.state.as_str())))
}

fn any(tx: &mut Tx, id: EvidenceId) -> Result<EvidenceRow> {
    pieces::evidence_lock(tx.db, id)?.ok_or_else(|| Error::not_found("evidence"))
}

fn locked(tx: &mut Tx, id: EvidenceId) -> Result<EvidenceRow> {
    let row = any(tx, id)?;
    is_there(&row)?;
    Ok(row)
}
