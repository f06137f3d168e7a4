//! What sync does by itself: hands what is held too long to a person, and forgets what everybody has read.

use super::{engine, ledger::Ledger};
use crate::{
    db::{Database, Tx, feed},
    error::Result,
    identity,
};
use chrono::TimeDelta;
use std::time::Duration;

/// How long the feed is kept for readers that are behind.
pub const FEED_FOR: TimeDelta = TimeDelta::days(120);
/// How long it is kept even when every handheld in use has read it.
pub const FEED_AT_LEAST: TimeDelta = TimeDelta::days(7);
/// How often.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// Operations that one transaction hands over, and rows that it forgets: others write in between.
const AT_ONCE: i64 = 500;

/// Begins to work, now and every ten minutes; ends with the process.
pub fn start(db: Database) {
    tokio::spawn(async move {
        loop {
            loop {
                match db.write(tidy).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "the feed was not tidied; trying again later");
                        break;
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Hands over what is held too long, and forgets old changes; returns how much it did, and 0 when nothing is left.
///
/// # Errors
/// The engine's own.
pub fn tidy(tx: &mut Tx) -> Result<usize> {
    let mut ledger = Ledger::new(tx);
    let handed = engine::escalate(&mut ledger, AT_ONCE)?;
    ledger.write()?;
    let old = feed::newest_before(tx.db, tx.now - FEED_FOR)?;
    let read = match identity::devices::feed_seq_least(tx.db)? {
        Some(slowest) => slowest.min(feed::newest_before(tx.db, tx.now - FEED_AT_LEAST)?),
        None => 0,
    };
    let gone = feed::forget(tx, old.max(read), AT_ONCE)?;
    Ok(handed + gone)
}
