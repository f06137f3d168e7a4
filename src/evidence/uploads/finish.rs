//! The end of an upload: its stored bytes are read back, hashed, and become evidence or are put aside.
//!
//! Everything here may be interrupted and done again, by this process or another: the file is found in `staging/` or, by
//! its digest, among the originals, and the last step is one transaction. A store of originals that is down leaves the
//! upload undecided, and nothing lost.

use super::{actions, live::Guard, rules::UploadState, store::UploadRow};
use crate::{
    app::App,
    blob::{Disk, Originals, disk::Resumed},
    db::types::{EvidenceId, UploadId},
    error::{Code, Error, Result},
    evidence::{
        custody,
        media::{self, Facts},
        rules::{OCTETS, Owner},
    },
};
use std::{
    io::{self, BufReader},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;

/// Files read back at the same time: more would only make the disk seek.
static READERS: Semaphore = Semaphore::const_new(4);
/// How long a request waits for the verification of an upload that it finds undecided.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a complete upload.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It is evidence now.
    Accepted {
        /// Which.
        evidence: EvidenceId,
        /// Its digest.
        sha256: String,
    },
    /// Its bytes have another digest.
    Rejected {
        /// As declared.
        expected: String,
        /// Of the stored bytes.
        actual: String,
    },
    /// Its bytes are not there any more.
    Lost,
    /// The disk, the store or the database failed, or another process is at it; it will be tried again.
    Undecided,
}

/// Verifies an upload in state `finalizing`. The caller holds its lock. `read` is the digest of the stored bytes, when
/// they were read back while the rest arrived; otherwise they are read now.
pub(super) async fn finish(app: &Arc<App>, row: UploadRow, read: Option<String>) -> Verdict {
    let id = row.id;
    match decide(app, row, read).await {
        Ok(verdict) => {
            if matches!(verdict, Verdict::Rejected { .. } | Verdict::Lost) {
                tracing::warn!(upload = %id, ?verdict, "an upload was not accepted");
            }
            verdict
        }
        Err(error) => {
            tracing::error!(upload = %id, %error, "an upload could not be verified; it will be tried again");
            Verdict::Undecided
        }
    }
}

/// Waits for the verdict on an upload that was found undecided, starting the verification again when nobody is at it.
///
/// # Errors
/// `upload_finalizing` when it takes too long or fails again.
pub(super) async fn await_verdict(app: &Arc<App>, guard: Guard, row: UploadRow) -> Result<Verdict> {
    guard.verifying();
    let app = app.clone();
    // A task of its own: the verification goes on when the request that waits for it is given up.
    let task = tokio::spawn(async move {
        let verdict = finish(&app, row, None).await;
        drop(guard);
        verdict
    });
    match tokio::time::timeout(PATIENCE, task).await {
        Ok(Ok(Verdict::Undecided)) | Err(_) => Err(Code::UploadFinalizing.into()),
        Ok(verdict) => verdict.map_err(Error::internal),
    }
}

async fn decide(app: &Arc<App>, row: UploadRow, read: Option<String>) -> Result<Verdict> {
    let id = row.id;
    let disk = app.blobs.clone();
    // Before the row is read: what another process did while it had the right must be seen.
    let Some(_held) = blocking(move || disk.hold(&id.to_string())).await? else { return Ok(Verdict::Undecided) };
    let row = app.db.read(move |db| actions::any(db, id)).await?;
    match row.state.parse()? {
        UploadState::Finalizing => {}
        // Another process was quicker.
        UploadState::Accepted => {
            let evidence = row.evidence_id.ok_or_else(|| Error::internal("an accepted upload names no evidence"))?;
            return Ok(Verdict::Accepted { evidence, sha256: row.actual_sha256.unwrap_or_default() });
        }
        _ => return Ok(Verdict::Lost),
    }
    let length = row.length.unwrap_or(row.durable_offset);
    let size = u64::try_from(length).map_err(Error::internal)?;
    let found = match read {
        Some(sha256) => Some((sha256, false)),
        None => {
            let _turn = READERS.acquire().await.map_err(Error::internal)?;
            find(app, &row, size).await?
        }
    };
    let Some((sha256, published)) = found else {
        app.db.write(move |tx| actions::lose(tx, id)).await?;
        return Ok(Verdict::Lost);
    };
    if let Some(expected) = row.declared_sha256.clone()
        && expected != sha256
    {
        let actual = sha256.clone();
        // The row first: should the move fail, the sweeper still finds the file under its name.
        app.db.write(move |tx| actions::reject(tx, id, &actual)).await?;
        let disk = app.blobs.clone();
        blocking(move || disk.quarantine(&id.to_string())).await?;
        return Ok(Verdict::Rejected { expected, actual: sha256 });
    }
    if row.declared_sha256.is_none() && row.actual_sha256.as_ref() != Some(&sha256) {
        let actual = sha256.clone();
        app.db.write(move |tx| actions::set_actual(tx, id, &actual)).await?;
    }
    custody::sweep::admit(app, &sha256, Owner { device_id: row.device_id, user_id: row.user_id }).await?;
    // A process that another one took the upload over from may not know it yet, and still write.
    let alone = row.writer_epoch == 0;
    let Placed { facts, is_left } = publish(app, id, row.media_type, &sha256, published, alone).await?;
    let digest = sha256.clone();
    let evidence = app.db.write(move |tx| actions::accept(tx, id, &digest, length, facts)).await?;
    // Not before the row says so: until then it is what a second attempt begins with.
    if is_left {
        discard(app, id).await;
    }
    Ok(Verdict::Accepted { evidence, sha256 })
}

