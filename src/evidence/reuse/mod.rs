//! Re-use of photos (照片复用查重): the same picture handed in twice is found, whoever sends it and however it was
//! cropped, mirrored, dimmed or saved anew. Nobody is punished by it: what is found waits for a person.
//!
//! Each stored photo is queued in the transaction that stores it, hashed in the background ([`hash`]) and compared with
//! every photo of the county ([`index`]). Two that look the same are a pair; what a pair means depends on the records
//! that its photos belong to, and is looked at again whenever one of them is linked anew ([`rules::suspicions`]).
//!
//! Invariants (held by `tests/it/reuse.rs`):
//! * a photo that is stored is compared with all others sooner or later, whatever crashes meanwhile, also with those
//!   that another process takes in at the same time;
//! * a case whose photos of before and after show the same picture is not closed before a person has decided, nor while
//!   one of them is not compared yet;
//! * what a person decided stays, and is a leaf of the transparency log.

pub mod actions;
pub mod hash;
mod index;
pub mod routes;
pub mod rules;
mod store;
pub mod sweep;
