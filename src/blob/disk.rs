//! What uploads have received so far: `staging/` for open ones, `quarantine/` for refused bytes.
//!
//! Always a local folder, or one that several server processes share, wherever the originals live: what is acknowledged
//! must be durable at once, and only whole, verified files go on to the originals.

use super::{
    digest::{self, Algorithm, Running},
    shared::SharedFolder,
    sync_folder,
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is read back at once, bytes: little enough to stay in a core's cache.
const READ: usize = 32 * 1024;

/// The folders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disk {
    staging: Arc<SharedFolder>,
    quarantine: PathBuf,
    /// The folder of the originals, when they share a disk with what is on its way to them.
    originals: Option<PathBuf>,
}

/// What is left of an upload's file.
pub enum Resumed {
    /// Open, and exactly as long as its durable offset.
    Ready(Staged),
    /// Missing, or shorter than what was promised to be durable.
    Lost,
}

/// The sole right to finish an upload, among all processes that share the folder; ends with its holder, however that
/// ends.
pub struct Held {
    _file: Option<File>,
}

/// The open file of an upload that still grows.
pub struct Staged {
    file: File,
    folder: Arc<SharedFolder>,
    /// Its name survives a power cut.
    is_named: AtomicBool,
}

/// The longest file whose space is set aside when its upload begins, bytes: more would let one film that never comes
/// block the disk.
const SET_ASIDE: u64 = 1 << 30;

impl Staged {
    /// Writes all bytes at an explicit offset: an append would put them behind the leftovers of a crash.
    ///
    /// # Errors
    /// The system's own; how much was written is then unknown.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
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
            self.file.read_exact_at(&mut block[..room], at)?;
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
        self.file.sync_data()?;
        if !self.is_named.load(Ordering::Relaxed) {
            self.folder.sync()?;
            self.is_named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Disk {
    /// Makes the folders below `root`. `originals` is the folder of the originals, if there is one.
    ///
    /// # Errors
    /// The system's own.
    pub fn open(root: &Path, originals: Option<&Path>) -> io::Result<Disk> {
        let disk = Disk {
            staging: Arc::new(SharedFolder::new(root.join("staging"))),
            quarantine: root.join("quarantine"),
            originals: originals.map(Path::to_owned),
        };
        for folder in [disk.staging.path(), &disk.quarantine] {
            fs::create_dir_all(folder)?;
        }
        sync_folder(root)?;
        Ok(disk)
    }

    /// Where an upload's file is.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.staging.path().join(name)
    }

    /// The sole right to finish an upload; `None` when another process has it. An upload whose file is gone needs none.
    ///
    /// # Errors
    /// The system's own.
    pub fn hold(&self, name: &str) -> io::Result<Option<Held>> {
        let file = match OpenOptions::new().write(true).open(self.staged(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(Held { _file: None })),
            Err(e) => return Err(e),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Held { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A folder without locks can't be shared, and one process alone needs none.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(Some(Held { _file: None })),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Creates an empty upload file and sets space for `length` bytes aside, at most a GiB. It need not survive a power
    /// cut: before the first sync nothing of it was promised, and [`Disk::resume`] makes it anew.
    ///
    /// # Errors
    /// The system's own; `AlreadyExists` for a name that was used.
    pub fn stage(&self, name: &str, length: u64) -> io::Result<()> {
        let path = self.staged(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        set_aside(&file, length).inspect_err(|_| drop(fs::remove_file(path)))
    }

    /// Creates an upload file with all its bytes, syncs it and reads it back: its SHA-256. The name is not durable
    /// before it is an original.
    ///
    /// # Errors
    /// The system's own; there is no file then.
    pub fn stage_whole<'a>(&self, name: &str, blocks: impl Iterator<Item = &'a [u8]>) -> io::Result<String> {
        let path = self.staged(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let staged = Staged { file, folder: self.staging.clone(), is_named: AtomicBool::new(true) };
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

    /// Opens an upload file to go on at `offset`; bytes behind it, left by a crash or a fenced-off writer, are cut off. At
    /// the beginning it is made when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn resume(&self, name: &str, offset: u64) -> io::Result<Resumed> {
        let mut options = OpenOptions::new();
        let file = match options.read(true).write(true).create(offset == 0).truncate(false).open(self.staged(name)) {
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
        Ok(Resumed::Ready(Staged { file, folder: self.staging.clone(), is_named: AtomicBool::new(offset > 0) }))
    }

    /// How long an upload file is; 0 when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn staged_length(&self, name: &str) -> io::Result<u64> {
        match fs::metadata(self.staged(name)) {
            Ok(metadata) => Ok(metadata.len()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// Syncs an upload file and reads it again from the disk: its SHA-256 and length. `None` when it is not there.
    ///
    /// # Errors
    /// The system's own.
    pub fn examine(&self, name: &str) -> io::Result<Option<(String, u64)>> {
        match File::open(self.staged(name)) {
            Ok(mut file) => {
                file.sync_all()?;
                digest::sha256_of(&mut file).map(Some)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts a refused upload's bytes aside for a person to look at.
    ///
    /// # Errors
    /// The system's own.
    pub fn quarantine(&self, name: &str) -> io::Result<()> {
        fs::rename(self.staged(name), self.quarantine.join(name))?;
        sync_folder(&self.quarantine)?;
        self.staging.sync()
    }

    /// Removes an upload's bytes, staged or quarantined. No error when there are none.
    ///
    /// # Errors
    /// The system's own.
    pub fn discard(&self, name: &str) -> io::Result<()> {
        for folder in [self.staging.path(), &self.quarantine] {
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
        for folder in [self.staging.path(), &self.quarantine] {
            for entry in fs::read_dir(folder)? {
                names.extend(entry?.file_name().into_string().ok());
            }
        }
        Ok(names)
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
        let staging = free(self.staging.path())?;
        Ok(self.originals.as_deref().map(free).transpose()?.map_or(staging, |originals| originals.min(staging)))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str) -> (PathBuf, Disk) {
        let root = std::env::temp_dir().join(format!("chengguan-disk-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let disk = Disk::open(&root, None).unwrap();
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
        assert!(matches!(disk.resume("other", 1).unwrap(), Resumed::Lost));
        assert!(matches!(disk.resume("other", 0).unwrap(), Resumed::Ready(_)), "nothing of it was promised");
        disk.discard("other").unwrap();
        assert_eq!(sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        disk.discard("u").unwrap();
        assert!(disk.examine("u").unwrap().is_none() && disk.leftovers().unwrap().is_empty());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn one_process_at_a_time_finishes_an_upload() {
        let (root, disk) = disk("hold");
        disk.stage("u", 5).unwrap();
        let first = disk.hold("u").unwrap();
        assert!(first.is_some() && disk.hold("u").unwrap().is_none());
        drop(first);
        assert!(disk.hold("u").unwrap().is_some() && disk.hold("gone").unwrap().is_some());
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
