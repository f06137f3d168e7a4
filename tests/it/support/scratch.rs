//! Folders of one test process, and the watchdog that removes them.
//!
//! Statics are never dropped in a test binary, and a killed process drops nothing at all. So a child holds the read
//! end of a pipe whose write end dies with us: when it reads the end, it stops our PostgreSQL and removes the folder.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Immediate shutdown of PostgreSQL (`QUIT`) is fine: nobody will read its data again.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
for file in "$1"/*/data/postmaster.pid; do
  [ -f "$file" ] || continue
  pid=$(head -n 1 "$file")
  kill -QUIT "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
done
rm -rf "$1"
"#;

struct Root {
    path: PathBuf,
    /// Its standard input is the pipe; it must live as long as we do.
    _watchdog: Child,
}

fn root() -> &'static Path {
    static ROOT: OnceLock<Root> = OnceLock::new();
    &ROOT.get_or_init(|| make_root().expect("a temporary folder can be made")).path
}

fn make_root() -> io::Result<Root> {
    let mut attempt = 0;
    let path = loop {
        // Short on purpose: a unix socket's path has 107 bytes.
        let path = std::env::temp_dir().join(format!("cg-test-{}-{attempt}", std::process::id()));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
            Ok(()) => break path,
        }
    };
    let watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Of its own, so that Ctrl-C at the terminal does not end it before us.
        .process_group(0)
        .spawn()?;
    Ok(Root { path, _watchdog: watchdog })
}

/// A fresh folder, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// A fresh, empty folder whose name begins with `name`.
    pub fn new(name: &str) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = root().join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).expect("a folder can be made in the temporary folder");
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every regular file below it.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("our own folder can be read") {
                let path = entry.expect("our own folder can be read").path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays, the watchdog removes.
        drop(fs::remove_dir_all(&self.0));
    }
}
