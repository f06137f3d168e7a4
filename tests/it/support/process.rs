//! The real program in a process of its own: for what only a process can do, such as being killed.

pub use std::process::Command;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, in this folder, with none of our own settings.
pub fn chengguan(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chengguan"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHENGGUAN_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running `chengguan serve`, killed when dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The code for the first administrator, when it printed one.
    pub setup_code: Option<String>,
}

impl Process {
    /// Starts it in `folder` and waits until it listens. `port` 0 takes a free one.
    pub fn start(folder: &Path, database_url: Option<&str>, port: u16) -> Process {
        Process::start_with(folder, database_url, port, |_| ())
    }

    /// The same, with more arguments or variables.
    pub fn start_with(
        folder: &Path,
        database_url: Option<&str>,
        port: u16,
        more: impl FnOnce(&mut Command),
    ) -> Process {
        let mut command = chengguan(folder);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--workers", "1", "--log", "warn"]);
        command.args(["--reserve-bytes", "0"]);
        if let Some(url) = database_url {
            command.args(["--database-url", url]);
        }
        more(&mut command);
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program can be run");
        let output = child.stdout.take().expect("its output is ours");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        let mut process = Process { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), setup_code: None };
        process.greeting(folder, &told);
        process
    }

    /// Reads the address, and the setup code that follows it in the same breath on a fresh database.
    fn greeting(&mut self, folder: &Path, told: &mpsc::Receiver<String>) {
        let first = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the program did not start: {log}");
        });
        let address = first.split_once("http://").and_then(|(_, rest)| rest.trim_end_matches('/').parse().ok());
        self.address = address.unwrap_or_else(|| panic!("no address in {first:?}"));
        while let Ok(line) = told.recv_timeout(Duration::from_millis(50)) {
            if let Some((_, code)) = line.split_once("first one: ") {
                self.setup_code = Some(code.trim().to_owned());
                break;
            }
        }
    }

    /// Memory of its own, files not counted, KiB.
    pub fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel counts it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Kills it as a power cut would: nothing in it runs any more.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it can be waited for");
    }

    /// Asks it to stop and waits for its end; whether it ended in order.
    pub fn stop(mut self) -> bool {
        let pid = self.child.id().to_string();
        // The shell's own `kill`: a minimal system has no program of that name.
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "kill", &pid]).status().expect("sh can be run");
        assert!(sent.success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.success();
            }
            assert!(started.elapsed() < PATIENCE, "it does not stop");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
