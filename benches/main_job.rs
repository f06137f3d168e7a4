//! The main job, measured: operations a second through push, megabytes a second through a resumable upload.
//!
//! `cargo bench --bench main_job -- [--postgres-url postgres://…/empty_database] [--rounds N] [--dir DIR]`
//!
//! Everything is the real thing: HTTP on loopback, durable commits (SQLite `synchronous=FULL`, or PostgreSQL), the full
//! rules of the case loop, one stored result for each operation. Beside the upload stand `dd conv=fsync` and `sha256sum`
//! of the same bytes in the same round, because a shared machine gives other numbers every minute: read the ratios.
//! Nothing is asserted.

use actix_web::{dev::ServerHandle, web};
use chengguan::{
    app::App,
    client::{
        device::Identity,
        http::{Api, Patience},
        rules::Pace,
        store::{Draft, Queued, Store},
        sync::Client,
        upload::{Cost, Item, Outcome, Upload, Watch, hash_file},
    },
    config::Config,
    db::types::{CaseId, OpId, UnitId},
    env::Env,
    http::server,
    identity::{
        actions::{self, NewUser},
        passwords,
        rules::{DeviceKind, Role},
    },
    sync::wire::{Base, Target},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Barrier, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const CLIENTS: usize = 20;
const BATCH: usize = 100;
const FILE_BYTES: u64 = 256 * 1024 * 1024;

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Options {
    postgres_url: Option<String>,
    rounds: usize,
    dir: PathBuf,
}

fn main() -> Done {
    let options = options()?;
    std::fs::create_dir_all(&options.dir)?;
    let mut databases = vec![("SQLite, synchronous=FULL", None)];
    if let Some(url) = &options.postgres_url {
        databases.push(("PostgreSQL", Some(url.as_str())));
    }
    say(format_args!("{CLIENTS} clients x {BATCH} operations, batches of {BATCH}, {} rounds\n", options.rounds))?;
    say(format_args!("{:<28} {:>10} {:>10} {:>10}", "push", "median", "best", "worst"))?;
    for (name, url) in &databases {
        let rates = pushes(&options, *url)?;
        row(name, &rates, "op/s")?;
    }
    let (uploads, copies, hashes) = uploads(&options)?;
    say(format_args!("\n{:<28} {:>10} {:>10} {:>10}", "256 MiB", "median", "best", "worst"))?;
    row("tus upload, verified", &uploads, "MB/s")?;
    row("dd conv=fsync", &copies, "MB/s")?;
    row("sha256sum", &hashes, "MB/s")?;
    let ratio = |other: &[f64]| median(&uploads) / median(other);
    say(format_args!(
        "\nupload : dd = {:.2}, upload : sha256sum = {:.2}, upload : both one after the other = {:.2}",
        ratio(&copies),
        ratio(&hashes),
        median(&uploads) * (1.0 / median(&copies) + 1.0 / median(&hashes))
    ))?;
    std::fs::remove_dir_all(&options.dir)?;
    Ok(())
}

fn options() -> Done<Options> {
    let env = Env::system();
    let mut options = Options {
        postgres_url: None,
        rounds: 5,
        dir: std::env::temp_dir().join(format!("chengguan-bench-{}", env.id())),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--postgres-url" => options.postgres_url = Some(value()?),
            "--rounds" => options.rounds = value()?.parse()?,
            // Inside, so that nothing but our own is removed at the end.
            "--dir" => options.dir = PathBuf::from(value()?).join(format!("chengguan-bench-{}", env.id())),
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}

fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn row(name: &str, rates: &[f64], unit: &str) -> std::io::Result<()> {
    let best = rates.iter().copied().fold(f64::MIN, f64::max);
    let worst = rates.iter().copied().fold(f64::MAX, f64::min);
    say(format_args!("{name:<28} {:>10.0} {best:>10.0} {worst:>10.0}  {unit}", median(rates)))
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Running {
    address: SocketAddr,
    app: web::Data<App>,
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(data: &Path, url: Option<&str>) -> Done<Running> {
        let mut flags = vec![
            ("listen", "127.0.0.1:0".to_owned()),
            ("data", data.display().to_string()),
            ("reserve_bytes", "0".to_owned()),
        ];
        flags.extend(url.map(|url| ("database_url", url.to_owned())));
        let config = Config::load(&flags, std::iter::empty(), None)?;
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = web::Data::new(App::open(config, Env::system()).await.expect("the server starts"));
                let bound = server::bind(app.clone()).expect("a free port is found");
                tell.send((app, bound.server.handle(), bound.address)).expect("the benchmark waits for this");
                bound.server.await.expect("the server runs to its end");
            });
        });
        let (app, handle, address) = told.recv()?;
        Ok(Running { address, app, handle, thread })
    }

    fn api(&self) -> Done<Api> {
        Ok(Api::new(&format!("http://{}", self.address), Patience::default())?)
    }

    fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut chengguan::db::Tx) -> chengguan::error::Result<T> + Send + 'static,
    ) -> Done<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(self.app.db.write(f))?)
    }

    fn stop(self) -> Done {
        drop(self.handle.stop(false));
        self.thread.join().map_err(|_| "the server's thread failed")?;
        Ok(())
    }
}

