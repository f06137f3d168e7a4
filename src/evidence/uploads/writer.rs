//! Writing one request's body: to the disk at explicit offsets, durable before anyone is told.
//!
//! The writer is a task of its own, fed through a small channel, so that it saves what it has even when the connection,
//! and with it the request's future, is gone.

use super::{
    actions,
    finish::{self, Verdict},
    live::Guard,
    rules::{MAX_CHECKED, UploadState},
    store::UploadRow,
};
use crate::{
    app::App,
    blob::{
        digest::{Algorithm, Running},
        disk::Staged,
    },
    error::{Code, Error, Result},
};
use bytes::Bytes;
use std::{io, sync::Arc, time::Duration};
use tokio::{sync::mpsc::Receiver, time::Instant};

/// What is written at once, bytes; also nearly all the memory an open upload takes. Twice as much is not faster.
const BLOCK: usize = 128 * 1024;
/// How many bytes may be at stake before they are made durable.
const AT_STAKE: i64 = 8 * 1024 * 1024;
/// How long they may be at stake.
const AT_STAKE_FOR: Duration = Duration::from_secs(2);

/// A piece of the body.
pub(super) enum Piece {
    /// Some bytes.
    Bytes(Bytes),
    /// The body is complete. A channel that closes without it was cut.
    End,
}

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
    Stopped,
    TooLong,
    Full,
    Fenced,
    Failed(Error),
}

/// One request's work on one upload.
pub(super) struct Writer {
    app: Arc<App>,
    guard: Guard,
    row: UploadRow,
    file: Arc<Staged>,
    /// The end of what was handed to the disk.
    written: i64,
    /// Behind that, not handed over yet.
    block: Vec<u8>,
    checksum: Option<(Running, Vec<u8>)>,
}

impl Writer {
    /// `row` is claimed by this process, `file` as long as its durable offset.
    pub(super) fn new(
        app: Arc<App>,
        guard: Guard,
        row: UploadRow,
        file: Staged,
        checksum: Option<(Algorithm, Vec<u8>)>,
    ) -> Writer {
        guard.writing(row.durable_offset);
        let checksum = checksum.map(|(algorithm, expected)| (algorithm.start(), expected));
        Writer { app, guard, written: row.durable_offset, row, file: Arc::new(file), block: Vec::new(), checksum }
    }

    /// Takes the body to its end and says what became of it.
    pub(super) async fn run(mut self, mut body: Receiver<Piece>) -> Ended {
        let end = match self.receive(&mut body).await {
            Ok(end) => end,
            Err(end) => end,
        };
        // Tells the feeding request to stop.
        drop(body);
        self.conclude(end).await
    }

