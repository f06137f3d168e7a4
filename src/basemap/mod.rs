//! What lies under the handheld's map (底图): where its tiles come from, and the bytes of the county's own archive.
//!
//! Invariants (held by `tests/it/basemap.rs`):
//! * the page of the handheld may speak to the configured host and to no other;
//! * an archive is read by ranges and never whole in memory.

mod archive;
pub mod routes;
