//! The week's draw (抽签), which anybody can recompute: a frame is published, units commit to nonces, a public event
//! gives the seed, and the visits follow from both. `api-spec/draw.md` is the rule.
//!
//! Invariants (held by `draw.rs`, `rules.rs` and `tests/it/draws.rs`):
//! * a frame is in the transparency log before its seed can be known, and names the events the seed will come from;
//! * whoever typed the event's result does not confirm it;
//! * the same frame and seed give the same visits, byte for byte, in Rust, Python and a browser;
//! * until a week is over, a team sees the visits of the day and a unit those that were made.

pub mod actions;
pub mod draw;
pub mod routes;
pub mod rules;
pub mod store;
pub mod visits;
