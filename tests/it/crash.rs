//! `kill -9` in the middle of a stream of writes: what was acknowledged is there afterwards, once, and what was not
//! acknowledged can be sent again.

use crate::support::{
    http::{Call, Reply},
    on_both_engines, pg,
    process::Process,
    scratch::Folder,
    world::{Engine, PASSWORD, read},
};
use base64::Engine as _;
use chengguan::{
    db::{Db, Purpose, types::DeviceId},
    env::Env,
    identity::tokens::{self, PublicJwk},
};
use chrono::TimeDelta;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

on_both_engines!(engine:
    nothing_acknowledged_is_missing_after_a_kill,
    a_stop_signal_ends_it_in_order_and_keeps_what_was_answered,
    a_person_and_a_device_answered_for_are_there_after_a_kill,
    an_upload_goes_on_from_what_was_acknowledged_after_a_kill,
);

/// After how many answers each round's process dies.
const LIVES: [usize; 6] = [1, 7, 20, 33, 50, 64];
const WRITERS: usize = 4;

/// A process, its data, and the administrator who made its people and devices.
struct Site {
    folder: Folder,
    database: Option<pg::Database>,
    process: Option<Process>,
    port: u16,
    admin: String,
    env: Env,
}

impl Site {
    fn new(engine: Engine) -> Site {
        let folder = Folder::new("crash");
        let database = (engine == Engine::Postgres).then(pg::Database::empty);
        let env = Env::system();
        let mut site = Site { folder, database, process: None, port: 0, admin: String::new(), env };
        site.start();
        let code = site.process.as_ref().and_then(|p| p.setup_code.clone()).expect("a fresh server prints its code");
        let setup = json!({"code": code, "username": "admin", "name": "王", "password": PASSWORD});
        site.post("/api/v1/setup").json(&setup).send().expect(201);
        site.admin = read(&site.sign_in("admin", None)["access_token"]);
        site
    }

    fn url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url.as_str())
    }

    fn start(&mut self) {
        let process = Process::start(self.folder.path(), self.url(), self.port);
        self.port = process.address.port();
        self.process = Some(process);
    }

    fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&format!("http://127.0.0.1:{}", self.port), method, path)
    }

    fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    fn sign_in(&self, username: &str, device_token: Option<String>) -> Value {
        let body = json!({"username": username, "password": PASSWORD, "device_token": device_token});
        self.post("/api/v1/auth/login").json(&body).send().expect(200)
    }

    /// An inspector on a handheld of their own.
    fn writer(&self, n: usize) -> Writer {
        let username = format!("inspector-{n}");
        let user = json!({"username": username, "name": "张", "role": "inspector", "password": PASSWORD});
        self.post("/api/v1/users").by(&self.admin).json(&user).send().expect(201);
        let device = json!({"name": format!("城管通-{n}"), "kind": "handheld"});
        let code = self.post("/api/v1/devices").by(&self.admin).json(&device).send().expect(201)["code"].clone();
        let key = tokens::fresh_pkcs8().unwrap();
        let jwk = PublicJwk::from_point(&tokens::public_key(&key).unwrap());
        let enrol = json!({"code": code, "public_key": jwk});
        let device: DeviceId = read(&self.post("/api/v1/devices/enrol").json(&enrol).send().expect(201)["device_id"]);
        let token = tokens::sign_device(&key, device, self.env.now(), TimeDelta::hours(1)).unwrap();
        let signed = self.sign_in(&username, Some(token.clone()));
        Writer { device, token, signed, seq: 0, attempts: AtomicI64::new(0), sent: BTreeMap::new() }
    }

    /// One number from the database itself.
    fn number(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let sqlite = format!("sqlite:{}", self.folder.path().join("data/chengguan.db").display());
        let mut db = Db::open(self.url().unwrap_or(&sqlite), Purpose::Read).unwrap();
        sql_query(sql).get_result::<Number>(&mut db).unwrap().n
    }
}

/// One handheld that reports cases as fast as it can.
struct Writer {
    device: DeviceId,
    token: String,
    signed: Value,
    seq: i64,
    attempts: AtomicI64,
    /// Every operation that was ever sent, and its result when one came back.
    sent: BTreeMap<i64, (String, Option<Value>)>,
}

