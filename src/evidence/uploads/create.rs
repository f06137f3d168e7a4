//! Creating an upload: everything that can be refused is refused before a byte travels.

use super::{
    actions::{self, Creation, Planned},
    append::too_long,
    finish::{blocking, discard},
    rules::UploadState,
    store::UploadRow,
};
use crate::{
    app::App,
    db::types::{At, UploadId},
    error::{Code, Result},
};

/// The upload that answers a creation, and whether it is new. Its file is durable before its row is, and its row before
/// anyone is told.
///
/// # Errors
/// `upload_too_large` for the settings or the disk, `idempotency_mismatch`.
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
                disk.stage(&id.to_string()).map(|()| true)
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
