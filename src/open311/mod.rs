//! Open311 GeoReport v2 (wiki.open311.org/GeoReport_v2), with the updates of FixMyStreet's extension: an app or a
//! neighbour's system reports a case and hears what becomes of it, in the words of that standard, as JSON or XML.
//!
//! The services are the classes of the catalogue in force. A report becomes a case through the same desk as every other,
//! reported by the account of the public, which nobody can sign in to. There is no facade without keys.
//!
//! Invariants (held by `rules/tests.rs` and `tests/it/open311.rs`):
//! * only what came by Open311 is shown by it, and of that neither contact nor pictures nor long numbers in the words;
//! * of a step the public hears a text of ours, never what somebody wrote with it;
//! * whoever reports has a key, and no key reports more than [`rules::PER_MINUTE`] times a minute, over all processes;
//! * a report that was refused has left nothing;
//! * every refusal has the form of the standard: a list of codes and descriptions.

mod actions;
mod documents;
pub mod routes;
pub mod rules;
mod store;
