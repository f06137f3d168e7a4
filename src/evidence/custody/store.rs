//! Rows of custody: the record of events, holds, and deletions.

use super::rules::{DeletionState, Record};
use crate::{
    db::{
        Db,
        schema::{cases, custody_events, evidence, evidence_deletions, evidence_holds, spot_checks},
        types::{
            At, CaseId, CustodyEventId, DeletionId, DeviceId, EvidenceId, HoldId, Json, LogEntryId, SpotCheckId, UserId,
        },
    },
    error::Result,
    evidence::{
        rules::Owner,
        store::{EvidenceRow, LinkRow},
    },
};
use diesel::prelude::*;
use std::collections::HashMap;

/// A line of the record of who did what; never changed.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = custody_events)]
pub struct EventRow {
    /// Its id.
    pub id: CustodyEventId,
    /// The evidence.
    pub evidence_id: EvidenceId,
    /// See `rules::Action`.
    pub action: String,
    /// The person.
    pub user_id: Option<UserId>,
    /// The device, or the one the person's session is bound to.
    pub device_id: Option<DeviceId>,
    /// When.
    pub at: At,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// What exactly; its members depend on the action.
    pub detail: Json,
    /// The request, as the server's own log names it.
    pub request_id: Option<String>,
    /// The leaf that says the same.
    pub log_entry_id: LogEntryId,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = evidence_holds, treat_none_as_null = true)]
pub struct HoldRow {
    /// Its id.
    pub id: HoldId,
    /// The evidence.
    pub evidence_id: EvidenceId,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub set_by: UserId,
    /// When.
    pub set_at: At,
    /// Who lifted it.
    pub lifted_by: Option<UserId>,
    /// When.
    pub lifted_at: Option<At>,
    /// Why.
    pub lift_reason: Option<String>,
}

/// A deletion, from its proposal to its end.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = evidence_deletions, treat_none_as_null = true)]
pub struct DeletionRow {
    /// Its id.
    pub id: DeletionId,
    /// The evidence.
    pub evidence_id: EvidenceId,
    /// See `rules::DeletionState`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: UserId,
    /// When.
    pub proposed_at: At,
    /// Who approved it: another person.
    pub approved_by: Option<UserId>,
    /// When.
    pub approved_at: Option<At>,
    /// Why.
    pub approval_reason: Option<String>,
    /// When the bytes go.
    pub delete_at: Option<At>,
    /// Who undid it; none when it was the arrival of the bytes, or of a record that they prove.
    pub undone_by: Option<UserId>,
    /// When.
    pub undone_at: Option<At>,
    /// Why.
    pub undo_reason: Option<String>,
    /// When the evidence counted as deleted.
    pub done_at: Option<At>,
    /// Until then one server has the right to remove the bytes.
    pub removing_until: Option<At>,
    /// When the last byte of it was gone.
    pub bytes_removed_at: Option<At>,
}

pub(super) fn event_add(db: &mut Db, row: &EventRow) -> Result<()> {
    diesel::insert_into(custody_events::table).values(row).execute(db)?;
    Ok(())
}

/// What somebody did with a piece since then, newest first.
pub(super) fn events_of(db: &mut Db, id: EvidenceId, who: &Owner, since: At) -> Result<Vec<EventRow>> {
    let millis = u64::try_from(since.0.timestamp_millis()).unwrap_or(0);
    // Ids carry their time: the first one that could have been made then.
    let first = CustodyEventId(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid());
    let query = custody_events::table
        .filter(custody_events::evidence_id.eq(id))
        .filter(custody_events::id.gt(first))
        .order(custody_events::id.desc())
        .select(EventRow::as_select())
        .limit(200)
        .into_boxed();
    let query = match (who.user_id, who.device_id) {
        (Some(user), _) => query.filter(custody_events::user_id.assume_not_null().eq(user)),
        (None, Some(device)) => query
            .filter(custody_events::user_id.is_null())
            .filter(custody_events::device_id.assume_not_null().eq(device)),
        (None, None) => return Ok(vec![]),
    };
    Ok(query.load(db)?)
}

/// A page of the record, newest first.
pub(super) fn events_before(
    db: &mut Db,
    id: EvidenceId,
    before: Option<CustodyEventId>,
    limit: i64,
) -> Result<Vec<EventRow>> {
    let mut query = custody_events::table
        .filter(custody_events::evidence_id.eq(id))
        .order(custody_events::id.desc())
        .limit(limit)
        .select(EventRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(custody_events::id.lt(before));
    }
    Ok(query.load(db)?)
}

