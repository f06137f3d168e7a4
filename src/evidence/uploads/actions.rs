//! What happens to an upload's row, in an open transaction. Files are handled before or after, never inside.

use super::{
    rules::{self, IDEMPOTENT_FOR, KEEP_FOR, LEAST_HELD, UploadState},
    store::{self, Progress, UploadRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, EvidenceId, UploadId},
    },
    error::{Code, Error, Result},
    evidence::{
        actions::{self as evidence, Arrived},
        media::Facts,
        rules::{NewEvidence, Owner, Viewer},
    },
    identity::standing,
};

/// What a creation asked for.
#[derive(Debug, Clone)]
pub(super) struct Creation {
    pub(super) owner: Owner,
    pub(super) viewer: Viewer,
    pub(super) length: Option<i64>,
    pub(super) metadata: String,
    pub(super) said: NewEvidence,
    pub(super) sha256: Option<String>,
    pub(super) key: Option<String>,
    /// Bytes that unfinished uploads of one owner may hold.
    pub(super) quota: u64,
}

impl Creation {
    fn row(&self, tx: &Tx, id: UploadId) -> UploadRow {
        UploadRow {
            id,
            owner: self.owner.key(),
            device_id: self.owner.device_id,
            user_id: self.owner.user_id,
            length: self.length,
            durable_offset: 0,
            metadata: self.metadata.clone(),
            declared_sha256: self.sha256.clone(),
            idempotency_key: self.key.clone(),
            filename: self.said.filename.clone(),
            media_type: Some(self.said.media_type.clone()),
            state: UploadState::Open.to_string(),
            writer_epoch: 0,
            evidence_id: None,
            actual_sha256: None,
            created_at: At(tx.now),
            progressed_at: At(tx.now),
            expires_at: At(tx.now + KEEP_FOR),
        }
    }
}

/// How a creation may be answered.
pub(super) enum Planned {
    /// With an upload that is there already: the first answer was lost, or the same file comes again.
    Existing(Box<UploadRow>),
    /// With a complete one: the bytes are here, and the caller may see them.
    Complete(EvidenceId),
    /// With a new one.
    Fresh,
}

/// Finds out whether a creation needs a new file.
///
/// # Errors
/// `idempotency_mismatch`.
pub(super) fn plan(db: &mut Db, now: At, asked: &Creation) -> Result<Planned> {
    let since = At(now.0 - IDEMPOTENT_FOR);
    let owner = asked.owner.key();
    if let Some(known) = live_by_key(db, &owner, asked.key.as_deref(), since)? {
        let same =
            known.length == asked.length && known.declared_sha256 == asked.sha256 && known.metadata == asked.metadata;
        // A deferred length or digest may have been set meanwhile; what was said at creation is all that can be compared.
        let later = asked.length.is_none() && known.metadata == asked.metadata;
        return if same || later {
            Ok(Planned::Existing(Box::new(known)))
        } else {
            Err(Code::IdempotencyMismatch.into())
        };
    }
    if let (Some(sha256), Some(length)) = (&asked.sha256, asked.length) {
        if let Some(known) = store::upload_by_digest(db, &owner, sha256, length, since)? {
            return Ok(Planned::Existing(Box::new(known)));
        }
        if let Some(row) = evidence::at_hand(db, &asked.viewer, sha256)?
            && row.size == length
        {
            return Ok(Planned::Complete(row.id));
        }
    }
    let held = held_by(db, &owner)?.saturating_add(asked.length.unwrap_or_default());
    if u64::try_from(held).is_ok_and(|held| held > asked.quota) {
        return Err(Code::UploadQuotaExceeded.into());
    }
    Ok(Planned::Fresh)
}

/// Bytes that this owner's unfinished uploads hold or may come to hold. Each counts for something, or empty ones without
/// end would be free.
///
/// # Errors
/// The engine's own.
pub(super) fn held_by(db: &mut Db, owner: &str) -> Result<i64> {
    let held = store::uploads_held(db, owner)?;
    Ok(held.iter().fold(0, |sum, (length, offset)| sum.saturating_add(length.unwrap_or(*offset).max(LEAST_HELD))))
}

