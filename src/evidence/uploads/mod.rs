//! Resumable uploads: tus 1.0.0 on the wire, and behind it one promise: an `Upload-Offset` that was sent is durable.
//!
//! An upload has one file in `staging/` and one row. Bytes are written at explicit offsets; every few megabytes, and
//! however a request ends, the file is synced, then the row's offset moves, then anyone is told. What is durable is read
//! back from the file and hashed; only a file with the declared digest becomes evidence, in one transaction with
//! everything that depends on it. A small file that comes whole with its creation is read back before anything is
//! recorded, and recorded as evidence at once.
//!
//! What each answer does to clients that are in use everywhere (tus-js-client, tuspy) decided the status codes: a HEAD
//! that answers 5xx makes them start a new upload, a final PATCH that answers 5xx or 409 makes them report success. So
//! HEAD answers 423 while something is undecided, a wrong digest is 460 and then 410.
//!
//! Invariants (held by `tests/it/uploads.rs`, `upload_limits.rs`, `probe.rs`, `cuts.rs` and `flaky.rs`):
//! * one writer an upload: within the process by a lock, between processes by `writer_epoch`;
//! * a request that can't succeed never stops one that can; a HEAD always gets the truth, by stopping the writer;
//! * evidence is accepted by digest of bytes read back from the file, never of those that came, nor by their count;
//! * memory is bounded whatever the number, the size and the speed of uploads (`blocks`);
//! * the key in an upload's address stands in for a token that has run out, never for a right that was taken away;
//! * the sweeper touches only `open` and `rejected` uploads, under the same lock.

mod actions;
mod append;
mod blocks;
mod create;
mod finish;
mod headers;
mod live;
mod metrics;
pub mod routes;
pub mod rules;
mod source;
mod store;
mod sweep;
mod writer;

pub(crate) use finish::FILES_AT_ONCE;
pub use live::Uploads;
pub use sweep::{metrics_text, resume, start, sweep};
