//! Originals in a local folder: `aa/bb/<sha256>`, and `derived/aa/bb/<sha256>…` for pictures made of them.

use super::{
    Listed, LocalFile, Originals, Source, digest, is_original, originals::changed, shared::SharedFolder, shelf,
    sync_folder,
};
use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The folder.
#[derive(Debug)]
pub struct InFolder {
    root: SharedFolder,
    derived: PathBuf,
    /// Folders of originals whose own names this process knows to be durable.
    shelves: Mutex<HashSet<PathBuf>>,
}

impl InFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// The system's own.
    pub fn open(root: &Path) -> io::Result<InFolder> {
        let derived = root.join("derived");
        fs::create_dir_all(&derived)?;
        sync_folder(root)?;
        if let Some(parent) = root.parent().filter(|parent| parent.is_dir()) {
            sync_folder(parent)?;
        }
        Ok(InFolder { root: SharedFolder::new(root.to_owned()), derived, shelves: Mutex::default() })
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.root.path().join(shelf(sha256)).join(sha256)
    }

    /// Makes a folder for originals, durably. That it exists says nothing: another thread may have made it just now.
    fn make_shelf(&self, folder: &Path) -> io::Result<()> {
        let known = |folder: &Path| self.shelves.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
        if known(folder) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let mut durable = vec![folder.to_owned()];
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
            if !known(parent) {
                self.root.sync()?;
                durable.push(parent.to_owned());
            }
        }
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner).extend(durable);
        Ok(())
    }

    fn copy(&self, staged: &Path, sha256: &str, folder: &Path) -> io::Result<()> {
        if self.is_sound(sha256)? {
            return Ok(());
        }
        let name = staged.file_name().unwrap_or(OsStr::new("unnamed")).to_string_lossy();
        let arriving = folder.join(format!("{name}.part"));
        fs::copy(staged, &arriving)?;
        let mut file = File::open(&arriving)?;
        file.sync_all()?;
        if digest::sha256_of(&mut file)?.0 != sha256 {
            fs::remove_file(&arriving)?;
            return Err(changed());
        }
        fs::rename(&arriving, self.path(sha256))?;
        sync_folder(folder)
    }
}

impl Originals for InFolder {
    fn put(&self, staged: &Path, sha256: &str, alone: bool) -> io::Result<()> {
        let to = self.path(sha256);
        let folder = to.parent().ok_or_else(|| io::Error::other("an original has a folder"))?;
        self.make_shelf(folder)?;
        if !alone {
            // Whoever else has the file open could write into the original after the move.
            return self.copy(staged, sha256, folder);
        }
        match fs::rename(staged, &to) {
            // It may be another file system.
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => self.copy(staged, sha256, folder),
            // That the old name is gone need not survive: a file without an open upload is removed by the sweeper.
            outcome => outcome.and_then(|()| sync_folder(folder)),
        }
    }

    fn open(&self, sha256: &str) -> io::Result<Option<(Source, u64)>> {
        match File::open(self.path(sha256)) {
            Ok(file) => {
                let length = file.metadata()?.len();
                Ok(Some((Box::new(file), length)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn file(&self, sha256: &str, _unique: &str) -> io::Result<Option<LocalFile>> {
        let path = self.path(sha256);
        Ok(path.try_exists()?.then_some(LocalFile { path, is_copy: false }))
    }

    fn remove(&self, sha256: &str) -> io::Result<()> {
        let derived = self.derived.join(shelf(sha256));
        for path in entries(&derived)?.into_iter().filter(|path| name(path).starts_with(sha256)) {
            gone(fs::remove_file(path))?;
        }
        let path = self.path(sha256);
        gone(fs::remove_file(&path))?;
        gone(path.parent().map_or(Ok(()), sync_folder))
    }

    fn list(&self, after: &str, limit: usize) -> io::Result<Vec<Listed>> {
        let mut found = Vec::new();
        let begin = |length| after.get(..length).unwrap_or_default();
        for first in entries(self.root.path())? {
            if name(&first).len() != 2 || name(&first) < begin(2) {
                continue;
            }
            for second in entries(&first)? {
                let shelf = format!("{}{}", name(&first), name(&second));
                if shelf.len() != 4 || shelf.as_str() < begin(4) {
                    continue;
                }
                for path in entries(&second)?.into_iter().filter(|path| is_original(name(path)) && name(path) > after) {
                    if found.len() == limit {
                        return Ok(found);
                    }
                    let length = fs::metadata(&path)?.len();
                    found.push(Listed { sha256: name(&path).to_owned(), length });
                }
            }
        }
        Ok(found)
    }

    fn derived(&self, sha256: &str, suffix: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.derived.join(shelf(sha256)).join(format!("{sha256}{suffix}"))) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    fn keep_derived(&self, sha256: &str, suffix: &str, unique: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.derived.join(shelf(sha256));
        fs::create_dir_all(&folder)?;
        let arriving = folder.join(format!("{unique}.part"));
        fs::write(&arriving, bytes)?;
        // It can be made again, so the folder is not synced.
        File::open(&arriving)?.sync_data()?;
        fs::rename(&arriving, folder.join(format!("{sha256}{suffix}")))
    }
}

/// The entries of a folder in order; none when it is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        outcome => outcome?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}
