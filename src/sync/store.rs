//! Rows of operations with their results, of what held ones wait for, and of bytes that could not be read.

use super::wire::{Op, OpResult, Status};
use crate::{
    db::{
        Db, Each, on_each,
        schema::{sync_ops, sync_raw, sync_waits},
        types::{At, ConflictId, DeviceId, Json, OpId, SessionId, UserId},
    },
    error::{Code, Error, Result},
};
use diesel::prelude::*;

/// An operation as it came and the result it got; see `push`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sync_ops, treat_none_as_null = true)]
pub struct OpRow {
    /// The idempotency key.
    pub op_id: OpId,
    /// The device that sent it.
    pub device_id: DeviceId,
    /// The device's epoch when it was made.
    pub epoch: i32,
    /// Its place in the device's queue, dense per epoch.
    pub seq: i64,
    /// Who made it.
    pub actor_id: Option<UserId>,
    /// The session it was made in.
    pub session_id: Option<SessionId>,
    /// Its type, `case.handle` for one.
    pub op_type: String,
    /// The version of the type.
    pub op_version: i32,
    /// Kind of the record it acts on.
    pub target_kind: Option<String>,
    /// Id of the record it acts on, as text.
    pub target_id: Option<String>,
    /// The bytes as they came.
    pub raw: Vec<u8>,
    /// When the person acted, by the device's clock.
    pub occurred_at: Option<At>,
    /// When it arrived.
    pub received_at: At,
    /// `applied`, `merged`, `superseded`, `conflict`, `held`, `quarantined` or `rejected`.
    pub status: String,
    /// The reason, for all but `applied`.
    pub code: Option<String>,
    /// A sentence for a person.
    pub detail: Option<String>,
    /// The record's version after it.
    pub ver: Option<i64>,
    /// The number of its last change, once the feed has forgotten that; see [`OpRow::result`].
    pub result_seq: Option<i64>,
    /// The disagreement a person must look at.
    pub conflict_id: Option<ConflictId>,
    /// The operation that had been there before.
    pub winner_op: Option<OpId>,
    /// What it waits for, when held.
    pub waiting: Json,
    /// The epoch it was numbered in before.
    pub was_epoch: Option<i32>,
    /// Its number there.
    pub was_seq: Option<i64>,
    /// When the person acted, by the server's clock as well as can be told.
    pub corrected_at: Option<At>,
    /// How well: `good`, `aged` or `suspect`.
    pub time_confidence: String,
    /// `merged`: the fields that were written, separated by spaces.
    pub adjusted: Option<String>,
    /// Who decided it.
    pub resolved_by: Option<UserId>,
    /// When they did.
    pub resolved_at: Option<At>,
    /// `apply` or `discard`.
    pub resolution: Option<String>,
    /// Why.
    pub resolution_reason: Option<String>,
}

impl OpRow {
    /// The operation.
    ///
    /// # Errors
    /// `op_malformed`, which no stored row gives.
    pub fn op(&self) -> Result<Op> {
        serde_json::from_slice(&self.raw).map_err(|e| Code::OpMalformed.with(e.to_string()))
    }

    /// The labels it had in earlier epochs, newest first.
    pub fn labels_before(&self) -> Vec<(i32, i64)> {
        let was = self.was_epoch.and_then(|_| self.op().ok()?.was);
        was.map(|was| was.labels().collect()).unwrap_or_default()
    }

    /// Its status.
    ///
    /// # Errors
    /// `internal`, when the word is unknown.
    pub fn status(&self) -> Result<Status> {
        self.status.parse().map_err(|_| Error::internal(format!("operation {} has an unknown status", self.op_id)))
    }

    /// What it waits for.
    pub fn waiting(&self) -> Vec<String> {
        serde_json::from_value(self.waiting.0.clone()).unwrap_or_default()
    }

