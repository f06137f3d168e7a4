//! What is done without anybody asking: hashing the photos that wait for it. The queue is in the database, so a crash
//! loses none; several processes share it by leases.

use super::{
    actions::{self, Job},
    hash::{self, Hashes},
    index::Index,
    store,
};
use crate::{
    blob::Originals,
    db::{
        Database,
        types::{At, EvidenceId},
    },
    env::Env,
    error::{Error, Result},
    evidence::{content, thumbnail::MAX_FILE_BYTES},
};
use std::{
    io::{self, Read},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// How often the queue is looked at for what a process that ended has left. What this process stores is seen at once.
const EVERY: Duration = Duration::from_secs(20);
/// Between two looks, so that a busy server is not asked at each of its writes.
const PAUSE: Duration = Duration::from_millis(50);
/// Photos taken from the queue at a time.
const BATCH: i64 = 8;
/// Rows of the index read at a time.
const ROWS: i64 = 10_000;

/// Begins to hash what waits and what comes; ends with the process.
pub fn start(db: Database, originals: Arc<dyn Originals>, env: Env) {
    let mut written = db.written().listen();
    tokio::spawn(async move {
        let mut index = Index::default();
        loop {
            match hash_waiting(&db, &originals, &env, &mut index).await {
                Ok(0) => {}
                Ok(photos) => tracing::debug!(photos, "photos were hashed"),
                Err(error) => tracing::warn!(%error, "photos could not be hashed; trying again later"),
            }
            tokio::time::sleep(PAUSE).await;
            // An end of the bell is an end of the database, and of the process.
            if tokio::time::timeout(EVERY, written.changed()).await.is_ok_and(|rung| rung.is_err()) {
                return;
            }
        }
    });
}

/// Hashes and compares every photo that waits and that no other process is at; returns how many.
///
/// # Errors
/// When the database does not answer.
async fn hash_waiting(db: &Database, originals: &Arc<dyn Originals>, env: &Env, index: &mut Index) -> Result<usize> {
    let mut done = 0;
    loop {
        // Most of the time nothing waits, and a look costs less than a transaction.
        let now = At(env.now());
        if db.read(move |db| store::waiting(db, now, 1)).await?.is_empty() {
            return Ok(done);
        }
        let jobs = db.write(|tx| actions::lease(tx, BATCH)).await?;
        if jobs.is_empty() {
            return Ok(done);
        }
        for job in jobs {
            let id = job.id;
            match read_and_hash(originals.clone(), job).await? {
                Hashed::Done(hashes) => {
                    let found = look_up(db, index, hashes.clone()).await?;
                    let known = index.known();
                    db.write(move |tx| actions::hashed(tx, id, &hashes, known, found)).await?;
                }
                Hashed::NoPicture(error) => {
                    tracing::info!(evidence = %id, error, "a photo can't be compared with others");
                    db.write(move |tx| actions::unreadable(tx, id)).await?;
                }
                Hashed::NotNow(error) => {
                    tracing::warn!(evidence = %id, %error, "a photo could not be read; trying again later");
                    db.write(move |tx| actions::failed(tx, id)).await?;
                }
            }
            done += 1;
        }
    }
}

enum Hashed {
    Done(Box<Hashes>),
    NoPicture(String),
    NotNow(io::Error),
}

async fn read_and_hash(originals: Arc<dyn Originals>, job: Job) -> Result<Hashed> {
    let _place = content::place_to_decode(job.pixels).await?;
    let (tell, told) = oneshot::channel();
    let work = move || {
        // Whoever takes photos in and shows them goes first. Failing to be polite is no failure.
        let _ = rustix::process::nice(10);
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let (source, _) = originals.open(&job.sha256)?.ok_or(io::ErrorKind::NotFound)?;
            source.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let outcome = match read() {
            Ok(bytes) => match hash::of(&bytes, job.orientation) {
                Ok(hashes) => Hashed::Done(Box::new(hashes)),
                Err(error) => Hashed::NoPicture(error.to_string()),
            },
            // Deleted meanwhile, or lost: the nightly check tells that, and closings must not wait for it for ever.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Hashed::NoPicture("there are no bytes".into()),
            Err(error) => Hashed::NotNow(error),
        };
        drop(tell.send(outcome));
    };
    // A thread of its own, because the pool's threads would stay slow.
    thread::Builder::new().name("photo".into()).spawn(work).map_err(Error::internal)?;
    told.await.map_err(Error::internal)
}

/// The photos that the index knows, once it has caught up, and that show the same picture.
async fn look_up(db: &Database, index: &mut Index, hashes: Box<Hashes>) -> Result<Vec<(EvidenceId, u32)>> {
    loop {
        let known = index.known();
        let rows = db.read(move |db| store::coarse_after(db, known, ROWS)).await?;
        if rows.is_empty() {
            break;
        }
        rows.into_iter().for_each(|(seq, coarse)| index.add(seq, coarse));
    }
    let near = index.near(&hashes);
    if near.is_empty() {
        return Ok(Vec::new());
    }
    db.read(move |db| Ok(actions::same(&hashes, &store::kept(db, &near)?))).await
}
