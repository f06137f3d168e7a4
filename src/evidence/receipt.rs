//! What the server signs about a file that it has: whoever holds the receipt may remove the original (GA/T 947 docking
//! stations clear a camera only after its files were verified).

use super::store::EvidenceRow;
use crate::{
    db::types::EvidenceId,
    error::{Code, Error, Result},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The claims of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileReceipt {
    /// The piece of evidence.
    pub evidence_id: EvidenceId,
    /// SHA-256 of the stored bytes, hexadecimal.
    pub sha256: String,
    /// Their number.
    pub size: u64,
    /// When they were accepted.
    pub stored_at: DateTime<Utc>,
    /// When they were last read back from the store and had this digest.
    pub verified_at: DateTime<Utc>,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Always `chengguan`.
    pub aud: String,
}

impl FileReceipt {
    /// The receipt of a stored file.
    ///
    /// # Errors
    /// `evidence_not_stored`.
    pub fn of(row: &EvidenceRow, verified_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<FileReceipt> {
        Ok(FileReceipt {
            evidence_id: row.id,
            sha256: row.sha256.clone(),
            size: u64::try_from(row.size).map_err(Error::internal)?,
            stored_at: row.stored_at.ok_or(Code::EvidenceNotStored)?.0,
            verified_at,
            iat: now.timestamp(),
            aud: "chengguan".into(),
        })
    }
}
