//! A tus server that is measured, and a client that costs next to nothing: it shares the machine with the server.

use crate::figures::Done;
use chengguan::blob::digest;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Files that differ in their first bytes; the rest is shared memory.
pub struct Files {
    rest: Vec<u8>,
    heads: Vec<[u8; 16]>,
    digests: Vec<String>,
}

impl Files {
    /// `count` files of this many bytes, as no other round has them.
    pub fn new(count: usize, bytes: usize, round: u64) -> Files {
        let mut state = round + 1;
        let rest: Vec<u8> = (0..bytes.saturating_sub(16).div_ceil(8))
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state ^ (state >> 31)).to_le_bytes()
            })
            .take(bytes - 16)
            .collect();
        let heads: Vec<[u8; 16]> = (0..count as u64)
            .map(|n| {
                let mut head = [0; 16];
                head[..8].copy_from_slice(&n.to_le_bytes());
                head[8..].copy_from_slice(&round.to_le_bytes());
                head
            })
            .collect();
        let digest = |head: &[u8; 16]| {
            let (hex, _) = digest::sha256_of(&mut head.chain(&rest[..]))?;
            Ok::<_, std::io::Error>(digest::repr_digest(&hex))
        };
        // Reading memory can't fail.
        let digests = heads.iter().map(|head| digest(head).unwrap_or_default()).collect();
        Files { rest, heads, digests }
    }

    fn length(&self) -> usize {
        self.rest.len() + 16
    }
}

/// Where and how to send.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    path: &'static str,
    pub pid: u32,
    /// One for each connection, and digests with them; none for the peer.
    tokens: Vec<String>,
}

impl Target {
    pub fn ours(address: SocketAddr, pid: u32, tokens: Vec<String>) -> Target {
        Target { address, path: "/api/v1/uploads", pid, tokens }
    }

    pub fn peer(address: SocketAddr, pid: u32) -> Target {
        Target { address, path: "/files", pid, tokens: Vec::new() }
    }

    /// Sends all files over so many connections; each by one request, or by creation and PATCH.
    pub fn send(&self, files: &Files, connections: usize, whole: bool) -> Done {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let hands: Vec<_> = (0..connections)
                .map(|hand| {
                    let next = &next;
                    scope.spawn(move || -> Done {
                        let mut stream = TcpStream::connect(self.address)?;
                        stream.set_nodelay(true)?;
                        loop {
                            let n = next.fetch_add(1, Ordering::Relaxed);
                            if n >= files.heads.len() {
                                return Ok(());
                            }
                            self.one(&mut stream, files, n, hand, whole)?;
                        }
                    })
                })
                .collect();
            hands.into_iter().try_for_each(|hand| hand.join().map_err(|_| "a client failed")?)
        })
    }

    fn one(&self, stream: &mut TcpStream, files: &Files, n: usize, hand: usize, whole: bool) -> Done {
        let length = files.length();
        let mut common = "Host: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n".to_owned();
        if let Some(token) = self.tokens.get(hand) {
            common.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let digest = match self.tokens.is_empty() {
            true => String::new(),
            false => format!("Repr-Digest: {}\r\n", files.digests[n]),
        };
        let body = format!("Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n\r\n");
        let create = format!("POST {} HTTP/1.1\r\n{common}{digest}Upload-Length: {length}\r\n", self.path);
        if whole {
            let answer = ask(stream, &format!("{create}{body}"), &[&files.heads[n], &files.rest])?;
            return expect(&answer, 201, length);
        }
        let answer = ask(stream, &format!("{create}Content-Length: 0\r\n\r\n"), &[])?;
        let location = header(&answer, "location").ok_or_else(|| format!("no Location: {answer}"))?;
        let path = match location.strip_prefix("http://") {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => location,
        };
        let patch = format!("PATCH {path} HTTP/1.1\r\n{common}Upload-Offset: 0\r\n{body}");
        let answer = ask(stream, &patch, &[&files.heads[n], &files.rest])?;
        expect(&answer, 204, length)
    }
}

fn ask(stream: &mut TcpStream, head: &str, body: &[&[u8]]) -> Done<String> {
    stream.write_all(head.as_bytes())?;
    for part in body {
        stream.write_all(part)?;
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let got = stream.read(&mut piece)?;
        if got == 0 {
            return Err(format!("the server closed after {}", String::from_utf8_lossy(&answer)).into());
        }
        answer.extend_from_slice(&piece[..got]);
        let text = String::from_utf8_lossy(&answer);
        if let Some(end) = text.find("\r\n\r\n") {
            let wanted = header(&text, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            if answer.len() >= end + 4 + wanted {
                return Ok(text.into_owned());
            }
        }
    }
}

fn expect(answer: &str, status: u16, length: usize) -> Done {
    let good = answer.starts_with(&format!("HTTP/1.1 {status}"));
    let offset = header(answer, "upload-offset").and_then(|offset| offset.parse().ok());
    if good && offset == Some(length) { Ok(()) } else { Err(format!("not {status} at {length}: {answer}").into()) }
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// What a server used over all rows.
#[derive(Default)]
pub struct Cost {
    /// Seconds.
    pub cpu: f64,
    /// KiB.
    pub peak: u64,
    before: f64,
}

impl Cost {
    pub fn begin(&mut self, of: &Target) -> Done {
        self.before = cpu(of.pid)?;
        Ok(())
    }

    pub fn end(&mut self, of: &Target) -> Done {
        self.cpu += cpu(of.pid)? - self.before;
        self.peak = self.peak.max(status(of.pid, "VmHWM")?);
        Ok(())
    }
}

/// User and system time of a process, seconds; Linux counts in hundredths.
fn cpu(pid: u32) -> Done<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(')').ok_or("an unknown form of stat")?.1;
    let ticks: Vec<f64> = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// A line of a process's status, KiB.
pub fn status(pid: u32, name: &str) -> Done<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
}
