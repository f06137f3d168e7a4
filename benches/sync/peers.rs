//! Other servers that take documents from devices, in the same run on the same machine, unchanged, from their own
//! packages. They validate no workflow: a document is stored as it came, so this compares only what it costs to bring
//! records to disk and out again.

use crate::{
    Options,
    figures::{Done, Rates, head, median, row, say},
    places::{Engine, Place},
    pull::Way,
    push::{BATCH, DEVICES, all_at_once},
    wire::{Connection, count, request_with},
};
use chengguan::env::Env;
use diesel::{RunQueryDsl, sql_query, sql_types::Text};
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const JSON: (&str, &str) = ("Content-Type", "application/json");
const PARSE: [(&str, &str); 3] = [JSON, ("X-Parse-Application-Id", "bench"), ("X-Parse-Master-Key", "bench-master")];

/// What ours did in this run.
pub struct Ours<'a> {
    pub pushes: &'a [(Engine, Rates)],
    pub singles: &'a [(Engine, Rates)],
    pub pulls: &'a [(Engine, usize, Way, Rates)],
}

impl Ours<'_> {
    fn ratio(&self, to: &str, mine: Option<&Rates>, theirs: &Rates) -> Done {
        match mine {
            Some(mine) => say(format_args!("  ours ({to}) : theirs = {:.1}", median(mine) / median(theirs))),
            None => Ok(()),
        }
    }

    fn push(&self, engine: Engine) -> Option<&Rates> {
        self.pushes.iter().find(|(e, _)| *e == engine).map(|(_, rates)| rates)
    }

    fn single(&self, engine: Engine) -> Option<&Rates> {
        self.singles.iter().find(|(e, _)| *e == engine).map(|(_, rates)| rates)
    }

    fn pull(&self, engine: Engine, way: Way) -> Option<&Rates> {
        self.pulls.iter().find(|(e, n, w, _)| *e == engine && *n == DEVICES && *w == way).map(|(.., rates)| rates)
    }
}

/// Runs each peer's parts.
pub fn beside(options: &Options, ours: &Ours) -> Done {
    let folder = installed()?;
    head("peers (they validate no workflow)")?;
    pouch(options, ours, &folder)?;
    parse(options, ours, &folder)
}

/// `npm ci` on first use. Install scripts are not run: the packages bring what they need built.
fn installed() -> Done<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    if !folder.join("node_modules/.package-lock.json").is_file() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder).stdout(Stdio::null());
        let status = npm.status().map_err(|e| format!("npm can't be run: {e}"))?;
        if !status.success() {
            return Err("npm ci failed in benches/peers".into());
        }
    }
    Ok(folder)
}

