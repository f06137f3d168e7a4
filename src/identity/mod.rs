//! Who may do what: units, people, sessions, devices.
//!
//! Invariants (held by `tests/it/identity.rs` and `tests/it/authorisation.rs`):
//! * no account and no password exist before a person makes them; the first administrator needs the one-time code that
//!   the first start prints;
//! * a refresh token works once; a second use ends the session;
//! * a device is known by its own P-256 key, registered with a one-time code; revocation acts on the next request;
//! * a unit's class belongs to a year, so a later change leaves past years as they were.

pub mod actions;
pub mod county;
pub mod devices;
pub mod passwords;
pub mod routes;
pub mod rules;
pub mod secrets;
pub mod standing;
pub mod store;
pub mod tokens;
