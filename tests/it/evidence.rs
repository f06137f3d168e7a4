//! Photos and videos: declared, compared with what the file says, seen by those concerned, sent whole or in part.

use crate::support::{
    http::Reply,
    on_both_engines,
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    blob::digest::hex,
    db::feed,
    error::Code,
    evidence::datum::{Datum, Position, from_wgs84},
    identity::{
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
    sim::media::{PhotoSpec, VideoSpec, photo, video},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(and_in_a_bucket:
    a_declaration_is_stored_once_and_only_its_author_fills_its_blanks,
    a_declaration_must_be_sound,
    a_photo_that_agrees_with_its_stamp_has_no_flag,
    a_photo_that_differs_from_its_stamp_is_flagged_and_kept_as_it_is,
    a_video_says_when_and_where_it_was_taken,
    bytes_without_a_declaration_declare_themselves,
    evidence_is_seen_by_those_concerned_with_its_case,
    stored_evidence_is_announced_to_its_audience,
    an_original_is_sent_whole_in_part_or_not_at_all,
    an_original_is_never_a_page,
    a_thumbnail_is_small_and_upright,
    pages_follow_each_other_without_gap_or_repeat,
);

const TAKEN: &str = "2026-11-23T08:30:15+08:00";

fn place() -> Position {
    Position::new(27.440_123, 109.944_456).unwrap()
}

fn a_photo(seed: u64) -> Vec<u8> {
    let spec = PhotoSpec { width: 320, height: 240, ..PhotoSpec::new(seed) };
    photo(&PhotoSpec { taken_at: Some(TAKEN.parse().unwrap()), position: Some(place()), ..spec })
}

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

fn declaration(bytes: &[u8]) -> Value {
    json!({
        "sha256": digest(bytes), "size": bytes.len(), "media_type": "image/jpeg", "filename": "现场.jpg",
        "captured_at": TAKEN, "role": "before",
        "gps": {"lat": place().lat(), "lon": place().lon(), "datum": "wgs84", "accuracy_m": 5.0, "source": "gnss"},
    })
}

fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

fn declare(world: &World, token: &str, body: &Value) -> Reply {
    world.post("/api/v1/evidence").by(token).json(body).send()
}

/// Declares and uploads; gives the record.
fn stored(world: &World, by: &Person, bytes: &[u8], body: &Value) -> Value {
    declare(world, &by.token, body).expect(201);
    let location = Tus::new(world, &by.token).upload(bytes, &[("sha256", &digest(bytes))]);
    world.get(&location).by(&by.token).send().expect(200)
}

fn codes(evidence: &Value) -> Vec<&str> {
    evidence["flags"].as_array().unwrap().iter().map(|flag| flag["code"].as_str().unwrap()).collect()
}

fn path(evidence: &Value) -> String {
    format!("/api/v1/evidence/{}", evidence["id"].as_str().unwrap())
}

fn a_declaration_is_stored_once_and_only_its_author_fills_its_blanks(world: &World) {
    let (bytes, author, other) = (a_photo(1), world.person(Role::Inspector), world.person(Role::Inspector));
    let mut bare = declaration(&bytes);
    bare.as_object_mut().unwrap().retain(|field, _| !matches!(field.as_str(), "gps" | "filename" | "role"));
    let first = declare(world, &author.token, &bare).expect(201);
    assert_eq!((&first["state"], &first["gps"]), (&json!("declared"), &Value::Null));
    assert_eq!(declare(world, &author.token, &bare).expect(200), first);

    let blind = declare(world, &other.token, &declaration(&bytes)).expect(200);
    assert_eq!((&blind["id"], &blind["gps"], &blind["device_id"]), (&first["id"], &Value::Null, &Value::Null));
    let unchanged = world.get(&path(&first)).by(&author.token).send().expect(200);
    assert_eq!(unchanged, first);

    let full = declare(world, &author.token, &declaration(&bytes)).expect(200);
    assert_eq!((&full["id"], &full["filename"]), (&first["id"], &json!("现场.jpg")));
    assert_eq!((&full["gps"]["accuracy_m"], &full["role"]), (&json!(5.0), &json!("before")));
    let moved = with(declaration(&bytes), "gps", json!({"lat": 1.0, "lon": 1.0, "datum": "wgs84"}));
    assert_eq!(declare(world, &author.token, &moved).expect(200), full, "what was said stands");
    declare(world, &author.token, &with(declaration(&bytes), "size", json!(9))).refused(Code::AlreadyExists);
}

fn a_declaration_must_be_sound(world: &World) {
    let (token, good) = (world.person(Role::Inspector).token, declaration(&a_photo(1)));
    let gps = |lat: f64, datum: &str| json!({"lat": lat, "lon": 110.0, "datum": datum});
    for (field, value, code) in [
        ("sha256", json!("zz"), Code::ValueInvalid),
        ("size", json!(-1), Code::ValueInvalid),
        ("size", json!("1"), Code::BodyInvalid),
        ("media_type", json!("jpeg"), Code::ValueInvalid),
        ("media_type", json!("text/html\r\nX: y"), Code::ValueInvalid),
        ("captured_at", json!("yesterday"), Code::BodyInvalid),
        ("captured_at", Value::Null, Code::BodyInvalid),
        ("filename", json!("a\0b"), Code::NulCharacter),
        ("gps", gps(91.0, "wgs84"), Code::ValueInvalid),
        ("gps", gps(27.0, "mars"), Code::BodyInvalid),
        ("role", json!("a b"), Code::ValueInvalid),
        ("case_id", json!("1"), Code::BodyInvalid),
        ("colour", json!("red"), Code::BodyInvalid),
    ] {
        declare(world, &token, &with(good.clone(), field, value)).refused(code);
    }
    declare(world, &token, &good).expect(201);
}

fn a_photo_that_agrees_with_its_stamp_has_no_flag(world: &World) {
    let (bytes, person) = (a_photo(1), world.person(Role::Inspector));
    // The handheld shifts its place as 高德 does, and says so.
    let shifted = from_wgs84(place(), Datum::Gcj02);
    let gps = json!({"lat": shifted.lat(), "lon": shifted.lon(), "datum": "gcj02", "accuracy_m": 5.0});
    let evidence = stored(world, &person, &bytes, &with(declaration(&bytes), "gps", gps));
    assert_eq!((codes(&evidence), &evidence["state"]), (vec![], &json!("stored")));
    assert_eq!(evidence["gps"]["lat"], json!(shifted.lat()), "as sent");
    assert!((evidence["gps"]["wgs84"]["lat"].as_f64().unwrap() - place().lat()).abs() < 1e-6);
    let facts = &evidence["facts"];
    assert_eq!(
        (&facts["media_type"], &facts["width"], &facts["height"]),
        (&json!("image/jpeg"), &json!(320), &json!(240))
    );
    assert_eq!(facts["taken_at"]["at"], "2026-11-23T00:30:15Z");
    assert!((facts["position"]["lon"].as_f64().unwrap() - place().lon()).abs() < 1e-5);
}

fn a_photo_that_differs_from_its_stamp_is_flagged_and_kept_as_it_is(world: &World) {
    let person = world.person(Role::Inspector);
    let bytes = a_photo(1);
    // Shifted, but called WGS-84; and stamped an hour after the camera's clock.
    let shifted = from_wgs84(place(), Datum::Gcj02);
    let gps = json!({"lat": shifted.lat(), "lon": shifted.lon(), "datum": "wgs84", "accuracy_m": 5.0});
    let body = with(with(declaration(&bytes), "gps", gps), "captured_at", json!("2026-11-23T09:30:15+08:00"));
    let evidence = stored(world, &person, &bytes, &body);
    assert_eq!(codes(&evidence), ["time_differs", "position_differs", "time_in_future"], "{evidence}");
    assert_eq!(evidence["captured_at"], "2026-11-23T01:30:15Z", "the stamp is never corrected");
    let content = world.get(&format!("{}/content", path(&evidence))).by(&person.token).send();
    assert!(content.bytes == bytes, "nor is the file");

    let text = b"this is no photo".to_vec();
    let evidence = stored(world, &person, &text, &declaration(&text));
    assert_eq!(codes(&evidence), ["media_type_differs", "unreadable"]);
}

fn a_video_says_when_and_where_it_was_taken(world: &World) {
    let device = world.device(DeviceKind::Camera);
    let token = world.device_token(&device);
    let taken = world.now() - TimeDelta::hours(3);
    let spec = VideoSpec { taken_at: Some(taken), position: Some(place()), target_bytes: 300_000, ..VideoSpec::new(3) };
    let bytes = video(&spec);
    let (captured_at, lat, lon) = (taken.to_rfc3339(), place().lat().to_string(), place().lon().to_string());
    let pairs = [
        ("sha256", digest(&bytes)),
        ("filename", "DCIM/100/0001.mp4".to_owned()),
        ("filetype", "video/mp4".to_owned()),
        ("captured_at", captured_at),
        ("lat", lat),
        ("lon", lon),
    ];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let location = Tus::new(world, &token).upload(&bytes, &pairs);
    let evidence = world.get(&location).by(&token).send().expect(200);
    assert_eq!(codes(&evidence), Vec::<&str>::new(), "{evidence}");
    assert_eq!((&evidence["filename"], &evidence["device_id"]), (&json!("0001.mp4"), &json!(device.id)));
    assert_eq!((&evidence["facts"]["kind"], &evidence["facts"]["duration_ms"]), (&json!("mp4"), &json!(10_000)));
    world.get(&format!("{location}/thumbnail")).by(&token).send().refused(Code::PosterUnavailable);
    assert_eq!(evidence["poster"], "no_decoder");
}

fn bytes_without_a_declaration_declare_themselves(world: &World) {
    let (person, bytes) = (world.person(Role::Inspector), a_photo(1));
    let tus = Tus::new(world, &person.token);
    let evidence = tus.call("GET", &tus.upload(&bytes, &[])).send().expect(200);
    assert_eq!((&evidence["sha256"], &evidence["size"]), (&json!(digest(&bytes)), &json!(bytes.len())));
    assert_eq!((&evidence["media_type"], &evidence["captured_at"]), (&json!("image/jpeg"), &Value::Null));
    assert!(codes(&evidence).contains(&"time_missing_in_stamp"), "{evidence}");
    // The stamp may still come; but it was not there when the file was looked into.
    let late = declare(world, &person.token, &declaration(&bytes)).expect(200);
    assert!(codes(&late).contains(&"stamp_after_bytes"), "{late}");
}

fn evidence_is_seen_by_those_concerned_with_its_case(world: &World) {
    let (reporter, stranger) = (world.person(Role::Inspector), world.person(Role::Inspector));
    let (dispatcher, liaison, other) =
        (world.person(Role::Dispatcher), world.person(Role::Liaison), world.person(Role::Liaison));
    let case = world.post("/api/v1/cases").by(&reporter.token).json(&json!({"title": "井盖缺失"})).send().expect(201);
    let camera = world.device(DeviceKind::Camera);
    let token = world.device_token(&camera);
    let bytes = a_photo(1);
    let body = with(declaration(&bytes), "case_id", case["id"].clone());
    let evidence = declare(world, &token, &body).expect(201);
    assert_eq!(evidence["links"], json!([{"target_kind": "case", "target_id": case["id"], "role": "before"}]));
    Tus::new(world, &token).upload(&bytes, &[("sha256", &digest(&bytes))]);

    let (at, of_case) = (path(&evidence), format!("/api/v1/evidence?case_id={}", case["id"].as_str().unwrap()));
    let sees = |token: &str| {
        let listed = world.get(&of_case).by(token).send().expect(200)["items"].as_array().unwrap().len();
        let one = world.get(&at).by(token).send().status;
        let content = world.get(&format!("{at}/content")).by(token).send().status;
        assert!(matches!((listed, one, content), (1, 200, 200) | (0, 404, 404)), "{listed} {one} {content}");
        listed == 1
    };
    assert!(sees(&token) && sees(&reporter.token) && sees(&dispatcher.token));
    assert!(!sees(&liaison.token) && !sees(&other.token) && !sees(&stranger.token));
    let args = json!({"unit_id": liaison.unit, "due_at": world.now() + TimeDelta::hours(48)});
    let command = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    world.post(&command).by(&dispatcher.token).json(&json!({"type": "dispatch", "args": args})).send().expect(200);
    assert!(sees(&liaison.token) && !sees(&other.token));
    world.revoke(&camera);
    world.get(&at).by(&token).send().refused(Code::DeviceRevoked);
    world.get(&at).send().refused(Code::CredentialsMissing);
}

fn stored_evidence_is_announced_to_its_audience(world: &World) {
    let (person, bytes) = (world.person(Role::Inspector), a_photo(1));
    let before = world.read(feed::life);
    let evidence = declare(world, &person.token, &declaration(&bytes)).expect(201);
    assert_eq!(world.read(feed::life), before, "a promise is no news");
    Tus::new(world, &person.token).upload(&bytes, &[("sha256", &digest(&bytes))]);
    let rows = world.read(move |db| feed::after(db, before.head, 10));
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.kind.as_str(), row.entity_id.as_str()), ("evidence", evidence["id"].as_str().unwrap()));
    assert_eq!(
        (row.keys_before.as_str(), row.keys_after.as_str()),
        ("", format!("centre user:{}", person.id).as_str())
    );
}

