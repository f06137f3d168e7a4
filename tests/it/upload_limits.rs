//! Who may go on with an upload, how much anybody may hold, and what operators see of it.

use crate::support::{
    http, on_both_engines,
    tus::{Tus, base64, id_of, number},
    world::{Engine, Options, World},
};
use chengguan::{
    error::Code,
    evidence::uploads,
    identity::{
        actions,
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
};
use chrono::TimeDelta;
use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use std::{
    fs,
    future::Future,
    thread,
    time::{Duration, Instant},
};

on_both_engines!(
    the_address_lets_its_owner_go_on_when_the_token_has_run_out,
    a_key_gives_no_right_that_was_taken_away,
    the_sweeper_and_the_last_byte_are_never_both_right,
    what_operators_watch_is_counted,
    headers_of_every_shape_break_nothing,
    a_small_file_that_comes_slowly_or_broken_goes_the_usual_way,
    a_database_that_is_locked_completes_nothing_early_and_loses_nothing,
);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn bare(world: &World, method: &str, path: &str) -> http::Call {
    world.call(method, path).header("tus-resumable", "1.0.0")
}

fn the_address_lets_its_owner_go_on_when_the_token_has_run_out(world: &World) {
    let (next, third) = (world.person(Role::Inspector), world.person(Role::Inspector));
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, b"01234").expect_status(204);
    let (plain, _) = location.split_once('?').unwrap();
    // A stock client goes on sending the token it began with.
    world.wait(TimeDelta::days(3));
    tus.head(plain).expect_status(401);
    assert_eq!(tus.offset(&location), 5);
    assert_eq!(number(&bare(world, "HEAD", &location).send(), "upload-offset"), 5);
    for wrong in ["?key=AAAAAAAAAAAAAAAAAAAAAA", "?key=", "?key", "?key=%FF"] {
        let wrong = format!("{plain}{wrong}");
        bare(world, "HEAD", &wrong).send().expect_status(401);
    }
    // Whoever has the device after a change of shift goes on for the one who began.
    let next = Tus::new(world, &world.sign_in(&next.username, None).token);
    next.head(plain).expect_status(404);
    let last = next.patch(&location, 5, b"56789");
    last.expect_status(204);
    let evidence = last.header("content-location").unwrap();
    next.call("GET", evidence).send().refused(Code::NotFound);
    let shown = world.get(evidence).by(&world.sign_in(&world.admin().username, None).token).send().expect(200);
    assert_eq!(shown["state"], "stored");
    let third = Tus::new(world, &world.sign_in(&third.username, None).token);
    let (second, third) = (third.begin(10, &[("n", "2")]), third.begin(10, &[("n", "3")]));
    bare(world, "DELETE", &second).send().expect_status(204);
    bare(world, "HEAD", &second).send().expect_status(410);
    // The key of one opens no other.
    let mixed = format!("/api/v1/uploads/{}?{}", id_of(&third), second.split_once('?').unwrap().1);
    bare(world, "HEAD", &mixed).send().expect_status(401);
}

fn a_key_gives_no_right_that_was_taken_away(world: &World) {
    let device = world.device(DeviceKind::Camera);
    let tus = Tus::new(world, &world.device_token(&device));
    let location = tus.begin(10, &[]);
    world.revoke(&device);
    bare(world, "HEAD", &location).send().expect_status(403);
    let call = bare(world, "PATCH", &location).header("upload-offset", "0");
    call.bytes("application/offset+octet-stream", b"x").send().refused(Code::DeviceRevoked);

    let person = world.person(Role::Inspector);
    let location = Tus::new(world, &person.token).begin(5, &[]);
    let username = person.username.clone();
    // In the middle of the last body: what it took before is evidence all the same, and is marked.
    let half = Tus::new(world, &person.token).half(&location, 0, 5).send(b"01");
    world.write(move |tx| actions::user_disable(tx, &username));
    let answer = half.send(b"234").answer();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let evidence = answer.lines().find_map(|line| line.strip_prefix("content-location: ")).unwrap();
    let shown = world.get(evidence).by(&world.admin().token).send().expect(200);
    assert!(shown["flags"].as_array().unwrap().iter().any(|flag| flag["code"] == "account_disabled"), "{shown}");
    bare(world, "HEAD", &location).send().expect_status(401);
}

