//! A hundred and ten cameras on links that break every few seconds, half of the time without a word to the server.
//!
//! In the usual run files and links are small; `TEST_FULL=1` takes 32 MiB a camera at 8 Mbit/s.

use crate::support::rig::{Film, Rig};
use std::{
    env,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout_at},
};

const CAMERAS: usize = 110;

/// The shortest life of a connection; the longest is ten times that.
const LIFE: Duration = Duration::from_secs(1);

/// What the run is made of.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Bytes of a file.
    film: usize,
    /// Bytes a second of one link.
    rate: usize,
}

fn size() -> Size {
    if env::var("TEST_FULL").is_ok_and(|value| value == "1") {
        Size { film: 32 << 20, rate: 1 << 20 }
    } else {
        Size { film: 768 << 10, rate: 64 << 10 }
    }
}

/// What passed the links towards the server, bytes of bodies.
static CARRIED: AtomicU64 = AtomicU64::new(0);

#[test]
fn a_hundred_and_ten_cameras_on_breaking_links_lose_nothing_and_send_little_twice() {
    let (rig, size) = (Rig::new(), size());
    let films: Vec<Film> = (0..CAMERAS)
        .map(|n| {
            let mut film = rig.film_of(rig.camera(&format!("执法仪-{n}")), size.film, n as u64);
            assert!(rig.create(&mut film));
            film
        })
        .collect();
    let server = rig.address();
    let films = block_on(async move {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        tokio::spawn(links(proxy, server, size));
        let cameras: Vec<_> = films.into_iter().map(|film| tokio::spawn(camera(film, address))).collect();
        let mut films = Vec::new();
        for camera in cameras {
            films.push(camera.await.unwrap());
        }
        films
    });
    for film in &films {
        assert!(rig.stored(film).is_some_and(|bytes| bytes == film.bytes), "{} differs", film.key);
    }
    let accepted = (CAMERAS * size.film) as f64;
    let again = (CARRIED.load(Ordering::Relaxed) as f64 - accepted) / accepted;
    println!("re-sent : accepted = {:.2} %", 100.0 * again);
    assert!(again < 0.05, "{again}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Carries each connection to the server until its time is up.
async fn links(proxy: TcpListener, server: SocketAddr, size: Size) {
    // Those that broke without a word: the server sees them open and silent.
    let dead = Arc::new(Mutex::new(Vec::new()));
    let mut n = 0_u64;
    while let Ok((client, _)) = proxy.accept().await {
        n += 1;
        let (dead, n) = (dead.clone(), n);
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let luck = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            let life = LIFE + LIFE * u32::try_from(luck % 1000).unwrap() * 9 / 1000;
            if let Some(server) = carry(client, server, size.rate, Instant::now() + life).await
                && luck % 2 == 0
            {
                dead.lock().unwrap().push(server);
            }
        });
    }
}

/// One link; gives the server's end back when it broke.
async fn carry(mut client: TcpStream, mut server: TcpStream, rate: usize, end: Instant) -> Option<TcpStream> {
    const TICK: Duration = Duration::from_millis(50);
    let mut up = vec![0; rate * 50 / 1000];
    let mut down = vec![0; 4096];
    // The head of the one request comes first, and in one piece.
    let mut head = true;
    loop {
        tokio::select! {
            got = timeout_at(end, client.read(&mut up)) => {
                let Ok(got) = got else { return Some(server) };
                let length = got.ok().filter(|length| *length > 0)?;
                server.write_all(&up[..length]).await.ok()?;
                let skip = up[..length].windows(4).position(|four| four == b"\r\n\r\n").filter(|_| head);
                CARRIED.fetch_add((length - skip.map_or(0, |end| end + 4)) as u64, Ordering::Relaxed);
                head = false;
                sleep(TICK.mul_f64(length as f64 / up.len() as f64)).await;
            }
            got = server.read(&mut down) => {
                let length = got.ok().filter(|length| *length > 0)?;
                client.write_all(&down[..length]).await.ok()?;
            }
        }
    }
}

/// Asks and sends until all is stored.
async fn camera(mut film: Film, address: SocketAddr) -> Film {
    while film.evidence.is_none() {
        if let Some(answer) = ask(&film, address, "HEAD", "", &[]).await {
            if let Some(offset) = header(&answer, "upload-offset") {
                let offset: usize = offset.parse().unwrap();
                assert!(offset >= film.acknowledged, "{}: {offset} after {}", film.key, film.acknowledged);
                film.acknowledged = offset;
                film.evidence = header(&answer, "content-location").map(str::to_owned);
            } else {
                assert!(answer.starts_with("HTTP/1.1 423"), "{answer}");
            }
        }
        let offset = film.acknowledged;
        let headers = format!("Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n");
        if film.evidence.is_none()
            && let Some(answer) = ask(&film, address, "PATCH", &headers, &film.bytes[offset..]).await
        {
            film.evidence = header(&answer, "content-location").map(str::to_owned);
        }
    }
    film
}

/// One request on a connection of its own; `None` when the link broke first.
async fn ask(film: &Film, address: SocketAddr, method: &str, headers: &str, body: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let (location, token) = (film.location.as_deref()?, &film.token);
    let head = format!(
        "{method} {location} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {token}\r\n{headers}\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    {
        let sending = writer.write_all(body);
        tokio::pin!(sending);
        let mut sent = false;
        let mut piece = [0; 4096];
        // An answer ends the sending: what is sent after it is lost.
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            tokio::select! {
                got = reader.read(&mut piece) => {
                    let length = got.ok().filter(|length| *length > 0)?;
                    answer.extend_from_slice(&piece[..length]);
                }
                outcome = &mut sending, if !sent => {
                    outcome.ok()?;
                    sent = true;
                }
            }
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.starts_with("HTTP/1.1").then_some(answer)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
