//! The catalogue (部件、事件分类): what cases are about, when one is filed and closed, and how long it may take.
//!
//! Classes of components and events by code, each with its filing conditions. A table of a city is imported as xlsx or
//! CSV and becomes a version, in force from then on; until then the national classes of [`national`] are.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/catalogue.rs`):
//! * a code is text and means something only with its scheme and kind: component 0101 is not event 0101, and the same
//!   number is another class in the scheme of 2007;
//! * a class that was ever in force can be looked up for ever, in the version that was the last to have it;
//! * a file with errors changes nothing, and all its errors are told at once, with row and column;
//! * what is exported is imported again as the same catalogue.

pub mod actions;
pub mod national;
pub mod routes;
pub mod rules;
pub mod sheets;
mod store;
