//! The end of a deletion: its week is over, the bytes go. And the gate for bytes that come again meanwhile.

use super::{keeping, rules::Terms};
use crate::{
    app::App,
    db::{Db, types::At},
    error::{Error, Result},
    evidence::rules::Owner,
};
use chrono::TimeDelta;
use std::{sync::Arc, time::Duration};

/// How often.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// Pieces that are given up, or removed, in one go.
const BATCH: i64 = 100;
/// How long after it took the right to remove bytes a server still begins to: well before the right ends.
const PROMPT: TimeDelta = TimeDelta::minutes(1);

/// Starts the sweep, now and every ten minutes; ends with the process.
pub fn start(app: Arc<App>) {
    tokio::spawn(async move {
        let mut timer = tokio::time::interval(EVERY);
        loop {
            timer.tick().await;
            match sweep(&app).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "deleted evidence was removed"),
                Err(error) => tracing::error!(%error, "deleted evidence could not be removed; trying again later"),
            }
        }
    });
}

/// Gives up what was deleted a week ago, and removes the bytes of all that was given up. It may be interrupted anywhere
/// and done again. Returns how many pieces lost their bytes.
///
/// # Errors
/// When the database or the store does not answer.
pub async fn sweep(app: &App) -> Result<usize> {
    give_up(app).await?;
    remove(app).await
}

/// Makes the decision: from here on what is due counts as deleted. Returns how many pieces.
///
/// # Errors
/// When the database does not answer.
pub async fn give_up(app: &App) -> Result<usize> {
    let terms = terms(app);
    let now = At(app.env.now());
    let mut given_up = 0;
    for id in app.db.read(move |db| keeping::given_up_next(db, now, BATCH)).await? {
        // One transaction each: a look at one piece must not wait for the others.
        given_up += usize::from(app.db.write(move |tx| keeping::give_up(tx, id, terms)).await?);
    }
    Ok(given_up)
}

async fn remove(app: &App) -> Result<usize> {
    let mut count = 0;
    loop {
        let claimed_at = app.env.now();
        let claimed = app.db.write(|tx| keeping::claim_removals(tx, BATCH)).await?;
        if claimed.is_empty() {
            return Ok(count);
        }
        for (id, sha256) in claimed {
            // Another server may take the right over, and then let the same bytes come again.
            if app.env.now() - claimed_at > PROMPT {
                return Ok(count);
            }
            let originals = app.originals.clone();
            tokio::task::spawn_blocking(move || originals.remove(&sha256))
                .await
                .map_err(Error::internal)?
                .map_err(Error::internal)?;
            app.db.write(move |tx| keeping::removed(tx, id)).await?;
            count += 1;
        }
    }
}

/// The county's terms, from the settings.
pub fn terms(app: &App) -> Terms {
    Terms { general_days: app.config.general_retention_days, case_years: app.config.case_retention_years }
}

/// Whether bytes with this digest may come without asking [`admit`], unless minutes pass until they are on record.
///
/// # Errors
/// The engine's own.
pub(in crate::evidence) fn may_come(db: &mut Db, sha256: &str) -> Result<bool> {
    keeping::must_ask(db, sha256).map(|must| !must)
}

/// Asks whether verified bytes may take their place among the originals: not while older ones with this digest are being
/// removed. No deletion can begin and end in the minutes until they are on record.
///
/// # Errors
/// `busy`; ask again later.
pub(in crate::evidence) async fn admit(app: &App, sha256: &str, sender: Owner) -> Result<()> {
    let digest = sha256.to_owned();
    if !app.db.read(move |db| keeping::must_ask(db, &digest)).await? {
        return Ok(());
    }
    let digest = sha256.to_owned();
    app.db.write(move |tx| keeping::admit(tx, &digest, sender)).await
}