fn the_sweeper_and_the_last_byte_are_never_both_right(world: &World) {
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let late = world.now() + TimeDelta::days(15);
    let (mut swept, mut stored) = (0, 0);
    for n in 0..500_usize {
        let location = tus.begin(3, &[("n", &n.to_string())]);
        let last = thread::scope(|scope| {
            let last = scope.spawn(|| tus.patch(&location, 0, &[1, (n / 256) as u8, (n % 256) as u8]));
            for _ in 0..n % 7 {
                thread::yield_now();
            }
            swept += block_on(uploads::sweep(&world.app, late)).unwrap();
            last.join().unwrap()
        });
        match last.status {
            204 => {
                stored += 1;
                assert_eq!(tus.offset(&location), 3, "round {n}");
                assert!(last.header("content-location").is_some());
            }
            410 => tus.head(&location).expect_status(410),
            423 => assert!(matches!(tus.head(&location).status, 200 | 410)),
            _ => panic!("round {n}: {last}"),
        }
    }
    assert!(stored > 0, "{swept} swept, {stored} stored");
    assert_eq!(fs::read_dir(world.app.config.data.join("staging")).unwrap().count(), 0, "no file stays behind");
}

fn what_operators_watch_is_counted(world: &World) {
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let (open, done) = (tus.begin(10, &[]), tus.begin(5, &[]));
    tus.patch(&open, 0, b"0123").expect_status(204);
    tus.patch(&open, 9, b"0").refused(Code::OffsetMismatch);
    tus.patch(&done, 0, b"01234").expect_status(204);
    let silent = tus.half(&open, 4, 6).send(b"4");
    assert_eq!(tus.offset(&open), 5);
    drop(silent);
    let text = String::from_utf8(world.get("/metrics").send().bytes).unwrap();
    let read = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("chengguan_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    assert_eq!((read("uploads_open"), read("uploads_finalizing")), (1.0, 0.0));
    assert_eq!((read("upload_received_bytes_total"), read("upload_accepted_bytes_total")), (10.0, 10.0));
    assert_eq!((read("upload_takeovers_total"), read("upload_finish_seconds_count")), (1.0, 1.0));
    assert!(read("upload_conflicts_total") >= 1.0 && read("upload_sync_seconds_count") >= 3.0);
    assert!(read("upload_free_bytes") > 0.0);
}

/// Pieces of right and wrong headers, put together at random.
fn headers_of_every_shape_break_nothing(world: &World) {
    const NAMES: [&str; 9] = [
        "Upload-Length",
        "Upload-Defer-Length",
        "Upload-Metadata",
        "Upload-Offset",
        "Upload-Checksum",
        "Repr-Digest",
        "Idempotency-Key",
        "Content-Type",
        "X-HTTP-Method-Override",
    ];
    let long = format!("a {}", "QUFB".repeat(1500));
    let pieces = [
        "0",
        "1",
        "-1",
        "5",
        "9223372036854775807",
        "18446744073709551616",
        "1e3",
        "",
        " ",
        ",",
        ";",
        "=",
        ":",
        "::",
        "\t",
        "filename ",
        "sha256 ",
        "lat MQ==",
        "lon MQ==",
        "YQ==",
        "====",
        "sha-256=:",
        "sha1 ",
        "crc32 ",
        "AAAAAA==",
        "\u{7f}",
        "é",
        "application/offset+octet-stream",
        "PATCH",
        "DELETE",
        "HEAD",
        "\"",
        long.as_str(),
    ];
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let location = tus.begin(5, &[]);
    let mut state = 42_u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    };
    for _ in 0..400 {
        let (method, path) = [("POST", "/api/v1/uploads"), ("PATCH", &location), ("POST", &location)][dice(3)];
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
            tus.token()
        );
        for _ in 0..dice(5) {
            let value: String = (0..=dice(4)).map(|_| pieces[dice(pieces.len())]).collect();
            request.push_str(&format!("{}: {value}\r\n", NAMES[dice(NAMES.len())]));
        }
        request.push_str("Content-Length: 2\r\n\r\nab");
        let answer = http::raw(world.address, request.as_bytes());
        let status: u16 = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        assert!(matches!(status, 200..=299 | 400..=499), "{request:?} was answered {answer}");
    }
    tus.begin(1, &[]);
}

