//! The words of sync, shared by the server and the clients in this crate; `api-spec/sync.md` explains them.
//!
//! The envelope ignores fields it does not know: an old server must take the push of a newer app. An operation's own
//! arguments are strict, because a misread field there would be work misread.

use crate::{
    db::types::{CaseId, ConflictId, DeviceId, OpId, SessionId, UserId},
    identity::rules::text_enum,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The protocol version of this module.
pub const PROTOCOL: u32 = 1;
/// The most operations a push may carry.
pub const MAX_OPS: usize = 200;
/// The largest push, bytes of JSON.
pub const MAX_PUSH_BYTES: usize = 1024 * 1024;

/// `POST /api/v1/sync/push`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PushRequest {
    /// [`PROTOCOL`].
    #[schema(minimum = 1, maximum = 1)]
    pub protocol: u32,
    /// Name and version of the client, `pwa/2.4.1`.
    pub app: String,
    /// The sender.
    pub device: DeviceId,
    /// The epoch it numbers its operations in.
    pub epoch: i32,
    /// Which try to push this is, counted on the device per epoch from 1 and kept there before it is sent: a copy of
    /// the device's store betrays itself by a number that was used already.
    #[schema(minimum = 1)]
    pub attempt: i64,
    /// The last `push_token` that an answer brought in this epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
    /// What the device's clock says.
    pub clock: Clock,
    /// What waits on the device.
    pub outbox: Outbox,
    /// How the device is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The operations, oldest first, at most [`MAX_OPS`]; each an [`Op`].
    #[schema(value_type = Vec<Op>)]
    pub ops: Vec<Box<RawValue>>,
}

/// A device's clock at the moment of a push.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Clock {
    /// Wall clock.
    pub wall: DateTime<Utc>,
    /// Monotonic clock, milliseconds since boot.
    pub mono_ms: i64,
    /// Which boot the monotonic clock counts from.
    pub boot: String,
    /// Last measured difference to the server, milliseconds (device − server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<i64>,
    /// How old that measurement is, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_age_s: Option<i64>,
}

/// What waits on a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Outbox {
    /// How many operations wait, those of this push included.
    pub depth: i64,
    /// When the oldest of them was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<DateTime<Utc>>,
    /// The highest sequence number given out in this epoch.
    pub high_seq: i64,
}

/// How a device is, for the health board.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether the browser promised to keep its storage (`navigator.storage.persisted()`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_persisted: Option<bool>,
    /// Files that wait for their upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_waiting: Option<i64>,
    /// The cursor up to which the device has read; the server need not keep older changes for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The last comparison of digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestCheck>,
}

/// What comparing the server's digests with the device's own records gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DigestCheck {
    /// When, by the device's clock.
    pub at: DateTime<Utc>,
    /// Whether all keys agreed.
    pub matched: bool,
}

/// One thing a person did, as the device wrote it down. Immutable but for its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Op {
    /// UUIDv7, made once; the idempotency key.
    pub op_id: OpId,
    /// Dense per epoch; a label, no part of what the person did.
    pub seq: i64,
    /// The labels it had before its device began new epochs, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
    /// `case.handle` and so on.
    pub r#type: String,
    /// Version of the type, from 1.
    pub v: i32,
    /// The record it acts on; for a new record, an id the device made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What the person saw when they acted; absent for operations that only add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Operations that must have been applied before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<OpId>,
    /// Who acted.
    pub actor: UserId,
    /// The session they acted in.
    pub session: SessionId,
    /// When, by the device's clock.
    pub occurred_at: DateTime<Utc>,
    /// When, by the device's monotonic clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mono_ms: Option<i64>,
    /// Which boot `mono_ms` counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
    /// Photos and videos that belong to it; their bytes follow on their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceRef>,
    /// What the type needs.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub args: serde_json::Value,
}

impl Op {
    /// Whether two operations say the same; their labels may differ, because a new epoch numbers anew.
    pub fn same_payload(&self, other: &Op) -> bool {
        let bare = |op: &Op| Op { seq: 0, was: None, ..op.clone() };
        bare(self) == bare(other)
    }
}

