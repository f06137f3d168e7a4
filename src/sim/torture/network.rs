//! A bad network between one device and the servers: each new connection goes to a server by chance and has a fate of
//! its own. It breaks in the middle of a body, before or in an answer, it is slow, or every push on it arrives twice.

use super::processes::Servers;
use crate::env::Env;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What the network did, over all devices.
#[derive(Debug, Default)]
pub struct Weather {
    /// Connections that were passed on.
    pub connections: AtomicU64,
    /// Connections that the network broke on purpose.
    pub cuts: AtomicU64,
    /// Pushes that it delivered a second time.
    pub doubled: AtomicU64,
}

/// A relay for one device; ends when dropped.
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    servers: Arc<Servers>,
    weather: Arc<Weather>,
    dice: Env,
    rough: AtomicBool,
    closed: AtomicBool,
}

/// What becomes of a connection. All byte counts are of this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Good,
    /// Refused.
    Refused,
    /// Breaks after so many bytes to the server.
    Up(u64),
    /// Breaks after so many bytes of answers; 0 when the first answer begins: the server has acted, the device does not
    /// know.
    Down(u64),
    /// Each piece waits so long.
    Slow(Duration),
    /// Each push on it reaches a server twice, at the same time.
    Twice,
}

impl Fate {
    fn thrown(dice: &Env) -> Fate {
        match dice.below(100) {
            0..10 => Fate::Refused,
            10..28 => Fate::Up(u64::from(dice.below(8_000))),
            28..48 => Fate::Down(0),
            48..56 => Fate::Down(u64::from(dice.below(4_000))),
            56..66 => Fate::Slow(Duration::from_millis(5 + u64::from(dice.below(60)))),
            66..80 => Fate::Twice,
            _ => Fate::Good,
        }
    }
}

impl Network {
    /// A relay on a free port of loopback, calm until told otherwise.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn new(servers: Arc<Servers>, weather: Arc<Weather>, dice: Env) -> io::Result<Network> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (rough, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { servers, weather, dice, rough, closed });
        let inner = shared.clone();
        thread::Builder::new().name("network".into()).spawn(move || {
            for stream in listener.incoming() {
                if inner.closed.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(device) = stream {
                    // A failure here is a connection that breaks, which is what this is for.
                    drop(relay(device, &inner));
                }
            }
        })?;
        Ok(Network { address, shared })
    }

    /// The address that the device is told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes new connections bad, or good again.
    pub fn rough(&self, rough: bool) {
        self.shared.rough.store(rough, Ordering::Relaxed);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the listener so that its thread ends.
        drop(TcpStream::connect(self.address));
    }
}

/// How often an idle direction looks whether its time is over.
const TICK: Duration = Duration::from_millis(50);

/// One connection, as its two directions share it.
struct Line {
    shared: Arc<Shared>,
    fate: Fate,
    /// A bad connection does not live longer, so that devices move between servers.
    end: Option<Instant>,
}

impl Line {
    fn over(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed) || self.end.is_some_and(|end| Instant::now() > end)
    }

    fn cut(&self) {
        self.shared.weather.cuts.fetch_add(1, Ordering::Relaxed);
    }
}

