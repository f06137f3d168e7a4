//! Rows of operations with their results, of what held ones wait for, and of bytes that could not be read.

use crate::{
    db::{
        Db, Each, on_each,
        schema::{sync_ops, sync_raw, sync_waits},
        types::{At, ConflictId, DeviceId, Json, OpId, SessionId, UserId},
    },
    error::Result,
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
    /// SHA-256 of `raw`.
    pub raw_sha256: Vec<u8>,
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
    /// The number of its last change in the feed.
    pub result_seq: Option<i64>,
    /// The disagreement a person must look at.
    pub conflict_id: Option<ConflictId>,
    /// The operation that had been there before.
    pub winner_op: Option<OpId>,
    /// What it waits for, when held.
    pub waiting: Json,
}

pub(super) fn ops_add(db: &mut Db, rows: &[OpRow]) -> Result<()> {
    // SQLite takes 32,766 parameters a statement; a row has 22.
    for chunk in rows.chunks(500) {
        on_each!(&mut *db, c => diesel::insert_into(sync_ops::table).values(chunk).execute(c))?;
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

/// The sequence numbers that arrived of a device's epoch, in a window, both ends included.
pub(super) fn seqs_between(db: &mut Db, device: DeviceId, epoch: i32, from: i64, to: i64) -> Result<Vec<i64>> {
    Ok(sync_ops::table
        .filter(sync_ops::device_id.eq(device))
        .filter(sync_ops::epoch.eq(epoch))
        .filter(sync_ops::seq.between(from, to))
        .select(sync_ops::seq)
        .load(db)?)
}

pub(super) fn waits_add(db: &mut Db, op: OpId, keys: &[String]) -> Result<()> {
    for key in keys {
        let values = (sync_waits::wait_key.eq(key), sync_waits::op_id.eq(op));
        Each(diesel::insert_into(sync_waits::table).values(values).on_conflict_do_nothing()).execute(db)?;
    }
    Ok(())
}

/// The operations that wait for any of these keys, oldest first.
pub(super) fn ops_waiting(db: &mut Db, keys: &[String]) -> Result<Vec<OpId>> {
    let mut ids: Vec<OpId> =
        sync_waits::table.filter(sync_waits::wait_key.eq_any(keys)).select(sync_waits::op_id).load(db)?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

pub(super) fn waits_remove(db: &mut Db, op: OpId) -> Result<()> {
    diesel::delete(sync_waits::table.filter(sync_waits::op_id.eq(op))).execute(db)?;
    Ok(())
}

/// Bytes that could not be read as an operation, or that came under an id that was taken.
#[derive(Insertable)]
#[diesel(table_name = sync_raw)]
pub(super) struct RawRow {
    pub id: OpId,
    pub device_id: DeviceId,
    pub received_at: At,
    pub code: &'static str,
    pub raw: Vec<u8>,
    pub raw_sha256: Vec<u8>,
}

/// Keeps the bytes; a repeat of the same bytes is kept once.
pub(super) fn raw_add(db: &mut Db, row: &RawRow) -> Result<()> {
    Each(diesel::insert_into(sync_raw::table).values(row).on_conflict_do_nothing()).execute(db)?;
    Ok(())
}
