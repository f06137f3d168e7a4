//! Uploads, measured in one run on one machine: the floors that the disk, the loopback and SHA-256 set, `@tus/server`
//! with its file store (npm), and ours.
//!
//! `cargo bench --bench uploads -- [--rounds N] [--bytes N] [--photos N] [--connections N] [--dir DIR] [--no-peer]`; with
//! `--rounds 0` only memory is measured.
//!
//! Streams are 256 MiB (`--bytes`), 1 and 8 at once; photos are 200 KiB, 2,000 of them (`--photos`) over 32 connections
//! (`--connections`), as handhelds hold one each, by one request (creation-with-upload) and by two. Ours is durable and verified when it answers. The peer neither syncs
//! nor hashes, so its durable row adds an fdatasync of its files. A shared machine gives other numbers every minute: read
//! the ratios. Nothing is asserted.

#[path = "../sync/figures.rs"]
mod figures;
mod floors;
mod peer;
#[path = "../sync/server.rs"]
mod server;
mod target;

use chengguan::{
    env::Env,
    identity::{devices, rules::DeviceKind, tokens},
};
use chrono::TimeDelta;
use figures::{Done, Rates, head, median, row, say};
use server::{Data, Server};
use std::{path::PathBuf, time::Instant};
use target::{Cost, Files, Target};

const STREAMS: usize = 8;
/// Uploads that are open at once when memory is measured.
const OPEN: usize = 110;

pub struct Options {
    pub rounds: usize,
    pub bytes: usize,
    pub photos: usize,
    pub connections: usize,
    pub dir: PathBuf,
    pub peer: bool,
}

/// What was measured of one server, a rate for each round.
#[derive(Default)]
struct Measured {
    one: Rates,
    eight: Rates,
    photos: Rates,
    photos_two: Rates,
    /// The same, until the files are durable.
    durable: [Rates; 4],
    cost: Cost,
}

fn main() -> Done {
    let options = options()?;
    std::fs::create_dir_all(&options.dir)?;
    let outcome = run(&options);
    std::fs::remove_dir_all(&options.dir)?;
    outcome
}

fn run(options: &Options) -> Done {
    if options.rounds == 0 {
        return memory(options, &options.dir.join("memory"));
    }
    say(format_args!(
        "{} rounds of {} MiB streams and {} photos",
        options.rounds,
        options.bytes >> 20,
        options.photos
    ))?;
    let folder = options.dir.join("ours");
    let data = Data::embedded(&folder);
    let tokens = data.prepare(|tx, _| devices(tx, OPEN))?;
    let server = Server::start(&data)?;
    let ours = Target::ours(server.address, server.child.id(), tokens.clone());
    let mut peer = if options.peer { Some(peer::Peer::start(&options.dir.join("peer"))?) } else { None };
    let (mut floors, mut mine, mut theirs) = (floors::Floors::default(), Measured::default(), Measured::default());
    for round in 0..options.rounds {
        floors.measure(options, round)?;
        if let Some(peer) = &mut peer {
            measure(options, &peer.target(), &mut theirs, round, Some(peer))?;
        }
        measure(options, &ours, &mut mine, round, None)?;
    }
    floors.print()?;
    if options.peer {
        print("@tus/server 2.4.5, file store 2.1.1", &theirs, true)?;
    }
    print("chengguan: durable, verified", &mine, false)?;
    drop(server);
    ratios(&floors, &mine, options.peer.then_some(&theirs))?;
    memory(options, &options.dir.join("memory"))
}

fn devices(tx: &mut chengguan::db::Tx, count: usize) -> chengguan::error::Result<Vec<String>> {
    (0..count)
        .map(|n| {
            let (_, code) = devices::device_add(tx, &format!("bench-{n}"), DeviceKind::Camera)?;
            let key = tokens::fresh_pkcs8()?;
            let device = devices::device_enrol(tx, &code, tokens::public_key(&key)?)?;
            tokens::sign_device(&key, device.id, Env::system().now(), TimeDelta::hours(12))
        })
        .collect()
}

