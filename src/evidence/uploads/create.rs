//! Creating an upload: everything that can be refused is refused before a byte travels.

use super::{
    actions::{self, Creation, Planned},
    append::too_long,
    blocks::{Block, Tray},
    finish::{self, Placed, blocking, discard},
    rules::UploadState,
    source::{Next, Source},
    store::UploadRow,
};
use crate::{
    app::App,
    db::{
        Db,
        types::{At, UploadId},
    },
    error::{Code, Error, Result},
    evidence::custody,
};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a whole file may take to come before its upload is recorded.
const WHOLE_FOR: Duration = Duration::from_secs(2);

/// The upload that answers a creation, and whether it is new. Its file is there before its row, and its row is durable
/// before anyone is told.
///
/// # Errors
/// `upload_too_large` or `upload_quota_exceeded`, `storage_full`, `idempotency_mismatch`.
pub(super) async fn create(app: &App, asked: Creation) -> Result<(UploadRow, bool)> {
    if asked.length.is_some_and(|length| too_long(app, length)) {
        return Err(Code::UploadTooLarge.with(format!("{} bytes at most", app.config.max_upload_bytes)));
    }
    let (probe, now) = (asked.clone(), At(app.env.now()));
    let plan = app.db.read(move |db| actions::plan(db, now, &probe)).await?;
    let id = UploadId(app.env.id());
    match plan {
        Planned::Existing(row) => return Ok((*row, false)),
        Planned::Complete(_) => {}
        Planned::Fresh => {
            let (disk, reserve) = (app.blobs.clone(), app.config.reserve_bytes);
            let length = asked.length.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            let staged = blocking(move || {
                if disk.free_bytes()? < length.saturating_add(reserve) {
                    return Ok(false);
                }
                disk.stage(&id.to_string(), length).map(|()| true)
            });
            if !staged.await? {
                return Err(Code::StorageFull.with("not enough free space"));
            }
        }
    }
    let created = app.db.write(move |tx| actions::create(tx, id, &asked)).await;
    // Whatever came between, a file without a row must not stay.
    if !matches!(&created, Ok((row, true)) if row.id == id) {
        discard(app, id).await;
    }
    let (row, _) = created?;
    let is_new = row.id == id && row.state == UploadState::Open.as_str();
    if is_new {
        app.uploads.created(id, row.writer_epoch).await;
    }
    Ok((row, is_new))
}

/// Takes a file that comes whole with its creation: its bytes are made durable, read back and given their place, then one
/// transaction records the upload, the evidence and all that depends on it. Until then nobody knows of the upload, so a
/// crash leaves at most a file that nothing names.
///
/// `None` when it does not go this way: it is known already, came slowly or not whole, has another digest, or the
/// originals' store is down. Then what came is in `tray`, the rest in `body`, and the upload goes the usual way.
///
/// # Errors
/// As [`create`].
pub(super) async fn create_whole<S>(
    app: &App,
    asked: &Creation,
    tray: &mut Tray,
    body: &mut Source<S>,
) -> Result<Option<UploadRow>>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let (probe, now) = (asked.clone(), At(app.env.now()));
    // Asked together: each question costs a connection and a thread's turn.
    let ask = move |db: &mut Db| {
        let is_fresh = matches!(actions::plan(db, now, &probe)?, Planned::Fresh);
        let may_come = probe.sha256.as_ref().map(|sha256| custody::sweep::may_come(db, sha256)).transpose()?;
        Ok((is_fresh, may_come.unwrap_or(false)))
    };
    let (is_fresh, may_come) = app.db.read(ask).await?;
    let (id, length) = (UploadId(app.env.id()), asked.length.unwrap_or_default());
    if !is_fresh || !gather(tray, body, usize::try_from(length).unwrap_or_default()).await {
        return Ok(None);
    }
    let (disk, originals, reserve) = (app.blobs.clone(), app.originals.clone(), app.config.reserve_bytes);
    let (declared, media_type, blocks) = (asked.sha256.clone(), asked.said.media_type.clone(), tray.take());
    let began = Instant::now();
    let work = move || {
        if disk.free_bytes()? < reserve.saturating_add(u64::try_from(length).unwrap_or_default()) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let name = id.to_string();
        let sha256 = disk.stage_whole(&name, blocks.iter().map(Block::bytes))?;
        let is_expected = may_come && declared.as_ref() == Some(&sha256);
        let placed = is_expected.then(|| finish::place(&disk, &*originals, &name, &media_type, &sha256, true));
        Ok((sha256, blocks, placed))
    };
    let (sha256, blocks, placed) = blocking(work).await?;
    app.uploads.metrics.synced(began.elapsed());
    let placed = match placed {
        Some(placed) => placed.map_err(Error::internal),
        None if asked.sha256.as_ref().is_some_and(|declared| *declared != sha256) => Err(Code::ChecksumMismatch.into()),
        None => {
            custody::sweep::admit(app, &sha256, asked.owner).await?;
            finish::publish(app, id, Some(asked.said.media_type.clone()), &sha256, false, true).await
        }
    };
    let Placed { facts, is_left } = match placed {
        Ok(placed) => placed,
        Err(error) => {
            tracing::warn!(%error, "a file did not get to the originals; as an upload it is refused, or waits for them");
            discard(app, id).await;
            tray.put_back(blocks);
            body.put_back(Next::End);
            return Ok(None);
        }
    };
    drop(blocks);
    let asked = asked.clone();
    let row = app.db.write(move |tx| actions::create_accepted(tx, id, &asked, &sha256, facts)).await?;
    if is_left {
        discard(app, id).await;
    }
    app.uploads.metrics.received(length);
    app.uploads.metrics.accepted(length);
    app.uploads.metrics.finished(began.elapsed());
    Ok(Some(row))
}

/// Whether the whole body came while there was memory and time; what came is in the tray in any case.
async fn gather<S>(tray: &mut Tray, body: &mut Source<S>, length: usize) -> bool
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let until = Instant::now() + WHOLE_FOR;
    if timeout_at(until, tray.reserve(length)).await.is_err() {
        return false;
    }
    body.paused();
    while let Ok(next) = timeout_at(until, body.next()).await {
        match next {
            Next::Bytes(bytes) => {
                let taken = tray.fill(&bytes);
                if taken < bytes.len() {
                    body.put_back(Next::Bytes(bytes.slice(taken..)));
                    return false;
                }
            }
            Next::End => return true,
            end => {
                body.put_back(end);
                return false;
            }
        }
    }
    false
}
