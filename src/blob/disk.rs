//! The folders of a server: `staging/` for open uploads, `quarantine/` for refused bytes, the originals by digest, and
//! `derived/` for pictures made of them.

use super::digest;
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

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

impl Staged {
    /// Writes all bytes at an explicit offset: an append would put them behind the leftovers of a crash.
    ///
    /// # Errors
    /// The system's own; how much was written is then unknown.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
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

    /// Creates an empty upload file, durably.
    ///
    /// # Errors
    /// The system's own; `AlreadyExists` for a name that was used.
    pub fn stage(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.staging.join(name))?;
        file.sync_all()?;
        sync_folder(&self.staging)
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

    /// Puts bytes that were made here among the originals, durably; says their digest.
    ///
    /// # Errors
    /// The system's own; `AlreadyExists` for a name that was used.
    pub fn keep_original(&self, name: &str, bytes: &[u8]) -> io::Result<String> {
        self.stage(name)?;
        let Resumed::Ready(file) = self.resume(name, 0)? else {
            return Err(io::Error::other("a staged file vanished"));
        };
        file.write_at(bytes, 0)?;
        let examined = self.examine(name)?.filter(|(_, length)| *length == bytes.len() as u64);
        let (sha256, _) = examined.ok_or_else(|| io::Error::other("a staged file vanished"))?;
        self.publish(name, &sha256)?;
        Ok(sha256)
    }

    /// Removes an original and everything made of it, durably. No error when there is nothing.
    ///
    /// # Errors
    /// The system's own; something may be left then.
    pub fn remove(&self, sha256: &str) -> io::Result<()> {
        // What was made of it first: whoever tries again after a crash still finds the original's folder.
        for folder in [shelf(&self.derived, sha256), shelf(&self.blobs, sha256)] {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(sha256));
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
                    match fs::remove_file(entry.path()) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                        _ => {}
                    }
                }
            }
            sync_folder(&folder)?;
        }
        Ok(())
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
        disk.stage("u").unwrap();
        assert_eq!(disk.stage("u").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
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
        disk.stage("u").unwrap();
        disk.quarantine("u").unwrap();
        assert_eq!(disk.leftovers().unwrap(), ["u"]);
        disk.discard("u").unwrap();
        disk.discard("u").unwrap();
        assert!(disk.leftovers().unwrap().is_empty());
        assert!(disk.free_bytes().unwrap() > 0);
        fs::remove_dir_all(root).unwrap();
    }
}
