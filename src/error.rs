//! What can go wrong, in the words of the trade: stable codes, no status numbers, no SQL.
//!
//! `http::problem` is the only place that turns a code into an HTTP status and a sentence for a person;
//! `api-spec/problems.md` lists every code, and `tests/it/tidy.rs` holds the two together.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal,)*) => {
        /// A stable reason, the same in problem+json, in sync results and in the logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])* $variant,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The wire form, `snake_case`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code with this wire form.
            pub fn parse(text: &str) -> Option<Code> {
                match text { $($text => Some(Code::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    // -- the request itself
    /// The body is not JSON.
    JsonMalformed = "json_malformed",
    /// The JSON does not have the documented shape: unknown, missing or wrong fields.
    BodyInvalid = "body_invalid",
    /// A text holds U+0000, which one of the two databases can't store.
    NulCharacter = "nul_character",
    /// A path or query value can't be read.
    ParameterInvalid = "parameter_invalid",
    /// The body is larger than this operation takes.
    BodyTooLarge = "body_too_large",
    /// The body could not be read to its end.
    BodyInterrupted = "body_interrupted",
    /// The media type of the body is not the one this operation takes.
    MediaTypeUnsupported = "media_type_unsupported",
    /// Nothing lives at this path.
    RouteUnknown = "route_unknown",
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed",
    /// The record does not exist, or is private to others.
    NotFound = "not_found",
    /// A field has a value that the rules of the trade forbid.
    ValueInvalid = "value_invalid",
    /// The record exists already with other content.
    AlreadyExists = "already_exists",
    /// An imported table has errors; each is named, and nothing was imported.
    TableInvalid = "table_invalid",
    // -- who is asking
    /// No credentials were sent.
    CredentialsMissing = "credentials_missing",
    /// User name or password is wrong.
    CredentialsWrong = "credentials_wrong",
    /// Too many wrong passwords; try again later.
    AccountLocked = "account_locked",
    /// The account was disabled by an administrator.
    AccountDisabled = "account_disabled",
    /// The token is forged, malformed, or made for something else.
    TokenInvalid = "token_invalid",
    /// The token's time is over.
    TokenExpired = "token_expired",
    /// The session was ended.
    SessionEnded = "session_ended",
    /// A refresh token was used twice, so the session was ended.
    RefreshReused = "refresh_reused",
    /// The device is not enrolled here.
    DeviceUnknown = "device_unknown",
    /// The device was revoked.
    DeviceRevoked = "device_revoked",
    /// The one-time code is wrong, used or too old.
    CodeWrong = "code_wrong",
    /// The caller's role may not do this.
    RoleForbidden = "role_forbidden",
    /// This operation is for devices.
    DeviceRequired = "device_required",
    /// This operation is for signed-in people.
    UserRequired = "user_required",
    /// The caller belongs to another unit.
    UnitForeign = "unit_foreign",
    // -- evidence that holds up
    /// The fact is recorded and gets its place in the transparency log within seconds.
    LogPending = "log_pending",
    // -- the case loop
    /// The case's stage does not allow the command.
    StageForbids = "stage_forbids",
    /// Somebody else moved the case on since the sender last saw it.
    StageMoved = "stage_moved",
    /// The record changed since the version the sender named.
    VersionStale = "version_stale",
    /// The draw is not at the step that allows this, or what was asked for is still a secret.
    DrawStageForbids = "draw_stage_forbids",
    /// An extension was asked for already.
    ExtensionPending = "extension_pending",
    /// A hold waits already, or the clock stands still already.
    HoldPending = "hold_pending",
    /// No hold waits for a decision, or the clock does not stand still.
    HoldAbsent = "hold_absent",
    /// No extension is waiting for a decision.
    ExtensionAbsent = "extension_absent",
    /// The deadline must lie ahead (and an extension must move it on).
    DueAtInvalid = "due_at_invalid",
    // -- the assessment
    /// The month's phase does not allow this: it is not over, not open, waits for objections, or is published.
    MonthForbids = "month_forbids",
    // -- the exchange with the city
    /// A message is not signed with a key that is known here.
    SignatureWrong = "signature_wrong",
    // -- sync
    /// The device's store is older than what it has pushed, or the epoch is unknown: it must begin a new one.
    EpochStale = "epoch_stale",
    /// The client is too old to read; it may still push.
    ProtocolUnsupported = "protocol_unsupported",
    /// Another person changed the same field.
    FieldChanged = "field_changed",
    /// It waited longer than 72 hours for what never came; a person must look.
    HeldTooLong = "held_too_long",
    /// A person looked at it and decided that it shall not apply.
    Discarded = "discarded",
    /// Nothing is left to decide: it was decided, or settled itself.
    ReviewClosed = "review_closed",
    /// The operation can't be read as an operation at all; its bytes are kept.
    OpMalformed = "op_malformed",
    /// The operation id was used before for another payload.
    OpIdReused = "op_id_reused",
    /// The server does not know this operation type or version yet; it is kept.
    OpUnsupported = "op_unsupported",
    /// The arguments break the type's rules.
    ArgsInvalid = "args_invalid",
    /// An operation this one builds on has not arrived.
    DependencyMissing = "dependency_missing",
    /// An operation this one builds on waits for a person's decision or failed.
    DependencyUnsettled = "dependency_unsettled",
    /// Evidence that must be here before this step has not arrived.
    EvidenceMissing = "evidence_missing",
    /// The photos of before and after show the same picture, or have not been compared yet.
    PhotoReuseUndecided = "photo_reuse_undecided",
    /// The person who made the operation must sign in on this device again.
    Reauth = "reauth",
    /// Somebody had already brought the case to the same stage.
    AlreadyDone = "already_done",
    /// Somebody else has the case in hand.
    CaseClaimed = "case_claimed",
    /// The case is not late: there is nothing to object to.
    CaseNotLate = "case_not_late",
    /// The sync cursor can't be read; take a new snapshot.
    CursorInvalid = "cursor_invalid",
    /// The cursor is older than the kept feed; take a new snapshot.
    CursorExpired = "cursor_expired",
    /// The server was restored; take a new snapshot.
    GenerationChanged = "generation_changed",
    /// The reader's keys are not those of the cursor; take a snapshot `since` it.
    ScopeChanged = "scope_changed",
    // -- evidence and uploads
    /// `Tus-Resumable` is missing or names another version.
    TusVersion = "tus_version",
    /// A tus header can't be read or two headers contradict each other.
    TusHeaderInvalid = "tus_header_invalid",
    /// `Upload-Offset` is not the durable offset.
    OffsetMismatch = "offset_mismatch",
    /// Another request took the upload over.
    UploadTakenOver = "upload_taken_over",
    /// The owner has as many open requests with bytes as it may have.
    UploadsTooMany = "uploads_too_many",
    /// More bytes than the declared length.
    LengthExceeded = "length_exceeded",
    /// The file is larger than the server accepts.
    UploadTooLarge = "upload_too_large",
    /// The sender's unfinished uploads hold as much as they may.
    UploadQuotaExceeded = "upload_quota_exceeded",
    /// The disk is full; everything acknowledged is kept.
    StorageFull = "storage_full",
    /// The bytes' checksum differs from the declared one.
    ChecksumMismatch = "checksum_mismatch",
    /// The checksum algorithm is not supported.
    ChecksumUnsupported = "checksum_unsupported",
    /// The upload is over: rejected, expired, removed or lost.
    UploadGone = "upload_gone",
    /// The upload is being finished; ask again.
    UploadFinalizing = "upload_finalizing",
    /// The same idempotency key came with other parameters.
    IdempotencyMismatch = "idempotency_mismatch",
    /// Accepted evidence can't be removed this way.
    EvidenceAccepted = "evidence_accepted",
    /// The evidence's bytes have not arrived yet.
    EvidenceNotStored = "evidence_not_stored",
    /// No picture can be made of this file.
    ThumbnailUnavailable = "thumbnail_unavailable",
    /// This server has no program that decodes videos.
    PosterUnavailable = "poster_unavailable",
    /// The byte range lies outside the file.
    RangeInvalid = "range_invalid",
    // -- custody
    /// The evidence is restricted: opening it needs a reason.
    ReasonRequired = "reason_required",
    /// The evidence was deleted, or is about to be.
    EvidenceDeleted = "evidence_deleted",
    /// A legal hold keeps the evidence.
    LegalHold = "legal_hold",
    /// The evidence belongs to a case, or another record, that is not over.
    CaseOpen = "case_open",
    /// The evidence must be kept longer.
    RetentionRunning = "retention_running",
    /// A deletion was proposed already.
    DeletionPending = "deletion_pending",
    /// No deletion is there to be decided or undone.
    DeletionAbsent = "deletion_absent",
    /// It needs a second person.
    SecondPersonRequired = "second_person_required",
    /// This file can't be redacted.
    RedactionUnavailable = "redaction_unavailable",
    // -- the server
    /// Overloaded or contended; the same request may be sent again.
    Busy = "busy",
    /// A fault of the server; the log has the request id.
    Internal = "internal",
}

impl Code {
    /// An error of this code with a sentence of detail. Never put secrets or SQL in it: people read it.
    pub fn with(self, detail: impl Into<String>) -> Error {
        Error { detail: Some(detail.into()), ..self.into() }
    }
}

/// What is wrong with one cell of an imported table, or with one feature of a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileFault {
    /// The sheet, in a workbook with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The row as a spreadsheet numbers it, the feature of a map, from 1; 0 for the file as a whole.
    pub row: u32,
    /// The column's or property's name; empty for the row as a whole.
    pub column: String,
    /// What is wrong, in Chinese.
    pub problem: String,
}

/// A code, an optional sentence for the caller, and an internal cause that only the log sees.
#[derive(Debug, Clone)]
pub struct Error {
    /// The stable reason.
    pub code: Code,
    /// What exactly, for the caller.
    pub detail: Option<String>,
    /// What happened inside; logged, never sent.
    pub cause: Option<String>,
    /// Everything that is wrong with an imported file; else empty.
    pub faults: Vec<FileFault>,
}

/// The result of everything below the edge.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A fault of ours; `cause` goes to the log only.
    pub fn internal(cause: impl fmt::Display) -> Error {
        Error { cause: Some(cause.to_string()), ..Code::Internal.into() }
    }

    /// No such record, or not for this caller's eyes.
    pub fn not_found(what: &str) -> Error {
        Code::NotFound.with(what)
    }

    /// An imported file with errors.
    pub fn faults(faults: Vec<FileFault>) -> Error {
        Error { faults, ..Code::TableInvalid.into() }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Error {
        Error { code, detail: None, cause: None, faults: Vec::new() }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Error {
        use diesel::result::{DatabaseErrorKind as Kind, Error as E};
        let text = error.to_string();
        // Deadlocks (40P01) and SQLite's lock errors have no kind of their own in Diesel 2.3.
        let contended = matches!(&error, E::DatabaseError(Kind::SerializationFailure | Kind::UniqueViolation, _))
            || text.contains("deadlock detected")
            || text.contains("database is locked");
        let full = text.contains("database or disk is full")
            || text.contains("No space left on device")
            || text.contains("disk I/O error");
        let code = if contended {
            Code::Busy
        } else if full {
            Code::StorageFull
        } else {
            Code::Internal
        };
        Error { cause: Some(text), ..code.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, " ({cause})")?;
        }
        for FileFault { sheet, row, column, problem } in &self.faults {
            let sheet = sheet.as_ref().map(|sheet| format!("{sheet} ")).unwrap_or_default();
            write!(f, "\n{sheet}第 {row} 行 {column}：{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
