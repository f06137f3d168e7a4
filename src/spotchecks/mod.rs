//! Spot checks (现场抽检): nine sites a unit, visited each week, recorded on the spot.
//!
//! Invariants (held by `rules.rs` and `tests/it/spotchecks.rs`):
//! * a unit's nine slots are 2-2-1-1-1-1-1 over the seven kinds;
//! * a record only adds: it never conflicts, is never changed, and its score is computed from its items here, not on
//!   the device.

pub mod actions;
pub mod routes;
pub mod rules;
pub mod store;
