//! The change feed: one dense, gap-free number for every change of a synced record.
//!
//! The counter row is bumped when everything else of the transaction is written, so its lock is held for the shortest
//! time, and number `n + 1` can't be given out before `n` is visible: a reader that follows `seq > cursor` misses
//! nothing. (A sequence would: numbers commit out of order.) A feed row says only *that* a record changed and who
//! may see it; the record itself is read when the feed is pulled.
//!
//! Invariants: the numbers have no holes (`tests/it/sync.rs`); nothing but [`flush`] writes `sync_clock` and
//! `changes`.

use super::{
    Tx, on_each,
    schema::{changes, sync_clock, sync_ops},
    types::{At, OpId},
};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::BTreeMap;

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

/// Writes the transaction's announcements; the last thing before the commit. The operations that caused them get the
/// number of their last change.
pub(super) fn flush(tx: &mut Tx) -> Result<()> {
    let announced = std::mem::take(&mut tx.pending.changes);
    if announced.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(announced.len()).map_err(crate::error::Error::internal)?;
    let head: i64 = diesel::update(sync_clock::table)
        .set(sync_clock::n.eq(sync_clock::n + count))
        .returning(sync_clock::n)
        .get_result(tx.db)?;
    let mut caused: BTreeMap<OpId, i64> = BTreeMap::new();
    let rows: Vec<NewChange> = announced
        .into_iter()
        .zip(head - count + 1..)
        .map(|(change, seq)| {
            caused.extend(change.op.map(|op| (op, seq)));
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
    // SQLite takes 32,766 parameters a statement, PostgreSQL 65,535.
    for chunk in rows.chunks(500) {
        on_each!(&mut *tx.db, c => diesel::insert_into(changes::table).values(chunk).execute(c))?;
    }
    if !caused.is_empty() {
        let ops: Vec<OpId> = caused.into_keys().collect();
        // One statement for all of them: the newest feed row of this transaction that names the operation.
        let newest = changes::table
            .filter(changes::op_id.eq(sync_ops::op_id.nullable()))
            .filter(changes::seq.gt(head - count))
            .select(diesel::dsl::max(changes::seq))
            .single_value();
        diesel::update(sync_ops::table.filter(sync_ops::op_id.eq_any(ops)))
            .set(sync_ops::result_seq.eq(newest))
            .execute(tx.db)?;
    }
    Ok(())
}
