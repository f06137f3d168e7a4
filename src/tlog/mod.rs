//! The transparency log (存证日志): facts that must not change unseen, in one Merkle tree.
//!
//! A fact is written by [`record`] in the transaction that makes it true; without that transaction there is neither. It
//! gets its place in the tree a moment later, so no transaction waits for another's place.
//!
//! A leaf is canonical JSON (RFC 8785) and holds ids, digests, times and codes, no names of people: whoever checks a
//! proof may read the leaves beside it.
//!
//! Invariants (held by `tests/it/tlog.rs`):
//! * a leaf never changes and never leaves; what it says is undone by a later leaf;
//! * places are dense and never move;
//! * a checkpoint that was signed is proved consistent with every later one.

pub mod actions;
pub mod jobs;
pub mod merkle;
pub mod note;
pub mod routes;
pub mod rules;
pub mod store;

pub use actions::record;
pub use note::{LogKey, LogName};
pub use rules::Kind;