/// A device that a dispatcher signed in on.
fn client(server: &Running, folder: &Path, n: usize, hash: &str, password: &str) -> Done<Client> {
    let env = Env::system();
    let name = format!("bench-{}-{n}", env.id());
    let (username, password_hash, device) = (format!("b-{n}-{}", env.below(u32::MAX)), hash.to_owned(), name);
    let person = NewUser {
        username: username.clone(),
        name: "派遣员".into(),
        role: Role::Dispatcher,
        unit_id: None,
        password_hash,
    };
    let code = server.write(move |tx| {
        actions::user_add(tx, person)?;
        Ok(actions::device_add(tx, &device, DeviceKind::Handheld)?.1)
    })?;
    let store = Store::open(&folder.join(format!("{n}.db")))?;
    let mut client = Client::new(store, server.api()?, env, "bench/1", Pace::default());
    client.enrol(&code)?;
    client.login(&username, password)?;
    Ok(client)
}

/// 25 cases of four steps each, every step built on the one before: reported, dispatched, handled, remarked.
fn work(client: &mut Client, unit: UnitId) -> Done<Vec<Queued>> {
    for _ in 0..BATCH / 4 {
        let env = client.env().clone();
        let target = Target::case(CaseId(env.id()));
        let due = env.now() + TimeDelta::days(3);
        let report = json!({"title": "井盖缺失", "description": "人行道井盖缺失，存在安全隐患", "class_code": "1101"});
        let first = save(client, "case.report", &target, None, report)?;
        let second = save(client, "case.dispatch", &target, Some(first), json!({"unit_id": unit, "due_at": due}))?;
        save(client, "case.handle", &target, Some(second), json!({"note": "已补装"}))?;
        save(client, "case.note", &target, None, json!({"text": "现场照片见附件"}))?;
    }
    Ok(client.store.waiting(BATCH)?)
}

fn save(client: &mut Client, kind: &str, target: &Target, base: Option<OpId>, args: Value) -> Done<OpId> {
    let session = client.store.session()?;
    let op_id = client.op_id();
    let occurred_at = client.env().now();
    client.save(Draft {
        op_id,
        r#type: kind.to_owned(),
        target: target.clone(),
        base: base.map(|op| Base::Op { op }),
        depends_on: vec![],
        actor: session.user_id,
        session: session.session_id,
        occurred_at,
        mono: None,
        gps: None,
        args,
        attachments: vec![],
    })?;
    Ok(op_id)
}

