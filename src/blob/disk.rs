//! The folders of a server: `staging/` for open uploads, `quarantine/` for refused bytes, the originals by digest, and
//! `derived/` for pictures made of them.

use super::digest::{self, Algorithm, Running};
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What is read back at once, bytes: little enough to stay in a core's cache.
const READ: usize = 128 * 1024;

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disk {
    staging: PathBuf,
    quarantine: PathBuf,
    blobs: PathBuf,
    derived: PathBuf,
    /// Folders of originals whose own names this process knows to be durable.
    shelves: Arc<Mutex<HashSet<PathBuf>>>,
}

/// What is left of an upload's file.
pub enum Resumed {
    /// Open, and exactly as long as its durable offset.
    Ready(Staged),
    /// Missing, or shorter than what was promised to be durable.
    Lost,
}

/// The open file of an upload that still grows.
pub struct Staged(File);

/// The longest file whose space is set aside when its upload begins, bytes: more would let one film that never comes
/// block the disk.
const SET_ASIDE: u64 = 1 << 30;

impl Staged {
    /// Writes all bytes at an explicit offset: an append would put them behind the leftovers of a crash.
    ///
    /// # Errors
    /// The system's own; how much was written is then unknown.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    /// Reads the bytes from `at` to `end` back from the file into a digest.
    ///
    /// # Errors
    /// The system's own; `UnexpectedEof` when the file is shorter.
    pub fn read_back(&self, digest: &mut Running, at: u64, end: u64) -> io::Result<()> {
        let mut block = vec![0; READ.min(usize::try_from(end.saturating_sub(at)).unwrap_or(READ))];
        let mut at = at;
        while at < end {
            let room = usize::try_from(end - at).unwrap_or(READ).min(block.len());
            self.0.read_exact_at(&mut block[..room], at)?;
            digest.update(&block[..room]);
            at += room as u64;
        }
        Ok(())
    }

    /// Makes everything written so far survive a power cut.
    ///
    /// # Errors
    /// The system's own. What was written since the last success must then count as lost: the kernel may have dropped
    /// the pages and would not say so a second time.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// The system's own.
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

impl Disk {
    /// Makes the folders.
    ///
    /// # Errors
    /// The system's own.
    pub fn open(data: &Path, blobs: &Path) -> io::Result<Disk> {
        let disk = Disk {
            staging: data.join("staging"),
            quarantine: data.join("quarantine"),
            blobs: blobs.to_owned(),
            derived: blobs.join("derived"),
            shelves: Arc::default(),
        };
        for folder in [&disk.staging, &disk.quarantine, &disk.blobs, &disk.derived] {
            fs::create_dir_all(folder)?;
        }
        for folder in [data, blobs] {
            sync_folder(folder)?;
        }
        Ok(disk)
    }

    /// Creates an empty upload file, durably, and sets space for `length` bytes aside, at most a GiB.
    ///
    /// # Errors
    /// The system's own; `AlreadyExists` for a name that was used.
    pub fn stage(&self, name: &str, length: u64) -> io::Result<()> {
        let path = self.staging.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let made = set_aside(&file, length).and_then(|()| file.sync_all()).and_then(|()| sync_folder(&self.staging));
        if made.is_err() {
            drop(fs::remove_file(path));
        }
        made
    }

    /// Creates an upload file with all its bytes, syncs it and reads it back: its SHA-256. The name is not durable
    /// before [`Disk::publish`] has given it its place.
    ///
    /// # Errors
    /// The system's own; there is no file then.
    pub fn stage_whole<'a>(&self, name: &str, blocks: impl Iterator<Item = &'a [u8]>) -> io::Result<String> {
        let path = self.staging.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let staged = Staged(file);
        let fill = || {
            let mut length = 0;
            for block in blocks {
                staged.write_at(block, length)?;
                length += block.len() as u64;
            }
            staged.sync()?;
            let mut digest = Algorithm::Sha256.start();
            staged.read_back(&mut digest, 0, length)?;
            Ok(digest::hex(&digest.finish()))
        };
        let filled = fill();
        if filled.is_err() {
            drop(fs::remove_file(path));
        }
        filled
    }

    /// Opens an upload file to go on at `offset`; bytes behind it, left by a crash or a fenced-off writer, are cut off.
    ///
    /// # Errors
    /// The system's own.
    pub fn resume(&self, name: &str, offset: u64) -> io::Result<Resumed> {
        let file = match OpenOptions::new().read(true).write(true).open(self.staging.join(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Resumed::Lost),
            Err(e) => return Err(e),
        };
        let length = file.metadata()?.len();
        if length < offset {
            return Ok(Resumed::Lost);
        }
        if length > offset {
            file.set_len(offset)?;
        }
        Ok(Resumed::Ready(Staged(file)))
    }

