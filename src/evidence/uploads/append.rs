//! One request that brings bytes: takes the upload over, leaves the body to a [`Writer`], waits for its answer.

use super::{
    actions,
    blocks::Tray,
    finish::{Verdict, await_verdict, blocking},
    live::{Claim, Guard},
    rules::{UploadState, one_digest},
    source::Source,
    store::UploadRow,
    writer::{Ended, Writer},
};
use crate::{
    app::App,
    blob::{
        digest::Algorithm,
        disk::{Resumed, Staged},
    },
    db::types::UploadId,
    error::{Code, Error, Result},
};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use std::sync::Arc;

/// What a request says about the bytes it brings.
#[derive(Debug, Clone, Default)]
pub(super) struct Append {
    /// `Upload-Offset`.
    pub(super) offset: i64,
    /// `Upload-Length`, when it comes only now.
    pub(super) length: Option<i64>,
    /// `Repr-Digest`, when it comes only now.
    pub(super) sha256: Option<String>,
    /// `Upload-Checksum` of this body.
    pub(super) checksum: Option<(Algorithm, Vec<u8>)>,
    /// `Content-Length`; absent when chunked.
    pub(super) content_length: Option<i64>,
}

/// Appends a body, whose beginning `begun` may hold, to an upload of this owner.
///
/// # Errors
/// What can be told before any byte was read; what happens afterwards is in [`Ended`].
pub(super) async fn append<S>(
    app: &Arc<App>,
    owner: &str,
    id: UploadId,
    with: Append,
    begun: Tray,
    body: Source<S>,
) -> Result<Ended>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let key = owner.to_owned();
    let row = app.db.read(move |db| actions::own(db, &key, id)).await?;
    if let Some(ended) = closed(app, &row, &with).await? {
        return Ok(ended);
    }
    fits(&row, &with)?;
    let _place = app.uploads.place(owner)?;
    let guard = app.uploads.take(id, Claim::WriteAt(with.offset)).await?;
    let key = owner.to_owned();
    let row = app.db.read(move |db| actions::own(db, &key, id)).await?;
    if row.state != UploadState::Open.as_str() {
        drop(guard);
        let ended = closed(app, &row, &with).await?;
        return ended.ok_or_else(|| Code::UploadFinalizing.into());
    }
    if row.durable_offset != with.offset {
        return Ok(Ended::Refused(Code::OffsetMismatch.into(), row.durable_offset));
    }
    fits(&row, &with)?;
    let room = room(app, &row, &with).await?;
    let (guard, row, file) = own_it(app, guard, row, &with).await?;
    let writer = Writer::new(app.clone(), guard, row, file, begun, room);
    let writer = with.checksum.into_iter().fold(writer, Writer::checked);
    actix_web::rt::spawn(writer.run(body)).await.map_err(Error::internal)
}

/// How many bytes more its owner may bring to this upload, as far as its length is not settled yet.
async fn room(app: &App, row: &UploadRow, with: &Append) -> Result<i64> {
    if row.length.is_some() {
        return Ok(i64::MAX);
    }
    let (owner, own) = (row.owner.clone(), row.durable_offset);
    let held = app.db.read(move |db| actions::held_by(db, &owner)).await?;
    let quota = i64::try_from(app.config.quota_bytes).unwrap_or(i64::MAX);
    let room = quota.saturating_sub(held).max(0);
    if with.length.is_some_and(|length| length - own > room) {
        return Err(Code::UploadQuotaExceeded.into());
    }
    Ok(room)
}

/// The answer of an upload that takes no more bytes; `None` when it does.
async fn closed(app: &Arc<App>, row: &UploadRow, with: &Append) -> Result<Option<Ended>> {
    let complete = row.length.unwrap_or(row.durable_offset);
    match row.state.parse()? {
        UploadState::Open => return Ok(None),
        UploadState::Accepted | UploadState::Finalizing => {}
        _ => return Err(Code::UploadGone.into()),
    }
    if with.offset != complete {
        return Ok(Some(Ended::Refused(Code::OffsetMismatch.into(), complete)));
    }
    // Only a repeat of the last request, whose answer was lost, makes sense here: it brings no bytes.
    if with.content_length != Some(0) {
        return Ok(Some(Ended::Refused(Code::LengthExceeded.into(), complete)));
    }
    if let (UploadState::Accepted, Some(evidence)) = (row.state.parse()?, row.evidence_id) {
        let sha256 = row.actual_sha256.clone().unwrap_or_default();
        return Ok(Some(Ended::Decided(Verdict::Accepted { evidence, sha256 })));
    }
    let guard = app.uploads.take(row.id, Claim::Over).await?;
    Ok(Some(Ended::Decided(await_verdict(app, guard, row.clone()).await?)))
}

/// Refuses what can't fit before anything is read or anybody is stopped.
fn fits(row: &UploadRow, with: &Append) -> Result<()> {
    if let (Some(known), Some(said)) = (row.length, with.length)
        && known != said
    {
        return Err(Code::TusHeaderInvalid.with("Upload-Length: was set to another value"));
    }
    let length = row.length.or(with.length);
    if with.length.is_some_and(|length| length < with.offset) {
        return Err(Code::TusHeaderInvalid.with("Upload-Length: less than what is here already"));
    }
    one_digest(row.declared_sha256.as_deref(), with.sha256.clone())?;
    let rest = length.map_or(i64::MAX, |length| length - with.offset);
    if with.content_length.is_some_and(|body| body > rest) && with.offset <= length.unwrap_or(i64::MAX) {
        return Err(Code::LengthExceeded.into());
    }
    Ok(())
}

/// Makes this process the writer: claims the row where another wrote last, sets what creation left open, opens the file
/// at its durable offset.
async fn own_it(app: &Arc<App>, mut guard: Guard, row: UploadRow, with: &Append) -> Result<(Guard, UploadRow, Staged)> {
    let id = row.id;
    let mut row = row;
    if guard.held.epoch != Some(row.writer_epoch) {
        row = app.db.write(move |tx| actions::claim(tx, id)).await?;
        guard.held.epoch = Some(row.writer_epoch);
        if row.durable_offset != with.offset {
            return Err(Code::OffsetMismatch.into());
        }
    }
    let sha256 = one_digest(row.declared_sha256.as_deref(), with.sha256.clone())?;
    if row.length.is_none() && with.length.is_some() || row.declared_sha256 != sha256 {
        if with.length.is_some_and(|length| too_long(app, length)) {
            return Err(Code::UploadTooLarge.into());
        }
        (row.length, row.declared_sha256) = (row.length.or(with.length), sha256);
        let termed = row.clone();
        app.db.write(move |tx| actions::complete_terms(tx, &termed)).await?;
    }
    let (disk, offset) = (app.blobs.clone(), u64::try_from(row.durable_offset).map_err(Error::internal)?);
    match blocking(move || disk.resume(&id.to_string(), offset)).await? {
        Resumed::Ready(file) => {
            guard.held.checked = true;
            Ok((guard, row, file))
        }
        Resumed::Lost => {
            tracing::error!(upload = %id, offset, "acknowledged bytes are missing on the disk");
            app.db.write(move |tx| actions::lose(tx, id)).await?;
            Err(Code::UploadGone.into())
        }
    }
}

/// Whether a file of this length is more than the settings allow.
pub(super) fn too_long(app: &App, length: i64) -> bool {
    u64::try_from(length).is_ok_and(|length| length > app.config.max_upload_bytes)
}
