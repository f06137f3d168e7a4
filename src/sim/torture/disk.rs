//! A disk that is full for a while: a small file system of its own where one may be mounted, and a limit on the size of
//! the servers' files where not.

use super::processes::{Nursery, Server};
use crate::client::{ClientError, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How the servers' disk is made full.
pub enum Disk {
    /// A file system in memory, shrunk to what is in use: real `ENOSPC`.
    Small(PathBuf),
    /// `RLIMIT_FSIZE` of the server processes: no file may grow beyond what it will soon need (`EFBIG`).
    Limit,
}

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum How {
    /// A small file system where one may be mounted, the limit elsewhere.
    Auto,
    /// The limit on the servers' files.
    Limit,
}

/// Room that stays free on the "full" disk: enough to look alive, not enough to work.
const LEFT: u64 = 48 * 1024;
/// Room otherwise; memory is only taken for what is stored.
const ROOM: &str = "size=2g";
/// Files may not grow beyond this while the disk counts as full.
const LIMIT: u64 = 64 * 1024;

impl Disk {
    /// Mounts the small file system at `small/` of the run's folder; without leave to mount, or when it is wished, the
    /// limit serves instead.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn new(nursery: &Nursery, how: How) -> Result<Disk> {
        if how == How::Limit {
            return Ok(Disk::Limit);
        }
        let folder = nursery.folder().join("small");
        fs::create_dir_all(&folder).map_err(|e| ClientError::File(format!("{}: {e}", folder.display())))?;
        Ok(if mount(&["-t", "tmpfs", "-o", ROOM, "tmpfs"], &folder) { Disk::Small(folder) } else { Disk::Limit })
    }

    /// Where the servers keep their data; `None` when any folder will do.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Disk::Small(folder) => Some(folder),
            Disk::Limit => None,
        }
    }

    /// Says how, for the summary.
    pub fn how(&self) -> &'static str {
        match self {
            Disk::Small(_) => "a small file system without room (ENOSPC)",
            Disk::Limit => "a limit on the servers' files (EFBIG)",
        }
    }

    /// Makes it full; whether that worked.
    pub fn fill(&self, servers: &[Server]) -> bool {
        match self {
            Disk::Small(folder) => {
                let Ok(stat) = rustix::fs::statvfs(folder) else { return false };
                let used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
                mount(&["-o", &format!("remount,size={}", used + LEFT)], folder)
            }
            Disk::Limit => limit(servers, Some(LIMIT)),
        }
    }

    /// There is room again.
    pub fn free(&self, servers: &[Server]) -> bool {
        match self {
            Disk::Small(folder) => mount(&["-o", &format!("remount,{ROOM}")], folder),
            Disk::Limit => limit(servers, None),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Disk::Small(folder) = self {
            drop(Command::new("umount").arg("-l").arg(folder).output());
        }
    }
}

fn mount(args: &[&str], folder: &Path) -> bool {
    Command::new("mount").args(args).arg(folder).output().is_ok_and(|output| output.status.success())
}

fn limit(servers: &[Server], bytes: Option<u64>) -> bool {
    servers.iter().filter_map(Server::pid).all(|pid| {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // The hard limit stays as it is, or it could not be lifted again.
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).is_ok()
    })
}
