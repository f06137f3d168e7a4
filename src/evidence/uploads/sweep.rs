//! What has to be done without anybody asking: finish what a crash left undecided, give up what nobody continues.

use super::{
    Uploads, actions,
    finish::{self, discard},
    live::Claim,
    metrics::Moment,
    rules::{REMEMBER_FOR, UploadState},
    store,
};
use crate::{
    app::App,
    db::{
        Db,
        types::{At, UploadId},
    },
    error::Result,
};
use chrono::{DateTime, Utc};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// How often the sweeper comes by.
const EVERY: Duration = Duration::from_secs(60);
/// Uploads given up in one go.
const BATCH: i64 = 500;

/// Starts what runs beside the requests: the resumption of undecided uploads, the sweeper, and the saving of open
/// uploads when the process is told to stop.
pub fn start(app: Arc<App>) {
    let stopping = app.clone();
    tokio::spawn(async move {
        told_to_stop().await;
        stopping.uploads.close();
    });
    tokio::spawn(async move {
        report("orphans", remove_orphans(&app).await);
        let mut timer = tokio::time::interval(EVERY);
        loop {
            timer.tick().await;
            report("resume", resume(&app).await);
            report("sweep", sweep(&app, app.env.now()).await);
        }
    });
}

fn report(what: &str, outcome: Result<usize>) {
    match outcome {
        Ok(0) => {}
        Ok(count) => tracing::info!(what, count, "uploads were swept"),
        Err(error) => tracing::error!(what, %error, "uploads could not be swept"),
    }
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// What a monitoring system is told about uploads.
///
/// # Errors
/// When the database or the disk does not answer.
pub async fn metrics_text(app: &App) -> Result<String> {
    let count = |db: &mut Db, state: UploadState| store::uploads_count(db, state.as_str());
    let (open, finalizing) =
        app.db.read(move |db| Ok((count(db, UploadState::Open)?, count(db, UploadState::Finalizing)?))).await?;
    let disk = app.blobs.clone();
    let free = finish::blocking(move || disk.free_bytes()).await?;
    Ok(app.uploads.metrics.text(Moment { open, finalizing, bodies: app.uploads.bodies(), free }))
}

/// Verifies uploads whose verification was interrupted. Returns how many were decided.
///
/// # Errors
/// When the database does not answer.
pub async fn resume(app: &Arc<App>) -> Result<usize> {
    let mut decided = 0;
    for id in app.db.read(|db| store::uploads_in(db, UploadState::Finalizing.as_str())).await? {
        let Ok(guard) = app.uploads.take(id, Claim::IfIdle).await else { continue };
        let row = app.db.read(move |db| actions::any(db, id)).await?;
        guard.verifying();
        if row.state == UploadState::Finalizing.as_str()
            && !matches!(finish::finish(app, row, None).await, finish::Verdict::Undecided)
        {
            decided += 1;
        }
    }
    Ok(decided)
}

/// Gives up what has made no progress for too long: only `open` and `rejected` uploads, each under its lock and only if
/// that is still true then. Forgets rows that nobody can ask for any more. Returns how many were given up.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(app: &App, now: DateTime<Utc>) -> Result<usize> {
    let mut expired = 0;
    for id in app.db.read(move |db| store::uploads_due(db, At(now), BATCH)).await? {
        expired += usize::from(expire(app, &app.uploads, id, now).await?);
    }
    let before = At(now - REMEMBER_FOR);
    app.db.write(move |tx| store::uploads_forget(tx.db, before)).await?;
    Ok(expired)
}

async fn expire(app: &App, uploads: &Uploads, id: UploadId, now: DateTime<Utc>) -> Result<bool> {
    // Whoever works on it is making progress.
    let Ok(_guard) = uploads.take(id, Claim::IfIdle).await else { return Ok(false) };
    let expired = app.db.write(move |tx| store::upload_expire(tx.db, id, At(now))).await?;
    if expired {
        discard(app, id).await;
    }
    Ok(expired)
}

/// Removes files whose upload is over or was never recorded: a crash can leave them. Only at the start: a moment before
/// its row is written, a new upload's file would look the same, unless its name, an id, tells its age.
async fn remove_orphans(app: &App) -> Result<usize> {
    let disk = app.blobs.clone();
    let names = finish::blocking(move || disk.leftovers()).await?;
    let hour_ago = (app.env.now() - chrono::TimeDelta::hours(1)).timestamp();
    let old = |id: &UploadId| {
        id.0.get_timestamp().is_some_and(|t| i64::try_from(t.to_unix().0).is_ok_and(|seconds| seconds < hour_ago))
    };
    let ids: Vec<UploadId> = names.iter().filter_map(|name| name.parse().ok()).filter(old).collect();
    let asked = ids.clone();
    let needed: HashSet<UploadId> =
        app.db.read(move |db| store::uploads_with_file(db, &asked)).await?.into_iter().collect();
    let orphans: Vec<UploadId> = ids.into_iter().filter(|id| !needed.contains(id)).collect();
    for id in &orphans {
        discard(app, *id).await;
    }
    Ok(orphans.len())
}
