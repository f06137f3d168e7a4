//! Offline work comes home: operations in, stored results out, and a feed of what changed.
//!
//! Devices send immutable operations; the areas' own actions decide; each operation has one stored result, which a
//! repeat gets again. Readers follow the feed from a cursor and get only what their audience keys let them see.
//!
//! Invariants (held by `tests/it/sync.rs`):
//! * an answered operation is durable, applied at most once, and its first result never changes but by a later outcome
//!   that the feed announces;
//! * one bad operation never blocks its neighbours; only those that build on it wait;
//! * push needs the device's key and nothing else; reading needs a person who is signed in;
//! * no reader gets a record outside their audience, and each is told when one leaves it.

pub mod centre;
pub mod engine;
pub mod health;
pub mod jobs;
pub mod ledger;
pub mod live;
pub mod pull;
pub mod push;
pub mod record;
pub mod review;
pub mod routes;
pub mod source;
pub mod store;
pub mod types;
pub mod verdict;
pub mod wire;