    async fn receive(&mut self, body: &mut Receiver<Piece>) -> Result<Body, Body> {
        let limit = self.limit();
        let mut due: Option<Instant> = None;
        loop {
            let piece = tokio::select! {
                biased;
                () = self.guard.stopped() => return Err(Body::Stopped),
                piece = body.recv() => piece,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.sync().await?;
                    due = None;
                    continue;
                }
            };
            let bytes = match piece {
                Some(Piece::Bytes(bytes)) => bytes,
                Some(Piece::End) => return Ok(Body::Complete),
                None => return Err(Body::Cut),
            };
            let reached = self.written + size(&self.block);
            let fits = size(&bytes).min(limit - reached);
            if !self.guard.receive(fits) {
                return Err(Body::Stopped);
            }
            self.keep(&bytes[..usize::try_from(fits).unwrap_or_default()]).await?;
            if fits < size(&bytes) {
                return Err(Body::TooLong);
            }
            if self.checksum.is_none() {
                if self.written - self.row.durable_offset >= AT_STAKE {
                    self.sync().await?;
                    due = None;
                } else if due.is_none() {
                    due = Some(Instant::now() + AT_STAKE_FOR);
                }
            }
        }
    }

    /// Adds bytes to the block, which never grows beyond its size, and writes it when it is full.
    async fn keep(&mut self, mut bytes: &[u8]) -> Result<(), Body> {
        while !bytes.is_empty() {
            if self.block.capacity() == 0 {
                self.block.reserve_exact(BLOCK);
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// The offset that the body may not pass.
    fn limit(&self) -> i64 {
        let most = i64::try_from(self.app.config.max_upload_bytes).unwrap_or(i64::MAX);
        let length = self.row.length.unwrap_or(most);
        let checked = self.checksum.as_ref().map_or(i64::MAX, |_| self.row.durable_offset.saturating_add(MAX_CHECKED));
        length.min(checked)
    }

    /// Hands the block to the disk.
    async fn write(&mut self) -> Result<(), Body> {
        if self.block.is_empty() {
            return Ok(());
        }
        let (block, at, file) = (std::mem::take(&mut self.block), self.written, self.file.clone());
        let mut checksum = self.checksum.take();
        let work = move || -> io::Result<_> {
            file.write_at(&block, u64::try_from(at).unwrap_or_default())?;
            if let Some((running, _)) = &mut checksum {
                running.update(&block);
            }
            Ok((block, checksum))
        };
        let (mut block, checksum) = blocking(work).await?;
        self.written += size(&block);
        block.clear();
        (self.block, self.checksum) = (block, checksum);
        Ok(())
    }

    /// Makes everything received durable, then moves the row's offset. Also ends an upload that has all its bytes.
    async fn sync(&mut self) -> Result<(), Body> {
        self.write().await?;
        // On a slow link most of the time passes between two syncs, and there are many slow links.
        self.block = Vec::new();
        let full = self.row.length == Some(self.written);
        if self.written == self.row.durable_offset && !(full && self.row.state == UploadState::Open.as_str()) {
            return Ok(());
        }
        let (file, disk) = (self.file.clone(), self.app.blobs.clone());
        let free = blocking(move || {
            file.sync()?;
            disk.free_bytes()
        })
        .await?;
        let (row, to) = (self.row.clone(), self.written);
        let moved = self.app.db.write(move |tx| actions::progress(tx, &row, to)).await.map_err(Body::Failed)?;
        if !moved {
            return Err(Body::Fenced);
        }
        self.row.durable_offset = to;
        if full {
            self.row.state = UploadState::Finalizing.to_string();
        } else if free < self.app.config.reserve_bytes {
            // The database shares the disk; it must be able to record what comes from elsewhere.
            return Err(Body::Full);
        }
        Ok(())
    }

    async fn conclude(mut self, mut end: Body) -> Ended {
        if let Some(refused) = self.check(&end).await {
            return self.refused(refused);
        }
        if !matches!(end, Body::Fenced | Body::Failed(_))
            && let Err(failure) = self.sync().await
            && !matches!((&end, &failure), (Body::Full, Body::Full))
        {
            end = failure;
        }
        let mut verdict = None;
        if self.row.state == UploadState::Finalizing.as_str() {
            self.guard.verifying();
            verdict = Some(finish::finish(&self.app, self.row.clone()).await);
        }
        let error: Error = match end {
            Body::Complete => {
                return match verdict {
                    Some(verdict) => Ended::Decided(verdict),
                    None => Ended::At(self.row.durable_offset),
                };
            }
            Body::Cut => Code::BodyInterrupted.into(),
            Body::Stopped => Code::UploadTakenOver.into(),
            Body::TooLong if self.row.length.is_some() => Code::LengthExceeded.into(),
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

    /// With an `Upload-Checksum` the body counts whole or not at all: `Some` when it does not.
    async fn check(&mut self, end: &Body) -> Option<Error> {
        self.checksum.as_ref()?;
        let written = self.write().await;
        let (running, expected) = self.checksum.take()?;
        let error = match (end, written) {
            (Body::Complete, Ok(())) if running.finish() == expected => return None,
            (Body::Complete, Ok(())) => Code::ChecksumMismatch.into(),
            (Body::Complete, Err(Body::Full)) | (Body::Full, _) => Code::StorageFull.into(),
            (Body::Complete, Err(Body::Failed(error))) => error,
            (Body::Stopped, _) => Code::UploadTakenOver.into(),
            (Body::TooLong, _) => {
                Code::LengthExceeded.with(format!("with Upload-Checksum at most {MAX_CHECKED} bytes a request"))
            }
            (Body::Failed(error), _) => error.clone(),
            _ => Code::BodyInterrupted.into(),
        };
        let (file, to) = (self.file.clone(), self.row.durable_offset);
        // Not vital: whoever goes on cuts the file to its durable offset first.
        if let Err(Body::Failed(error)) = blocking(move || file.truncate(u64::try_from(to).unwrap_or_default())).await {
            tracing::warn!(%error, "a refused chunk stays behind the durable offset");
        }
        Some(error)
    }

    fn refused(&self, error: Error) -> Ended {
        Ended::Refused(error, self.row.durable_offset)
    }
}

fn size(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Body> {
    let outcome = tokio::task::spawn_blocking(f).await.map_err(|e| Body::Failed(Error::internal(e)))?;
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Body::Full,
        _ => Body::Failed(Error::internal(error)),
    })
}
