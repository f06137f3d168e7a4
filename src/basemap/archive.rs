//! Reading the county's archive a part at a time.

use crate::evidence::range::{Wanted, wanted};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::UNIX_EPOCH,
};

/// Bytes that one answer holds at most: more than any tile or directory of an archive.
const MOST: u64 = 4 * 1024 * 1024;

/// A part of the file.
pub(super) struct Part {
    /// Where it begins.
    pub(super) from: u64,
    /// Of the whole file, bytes.
    pub(super) length: u64,
    /// When the file changed, seconds since 1970.
    pub(super) changed: u64,
    /// At most 4 MiB.
    pub(super) bytes: Vec<u8>,
}

/// The part that a `Range` asks for, from the beginning without one; none outside of the file.
///
/// # Errors
/// What the disk failed with.
pub(super) fn part(path: &Path, range: Option<&str>) -> io::Result<Option<Part>> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let length = about.len();
    let (from, to) = match wanted(range, length) {
        Wanted::Whole => (0, length),
        Wanted::Part { from, to } => (from, to),
        Wanted::Outside => return Ok(None),
    };
    let changed = about.modified()?.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take((to - from).min(MOST)).read_to_end(&mut bytes)?;
    Ok(Some(Part { from, length, changed, bytes }))
}
