//! Evidence up, measured: megabytes a second through a resumable upload, verified. Sync is measured by `sync`.
//!
//! `cargo bench --bench main_job -- [--rounds N] [--dir DIR]`
//!
//! Beside the upload stand `dd conv=fsync` and `sha256sum` of the same bytes in the same round, because a shared machine
//! gives other numbers every minute: read the ratios. Nothing is asserted.

#[path = "sync/figures.rs"]
mod figures;
#[path = "sync/server.rs"]
mod server;

use chengguan::{
    client::{
        device::Identity,
        http::{Api, Patience},
        rules::Pace,
        upload::{Cost, Item, Outcome, Upload, Watch, hash_file},
    },
    env::Env,
    identity::{devices, rules::DeviceKind},
};
use figures::{Done, Rates, head, median, row, say};
use server::{Data, Server};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const FILE_BYTES: u64 = 256 * 1024 * 1024;

struct Options {
    rounds: usize,
    dir: PathBuf,
}

fn main() -> Done {
    let options = options()?;
    std::fs::create_dir_all(&options.dir)?;
    let (uploads, copies, hashes) = uploads(&options)?;
    head("256 MiB")?;
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
    let mut options = Options { rounds: 5, dir: std::env::temp_dir().join(format!("chengguan-bench-{}", env.id())) };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value()?.parse()?,
            // Inside, so that nothing but our own is removed at the end.
            "--dir" => options.dir = PathBuf::from(value()?).join(format!("chengguan-bench-{}", env.id())),
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}

struct Unwatched;

impl Watch for Unwatched {
    fn moved(&mut self, _: Option<&str>) -> chengguan::client::Result<()> {
        Ok(())
    }
}

/// Megabytes a second of uploads, of `dd` and of `sha256sum`, each round with its own bytes.
fn uploads(options: &Options) -> Done<(Rates, Rates, Rates)> {
    let folder = options.dir.join("uploads");
    let data = Data::embedded(&folder.join("data"));
    let code = data.prepare(|tx, _| Ok(devices::device_add(tx, "bench-dock", DeviceKind::Dock)?.1))?;
    let server = Server::start(&data)?;
    let (api, env) = (Api::new(&format!("http://{}", server.address), Patience::default())?, Env::system());
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
            words: vec![],
        };
        uploads.push(rate(|| upload(&api, &identity, &env, &item, offset))?);
        std::fs::remove_file(&path)?;
        std::fs::remove_file(&copy)?;
    }
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
