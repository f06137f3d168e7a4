//! Open data (开放数据): cases, sites, spots and grids as features, for spreadsheets, maps and other departments.
//!
//! One description of the columns serves the exports here (CSV, XLSX, GeoJSON) and the features of [`crate::ogc`].
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/opendata.rs`):
//! * no personal data leaves: there is no column for who reported, and telephone, identity card and other long numbers
//!   and mail addresses in free text are blotted out;
//! * memory is bounded: a page of rows at a time, as fast as the reader takes it, however many rows there are;
//! * every row that is there from the beginning to the end of an export comes exactly once;
//! * positions are WGS-84 (CGCS2000), longitude first, in whatever datum they were measured;
//! * no cell of a CSV file is a formula to a spreadsheet.
//!
//! An export that fails on the way breaks its transfer off, so that nobody takes a part for the whole; no test holds that.

pub mod actions;
mod export;
pub mod routes;
pub mod rules;
mod store;
mod tables;