fn relay(device: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let rough = shared.rough.load(Ordering::Relaxed);
    let fate = if rough { Fate::thrown(&shared.dice) } else { Fate::Good };
    let life = Duration::from_millis(200 + u64::from(shared.dice.below(3_000)));
    let line = Arc::new(Line { shared: shared.clone(), fate, end: rough.then(|| Instant::now() + life) });
    if fate == Fate::Refused {
        line.cut();
        return Ok(());
    }
    let Some(address) = shared.servers.any(&shared.dice) else { return Ok(()) };
    let server = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    shared.weather.connections.fetch_add(1, Ordering::Relaxed);
    for stream in [&device, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
    }
    let (device_up, server_up, up) = (device.try_clone()?, server.try_clone()?, line.clone());
    let mut pushes = Pushes::default();
    thread::Builder::new().name("network-up".into()).spawn(move || {
        pump(&device_up, &server_up, &up, |so_far, bytes| {
            if up.fate == Fate::Twice {
                for push in pushes.take(bytes) {
                    again(push, &up.shared);
                }
            }
            match up.fate {
                Fate::Up(limit) if so_far + bytes.len() as u64 >= limit => {
                    Some(usize::try_from(limit - so_far).unwrap_or(0))
                }
                _ => None,
            }
        });
    })?;
    thread::Builder::new().name("network-down".into()).spawn(move || {
        pump(&server, &device, &line, |so_far, bytes| match line.fate {
            Fate::Down(limit) if so_far + bytes.len() as u64 >= limit => {
                Some(usize::try_from(limit - so_far).unwrap_or(0))
            }
            _ => None,
        });
    })?;
    Ok(())
}

/// Passes bytes on until an end or a break; `judge` gets what has passed and the next piece, and says after how many of
/// its bytes the connection breaks.
fn pump(from: &TcpStream, to: &TcpStream, line: &Line, mut judge: impl FnMut(u64, &[u8]) -> Option<usize>) {
    let (mut buffer, mut so_far) = (vec![0u8; 64 * 1024], 0u64);
    loop {
        let read = match (&*from).read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if line.over() {
                    break;
                }
                continue;
            }
            Err(_) => break,
        };
        if let Fate::Slow(wait) = line.fate {
            thread::sleep(wait);
        }
        let cut = judge(so_far, &buffer[..read]);
        let pass = cut.unwrap_or(read);
        so_far += pass as u64;
        if cut.is_some() {
            line.cut();
        }
        if (&*to).write_all(&buffer[..pass]).is_err() || cut.is_some() || line.over() {
            break;
        }
    }
    for stream in [from, to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}

/// Sends a push once more, to any server, and does not care for the answer.
fn again(push: Vec<u8>, shared: &Arc<Shared>) {
    let Some(address) = shared.servers.any(&shared.dice) else { return };
    shared.weather.doubled.fetch_add(1, Ordering::Relaxed);
    let send = move || -> io::Result<()> {
        let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        server.write_all(&push)?;
        // Waits, or the server might stop reading when the other side is gone.
        server.read(&mut [0u8; 1024]).map(|_| ())
    };
    // Without a thread there is one repeat less.
    drop(thread::Builder::new().name("network-again".into()).spawn(move || drop(send())));
}

/// Finds whole push requests in what a device sends.
#[derive(Default)]
struct Pushes {
    buffer: Vec<u8>,
    /// Bytes of a body that is none of a push.
    skip: usize,
}

impl Pushes {
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        self.buffer.extend_from_slice(bytes);
        loop {
            let skipped = self.skip.min(self.buffer.len());
            self.buffer.drain(..skipped);
            self.skip -= skipped;
            let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else {
                return found;
            };
            let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let whole = head + length.unwrap_or(0);
            if !text.starts_with("post /api/v1/sync/push ") {
                self.skip = whole;
            } else if self.buffer.len() < whole {
                return found;
            } else {
                found.push(self.buffer.drain(..whole).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_found_among_other_requests_however_they_are_cut_into_pieces() {
        let push = b"POST /api/v1/sync/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_vec();
        let patch = b"PATCH /api/v1/uploads/1 HTTP/1.1\r\ncontent-length: 70\r\n\r\n".to_vec();
        let get = b"GET /api/v1/sync/changes HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        let body = vec![b'\n'; 70];
        let stream = [get.clone(), push.clone(), patch, body, push.clone(), get].concat();
        for size in [1, 7, 64, 1000] {
            let mut pushes = Pushes::default();
            let found: Vec<Vec<u8>> = stream.chunks(size).flat_map(|piece| pushes.take(piece)).collect();
            assert_eq!(found, [push.clone(), push.clone()], "pieces of {size}");
        }
    }
}
