//! Spot checks (现场抽检): nine sites a unit, drawn and visited each week, recorded on the spot.
//!
//! Invariants (held by `rules.rs` and `tests/it/spotchecks.rs`):
//! * a unit's nine visits are 2-2-1-1-1-1-1 over the seven kinds;
//! * a record only adds: it never conflicts, is never changed, and its score is computed from its answers, or its
//!   items, here, not on the device;
//! * a deduction by the checklist shows a photo; a site that can't be reached gives way to the next of the published
//!   order.

pub mod actions;
pub mod agreement;
pub mod checklist;
pub mod draws;
pub mod library;
pub mod routes;
pub mod rules;
pub mod store;
