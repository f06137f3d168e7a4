//! Putting facts into the log, giving them places, and proving them; in an open transaction or on a snapshot.

use super::{
    merkle::{self, Hash, TILE, Tiles},
    note::{Checkpoint, LogKey},
    rules::{self, Kind},
    store::{self, CheckpointRow, Entry, Kept, NewEntry},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, LogEntryId},
    },
    error::{Code, Error, Result},
    identity,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// How far apart the checkpoints lie that are kept.
const KEEP_EVERY: TimeDelta = TimeDelta::minutes(10);

/// The log's key; made at the very first start.
///
/// # Errors
/// The engine's own, or damaged key material.
pub fn key_load(tx: &mut Tx) -> Result<LogKey> {
    LogKey::load(&identity::secrets::secret(tx, "log_key", LogKey::fresh)?)
}

/// Puts a fact into the log, in the transaction that makes it true. `subject` names what it is about, `evidence:<id>`,
/// `case:<id>`, …
///
/// # Errors
/// `value_invalid`, when the body holds a number that has no single spelling.
pub fn record(tx: &mut Tx, kind: Kind, subject: &str, body: &Value) -> Result<LogEntryId> {
    let id = LogEntryId(tx.id());
    let leaf = rules::leaf(id.0, kind, subject, tx.now, body)?;
    let entry = NewEntry {
        id,
        kind: kind.to_string(),
        subject: subject.to_owned(),
        leaf_hash: merkle::leaf(leaf.as_bytes()).to_vec(),
        leaf,
        recorded_at: At(tx.now),
    };
    store::entry_add(tx.db, &entry)?;
    Ok(id)
}

/// Whether facts wait for their places.
///
/// # Errors
/// The engine's own.
pub fn is_waiting(db: &mut Db) -> Result<bool> {
    Ok(!store::waiting(db, 1)?.is_empty())
}

/// Gives the oldest waiting facts their places, at most `limit`, and signs the tree; returns how many.
///
/// # Errors
/// The engine's own, or a tree that does not fit its size.
pub fn sequence(tx: &mut Tx, key: &LogKey, limit: i64) -> Result<usize> {
    let size = store::head_locked(tx.db)?;
    let waiting = store::waiting(tx.db, limit)?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let now = At(tx.now);
    let mut hashes = Vec::new();
    for ((id, hash), index) in waiting.iter().zip(size..) {
        store::place(tx.db, *id, index, now)?;
        hashes.push(Hash::try_from(hash.as_slice()).map_err(Error::internal)?);
    }
    append(tx.db, u64::try_from(size).map_err(Error::internal)?, hashes)?;
    let size = size + i64::try_from(waiting.len()).map_err(Error::internal)?;
    store::head_set(tx.db, size)?;
    sign(tx, key, size)?;
    Ok(waiting.len())
}

/// Adds hashes behind the first `size`, tile by tile and level by level.
fn append(db: &mut Db, size: u64, hashes: Vec<Hash>) -> Result<()> {
    let (mut at, mut new, mut level) = (size, hashes, 0_u8);
    while !new.is_empty() {
        let (mut idx, mut full) = (at / TILE, Vec::new());
        let mut tile = if at % TILE == 0 { Vec::new() } else { Kept::new(db).tile(level, idx)? };
        if tile.len() as u64 != at % TILE {
            return Err(Error::internal(format!("tile {level}/{idx} does not fit a tree of {size}")));
        }
        for hash in new {
            tile.push(hash);
            if tile.len() as u64 == TILE {
                store::tile_put(db, level, idx, &tile)?;
                full.push(merkle::fold(&tile));
                tile.clear();
                idx += 1;
            }
        }
        if !tile.is_empty() {
            store::tile_put(db, level, idx, &tile)?;
        }
        (at, new, level) = (at / TILE, full, level + 1);
    }
    Ok(())
}

