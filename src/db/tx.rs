//! An open writing transaction, as the use cases see it.

use super::{Db, feed, types::OpId};
use crate::{
    env::Env,
    error::{Error, Result},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};
use uuid::Uuid;

/// An open writing transaction: the connection, the moment it acts in, and what the commit will announce.
///
/// Use cases take `&mut Tx`, never open a transaction, and never touch the feed's tables themselves.
pub struct Tx<'a> {
    /// The connection, inside the transaction.
    pub db: &'a mut Db,
    /// The moment every row of this transaction carries.
    pub now: DateTime<Utc>,
    env: &'a Env,
    pub(super) pending: Pending,
}

impl<'a> Tx<'a> {
    pub(super) fn new(db: &'a mut Db, env: &'a Env) -> Tx<'a> {
        Tx { now: env.now(), db, env, pending: Pending::default() }
    }

    /// A fresh id, made of this `Env`'s clock and dice.
    pub fn id(&self) -> Uuid {
        self.env.id()
    }

    /// Randomness for secrets.
    pub fn env(&self) -> &Env {
        self.env
    }

    /// Announces a change; it becomes a feed row when the transaction commits.
    pub fn announce(&mut self, change: feed::Change) {
        self.pending.changes.push(change);
    }

    /// The records of a kind that changed in this transaction so far; one may come several times.
    pub fn changed(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.pending.changes.iter().filter(move |change| change.kind == kind).map(|change| change.id.as_str())
    }

    /// Says that something others may be waiting for has happened (`op:<id>`, `evidence:<sha256>`, `login:<user>:<device>`).
    pub fn settle(&mut self, key: String) {
        self.pending.settled.push(key);
    }

    /// What was settled since it was last taken.
    pub fn settled(&self) -> &[String] {
        &self.pending.settled
    }

    /// Takes what was settled since the last call.
    pub fn take_settled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.pending.settled)
    }

    /// The number of the newest change that an operation caused in this transaction; known once the feed is written.
    pub fn numbered(&self, op: OpId) -> Option<i64> {
        self.pending.numbered.get(&op).copied()
    }

    /// Notes that an operation of an earlier transaction, or of an earlier part of this one, has a new outcome.
    pub fn revised(&mut self, op: OpId) {
        self.pending.revised.insert(op);
    }

    /// Whether it was noted.
    pub fn is_revised(&self, op: OpId) -> bool {
        self.pending.revised.contains(&op)
    }

    /// Whether something came that others may wait for.
    pub fn has_settled(&self) -> bool {
        !self.pending.settled.is_empty()
    }

    /// Runs `f` in a savepoint: when it fails, nothing of it stays, neither rows nor announcements.
    ///
    /// # Errors
    /// What `f` returns, or the engine's own error.
    pub fn savepoint<T>(&mut self, f: impl FnOnce(&mut Tx) -> Result<T>) -> Result<T> {
        use diesel::Connection;
        let (env, now) = (self.env, self.now);
        let before = self.pending.lengths();
        let mut pending = std::mem::take(&mut self.pending);
        let outcome = self.db.transaction(|db| {
            let mut tx = Tx { db, now, env, pending: std::mem::take(&mut pending) };
            // A panic must not skip the savepoint's rollback, or the connection's transaction depth would be wrong.
            let outcome = catch_unwind(AssertUnwindSafe(|| f(&mut tx)))
                .unwrap_or_else(|panic| Err(Error::internal(format!("panic: {}", panic_text(&*panic)))));
            pending = tx.pending;
            outcome
        });
        self.pending = pending;
        if outcome.is_err() {
            self.pending.truncate(before);
        }
        outcome
    }
}

/// What a transaction still has to do or to tell.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) changes: Vec<feed::Change>,
    settled: Vec<String>,
    pub(super) numbered: HashMap<OpId, i64>,
    revised: HashSet<OpId>,
}

impl Pending {
    fn lengths(&self) -> [usize; 2] {
        [self.changes.len(), self.settled.len()]
    }

    fn truncate(&mut self, [changes, settled]: [usize; 2]) {
        self.changes.truncate(changes);
        self.settled.truncate(settled);
    }
}

/// The words of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