/// An earlier label of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(no_recursion)]
pub struct Was {
    /// The epoch.
    pub epoch: i32,
    /// The number in it.
    pub seq: i64,
    /// The label before that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Box<Was>>,
}

impl Was {
    /// This label and those before it, newest first.
    pub fn labels(&self) -> impl Iterator<Item = (i32, i64)> {
        std::iter::successors(Some(self), |label| label.was.as_deref()).map(|label| (label.epoch, label.seq))
    }
}

/// A record an operation acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// `case`, `spot_check`, `spot` …
    pub kind: String,
    /// Its id.
    pub id: uuid::Uuid,
}

impl Target {
    /// A case.
    pub fn case(id: CaseId) -> Target {
        Target { kind: "case".into(), id: id.0 }
    }
}

/// What the person saw: a version the server had sent, or the outcome of an earlier operation of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Base {
    /// A version from the feed.
    Version {
        /// The version.
        ver: i64,
    },
    /// The person's own earlier operation, not yet known to the server.
    Op {
        /// Its id.
        op: OpId,
    },
}

/// A position as a device measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Gps {
    /// Latitude, degrees.
    pub lat: f64,
    /// Longitude, degrees.
    pub lon: f64,
    /// `wgs84`, `cgcs2000`, `gcj02` or `bd09`.
    pub datum: String,
    /// Radius, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// Age of the fix when it was used, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_age_s: Option<f64>,
    /// `gps`, `network` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A photo or video that an operation names by its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceRef {
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// Media type.
    pub mime: String,
    /// `before`, `after`, `scene` …
    pub role: String,
    /// `none`, or `before_close`: the case can't be closed before the bytes are here.
    #[serde(default = "no_need")]
    pub need: String,
    /// When it was taken, by the device's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<DateTime<Utc>>,
}

fn no_need() -> String {
    "none".into()
}

text_enum! {
    /// What became of an operation.
    Status {
        /// It changed the record.
        Applied = "applied",
        /// It changed the record after merging with another change.
        Merged = "merged",
        /// Valid, kept in the history, but somebody had already done it.
        Superseded = "superseded",
        /// Kept for a person to decide; the case goes on.
        Conflict = "conflict",
        /// Kept until what it waits for arrives.
        Held = "held",
        /// Kept apart: a revoked device, or a fault of the server.
        Quarantined = "quarantined",
        /// It can never apply; kept for the record.
        Rejected = "rejected",
    }
}

impl Status {
    /// Whether the operation took effect or its effect was there already: successors may build on it.
    pub fn settled_well(self) -> bool {
        matches!(self, Status::Applied | Status::Merged | Status::Superseded)
    }
}

/// The answer to a push; HTTP 200 whatever became of each operation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PushResponse {
    /// The life of the server's data.
    pub generation: String,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// Comes back with the next push of this epoch.
    pub push_token: String,
    /// One result for each operation, in their order.
    pub results: Vec<OpResult>,
    /// Index of the first operation that was not looked at; send from there again.
    pub unprocessed_from: Option<usize>,
    /// Wait that long before the next push, milliseconds.
    pub retry_after_ms: u64,
    /// Sequence numbers of this epoch that never arrived though newer ones did, or though nothing waits on the device any
    /// more; at most 100.
    pub missing_seqs: Vec<i64>,
}

/// What became of one operation; stored, so a repeat gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpResult {
    /// The operation; absent when its bytes could not be read as one.
    pub op_id: Option<OpId>,
    /// What became of it.
    pub status: Status,
    /// The same operation had arrived before; this is its first answer.
    #[serde(default)]
    pub duplicate: bool,
    /// The reason; see `api-spec/problems.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The record's version after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<i64>,
    /// Number of its last change in the feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_seq: Option<i64>,
    /// The operation that was there first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<OpId>,
    /// The disagreement a person will look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<ConflictId>,
    /// What it waits for: `op:<id>`, `evidence:<sha256>`, `reuse:<case>`, `login:<user>:<device>` or
    /// `type:<type>:<version>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// `merged`: the fields that were written beside another person's change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjusted: Vec<String>,
    /// Who decided it, when a person had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<UserId>,
}

