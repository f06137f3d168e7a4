//! Sync, measured on both engines: everything the README's "Speed" says about it comes from here.
//!
//! `cargo bench --bench sync -- [--only push,single,pull,growth,peers,floor,workbench] [--rounds N] [--cases 10000,100000,1000000]
//! [--engines sqlite,postgres] [--postgres-url URL of a server where databases may be made]`
//!
//! Everything is the real thing: `chengguan serve` in a process of its own, HTTP on loopback, durable commits (SQLite
//! `synchronous=FULL`; PostgreSQL with fsync and `synchronous_commit` on), the full rules of the case loop, one stored
//! result for each operation. Clients make their requests before the clock starts and look at the answers when it has
//! stopped. Medians of rounds, with best and worst, after one round that warms; a shared machine gives other numbers
//! every minute, so read the ratios. Nothing is asserted but that each answer is the right one.

mod county;
mod figures;
mod floor;
mod growth;
mod load;
mod peers;
mod places;
mod profile;
mod pull;
mod push;
mod server;
#[path = "../../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub mod pg;
    pub mod scratch;
}
mod wire;
mod workbench;

use figures::Done;
use places::Engine;
use std::os::unix::process::CommandExt;

/// The parts, in the order they run.
const PARTS: [&str; 7] = ["push", "single", "pull", "floor", "peers", "growth", "workbench"];

/// What was asked for.
pub struct Options {
    only: Vec<String>,
    pub rounds: usize,
    pub cases: Vec<u64>,
    engines: Vec<Engine>,
    pub postgres_url: Option<String>,
}

impl Options {
    /// The engines to measure.
    pub fn engines(&self) -> impl Iterator<Item = Engine> + '_ {
        Engine::BOTH.into_iter().filter(|engine| self.engines.contains(engine))
    }
}

fn main() -> Done {
    // The cluster of the tests does not sync by itself; here it must.
    if std::env::var_os("TEST_PG_FSYNC").is_none() {
        let again = std::env::current_exe()?;
        return Err(std::process::Command::new(again)
            .args(std::env::args_os().skip(1))
            .env("TEST_PG_FSYNC", "on")
            .exec()
            .into());
    }
    let options = options()?;
    let wants = |part: &str| options.only.iter().any(|only| only == part);
    let pushes = if wants("push") { push::full_outboxes(&options)? } else { vec![] };
    let singles = if wants("single") { push::singles(&options)? } else { vec![] };
    let pulls = if wants("pull") { pull::cold(&options)? } else { vec![] };
    if wants("floor") {
        floor::raw_inserts(&options, &pushes)?;
    }
    if wants("peers") {
        peers::beside(&options, &peers::Ours { pushes: &pushes, singles: &singles, pulls: &pulls })?;
    }
    if wants("growth") {
        growth::sizes(&options)?;
    }
    if wants("workbench") {
        workbench::sizes(&options)?;
    }
    if wants("profile") {
        profile::run(&options)?;
    }
    Ok(())
}

fn options() -> Done<Options> {
    let all = || PARTS.map(str::to_owned).to_vec();
    let mut options = Options {
        only: all(),
        rounds: 5,
        cases: vec![10_000, 100_000, 1_000_000],
        engines: Engine::BOTH.to_vec(),
        postgres_url: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--rounds" => options.rounds = value()?.parse()?,
            "--cases" => options.cases = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--postgres-url" => options.postgres_url = Some(value()?),
            "--engines" => options.engines = value()?.split(',').map(engine).collect::<Done<_>>()?,
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    // The profile is no figure: it runs only when it is named.
    if let Some(wrong) = options.only.iter().find(|part| !PARTS.contains(&part.as_str()) && *part != "profile") {
        return Err(format!("--only {wrong}: the parts are {}, profile", PARTS.join(", ")).into());
    }
    Ok(options)
}

fn engine(name: &str) -> Done<Engine> {
    match name {
        "sqlite" => Ok(Engine::Sqlite),
        "postgres" => Ok(Engine::Postgres),
        other => Err(format!("--engines {other}: sqlite or postgres").into()),
    }
}
