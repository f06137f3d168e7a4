//! Cases and spots that may be about the same problem. They are proposed, never merged: a person decides.

pub mod actions;
pub mod routes;
