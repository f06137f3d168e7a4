//! The calendar (工作日历): when is worked, and when a limit runs out.
//!
//! Slots of a working day by their first day, the State Council's holidays and make-up days year by year. What comes
//! with the program (2026) holds until somebody imports a list of the same year. From these, [`rules`] computes
//! deadlines that explain themselves; `api-spec/clock-vectors.json` holds the same cases for other clients, and
//! `web/src/lib/workTime.ts` runs them.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/calendar.rs`):
//! * a deadline depends on nothing but its start, its limit, its pauses and the calendar;
//! * a later start is never due earlier; what is counted in the explanation is exactly the limit;
//! * a changed calendar moves no deadline that was issued;
//! * a deadline in a year whose holidays are not known yet says so.

pub mod actions;
pub mod national;
pub mod routes;
pub mod rules;
mod store;
pub mod words;
