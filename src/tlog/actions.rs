//! Putting facts into the log, in an open transaction.

use super::{
    rules::{self, Kind},
    store::{self, NewEntry},
};
use crate::{
    db::{
        Tx,
        types::{At, LogEntryId},
    },
    error::Result,
};
use serde_json::Value;

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
        leaf_hash: rules::leaf_hash(leaf.as_bytes()),
        leaf,
        recorded_at: At(tx.now),
    };
    store::entry_add(tx.db, &entry)?;
    Ok(id)
}