impl OpResult {
    /// A result that says no more than the status.
    pub fn bare(op_id: Option<OpId>, status: Status) -> OpResult {
        OpResult {
            op_id,
            status,
            duplicate: false,
            code: None,
            detail: None,
            ver: None,
            result_seq: None,
            winner: None,
            conflict_id: None,
            waiting: vec![],
            adjusted: vec![],
            resolved_by: None,
        }
    }
}

/// `POST /api/v1/sync/epoch`: the device's store is a copy, or new.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EpochRequest {
    /// The epoch the store has; 0 when it has none.
    pub epoch: i32,
    /// Why a new one is needed.
    pub reason: EpochReason,
}

text_enum! {
    /// Why a device numbers anew.
    EpochReason {
        /// It was enrolled, which a key of its own shows; the server says this, no device.
        Enrolled = "enrolled",
        /// Its store is an older or second copy of one that has pushed since.
        Copied = "copied",
        /// Its store was wiped; what was in it is gone.
        Wiped = "wiped",
    }
}

/// The answer to [`EpochRequest`]. Unsent operations are numbered anew from 1, and say their old label in `was`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EpochResponse {
    /// The new epoch.
    pub epoch: i32,
    /// For the first push in it.
    pub push_token: String,
    /// The life of the server's data.
    pub generation: String,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
}

/// The answer to `POST /api/v1/sync/raw`: the bytes are stored, for a person to look at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RawResponse {
    /// Always `quarantined`.
    pub status: Status,
    /// SHA-256 of the bytes that were stored, hexadecimal.
    pub sha256: String,
}

/// `GET /api/v1/sync/changes`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// The life of the server's data.
    pub generation: String,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// The cursor this page begins after; a client ignores a page that does not continue its own.
    pub prev: String,
    /// The cursor after this page.
    pub next: String,
    /// The number in the feed that it stands for.
    #[serde(default)]
    pub seq: i64,
    /// More is waiting.
    pub has_more: bool,
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// The oldest cursor position that is still good.
    pub floor: i64,
    /// Asked for with `digest=1` and given on a last page: for each key of the reader the sum, modulo 2⁶⁴, of a number
    /// for each record that carries the key, 16 hexadecimal digits; see [`digest_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<BTreeMap<String, String>>,
    /// Ask again after that long, seconds.
    pub next_poll_s: u32,
}

/// The number of one record in a digest: the first 8 bytes of SHA-256 over `kind`, `id` and `ver` (0 for records
/// without a version), joined by line feeds.
pub fn digest_of(kind: &str, id: &str, ver: i64) -> u64 {
    let hash = crate::identity::tokens::sha256(format!("{kind}\n{id}\n{ver}").as_bytes());
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

text_enum! {
    /// Sorts of change.
    ChangeType {
        /// The record is new or different.
        Upsert = "upsert",
        /// The record is no longer this reader's to see.
        Leave = "leave",
        /// An operation that was held or in conflict got its outcome.
        OpResult = "op_result",
    }
}

/// One change for one reader.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its number in the feed.
    pub seq: i64,
    /// Its sort.
    pub t: ChangeType,
    /// `case`, `site`, `spot_check`, `spot`, `unit`, `evidence`.
    pub kind: String,
    /// The record.
    pub id: String,
    /// The record's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<i64>,
    /// `upsert`: the record's audience, as far as this reader belongs to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The record (`upsert`) or the result (`op_result`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
}

/// `GET /api/v1/sync/snapshot`: everything this reader may see, or only what some keys show.
///
/// When all pages are read: records here that carry a key of `of` and did not come are gone; those that carry no key
/// of `scope` any more are out of sight; the others stay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The life of the server's data.
    pub generation: String,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// Where to go on with `changes` once all pages are read; the same on every page.
    pub cursor: String,
    /// The number in the feed that it stands for.
    #[serde(default)]
    pub seq: i64,
    /// The next page, absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<String>,
    /// All keys of the reader.
    pub scope: Vec<String>,
    /// The keys that this snapshot is of.
    pub of: Vec<String>,
    /// Everything this reader may see, as `upsert` changes.
    pub items: Vec<Change>,
}