fn an_original_is_sent_whole_in_part_or_not_at_all(world: &World) {
    let (person, bytes) = (world.person(Role::Inspector), a_photo(1));
    let declared = declare(world, &person.token, &declaration(&bytes)).expect(201);
    let content = format!("{}/content", path(&declared));
    let get = |headers: &[(&str, &str)]| {
        let call = world.get(&content).by(&person.token);
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    get(&[]).refused(Code::EvidenceNotStored);
    Tus::new(world, &person.token).upload(&bytes, &[("sha256", &digest(&bytes))]);
    let etag = format!("\"{}\"", digest(&bytes));
    let whole = get(&[]);
    whole.expect_status(200);
    assert!(whole.bytes == bytes);
    assert_eq!((whole.header("etag"), whole.header("accept-ranges")), (Some(etag.as_str()), Some("bytes")));
    let last = bytes.len() - 1;
    for (range, from, to) in [("bytes=10-19", 10, 20), ("bytes=-5", last - 4, last + 1), ("bytes=100-", 100, last + 1)]
    {
        let part = get(&[("range", range)]);
        part.expect_status(206);
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{}/{}", to - 1, bytes.len()).as_str()));
        assert!(part.bytes == bytes[from..to], "{range}");
    }
    let outside = get(&[("range", "bytes=99999999-")]);
    outside.refused(Code::RangeInvalid);
    assert_eq!(outside.header("content-range"), Some(format!("bytes */{}", bytes.len()).as_str()));
    assert!(get(&[("range", "bytes=0-1,5-6")]).bytes == bytes, "several ranges may be answered whole");
    assert!(get(&[("range", "bytes=0-1"), ("if-range", "\"other\"")]).bytes == bytes);
    assert_eq!(get(&[("range", "bytes=0-1"), ("if-range", &etag)]).status, 206);
    let known = get(&[("if-none-match", &etag)]);
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    let head = world.call("HEAD", &content).by(&person.token).send();
    assert_eq!((head.status, head.header("content-length")), (200, Some(bytes.len().to_string().as_str())));
}

fn an_original_is_never_a_page(world: &World) {
    let person = world.person(Role::Inspector);
    let tus = Tus::new(world, &person.token);
    let page = b"<!DOCTYPE html><script>alert(1)</script>";
    let location = tus.upload(page, &[("filename", "../../\"井\r\n盖\".html\0"), ("filetype", "text/html")]);
    let content = tus.call("GET", &format!("{location}/content")).header("accept-encoding", "gzip").send();
    content.expect_status(200);
    assert_eq!(content.bytes, page);
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-disposition", "attachment; filename=\"____.html\"; filename*=UTF-8''%22%E4%BA%95%E7%9B%96%22.html"),
    ] {
        assert_eq!(content.header(name), Some(value), "{name}");
    }
}

