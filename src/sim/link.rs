//! The network between one device and the server: a relay on loopback that can be unplugged, and that cuts connections
//! where it hurts: in the middle of a body, or after the server has acted and before its answer arrives.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After so many more bytes have gone to the server.
    Up(u64),
    /// The same, and then the plug is out.
    Off(u64),
    /// When the next answer begins to come back: the server has acted, the device does not know.
    Answer,
}

/// A relay; stopped when dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    plugged: AtomicBool,
    closed: AtomicBool,
    armed: Mutex<Option<Cut>>,
    up: AtomicU64,
    down: AtomicU64,
    cuts: AtomicU64,
}

impl Shared {
    /// How much of `length` bytes for the server may pass, and whether the connection breaks then.
    fn up(&self, length: usize) -> (usize, bool) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, off) = match *armed {
            Some(Cut::Up(left)) => (left, false),
            Some(Cut::Off(left)) => (left, true),
            _ => return (length, false),
        };
        let length_wide = length as u64;
        if length_wide < left {
            let left = left - length_wide;
            *armed = Some(if off { Cut::Off(left) } else { Cut::Up(left) });
            return (length, false);
        }
        *armed = None;
        self.cuts.fetch_add(1, Ordering::Relaxed);
        if off {
            self.plugged.store(false, Ordering::Relaxed);
        }
        (usize::try_from(left).unwrap_or(length), true)
    }

    fn answer_is_cut(&self) -> bool {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = *armed == Some(Cut::Answer);
        if cut {
            *armed = None;
            self.cuts.fetch_add(1, Ordering::Relaxed);
        }
        cut
    }

    fn broken(&self) -> bool {
        !self.plugged.load(Ordering::Relaxed) || self.closed.load(Ordering::Relaxed)
    }
}

impl Link {
    /// A relay to `server` on a free port of loopback, plugged in.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn new(server: SocketAddr) -> io::Result<Link> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            plugged: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            armed: Mutex::new(None),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        let inner = shared.clone();
        thread::Builder::new().name("link".into()).spawn(move || {
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
        Ok(Link { address, shared })
    }

    /// The address a device is told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Plugs it in or pulls it out; pulling breaks what is open.
    pub fn plug(&self, plugged: bool) {
        self.shared.plugged.store(plugged, Ordering::Relaxed);
    }

    /// Prepares the next break; `None` takes back one that has not happened.
    pub fn arm(&self, cut: Option<Cut>) {
        *self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    /// Breaks so far.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// Bytes that reached the server so far, headers included.
    pub fn up_bytes(&self) -> u64 {
        self.shared.up.load(Ordering::Relaxed)
    }

    /// Bytes that came back from the server so far, headers included.
    pub fn down_bytes(&self) -> u64 {
        self.shared.down.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the listener so that its thread ends.
        drop(TcpStream::connect(self.address));
    }
}

/// How often an idle direction looks whether the plug was pulled.
const TICK: Duration = Duration::from_millis(100);

fn relay(device: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    if shared.broken() {
        return Ok(());
    }
    let server = TcpStream::connect_timeout(&shared.server, Duration::from_secs(5))?;
    for stream in [&device, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
    }
    let (device_up, server_up, up) = (device.try_clone()?, server.try_clone()?, shared.clone());
    let down = shared.clone();
    thread::Builder::new().name("link-up".into()).spawn(move || {
        pump(&device_up, &server_up, &up, |bytes| {
            let (pass, cut) = up.up(bytes);
            up.up.fetch_add(pass as u64, Ordering::Relaxed);
            (pass, cut)
        });
    })?;
    thread::Builder::new().name("link-down".into()).spawn(move || {
        pump(&server, &device, &down, |bytes| {
            if down.answer_is_cut() {
                return (0, true);
            }
            down.down.fetch_add(bytes as u64, Ordering::Relaxed);
            (bytes, false)
        });
    })?;
    Ok(())
}

/// Passes bytes on until an end, a break or the plug; then nothing of the connection is left.
fn pump(from: &TcpStream, to: &TcpStream, shared: &Shared, mut judge: impl FnMut(usize) -> (usize, bool)) {
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let read = match (&*from).read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if shared.broken() {
                    break;
                }
                continue;
            }
            Err(_) => break,
        };
        let (pass, cut) = judge(read);
        if (&*to).write_all(&buffer[..pass]).is_err() || cut || shared.broken() {
            break;
        }
    }
    for stream in [from, to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that counts the bytes it gets and answers each read with one byte.
    fn counting() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let inner = count.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, inner) = (stream.unwrap(), inner.clone());
                thread::spawn(move || {
                    let mut buffer = [0u8; 1000];
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        inner.fetch_add(n as u64, Ordering::SeqCst);
                        drop(stream.write_all(b"!"));
                    }
                });
            }
        });
        (address, count)
    }

    fn connect(link: &Link) -> TcpStream {
        let stream = TcpStream::connect(link.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    /// What the device reads next: a byte, or the end.
    fn next(stream: &mut TcpStream) -> Option<u8> {
        let mut byte = [0];
        matches!(stream.read(&mut byte), Ok(1)).then_some(byte[0])
    }

    #[test]
    fn it_breaks_where_it_is_told_and_only_once() {
        let (server, count) = counting();
        let link = Link::new(server).unwrap();
        let mut device = connect(&link);
        device.write_all(b"hello").unwrap();
        assert_eq!(next(&mut device), Some(b'!'));
        link.arm(Some(Cut::Answer));
        device.write_all(b"again").unwrap();
        assert_eq!((next(&mut device), count.load(Ordering::SeqCst)), (None, 10));
        link.arm(Some(Cut::Up(3)));
        let mut device = connect(&link);
        device.write_all(b"third").unwrap();
        while next(&mut device).is_some() {}
        assert_eq!((link.cuts(), link.up_bytes()), (2, 13));
        let mut device = connect(&link);
        device.write_all(b"x").unwrap();
        assert_eq!(next(&mut device), Some(b'!'));
        link.plug(false);
        assert_eq!(next(&mut device), None);
        link.plug(true);
        link.arm(Some(Cut::Off(2)));
        let mut device = connect(&link);
        device.write_all(b"last").unwrap();
        while next(&mut device).is_some() {}
        assert_eq!((link.cuts(), next(&mut connect(&link))), (3, None));
    }
}
