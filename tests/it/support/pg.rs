//! A throw-away PostgreSQL: one cluster for the test process, one database for each test.
//!
//! The programs are found on `PATH` or in `/usr/lib/postgresql/*/bin` (`TEST_PG_BIN` names another folder). Missing
//! programs fail the tests; only `TEST_PG=off` switches them off, and then each says so. `TEST_PG_FSYNC=on` makes the
//! cluster sync as in production, for measuring; a killed process loses nothing without it.

use super::scratch::Folder;
use chengguan::{
    db::{Db, Purpose, migrate},
    sim::torture::cluster,
};
use diesel::connection::SimpleConnection;
use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const TEMPLATE: &str = "migrated";
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `TEST_PG=off` was set.
pub fn switched_off() -> bool {
    match env::var("TEST_PG").as_deref() {
        Err(_) | Ok("" | "on") => false,
        Ok("off") => true,
        Ok(other) => panic!("TEST_PG={other}: must be on or off"),
    }
}

/// A database of its own, dropped with this value.
pub struct Database {
    name: String,
    /// What `DATABASE_URL` takes.
    pub url: String,
}

impl Database {
    /// A database with all migrations applied.
    pub fn migrated() -> Database {
        Database::create(Some(TEMPLATE))
    }

    /// A database without any table.
    pub fn empty() -> Database {
        Database::create(None)
    }

    fn create(template: Option<&str>) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cluster = shared();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        cluster.create(&name, template).expect("a database can be made");
        Database { url: cluster.url(&name), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What stays, goes with the cluster.
        drop(shared().run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

struct Cluster {
    folder: Folder,
    /// Stopped by the watchdog of `scratch`, because a static is never dropped.
    _postgres: Child,
    file_copy: bool,
}

fn shared() -> &'static Cluster {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match CLUSTER.get_or_init(Cluster::start) {
        Ok(cluster) => cluster,
        Err(message) => panic!("{message}"),
    }
}

impl Cluster {
    fn start() -> Result<Cluster, String> {
        let programs = programs()?;
        let folder = Folder::new("pg");
        let owner = cluster::unprivileged().map_err(|e| e.to_string())?;
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).map_err(|e| format!("chown {:?}: {e}", folder.path()))?;
        }
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let initdb = command("initdb")
            .args(["-D", "data", "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8"])
            .output()
            .map_err(|e| format!("initdb could not be run: {e}"))?;
        if !initdb.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&initdb.stderr)));
        }
        let log = fs::File::create(folder.path().join("log")).map_err(|e| e.to_string())?;
        let fsync = if env::var("TEST_PG_FSYNC").as_deref() == Ok("on") { "on" } else { "off" };
        let settings = [
            "listen_addresses=",
            "max_connections=200",
            &format!("fsync={fsync}"),
            &format!("full_page_writes={fsync}"),
            // On: then what was acknowledged survives a kill of PostgreSQL itself, and it costs no fsync here.
            "synchronous_commit=on",
        ];
        let mut postgres = command("postgres");
        postgres.args(["-D", "data", "-k"]).arg(folder.path());
        for setting in settings {
            postgres.args(["-c", setting]);
        }
        // Of its own, so that Ctrl-C does not stop it under tests that are ending.
        let child = postgres.stderr(log).process_group(0).spawn().map_err(|e| format!("postgres: {e}"))?;
        let mut cluster = Cluster { folder, _postgres: child, file_copy: false };
        cluster.wait()?;
        let fail = |e: diesel::result::Error| format!("the template database: {e}");
        cluster.create(TEMPLATE, None).map_err(fail)?;
        let mut db = cluster.open(TEMPLATE)?;
        migrate::check(&mut db, true).map_err(|e| format!("the migrations: {e}"))?;
        Ok(cluster)
    }

    fn wait(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            match self.open("postgres") {
                Ok(Db::Postgres(_)) => break,
                Ok(Db::Sqlite(_)) => return Err("a postgres:// URL opened SQLite".into()),
                Err(message) => {
                    let ended = self._postgres.try_wait().map_err(|e| e.to_string())?;
                    if ended.is_some() || started.elapsed() > PATIENCE {
                        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                        return Err(format!("PostgreSQL did not start ({ended:?}): {message}\n{log}"));
                    }
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        // CREATE DATABASE by copying files came with version 15; the way before it did the same without a name.
        self.file_copy = fs::read_to_string(self.folder.path().join("data/PG_VERSION"))
            .is_ok_and(|version| version.trim().parse::<u32>().is_ok_and(|major| major >= 15));
        Ok(())
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.folder.path().display())
    }

    fn open(&self, database: &str) -> Result<Db, String> {
        Db::open(&self.url(database), Purpose::Write).map_err(|e| e.to_string())
    }

    fn run(&self, sql: &str) -> diesel::QueryResult<()> {
        self.open("postgres").expect("the cluster takes connections").batch_execute(sql)
    }

    fn create(&self, name: &str, template: Option<&str>) -> diesel::QueryResult<()> {
        let template = template.unwrap_or("template0");
        let strategy = if self.file_copy { " STRATEGY file_copy" } else { "" };
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}"))
    }
}

/// The folder with `initdb` and `postgres`.
fn programs() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("TEST_PG_BIN") {
        let folder = PathBuf::from(folder);
        let here = ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
        return if here { Ok(folder) } else { Err(format!("TEST_PG_BIN={folder:?} lacks initdb or postgres")) };
    }
    cluster::programs()
        .map_err(|e| format!("{e}: install the package `postgresql`, set TEST_PG_BIN, or TEST_PG=off to go without"))
}
