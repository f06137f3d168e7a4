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
    /// `case`, `site`, `spot_check`, `spot`, `unit`, `evidence` or `op_result`; `letter`, `merit` only wake readers.
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

/// The feed as a whole, in the reader's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Life {
    /// The newest number.
    pub head: i64,
    /// The oldest number that a reader may stand at; older rows are gone.
    pub floor: i64,
    /// The name of this life of the data: `<ordinal>-<random>`; another one after a restore from a backup.
    pub generation: String,
}

/// The feed as a whole.
///
/// # Errors
/// The engine's own.
pub fn life(db: &mut super::Db) -> Result<Life> {
    Ok(sync_clock::table.select((sync_clock::n, sync_clock::floor, sync_clock::generation)).get_result(db)?)
}

/// Begins a new life of the data: devices that hear its name send again what the old one had answered. `beyond` is a
/// name that must be behind it, for one that was heard from a device.
///
/// # Errors
/// The engine's own.
pub fn begin_generation(tx: &mut Tx, beyond: &str) -> Result<String> {
    let here = life(tx.db)?.generation;
    let generation = next_generation(&here, beyond, &tx.env().bytes::<6>());
    diesel::update(sync_clock::table).set(sync_clock::generation.eq(&generation)).execute(tx.db)?;
    Ok(generation)
}

/// A name that comes after both.
pub fn next_generation(here: &str, beyond: &str, random: &[u8; 6]) -> String {
    use std::fmt::Write;
    let ordinal = generation_ordinal(here).max(generation_ordinal(beyond)) + 1;
    random.iter().fold(format!("{ordinal}-"), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// How many lives the data had, by a life's name; 0 for none.
pub fn generation_ordinal(name: &str) -> u64 {
    name.split_once('-').and_then(|(ordinal, _)| ordinal.parse().ok()).unwrap_or(0)
}

/// When the row with this number was written; none, when it is gone or never was. A cursor carries it: after a restore
/// the same number belongs to another change.
///
/// # Errors
/// The engine's own.
pub fn stamp(db: &mut super::Db, seq: i64) -> Result<Option<i64>> {
    let at: Option<At> = changes::table.find(seq).select(changes::changed_at).get_result(db).optional()?;
    Ok(at.map(|at| at.0.timestamp_micros()))
}

/// The number of the newest change that these operations caused.
///
/// # Errors
/// The engine's own.
pub fn seqs_of(db: &mut super::Db, ops: &[OpId]) -> Result<BTreeMap<OpId, i64>> {
    let rows: Vec<(Option<OpId>, Option<i64>)> = changes::table
        .filter(changes::op_id.eq_any(ops))
        .group_by(changes::op_id)
        .select((changes::op_id, diesel::dsl::max(changes::seq)))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(op, seq)| op.zip(seq)).collect())
}

/// Forgets changes before `floor`, at most `limit` rows; the row at the floor stays, so that a cursor there can be
/// checked. The operations keep the number of their last change. Returns how many rows went.
///
/// # Errors
/// The engine's own.
pub fn forget(tx: &mut Tx, floor: i64, limit: i64) -> Result<usize> {
    let life = life(tx.db)?;
    let to = floor.min(life.head).min(life.floor + limit);
    if to <= life.floor {
        return Ok(0);
    }
    let numbered = changes::table
        .filter(changes::op_id.eq(sync_ops::op_id.nullable()))
        .select(diesel::dsl::max(changes::seq))
        .single_value();
    let leaving = changes::table
        .filter(changes::seq.lt(to))
        .filter(changes::op_id.is_not_null())
        .select(changes::op_id.assume_not_null());
    diesel::update(sync_ops::table.filter(sync_ops::op_id.eq_any(leaving)))
        .set(sync_ops::result_seq.eq(numbered))
        .execute(tx.db)?;
    let gone = diesel::delete(changes::table.filter(changes::seq.lt(to))).execute(tx.db)?;
    diesel::update(sync_clock::table).set(sync_clock::floor.eq(to)).execute(tx.db)?;
    Ok(gone)
}

/// The newest number that was given out before a moment; 0 when there is none.
///
/// # Errors
/// The engine's own.
pub fn newest_before(db: &mut super::Db, at: chrono::DateTime<chrono::Utc>) -> Result<i64> {
    let first: Option<i64> =
        changes::table.filter(changes::changed_at.ge(At(at))).select(diesel::dsl::min(changes::seq)).get_result(db)?;
    Ok(match first {
        Some(seq) => seq - 1,
        None => life(db)?.head,
    })
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
    /// When it was written.
    pub changed_at: At,
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

/// Writes the transaction's announcements; the last thing before the commit, because everybody else who writes waits
/// for the counter's row from here to the end.
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
    let rows: Vec<NewChange> = announced
        .into_iter()
        .zip(head - count + 1..)
        .map(|(change, seq)| {
            tx.pending.numbered.extend(change.op.map(|op| (op, seq)));
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
    Ok(())
}
