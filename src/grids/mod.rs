//! Grid units (单元网格) and the responsibility map (责任清单): where a place lies, and who sees to what there.
//!
//! Invariants (held by `atlas/tests.rs`, `rules/tests.rs` and `tests/it/grids.rs`):
//! * shapes are WGS-84 or CGCS2000; a point in another datum is converted before it is looked up;
//! * a map with an error in any grid changes nothing; overlaps of grids are told and do no harm;
//! * who is responsible depends on nothing but the rows, the grids, the class and the hour, and comes with its reason;
//! * of rows that fit, the narrowest decide, in whatever order they were entered; a ruling (裁定) decides over rows of
//!   its own scope;
//! * a row that was ever in force stays readable.

pub mod actions;
pub mod atlas;
pub mod geojson;
pub mod routes;
pub mod rules;
mod store;
