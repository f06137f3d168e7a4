//! Capture records (采集记录): what a device did and with which files, signed by its key and chained per device.
//!
//! A device signs a record at the moment of the deed, without a network. Each record names the hash of the one before,
//! so that one that is missing, changed, moved or made twice can be seen by whoever has the records and the public key.
//! The time of a record is bounded from below by the newest checkpoint of the transparency log that the device had seen
//! and from above by the server's receipt; the device's own clock stands beside that and is never corrected.
//!
//! `api-spec/captures.md` is the format, `api-spec/capture-vectors.json` are its examples. [`rules`] judges without a
//! database, for the server and for whoever verifies a bundle.
//!
//! Invariants (held by `tests/it/captures.rs`):
//! * whatever a device sends is kept as it came, and nothing that is kept is ever overwritten;
//! * a number of a chain belongs to the first well-signed record that bore it; another one is kept beside it as a fork;
//! * a gap is named until it fills, and what was found wrong is flagged, never mended;
//! * a record is in the transparency log if and only if it is well signed.

pub mod actions;
pub mod routes;
pub mod rules;
pub mod store;
pub mod view;
