//! Custody: who opened and changed evidence, how long it is kept, how it is deleted, and what is made of it.
//!
//! Bytes leave the server only for an [`actions::Opened`], which [`actions::open`] and [`actions::exported`] alone can
//! make, after the look is on record. Each line of the record is a leaf of the log too. Restricted evidence asks for a
//! reason first, and lists show little of it.
//!
//! Evidence is kept as long as the longest of its reasons says. When that is over it is listed, no more: one person
//! proposes the deletion, another of another role approves it, and for seven days both can undo it. Then the bytes go;
//! the row stays and tells that they were here.
//!
//! Invariants (held by `tests/it/custody.rs` and the tests in `rules.rs`):
//! * no byte of an original is sent before the look at it is committed;
//! * a line of the record is never changed or removed, in either engine;
//! * nothing is deleted by the calendar alone, under a hold, or while a record that it proves is open;
//! * bytes that come again are never removed by an older deletion, and never return unnoticed;
//! * a redaction holds no pixel of what it covers, and nothing but pixels; the original stays as it was.

pub mod actions;
pub mod keeping;
mod redact;
pub mod routes;
pub mod rules;
mod store;
pub mod sweep;
mod ticket;

/// Starts the removal of what was deleted a week ago.
pub use sweep::start;
