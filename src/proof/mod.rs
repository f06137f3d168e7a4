//! Evidence for somebody who does not trust us: bundles that are checked without us, and the check we make ourselves.
//!
//! A bundle is a folder: the originals, the records, the device's signatures, and proofs that all of it stands in the
//! transparency log. `manifest.json` names every file with its digest; its own digest is a leaf of the log; `proofs.json`
//! leads from each leaf to one signed checkpoint. So no byte can change unseen, and whoever keeps the log's key apart
//! needs nothing else of ours.
//!
//! Invariants (held by `tests/it/proof.rs`):
//! * a bundle is whole when its folder has its name: it is written beside and renamed;
//! * every file but `proofs.json` is in the manifest, the manifest is in the log, and `proofs.json` proves itself;
//! * [`verify`] reads a folder and nothing else: no database, no network, no clock.

pub mod bundle;
pub mod check;
pub mod export;
mod page;
pub mod verify;
pub mod words;
