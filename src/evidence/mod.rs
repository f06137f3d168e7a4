//! Photos and videos: what was declared, the bytes that arrived, and what the file itself says.
//!
//! Evidence is known by the SHA-256 of its bytes. It is `declared` when somebody names it (a person, a device, an
//! operation made offline, an upload) and `stored` when a complete file with that very digest is on the disk. The stamp
//! (time, place) is the device's word and is never corrected; what the file says stands beside it, and every difference
//! is a flag for a person.
//!
//! Invariants (held by `tests/it/evidence.rs` and `tests/it/uploads.rs`):
//! * evidence is `stored` only after its bytes were read back from the disk and hashed;
//! * a declaration never overwrites an earlier one; only blanks are filled, and only by who declared it;
//! * bytes are shown to people and devices that may see the record, never to a revoked device;
//! * originals are served as the type their first bytes tell, as an attachment, never as a page.

pub mod actions;
mod content;
pub mod custody;
pub mod datum;
pub mod media;
pub mod poster;
pub(crate) mod range;
pub mod receipt;
pub mod reuse;
pub mod routes;
pub mod rules;
pub mod store;
pub mod thumbnail;
pub mod tracks;
pub mod uploads;
pub mod view;