    /// How long an upload file is; `None` when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn staged_length(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.staging.join(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Syncs an upload file and reads it again from the disk: its SHA-256 and length. `None` when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn examine(&self, name: &str) -> io::Result<Option<(String, u64)>> {
        match File::open(self.staging.join(name)) {
            Ok(mut file) => {
                file.sync_all()?;
                digest::sha256_of(&mut file).map(Some)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Moves an examined upload file to its place among the originals, durably. A copy that is there already is
    /// replaced by these freshly verified, equal bytes.
    ///
    /// # Errors
    /// The system's own.
    pub fn publish(&self, name: &str, sha256: &str) -> io::Result<()> {
        let (from, to) = (self.staging.join(name), self.original(sha256));
        let folder = to.parent().ok_or_else(|| io::Error::other("an original has a folder"))?;
        self.make_shelf(folder)?;
        match fs::rename(&from, &to) {
            // `blob_url` may name another file system than `data`.
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                let arriving = folder.join(format!("{name}.part"));
                fs::copy(&from, &arriving)?;
                let mut file = File::open(&arriving)?;
                file.sync_all()?;
                if digest::sha256_of(&mut file)?.0 != sha256 {
                    return Err(io::Error::other("the copy differs from the staged file"));
                }
                fs::rename(&arriving, &to)?;
                sync_folder(folder)?;
                fs::remove_file(&from)?;
            }
            outcome => {
                outcome?;
                sync_folder(folder)?;
            }
        }
        sync_folder(&self.staging)
    }

    /// The SHA-256 and length of an original, read from the disk. `None` when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn verify(&self, sha256: &str) -> io::Result<Option<(String, u64)>> {
        match File::open(self.original(sha256)) {
            Ok(mut file) => digest::sha256_of(&mut file).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts a refused upload's bytes aside for a person to look at.
    ///
    /// # Errors
    /// The system's own.
    pub fn quarantine(&self, name: &str) -> io::Result<()> {
        fs::rename(self.staging.join(name), self.quarantine.join(name))?;
        sync_folder(&self.quarantine)?;
        sync_folder(&self.staging)
    }

    /// Removes an upload's bytes, staged or quarantined. No error when there are none.
    ///
    /// # Errors
    /// The system's own.
    pub fn discard(&self, name: &str) -> io::Result<()> {
        for folder in [&self.staging, &self.quarantine] {
            match fs::remove_file(folder.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The names of all upload files, staged and quarantined.
    ///
    /// # Errors
    /// The system's own.
    pub fn leftovers(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in [&self.staging, &self.quarantine] {
            for entry in fs::read_dir(folder)? {
                names.extend(entry?.file_name().into_string().ok());
            }
        }
        Ok(names)
    }

    /// Makes a folder for originals, durably. That it exists says nothing: another thread may have made it just now.
    fn make_shelf(&self, folder: &Path) -> io::Result<()> {
        if self.shelves.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        sync_folder(&self.blobs)?;
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    /// Where an original lives; `sha256` is lower-case hexadecimal.
    pub fn original(&self, sha256: &str) -> PathBuf {
        shelf(&self.blobs, sha256).join(sha256)
    }

    /// A picture made of an original earlier, if it is there.
    pub fn derived(&self, sha256: &str, suffix: &str) -> Option<Vec<u8>> {
        fs::read(shelf(&self.derived, sha256).join(format!("{sha256}{suffix}"))).ok()
    }

    /// Keeps a picture made of an original. It can be made again, so it is whole when it is there, but not synced twice.
    ///
    /// # Errors
    /// The system's own.
    pub fn keep_derived(&self, sha256: &str, suffix: &str, unique: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = shelf(&self.derived, sha256);
        fs::create_dir_all(&folder)?;
        let arriving = folder.join(format!("{unique}.part"));
        fs::write(&arriving, bytes)?;
        File::open(&arriving)?.sync_data()?;
        fs::rename(&arriving, folder.join(format!("{sha256}{suffix}")))
    }

    /// Free space for uploads, bytes: the least of the file systems involved.
    ///
    /// # Errors
    /// The system's own.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let free = |path: &Path| -> io::Result<u64> {
            let status = rustix::fs::statvfs(path)?;
            Ok(status.f_bavail.saturating_mul(status.f_frsize))
        };
        Ok(free(&self.staging)?.min(free(&self.blobs)?))
    }
}

/// Two levels of folders, so that none gets too long: `aa/bb`.
fn shelf(root: &Path, sha256: &str) -> PathBuf {
    let at = |range| sha256.get(range).unwrap_or("__");
    root.join(at(0..2)).join(at(2..4))
}

/// Sets space aside where the file system can; the file stays empty.
fn set_aside(file: &File, length: u64) -> io::Result<()> {
    use rustix::{fs::FallocateFlags, io::Errno};
    if length == 0 || length > SET_ASIDE {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str) -> (PathBuf, Disk) {
        let root = std::env::temp_dir().join(format!("chengguan-disk-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let disk = Disk::open(&root, &root.join("blobs")).unwrap();
        (root, disk)
    }

    #[test]
    fn bytes_behind_the_durable_offset_are_cut_and_missing_ones_noticed() {
        let (root, disk) = disk("resume");
        disk.stage("u", 5).unwrap();
        assert_eq!(disk.stage("u", 5).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let Resumed::Ready(file) = disk.resume("u", 0).unwrap() else { panic!("an empty file is ready") };
        file.write_at(b"hello, leftovers", 0).unwrap();
        file.sync().unwrap();
        let Resumed::Ready(_) = disk.resume("u", 5).unwrap() else { panic!("five bytes are there") };
        let (sha256, length) = disk.examine("u").unwrap().unwrap();
        assert_eq!(length, 5);
        assert!(matches!(disk.resume("u", 6).unwrap(), Resumed::Lost));
        assert!(matches!(disk.resume("other", 0).unwrap(), Resumed::Lost));
        disk.publish("u", &sha256).unwrap();
        assert_eq!(fs::read(disk.original(&sha256)).unwrap(), b"hello");
        assert_eq!(disk.verify(&sha256).unwrap(), Some((sha256, 5)));
        assert!(disk.examine("u").unwrap().is_none() && disk.leftovers().unwrap().is_empty());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn refused_bytes_are_kept_until_discarded() {
        let (root, disk) = disk("quarantine");
        disk.stage("u", 5).unwrap();
        disk.quarantine("u").unwrap();
        assert_eq!(disk.leftovers().unwrap(), ["u"]);
        disk.discard("u").unwrap();
        disk.discard("u").unwrap();
        assert!(disk.leftovers().unwrap().is_empty());
        assert!(disk.free_bytes().unwrap() > 0);
        fs::remove_dir_all(root).unwrap();
    }
}