fn measure(
    options: &Options,
    to: &Target,
    into: &mut Measured,
    round: usize,
    mut peer: Option<&mut peer::Peer>,
) -> Done {
    let jobs = [(1, 1, options.bytes, false), (STREAMS, STREAMS, options.bytes, false)];
    let photos = [true, false].map(|whole| (options.photos, options.connections.min(OPEN), 200 * 1024, whole));
    for (n, (count, connections, bytes, whole)) in jobs.into_iter().chain(photos).enumerate() {
        let files = Files::new(count, bytes, (round * 4 + n) as u64);
        into.cost.begin(to)?;
        let began = Instant::now();
        to.send(&files, connections, whole)?;
        let took = began.elapsed();
        into.cost.end(to)?;
        let thing = if n < 2 { (count * bytes) as f64 / 1e6 } else { count as f64 };
        [&mut into.one, &mut into.eight, &mut into.photos, &mut into.photos_two][n].push(thing / took.as_secs_f64());
        if let Some(peer) = &mut peer {
            peer.sync_files()?;
            into.durable[n].push(thing / began.elapsed().as_secs_f64());
            peer.set_files_aside()?;
        }
    }
    Ok(())
}

fn print(name: &str, measured: &Measured, two: bool) -> Done {
    head(name)?;
    let rows = [
        ("1 stream", &measured.one, "MB/s"),
        ("8 streams", &measured.eight, "MB/s"),
        ("photos, one request", &measured.photos, "photos/s"),
        ("photos, two requests", &measured.photos_two, "photos/s"),
    ];
    for ((name, rates, unit), durable) in rows.into_iter().zip(&measured.durable) {
        row(name, rates, unit)?;
        if two {
            row(&format!("{name}, and durable"), durable, unit)?;
        }
    }
    say(format_args!("CPU {:.1} s in all, peak RSS {} MB", measured.cost.cpu, measured.cost.peak >> 10))
}

fn ratios(floors: &floors::Floors, mine: &Measured, theirs: Option<&Measured>) -> Done {
    head("ratios")?;
    let (one, eight) = floors.slowest();
    say(format_args!("1 stream  : slowest floor = {:.2} (aim 0.8)", median(&mine.one) / one))?;
    say(format_args!("8 streams : slowest floor = {:.2} (aim 0.8)", median(&mine.eight) / eight))?;
    let Some(theirs) = theirs else { return Ok(()) };
    let pairs = [
        ("1 stream", &mine.one, &theirs.one),
        ("8 streams", &mine.eight, &theirs.eight),
        ("photos, one request", &mine.photos, &theirs.photos),
        ("photos, two requests", &mine.photos_two, &theirs.photos_two),
    ];
    for ((name, mine, ack), durable) in pairs.into_iter().zip(&theirs.durable) {
        let (ack, durable) = (median(mine) / median(ack), median(mine) / median(durable));
        say(format_args!("{name:<22}: @tus/server = {ack:.2} (aim 1.5), durable {durable:.2}"))?;
    }
    Ok(())
}

/// Peak memory of a fresh server while 110 uploads are open and come as fast as they can.
fn memory(options: &Options, folder: &std::path::Path) -> Done {
    let data = Data::embedded(folder);
    let tokens = data.prepare(|tx, _| devices(tx, OPEN))?;
    let server = Server::start(&data)?;
    let to = Target::ours(server.address, server.child.id(), tokens);
    let idle = target::status(to.pid, "VmRSS")?;
    let bytes = (options.bytes / 32).max(1 << 20);
    to.send(&Files::new(OPEN, bytes, 900), OPEN, false)?;
    head("memory")?;
    say(format_args!(
        "idle {} MB; {OPEN} uploads of {} MiB at once: peak {} MB (limit 64)",
        idle >> 10,
        bytes >> 20,
        target::status(to.pid, "VmHWM")? >> 10
    ))
}

fn options() -> Done<Options> {
    let name = format!("chengguan-bench-{}", Env::system().id());
    let dir = std::env::temp_dir().join(&name);
    let mut options = Options { rounds: 3, bytes: 256 << 20, photos: 2000, connections: 32, dir, peer: true };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value()?.parse()?,
            "--bytes" => options.bytes = value()?.parse()?,
            "--photos" => options.photos = value()?.parse()?,
            "--connections" => options.connections = value()?.parse()?,
            // Inside, so that nothing but our own is removed at the end.
            "--dir" => options.dir = PathBuf::from(value()?).join(&name),
            "--no-peer" => options.peer = false,
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}
