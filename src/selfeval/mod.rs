//! Self-evaluation (绩效自评): the two scored tables at the end of a year's report, as data.
//!
//! Annex 1 holds indicators with target, actual and points, annex 2 the common ones. [`rules`] scores them by the rules
//! printed under annex 1 and says what does not add up; `print` makes the annexes for print. The points stay what
//! people gave: a table is submitted with its errors put right, or explained in words that are printed with it.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/selfeval.rs`):
//! * the county's own report of 2020 comes out as its readers found it;
//! * every save is a version of its own; what was submitted never changes, a correction is a later version;
//! * nothing is submitted with an error that nobody explained.

pub mod actions;
mod print;
pub mod routes;
pub mod rules;
mod store;
