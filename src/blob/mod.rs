//! Bytes: what uploads have received so far, and the originals, named by their SHA-256.
//!
//! Uploads grow in a folder ([`Disk`]). The originals lie in a folder too, or in a bucket of an S3-compatible store
//! ([`Originals`]), under the same names, so that one can be copied to the other. Everything here blocks; callers run it
//! where that is allowed.
//!
//! Invariants (held by `tests/it/blobs.rs` and `tests/it/uploads.rs`):
//! * a name is on disk before anyone is told of it: files are synced, and so is the folder that holds them;
//! * an original is never written in place: it appears whole, and keeps its bytes for ever;
//! * bytes become an original only after they were read again and had the digest that names them;
//! * no name in a path comes from outside: only our ids and hexadecimal digests do.

mod bucket;
pub mod digest;
pub mod disk;
mod folder;
mod originals;
mod shared;

pub use bucket::InBucket;
pub use disk::Disk;
pub use folder::InFolder;
pub use originals::{Listed, LocalFile, Originals, Source};

use std::{fs::File, io, path::Path};

/// Two levels of folders, so that none gets too long: `aa/bb`.
fn shelf(sha256: &str) -> String {
    let at = |range| sha256.get(range).unwrap_or("__");
    format!("{}/{}", at(0..2), at(2..4))
}

/// Whether a file or object is an original: the name is a whole digest.
fn is_original(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
