//! What a tus server meets at its edges, one row after the other: the cases on which the servers in use everywhere differ,
//! lose bytes, or let nobody win.

use crate::support::{
    on_both_engines,
    tus::{Tus, base64, id_of, metadata, number},
    world::World,
};
use chengguan::identity::{rules::Role, tokens::sha256};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

on_both_engines!(every_row_of_the_probe_is_answered_right);

const MIB: usize = 1 << 20;

/// A case, and what it demands.
type Row = (&'static str, fn(&Tus, &World));

const ROWS: &[Row] = &[
    ("no Tus-Resumable: 412 with the version, not processed", no_version),
    ("a wrong version: 412", wrong_version),
    ("a wrong content type: 415", wrong_content_type),
    ("20 bytes into a 10-byte upload: 413, nothing stored", too_many_bytes),
    ("metadata comes back as it was sent", metadata_is_echoed),
    ("a wrong sha1: 460; an unknown algorithm: 400; both discarded", wrong_checksums),
    ("the end of the connection after 700,000 of 1 MiB: they are kept", a_cut_keeps_bytes),
    ("a half-open writer, then HEAD: the truth within 100 ms, and PATCH goes on", half_open_writer),
    ("four PATCH at 0: one 204, three 409, equal bytes", four_at_once),
    ("DELETE during PATCH: at once", delete_during_patch),
    ("Expect: 100-continue with a wrong offset: 409, no body needed", expect_continue),
    ("one byte beyond a complete upload: 413", one_byte_beyond),
    ("chunked beyond the length: kept up to it, 413", chunked_beyond),
    ("a body longer than its rest is refused before it is read", longer_than_the_rest),
];

fn every_row_of_the_probe_is_answered_right(world: &World) {
    for (name, row) in ROWS {
        // Seen when the row fails.
        eprintln!("{name}");
        row(&Tus::new(world, &world.person(Role::Inspector).token), world);
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

fn stored(tus: &Tus, evidence: &str) -> Vec<u8> {
    tus.call("GET", &format!("{evidence}/content")).send().bytes
}

fn no_version(_: &Tus, world: &World) {
    let token = world.person(Role::Inspector).token;
    let reply = world.post("/api/v1/uploads").by(&token).header("upload-length", "5").send();
    assert_eq!((reply.status, reply.header("tus-version")), (412, Some("1.0.0")));
}

fn wrong_version(_: &Tus, world: &World) {
    let token = world.person(Role::Inspector).token;
    let call = world.post("/api/v1/uploads").by(&token).header("upload-length", "5").header("tus-resumable", "0.2.2");
    let reply = call.send();
    assert_eq!((reply.status, reply.header("tus-version")), (412, Some("1.0.0")));
}

fn wrong_content_type(tus: &Tus, _: &World) {
    let location = tus.begin(5, &[]);
    let call = tus.call("PATCH", &location).header("upload-offset", "0");
    call.bytes("application/octet-stream", b"hello").send().expect_status(415);
    assert_eq!(tus.offset(&location), 0);
}

fn too_many_bytes(tus: &Tus, world: &World) {
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, &bytes(20)).expect_status(413);
    assert_eq!(tus.offset(&location), 0);
    let staged = world.app.config.data.join("staging").join(id_of(&location));
    assert_eq!(fs::metadata(staged).unwrap().len(), 0);
}

fn metadata_is_echoed(tus: &Tus, _: &World) {
    let sent = format!("{},empty,zz YQ==,aa Yg==", metadata(&[("filename", "井盖.jpg")]));
    let created = tus.create(&[("upload-length", "5"), ("upload-metadata", &sent)]);
    created.expect_status(201);
    let head = tus.head(created.header("location").unwrap());
    assert_eq!(head.header("upload-metadata"), Some(sent.as_str()));
}

fn wrong_checksums(tus: &Tus, _: &World) {
    let location = tus.begin(10, &[]);
    let wrong = format!("sha1 {}", base64(&[7; 20]));
    tus.patch_with(&location, 0, b"hello", &[("upload-checksum", &wrong)]).expect_status(460);
    tus.patch_with(&location, 0, b"hello", &[("upload-checksum", "md5 AAAA")]).expect_status(400);
    assert_eq!(tus.offset(&location), 0);
}

fn a_cut_keeps_bytes(tus: &Tus, _: &World) {
    let location = tus.begin(MIB, &[]);
    drop(tus.half(&location, 0, MIB).send(&bytes(MIB)[..700_000]));
    assert_eq!(tus.offset(&location), 700_000);
}

fn half_open_writer(tus: &Tus, _: &World) {
    let all = bytes(MIB);
    let mut fastest = Duration::MAX;
    // The machine may be busy with something else: the best of three tells what the server does.
    for _ in 0..3 {
        let location = tus.begin(MIB, &[]);
        let dead = tus.half(&location, 0, MIB).send(&all[..700_000]);
        let asked = Instant::now();
        assert_eq!(tus.offset(&location), 700_000);
        fastest = fastest.min(asked.elapsed());
        let last = tus.patch(&location, 700_000, &all[700_000..]);
        last.expect_status(204);
        assert!(stored(tus, last.header("content-location").unwrap()) == all);
        assert!(dead.answer().starts_with("HTTP/1.1 409"));
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}

fn four_at_once(tus: &Tus, _: &World) {
    let all = bytes(MIB);
    let location = tus.begin(MIB, &[]);
    let mut replies: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| tus.patch(&location, 0, &all))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    replies.sort_by_key(|reply| reply.status);
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [204, 409, 409, 409]);
    assert!(stored(tus, replies[0].header("content-location").unwrap()) == all);
}

fn delete_during_patch(tus: &Tus, _: &World) {
    let location = tus.begin(MIB, &[]);
    let writer = tus.half(&location, 0, MIB).send(&bytes(100_000));
    let asked = Instant::now();
    tus.call("DELETE", &location).send().expect_status(204);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    tus.head(&location).expect_status(410);
    drop(writer);
}

fn expect_continue(tus: &Tus, world: &World) {
    let location = tus.begin(2 * MIB, &[]);
    let token = tus.token();
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {token}\r\n\
         Upload-Offset: 5\r\nContent-Type: application/offset+octet-stream\r\nExpect: 100-continue\r\n\
         Content-Length: {MIB}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let mut piece = [0; 2048];
    // The framework itself may say 100 first; the body is not waited for.
    while !answer.contains(" 409 ") {
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}

fn one_byte_beyond(tus: &Tus, _: &World) {
    let location = tus.begin(5, &[]);
    tus.patch(&location, 0, b"hello").expect_status(204);
    let beyond = tus.patch(&location, 5, b"x");
    assert_eq!((beyond.status, number(&beyond, "upload-offset")), (413, 5));
    assert_eq!(tus.offset(&location), 5);
}

fn chunked_beyond(tus: &Tus, world: &World) {
    let location = tus.begin(10, &[]);
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {}\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\nF\r\n0123456789abcde\r\n0\r\n\r\n",
        tus.token()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let head = tus.head(&location);
    assert_eq!(number(&head, "upload-offset"), 10);
    let digest = format!("sha-256=:{}:", base64(&sha256(b"0123456789")));
    assert_eq!(head.header("repr-digest"), Some(digest.as_str()));
}

fn longer_than_the_rest(tus: &Tus, _: &World) {
    let location = tus.begin(10, &[]);
    let answer = tus.half(&location, 0, 1 << 30).answer();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
