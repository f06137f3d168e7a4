//! Bytes on disk: what an upload has received so far, and the originals, named by their SHA-256.
//!
//! There is one store, a local folder, and so no trait. Everything here blocks; callers run it where that is allowed.
//!
//! Invariants:
//! * a name is on disk before anyone is told of it: files are synced, and so is the folder that holds them
//!   (`tests/it/uploads.rs`);
//! * an original is never written in place: it appears whole, by renaming, and keeps its bytes for ever;
//! * no name in a path comes from outside: only our ids and hexadecimal digests do.

pub mod digest;
pub mod disk;

pub use disk::Disk;
