//! Spots (问题点位): a persistent place for a problem that comes back, instead of the same case again and again (蘑菇效应).
//!
//! A case belongs to at most one spot. An inspector who finds a known problem adds an observation to its spot in place of
//! a new case. A problem that comes back after it was solved (返潮) is tied to its spot by the rules; everything else that
//! looks alike is proposed, and a person decides. What a spot counts is counted in its records, so each number opens.
//!
//! A spot's point is in WGS-84; cases keep the datum they were reported in and are compared in WGS-84.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/spots.rs`):
//! * nothing outside the class radius is proposed or tied to a spot, in whatever datum it was reported;
//! * a problem that is still open nearby can't have come back: a new case beside it is a person's to judge;
//! * the counts of a spot are those of its records, also after one was detached;
//! * the index of a spot is the sum of what its records say, and the records of a month open to exactly that sum;
//! * cases are never merged here, and their clocks and scores never touched.

pub mod actions;
pub mod routes;
pub mod rules;
pub mod similar;
pub mod store;
