//! A folder that many writers make durable at once: those who come while a sync is on its way share the next one.

use super::sync_folder;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A folder and who waits for it.
#[derive(Debug)]
pub(super) struct SharedFolder {
    path: PathBuf,
    turns: Mutex<Turns>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    /// How many have asked.
    asked: u64,
    /// Up to whom the folder is durable.
    durable: u64,
    running: bool,
}

impl SharedFolder {
    pub(super) fn new(path: PathBuf) -> SharedFolder {
        SharedFolder { path, turns: Mutex::default(), done: Condvar::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every name in it durable that was there before the call: by a sync that began after it.
    ///
    /// # Errors
    /// The system's own; the others who waited then try for themselves.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut turns = self.turns();
        turns.asked += 1;
        let mine = turns.asked;
        while turns.durable < mine {
            if turns.running {
                turns = self.done.wait(turns).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            turns.running = true;
            let up_to = turns.asked;
            drop(turns);
            let outcome = sync_folder(&self.path);
            turns = self.turns();
            turns.running = false;
            if outcome.is_ok() {
                turns.durable = turns.durable.max(up_to);
            }
            self.done.notify_all();
            outcome?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, thread};

    #[test]
    fn everybody_who_asks_is_answered_once_the_folder_is_durable_or_told_why_not() {
        let path = std::env::temp_dir().join(format!("cg-shared-folder-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = SharedFolder::new(path.clone());
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..20).for_each(|_| folder.sync().unwrap()));
            }
        });
        let turns = folder.turns.lock().unwrap();
        assert_eq!((turns.asked, turns.durable, turns.running), (320, 320, false));
        drop(turns);
        fs::remove_dir_all(path).unwrap();
        assert_eq!(folder.sync().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(folder.sync().unwrap_err().kind(), io::ErrorKind::NotFound, "and the next one as well");
    }
}