fn a_thumbnail_is_small_and_upright(world: &World) {
    let person = world.person(Role::Inspector);
    let tus = Tus::new(world, &person.token);
    // Held upright: the pixels lie on their side.
    let bytes = photo(&PhotoSpec { width: 300, height: 400, orientation: 6, ..PhotoSpec::new(5) });
    let location = tus.upload(&bytes, &[]);
    let get = |edge: &str| tus.call("GET", &format!("{location}/thumbnail{edge}")).send();
    for (edge, size) in [("", (240, 320)), ("?edge=100", (120, 160)), ("?edge=1280", (300, 400))] {
        for _ in 0..2 {
            let reply = get(edge);
            reply.expect_status(200);
            assert_eq!(reply.header("content-type"), Some("image/jpeg"));
            let picture = image::load_from_memory(&reply.bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), size, "{edge}");
        }
    }
    let etag = get("").header("etag").unwrap().to_owned();
    let known = tus.call("GET", &format!("{location}/thumbnail")).header("if-none-match", &etag).send();
    assert_eq!(known.status, 304);
    for rubbish in ["?edge=0", "?edge=5000", "?edge=x", "?size=1"] {
        get(rubbish).refused(Code::ParameterInvalid);
    }
}

fn pages_follow_each_other_without_gap_or_repeat(world: &World) {
    let person = world.person(Role::Inspector);
    let mut made: Vec<String> = (0..7)
        .map(|n| {
            world.wait(TimeDelta::seconds(1));
            let body = declaration(format!("photo {n}").as_bytes());
            read(&declare(world, &person.token, &body).expect(201)["id"])
        })
        .collect();
    made.reverse();
    let (mut found, mut cursor) = (Vec::<String>::new(), String::new());
    loop {
        let page = world.get(&format!("/api/v1/evidence?limit=3{cursor}")).by(&person.token).send().expect(200);
        found.extend(page["items"].as_array().unwrap().iter().map(|item| read::<String>(&item["id"])));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, made);
    world.get("/api/v1/evidence?cursor=rubbish").by(&person.token).send().refused(Code::CursorInvalid);
    for limit in ["0", "201", "x"] {
        let path = format!("/api/v1/evidence?limit={limit}");
        world.get(&path).by(&person.token).send().refused(Code::ParameterInvalid);
    }
}
