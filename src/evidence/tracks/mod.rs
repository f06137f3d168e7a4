//! Tracks: where a recording was made, point by point, from a file that lies beside it on the camera's card.
//!
//! A track is evidence of its own, declared as the sidecar of a recording by the recording's digest; either may come
//! first. Once both are here, the recording's stamp is compared with the track, and a difference is a flag of the
//! recording ([`super::media::compare_track`]).
//!
//! Invariants (held by `tests/it/media.rs`):
//! * only who sent the recording can send its track: another one's says nothing about it;
//! * points are kept in WGS-84, whatever the file or its sender stated them in.

pub mod actions;
pub mod routes;
mod store;
