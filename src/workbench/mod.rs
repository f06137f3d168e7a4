//! The workbench (受理派遣工作台): what the Centre's people work with all day, beside the cases themselves.
//!
//! Queues say what waits; a claim says who has a case in hand; many cases are dispatched at once; words and filters that
//! are needed again are kept. The clock urges units before they are late, and whoever was late may object.
//!
//! Invariants (held by `rules.rs` and `tests/it/workbench.rs`):
//! * a claim hinders nobody who works offline: it is told, and ends with the next step of the case;
//! * of cases that are dispatched together each is judged alone: one refusal leaves the others;
//! * the clock urges once for each deadline at each mark, and what it said stays on record;
//! * an appeal that is granted exempts the case; that it was late stays a fact.

pub mod actions;
pub mod appeals;
pub mod dispatch;
pub mod routes;
pub mod rules;
pub mod store;
pub mod sweep;
pub mod urging;