/// Operations a second of each round. The clients' own bookkeeping is outside of the measured time.
fn pushes(options: &Options, url: Option<&str>) -> Done<Vec<f64>> {
    let folder = options.dir.join(if url.is_some() { "postgres" } else { "sqlite" });
    let server = Running::start(&folder.join("data"), url)?;
    let env = Env::system();
    let password = passwords::generate(&env);
    let hash = passwords::hash(&env, &password)?;
    let unit = server.write(|tx| {
        actions::county_load(tx)?;
        Ok(actions::unit_by_code(tx.db, "A01")?.id)
    })?;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(client(&server, &folder, n, &hash, &password)?);
    }
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let mut batches = Vec::new();
        for client in &mut clients {
            batches.push(work(client, unit)?);
        }
        let (ready, mut took) = (Barrier::new(CLIENTS + 1), Duration::ZERO);
        let applied: usize = thread::scope(|scope| {
            let hands: Vec<_> = clients
                .iter_mut()
                .zip(&batches)
                .map(|(client, batch)| {
                    let ready = &ready;
                    scope.spawn(move || {
                        ready.wait();
                        let response = client.push_again(batch).expect("the server takes the batch");
                        response.results.iter().filter(|r| r.status.settled_well() && !r.duplicate).count()
                    })
                })
                .collect();
            ready.wait();
            let started = Instant::now();
            let applied = hands.into_iter().map(|hand| hand.join().expect("a client runs to its end")).sum();
            took = started.elapsed();
            applied
        });
        if applied != CLIENTS * BATCH {
            return Err(format!("{applied} of {} operations were applied", CLIENTS * BATCH).into());
        }
        rates.push(applied as f64 / took.as_secs_f64());
        for client in &mut clients {
            client.push()?;
        }
    }
    server.stop()?;
    Ok(rates)
}

struct Unwatched;

impl Watch for Unwatched {
    fn moved(&mut self, _: Option<&str>) -> chengguan::client::Result<()> {
        Ok(())
    }
}

type Rates = Vec<f64>;

/// Megabytes a second of uploads, of `dd` and of `sha256sum`, each round with its own bytes.
fn uploads(options: &Options) -> Done<(Rates, Rates, Rates)> {
    let folder = options.dir.join("uploads");
    let server = Running::start(&folder.join("data"), None)?;
    let (api, env) = (server.api()?, Env::system());
    let code = server.write(|tx| Ok(actions::device_add(tx, "bench-dock", DeviceKind::Dock)?.1))?;
    let (identity, offset) = chengguan::client::device::enrol(&api, &code, &env)?;
    let (mut uploads, mut copies, mut hashes) = (vec![], vec![], vec![]);
    for round in 0..options.rounds {
        let path = folder.join(format!("{round}.mp4"));
        write_bytes(&path, &env)?;
        let (sha256, size) = hash_file(&path, &|| false)?;
        let copy = folder.join("copy");
        copies.push(rate(|| dd(&path, &copy))?);
        hashes.push(rate(|| run(Command::new("sha256sum").arg(&path)))?);
        let item = Item {
            path: path.clone(),
            size,
            sha256,
            mime: "video/mp4".into(),
            filename: format!("{round}.mp4"),
            captured_at: Some(env.now()),
            captured_from: None,
        };
        uploads.push(rate(|| upload(&api, &identity, &env, &item, offset))?);
        std::fs::remove_file(&path)?;
        std::fs::remove_file(&copy)?;
    }
    server.stop()?;
    Ok((uploads, copies, hashes))
}

fn upload(
    api: &Api,
    identity: &Identity,
    env: &Env,
    item: &Item,
    offset: chengguan::client::device::ClockOffset,
) -> Done {
    let mut upload = Upload {
        api,
        identity,
        env,
        offset: Some(offset),
        pace: Pace::default(),
        tries: Some(1),
        cost: Cost::default(),
    };
    match upload.run(item, None, &mut Unwatched)? {
        Outcome::Stored(_) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn rate(f: impl FnOnce() -> Done) -> Done<f64> {
    let started = Instant::now();
    f()?;
    Ok(FILE_BYTES as f64 / 1e6 / started.elapsed().as_secs_f64())
}

/// Bytes that nothing compresses and no round repeats.
fn write_bytes(path: &Path, env: &Env) -> Done {
    let mut file = File::create(path)?;
    let mut block = vec![0u8; 1024 * 1024];
    for (n, chunk) in block.chunks_exact_mut(32).enumerate() {
        let mut random = env.bytes::<32>();
        random[0] ^= n as u8;
        chunk.copy_from_slice(&random);
    }
    for n in 0..FILE_BYTES / block.len() as u64 {
        block[..8].copy_from_slice(&n.to_le_bytes());
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(())
}

fn dd(from: &Path, to: &Path) -> Done {
    let (from, to) = (format!("if={}", from.display()), format!("of={}", to.display()));
    run(Command::new("dd").args([&from, &to]).args(["bs=1M", "conv=fsync", "status=none"]))
}

fn run(command: &mut Command) -> Done {
    let output = command.output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}