/// Reads the bytes back from the disk: their digest, and whether they lie among the originals already.
async fn find(app: &App, row: &UploadRow, size: u64) -> Result<Option<(String, bool)>> {
    let (disk, originals, name) = (app.blobs.clone(), app.originals.clone(), row.id.to_string());
    let known = row.declared_sha256.clone().or_else(|| row.actual_sha256.clone());
    blocking(move || {
        if let Resumed::Ready(_) = disk.resume(&name, size)?
            && let Some((sha256, _)) = disk.examine(&name)?
        {
            return Ok(Some((sha256, false)));
        }
        // A crash after the move: then the original is there under the digest that was expected.
        let Some(known) = known else { return Ok(None) };
        let original = originals.verify(&known)?;
        Ok(original.filter(|(sha256, length)| *sha256 == known && *length == size).map(|(sha256, _)| (sha256, true)))
    })
    .await
}

/// Brings a verified file to the originals, unless it is there already, and says what it tells about itself. `alone`:
/// nobody else can have the staged file open.
pub(super) async fn publish(
    app: &App,
    id: UploadId,
    media_type: Option<String>,
    sha256: &str,
    published: bool,
    alone: bool,
) -> Result<Placed> {
    let (disk, originals) = (app.blobs.clone(), app.originals.clone());
    let (name, sha256) = (id.to_string(), sha256.to_owned());
    let media_type = media_type.unwrap_or_else(|| OCTETS.to_owned());
    blocking(move || {
        if published {
            let (source, _) = originals.open(&sha256)?.ok_or(io::ErrorKind::NotFound)?;
            let facts = media::read_from(&mut BufReader::new(source), &media_type);
            return Ok(Placed { facts, is_left: true });
        }
        place(&disk, &*originals, &name, &media_type, &sha256, alone)
    })
    .await
}

/// What [`publish`] has done.
pub(super) struct Placed {
    /// What the file tells about itself.
    pub(super) facts: Facts,
    /// The originals took a copy: the staged file is still there.
    pub(super) is_left: bool,
}

/// As [`publish`], where that is allowed to block.
pub(super) fn place(
    disk: &Disk,
    originals: &dyn Originals,
    name: &str,
    media_type: &str,
    sha256: &str,
    alone: bool,
) -> io::Result<Placed> {
    let staged = disk.staged(name);
    let facts = media::read(&staged, media_type);
    originals.put(&staged, sha256, alone)?;
    Ok(Placed { facts, is_left: staged.try_exists().unwrap_or(true) })
}

/// Removes what is left of an upload on the disk; a failure is only logged, because the sweeper comes by again.
pub(super) async fn discard(app: &App, id: UploadId) {
    let disk = app.blobs.clone();
    if let Err(error) = blocking(move || disk.discard(&id.to_string())).await {
        tracing::warn!(upload = %id, %error, "an upload's file could not be removed");
    }
}

/// Work on files that runs at once. Beyond what a disk can do, threads only take memory; and whoever asks the database
/// must not wait for a thread behind them.
pub(crate) const FILES_AT_ONCE: usize = 24;
static TURNS: Semaphore = Semaphore::const_new(FILES_AT_ONCE);

/// Runs work on files when it has its turn.
///
/// # Errors
/// The system's own.
pub(super) async fn in_turn<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let turn = TURNS.acquire().await.map_err(io::Error::other)?;
    let work = move || {
        // Until it ends, even when nobody waits for it any more.
        let _turn = turn;
        f()
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

pub(super) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    in_turn(f).await.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => Error { cause: Some(error.to_string()), ..Code::StorageFull.into() },
        _ => Error::internal(error),
    })
}
