//! Several server processes on one PostgreSQL, one S3-compatible store and one staging folder: whoever a request
//! reaches goes on where the others were, and only one of them writes.

use crate::support::{
    http::{Call, Reply},
    pg,
    process::Process,
    s3,
    scratch::Folder,
    tus::number,
    world::{Engine, PASSWORD, read},
};
use chengguan::identity::tokens::{hex, sha256};
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

const OCTETS: &str = "application/offset+octet-stream";
/// What one request of the healthy client brings, bytes.
const CHUNK: usize = 700_001;

/// Two processes and what they share.
struct Site {
    store: s3::Server,
    database: pg::Database,
    folder: Folder,
    servers: [Option<Process>; 2],
    token: String,
}

impl Site {
    fn new() -> Site {
        let (store, database, folder) = (s3::Server::start(), pg::Database::empty(), Folder::new("shared"));
        let mut site = Site { store, database, folder, servers: [None, None], token: String::new() };
        site.start(0);
        let code = site.servers[0].as_ref().and_then(|server| server.setup_code.clone()).unwrap();
        let setup = json!({"code": code, "username": "admin", "name": "王", "password": PASSWORD});
        site.plain(0, "POST", "/api/v1/setup").json(&setup).send().expect(201);
        let login = json!({"username": "admin", "password": PASSWORD});
        let signed = site.plain(0, "POST", "/api/v1/auth/login").json(&login).send().expect(200);
        site.token = read(&signed["access_token"]);
        site.start(1);
        site
    }

    fn start(&mut self, n: usize) {
        let own = self.folder.path().join(n.to_string());
        fs::create_dir_all(&own).unwrap();
        let server = Process::start_with(&own, Some(&self.database.url), 0, |command| {
            command.arg("--staging").arg(self.folder.path().join("staging"));
            command.args(["--blob-url", &self.store.url("")]);
            command.env("AWS_ACCESS_KEY_ID", s3::KEY_ID).env("AWS_SECRET_ACCESS_KEY", s3::SECRET);
        });
        self.servers[n] = Some(server);
    }

    fn kill(&mut self, n: usize) {
        self.servers[n].take().unwrap().kill();
    }

    fn plain(&self, n: usize, method: &str, path: &str) -> Call {
        Call::new(&format!("http://{}", self.servers[n].as_ref().unwrap().address), method, path)
    }

    fn tus(&self, n: usize, method: &str, path: &str) -> Call {
        self.plain(n, method, path).by(&self.token).header("tus-resumable", "1.0.0")
    }

    fn begin(&self, n: usize, length: usize) -> String {
        let created = self.tus(n, "POST", "/api/v1/uploads").header("upload-length", &length.to_string()).send();
        created.expect_status(201);
        created.header("location").unwrap().to_owned()
    }

    fn patch(&self, n: usize, location: &str, offset: usize, bytes: &[u8]) -> Reply {
        self.tus(n, "PATCH", location).header("upload-offset", &offset.to_string()).bytes(OCTETS, bytes).send()
    }

    /// What a client does after any interruption.
    fn offset(&self, n: usize, location: &str) -> usize {
        let head = self.tus(n, "HEAD", location).send();
        head.expect_status(200);
        number(&head, "upload-offset")
    }

    /// A request that brings some bytes and then stays open in silence, as one whose link died does.
    fn half_open(&self, n: usize, location: &str, offset: usize, rest: &[u8], now: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.servers[n].as_ref().unwrap().address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (token, length) = (&self.token, rest.len());
        let head = format!(
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {token}\r\n\
             Upload-Offset: {offset}\r\nContent-Type: {OCTETS}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&rest[..now]).unwrap();
        thread::sleep(Duration::from_millis(300));
        stream
    }

    fn staged(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("staging/staging")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn objects(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.store.objects("")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

fn film(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

#[test]
fn two_processes_take_turns_on_one_upload() {
    if !Engine::Postgres.is_on("several_servers::two_processes_take_turns_on_one_upload") {
        return;
    }
    let mut site = Site::new();
    let film = film(20 * 1024 * 1024 + 11);
    let location = site.begin(0, film.len());
    let mut stale = Vec::new();
    let mut last = None;
    for round in 0.. {
        let here = round % 2;
        let offset = site.offset(here, &location);
        let end = film.len().min(offset + CHUNK);
        if end == film.len() {
            last = Some((here, offset));
            break;
        }
        if round % 3 == 1 && offset + 4 * CHUNK < film.len() {
            // A link dies in the middle: the process that serves it does not know, and still owns the upload.
            stale.push((site.half_open(here, &location, offset, &film[offset..], CHUNK / 2), offset));
            if round == 10 {
                site.kill(here);
                site.start(here);
                stale.clear();
            }
            continue;
        }
        let reply = site.patch(here, &location, offset, &film[offset..end]);
        assert!(matches!(reply.status, 204 | 409), "{reply}");
        assert!(reply.status == 409 || number(&reply, "upload-offset") == end);
        if round % 5 == 4
            && let Some((mut stream, from)) = stale.pop()
        {
            // The dead link comes alive and brings the rest of what it promised: nobody waits for that any more.
            drop(stream.write_all(&film[from + CHUNK / 2..from + 3 * CHUNK]));
            let since = Instant::now();
            let mut answer = vec![0; 64];
            let length = stream.read(&mut answer).unwrap_or(0);
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 409"), "{answer} after {:?}", since.elapsed());
        }
    }
    // Both are told of the last bytes at once, and of the end; one makes it evidence, and the other may come after that.
    let (here, offset) = last.unwrap();
    let answers: Vec<Reply> = thread::scope(|scope| {
        let both = [here, 1 - here].map(|n| {
            let (site, location, rest) = (&site, &location, &film[offset..]);
            scope.spawn(move || site.patch(n, location, offset, rest))
        });
        both.map(|one| one.join().unwrap()).into()
    });
    assert!(answers.iter().all(|reply| matches!(reply.status, 204 | 409 | 410 | 423)), "{answers:?}");
    let evidence = [0, 1].map(|n| {
        let since = Instant::now();
        loop {
            let head = site.tus(n, "HEAD", &location).send();
            match (head.status, head.header("content-location")) {
                (200, Some(evidence)) => return evidence.to_owned(),
                // The very last PATCH of both lost against the other's: it is sent again, as a client would.
                (200, None) => {
                    let offset = number(&head, "upload-offset");
                    drop(site.patch(n, &location, offset, &film[offset..]));
                }
                (status, _) => assert_eq!(status, 423, "{head}"),
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{head}");
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(evidence[0], evidence[1]);
    for n in [0, 1] {
        let content = site.plain(n, "GET", &format!("{}/content", evidence[n])).by(&site.token).send();
        content.expect_status(200);
        assert!(content.bytes == film, "server {n} sends other bytes");
    }
    let shown = site.plain(0, "GET", &evidence[0]).by(&site.token).send().expect(200);
    assert_eq!(shown["sha256"], hex(&sha256(&film)));
    let objects = site.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert!(objects[0].ends_with(hex(&sha256(&film))) && fs::read(&objects[0]).unwrap() == film);
    assert_eq!(site.store.unfinished(), Vec::<String>::new());
    assert_eq!(site.staged(), Vec::<PathBuf>::new());
}