fn a_small_file_that_comes_slowly_or_broken_goes_the_usual_way(world: &World) {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let digest = |bytes: &[u8]| format!("sha-256=:{}:", base64(&sha256(bytes)));
    let post = |bytes: &[u8], sent: usize, wait: u64| {
        let mut stream = TcpStream::connect(world.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {}\r\n\
             Upload-Length: {length}\r\nRepr-Digest: {}\r\nContent-Type: application/offset+octet-stream\r\n\
             Content-Length: {length}\r\n\r\n",
            tus.token(),
            digest(bytes),
            length = bytes.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&bytes[..sent]).unwrap();
        thread::sleep(Duration::from_millis(wait));
        (stream, bytes[sent..].to_vec())
    };
    let again = |bytes: &[u8]| {
        let reply = tus.create(&[("upload-length", &bytes.len().to_string()), ("repr-digest", &digest(bytes))]);
        reply.expect_status(201);
        reply
    };
    // Slow: it is recorded while the rest is on its way, and what follows completes it.
    let slow = vec![7; 300_000];
    let (mut stream, rest) = post(&slow, 200_000, 2500);
    stream.write_all(&rest).unwrap();
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("upload-offset: 300000"), "{answer}");
    assert_eq!(number(&again(&slow), "upload-offset"), 300_000);
    // Broken: what came is kept, and the same creation finds it.
    let broken = vec![9; 300_000];
    drop(post(&broken, 200_000, 300));
    thread::sleep(Duration::from_millis(500));
    let found = again(&broken);
    assert_eq!(number(&found, "upload-offset"), 200_000);
    tus.patch(found.header("location").unwrap(), 200_000, &broken[200_000..]).expect_status(204);
    // Wrong: refused as any other, its bytes put aside.
    let call = tus.call("POST", "/api/v1/uploads").header("upload-length", "5").header("repr-digest", &digest(b"x"));
    let wrong = call.bytes("application/offset+octet-stream", b"hello").send();
    wrong.refused(Code::ChecksumMismatch);
    let aside = world.app.config.data.join("quarantine").join(id_of(wrong.header("location").unwrap()));
    assert_eq!(fs::read(aside).unwrap(), b"hello");
    assert_eq!(fs::read_dir(world.app.config.data.join("staging")).unwrap().count(), 0);
}

#[test]
fn unfinished_uploads_of_one_sender_hold_no_more_than_their_quota() {
    for engine in Engine::all("unfinished_uploads_of_one_sender_hold_no_more_than_their_quota") {
        let world = World::with(engine, Options { config: |c| c.quota_bytes = 50_000, ..Options::default() });
        let tus = Tus::new(&world, &world.person(Role::Inspector).token);
        tus.create(&[("upload-length", "50001")]).refused(Code::UploadQuotaExceeded);
        let (first, second) = (tus.begin(20_000, &[]), tus.begin(20_000, &[]));
        tus.create(&[("upload-length", "20000")]).refused(Code::UploadQuotaExceeded);
        Tus::new(&world, &world.person(Role::Inspector).token).begin(20_000, &[]);
        // What is evidence holds nothing any more, nor what was given up.
        tus.patch(&first, 0, &[1; 20_000]).expect_status(204);
        let deferred = tus.create(&[("upload-defer-length", "1")]);
        let deferred = deferred.header("location").unwrap();
        let too_much = tus.patch(deferred, 0, &[2; 40_000]);
        too_much.refused(Code::UploadQuotaExceeded);
        assert!(number(&too_much, "upload-offset") <= 30_000, "{too_much}");
        let beyond = [("upload-length", "90000")];
        let offset = tus.offset(deferred);
        tus.patch_with(deferred, offset, b"", &beyond).refused(Code::UploadQuotaExceeded);
        tus.call("DELETE", deferred).send().expect_status(204);
        tus.call("DELETE", &second).send().expect_status(204);
        // An empty one counts for something, or there could be any number.
        for _ in 0..12 {
            tus.create(&[("upload-defer-length", "1")]).expect_status(201);
        }
        tus.create(&[("upload-length", "4096")]).refused(Code::UploadQuotaExceeded);
    }
}