/// On whose behalf whoever holds an upload's own key may go on with it. The key stands in for a token that has run out,
/// not for a right that was taken away.
///
/// # Errors
/// `not_found`, `device_revoked` or `account_disabled`.
pub(super) fn holder(db: &mut Db, id: UploadId) -> Result<String> {
    let row = any(db, id)?;
    match standing::ended(db, row.device_id, row.user_id)?.first() {
        Some((code, _)) => Err((*code).into()),
        None => Ok(row.owner),
    }
}

fn live_by_key(db: &mut Db, owner: &str, key: Option<&str>, since: At) -> Result<Option<UploadRow>> {
    let Some(key) = key else { return Ok(None) };
    Ok(store::upload_by_key(db, owner, key)?.filter(|row| row.created_at > since && !is_dead(row)))
}

/// Whether an upload can come to nothing any more.
pub(super) fn is_dead(row: &UploadRow) -> bool {
    !matches!(row.state.as_str(), "open" | "finalizing" | "accepted")
}

/// Records a new upload, whose empty file is on the disk when the plan says `Fresh`; names the evidence at once when its
/// digest is known, so that people see what is on its way. Says whether the file is needed.
///
/// # Errors
/// As [`plan`].
pub(super) fn create(tx: &mut Tx, id: UploadId, asked: &Creation) -> Result<(UploadRow, bool)> {
    let plan = plan(tx.db, At(tx.now), asked)?;
    if let Planned::Existing(row) = plan {
        return Ok((*row, false));
    }
    free_key(tx, asked)?;
    let mut row = asked.row(tx, id);
    if let (Some(sha256), Some(size)) = (&asked.sha256, asked.length) {
        evidence::declare(tx, &asked.owner, NewEvidence { sha256: sha256.clone(), size, ..asked.said.clone() })?;
    }
    let complete = matches!(plan, Planned::Complete(_));
    if let Planned::Complete(evidence) = plan {
        row.state = UploadState::Accepted.to_string();
        row.durable_offset = asked.length.unwrap_or_default();
        (row.evidence_id, row.actual_sha256) = (Some(evidence), asked.sha256.clone());
    }
    store::upload_add(tx.db, &row)?;
    Ok((row, !complete))
}

/// A key whose upload is dead or more than a day old is free again.
fn free_key(tx: &mut Tx, asked: &Creation) -> Result<()> {
    if let Some(key) = &asked.key
        && let Some(old) = store::upload_by_key(tx.db, &asked.owner.key(), key)?
    {
        store::upload_forget_key(tx.db, old.id)?;
    }
    Ok(())
}

/// An upload of this owner.
///
/// # Errors
/// `not_found`, also for others' uploads.
pub(super) fn own(db: &mut Db, owner: &str, id: UploadId) -> Result<UploadRow> {
    store::upload_get(db, id)?.filter(|row| row.owner == owner).ok_or_else(|| Error::not_found("upload"))
}

/// An upload, whoever owns it.
///
/// # Errors
/// `not_found`.
pub(super) fn any(db: &mut Db, id: UploadId) -> Result<UploadRow> {
    store::upload_get(db, id)?.ok_or_else(|| Error::not_found("upload"))
}

/// Takes an open upload over from every other process.
///
/// # Errors
/// `upload_gone` when it is open no more.
pub(super) fn claim(tx: &mut Tx, id: UploadId) -> Result<UploadRow> {
    store::upload_claim(tx.db, id)?.ok_or_else(|| Code::UploadGone.into())
}

/// Moves the durable offset to `to`, after the bytes were synced. False: another process has taken over, stop.
///
/// # Errors
/// The engine's own.
pub(super) fn progress(tx: &mut Tx, row: &UploadRow, to: i64) -> Result<bool> {
    let full = row.length == Some(to);
    store::upload_progress(
        tx.db,
        &Progress {
            id: row.id,
            epoch: row.writer_epoch,
            from: row.durable_offset,
            to,
            state: if full { UploadState::Finalizing } else { UploadState::Open }.as_str(),
            at: At(tx.now),
            expires_at: At(tx.now + KEEP_FOR),
        },
    )
}

/// Sets a length or digest that creation had left open.
///
/// # Errors
/// `offset_mismatch` when another process has taken over.
pub(super) fn complete_terms(tx: &mut Tx, row: &UploadRow) -> Result<()> {
    let set =
        store::upload_complete_terms(tx.db, row.id, row.writer_epoch, row.length, row.declared_sha256.as_deref())?;
    if set { Ok(()) } else { Err(Code::OffsetMismatch.into()) }
}

