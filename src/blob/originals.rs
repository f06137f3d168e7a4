//! What every place for originals can do.

use super::digest;
use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

/// An open original: read from anywhere, with little memory.
pub trait Readable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Readable for T {}

/// An open original.
pub type Source = Box<dyn Readable>;

/// A file to be read by another program; a copy ends with this.
#[derive(Debug)]
pub struct LocalFile {
    pub(super) path: PathBuf,
    pub(super) is_copy: bool,
}

impl LocalFile {
    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if self.is_copy {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// One original of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
}

/// Where the originals live, and the pictures made of them. `sha256` is lower-case hexadecimal everywhere.
///
/// Errors are the system's own; `HostUnreachable` is a store that does not answer or refuses, and then the same call may
/// succeed later.
pub trait Originals: Send + Sync {
    /// Makes a staged file, whose digest was just read from it, an original, durably, before it returns. Bytes that are
    /// there already are read, and replaced if they are not what their name says. The staged file is left where it is,
    /// unless `alone` (nobody else can have it open) allows to move it.
    ///
    /// # Errors
    /// Then nothing new can be seen under the digest, and the same call may come again. `InvalidData` when the file
    /// changed meanwhile.
    fn put(&self, staged: &Path, sha256: &str, alone: bool) -> io::Result<()>;

    /// An original and its length, bytes; `None` when it is not there.
    ///
    /// # Errors
    /// See [`Originals`].
    fn open(&self, sha256: &str) -> io::Result<Option<(Source, u64)>>;

    /// Removes an original and the pictures made of it. No error when they are not there.
    ///
    /// # Errors
    /// See [`Originals`].
    fn remove(&self, sha256: &str) -> io::Result<()>;

    /// The originals that come after a digest (`""`: from the first), in order, at most `limit`. Fewer means the end.
    ///
    /// # Errors
    /// See [`Originals`].
    fn list(&self, after: &str, limit: usize) -> io::Result<Vec<Listed>>;

    /// A picture made of an original earlier, if it is there.
    ///
    /// # Errors
    /// See [`Originals`].
    fn derived(&self, sha256: &str, suffix: &str) -> io::Result<Option<Vec<u8>>>;

    /// Keeps a picture made of an original; it is seen whole or not at all. `unique` names this attempt.
    ///
    /// # Errors
    /// See [`Originals`].
    fn keep_derived(&self, sha256: &str, suffix: &str, unique: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads an original again: its SHA-256 and length. `None` when it is not there.
    ///
    /// # Errors
    /// See [`Originals`].
    fn verify(&self, sha256: &str) -> io::Result<Option<(String, u64)>> {
        match self.open(sha256)? {
            Some((mut source, _)) => digest::sha256_of(&mut source).map(Some),
            None => Ok(None),
        }
    }

    /// An original as a file, for programs that need one: where it lies, or a copy in the system's temporary folder.
    /// `None` when it is not there.
    ///
    /// # Errors
    /// See [`Originals`].
    fn file(&self, sha256: &str, unique: &str) -> io::Result<Option<LocalFile>> {
        let Some((mut source, _)) = self.open(sha256)? else { return Ok(None) };
        let copy = LocalFile { path: std::env::temp_dir().join(format!("chengguan-{unique}")), is_copy: true };
        io::copy(&mut source, &mut File::create_new(copy.path())?)?;
        Ok(Some(copy))
    }

    /// Whether an original is there and has the bytes that its name says.
    ///
    /// # Errors
    /// See [`Originals`].
    fn is_sound(&self, sha256: &str) -> io::Result<bool> {
        let found = self.verify(sha256)?;
        if let Some((actual, _)) = found.as_ref().filter(|(actual, _)| actual != sha256) {
            tracing::error!(sha256, actual, "an original has other bytes than its name says; it is replaced");
        }
        Ok(found.is_some_and(|(actual, _)| actual == sha256))
    }
}

/// What a staged file that is no longer what it was a moment ago is refused with.
pub(super) fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the staged file changed while it was copied")
}
