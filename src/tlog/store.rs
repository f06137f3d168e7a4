//! Rows of the log.

use super::{
    merkle::{Hash, Tiles},
    rules::Kind,
};
use crate::{
    db::{
        Db, Each,
        schema::{log_checkpoints, log_entries, log_head, log_tiles},
        types::{At, LogEntryId},
    },
    error::{Error, Result},
};
use diesel::{prelude::*, upsert::excluded};
use std::collections::HashMap;

/// A fact, before it has a place.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = log_entries)]
pub(super) struct NewEntry {
    pub(super) id: LogEntryId,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) leaf: String,
    pub(super) leaf_hash: Vec<u8>,
    pub(super) recorded_at: At,
}

/// A fact as the log holds it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = log_entries)]
pub struct Entry {
    /// Its id.
    pub id: LogEntryId,
    /// See [`super::Kind`].
    pub kind: String,
    /// What it is about, `evidence:<id>`.
    pub subject: String,
    /// The leaf, canonical JSON.
    pub leaf: String,
    /// The leaf's hash.
    pub leaf_hash: Vec<u8>,
    /// When it became true.
    pub recorded_at: At,
    /// Its place in the tree.
    pub leaf_index: Option<i64>,
    /// When it got its place.
    pub sequenced_at: Option<At>,
}

/// A signed state of the log.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = log_checkpoints)]
pub struct CheckpointRow {
    /// Leaves.
    pub size: i64,
    /// The root over them.
    pub root: Vec<u8>,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: At,
}

pub(super) fn entry_add(db: &mut Db, entry: &NewEntry) -> Result<()> {
    diesel::insert_into(log_entries::table).values(entry).execute(db)?;
    Ok(())
}

/// Facts without a place, oldest first.
pub(super) fn waiting(db: &mut Db, limit: i64) -> Result<Vec<(LogEntryId, Vec<u8>)>> {
    let query = log_entries::table.filter(log_entries::leaf_index.is_null()).order(log_entries::id);
    Ok(query.select((log_entries::id, log_entries::leaf_hash)).limit(limit).load(db)?)
}

pub(super) fn place(db: &mut Db, id: LogEntryId, index: i64, at: At) -> Result<()> {
    diesel::update(log_entries::table.find(id))
        .set((log_entries::leaf_index.eq(index), log_entries::sequenced_at.eq(at)))
        .execute(db)?;
    Ok(())
}

/// The tree's size, locked until the transaction ends.
pub(super) fn head_locked(db: &mut Db) -> Result<i64> {
    // A write takes the row's lock on PostgreSQL; SQLite has one writer.
    diesel::update(log_head::table.find(1)).set(log_head::size.eq(log_head::size)).execute(db)?;
    Ok(log_head::table.find(1).select(log_head::size).get_result(db)?)
}

pub(super) fn head_set(db: &mut Db, size: i64) -> Result<()> {
    diesel::update(log_head::table.find(1)).set(log_head::size.eq(size)).execute(db)?;
    Ok(())
}

pub(super) fn tile_put(db: &mut Db, level: u8, idx: u64, hashes: &[Hash]) -> Result<()> {
    let idx = i64::try_from(idx).map_err(Error::internal)?;
    let values = (log_tiles::level.eq(i16::from(level)), log_tiles::idx.eq(idx), log_tiles::hashes.eq(hashes.concat()));
    Each(
        diesel::insert_into(log_tiles::table)
            .values(values)
            .on_conflict((log_tiles::level, log_tiles::idx))
            .do_update()
            .set(log_tiles::hashes.eq(excluded(log_tiles::hashes))),
    )
    .execute(db)?;
    Ok(())
}

/// The newest checkpoints, at most `limit`.
pub(super) fn checkpoints(db: &mut Db, limit: i64) -> Result<Vec<CheckpointRow>> {
    let query = log_checkpoints::table.order(log_checkpoints::size.desc()).limit(limit);
    Ok(query.select(CheckpointRow::as_select()).load(db)?)
}

pub(super) fn checkpoint_add(db: &mut Db, row: &CheckpointRow) -> Result<()> {
    diesel::insert_into(log_checkpoints::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn checkpoint_remove(db: &mut Db, size: i64) -> Result<()> {
    diesel::delete(log_checkpoints::table.find(size)).execute(db)?;
    Ok(())
}

pub(super) fn entry_at(db: &mut Db, index: i64) -> Result<Option<Entry>> {
    let query = log_entries::table.filter(log_entries::leaf_index.eq(index));
    Ok(query.select(Entry::as_select()).get_result(db).optional()?)
}

pub(super) fn entry_by_hash(db: &mut Db, hash: &[u8]) -> Result<Option<Entry>> {
    let query = log_entries::table.filter(log_entries::leaf_hash.eq(hash));
    Ok(query.select(Entry::as_select()).get_result(db).optional()?)
}

pub(super) fn entry_get(db: &mut Db, id: LogEntryId) -> Result<Option<Entry>> {
    Ok(log_entries::table.find(id).select(Entry::as_select()).get_result(db).optional()?)
}

/// Facts from place `from` on, in order.
pub(super) fn entries_from(db: &mut Db, from: i64, limit: i64) -> Result<Vec<Entry>> {
    let query = log_entries::table.filter(log_entries::leaf_index.ge(from)).order(log_entries::leaf_index);
    Ok(query.select(Entry::as_select()).limit(limit).load(db)?)
}

/// Facts about a subject, or all; newest first.
pub(super) fn entries(
    db: &mut Db,
    subject: Option<&str>,
    kind: Option<Kind>,
    before: Option<LogEntryId>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let mut query = log_entries::table.order(log_entries::id.desc()).limit(limit).into_boxed();
    if let Some(subject) = subject {
        query = query.filter(log_entries::subject.eq(subject.to_owned()));
    }
    if let Some(kind) = kind {
        query = query.filter(log_entries::kind.eq(kind.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(log_entries::id.lt(before));
    }
    Ok(query.select(Entry::as_select()).load(db)?)
}

/// The tiles as the database has them, each read once.
pub(super) struct Kept<'a> {
    pub(super) db: &'a mut Db,
    read: HashMap<(u8, u64), Vec<Hash>>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(db: &'a mut Db) -> Kept<'a> {
        Kept { db, read: HashMap::new() }
    }
}

impl Tiles for Kept<'_> {
    fn tile(&mut self, level: u8, idx: u64) -> Result<Vec<Hash>> {
        if let Some(hashes) = self.read.get(&(level, idx)) {
            return Ok(hashes.clone());
        }
        let key = i64::try_from(idx).map_err(Error::internal)?;
        let query = log_tiles::table.find((i16::from(level), key)).select(log_tiles::hashes);
        let bytes: Vec<u8> = query.first(self.db).optional()?.unwrap_or_default();
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::internal(format!("tile {level}/{idx} is no row of hashes")));
        }
        self.read.insert((level, idx), hashes.to_vec());
        Ok(hashes.to_vec())
    }
}
