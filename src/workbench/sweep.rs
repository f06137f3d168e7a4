//! What the clock does at the workbench without anybody asking.

use super::urging;
use crate::{cases, db::Database, error::Result};
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// Between two batches of old cases.
const BREATH: Duration = Duration::from_millis(20);
/// Cases that one transaction looks at: others write in between.
const AT_ONCE: i64 = 200;

/// Begins to work, now and every minute; ends with the process.
pub fn start(db: Database) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = round(&db).await {
                tracing::warn!(%error, "the workbench's clock stopped in a round; trying again");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Makes old cases findable, and urges whoever the clock has passed a mark for.
///
/// # Errors
/// The engine's own.
pub async fn round(db: &Database) -> Result<()> {
    while db.write(|tx| cases::actions::words_fill(tx, AT_ONCE)).await? > 0 {
        // A county's years take minutes; whoever writes meanwhile goes first.
        tokio::time::sleep(BREATH).await;
    }
    let mut after = None;
    loop {
        let (next, said) = db.write(move |tx| urging::urge(tx, after, AT_ONCE)).await?;
        if said > 0 {
            tracing::info!(said, "units were urged");
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}
