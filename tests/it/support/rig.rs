//! A server process with one camera, for tests that kill it: requests may fail, and the server may start again on what
//! is left of its data.

use super::{
    http::{Call, Reply},
    powercut::Recorder,
    process::Process,
    scratch::Folder,
    tus::base64,
    world::{PASSWORD, read},
};
use chengguan::{
    db::types::DeviceId,
    env::Env,
    identity::tokens::{self, PublicJwk},
};
use chrono::TimeDelta;
use serde_json::json;
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// The server's place, its process while it runs, and who may use it.
pub struct Rig {
    folder: Folder,
    process: Option<Process>,
    port: u16,
    admin: String,
    token: String,
}

/// A file on its way up.
pub struct Film {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The token of the camera that took it.
    pub token: String,
    /// The key of its creation.
    pub key: String,
    /// Its address, once it was told.
    pub location: Option<String>,
    /// The most that was ever acknowledged.
    pub acknowledged: usize,
    /// The address of the evidence, once that was told.
    pub evidence: Option<String>,
}

impl Rig {
    /// A film of the rig's own camera.
    pub fn film(&self, length: usize, seed: u64) -> Film {
        self.film_of(self.token.clone(), length, seed)
    }

    /// A film with bytes that no other has.
    pub fn film_of(&self, token: String, length: usize, seed: u64) -> Film {
        let mut state = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&next());
        }
        bytes.truncate(length);
        Film { bytes, token, key: format!("film-{seed}"), location: None, acknowledged: 0, evidence: None }
    }

    /// A server with an administrator and an enrolled camera.
    pub fn new() -> Rig {
        let mut rig =
            Rig { folder: Folder::new("rig"), process: None, port: 0, admin: String::new(), token: String::new() };
        rig.start();
        let code = rig.process.as_ref().and_then(|p| p.setup_code.clone()).expect("a fresh server prints its code");
        let setup = json!({"code": code, "username": "admin", "name": "王", "password": PASSWORD});
        rig.call("POST", "/api/v1/setup").json(&setup).send().expect(201);
        let login = json!({"username": "admin", "password": PASSWORD});
        rig.admin = read(&rig.call("POST", "/api/v1/auth/login").json(&login).send().expect(200)["access_token"]);
        rig.token = rig.camera("执法仪");
        rig
    }

    /// Another camera; its token.
    pub fn camera(&self, name: &str) -> String {
        let device = json!({"name": name, "kind": "camera"});
        let added = self.call("POST", "/api/v1/devices").by(&self.admin).json(&device).send().expect(201);
        let key = tokens::fresh_pkcs8().unwrap();
        let jwk = PublicJwk::from_point(&tokens::public_key(&key).unwrap());
        let enrol = json!({"code": added["code"], "public_key": jwk});
        let enrolled = self.call("POST", "/api/v1/devices/enrol").json(&enrol).send().expect(201);
        let device: DeviceId = read(&enrolled["device_id"]);
        tokens::sign_device(&key, device, Env::system().now(), TimeDelta::hours(2)).unwrap()
    }

    /// Where the server keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address of the server.
    pub fn address(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Starts the server.
    pub fn start(&mut self) {
        self.launch(None);
    }

    /// Starts the server, every sync of which is recorded; what is there after the start counts as durable.
    pub fn start_recorded(&mut self, recorder: &Recorder) {
        // Before the server runs: what it makes and removes meanwhile would be recorded twice, or be gone when it is read.
        recorder.all_is_durable(&self.data());
        self.launch(Some(recorder));
    }

    fn launch(&mut self, recorder: Option<&Recorder>) {
        let root = self.data();
        let process = Process::start_with(self.folder.path(), None, self.port, |command| {
            if let Some(recorder) = recorder {
                recorder.watch(command, &root);
            }
        });
        self.port = process.address.port();
        self.process = Some(process);
    }

    /// Memory of the server's own, KiB.
    pub fn anonymous_memory(&self) -> u64 {
        self.process.as_ref().expect("the server runs").anonymous_memory()
    }

    /// Takes the process to be killed.
    pub fn process(&mut self) -> Process {
        self.process.take().expect("the server runs")
    }

    /// Any request, on a connection of its own: one that was kept may lead to a server that was killed.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&format!("http://127.0.0.1:{}", self.port), method, path).header("connection", "close")
    }

    fn tus(&self, film: &Film, method: &str, path: &str) -> Call {
        self.call(method, path).by(&film.token).header("tus-resumable", "1.0.0")
    }

    fn creation(&self, film: &Film) -> Call {
        let digest = format!("sha-256=:{}:", base64(&tokens::sha256(&film.bytes)));
        let call = self.tus(film, "POST", "/api/v1/uploads").header("upload-length", &film.bytes.len().to_string());
        call.header("repr-digest", &digest).header("idempotency-key", &film.key)
    }

    /// Creates the upload of a film, or finds it again. Says whether an answer came.
    pub fn create(&self, film: &mut Film) -> bool {
        let Ok(reply) = self.creation(film).try_send() else { return false };
        reply.expect_status(201);
        film.location = reply.header("location").map(str::to_owned);
        true
    }

    /// As [`Rig::create`], with all bytes in the same request.
    pub fn create_whole(&self, film: &mut Film) -> bool {
        let call = self.creation(film).bytes("application/offset+octet-stream", film.bytes.clone());
        let Ok(reply) = call.try_send() else { return false };
        reply.expect_status(201);
        film.location = reply.header("location").map(str::to_owned);
        film.acknowledged = reply.header("upload-offset").unwrap().parse().unwrap();
        film.evidence = reply.header("content-location").map(str::to_owned);
        true
    }

    /// Sends the bytes from `offset` to `end`. Says whether an answer came.
    pub fn append(&self, film: &mut Film, offset: usize, end: usize) -> bool {
        let Ok(reply) = self.patch(film, offset, end).try_send() else { return false };
        reply.expect_status(204);
        film.acknowledged = reply.header("upload-offset").unwrap().parse().unwrap();
        film.evidence = reply.header("content-location").map(str::to_owned);
        true
    }

    fn patch(&self, film: &Film, offset: usize, end: usize) -> Call {
        let location = film.location.as_deref().expect("it was created");
        let call = self.tus(film, "PATCH", location).header("upload-offset", &offset.to_string());
        call.bytes("application/offset+octet-stream", film.bytes[offset..end].to_vec())
    }

    /// What the server answers to these bytes.
    pub fn answer_to(&self, film: &Film, offset: usize, end: usize) -> Reply {
        self.patch(film, offset, end).send()
    }

    /// How far the server says it is; waits while it is undecided.
    pub fn head(&self, film: &Film) -> Reply {
        self.try_head(film).expect("the server answers")
    }

    /// As [`Rig::head`]; `None` when the server is gone.
    pub fn try_head(&self, film: &Film) -> Option<Reply> {
        let started = Instant::now();
        loop {
            let head = self.tus(film, "HEAD", film.location.as_deref().expect("it was created")).try_send().ok()?;
            if head.status != 423 || started.elapsed() > Duration::from_secs(20) {
                return Some(head);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The bytes that are stored; `None` when the server can't give them.
    pub fn stored(&self, film: &Film) -> Option<Vec<u8>> {
        use std::{
            io::{Read, Write},
            net::TcpStream,
        };
        // By hand: the usual client checks answers, and what a control test gets may be anything.
        let mut stream = TcpStream::connect(self.address()).ok()?;
        let head = format!(
            "GET {}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            film.evidence.as_deref()?,
            film.token
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        answer.starts_with(b"HTTP/1.1 200").then(|| answer.split_off(end + 4))
    }
}
