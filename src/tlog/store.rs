//! Rows of the log.

use crate::{
    db::{Db, schema::log_entries, types::At},
    error::Result,
};
use diesel::prelude::*;

/// A leaf, with its place once it has one.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = log_entries)]
pub(super) struct NewEntry {
    pub(super) id: crate::db::types::LogEntryId,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) leaf: String,
    pub(super) leaf_hash: Vec<u8>,
    pub(super) recorded_at: At,
}

pub(super) fn entry_add(db: &mut Db, entry: &NewEntry) -> Result<()> {
    diesel::insert_into(log_entries::table).values(entry).execute(db)?;
    Ok(())
}