/// Waits until so many pushes were answered.
fn wait_for_answers(answers: &AtomicUsize, count: usize) {
    let started = Instant::now();
    while answers.load(Ordering::Relaxed) < count {
        assert!(started.elapsed() < Duration::from_secs(60), "no answers");
        thread::sleep(Duration::from_micros(200));
    }
}

impl Writer {
    fn fresh(&mut self, env: &Env) -> i64 {
        self.seq += 1;
        let op = json!({
            "op_id": env.id(), "seq": self.seq, "type": "case.report", "v": 1,
            "target": {"kind": "case", "id": env.id()},
            "actor": self.signed["user"]["id"], "session": self.signed["session_id"],
            "occurred_at": env.now(), "args": {"title": format!("井盖破损 {}", self.seq)},
        });
        self.sent.insert(self.seq, (op.to_string(), None));
        self.seq
    }

    fn push(&self, site: &Site, seqs: &[i64]) -> Result<Reply, ureq::Error> {
        let ops: Vec<&str> = seqs.iter().map(|seq| self.sent[seq].0.as_str()).collect();
        let envelope = json!({
            "protocol": 1, "app": "test/1", "device": self.device, "epoch": 1,
            "attempt": self.attempts.fetch_add(1, Ordering::Relaxed) + 1,
            "clock": {"wall": site.env.now(), "mono_ms": 1, "boot": "b"},
            "outbox": {"depth": seqs.len(), "high_seq": self.seq}, "ops": ["OPS"],
        });
        // As text, because a repeat must be the same bytes.
        let body = envelope.to_string().replace("\"OPS\"", &ops.join(","));
        site.post("/api/v1/sync/push").by(&self.token).bytes("application/json", body).try_send()
    }

    /// Pushes one to three new operations at a time until the connection breaks.
    fn write_until_broken(&mut self, site: &Site, answers: &AtomicUsize) {
        for size in [1, 3, 2].into_iter().cycle() {
            let seqs: Vec<i64> = (0..size).map(|_| self.fresh(&site.env)).collect();
            let Ok(reply) = self.push(site, &seqs) else { return };
            let results = reply.expect(200)["results"].as_array().cloned().unwrap();
            assert_eq!(results.len(), seqs.len());
            answers.fetch_add(1, Ordering::Relaxed);
            for (seq, result) in seqs.iter().zip(results) {
                assert_eq!((&result["status"], &result["duplicate"]), (&json!("applied"), &json!(false)), "{result}");
                self.sent.get_mut(seq).unwrap().1 = Some(result);
            }
        }
    }

    fn acknowledged(&self) -> usize {
        self.sent.values().filter(|(_, result)| result.is_some()).count()
    }

    /// Sends everything again: an acknowledged operation must be known, with the very same result.
    fn send_all_again(&mut self, site: &Site) {
        let seqs: Vec<i64> = self.sent.keys().copied().collect();
        for chunk in seqs.chunks(100) {
            let results = self.push(site, chunk).unwrap().expect(200)["results"].as_array().cloned().unwrap();
            for (seq, mut result) in chunk.iter().zip(results) {
                let first = &mut self.sent.get_mut(seq).unwrap().1;
                if let Some(first) = first {
                    assert_eq!(result["duplicate"], true, "an acknowledged operation is gone: {first}");
                    result["duplicate"] = json!(false);
                    assert_eq!(&result, first, "the stored result changed");
                } else {
                    assert_eq!(result["status"], "applied", "{result}");
                    result["duplicate"] = json!(false);
                    *first = Some(result);
                }
            }
        }
    }
}

fn nothing_acknowledged_is_missing_after_a_kill(engine: Engine) {
    let mut site = Site::new(engine);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|n| site.writer(n)).collect();
    for life in LIVES {
        let (process, answers) = (site.process.take().unwrap(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(|| writer.write_until_broken(&site, &answers));
            }
            wait_for_answers(&answers, life);
            process.kill();
        });
        site.start();
        for writer in &mut writers {
            writer.send_all_again(&site);
        }
    }
    let sent: i64 = writers.iter().map(|writer| writer.seq).sum();
    assert_eq!(site.number("SELECT count(*) AS n FROM cases"), sent, "each operation was applied once");
    assert_eq!(site.number("SELECT count(*) AS n FROM sync_ops"), sent);
    let (head, rows) = (site.number("SELECT n FROM sync_clock"), site.number("SELECT count(*) AS n FROM changes"));
    let newest = site.number("SELECT max(seq) AS n FROM changes");
    assert_eq!((rows, newest), (head, head), "the feed has no holes");
    let numbers = site.number("SELECT count(DISTINCT number) AS n FROM cases");
    assert_eq!(numbers, sent, "no case number was given out twice");
}

