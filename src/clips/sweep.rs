//! What has to be done with clips without anybody asking: cases are looked for again, because what was done offline
//! arrives later than the video.

use super::actions;
use crate::db::Database;
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// Clips that one transaction judges: others write in between.
const AT_ONCE: i64 = 100;

/// Begins to work, now and every five minutes; ends with the process.
pub fn start(db: Database) {
    tokio::spawn(async move {
        loop {
            loop {
                match db.write(|tx| actions::refresh(tx, AT_ONCE)).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "clips were not judged; trying again later");
                        break;
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}