/// A peer's process; dropped, it ends.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// Starts `node` with arguments made of the port, and waits until it answers at `path`.
    fn start(folder: &Path, arguments: impl Fn(u16) -> Vec<String>, ready: &[u8]) -> Done<Peer> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = std::fs::File::create(folder.join("peer.log"))?;
        let mut command = Command::new("node");
        command.args(arguments(address.port())).current_dir(folder).env("NODE_ENV", "production");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut peer = Peer { child, address };
        let started = Instant::now();
        while !Connection::open(address).and_then(|mut c| c.ask(ready)).is_ok_and(|answer| answer.status == 200) {
            if peer.child.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(folder.join("peer.log")).unwrap_or_default();
                return Err(format!("the peer did not start: {log}").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A document of the size of an operation's own words.
fn document(env: &Env) -> Value {
    json!({
        "kind": "case.report", "case_id": env.id(), "title": "井盖缺失", "description": "人行道井盖缺失，存在安全隐患",
        "class_code": "1101", "occurred_at": env.now(), "note": "现场照片见附件",
    })
}

fn pouch(options: &Options, ours: &Ours, programs: &Path) -> Done {
    let place = Place::fresh(Engine::Sqlite, None)?;
    let program = programs.join("node_modules/pouchdb-server/bin/pouchdb-server").display().to_string();
    let arguments = |port: u16| {
        let rest = ["--host", "127.0.0.1", "--dir", ".", "--no-stdout-logs", "--port"].map(str::to_owned);
        [vec![program.clone()], rest.to_vec(), vec![port.to_string()]].concat()
    };
    let peer = Peer::start(place.folder(), arguments, &request_with("GET", "/", &[], None))?;
    let env = Env::system();
    let (mut pushes, mut pulls) = (Rates::new(), Rates::new());
    for n in 0..=options.rounds {
        let create = request_with("PUT", &format!("/round{n}"), &[], None);
        Connection::open(peer.address)?.ask(&create)?.good()?;
        let body = || {
            let docs: Vec<Value> = (0..BATCH)
                .map(|_| {
                    let mut doc = document(&env);
                    doc["_id"] = json!(env.id());
                    doc
                })
                .collect();
            json!({ "docs": docs }).to_string()
        };
        let path = format!("/round{n}/_bulk_docs");
        let requests: Vec<_> =
            (0..DEVICES).map(|_| vec![request_with("POST", &path, &[JSON], Some(&body()))]).collect();
        let pushed = rate(peer.address, &requests, b"\"ok\":true", BATCH)?;
        let path = format!("/round{n}/_changes?include_docs=true&since=0");
        let requests = vec![vec![request_with("GET", &path, &[], None)]; DEVICES];
        let pulled = rate(peer.address, &requests, b"\"doc\":", DEVICES * BATCH)?;
        if n > 0 {
            pushes.push(pushed);
            pulls.push(pulled);
        }
    }
    row("PouchDB Server 4.2.0, leveldb, _bulk_docs of 100", &pushes, "docs/s")?;
    ours.ratio("SQLite, 100 a push", ours.push(Engine::Sqlite), &pushes)?;
    row("PouchDB Server 4.2.0, _changes with docs, 20 x 2000", &pulls, "rows/s")?;
    ours.ratio("SQLite, snapshot", ours.pull(Engine::Sqlite, Way::Snapshot), &pulls)?;
    ours.ratio("SQLite, changes", ours.pull(Engine::Sqlite, Way::Changes), &pulls)
}

#[derive(diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn parse(options: &Options, ours: &Ours, programs: &Path) -> Done {
    let place = Place::fresh(Engine::Postgres, options.postgres_url.as_deref())?;
    let asked = |sql: &str| -> Done<String> { Ok(sql_query(sql).get_result::<Name>(&mut place.open()?)?.name) };
    let database = asked("SELECT current_database()::text AS name")?;
    let user = asked("SELECT current_user::text AS name")?;
    let sockets = asked("SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS name")?;
    let program = programs.join("parse.mjs").display().to_string();
    let arguments =
        |port: u16| vec![program.clone(), port.to_string(), database.clone(), sockets.clone(), user.clone()];
    let ready = request_with("GET", "/parse/health", &PARSE, None);
    let peer = Peer::start(place.folder(), arguments, &ready)?;
    let env = Env::system();
    let (mut posts, mut batches, mut pulls, mut refused) = (Rates::new(), Rates::new(), Rates::new(), None);
    for n in 0..=options.rounds {
        let (one, many) = (format!("/parse/classes/Single{n}"), format!("/parse/classes/Batch{n}"));
        // The class is made by its first document.
        for path in [&one, &many] {
            let first = request_with("POST", path, &PARSE, Some(&document(&env).to_string()));
            Connection::open(peer.address)?.ask(&first)?.good()?;
        }
        let post = |path: &str| request_with("POST", path, &PARSE, Some(&document(&env).to_string()));
        let requests: Vec<Vec<_>> = (0..DEVICES).map(|_| (0..20).map(|_| post(&one)).collect()).collect();
        let posted = rate(peer.address, &requests, b"\"objectId\":", 1)?;
        let entry = || json!({"method": "POST", "path": many, "body": document(&env)});
        let body = || json!({"requests": (0..BATCH).map(|_| entry()).collect::<Vec<_>>()}).to_string();
        let requests: Vec<_> =
            (0..DEVICES).map(|_| vec![request_with("POST", "/parse/batch", &PARSE, Some(&body()))]).collect();
        let batched = match refused {
            Some(_) => None,
            None => {
                rate(peer.address, &requests, b"\"success\":", BATCH).map_err(|e| refused = Some(e.to_string())).ok()
            }
        };
        let (path, wanted) = if batched.is_some() { (&many, DEVICES * BATCH) } else { (&one, DEVICES * 20) };
        let all = format!("{path}?limit={wanted}");
        let requests = vec![vec![request_with("GET", &all, &PARSE, None)]; DEVICES];
        let pulled = rate(peer.address, &requests, b"\"objectId\":", wanted)?;
        if n > 0 {
            posts.push(posted);
            batches.extend(batched);
            pulls.push(pulled);
        }
    }
    row("Parse Server 9.9.0, PostgreSQL, POST of 1, 20 at once", &posts, "docs/s")?;
    ours.ratio("PostgreSQL, 1 a push, 100 at once", ours.single(Engine::Postgres), &posts)?;
    match refused {
        Some(why) => {
            say(format_args!("  Parse Server's /batch is left out: {}", why.chars().take(160).collect::<String>()))?
        }
        None => {
            row("Parse Server 9.9.0, PostgreSQL, /batch of 100", &batches, "docs/s")?;
            ours.ratio("PostgreSQL, 100 a push", ours.push(Engine::Postgres), &batches)?;
        }
    }
    row("Parse Server 9.9.0, PostgreSQL, query, 20 readers", &pulls, "rows/s")?;
    ours.ratio("PostgreSQL, snapshot", ours.pull(Engine::Postgres, Way::Snapshot), &pulls)
}

/// Things a second, when every answer of the requests has `each` of them.
fn rate(address: SocketAddr, requests: &[Vec<Vec<u8>>], thing: &[u8], each: usize) -> Done<f64> {
    let (took, answers) = all_at_once(address, requests)?;
    let mut all = 0;
    for answer in answers.into_iter().flatten() {
        let answer = answer.good()?;
        let found = count(&answer.body, thing);
        if found != each {
            let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
            return Err(format!("{found} of {each} in an answer: {start}").into());
        }
        all += found;
    }
    Ok(all as f64 / took.as_secs_f64())
}