#[test]
fn a_policy_may_demand_a_digest_and_a_disk_may_be_full() {
    let world = World::with(Engine::Sqlite, Options { config: |c| c.require_digest = true, ..Options::default() });
    let tus = Tus::new(&world, &world.person(Role::Inspector).token);
    tus.create(&[("upload-length", "5")]).refused(Code::TusHeaderInvalid);
    let digest = format!("sha-256=:{}:", base64(&sha256(b"hello")));
    tus.create(&[("upload-length", "5"), ("repr-digest", &digest)]).expect_status(201);

    let world = World::with(Engine::Sqlite, Options { config: |c| c.reserve_bytes = 1 << 60, ..Options::default() });
    let tus = Tus::new(&world, &world.person(Role::Inspector).token);
    tus.create(&[("upload-length", "5")]).refused(Code::StorageFull);
    let call = tus.call("POST", "/api/v1/uploads").header("upload-length", "5");
    call.bytes("application/offset+octet-stream", b"hello").send().refused(Code::StorageFull);
    assert_eq!(fs::read_dir(world.app.config.data.join("staging")).unwrap().count(), 0);
}

/// Somebody else holds the database: an administrator's tool, a backup.
enum Foreign {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Foreign {
    fn lock(world: &World) -> Foreign {
        let url = &world.app.config.database_url;
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut db = SqliteConnection::establish(path).unwrap();
                db.batch_execute("PRAGMA busy_timeout=10000; BEGIN IMMEDIATE").unwrap();
                Foreign::Sqlite(db)
            }
            None => {
                let mut db = PgConnection::establish(url).unwrap();
                db.batch_execute("BEGIN; LOCK TABLE uploads IN EXCLUSIVE MODE").unwrap();
                Foreign::Postgres(db)
            }
        }
    }

    fn release(self) {
        match self {
            Foreign::Sqlite(mut db) => db.batch_execute("ROLLBACK").unwrap(),
            Foreign::Postgres(mut db) => db.batch_execute("ROLLBACK").unwrap(),
        }
    }
}

fn a_database_that_is_locked_completes_nothing_early_and_loses_nothing(world: &World) {
    let tus = Tus::new(world, &world.person(Role::Inspector).token);
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, b"01234").expect_status(204);
    let foreign = Foreign::lock(world);
    let mut foreign = Some(foreign);
    thread::scope(|scope| {
        let last = scope.spawn(|| tus.patch(&location, 5, b"56789"));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(300));
            let asked = scope.spawn(|| tus.head(&location));
            // What asks may have to wait for the lock as well; it must not be told of an end that is not recorded.
            while !asked.is_finished() && began.elapsed() < Duration::from_secs(2) {
                thread::sleep(Duration::from_millis(20));
            }
            if !asked.is_finished() {
                foreign.take().unwrap().release();
            }
            let head = asked.join().unwrap();
            let told = (head.status, head.header("upload-offset"), head.header("content-location").is_some());
            match (foreign.is_some(), told) {
                (true, (200, Some("5"), false) | (423, _, false)) => {}
                (false, (200 | 423, ..)) => break,
                _ => panic!("{head}"),
            }
        }
        if let Some(foreign) = foreign.take() {
            foreign.release();
        }
        // Taken over by who asked, or complete: never an inner error that a stock client takes for the end.
        let last = last.join().unwrap();
        assert!(matches!(last.status, 204 | 409 | 423), "{last}");
    });
    let began = Instant::now();
    let end = loop {
        let head = tus.head(&location);
        let offset = head.header("upload-offset").map(|offset| offset.parse::<usize>().unwrap());
        match (head.status, offset) {
            (200, Some(10)) => break head,
            (200, Some(offset)) => drop(tus.patch(&location, offset, &b"0123456789"[offset..])),
            (423, _) => thread::sleep(Duration::from_millis(50)),
            _ => panic!("{head}"),
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it does not come to its end");
    };
    let evidence = end.header("content-location").unwrap();
    assert_eq!(tus.call("GET", &format!("{evidence}/content")).send().bytes, b"0123456789");
}
