//! Rows of uploads. Every write that a writer makes names the epoch and the offset it started from.

use crate::{
    db::{
        Db,
        schema::uploads,
        types::{At, DeviceId, EvidenceId, UploadId, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// An upload.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads)]
pub struct UploadRow {
    /// Its id; also the name of its file.
    pub id: UploadId,
    /// Audience key of whoever made it.
    pub owner: String,
    /// The device of the owner.
    pub device_id: Option<DeviceId>,
    /// The owner, when it is a person.
    pub user_id: Option<UserId>,
    /// Bytes; absent while deferred.
    pub length: Option<i64>,
    /// Bytes that are known to survive a power cut.
    pub durable_offset: i64,
    /// `Upload-Metadata` as it came.
    pub metadata: String,
    /// SHA-256 of the whole file as declared, lower-case hexadecimal.
    pub declared_sha256: Option<String>,
    /// `Idempotency-Key` of its creation.
    pub idempotency_key: Option<String>,
    /// The name to show.
    pub filename: Option<String>,
    /// As declared.
    pub media_type: Option<String>,
    /// See `rules::UploadState`.
    pub state: String,
    /// Rises with each process that takes the upload over.
    pub writer_epoch: i64,
    /// What it became.
    pub evidence_id: Option<EvidenceId>,
    /// SHA-256 of the stored bytes.
    pub actual_sha256: Option<String>,
    /// When it was made.
    pub created_at: At,
    /// When bytes last became durable.
    pub progressed_at: At,
    /// When it is given up.
    pub expires_at: At,
}

pub(super) fn upload_add(db: &mut Db, row: &UploadRow) -> Result<()> {
    diesel::insert_into(uploads::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn upload_get(db: &mut Db, id: UploadId) -> Result<Option<UploadRow>> {
    Ok(uploads::table.find(id).select(UploadRow::as_select()).get_result(db).optional()?)
}

pub(super) fn upload_by_key(db: &mut Db, owner: &str, key: &str) -> Result<Option<UploadRow>> {
    Ok(uploads::table
        .filter(uploads::owner.eq(owner))
        .filter(uploads::idempotency_key.eq(key))
        .select(UploadRow::as_select())
        .get_result(db)
        .optional()?)
}

/// The newest upload of the same owner, digest and length that is not dead.
pub(super) fn upload_by_digest(
    db: &mut Db,
    owner: &str,
    sha256: &str,
    length: i64,
    since: At,
) -> Result<Option<UploadRow>> {
    Ok(uploads::table
        .filter(uploads::owner.eq(owner))
        .filter(uploads::declared_sha256.eq(sha256))
        .filter(uploads::length.eq(length))
        .filter(uploads::created_at.gt(since))
        // Not `eq_any`: such a statement would be prepared anew for each photo.
        .filter(uploads::state.eq("open").or(uploads::state.eq("finalizing")).or(uploads::state.eq("accepted")))
        .order(uploads::id.desc())
        .select(UploadRow::as_select())
        .first(db)
        .optional()?)
}

/// Length, if known, and durable offset of this owner's uploads that hold space.
pub(super) fn uploads_held(db: &mut Db, owner: &str) -> Result<Vec<(Option<i64>, i64)>> {
    Ok(uploads::table
        .filter(uploads::owner.eq(owner))
        .filter(uploads::state.eq("open").or(uploads::state.eq("finalizing")).or(uploads::state.eq("rejected")))
        .select((uploads::length, uploads::durable_offset))
        .load(db)?)
}

/// How many uploads are in this state.
pub(super) fn uploads_count(db: &mut Db, state: &str) -> Result<i64> {
    Ok(uploads::table.filter(uploads::state.eq(state)).count().get_result(db)?)
}

pub(super) fn upload_forget_key(db: &mut Db, id: UploadId) -> Result<()> {
    diesel::update(uploads::table.find(id)).set(uploads::idempotency_key.eq(None::<String>)).execute(db)?;
    Ok(())
}

/// Takes an open upload over from any other process; `None` when it is not open.
pub(super) fn upload_claim(db: &mut Db, id: UploadId) -> Result<Option<UploadRow>> {
    let open = uploads::table.filter(uploads::id.eq(id)).filter(uploads::state.eq("open"));
    let claimed = diesel::update(open).set(uploads::writer_epoch.eq(uploads::writer_epoch + 1)).execute(db)?;
    if claimed == 0 { Ok(None) } else { upload_get(db, id) }
}

/// What a writer records about its upload; fenced by epoch and offset.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) id: UploadId,
    pub(super) epoch: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) state: &'static str,
    pub(super) at: At,
    pub(super) expires_at: At,
}

/// Moves the durable offset; false when another process has taken over.
pub(super) fn upload_progress(db: &mut Db, step: &Progress) -> Result<bool> {
    let own = uploads::table
        .filter(uploads::id.eq(step.id))
        .filter(uploads::state.eq("open"))
        .filter(uploads::writer_epoch.eq(step.epoch))
        .filter(uploads::durable_offset.eq(step.from));
    let moved = diesel::update(own)
        .set((
            uploads::durable_offset.eq(step.to),
            uploads::state.eq(step.state),
            uploads::progressed_at.eq(step.at),
            uploads::expires_at.eq(step.expires_at),
        ))
        .execute(db)?;
    Ok(moved > 0)
}

/// Sets what was left open at creation: the length, the digest. False when another process has taken over.
pub(super) fn upload_complete_terms(
    db: &mut Db,
    id: UploadId,
    epoch: i64,
    length: Option<i64>,
    sha256: Option<&str>,
) -> Result<bool> {
    let own = uploads::table
        .filter(uploads::id.eq(id))
        .filter(uploads::state.eq("open"))
        .filter(uploads::writer_epoch.eq(epoch));
    let set = diesel::update(own).set((uploads::length.eq(length), uploads::declared_sha256.eq(sha256))).execute(db)?;
    Ok(set > 0)
}

/// Remembers the digest of a file that is about to be moved, so that a crash in between loses nothing.
pub(super) fn upload_set_actual(db: &mut Db, id: UploadId, sha256: &str) -> Result<()> {
    diesel::update(uploads::table.find(id)).set(uploads::actual_sha256.eq(sha256)).execute(db)?;
    Ok(())
}

/// Moves an upload from one of `from` to `to`; false when it was in none of them.
pub(super) fn upload_move(db: &mut Db, id: UploadId, from: &[&str], to: &str) -> Result<bool> {
    let there = uploads::table.filter(uploads::id.eq(id)).filter(uploads::state.eq_any(from.iter().copied()));
    Ok(diesel::update(there).set(uploads::state.eq(to)).execute(db)? > 0)
}

/// Marks an upload as what it became; false when it was decided already.
pub(super) fn upload_accept(db: &mut Db, id: UploadId, evidence: EvidenceId, sha256: &str) -> Result<bool> {
    let there = uploads::table.filter(uploads::id.eq(id)).filter(uploads::state.eq("finalizing"));
    let accepted = diesel::update(there)
        .set((uploads::state.eq("accepted"), uploads::evidence_id.eq(evidence), uploads::actual_sha256.eq(sha256)))
        .execute(db)?;
    Ok(accepted > 0)
}

/// The ids of uploads that may be given up.
pub(super) fn uploads_due(db: &mut Db, now: At, limit: i64) -> Result<Vec<UploadId>> {
    Ok(uploads::table
        .filter(uploads::state.eq_any(["open", "rejected"]))
        .filter(uploads::expires_at.le(now))
        .order(uploads::expires_at.asc())
        .limit(limit)
        .select(uploads::id)
        .load(db)?)
}

/// Gives an upload up, if that is still due.
pub(super) fn upload_expire(db: &mut Db, id: UploadId, now: At) -> Result<bool> {
    let due = uploads::table
        .filter(uploads::id.eq(id))
        .filter(uploads::state.eq_any(["open", "rejected"]))
        .filter(uploads::expires_at.le(now));
    Ok(diesel::update(due).set(uploads::state.eq("expired")).execute(db)? > 0)
}

/// Forgets dead uploads whose last progress was before `before`.
pub(super) fn uploads_forget(db: &mut Db, before: At) -> Result<usize> {
    let dead = uploads::table
        .filter(uploads::state.eq_any(["lost", "removed", "expired"]))
        .filter(uploads::expires_at.le(before));
    Ok(diesel::delete(dead).execute(db)?)
}

pub(super) fn uploads_in(db: &mut Db, state: &str) -> Result<Vec<UploadId>> {
    Ok(uploads::table.filter(uploads::state.eq(state)).order(uploads::id.asc()).select(uploads::id).load(db)?)
}

/// Which of these still need their file.
pub(super) fn uploads_with_file(db: &mut Db, ids: &[UploadId]) -> Result<Vec<UploadId>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(500) {
        found.extend(
            uploads::table
                .filter(uploads::id.eq_any(chunk))
                .filter(uploads::state.eq_any(["open", "finalizing", "rejected", "lost"]))
                .select(uploads::id)
                .load::<UploadId>(db)?,
        );
    }
    Ok(found)
}
