//! The sample library (抽样检查库): the sites that may be drawn, how they came and changed, and which kinds stand in for one
//! that a unit lacks.
//!
//! Invariants (held by `rules.rs` and `tests/it/sites.rs`):
//! * a site's code, unit and kind never change, and no site is ever deleted: it is struck, with a reason;
//! * every change leaves a version behind that says who, when and what;
//! * an imported file is taken whole or not at all, and a trial changes nothing.

pub mod actions;
pub mod files;
pub mod routes;
pub mod rules;
pub mod store;
