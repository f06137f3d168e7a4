//! What the log does by itself: gives new facts their places and signs the tree.

use super::{actions, note::LogKey};
use crate::db::Database;
use std::{sync::Arc, time::Duration};

/// How often it looks. A fact is provable that much later.
const EVERY: Duration = Duration::from_secs(1);
/// Places that one transaction gives: others write in between.
const AT_ONCE: i64 = 500;

/// Begins to work; ends with the process. Several processes take turns.
pub fn start(db: Database, key: Arc<LogKey>) {
    tokio::spawn(async move {
        loop {
            let outcome = match db.read(actions::is_waiting).await {
                Ok(true) => {
                    let key = key.clone();
                    db.write(move |tx| actions::sequence(tx, &key, AT_ONCE)).await
                }
                Ok(false) => Ok(0),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(n) if n as i64 == AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the transparency log did not go on; trying again"),
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}
