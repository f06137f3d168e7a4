//! Cases of the city's from a file, where there is no network: its messages, one a line, or a table of dispatches.
//!
//! A line is a message as the network would have brought it, with its number. A row of a table has none: it is a dispatch
//! whose case is known by the city's number, so a table that is imported again changes nothing.

pub mod actions;
pub mod routes;
mod rules;
