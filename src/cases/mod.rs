//! Cases (案件) and the closed loop in seven steps, with its side paths.
//!
//! Dispatch → handle → closing application → verification request → the city verifies → closing notice → confirmed.
//! A unit may return a case, the Centre may refuse a closing application, verification may fail (rework), a deadline
//! may be extended, and a case that is never dispatched may be voided.
//!
//! Invariants (held by the tests in `rules.rs` and by `tests/it/cases.rs`):
//! * a stage changes only by a command that the stage allows, sent by a role that may;
//! * every change is one line of the timeline with its version; lines are never changed or removed;
//! * a clock that stood still goes on with exactly what was left (`hold`, held by `tests/it/case_clocks.rs`);
//! * a case is closed only when the evidence that must be there before is stored.

pub mod actions;
pub mod clock;
pub mod desk;
pub mod edit;
mod hold;
pub mod queue;
pub mod report;
pub mod routes;
pub mod rules;
pub mod store;
pub mod words;
