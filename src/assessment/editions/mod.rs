//! Editions of a published month (版次): the first is what was published, and stays. What is found later is corrected by
//! counter-lines of another edition, opened by one person and approved by a second, with its own pack in the log.

pub mod actions;
pub mod routes;
mod store;

pub use store::EditionRow;
