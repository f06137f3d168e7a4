//! What has to be done with letters without anybody asking.

use super::clock;
use crate::{
    db::{Database, Tx},
    error::Result,
};
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// Begins to work, now and every five minutes; ends with the process.
pub fn start(db: Database) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = round(&db).await {
                tracing::warn!(%error, "letters were not all looked after; trying again");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Takes settled cases out of drafts, drafts letters, reminds and escalates.
///
/// # Errors
/// The engine's own.
pub async fn round(db: &Database) -> Result<()> {
    db.write(clock::settle).await?;
    let mut after = None;
    loop {
        after = db.write(move |tx: &mut Tx| clock::draft_for_cases(tx, after)).await?;
        if after.is_none() {
            break;
        }
    }
    db.write(clock::draft_for_spots).await?;
    db.write(clock::nudge_units).await
}