    /// The result as devices get it. `numbered` is its last change in the feed, while the feed has it.
    ///
    /// # Errors
    /// `internal`, when the row contradicts itself.
    pub fn result(&self, numbered: Option<i64>) -> Result<OpResult> {
        Ok(OpResult {
            op_id: Some(self.op_id),
            status: self.status()?,
            duplicate: false,
            code: self.code.clone(),
            detail: self.detail.clone(),
            ver: self.ver,
            result_seq: numbered.or(self.result_seq),
            winner: self.winner_op,
            conflict_id: self.conflict_id,
            waiting: self.waiting(),
            adjusted: self.adjusted.as_deref().map(|a| a.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
            resolved_by: self.resolved_by,
        })
    }
}

pub(super) fn ops_add(db: &mut Db, rows: &[&OpRow]) -> Result<()> {
    // SQLite takes 32,766 parameters a statement; a row has 30.
    for chunk in rows.chunks(500) {
        on_each!(&mut *db, c => diesel::insert_into(sync_ops::table).values(chunk.to_vec()).execute(c))?;
    }
    Ok(())
}

pub(super) fn op_save(db: &mut Db, row: &OpRow) -> Result<()> {
    diesel::update(sync_ops::table.find(row.op_id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn ops_by_id(db: &mut Db, ids: &[OpId]) -> Result<Vec<OpRow>> {
    Ok(sync_ops::table.filter(sync_ops::op_id.eq_any(ids)).select(OpRow::as_select()).load(db)?)
}

/// The sequence numbers that arrived of a device's epoch with the operations that bear them, in a window, both ends
/// included.
pub(super) fn labels_between(
    db: &mut Db,
    device: DeviceId,
    epoch: i32,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, OpId)>> {
    Ok(sync_ops::table
        .filter(sync_ops::device_id.eq(device))
        .filter(sync_ops::epoch.eq(epoch))
        .filter(sync_ops::seq.between(from, to))
        .order(sync_ops::seq)
        .select((sync_ops::seq, sync_ops::op_id))
        .load(db)?)
}

/// The numbers of an epoch whose operations came under a later one.
pub(super) fn renumbered(db: &mut Db, device: DeviceId, epoch: i32) -> Result<Vec<i64>> {
    let rows: Vec<OpRow> = sync_ops::table
        .filter(sync_ops::device_id.eq(device))
        .filter(sync_ops::was_epoch.ge(epoch))
        .select(OpRow::as_select())
        .load(db)?;
    Ok(rows.iter().flat_map(OpRow::labels_before).filter(|(of, _)| *of == epoch).map(|(_, seq)| seq).collect())
}

pub(super) fn waits_add(db: &mut Db, waits: &[(OpId, String)]) -> Result<()> {
    for (op, key) in waits {
        let values = (sync_waits::wait_key.eq(key), sync_waits::op_id.eq(*op));
        Each(diesel::insert_into(sync_waits::table).values(values).on_conflict_do_nothing()).execute(db)?;
    }
    Ok(())
}

/// The operations that wait for any of these keys, oldest first.
pub(super) fn ops_waiting(db: &mut Db, keys: &[String]) -> Result<Vec<OpId>> {
    let waits = sync_waits::table.select(sync_waits::op_id).into_boxed();
    let mut ids: Vec<OpId> = match keys {
        // The most frequent question, as a statement that stays prepared.
        [key] => waits.filter(sync_waits::wait_key.eq(key)),
        _ => waits.filter(sync_waits::wait_key.eq_any(keys)),
    }
    .load(db)?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

pub(super) fn waits_remove(db: &mut Db, op: OpId) -> Result<()> {
    diesel::delete(sync_waits::table.filter(sync_waits::op_id.eq(op))).execute(db)?;
    Ok(())
}

/// Held operations that arrived before a moment, oldest first.
pub(super) fn held_since(db: &mut Db, before: At, limit: i64) -> Result<Vec<OpId>> {
    Ok(sync_ops::table
        .filter(sync_ops::status.eq(Status::Held.as_str()))
        .filter(sync_ops::received_at.lt(before))
        .order(sync_ops::op_id)
        .limit(limit)
        .select(sync_ops::op_id)
        .load(db)?)
}

/// Bytes that could not be read as an operation, or that came under an id that was taken.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sync_raw)]
pub struct RawRow {
    /// Its id.
    pub id: OpId,
    /// Who sent them.
    pub device_id: DeviceId,
    /// When they arrived.
    pub received_at: At,
    /// Why they are no operation.
    pub code: String,
    /// The bytes.
    pub raw: Vec<u8>,
    /// Their SHA-256.
    pub raw_sha256: Vec<u8>,
    /// Who looked at them.
    pub resolved_by: Option<UserId>,
    /// When.
    pub resolved_at: Option<At>,
    /// What became of them, in words.
    pub resolution_reason: Option<String>,
}

/// Keeps the bytes; a repeat of the same bytes is kept once.
pub(super) fn raw_add(db: &mut Db, row: &RawRow) -> Result<()> {
    Each(diesel::insert_into(sync_raw::table).values(row).on_conflict_do_nothing()).execute(db)?;
    Ok(())
}

/// A page of what waits for a person.
#[derive(Debug, Clone)]
pub struct ReviewPage {
    /// Only in these states.
    pub statuses: Vec<Status>,
    /// Only the heads of chains: not what waits for a decision about another operation.
    pub heads: bool,
    /// Those after this one.
    pub after: Option<OpId>,
    /// At most that many.
    pub limit: i64,
}

pub(super) fn review_page(db: &mut Db, page: &ReviewPage) -> Result<Vec<OpRow>> {
    let statuses: Vec<&str> = page.statuses.iter().map(|status| status.as_str()).collect();
    let mut query = sync_ops::table.filter(sync_ops::status.eq_any(statuses)).select(OpRow::as_select()).into_boxed();
    if page.heads {
        // What waits for an operation that never came has no head that anybody could decide.
        let behind = Code::DependencyUnsettled.as_str();
        let head =
            sync_ops::code.is_null().or(sync_ops::code.ne(behind)).or(sync_ops::status.ne(Status::Held.as_str()));
        query = query.filter(head);
    }
    if let Some(after) = page.after {
        query = query.filter(sync_ops::op_id.gt(after));
    }
    Ok(query.order(sync_ops::op_id.asc()).limit(page.limit).load(db)?)
}

/// The operations that wait for each of these, as pairs.
pub(super) fn followers(db: &mut Db, ids: &[OpId]) -> Result<Vec<(OpId, OpId)>> {
    let keys: Vec<String> = ids.iter().map(|id| super::engine::wait_for_op(*id)).collect();
    let rows: Vec<(String, OpId)> = sync_waits::table
        .filter(sync_waits::wait_key.eq_any(keys))
        .order(sync_waits::op_id)
        .select((sync_waits::wait_key, sync_waits::op_id))
        .load(db)?;
    let of = |key: &str| key.strip_prefix("op:").and_then(|id| id.parse().ok());
    Ok(rows.into_iter().filter_map(|(key, op)| Some((of(&key)?, op))).collect())
}

pub(super) fn raw_page(db: &mut Db, after: Option<OpId>, limit: i64) -> Result<Vec<RawRow>> {
    let mut query = sync_raw::table.filter(sync_raw::resolved_at.is_null()).select(RawRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(sync_raw::id.gt(after));
    }
    Ok(query.order(sync_raw::id.asc()).limit(limit).load(db)?)
}

/// Notes what became of bytes; false when that was noted before, none when there are none.
pub(super) fn raw_resolve(db: &mut Db, id: OpId, by: UserId, at: At, reason: &str) -> Result<Option<bool>> {
    let there: Option<Option<At>> = sync_raw::table.find(id).select(sync_raw::resolved_at).get_result(db).optional()?;
    if there != Some(None) {
        return Ok(there.map(|_| false));
    }
    let word = (
        sync_raw::resolved_by.eq(Some(by)),
        sync_raw::resolved_at.eq(Some(at)),
        sync_raw::resolution_reason.eq(Some(reason)),
    );
    let open = sync_raw::table.find(id).filter(sync_raw::resolved_at.is_null());
    Ok(Some(diesel::update(open).set(word).execute(db)? > 0))
}

/// How many operations of each device wait for a person.
pub(super) fn open_by_device(db: &mut Db) -> Result<Vec<(DeviceId, i64)>> {
    let open = [Status::Conflict.as_str(), Status::Held.as_str(), Status::Quarantined.as_str()];
    Ok(sync_ops::table
        .filter(sync_ops::status.eq_any(open))
        .group_by(sync_ops::device_id)
        .select((sync_ops::device_id, diesel::dsl::count_star()))
        .load(db)?)
}
