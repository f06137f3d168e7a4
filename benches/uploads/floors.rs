//! What no server on this machine can beat: the same bytes to the same disk, through SHA-256, over loopback.

use crate::{
    Options, STREAMS,
    figures::{Done, Rates, head, median, row},
};
use chengguan::blob::digest::{self, Algorithm};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Instant,
};

/// MB/s of each floor, a rate for each round.
#[derive(Default)]
pub struct Floors {
    dd: Rates,
    dd_eight: Rates,
    sha256: Rates,
    copy: Rates,
    copy_eight: Rates,
}

impl Floors {
    pub fn measure(&mut self, options: &Options, round: usize) -> Done {
        let folder = options.dir.join("floors");
        fs::create_dir_all(&folder)?;
        let source = folder.join("source");
        let mut state = round as u64 + 77;
        let bytes: Vec<u8> = (0..options.bytes / 8)
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_le_bytes()
            })
            .collect();
        fs::write(&source, &bytes)?;
        File::open(&source)?.sync_all()?;
        let rate = |count: usize, began: Instant| (count * options.bytes) as f64 / 1e6 / began.elapsed().as_secs_f64();
        for (count, into) in [(1, &mut self.dd), (STREAMS, &mut self.dd_eight)] {
            let began = Instant::now();
            at_once(count, |n| dd(&source, &folder.join(format!("dd-{n}"))))?;
            into.push(rate(count, began));
        }
        let began = Instant::now();
        digest::sha256_of(&mut &bytes[..])?;
        self.sha256.push(rate(1, began));
        for (count, into) in [(1, &mut self.copy), (STREAMS, &mut self.copy_eight)] {
            let began = Instant::now();
            at_once(count, |n| copy(&bytes, &folder.join(format!("copy-{n}"))))?;
            into.push(rate(count, began));
        }
        Ok(fs::remove_dir_all(folder)?)
    }

    pub fn print(&self) -> Done {
        head("floors")?;
        row("dd conv=fsync", &self.dd, "MB/s")?;
        row("8 x dd conv=fsync", &self.dd_eight, "MB/s")?;
        row("SHA-256 of memory, one core", &self.sha256, "MB/s")?;
        row("loopback to a file, SHA-256, fdatasync", &self.copy, "MB/s")?;
        row("8 x loopback to a file, SHA-256, fdatasync", &self.copy_eight, "MB/s")
    }

    /// The slowest for one stream, and for eight.
    pub fn slowest(&self) -> (f64, f64) {
        let one = median(&self.dd).min(median(&self.sha256)).min(median(&self.copy));
        (one, median(&self.dd_eight).min(median(&self.copy_eight)))
    }
}

fn at_once(count: usize, work: impl Fn(usize) -> Done + Sync) -> Done {
    thread::scope(|scope| {
        let work = &work;
        let hands: Vec<_> = (0..count).map(|n| scope.spawn(move || work(n))).collect();
        hands.into_iter().try_for_each(|hand| hand.join().map_err(|_| "a floor failed")?)
    })
}

fn dd(from: &Path, to: &Path) -> Done {
    let (from, to) = (format!("if={}", from.display()), format!("of={}", to.display()));
    let output = Command::new("dd").args([&from, &to]).args(["bs=1M", "conv=fsync", "status=none"]).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}

/// Over loopback into a file, hashed on the way and durable at the end; nothing overlaps.
fn copy(bytes: &[u8], to: &Path) -> Done {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        scope.spawn(move || -> Done { Ok(TcpStream::connect(address)?.write_all(bytes)?) });
        let (mut stream, mut file) = (listener.accept()?.0, File::create(to)?);
        let mut hash = Algorithm::Sha256.start();
        let mut block = vec![0; 256 * 1024];
        loop {
            let got = stream.read(&mut block)?;
            if got == 0 {
                break;
            }
            hash.update(&block[..got]);
            file.write_all(&block[..got])?;
        }
        hash.finish();
        Ok(file.sync_data()?)
    })
}
