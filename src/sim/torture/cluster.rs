//! A PostgreSQL of the run's own, so that it can be stopped in the middle of everything and started again.

use super::processes::{Nursery, tail};
use crate::{
    client::{ClientError, Result},
    db::{Db, Purpose},
};
use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster in a folder of its own, with `fsync` on; stopped when dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    owner: Option<(u32, u32)>,
    postgres: Option<Child>,
}

fn fail(what: &str, error: impl std::fmt::Display) -> ClientError {
    ClientError::File(format!("{what}: {error}"))
}

impl Cluster {
    /// Makes it in `postgres/` of a folder and starts it, with an empty database `chengguan`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn new(nursery: &Nursery, within: &Path) -> Result<Cluster> {
        let (programs, owner) = (programs()?, unprivileged()?);
        let folder = within.join("postgres");
        fs::create_dir_all(&folder).map_err(|e| fail("postgres", e))?;
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group)).map_err(|e| fail("chown", e))?;
        }
        let mut cluster = Cluster { programs, folder, owner, postgres: None };
        let args = ["-D", "data", "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8"];
        cluster.run("initdb", &args)?;
        cluster.start(nursery)?;
        let mut db = cluster.open("postgres")?;
        diesel::connection::SimpleConnection::batch_execute(&mut db, "CREATE DATABASE chengguan")?;
        Ok(cluster)
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> String {
        self.url_of("chengguan")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.folder.display())
    }

    fn open(&self, database: &str) -> Result<Db> {
        Db::open(&self.url_of(database), Purpose::Write).map_err(|e| fail("PostgreSQL", e))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn run(&self, name: &str, args: &[&str]) -> Result<()> {
        let output = self.command(name).args(args).output().map_err(|e| fail(name, e))?;
        let text = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(fail(name, text.trim())) }
    }

    /// Starts it and waits until it has recovered and takes connections.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&mut self, nursery: &Nursery) -> Result<()> {
        let log = fs::File::options().append(true).create(true).open(self.folder.join("log"));
        let mut command = self.command("postgres");
        nursery.join(&mut command).args(["-D", "data", "-c", "listen_addresses=", "-c", "max_connections=100", "-k"]);
        command.arg(&self.folder).stderr(log.map_err(|e| fail("log", e))?);
        let mut child = command.spawn().map_err(|e| fail("postgres", e))?;
        let end = Instant::now() + PATIENCE;
        while let Err(error) = self.open("postgres") {
            let ended = child.try_wait().map_err(|e| fail("postgres", e))?;
            if ended.is_some() || Instant::now() > end {
                return Err(fail("PostgreSQL did not start", format!("{error}; {}", tail(&self.folder.join("log")))));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.postgres = Some(child);
        Ok(())
    }

    /// Waits until it takes connections, and starts it when it has ended: without room for its log it gives up.
    ///
    /// # Errors
    /// When it does not start.
    pub fn revive(&mut self, nursery: &Nursery) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = match &mut self.postgres {
                Some(postgres) => postgres.try_wait().map_err(|e| fail("postgres", e))?.is_some(),
                None => true,
            };
            if ended {
                return self.start(nursery);
            }
            match self.open("postgres") {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// `pg_ctl stop -m immediate`: no checkpoint, no farewell; it must recover from its log.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop_immediately(&mut self) -> Result<()> {
        let stopped = self.run("pg_ctl", &["stop", "-D", "data", "-m", "immediate", "-s"]);
        if let Some(mut postgres) = self.postgres.take() {
            drop(postgres.wait());
        }
        stopped
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.postgres.is_some() {
            // What goes wrong here is the watchdog's to mend.
            drop(self.stop_immediately());
        }
    }
}

/// The folder with PostgreSQL's programs: on `PATH`, or Debian's newest. A wrapper alone on `PATH` is not enough.
///
/// # Errors
/// When they are not installed.
pub fn programs() -> Result<PathBuf> {
    let complete = |folder: &Path| ["initdb", "postgres", "pg_ctl"].iter().all(|name| folder.join(name).is_file());
    let on_path = env::split_paths(&env::var_os("PATH").unwrap_or_default()).find(|folder| complete(folder));
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<f32>().ok();
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort_by(|a, b| version(b).partial_cmp(&version(a)).unwrap_or(std::cmp::Ordering::Equal));
    on_path
        .or_else(|| versions.into_iter().map(|folder| folder.join("bin")).find(|folder| complete(folder)))
        .ok_or_else(|| ClientError::File("PostgreSQL is not installed: initdb, postgres and pg_ctl are needed".into()))
}

/// The user PostgreSQL runs as: it refuses root, so root becomes `postgres` (or `nobody`); others stay who they are.
///
/// # Errors
/// When there is no such user.
pub fn unprivileged() -> Result<Option<(u32, u32)>> {
    let own = fs::metadata("/proc/self").map_err(|e| fail("/proc/self", e))?.uid();
    if own != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(|e| fail("/etc/passwd", e))?;
    let ids = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.map(Some).ok_or_else(|| fail("PostgreSQL", "refuses to run as root, and there is no user postgres"))
}