fn sign(tx: &mut Tx, key: &LogKey, size: i64) -> Result<()> {
    let checkpoint = Checkpoint { size: u64::try_from(size).map_err(Error::internal)?, root: root(tx.db, size)? };
    if let [newest, before] = store::checkpoints(tx.db, 2)?.as_slice()
        && newest.signed_at.0 - before.signed_at.0 < KEEP_EVERY
    {
        store::checkpoint_remove(tx.db, newest.size)?;
    }
    let row =
        CheckpointRow { size, root: checkpoint.root.to_vec(), note: key.sign(&checkpoint), signed_at: At(tx.now) };
    store::checkpoint_add(tx.db, &row)
}

/// The newest signed state; `None` while the log is empty.
///
/// # Errors
/// The engine's own.
pub fn newest(db: &mut Db) -> Result<Option<CheckpointRow>> {
    Ok(store::checkpoints(db, 1)?.pop())
}

/// All signed states that were kept, newest first.
///
/// # Errors
/// The engine's own.
pub fn kept(db: &mut Db) -> Result<Vec<CheckpointRow>> {
    store::checkpoints(db, i64::MAX)
}

/// The root of the tree of the first `size` facts.
///
/// # Errors
/// The engine's own, or a tree that is not whole.
pub fn root(db: &mut Db, size: i64) -> Result<Hash> {
    merkle::root(&mut Kept::new(db), u64::try_from(size).map_err(Error::internal)?)
}

/// When the log was known to have had `size` facts and this root; `None` when it never had. Whoever knew that root
/// knew it after that moment, so what they signed together with it is younger.
///
/// # Errors
/// The engine's own.
pub fn known_since(db: &mut Db, size: i64, root: &[u8]) -> Result<Option<DateTime<Utc>>> {
    if size < 1 || newest(db)?.is_none_or(|head| head.size < size) || self::root(db, size)?.as_slice() != root {
        return Ok(None);
    }
    Ok(store::entry_at(db, size - 1)?.map(|entry| entry.recorded_at.0))
}

/// A fact by its id.
///
/// # Errors
/// The engine's own.
pub fn get(db: &mut Db, id: LogEntryId) -> Result<Option<Entry>> {
    store::entry_get(db, id)
}

/// A fact by its place.
///
/// # Errors
/// The engine's own.
pub fn at(db: &mut Db, index: i64) -> Result<Option<Entry>> {
    store::entry_at(db, index)
}

/// A fact by its leaf's hash.
///
/// # Errors
/// The engine's own.
pub fn by_hash(db: &mut Db, hash: &[u8]) -> Result<Option<Entry>> {
    store::entry_by_hash(db, hash)
}

/// Facts from a place on, in order.
///
/// # Errors
/// The engine's own.
pub fn from(db: &mut Db, index: i64, limit: i64) -> Result<Vec<Entry>> {
    store::entries_from(db, index, limit)
}

/// Facts about a subject, or about everything; of a kind, or of all; newest first.
///
/// # Errors
/// The engine's own.
pub fn list(
    db: &mut Db,
    subject: Option<&str>,
    kind: Option<Kind>,
    before: Option<LogEntryId>,
    limit: i64,
) -> Result<Vec<Entry>> {
    store::entries(db, subject, kind, before, limit)
}

/// The path from a fact's place to the root of the tree of `size`.
///
/// # Errors
/// `log_pending` for a fact without a place, `parameter_invalid` for one that came later.
pub fn inclusion(db: &mut Db, entry: &Entry, size: i64) -> Result<Vec<Hash>> {
    let index = entry.leaf_index.ok_or(Code::LogPending)?;
    let whole = |n: i64| u64::try_from(n).map_err(Error::internal);
    merkle::inclusion(&mut Kept::new(db), whole(index)?, whole(size)?)
}

/// The path that shows the tree of `from` to be the beginning of the tree of `to`.
///
/// # Errors
/// `parameter_invalid` unless 0 < `from` ≤ `to` ≤ the log's size.
pub fn consistency(db: &mut Db, from: i64, to: i64) -> Result<Vec<Hash>> {
    if newest(db)?.is_none_or(|head| head.size < to) {
        return Err(Code::ParameterInvalid.with("to: at most the log's size"));
    }
    let whole = |n: i64| u64::try_from(n).map_err(|_| Code::ParameterInvalid.with("from: 1 or more"));
    merkle::consistency(&mut Kept::new(db), whole(from)?, whole(to)?)
}
