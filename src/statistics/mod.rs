//! Statistics (统计): the figures of a month, quarter or year, by the county's own rules.
//!
//! A case belongs to the period in which its deadline falls, extensions and holds included, whenever it was reported.
//! Each figure is one condition on a case: it counts with it, and it lists the cases with it, so a number always opens to
//! exactly its records. The counting rule is printed with the figures. A rate of nothing is "—", never 0 or 100 %.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/statistics.rs`):
//! * every case with a deadline in the period is counted in exactly one line of each breakdown;
//! * closed, in verification, failed, handled and not handled cases add up to the total; timely and late ones to the closed;
//! * what was put right by whoever reported it is counted by itself, by when it was reported, and in no total;
//! * the records behind a figure are as many as the figure.

pub mod actions;
pub mod routes;
pub mod rules;
mod store;
