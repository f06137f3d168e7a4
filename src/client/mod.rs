//! What a device runs: it keeps what a person saved, and brings it to the server however often the way breaks.
//!
//! `engine` says what to ask the server next and what an answer means, `rules` how long to wait and how much to send;
//! both touch nothing. `keep` is what they need a device to keep, and `store` a file that does; `http` and `upload`
//! talk; `sync` joins them into steps that a caller repeats; `parcel` reads what the handheld's page wrote to a file.
//! Handhelds of the demonstration, the dock and the benchmark all stand on it.
//!
//! Invariants (held by `engine/tests.rs`, `store/tests.rs` and `tests/it/client.rs`):
//! * an operation is in the store, durably, before [`sync::Client::save`] returns, and leaves the outbox only in the
//!   transaction that stores its result;
//! * nothing is ever marked "being sent": whatever was not answered is sent again, with the same bytes;
//! * a page of the feed and the cursor after it are one transaction; a page that does not continue the cursor is ignored;
//! * what is saved with files is signed in the same transaction, and what is signed goes beside the operations;
//! * media never hold back operations, and a file counts as safe only on the server's word about its hash and size.

pub mod captures;
pub mod device;
pub mod engine;
pub mod http;
pub mod keep;
pub mod parcel;
pub mod rules;
pub mod store;
pub mod sync;
pub mod upload;

/// Why a step could not be made. Nothing is lost by any of these: the store stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The device's own database refused.
    #[error("the local store: {0}")]
    Store(String),
    /// No answer came, so what the server did is unknown.
    #[error("the server can't be reached: {0}")]
    Offline(String),
    /// The server said no.
    #[error("the server refused: {code}{}", .detail.as_ref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable reason, see `api-spec/problems.md`.
        code: String,
        /// What exactly.
        detail: Option<String>,
    },
    /// The answer is none of this protocol: something else answers at this address.
    #[error("the server's answer can't be read: {0}")]
    Unreadable(String),
    /// The device was never enrolled.
    #[error("this device is not enrolled: it needs a one-time code")]
    NotEnrolled,
    /// Nobody is signed in on this device, or their session has ended.
    #[error("nobody is signed in on this device")]
    NotSignedIn,
    /// A piece of work of so many bytes, more than one push can carry; nothing was saved.
    #[error("too large to be sent: {0} bytes; at most 1 MiB")]
    TooLarge(usize),
    /// A file that should be sent can't be read.
    #[error("{0}")]
    File(String),
}

impl From<diesel::result::Error> for ClientError {
    fn from(error: diesel::result::Error) -> ClientError {
        ClientError::Store(error.to_string())
    }
}

impl From<crate::error::Error> for ClientError {
    fn from(error: crate::error::Error) -> ClientError {
        ClientError::Store(error.to_string())
    }
}

/// The result of everything in this module.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;
