//! Who works on which upload in this process right now, and how one request takes over from another.
//!
//! A connection that died without a word still holds its upload until the body times out; its client comes back at once
//! and must not wait. So HEAD and DELETE stop the running writer, and so does a PATCH, but only one that will succeed: it
//! names exactly the offset the writer has reached. That comparison and the stop are one step under one lock, and the
//! writer takes each piece of its body under the same lock. Without that, duplicates of a request stop each other and
//! nobody wins.

use super::{blocks::Blocks, metrics::Metrics, rules::WRITERS, writer::ReadBack};
use crate::{
    db::types::UploadId,
    error::{Code, Error, Result},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard},
    time::{Instant, timeout},
};

/// How long a stopped writer may take to make its bytes durable.
const STOPPING: Duration = Duration::from_secs(5);
/// How long a request waits for an upload that is being verified.
const VERIFYING: Duration = Duration::from_secs(10);
/// How often a waiting request looks again whether it can still succeed.
const LOOK: Duration = Duration::from_millis(50);
/// Idle uploads whose last writer is remembered; it saves a transaction a PATCH.
const REMEMBERED: usize = 4096;

/// All uploads this process works on.
#[derive(Default)]
pub struct Uploads {
    entries: Mutex<HashMap<UploadId, Arc<Entry>>>,
    writers: Mutex<HashMap<String, usize>>,
    closing: AtomicBool,
    /// Memory for bytes on their way.
    pub(super) blocks: Blocks,
    /// What is counted.
    pub(super) metrics: Metrics,
}

#[derive(Default)]
struct Entry {
    lock: Arc<AsyncMutex<Held>>,
    work: Mutex<Work>,
    stop: Notify,
}

/// What the holder of an upload's lock knows.
#[derive(Default)]
pub(super) struct Held {
    /// The epoch under which this process writes, once it has claimed the upload.
    pub(super) epoch: Option<i64>,
    /// The file was compared with the durable offset since the start of this process.
    pub(super) checked: bool,
    /// The file as far as it was read back, while only this process has written it.
    pub(super) read: Option<ReadBack>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Work {
    #[default]
    None,
    Writing {
        reached: i64,
        stopped: bool,
        /// For somebody who does not care at which offset.
        over: bool,
    },
    Verifying,
}

/// Why somebody wants an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// To write from this offset.
    WriteAt(i64),
    /// To know or remove it: whoever writes must stop.
    Over,
    /// Only if nobody works on it.
    IfIdle,
}

/// The right to work on an upload, until dropped.
pub(super) struct Guard {
    entry: Arc<Entry>,
    /// What is known about it.
    pub(super) held: OwnedMutexGuard<Held>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        *lock(&self.entry.work) = Work::None;
    }
}

impl Guard {
    /// Says that writing begins at `offset`.
    pub(super) fn writing(&self, offset: i64) {
        *lock(&self.entry.work) = Work::Writing { reached: offset, stopped: false, over: false };
    }

    /// Says that verification begins: nobody can stop that.
    pub(super) fn verifying(&self) {
        *lock(&self.entry.work) = Work::Verifying;
    }

    /// Counts `bytes` as received, unless the writer was told to stop. A piece that was counted must be kept.
    pub(super) fn receive(&self, bytes: i64) -> bool {
        match &mut *lock(&self.entry.work) {
            Work::Writing { reached, stopped: false, .. } => {
                *reached += bytes;
                true
            }
            _ => false,
        }
    }

    /// Whether a stopped writer may still take what has arrived already. Not when another waits to write at the very
    /// offset it has reached.
    pub(super) fn may_drain(&self) -> bool {
        matches!(*lock(&self.entry.work), Work::Writing { over: true, .. })
    }

    /// Returns once the writer is told to stop.
    pub(super) async fn stopped(&self) {
        loop {
            if matches!(*lock(&self.entry.work), Work::Writing { stopped: true, .. }) {
                return;
            }
            self.entry.stop.notified().await;
        }
    }
}

/// One of the few places an owner has for open PATCH requests.
pub(super) struct Place<'a> {
    uploads: &'a Uploads,
    owner: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut writers = lock(&self.uploads.writers);
        if let Some(count) = writers.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                writers.remove(&self.owner);
            }
        }
    }
}

impl Uploads {
    /// Gets the right to work on an upload.
    ///
    /// # Errors
    /// `offset_mismatch` for a write that can't succeed, `upload_finalizing` when the upload does not get free in time.
    pub(super) async fn take(&self, id: UploadId, claim: Claim) -> Result<Guard> {
        let entry = self.entry(id);
        let since = Instant::now();
        loop {
            let patience = entry.ask(claim)?;
            if let Ok(held) = entry.lock.clone().try_lock_owned() {
                return Ok(Guard { entry, held });
            }
            if claim == Claim::IfIdle || since.elapsed() >= patience {
                return Err(Code::UploadFinalizing.into());
            }
            if let Ok(held) = timeout(LOOK, entry.lock.clone().lock_owned()).await {
                return Ok(Guard { entry, held });
            }
        }
    }

    /// Remembers that this process may write a new upload: no other can know its id yet.
    pub(super) async fn created(&self, id: UploadId, epoch: i64) {
        let entry = self.entry(id);
        *entry.lock.lock().await = Held { epoch: Some(epoch), checked: true, read: Some(ReadBack::default()) };
    }

