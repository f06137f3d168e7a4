//! `@tus/server` with its file store, unchanged, from its own packages. It neither syncs nor hashes.

use crate::{figures::Done, target::Target};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

/// Its process; dropped, it ends.
pub struct Peer {
    child: Child,
    address: SocketAddr,
    files: PathBuf,
    jobs: usize,
}

impl Peer {
    /// Installs it on first use and starts it.
    pub fn start(folder: &Path) -> Done<Peer> {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/uploads/peer");
        if !programs.join("node_modules/.package-lock.json").is_file() {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&programs);
            if !npm.stdout(Stdio::null()).status().map_err(|e| format!("npm can't be run: {e}"))?.success() {
                return Err("npm ci failed in benches/uploads/peer".into());
            }
        }
        let files = folder.join("files");
        fs::create_dir_all(&files)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("node");
        command.arg(programs.join("tus.mjs")).arg(address.port().to_string()).arg(&files);
        command.env("NODE_ENV", "production").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut peer = Peer { child: command.spawn()?, address, files, jobs: 0 };
        let output = peer.child.stdout.take().ok_or("its output is ours")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() == "ready" { Ok(peer) } else { Err("@tus/server did not start".into()) }
    }

    pub fn target(&self) -> Target {
        Target::peer(self.address, self.child.id())
    }

    fn all(&self) -> Done<Vec<PathBuf>> {
        fs::read_dir(&self.files)?.map(|entry| Ok(entry?.path())).collect()
    }

    /// What it still owes: its files made durable, by eight threads.
    pub fn sync_files(&self) -> Done {
        let all = self.all()?;
        thread::scope(|scope| {
            let hands: Vec<_> = all
                .chunks(all.len().div_ceil(8).max(1))
                .map(|share| scope.spawn(|| share.iter().try_for_each(|path| File::open(path)?.sync_data())))
                .collect();
            hands.into_iter().try_for_each(|hand| Ok(hand.join().map_err(|_| "a sync failed")??))
        })
    }

    /// Puts its files where it does not look. They are not removed: where ext4 has no journal, names made within seconds
    /// of many removals cost a search, and ours would pay for the peer's.
    pub fn set_files_aside(&mut self) -> Done {
        self.jobs += 1;
        let aside = self.files.with_file_name(format!("done-{}", self.jobs));
        fs::create_dir(&aside)?;
        for path in self.all()? {
            fs::rename(&path, aside.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
