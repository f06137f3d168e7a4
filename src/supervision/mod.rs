//! Supervision letters (督办函): the county government's office gives a unit a task with a deadline, and grades what came
//! of it.
//!
//! A letter is drafted by a person at the Centre, or by the clock: from cases past their deadline or near it (the
//! workbench's 督办函草稿 mark at four fifths of their time), from cases that came back again and again, and from spots
//! whose problem recurs. The clock collects into one draft for each unit and kind, and takes out what was settled
//! meanwhile.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/supervision.rs`):
//! * numbers are given when a letter is issued, and have no gaps within a year;
//! * while a letter is open, no other one is about the same case or spot; what lies before it drafts no second one;
//! * each step is a line of the timeline with who, when and words, and is never overwritten;
//! * only the county's office issues, grades and grants; it may lower the score that the rule gives, never raise it;
//! * a liaison sees the letters that were issued to the own unit, and no draft.

pub mod actions;
pub mod clock;
pub mod routes;
pub mod rules;
pub mod store;
pub mod sweep;
