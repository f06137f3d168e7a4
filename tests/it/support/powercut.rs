//! A power cut: the data folder as it would be afterwards. `tests/powercut/powercut.c`, loaded into the server, records
//! what each fsync makes durable; here the folder is rebuilt from nothing but that.
//!
//! Limits: only what goes through libc's fsync and fdatasync is seen, nothing is reordered inside of one file between two
//! syncs, and PostgreSQL's own files are out of reach.

use super::{process::Command, scratch::Folder};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::UNIX_EPOCH,
};

/// Records of one life of a server.
pub struct Recorder {
    log: Folder,
    blind: Option<&'static str>,
}

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let folder = Folder::new("powercut");
        let path = folder.path().join("powercut.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/powercut/powercut.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-shared", "-fPIC", "-o"]).arg(&path).arg(source).args(["-ldl", "-lpthread"]);
        let output = cc.output().expect("a C compiler is needed: cc");
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        (folder, path)
    });
    path
}

impl Recorder {
    /// Nothing recorded yet. `blind` names a part of the paths whose syncs it does not see.
    pub fn new(blind: Option<&'static str>) -> Recorder {
        Recorder { log: Folder::new("records"), blind }
    }

    /// Loads the library into a server whose data lies in `root`.
    pub fn watch(&self, command: &mut Command, root: &Path) {
        command.env("LD_PRELOAD", library()).env("POWERCUT_ROOT", root).env("POWERCUT_LOG", self.log.path());
        if let Some(blind) = self.blind {
            command.env("POWERCUT_BLIND", blind);
        }
    }

    /// Counts everything that is there now as durable.
    pub fn all_is_durable(&self, root: &Path) {
        let mut lines = String::new();
        for entry in fs::read_dir(root).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let kind = if path.is_dir() { 'd' } else { 'f' };
            lines.push_str(&format!("{kind} {} {}\n", identity(&path), name.to_str().unwrap()));
            if path.is_dir() {
                self.all_is_durable(&path);
            } else {
                fs::copy(&path, self.log.path().join(identity(&path))).unwrap();
            }
        }
        fs::write(self.log.path().join(identity(root)), lines).unwrap();
    }

    /// Makes the disk of the uploads full, or not.
    pub fn full(&self, full: bool) {
        let flag = self.log.path().join("full");
        if full { fs::write(flag, "").unwrap() } else { fs::remove_file(flag).unwrap() }
    }

    /// The power comes back: `root` holds what was durable, and nothing else.
    pub fn cut(self, root: &Path) {
        let identity = identity(root);
        fs::remove_dir_all(root).unwrap();
        self.rebuild(&identity, root);
    }

    fn rebuild(&self, identity: &str, to: &Path) {
        fs::create_dir(to).unwrap();
        // A folder whose names were never synced is empty.
        let lines = fs::read_to_string(self.log.path().join(identity)).unwrap_or_default();
        for line in lines.lines() {
            let (kind, rest) = line.split_at(2);
            let (identity, name) = rest.split_once(' ').unwrap();
            if kind == "d " {
                self.rebuild(identity, &to.join(name));
            } else if fs::copy(self.log.path().join(identity), to.join(name)).is_err() {
                // A name without bytes is an empty file.
                fs::write(to.join(name), "").unwrap();
            }
        }
    }
}

/// As the library names an inode.
fn identity(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    let born = metadata.created().expect("the file system tells when a file was made");
    let born = born.duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}-{}", metadata.ino(), born.as_secs(), born.subsec_nanos())
}
