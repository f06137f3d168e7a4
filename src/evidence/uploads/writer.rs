//! Writing one request's body: to the disk at explicit offsets, durable before anyone is told.
//!
//! Four things overlap: bytes are received into blocks; the blocks received before are written; what was written before
//! is made durable and the row's offset moves behind it; and what is durable is read back into the file's SHA-256. So
//! when the last byte arrives, only the tail is left to sync and to read back.
//!
//! The digest that decides is always that of bytes read back from the file, never of those that came from the network.
//! It is built up behind the durable offset only while one process has written the upload from its first byte under
//! its first lease: then no fenced-off writer can have changed what was read already. In every other case (a restart,
//! another process) the whole file is read again at the end.
//!
//! The writer is a task of its own, so that it saves what it has even when the request's future is gone.

use super::{
    actions,
    append::too_long,
    blocks::Tray,
    finish::{self, Verdict},
    live::Guard,
    rules::{MAX_CHECKED, UploadState},
    source::{Next, Source},
    store::UploadRow,
};
use crate::{
    app::App,
    blob::{
        digest::{Algorithm, Running, hex},
        disk::Staged,
    },
    error::{Code, Error, Result},
};
use actix_web::error::PayloadError;
use bytes::{Buf, Bytes};
use futures_util::Stream;
use std::{future::pending, io, sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// How many bytes may be at stake before they are made durable.
const AT_STAKE: i64 = 8 * 1024 * 1024;
/// How long they may be at stake.
const AT_STAKE_FOR: Duration = Duration::from_secs(2);
/// How many may be at stake while the disk is slow; then the sender waits.
const AT_STAKE_MOST: i64 = 4 * AT_STAKE;

/// How long a stopped writer waits for bytes that are on this machine already, at once and in all.
const DRAIN: Duration = Duration::from_millis(2);
const DRAIN_FOR: Duration = Duration::from_millis(20);

/// How a request that brought bytes ended.
pub(super) enum Ended {
    /// All of the body is durable; the upload goes on at this offset.
    At(i64),
    /// The body completed the upload.
    Decided(Verdict),
    /// Not as it should; the durable offset stands beside the reason.
    Refused(Error, i64),
}

/// How the body ended.
enum Body {
    Complete,
    Cut,
    Slow,
    Stopped,
    TooLong,
    Full,
    Fenced,
    Failed(Error),
}

/// The file's SHA-256 as far as it was read back.
pub(super) struct ReadBack {
    digest: Running,
    at: i64,
}

impl Default for ReadBack {
    fn default() -> ReadBack {
        ReadBack { digest: Algorithm::Sha256.start(), at: 0 }
    }
}

/// Work on the disk that is on its way, and the offset it brings.
struct Flight<T> {
    task: JoinHandle<Result<T, Body>>,
    to: i64,
}

/// One request's work on one upload.
pub(super) struct Writer {
    app: Arc<App>,
    guard: Guard,
    row: UploadRow,
    file: Arc<Staged>,
    /// The offset that the body may not pass.
    limit: i64,
    /// Received, not on its way to the disk yet.
    tray: Tray,
    /// The end of what is on the disk, durable or not.
    written: i64,
    /// Gives the digest of a checked chunk back, and how many blocks are free again.
    writing: Option<Flight<(Option<Running>, usize)>>,
    /// Says whether the disk has room for more.
    syncing: Option<Flight<bool>>,
    reading: Option<Flight<Running>>,
    read: Option<ReadBack>,
    /// When what is at stake must be made durable.
    due: Option<Instant>,
    /// The digest of a checked chunk, and what it must be.
    checksum: Option<Running>,
    expected: Option<Vec<u8>>,
}

impl Writer {
    /// `row` is claimed by this process, `file` as long as its durable offset. `room` is how many bytes more its owner
    /// may bring when the length is not known; `tray` holds the beginning of the body.
    pub(super) fn new(app: Arc<App>, mut guard: Guard, row: UploadRow, file: Staged, tray: Tray, room: i64) -> Writer {
        guard.writing(row.durable_offset);
        let most = i64::try_from(app.config.max_upload_bytes).unwrap_or(i64::MAX);
        let limit = row.length.unwrap_or(most.min(row.durable_offset.saturating_add(room)));
        let read = guard.held.read.take().filter(|_| row.writer_epoch == 0);
        Writer {
            app,
            guard,
            written: row.durable_offset,
            row,
            file: Arc::new(file),
            limit,
            tray,
            writing: None,
            syncing: None,
            reading: None,
            read,
            due: None,
            checksum: None,
            expected: None,
        }
    }

    /// The body counts only whole, with this checksum.
    pub(super) fn checked(mut self, (algorithm, expected): (Algorithm, Vec<u8>)) -> Writer {
        self.limit = self.limit.min(self.row.durable_offset.saturating_add(MAX_CHECKED));
        (self.checksum, self.expected) = (Some(algorithm.start()), Some(expected));
        self
    }

    /// Takes the body to its end and says what became of it.
    pub(super) async fn run<S>(mut self, body: Source<S>) -> Ended
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let end = match self.receive(body).await {
            Ok(end) | Err(end) => end,
        };
        self.conclude(end).await
    }

    async fn receive<S>(&mut self, mut body: Source<S>) -> Result<Body, Body>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let begun = size(self.tray.len());
        if !self.guard.receive(begun) {
            self.tray.take();
            return Err(Body::Stopped);
        }
        self.app.uploads.metrics.received(begun);
        let mut reached = self.written + begun;
        let mut piece = Bytes::new();
        loop {
            piece.advance(self.tray.fill(&piece));
            self.go_on();
            let at_stake = self.written - self.row.durable_offset;
            // A checked chunk becomes durable only at its end.
            let hungry = piece.is_empty() && (self.expected.is_some() || at_stake < AT_STAKE_MOST);
            if !hungry {
                body.paused();
            }
            let idle = self.writing.is_none() && self.syncing.is_none();
            tokio::select! {
                biased;
                () = self.guard.stopped() => {
                    self.swallow(piece).await?;
                    return self.drain(&mut body, reached).await;
                }
                done = landed(&mut self.writing) => self.wrote(done)?,
                done = landed(&mut self.syncing) => self.synced(done)?,
                done = landed(&mut self.reading) => self.read_back(done)?,
                next = body.next(), if hungry => {
                    let bytes = match next {
                        Next::Bytes(bytes) => bytes,
                        Next::End => return Ok(Body::Complete),
                        Next::Cut => return Err(Body::Cut),
                        Next::Slow => return Err(Body::Slow),
                    };
                    let fits = size(bytes.len()).min(self.limit - reached);
                    if !self.guard.receive(fits) {
                        return Err(Body::Stopped);
                    }
                    reached += fits;
                    self.app.uploads.metrics.received(fits);
                    piece = bytes.slice(..usize::try_from(fits).unwrap_or_default());
                    if piece.len() < bytes.len() {
                        self.swallow(piece).await?;
                        return Err(Body::TooLong);
                    }
                    if self.due.is_none() {
                        self.due = Some(Instant::now() + AT_STAKE_FOR);
                    }
                }
                () = until(self.due), if idle => {
                    if !self.tray.is_empty() {
                        self.begin_write();
                    } else if self.expected.is_none() && self.written > self.row.durable_offset {
                        self.begin_sync();
                    } else {
                        self.due = None;
                    }
                }
            }
        }
    }

    /// Starts what pays to be started.
    fn go_on(&mut self) {
        if self.writing.is_none() && self.tray.has_full() {
            self.begin_write();
        }
        if self.syncing.is_none() && self.expected.is_none() && self.written - self.row.durable_offset >= AT_STAKE {
            self.begin_sync();
        }
        if self.reading.is_none() && self.read.as_ref().is_some_and(|r| self.row.durable_offset - r.at >= AT_STAKE) {
            self.begin_read();
        }
    }

    /// Takes what has arrived before the stop: it need not travel again.
    async fn drain<S>(&mut self, body: &mut Source<S>, mut reached: i64) -> Result<Body, Body>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let until = Instant::now() + DRAIN_FOR;
        while self.guard.may_drain() {
            let wait = until.min(Instant::now() + DRAIN);
            match timeout_at(wait, body.next()).await {
                Ok(Next::Bytes(bytes)) if size(bytes.len()) <= self.limit - reached && Instant::now() < until => {
                    reached += size(bytes.len());
                    self.app.uploads.metrics.received(size(bytes.len()));
                    self.swallow(bytes).await?;
                }
                Ok(Next::End) => return Ok(Body::Complete),
                _ => break,
            }
        }
        Err(Body::Stopped)
    }

    /// Takes the rest of a piece that was counted as received.
    async fn swallow(&mut self, mut piece: Bytes) -> Result<(), Body> {
        loop {
            piece.advance(self.tray.fill(&piece));
            if piece.is_empty() {
                return Ok(());
            }
            if self.writing.is_none() {
                self.begin_write();
            }
            let done = landed(&mut self.writing).await;
            self.wrote(done)?;
        }
    }

    fn begin_write(&mut self) {
        let (blocks, at, file) = (self.tray.take(), self.written, self.file.clone());
        let to = at + size(blocks.iter().map(|block| block.bytes().len()).sum());
        let mut checksum = self.checksum.take();
        let task = blocking(move || {
            let mut at = u64::try_from(at).unwrap_or_default();
            for block in &blocks {
                file.write_at(block.bytes(), at)?;
                at += block.bytes().len() as u64;
                if let Some(running) = &mut checksum {
                    running.update(block.bytes());
                }
            }
            Ok((checksum, blocks.len()))
        });
        self.writing = Some(Flight { task, to });
    }

    fn wrote(&mut self, done: Result<((Option<Running>, usize), i64), Body>) -> Result<(), Body> {
        let ((checksum, count), to) = done.inspect_err(|_| {
            // What came later must not take the place of what is missing.
            self.tray.take();
        })?;
        self.tray.released(count);
        (self.checksum, self.written) = (checksum, to);
        Ok(())
    }

    /// Makes what is written durable, then moves the row's offset. Also ends an upload that has all its bytes.
    fn begin_sync(&mut self) {
        let (app, file, row, to) = (self.app.clone(), self.file.clone(), self.row.clone(), self.written);
        self.due = None;
        let work = async move {
            let (disk, began) = (app.blobs.clone(), Instant::now());
            let work = blocking(move || {
                file.sync()?;
                disk.free_bytes()
            });
            let free = work.await.map_err(|e| Body::Failed(Error::internal(e)))??;
            app.uploads.metrics.synced(began.elapsed());
            let (from, full) = (row.durable_offset, row.length == Some(to));
            let moved = app.db.write(move |tx| actions::progress(tx, &row, to)).await.map_err(Body::Failed)?;
            if !moved {
                return Err(Body::Fenced);
            }
            app.uploads.metrics.accepted(to - from);
            // The database shares the disk; it must be able to record what comes from elsewhere.
            Ok(full || free >= app.config.reserve_bytes)
        };
        self.syncing = Some(Flight { task: tokio::spawn(work), to });
    }

    fn synced(&mut self, done: Result<(bool, i64), Body>) -> Result<(), Body> {
        let (has_room, to) = done?;
        self.row.durable_offset = to;
        if self.row.length == Some(to) {
            self.row.state = UploadState::Finalizing.to_string();
        }
        if has_room { Ok(()) } else { Err(Body::Full) }
    }

    fn begin_read(&mut self) {
        let Some(ReadBack { mut digest, at }) = self.read.take() else { return };
        let (file, to) = (self.file.clone(), self.row.durable_offset);
        let task = blocking(move || {
            file.read_back(&mut digest, u64::try_from(at).unwrap_or_default(), u64::try_from(to).unwrap_or_default())?;
            Ok(digest)
        });
        self.reading = Some(Flight { task, to });
    }

    fn read_back(&mut self, done: Result<(Running, i64), Body>) -> Result<(), Body> {
        let (digest, at) = done?;
        self.read = Some(ReadBack { digest, at });
        Ok(())
    }

    /// Waits for what is on its way: nothing of this writer may touch the file when the next one begins.
    async fn land(&mut self) -> Result<(), Body> {
        let mut outcome = Ok(());
        if self.writing.is_some() {
            let done = landed(&mut self.writing).await;
            outcome = outcome.and(self.wrote(done));
        }
        if self.syncing.is_some() {
            let done = landed(&mut self.syncing).await;
            outcome = outcome.and(self.synced(done));
        }
        if self.reading.is_some() {
            let done = landed(&mut self.reading).await;
            outcome = outcome.and(self.read_back(done));
        }
        outcome
    }

    /// Makes everything received durable.
    async fn settle(&mut self) -> Result<(), Body> {
        if !self.tray.is_empty() {
            self.begin_write();
            self.land().await?;
        }
        let full = self.row.length == Some(self.written);
        if self.written > self.row.durable_offset || full && self.row.state == UploadState::Open.as_str() {
            self.begin_sync();
            self.land().await?;
        }
        Ok(())
    }

    async fn conclude(mut self, mut end: Body) -> Ended {
        if let Err(failure) = self.land().await
            && !matches!(end, Body::Fenced | Body::Failed(_))
        {
            end = failure;
        }
        if let Some(refused) = self.check(&end).await {
            return self.refused(refused);
        }
        if !matches!(end, Body::Fenced | Body::Failed(_))
            && let Err(failure) = self.settle().await
            && !matches!((&end, &failure), (Body::Full, Body::Full))
        {
            end = failure;
        }
        let mut verdict = None;
        if self.row.state == UploadState::Finalizing.as_str() {
            self.guard.verifying();
            let began = Instant::now();
            let digest = self.digest().await;
            verdict = Some(finish::finish(&self.app, self.row.clone(), digest).await);
            self.app.uploads.metrics.finished(began.elapsed());
        }
        let error: Error = match end {
            Body::Complete => {
                return match verdict {
                    Some(verdict) => Ended::Decided(verdict),
                    None => {
                        self.guard.held.read = self.read.take();
                        Ended::At(self.row.durable_offset)
                    }
                };
            }
            Body::Cut => Code::BodyInterrupted.into(),
            // The client may be alive and only slow: 409 makes it ask for the offset and go on, 400 would end it.
            Body::Slow => Code::OffsetMismatch.with("the body came too slowly"),
            Body::Stopped => {
                self.app.uploads.metrics.taken_over();
                Code::UploadTakenOver.into()
            }
            Body::TooLong if self.row.length.is_some() => Code::LengthExceeded.into(),
            Body::TooLong if !too_long(&self.app, self.limit.saturating_add(1)) => Code::UploadQuotaExceeded.into(),
            Body::TooLong => Code::UploadTooLarge.into(),
            Body::Full => Code::StorageFull.into(),
            Body::Fenced => {
                self.guard.held.epoch = None;
                Code::OffsetMismatch.with("another server process has taken the upload over")
            }
            Body::Failed(error) => error,
        };
        self.refused(error)
    }

    /// The SHA-256 of the whole file, when all of it was read back in this life.
    async fn digest(&mut self) -> Option<String> {
        self.read.as_ref()?;
        self.begin_read();
        // Whoever verifies reads the file again, and finds out what is wrong with it.
        self.land().await.ok()?;
        self.read.take().map(|read| hex(&read.digest.finish()))
    }

    /// With an `Upload-Checksum` the body counts whole or not at all: `Some` when it does not.
    async fn check(&mut self, end: &Body) -> Option<Error> {
        let expected = self.expected.take()?;
        if !self.tray.is_empty() {
            self.begin_write();
        }
        let written = self.land().await;
        let error = match (end, written) {
            (Body::Complete, Ok(())) if self.checksum.take().is_some_and(|running| running.finish() == expected) => {
                return None;
            }
            (Body::Complete, Ok(())) => Code::ChecksumMismatch.into(),
            (Body::Complete, Err(Body::Full)) | (Body::Full, _) => Code::StorageFull.into(),
            (Body::Complete, Err(Body::Failed(error))) => error,
            (Body::Stopped, _) => Code::UploadTakenOver.into(),
            (Body::Slow, _) => Code::OffsetMismatch.with("the body came too slowly"),
            (Body::TooLong, _) => {
                Code::LengthExceeded.with(format!("with Upload-Checksum at most {MAX_CHECKED} bytes a request"))
            }
            (Body::Failed(error), _) => error.clone(),
            _ => Code::BodyInterrupted.into(),
        };
        // What was written stays behind the durable offset: whoever goes on cuts it off. Only they know the offset; here
        // it may be long past, when another process has taken over.
        Some(error)
    }

    /// What was read back stays good for whoever goes on, unless another process has.
    fn refused(mut self, error: Error) -> Ended {
        if self.guard.held.epoch.is_some() {
            self.guard.held.read = self.read.take();
        }
        Ended::Refused(error, self.row.durable_offset)
    }
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The outcome of what is on its way; never, when nothing is.
async fn landed<T>(flight: &mut Option<Flight<T>>) -> Result<(T, i64), Body> {
    let Some(Flight { task, to }) = flight else { return pending().await };
    let (outcome, to) = (task.await, *to);
    *flight = None;
    outcome.map_err(|e| Body::Failed(Error::internal(e)))?.map(|done| (done, to))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => pending().await,
    }
}

fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> JoinHandle<Result<T, Body>> {
    tokio::spawn(async move {
        finish::in_turn(f).await.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Body::Full,
            _ => Body::Failed(Error::internal(error)),
        })
    })
}
