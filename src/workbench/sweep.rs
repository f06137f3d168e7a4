//! What the clock does at the workbench without anybody asking.

use super::urging;
use crate::{cases, db::Database, env::Env, error::Result};
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// Cases that are looked at in one go.
const AT_ONCE: i64 = 500;

/// Begins to work: old cases are made findable once, units are urged now and every minute; ends with the process.
pub fn start(db: Database, env: Env) {
    tokio::spawn(async move {
        if let Err(error) = fill(&db).await {
            tracing::warn!(%error, "not all old cases can be found by words; the next start tries again");
        }
        loop {
            if let Err(error) = round(&db, &env).await {
                tracing::warn!(%error, "units were not urged; trying again");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
}

/// Makes the cases findable that were reported before there was a search.
///
/// # Errors
/// The engine's own.
pub async fn fill(db: &Database) -> Result<()> {
    let mut after = None;
    loop {
        let (next, found) = db.read(move |db| cases::actions::wordless(db, after, AT_ONCE)).await?;
        if !found.is_empty() {
            db.write(move |tx| cases::actions::words_put(tx, &found)).await?;
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

/// Urges whoever the clock has passed a mark for. Nothing is written when there is nothing to say.
///
/// # Errors
/// The engine's own.
pub async fn round(db: &Database, env: &Env) -> Result<()> {
    let mut after = None;
    loop {
        let now = env.now();
        let (next, found) = db.read(move |db| urging::due(db, after, AT_ONCE, now)).await?;
        if !found.is_empty() {
            tracing::info!(cases = found.len(), "units are urged");
            db.write(move |tx| urging::urge(tx, &found)).await?;
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}