pub(super) fn hold_add(db: &mut Db, row: &HoldRow) -> Result<()> {
    diesel::insert_into(evidence_holds::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn hold_save(db: &mut Db, row: &HoldRow) -> Result<()> {
    diesel::update(evidence_holds::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

/// All holds of these pieces, lifted ones too, oldest first.
pub(super) fn holds_of(db: &mut Db, ids: &[EvidenceId]) -> Result<Vec<HoldRow>> {
    Ok(evidence_holds::table
        .filter(evidence_holds::evidence_id.eq_any(ids))
        .order(evidence_holds::id.asc())
        .select(HoldRow::as_select())
        .load(db)?)
}

pub(super) fn deletion_add(db: &mut Db, row: &DeletionRow) -> Result<()> {
    diesel::insert_into(evidence_deletions::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn deletion_save(db: &mut Db, row: &DeletionRow) -> Result<()> {
    diesel::update(evidence_deletions::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

/// The deletions of a piece, whatever became of them, oldest first.
pub(super) fn deletions_of(db: &mut Db, id: EvidenceId) -> Result<Vec<DeletionRow>> {
    Ok(evidence_deletions::table
        .filter(evidence_deletions::evidence_id.eq(id))
        .order((evidence_deletions::proposed_at.asc(), evidence_deletions::id.asc()))
        .select(DeletionRow::as_select())
        .load(db)?)
}

/// A page of deletions, newest first.
pub(super) fn deletions_before(
    db: &mut Db,
    state: Option<DeletionState>,
    before: Option<DeletionId>,
    limit: i64,
) -> Result<Vec<DeletionRow>> {
    let mut query = evidence_deletions::table
        .order(evidence_deletions::id.desc())
        .limit(limit)
        .select(DeletionRow::as_select())
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(evidence_deletions::state.eq(state.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(evidence_deletions::id.lt(before));
    }
    Ok(query.load(db)?)
}

/// Pieces whose week is over.
pub(super) fn deletions_due(db: &mut Db, now: At, limit: i64) -> Result<Vec<EvidenceId>> {
    Ok(evidence_deletions::table
        .filter(evidence_deletions::state.eq(DeletionState::Approved.as_str()))
        .filter(evidence_deletions::delete_at.assume_not_null().le(now))
        .order(evidence_deletions::id.asc())
        .limit(limit)
        .select(evidence_deletions::evidence_id)
        .load(db)?)
}

/// Deleted pieces whose bytes may still be there and that nobody is removing.
pub(super) fn removals_due(db: &mut Db, now: At, limit: i64) -> Result<Vec<EvidenceId>> {
    let free = evidence_deletions::removing_until.is_null().or(evidence_deletions::removing_until
        .is_not_null()
        .and(evidence_deletions::removing_until.assume_not_null().le(now)));
    Ok(evidence_deletions::table
        .filter(evidence_deletions::state.eq(DeletionState::Done.as_str()))
        .filter(evidence_deletions::bytes_removed_at.is_null())
        .filter(free)
        .order(evidence_deletions::id.asc())
        .limit(limit)
        .select(evidence_deletions::evidence_id)
        .load(db)?)
}

/// Stored pieces in the order of their age, from behind `after`, that were stored before `before` and are not `key`.
pub(super) fn aged(db: &mut Db, before: At, after: Option<(At, EvidenceId)>, limit: i64) -> Result<Vec<EvidenceRow>> {
    let mut query = evidence::table
        .filter(evidence::state.eq("stored"))
        .filter(evidence::delete_at.is_null())
        .filter(evidence::retention_class.ne("key"))
        .filter(evidence::stored_at.assume_not_null().le(before))
        .order((evidence::stored_at.asc(), evidence::id.asc()))
        .limit(limit)
        .select(EvidenceRow::as_select())
        .into_boxed();
    if let Some((at, id)) = after {
        let stored_at = evidence::stored_at.assume_not_null();
        query = query.filter(stored_at.ge(at)).filter(stored_at.gt(at).or(evidence::id.gt(id)));
    }
    Ok(query.load(db)?)
}

/// What the records behind these links have come to. A record that is not here yet, or of a kind that has no end,
/// counts as open.
pub(super) fn records_of(db: &mut Db, links: &[LinkRow]) -> Result<HashMap<(String, String), Record>> {
    let targets = |kind: &'static str| links.iter().filter(move |l| l.target_kind == kind).map(|l| &l.target_id);
    let mut found = HashMap::new();
    let linked: Vec<CaseId> = targets("case").filter_map(|id| id.parse().ok()).collect();
    for chunk in linked.chunks(500) {
        let rows: Vec<(CaseId, String, Option<At>, At)> = cases::table
            .filter(cases::id.eq_any(chunk))
            .select((cases::id, cases::state, cases::closed_at, cases::updated_at))
            .load(db)?;
        for (id, state, closed_at, updated_at) in rows {
            let end = match (closed_at, state.as_str()) {
                (Some(at), _) => Record::Ended(at.0),
                (None, "void") => Record::Ended(updated_at.0),
                _ => Record::Open,
            };
            found.insert(("case".to_owned(), id.to_string()), end);
        }
    }
    let visited: Vec<SpotCheckId> = targets("spot_check").filter_map(|id| id.parse().ok()).collect();
    for chunk in visited.chunks(500) {
        let rows: Vec<(SpotCheckId, At)> = spot_checks::table
            .filter(spot_checks::id.eq_any(chunk))
            .select((spot_checks::id, spot_checks::recorded_at))
            .load(db)?;
        found.extend(rows.into_iter().map(|(id, at)| (("spot_check".to_owned(), id.to_string()), Record::Ended(at.0))));
    }
    Ok(found)
}
