//! The change feed: one dense, gap-free number for every change of a synced record.
//!
//! The counter row is bumped when everything else of the transaction is written, so its lock is held for the shortest
//! time, and number `n + 1` can't be given out before `n` is visible: a reader that follows `seq > cursor` misses
//! nothing. (A sequence would: numbers commit out of order.) A feed row says only *that* a record changed and who
//! may see it; the record itself is read when the feed is pulled.
//!
//! Invariants: the numbers have no holes (`tests/it/sync.rs`); nothing but [`flush`] writes `sync_clock`, `changes`
//! and `sync_ops` rows that carry a number.

use super::{
    Tx, on_each,
    schema::{changes, sync_clock, sync_ops},
    types::{At, ConflictId, DeviceId, Json, OpId, SessionId, UserId},
};
use crate::error::Result;
use diesel::prelude::*;

/// Who may see a record: keys such as `centre`, `unit:<id>`, `user:<id>`, `device:<id>`.
pub type Keys = Vec<String>;

/// A change of a synced record.
#[derive(Debug, Clone)]
pub struct Change {
    /// `case`, `site`, `spot_check`, `unit`, `evidence` or `op_result`.
    pub kind: &'static str,
    /// The record's id, as text.
    pub id: String,
    /// Who could see it before; empty for a new record.
    pub before: Keys,
    /// Who can see it now; empty when it is gone.
    pub after: Keys,
    /// The operation that caused it, when one did.
    pub op: Option<OpId>,
}

/// An operation as it came and the result it got; see `sync::push`.
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


/// The feed's newest number, in the reader's snapshot.
///
/// # Errors
/// The engine's own.
pub fn head(db: &mut super::Db) -> Result<i64> {
    Ok(sync_clock::table.select(sync_clock::n).first(db)?)
}

/// One row of the feed as a reader sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = changes)]
pub struct FeedRow {
    /// Its number.
    pub seq: i64,
    /// The record's kind.
    pub kind: String,
    /// The record's id.
    pub entity_id: String,
    /// Audience before, space-separated.
    pub keys_before: String,
    /// Audience after, space-separated.
    pub keys_after: String,
    /// The causing operation.
    pub op_id: Option<OpId>,
}

/// The rows after `seq`, oldest first, at most `limit`.
///
/// # Errors
/// The engine's own.
pub fn after(db: &mut super::Db, seq: i64, limit: i64) -> Result<Vec<FeedRow>> {
    Ok(changes::table
        .filter(changes::seq.gt(seq))
        .order(changes::seq.asc())
        .limit(limit)
        .select(FeedRow::as_select())
        .load(db)?)
}

#[derive(Insertable)]
#[diesel(table_name = changes)]
struct NewChange {
    seq: i64,
    kind: &'static str,
    entity_id: String,
    keys_before: String,
    keys_after: String,
    op_id: Option<OpId>,
    changed_at: At,
}

/// Writes the transaction's announcements and operation results; the last thing before the commit.
pub(super) fn flush(tx: &mut Tx) -> Result<()> {
    let announced = std::mem::take(&mut tx.changes);
    let mut results = std::mem::take(&mut tx.results);
    if announced.is_empty() && results.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(announced.len()).map_err(crate::error::Error::internal)?;
    let mut seq = 0;
    if count > 0 {
        let head: i64 = diesel::update(sync_clock::table)
            .set(sync_clock::n.eq(sync_clock::n + count))
            .returning(sync_clock::n)
            .get_result(tx.db)?;
        seq = head - count;
    }
    let rows: Vec<NewChange> = announced
        .into_iter()
        .map(|change| {
            seq += 1;
            if let Some(op) = change.op {
                for result in results.iter_mut().filter(|r| r.op_id == op) {
                    result.result_seq = Some(seq);
                }
            }
            NewChange {
                seq,
                kind: change.kind,
                entity_id: change.id,
                keys_before: change.before.join(" "),
                keys_after: change.after.join(" "),
                op_id: change.op,
                changed_at: At(tx.now),
            }
        })
        .collect();
    // SQLite takes 32,766 parameters a statement, PostgreSQL 65,535; an operation row has 22 columns.
    for chunk in rows.chunks(500) {
        on_each!(&mut *tx.db, c => diesel::insert_into(changes::table).values(chunk).execute(c))?;
    }
    for chunk in results.chunks(200) {
        on_each!(&mut *tx.db, c => diesel::insert_into(sync_ops::table).values(chunk).execute(c))?;
    }
    Ok(())
}