fn a_stop_signal_ends_it_in_order_and_keeps_what_was_answered(engine: Engine) {
    let mut site = Site::new(engine);
    let mut writer = site.writer(0);
    let (process, answers) = (site.process.take().unwrap(), AtomicUsize::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| writer.write_until_broken(&site, &answers));
        wait_for_answers(&answers, 10);
        assert!(process.stop(), "it ended with an error");
    });
    assert!(started.elapsed() < Duration::from_secs(40), "it took {:?}", started.elapsed());
    assert!(writer.acknowledged() >= 10);
    site.start();
    assert_eq!(site.process.as_ref().unwrap().setup_code, None, "there is an administrator already");
    writer.send_all_again(&site);
}

fn a_person_and_a_device_answered_for_are_there_after_a_kill(engine: Engine) {
    let mut site = Site::new(engine);
    for round in 0..3 {
        let user = json!({"username": format!("u{round}"), "name": "张", "role": "inspector", "password": PASSWORD});
        let device = json!({"name": format!("d{round}"), "kind": "camera"});
        site.post("/api/v1/users").by(&site.admin).json(&user).send().expect(201);
        site.post("/api/v1/devices").by(&site.admin).json(&device).send().expect(201);
        // At once after the answer: no time for anything that was put off.
        site.process.take().unwrap().kill();
        site.start();
        site.sign_in(&format!("u{round}"), None);
        let devices = site.call("GET", "/api/v1/devices").by(&site.admin).send().expect(200);
        assert_eq!(devices["items"].as_array().map(Vec::len), Some(round + 1));
    }
}

fn an_upload_goes_on_from_what_was_acknowledged_after_a_kill(engine: Engine) {
    const CHUNK: usize = 64 * 1024;
    let mut site = Site::new(engine);
    let token = site.writer(0).token;
    let film: Vec<u8> = (0..60 * CHUNK + 17).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
    let sha256 = tokens::hex(&tokens::sha256(&film));
    let tus =
        |site: &Site, method: &str, path: &str| site.call(method, path).by(&token).header("tus-resumable", "1.0.0");
    let metadata = format!("sha256 {}", base64::engine::general_purpose::STANDARD.encode(&sha256));
    let create = tus(&site, "POST", "/api/v1/uploads").header("upload-length", &film.len().to_string());
    let created = create.header("upload-metadata", &metadata).send();
    created.expect_status(201);
    let url = created.header("location").unwrap().to_owned();
    let append = |site: &Site, offset: usize| {
        let body = film[offset..film.len().min(offset + CHUNK)].to_vec();
        let call = tus(site, "PATCH", &url).header("upload-offset", &offset.to_string());
        call.bytes("application/offset+octet-stream", body).try_send()
    };
    let mut acknowledged = 0;
    for life in [1, 5, 12] {
        let (process, answers) = (site.process.take().unwrap(), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Ok(reply) = append(&site, acknowledged) {
                    reply.expect_status(204);
                    acknowledged = reply.header("upload-offset").unwrap().parse().unwrap();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
            wait_for_answers(&answers, life);
            process.kill();
        });
        site.start();
        let head = tus(&site, "HEAD", &url).send();
        head.expect_status(200);
        let offset: usize = head.header("upload-offset").unwrap().parse().unwrap();
        assert!((acknowledged..=acknowledged + CHUNK).contains(&offset), "{offset} after {acknowledged}");
        acknowledged = offset;
    }
    let mut evidence = None;
    while acknowledged < film.len() {
        let reply = append(&site, acknowledged).unwrap();
        reply.expect_status(204);
        acknowledged = reply.header("upload-offset").unwrap().parse().unwrap();
        evidence = reply.header("content-location").map(str::to_owned);
    }
    // At once after the last answer.
    site.process.take().unwrap().kill();
    site.start();
    let content = format!("{}/content", evidence.expect("the whole file is evidence"));
    let back = site.call("GET", &content).by(&site.admin).send();
    back.expect_status(200);
    assert!(back.bytes == film, "the bytes differ");
}
