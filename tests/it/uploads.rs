//! Resumable uploads: what each request is answered, what is durable, who wins, what comes of it.

use crate::support::{
    http::Reply,
    on_both_engines,
    tus::{Tus, base64, id_of, metadata, number},
    world::{Engine, World},
};
use chengguan::{
    blob::digest::{hex, repr_digest},
    db::types::UploadId,
    error::Code,
    evidence::uploads,
    identity::{
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
};
use chrono::TimeDelta;
use diesel::{RunQueryDsl, sql_query, sql_types::Text};
use serde_json::json;
use std::{
    fs::{self, OpenOptions},
    future::Future,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

on_both_engines!(and_in_a_bucket:
    the_answers_are_those_of_the_protocol,
    a_cut_keeps_what_came_and_a_head_stops_the_writer_at_once,
    a_request_that_cannot_succeed_does_not_stop_the_one_that_can,
    of_four_writers_at_one_offset_exactly_one_wins,
    a_wrong_digest_is_460_then_gone_and_its_bytes_are_kept_aside,
    a_checked_chunk_counts_whole_or_not_at_all,
    a_length_and_a_digest_may_come_last,
    an_empty_file_is_complete_at_once,
    a_body_may_come_with_the_creation,
    the_same_creation_gives_the_same_upload,
    bytes_that_are_here_need_not_travel_for_those_who_may_see_them,
    what_others_upload_does_not_exist,
    a_revoked_device_begins_nothing_and_what_it_ends_is_marked,
    an_owner_has_four_open_bodies,
    a_removed_upload_is_gone_and_accepted_evidence_stays,
    bytes_that_were_acknowledged_and_are_missing_are_told,
    only_what_nobody_continues_expires,
    an_interrupted_verification_is_taken_up_again,
    rubbish_in_a_header_is_refused_before_a_byte_travels,
    a_lost_database_connection_is_replaced_and_breaks_no_upload,
);

/// Bytes that no compression shortens, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

fn client(world: &World) -> Tus<'_> {
    Tus::new(world, &world.person(Role::Inspector).token)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn staged(world: &World, location: &str) -> PathBuf {
    world.app.config.data.join("staging").join(id_of(location))
}

fn refused_at(reply: &Reply, code: Code, offset: usize) {
    reply.refused(code);
    assert_eq!(number(reply, "upload-offset"), offset);
}

fn the_answers_are_those_of_the_protocol(world: &World) {
    let options = world.call("OPTIONS", "/api/v1/uploads").send();
    options.expect_status(204);
    assert_eq!(options.header("tus-version"), Some("1.0.0"));
    let extensions = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination";
    assert_eq!(options.header("tus-extension"), Some(extensions));
    assert_eq!(options.header("tus-checksum-algorithm"), Some("sha1,sha256,crc32"));
    assert_eq!(number(&options, "tus-max-size"), 1 << 33);

    let (tus, bytes) = (client(world), noise(1000, 1));
    let location = tus.begin(1000, &[("filename", "a.jpg"), ("sha256", &digest(&bytes))]);
    let head = tus.head(&location);
    assert_eq!((number(&head, "upload-offset"), number(&head, "upload-length")), (0, 1000));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    let sent = metadata(&[("filename", "a.jpg"), ("sha256", &digest(&bytes))]);
    assert_eq!(head.header("upload-metadata"), Some(sent.as_str()));
    assert_eq!(head.header("upload-expires"), Some("Mon, 07 Dec 2026 01:00:00 GMT"));

    for version in [None, Some("0.2.2"), Some("")] {
        let call = world.call("PATCH", &location).by_some(None).header("upload-offset", "0");
        let call = version.into_iter().fold(call, |call, version| call.header("tus-resumable", version));
        let reply = call.bytes("application/offset+octet-stream", &bytes[..1]).send();
        reply.refused(Code::TusVersion);
        assert_eq!((reply.header("tus-version"), reply.header("tus-resumable")), (Some("1.0.0"), Some("1.0.0")));
    }
    let plain = tus.call("PATCH", &location).header("upload-offset", "0").bytes("text/plain", &bytes[..1]).send();
    plain.refused(Code::MediaTypeUnsupported);
    refused_at(&tus.patch(&location, 5, b"x"), Code::OffsetMismatch, 0);
    let part = tus.patch(&location, 0, &bytes[..300]);
    part.expect_status(204);
    assert_eq!(number(&part, "upload-offset"), 300);
    assert!(part.header("upload-expires").is_some());
    tus.patch(&location, 300, &noise(701, 2)).refused(Code::LengthExceeded);
    assert_eq!(tus.offset(&location), 300);
    tus.patch(&location, 300, b"").expect_status(204);

    let last = tus.patch(&location, 300, &bytes[300..]);
    last.expect_status(204);
    assert_eq!(last.header("repr-digest"), Some(repr_digest(&digest(&bytes)).as_str()));
    let evidence = last.header("content-location").unwrap();
    assert_eq!(tus.offset(&location), 1000);
    let replay = tus.patch(&location, 1000, b"");
    replay.expect_status(204);
    assert_eq!(replay.header("content-location"), Some(evidence));
    refused_at(&tus.patch(&location, 1000, b"x"), Code::LengthExceeded, 1000);
    refused_at(&tus.patch(&location, 0, &bytes), Code::OffsetMismatch, 1000);

    let overridden = tus.begin(5, &[]);
    let by_post = |method: &str, bytes: &[u8]| {
        let call = tus.call("POST", &overridden).header("x-http-method-override", method);
        call.header("upload-offset", "0").bytes("application/offset+octet-stream", bytes).send()
    };
    by_post("PATCH", b"012").expect_status(204);
    assert_eq!(number(&by_post("HEAD", b""), "upload-offset"), 3);
    by_post("PUT", b"").refused(Code::MethodNotAllowed);
    by_post("DELETE", b"").expect_status(204);
    tus.head(&overridden).expect_status(410);
}

fn a_cut_keeps_what_came_and_a_head_stops_the_writer_at_once(world: &World) {
    let (tus, bytes) = (client(world), noise(3_000_000, 1));
    let location = tus.begin(bytes.len(), &[("sha256", &digest(&bytes))]);
    drop(tus.half(&location, 0, bytes.len()).send(&bytes[..700_000]));
    assert_eq!(tus.offset(&location), 700_000);
    // A connection that stays open and says nothing more.
    let silent = tus.half(&location, 700_000, bytes.len() - 700_000).send(&bytes[700_000..1_500_000]);
    let asked = Instant::now();
    assert_eq!(tus.offset(&location), 1_500_000);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    let loser = silent.answer();
    assert!(loser.starts_with("HTTP/1.1 409") && loser.contains("connection: close"), "{loser}");
    let last = tus.patch(&location, 1_500_000, &bytes[1_500_000..]);
    last.expect_status(204);
    let content = format!("{}/content", last.header("content-location").unwrap());
    assert!(tus.call("GET", &content).send().bytes == bytes);
}

fn a_request_that_cannot_succeed_does_not_stop_the_one_that_can(world: &World) {
    let (tus, bytes) = (client(world), noise(600_000, 1));
    let location = tus.begin(bytes.len(), &[]);
    let live = tus.half(&location, 0, bytes.len()).send(&bytes[..100_000]);
    for (offset, body) in [(0, &bytes[..]), (50_000, &bytes[50_000..]), (100_001, b"x")] {
        tus.patch(&location, offset, body).refused(Code::OffsetMismatch);
    }
    let answer = live.send(&bytes[100_000..]).answer();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

fn of_four_writers_at_one_offset_exactly_one_wins(world: &World) {
    let tus = client(world);
    for round in 0..8 {
        let bytes = noise(1 << 20, round + 1);
        let location = tus.begin(bytes.len(), &[("sha256", &digest(&bytes))]);
        let mut answers: Vec<u16> = thread::scope(|scope| {
            let writers: Vec<_> = (0..4).map(|_| scope.spawn(|| tus.patch(&location, 0, &bytes).status)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        answers.sort_unstable();
        assert_eq!(answers, [204, 409, 409, 409]);
    }
}

fn a_wrong_digest_is_460_then_gone_and_its_bytes_are_kept_aside(world: &World) {
    let (tus, bytes) = (client(world), noise(1000, 1));
    let other = repr_digest(&digest(b"something else"));
    let created = tus.create(&[("upload-length", "1000"), ("repr-digest", &other)]);
    let location = created.header("location").unwrap();
    tus.patch(location, 0, &bytes).refused(Code::ChecksumMismatch);
    tus.head(location).expect_status(410);
    tus.patch(location, 1000, b"").refused(Code::UploadGone);
    let aside = world.app.config.data.join("quarantine").join(id_of(location));
    assert!(fs::read(&aside).unwrap() == bytes);
    let status = tus.call("GET", location).send().expect(200);
    assert_eq!((&status["state"], &status["actual_sha256"]), (&json!("rejected"), &json!(digest(&bytes))));
    // The next try must not meet the failed one.
    let again = tus.create(&[("upload-length", "1000"), ("repr-digest", &other)]);
    assert_ne!(again.header("location"), Some(location));
    tus.call("DELETE", location).send().expect_status(204);
    assert!(!aside.exists());
}

fn a_checked_chunk_counts_whole_or_not_at_all(world: &World) {
    let (tus, bytes) = (client(world), noise(100_000, 1));
    let location = tus.begin(bytes.len(), &[]);
    let (first, second) = bytes.split_at(60_000);
    let right = format!("sha256 {}", base64(&sha256(first)));
    refused_at(&tus.patch_with(&location, 0, second, &[("upload-checksum", &right)]), Code::ChecksumMismatch, 0);
    let unknown = format!("md5 {}", base64(&[0; 16]));
    tus.patch_with(&location, 0, first, &[("upload-checksum", &unknown)]).refused(Code::ChecksumUnsupported);
    tus.patch_with(&location, 0, first, &[("upload-checksum", &right)]).expect_status(204);
    let right = format!("crc32 {}", base64(&crc32fast::hash(second).to_be_bytes()));
    let last = tus.patch_with(&location, 60_000, second, &[("upload-checksum", &right)]);
    last.expect_status(204);
    assert_eq!(last.header("repr-digest"), Some(repr_digest(&digest(&bytes)).as_str()));
    // One that is longer than what may be at stake without a checksum.
    let large = noise(40 << 20, 2);
    let location = tus.begin(large.len(), &[]);
    let right = format!("sha256 {}", base64(&sha256(&large)));
    tus.patch_with(&location, 0, &large, &[("upload-checksum", &right)]).expect_status(204);
}

fn a_length_and_a_digest_may_come_last(world: &World) {
    let tus = client(world);
    let created = tus.create(&[("upload-defer-length", "1")]);
    let location = created.header("location").unwrap();
    let head = tus.head(location);
    assert_eq!((head.header("upload-defer-length"), head.header("upload-length")), (Some("1"), None));
    tus.patch(location, 0, b"abc").expect_status(204);
    tus.patch_with(location, 3, b"", &[("upload-length", "2")]).refused(Code::TusHeaderInvalid);
    tus.patch_with(location, 3, b"def", &[("upload-length", "9")]).expect_status(204);
    tus.patch_with(location, 6, b"", &[("upload-length", "10")]).refused(Code::TusHeaderInvalid);
    tus.patch_with(location, 6, b"", &[("upload-length", "9")]).expect_status(204);
    let right = repr_digest(&digest(b"abcdefghi"));
    let last = tus.patch_with(location, 6, b"ghi", &[("repr-digest", &right)]);
    last.expect_status(204);
    assert_eq!(last.header("repr-digest"), Some(right.as_str()));
    let wrong = tus.create(&[("upload-length", "3"), ("repr-digest", &right)]);
    let wrong = wrong.header("location").unwrap();
    let other = repr_digest(&digest(b"x"));
    tus.patch_with(wrong, 0, b"abc", &[("repr-digest", &other)]).refused(Code::TusHeaderInvalid);
}

fn an_empty_file_is_complete_at_once(world: &World) {
    let tus = client(world);
    let created = tus.create(&[("upload-length", "0")]);
    created.expect_status(201);
    assert!(created.header("content-location").is_some());
    assert_eq!(tus.offset(created.header("location").unwrap()), 0);
    let wrong = repr_digest(&digest(b"x"));
    tus.create(&[("upload-length", "0"), ("repr-digest", &wrong)]).refused(Code::ChecksumMismatch);
}

fn a_body_may_come_with_the_creation(world: &World) {
    let (tus, bytes) = (client(world), noise(200_000, 1));
    let create = |length: usize, bytes: &[u8]| {
        let call = tus.call("POST", "/api/v1/uploads").header("upload-length", &length.to_string());
        call.bytes("application/offset+octet-stream", bytes).send()
    };
    let whole = create(bytes.len(), &bytes);
    whole.expect_status(201);
    assert_eq!(number(&whole, "upload-offset"), bytes.len());
    assert!(whole.header("content-location").is_some());
    let half = create(bytes.len(), &bytes[..100_000]);
    half.expect_status(201);
    assert_eq!(number(&half, "upload-offset"), 100_000);
    tus.patch(half.header("location").unwrap(), 100_000, &bytes[100_000..]).expect_status(204);
    create(3, b"hello").refused(Code::LengthExceeded);
}

fn the_same_creation_gives_the_same_upload(world: &World) {
    let (tus, bytes) = (client(world), noise(1000, 1));
    let location = |reply: &Reply| reply.header("location").unwrap().to_owned();
    let by_key = |length: &str| tus.create(&[("upload-length", length), ("idempotency-key", "k-1")]);
    let first = by_key("77");
    tus.patch(&location(&first), 0, b"abc").expect_status(204);
    let second = by_key("77");
    assert_eq!((location(&second), number(&second, "upload-offset")), (location(&first), 3));
    by_key("78").refused(Code::IdempotencyMismatch);
    assert_ne!(
        location(&client(world).create(&[("upload-length", "78"), ("idempotency-key", "k-1")])),
        location(&first)
    );
    let named = digest(&bytes);
    let by_digest = || tus.begin(1000, &[("sha256", &named)]);
    let first = by_digest();
    assert_eq!(by_digest(), first);
    tus.patch(&first, 0, &bytes).expect_status(204);
    assert_eq!(by_digest(), first, "complete, and HEAD says so");
    assert_eq!(tus.offset(&first), 1000);
}

fn bytes_that_are_here_need_not_travel_for_those_who_may_see_them(world: &World) {
    let bytes = noise(1000, 1);
    let named = digest(&bytes);
    let evidence = client(world).upload(&bytes, &[("sha256", &named), ("filename", "secret.jpg")]);
    let centre = Tus::new(world, &world.person(Role::Dispatcher).token);
    assert_eq!(centre.offset(&centre.begin(1000, &[("sha256", &named)])), 1000);
    // Knowing a digest is not having the bytes: a stranger learns nothing before they have sent them all.
    let stranger = client(world);
    let location = stranger.begin(1000, &[("sha256", &named)]);
    assert_eq!(stranger.offset(&location), 0);
    stranger.call("GET", &evidence).send().refused(Code::NotFound);
    let proof = stranger.patch(&location, 0, &bytes);
    assert_eq!(proof.header("content-location"), Some(evidence.as_str()));
    stranger.call("GET", &evidence).send().expect(200);
}

fn what_others_upload_does_not_exist(world: &World) {
    let (tus, other) = (client(world), client(world));
    let location = tus.begin(10, &[]);
    // Without the key that its address holds.
    let location = location.split('?').next().unwrap().to_owned();
    other.head(&location).expect_status(404);
    other.patch(&location, 0, b"x").refused(Code::NotFound);
    other.call("DELETE", &location).send().refused(Code::NotFound);
    other.call("GET", &location).send().refused(Code::NotFound);
    let centre = Tus::new(world, &world.person(Role::Supervisor).token);
    centre.head(&location).expect_status(404);
    assert_eq!(centre.call("GET", &location).send().expect(200)["state"], "open");
    let unknown = format!("/api/v1/uploads/{}", world.app.env.id());
    tus.head(&unknown).expect_status(404);
    world.call("HEAD", &location).header("tus-resumable", "1.0.0").send().expect_status(401);
    assert_eq!(tus.offset(&location), 0);
}

fn a_revoked_device_begins_nothing_and_what_it_ends_is_marked(world: &World) {
    let device = world.device(DeviceKind::Camera);
    let tus = Tus::new(world, &world.device_token(&device));
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, b"01234").expect_status(204);
    world.revoke(&device);
    tus.create(&[("upload-length", "10")]).refused(Code::DeviceRevoked);
    let last = tus.patch(&location, 5, b"56789");
    last.expect_status(204);
    let evidence = last.header("content-location").unwrap();
    tus.call("GET", evidence).send().refused(Code::DeviceRevoked);
    let shown = world.get(evidence).by(&world.admin().token).send().expect(200);
    assert!(shown["flags"].as_array().unwrap().iter().any(|flag| flag["code"] == "device_revoked"), "{shown}");
}

fn an_owner_has_four_open_bodies(world: &World) {
    let tus = client(world);
    let locations: Vec<String> = (0..5).map(|_| tus.begin(100, &[])).collect();
    let open: Vec<_> = locations[..4].iter().map(|location| tus.half(location, 0, 100).send(b"a")).collect();
    let fifth = tus.patch(&locations[4], 0, b"a");
    fifth.refused(Code::UploadsTooMany);
    assert!(fifth.header("retry-after").is_some());
    assert_eq!(tus.offset(&locations[4]), 0, "HEAD is never counted");
    client(world).begin(1, &[]);
    drop(open);
    thread::sleep(Duration::from_millis(500));
    tus.patch(&locations[4], 0, b"a").expect_status(204);
}

fn a_removed_upload_is_gone_and_accepted_evidence_stays(world: &World) {
    let tus = client(world);
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, b"012").expect_status(204);
    assert!(staged(world, &location).exists());
    tus.call("DELETE", &location).send().expect_status(204);
    assert!(!staged(world, &location).exists());
    tus.head(&location).expect_status(410);
    tus.patch(&location, 3, b"3").refused(Code::UploadGone);
    tus.call("DELETE", &location).send().refused(Code::UploadGone);
    let location = tus.begin(3, &[]);
    tus.patch(&location, 0, b"abc").expect_status(204);
    tus.call("DELETE", &location).send().refused(Code::EvidenceAccepted);
    assert_eq!(tus.offset(&location), 3);
}

fn bytes_that_were_acknowledged_and_are_missing_are_told(world: &World) {
    let tus = client(world);
    let location = tus.begin(10, &[]);
    tus.patch(&location, 0, b"01234").expect_status(204);
    let file = OpenOptions::new().write(true).open(staged(world, &location)).unwrap();
    // Behind the durable offset anything may lie; it is cut off.
    file.set_len(9).unwrap();
    tus.patch(&location, 5, b"5").expect_status(204);
    assert_eq!(fs::read(staged(world, &location)).unwrap(), b"012345");
    file.set_len(2).unwrap();
    tus.patch(&location, 6, b"6").refused(Code::UploadGone);
    tus.head(&location).expect_status(410);
    assert_eq!(tus.call("GET", &location).send().expect(200)["state"], "lost");
}

fn only_what_nobody_continues_expires(world: &World) {
    let person = world.person(Role::Inspector);
    let tus = Tus::new(world, &person.token);
    let (dead, alive, done) = (tus.begin(10, &[("n", "1")]), tus.begin(10, &[("n", "2")]), tus.begin(3, &[]));
    tus.patch(&done, 0, b"abc").expect_status(204);
    let sweep = || block_on(uploads::sweep(&world.app, world.now())).unwrap();
    world.wait(TimeDelta::days(10));
    let tus = Tus::new(world, &world.sign_in(&person.username, None).token);
    tus.patch(&alive, 0, b"0").expect_status(204);
    assert_eq!(sweep(), 0);
    world.wait(TimeDelta::days(4));
    let tus = Tus::new(world, &world.sign_in(&person.username, None).token);
    assert_eq!(sweep(), 1);
    tus.head(&dead).expect_status(410);
    assert!(!staged(world, &dead).exists());
    assert_eq!((tus.offset(&alive), tus.offset(&done)), (1, 3));
    // A busy one is making progress, whatever its row says.
    world.wait(TimeDelta::days(20));
    let tus = Tus::new(world, &world.sign_in(&person.username, None).token);
    let busy = tus.half(&alive, 1, 9).send(b"1");
    assert_eq!(sweep(), 0);
    drop(busy);
    assert_eq!(tus.offset(&alive), 2);
    world.wait(TimeDelta::days(31));
    let tus = Tus::new(world, &world.sign_in(&person.username, None).token);
    sweep();
    tus.head(&dead).expect_status(404);
    assert_eq!(tus.offset(&done), 3, "evidence does not expire");
}

fn an_interrupted_verification_is_taken_up_again(world: &World) {
    let tus = client(world);
    let complete = |location: &str| {
        fs::write(staged(world, location), b"hello").unwrap();
        let id: UploadId = id_of(location).parse().unwrap();
        world.write(move |tx| {
            let column = if matches!(tx.db, chengguan::db::Db::Postgres(_)) { "CAST($1 AS uuid)" } else { "$1" };
            sql_query(format!("UPDATE uploads SET durable_offset = 5, state = 'finalizing' WHERE id = {column}"))
                .bind::<Text, _>(id.to_string())
                .execute(tx.db)?;
            Ok(())
        });
    };
    // Killed before it was read back; whoever asks first takes it up.
    let named = digest(b"hello");
    let first = tus.begin(5, &[]);
    complete(&first);
    let head = tus.head(&first);
    assert_eq!((number(&head, "upload-offset"), head.header("repr-digest")), (5, Some(repr_digest(&named).as_str())));
    // Killed after the move, before the row said so; the timer takes it up.
    let second = Tus::new(world, &world.person(Role::Officer).token);
    let location = second.begin(5, &[("sha256", &named)]);
    complete(&location);
    fs::remove_file(staged(world, &location)).unwrap();
    assert_eq!(block_on(uploads::resume(&world.app.clone().into_inner())).unwrap(), 1);
    assert_eq!(second.offset(&location), 5);
    assert_eq!(block_on(uploads::resume(&world.app.clone().into_inner())).unwrap(), 0);
}

fn rubbish_in_a_header_is_refused_before_a_byte_travels(world: &World) {
    let tus = client(world);
    let zeros = format!("sha-256=:{}:", base64(&[0; 32]));
    let contradiction = metadata(&[("sha256", &digest(b"x"))]);
    let rubbish: &[&[(&str, &str)]] = &[
        &[],
        &[("upload-length", "-1")],
        &[("upload-length", "1.5")],
        &[("upload-length", "99999999999999999999999")],
        &[("upload-length", "1"), ("upload-length", "2")],
        &[("upload-length", "1"), ("upload-defer-length", "1")],
        &[("upload-defer-length", "0")],
        &[("upload-length", "5"), ("upload-metadata", "a ?")],
        &[("upload-length", "5"), ("upload-metadata", "a YQ==,a YQ==")],
        &[("upload-length", "5"), ("upload-metadata", "lat MQ==")],
        &[("upload-length", "5"), ("upload-metadata", &contradiction), ("repr-digest", &zeros)],
        &[("upload-length", "5"), ("repr-digest", "sha-256=rubbish")],
        &[("upload-length", "5"), ("idempotency-key", "a b")],
    ];
    for headers in rubbish {
        let reply = tus.create(headers);
        assert_eq!((reply.status, reply.code().as_str()), (400, "tus_header_invalid"), "{headers:?}: {reply}");
        assert_eq!(reply.header("tus-resumable"), Some("1.0.0"));
    }
    tus.create(&[("upload-length", "9000000000")]).refused(Code::UploadTooLarge);
    let location = tus.begin(5, &[]);
    for offset in ["", "-1", "x", "99999999999999999999"] {
        let call = tus.call("PATCH", &location).header("upload-offset", offset);
        call.bytes("application/offset+octet-stream", b"x".to_vec()).send().refused(Code::TusHeaderInvalid);
    }
    let staging = fs::read_dir(world.app.config.data.join("staging")).unwrap().count();
    assert_eq!(staging, 1, "a refused creation leaves no file");
}

fn a_lost_database_connection_is_replaced_and_breaks_no_upload(world: &World) {
    let (tus, bytes) = (client(world), noise(1000, 1));
    let location = tus.begin(1000, &[("sha256", &digest(&bytes))]);
    tus.patch(&location, 0, &bytes[..500]).expect_status(204);
    if world.engine == Engine::Postgres {
        let killed = block_on(world.app.db.write(|tx| {
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            sql_query(others).execute(tx.db)?;
            // And the own one, as the last thing this connection does.
            drop(sql_query("SELECT pg_terminate_backend(pg_backend_pid())").execute(tx.db));
            Ok(())
        }));
        assert_eq!(killed.unwrap_err().code, Code::Busy);
    }
    // HEAD may ask to come again, but never sends a stock client back to the start.
    let found = (0..20).find_map(|_| {
        let head = tus.head(&location);
        assert!(matches!(head.status, 200 | 423), "{head}");
        (head.status == 200).then(|| number(&head, "upload-offset"))
    });
    assert_eq!(found, Some(500));
    tus.patch(&location, 500, &bytes[500..]).expect_status(204);
}
