//! Capture records as JSON: the answer to a device, and what people see.

use super::{
    rules::{Beacon, CaptureStatus, Content, Flag, Medium, Record},
    store::CaptureRow,
};
use crate::{
    db::types::{CaptureId, DeviceId},
    error::{Error, Result},
    identity::rules::text_enum,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

impl CaptureRow {
    /// What was found wrong with it.
    ///
    /// # Errors
    /// `internal`, when the row is damaged.
    pub fn flags(&self) -> Result<Vec<Flag>> {
        Vec::deserialize(&self.findings.0).map_err(Error::internal)
    }

    fn status(&self) -> Result<CaptureStatus> {
        self.status.parse()
    }
}

/// What a device sends.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CapturesRequest {
    /// Signed records in canonical form, at most 100; their bytes are kept as they come. See `api-spec/captures.md`.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<Box<RawValue>>,
}

/// What became of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CapturesResponse {
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// One for each record, in their order. Each is kept, whatever was found.
    pub results: Vec<CaptureResult>,
    /// The log's newest checkpoint: to be named in records from now on. Null while the log is empty.
    pub beacon: Option<Beacon>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaptureResult {
    /// Of the bytes that came, lower-case hexadecimal.
    pub sha256: String,
    /// What became of it.
    pub status: CaptureStatus,
    /// It was here before; this is how it stands now.
    pub duplicate: bool,
    /// What was found wrong.
    pub findings: Vec<Flag>,
    /// It was made after this; null when nothing proves that.
    pub lower_at: Option<DateTime<Utc>>,
    /// And before this.
    pub upper_at: DateTime<Utc>,
}

impl CaptureResult {
    pub(super) fn of(row: &CaptureRow, duplicate: bool) -> Result<CaptureResult> {
        Ok(CaptureResult {
            sha256: row.sha256.clone(),
            status: row.status()?,
            duplicate,
            findings: row.flags()?,
            lower_at: row.lower_at.map(|at| at.0),
            upper_at: row.received_at.0,
        })
    }
}

/// A capture record for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Capture {
    /// Its id.
    pub id: CaptureId,
    /// The device that signed it; when it can't be told, the one that sent it.
    pub device_id: DeviceId,
    /// The label on it.
    pub device_name: String,
    /// What became of it.
    pub status: CaptureStatus,
    /// Whether the device's key signed it.
    pub signed: bool,
    /// The device's epoch.
    pub epoch: Option<i32>,
    /// Its number there.
    pub seq: Option<i64>,
    /// Of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// `action`, `ingest`, …; null for bytes that are no record.
    pub r#type: Option<String>,
    /// The files it names.
    pub media: Vec<Medium>,
    /// What the device's clock said; never corrected.
    pub wall_at: Option<DateTime<Utc>>,
    /// 拍摄时间可证区间: it was made after this; null when nothing proves that.
    pub lower_at: Option<DateTime<Utc>>,
    /// And before this, when it came.
    pub upper_at: DateTime<Utc>,
    /// What was found wrong.
    pub findings: Vec<Flag>,
    /// Its bytes, to be verified.
    #[schema(value_type = Object)]
    pub record: Box<RawValue>,
}

impl Capture {
    pub(super) fn of(row: CaptureRow, device_name: String) -> Result<Capture> {
        let content: Option<Content> = Record::read(&row.raw).ok().map(|record| record.content);
        let text = String::from_utf8(row.raw.clone()).map_err(Error::internal)?;
        // A number that no reader can hold would make the whole page unreadable.
        let readable = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let text = if readable { text } else { serde_json::to_string(&text).map_err(Error::internal)? };
        Ok(Capture {
            id: row.id,
            device_id: row.device_id,
            device_name,
            status: row.status()?,
            signed: row.seq.is_some(),
            epoch: row.epoch,
            seq: row.seq,
            sha256: row.sha256.clone(),
            r#type: content.as_ref().map(|content| content.r#type.clone()),
            wall_at: content.as_ref().and_then(|content| DateTime::from_timestamp_millis(content.wall_ms)),
            media: content.map(|content| content.media).unwrap_or_default(),
            lower_at: row.lower_at.map(|at| at.0),
            upper_at: row.received_at.0,
            findings: row.flags()?,
            record: RawValue::from_string(text).map_err(Error::internal)?,
        })
    }
}

/// How a device's chains stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainStatus {
    /// The device.
    pub device_id: DeviceId,
    /// The label on it.
    pub device_name: String,
    /// Well-signed records, forks included.
    pub records: i64,
    /// What came under its name and is kept apart.
    pub quarantined: i64,
    /// Records that are known to be missing.
    pub missing: i64,
    /// Numbers that two records bear.
    pub forks: i64,
    /// Records that were changed after the next one had been made.
    pub edited: i64,
    /// Oldest first. Of gaps, forks and edits, at most a thousand each are listed and counted.
    pub epochs: Vec<ChainEpoch>,
}

/// The chain of one epoch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainEpoch {
    /// The epoch; 0 for what a store signed before it was told one.
    pub epoch: i32,
    /// On what its first record was made.
    pub begins: Begins,
    /// Well-signed records, forks included.
    pub records: i64,
    /// The highest number.
    pub last_seq: i64,
    /// The hash of the record that bears it.
    pub last_sha256: String,
    /// When that came.
    pub last_received_at: Option<DateTime<Utc>>,
    /// Numbers that are missing.
    pub gaps: Vec<Span>,
    /// Numbers that two records bear.
    pub forks: Vec<i64>,
    /// Numbers whose record was changed.
    pub edited: Vec<i64>,
}

text_enum! {
    /// On what the first record of an epoch was made.
    Begins {
        /// On nothing: a new device, or a store that was wiped.
        Genesis = "genesis",
        /// On the end of an earlier epoch.
        Linked = "linked",
        /// It is missing, or what it was made on.
        Missing = "missing",
    }
}

/// Numbers, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Span {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
}
