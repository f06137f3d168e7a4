//! Objections to score lines (申诉): three steps by three people, and a counter-line when one is upheld.

pub mod actions;
pub mod routes;
