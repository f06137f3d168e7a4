//! Assessment (考核): a month's score of each unit, as lines that open to records, and a published month that stays.
//!
//! A month is run (试算) as often as wanted, opened to the units (公示) with a term for objections, and published. The
//! inputs of a run are frozen with it; from them and a set of rules [`reckon`] computes the lines, and nothing else does:
//! the server, `chengguan replay` and the tests call the same function. What an objection changes is a counter-line
//! beside the line, never the line. Publication hashes all of it as one pack into the transparency log. What is found later
//! makes another edition (版次) of the month, with counter-lines and a pack of its own.
//!
//! Invariants (held by `reckon/tests.rs` and `tests/it/assessment.rs`):
//! * a total is the sum of its lines, in thousandths of a point; parts are rounded so that their lines add up exactly;
//! * the same inputs and rules give the same lines, totals, ranks and bands, everywhere;
//! * rules, classes and records that change later change no month that was opened;
//! * nobody approves their own rules, nobody decides two steps of one objection;
//! * a published edition never changes, and its pack's hash is in the log.

pub mod actions;
pub mod bulletin;
pub mod editions;
pub mod gather;
pub mod objections;
pub mod pack;
pub mod reckon;
pub mod record;
pub mod routes;
pub mod rules;
mod store;
pub mod words;
