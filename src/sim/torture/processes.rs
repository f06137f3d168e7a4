//! The processes of a run: servers, devices, and the watchdog that ends them all when this program is killed itself.
//!
//! Everything started here joins the watchdog's process group. Its standard input is a pipe whose other end only we
//! hold: when we are gone, however that came, it ends the group, and nothing goes on working in the background.

use crate::{
    client::{ClientError, Result},
    env::Env,
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// `QUIT` is PostgreSQL's immediate shutdown; the others end at `TERM`. A mounted folder goes last.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
kill -TERM 0
for file in "$1"/postgres/data/postmaster.pid "$1"/small/postgres/data/postmaster.pid; do
  [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")" 2>/dev/null
done
sleep 1
umount -l "$1/small" 2>/dev/null
exit 0
"#;

/// No process may need longer to start, even after a crash of its database.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Where the servers listen now; `None` while one is down.
#[derive(Debug)]
pub struct Servers(Mutex<Vec<Option<SocketAddr>>>);

impl Servers {
    /// So many, all down.
    pub fn new(count: usize) -> Servers {
        Servers(Mutex::new(vec![None; count]))
    }

    /// One that is up, by chance.
    pub fn any(&self, dice: &Env) -> Option<SocketAddr> {
        let up: Vec<SocketAddr> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().copied().collect();
        let choice = dice.below(u32::try_from(up.len()).unwrap_or(1));
        up.get(choice as usize).copied()
    }

    fn set(&self, number: usize, address: Option<SocketAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[number] = address;
    }
}

/// The program, the folder of the run, and the group that everything joins.
pub struct Nursery {
    program: PathBuf,
    folder: PathBuf,
    watchdog: Child,
}

impl Nursery {
    /// Starts the watchdog. `program` is `chengguan` itself.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn new(program: &Path, folder: &Path) -> Result<Nursery> {
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| ClientError::File(format!("sh: {e}")))?;
        Ok(Nursery { program: program.to_owned(), folder: folder.to_owned(), watchdog })
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets a command join the group and know none of our own settings.
    pub fn join<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHENGGUAN_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).process_group(i32::try_from(self.watchdog.id()).unwrap_or(0))
    }

    fn log(&self, name: &str) -> Result<File> {
        let path = self.folder.join(name);
        let opened = File::options().append(true).create(true).open(&path);
        opened.map_err(|e| ClientError::File(format!("{}: {e}", path.display())))
    }

    /// The end of a process's log, for an account of what went wrong.
    pub fn tail(&self, log: &str) -> String {
        tail(&self.folder.join(log))
    }
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // Its standard input ends here, so it ends what is left of the group.
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}

/// How servers are started.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// Folder of data and originals.
    pub data: PathBuf,
    /// The database.
    pub database_url: String,
}

/// A server process.
pub struct Server {
    /// Its number, from 0.
    pub number: usize,
    child: Option<Child>,
}

impl Server {
    /// One that is down.
    pub fn new(number: usize) -> Server {
        Server { number, child: None }
    }

    fn log(&self) -> String {
        format!("server-{}.log", self.number + 1)
    }

    /// Starts it, again and again until it listens: its database may still be down.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub fn start(&mut self, nursery: &Nursery, plan: &ServerPlan, servers: &Servers) -> Result<()> {
        let end = Instant::now() + START_WITHIN;
        loop {
            match self.try_start(nursery, plan) {
                Ok(address) => {
                    servers.set(self.number, Some(address));
                    return Ok(());
                }
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn try_start(&mut self, nursery: &Nursery, plan: &ServerPlan) -> Result<SocketAddr> {
        // A file that outgrows a limit raises a signal that would end the process; ignored, the write fails instead,
        // as it does on a full disk.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "server"]).arg(&nursery.program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--reserve-bytes", "0", "--data"]);
        command.arg(&plan.data).args(["--database-url", &plan.database_url]);
        let name = self.log();
        let fail = |e: std::io::Error| ClientError::File(format!("the server: {e}"));
        let mut child =
            nursery.join(&mut command).stdout(Stdio::piped()).stderr(nursery.log(&name)?).spawn().map_err(fail)?;
        let Some(output) = child.stdout.take() else { return Err(ClientError::File("no output".into())) };
        let (tell, told) = mpsc::channel();
        // Reads to the end, or the server would wait for room in the pipe.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                drop(tell.send(line));
            }
        });
        self.child = Some(child);
        let first = told.recv_timeout(START_WITHIN).unwrap_or_default();
        let address = first.split_once("http://").and_then(|(_, rest)| rest.trim_end_matches('/').parse().ok());
        address.ok_or_else(|| {
            self.end();
            ClientError::Offline(format!("server {} does not start: {}", self.number + 1, nursery.tail(&name)))
        })
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self, servers: &Servers) {
        self.end();
        servers.set(self.number, None);
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Its end, when it ended by itself, which it never should.
    pub fn ended(&mut self, nursery: &Nursery) -> Option<String> {
        let status = ended(&mut self.child)?;
        Some(format!("server {} ended by itself ({status}): {}", self.number + 1, nursery.tail(&self.log())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A device's process.
pub struct DeviceProcess {
    /// Its number, from 0.
    pub number: usize,
    /// Where its store, ledger and files lie.
    pub folder: PathBuf,
    lives: u64,
    child: Option<Child>,
}

impl DeviceProcess {
    /// One that is off.
    pub fn new(number: usize, folder: PathBuf) -> DeviceProcess {
        DeviceProcess { number, folder, lives: 0, child: None }
    }

    fn log(&self) -> String {
        format!("device-{:02}.log", self.number + 1)
    }

    /// Switches it on: to work until it is killed, or (`home`) to bring everything home and end.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(&mut self, nursery: &Nursery, home: bool) -> Result<()> {
        self.lives += 1;
        let mut command = Command::new(&nursery.program);
        command.arg("torture-device").arg(&self.folder).args(["--life", &self.lives.to_string()]);
        if home {
            command.arg("--home");
        }
        let log = nursery.log(&self.log())?;
        let child = nursery.join(&mut command).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.map_err(|e| ClientError::File(format!("a device: {e}")))?);
        Ok(())
    }

    /// Kills it; the store must not mind.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Its end, when it ended by itself before its time.
    pub fn ended(&mut self, nursery: &Nursery) -> Option<String> {
        let status = ended(&mut self.child)?;
        Some(format!("device {} ended by itself ({status}): {}", self.number + 1, nursery.tail(&self.log())))
    }

    /// Waits until it has brought everything home; why not, otherwise.
    pub fn home(&mut self, nursery: &Nursery, end: Instant) -> Option<String> {
        loop {
            if self.child.is_none() {
                return Some(format!("device {} is off", self.number + 1));
            }
            match ended(&mut self.child) {
                Some(status) if status.success() => return None,
                Some(status) => {
                    let tail = nursery.tail(&self.log());
                    return Some(format!(
                        "device {} did not bring everything home ({status}): {tail}",
                        self.number + 1
                    ));
                }
                None if Instant::now() > end => {
                    self.kill();
                    let tail = nursery.tail(&self.log());
                    return Some(format!("device {} is still not done: {tail}", self.number + 1));
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ended(child: &mut Option<Child>) -> Option<ExitStatus> {
    let status = child.as_mut()?.try_wait().ok().flatten()?;
    *child = None;
    Some(status)
}