    /// A place for one more open PATCH of this owner.
    ///
    /// # Errors
    /// `uploads_too_many`, or `upload_finalizing` while the server stops.
    pub(super) fn place(&self, owner: &str) -> Result<Place<'_>> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(Code::UploadFinalizing.into());
        }
        let mut writers = lock(&self.writers);
        let count = writers.entry(owner.to_owned()).or_default();
        if *count >= WRITERS {
            return Err(Error::from(Code::UploadsTooMany));
        }
        *count += 1;
        Ok(Place { uploads: self, owner: owner.to_owned() })
    }

    /// Bodies that are being taken.
    pub(super) fn bodies(&self) -> usize {
        lock(&self.writers).values().sum()
    }

    /// The server stops: every writer makes durable what it has, and no new one begins.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        for entry in lock(&self.entries).values() {
            entry.stop_writer();
        }
    }

    fn entry(&self, id: UploadId) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        if entries.len() > REMEMBERED {
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        entries.entry(id).or_default().clone()
    }
}

impl Entry {
    /// Tells whoever works on the upload what is wanted; says how long to wait for it.
    fn ask(&self, claim: Claim) -> Result<Duration> {
        let work = *lock(&self.work);
        match (work, claim) {
            (Work::Writing { .. }, Claim::WriteAt(offset)) if self.stop_writer_at(offset) => Ok(STOPPING),
            (Work::Writing { .. }, Claim::WriteAt(_)) => Err(Code::OffsetMismatch.into()),
            (Work::Writing { .. }, Claim::Over) => {
                self.stop_writer();
                Ok(STOPPING)
            }
            // It has all its bytes, so there is no offset left to write at.
            (Work::Verifying, Claim::WriteAt(_)) => Err(Code::OffsetMismatch.into()),
            (Work::Verifying, Claim::Over) => Ok(VERIFYING),
            (Work::None, _) | (_, Claim::IfIdle) => Ok(STOPPING),
        }
    }

    /// Stops a writer that has reached exactly `offset`; false when it is elsewhere, and then it goes on.
    fn stop_writer_at(&self, offset: i64) -> bool {
        let mut work = lock(&self.work);
        match &mut *work {
            Work::Writing { reached, stopped, .. } if *reached == offset => {
                *stopped = true;
                self.stop.notify_one();
                true
            }
            Work::Writing { .. } => false,
            // It ended in the meantime; the offset is compared with the row again.
            _ => true,
        }
    }

    fn stop_writer(&self) {
        if let Work::Writing { stopped, over, .. } = &mut *lock(&self.work) {
            (*stopped, *over) = (true, true);
            self.stop.notify_one();
        }
    }
}

/// No code panics while it holds one of these; and if one did, the data behind them would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> UploadId {
        UploadId(uuid::Uuid::from_u128(1))
    }

    #[tokio::test]
    async fn a_write_that_cant_succeed_does_not_stop_the_one_that_can() {
        let uploads = Uploads::default();
        let guard = uploads.take(id(), Claim::WriteAt(0)).await.unwrap();
        guard.writing(0);
        assert!(guard.receive(10));
        for offset in [0, 5, 11] {
            let refused = uploads.take(id(), Claim::WriteAt(offset)).await;
            assert_eq!(refused.err().unwrap().code, Code::OffsetMismatch);
        }
        assert!(guard.receive(1), "the writer goes on");
        assert_eq!(uploads.take(id(), Claim::IfIdle).await.err().unwrap().code, Code::UploadFinalizing);
    }

    #[tokio::test]
    async fn a_head_stops_the_writer_and_gets_the_upload_at_once() {
        let uploads = Arc::new(Uploads::default());
        let guard = uploads.take(id(), Claim::WriteAt(0)).await.unwrap();
        guard.writing(0);
        let writer = tokio::spawn(async move {
            guard.stopped().await;
            assert!(!guard.receive(1), "nothing is taken after the stop");
        });
        let since = Instant::now();
        drop(uploads.take(id(), Claim::Over).await.unwrap());
        assert!(since.elapsed() < Duration::from_millis(100));
        writer.await.unwrap();
        assert!(uploads.take(id(), Claim::IfIdle).await.is_ok());
    }

    #[tokio::test]
    async fn of_many_writes_at_one_offset_the_last_before_any_byte_wins() {
        let uploads = Arc::new(Uploads::default());
        let first = uploads.take(id(), Claim::WriteAt(0)).await.unwrap();
        first.writing(0);
        let other = uploads.clone();
        let second = tokio::spawn(async move { other.take(id(), Claim::WriteAt(0)).await });
        first.stopped().await;
        assert!(!first.receive(5));
        drop(first);
        let second = second.await.unwrap().unwrap();
        second.writing(0);
        assert!(second.receive(5));
        assert_eq!(uploads.take(id(), Claim::WriteAt(0)).await.err().unwrap().code, Code::OffsetMismatch);
    }

    #[test]
    fn an_owner_has_few_places() {
        let uploads = Uploads::default();
        let places: Vec<_> = (0..WRITERS).map(|_| uploads.place("device:1").unwrap()).collect();
        assert_eq!(uploads.place("device:1").err().unwrap().code, Code::UploadsTooMany);
        assert!(uploads.place("device:2").is_ok());
        drop(places);
        assert!(uploads.place("device:1").is_ok());
        uploads.close();
        assert!(uploads.place("device:1").is_err());
    }
}