/// Remembers the digest of an upload that declared none, before its file is moved.
///
/// # Errors
/// The engine's own.
pub(super) fn set_actual(tx: &mut Tx, id: UploadId, sha256: &str) -> Result<()> {
    store::upload_set_actual(tx.db, id, sha256)
}

/// The file has fewer bytes than were acknowledged: no more may be built on it.
///
/// # Errors
/// The engine's own.
pub(super) fn lose(tx: &mut Tx, id: UploadId) -> Result<()> {
    store::upload_move(tx.db, id, &["open", "finalizing"], UploadState::Lost.as_str()).map(|_| ())
}

/// The bytes have another digest than declared.
///
/// # Errors
/// The engine's own.
pub(super) fn reject(tx: &mut Tx, id: UploadId, actual: &str) -> Result<()> {
    store::upload_set_actual(tx.db, id, actual)?;
    store::upload_move(tx.db, id, &["finalizing"], UploadState::Rejected.as_str()).map(|_| ())
}

/// Its owner gives it up.
///
/// # Errors
/// `evidence_accepted`, or `upload_gone` when it is dead already.
pub(super) fn remove(tx: &mut Tx, id: UploadId) -> Result<()> {
    if store::upload_move(tx.db, id, &["open", "rejected"], UploadState::Removed.as_str())? {
        return Ok(());
    }
    match any(tx.db, id)?.state.parse()? {
        UploadState::Accepted => Err(Code::EvidenceAccepted.into()),
        UploadState::Finalizing => Err(Code::UploadFinalizing.into()),
        _ => Err(Code::UploadGone.into()),
    }
}

/// The verified file becomes evidence, with everything that depends on it. Another process may have been quicker; then
/// its result is the result.
///
/// # Errors
/// The engine's own.
pub(super) fn accept(tx: &mut Tx, id: UploadId, sha256: &str, size: i64, facts: Facts) -> Result<EvidenceId> {
    let row = any(tx.db, id)?;
    if let (Ok(UploadState::Accepted), Some(evidence)) = (row.state.parse(), row.evidence_id) {
        return Ok(evidence);
    }
    let known = become_evidence(tx, &row, sha256, size, facts)?;
    if store::upload_accept(tx.db, id, known, sha256)? { Ok(known) } else { Err(Code::UploadGone.into()) }
}

/// As [`create`] and [`accept`] at once, for a file that came whole with its creation and lies among the originals. Gives
/// the row that answers the creation.
///
/// # Errors
/// As [`plan`].
pub(super) fn create_accepted(
    tx: &mut Tx,
    id: UploadId,
    asked: &Creation,
    sha256: &str,
    facts: Facts,
) -> Result<UploadRow> {
    if let Planned::Existing(row) = plan(tx.db, At(tx.now), asked)? {
        return Ok(*row);
    }
    free_key(tx, asked)?;
    let mut row = asked.row(tx, id);
    row.state = UploadState::Accepted.to_string();
    row.durable_offset = asked.length.unwrap_or_default();
    row.actual_sha256 = Some(sha256.to_owned());
    row.evidence_id = Some(become_evidence(tx, &row, sha256, row.durable_offset, facts)?);
    store::upload_add(tx.db, &row)?;
    Ok(row)
}

/// Records the verified bytes of an upload as evidence. What became of its sender in the meantime is looked at now: it
/// does not make the bytes less true, but it must be seen.
fn become_evidence(tx: &mut Tx, row: &UploadRow, sha256: &str, size: i64, facts: Facts) -> Result<EvidenceId> {
    let sender = Owner { device_id: row.device_id, user_id: row.user_id };
    // It was readable at creation; a reader that has become stricter since must not lose the upload.
    let said = rules::declaration(&row.metadata).unwrap_or_default();
    let media_type = row.media_type.clone().unwrap_or_else(|| facts.media_type.to_owned());
    let said = NewEvidence { sha256: sha256.to_owned(), size, media_type, ..said };
    let ended = standing::ended(tx.db, row.device_id, row.user_id)?;
    let doubts = ended.into_iter().map(|(code, at)| (code.as_str(), at.0.to_rfc3339())).collect();
    let before = evidence::audience_of(tx.db, sha256)?;
    Ok(evidence::store_bytes(tx, Arrived { said, facts, sender, before, doubts })?.id)
}
