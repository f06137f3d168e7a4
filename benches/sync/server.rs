//! A real `chengguan serve` in a process of its own, as it is installed: its allocator, threads and caches are not
//! shared with the clients that measure it, and a profiler can look at it alone.

use crate::figures::Done;
use chengguan::{app::App, config::Config, db::Tx, env::Env, error::Result};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Where a server keeps its data: a folder of its own, and the database's URL.
#[derive(Debug, Clone)]
pub struct Data {
    pub folder: PathBuf,
    pub url: String,
}

impl Data {
    /// The embedded database, in the folder.
    pub fn embedded(folder: &Path) -> Data {
        Data { folder: folder.to_owned(), url: format!("sqlite:{}", folder.join("chengguan.db").display()) }
    }

    /// Runs `f` on a database that nobody serves yet; the schema and the server's keys are made when they are missing.
    pub fn prepare<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx, &chengguan::identity::tokens::Keys) -> Result<T> + Send + 'static,
    ) -> Done<T> {
        let flags = [("data", self.folder.display().to_string()), ("database_url", self.url.clone())];
        let config = Config::load(&flags, std::iter::empty(), None)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let App { db, keys, .. } = App::open(config, Env::system()).await?;
            Ok(db.write(move |tx| f(tx, &keys)).await?)
        })
    }
}

/// A running server; dropped, it ends at once.
pub struct Server {
    /// Its process, for a profiler too.
    pub child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it with the settings a fresh installation has.
    pub fn start(data: &Data) -> Done<Server> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chengguan"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHENGGUAN_") {
                command.env_remove(name);
            }
        }
        let log = std::fs::File::options().create(true).append(true).open(data.folder.join("log"))?;
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--reserve-bytes", "0"])
            .arg("--data")
            .arg(&data.folder)
            .args(["--database-url", &data.url]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = child.stdout.take().ok_or("the server's output is ours")?;
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut greeting = BufReader::new(output);
        let mut line = String::new();
        greeting.read_line(&mut line)?;
        let address = line.split_once("http://").and_then(|(_, rest)| rest.trim().trim_end_matches('/').parse().ok());
        server.address = address.ok_or_else(|| {
            let log = std::fs::read_to_string(data.folder.join("log")).unwrap_or_default();
            format!("the server did not start: {line}{log}")
        })?;
        // What else it prints must find a reader, or it would stop at a full pipe.
        std::thread::spawn(move || std::io::copy(&mut greeting, &mut std::io::sink()));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody reads its data again.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
