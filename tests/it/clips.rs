//! Body cameras' videos: whose, when, of which case; and what each device does with its time.

use crate::support::{
    docked::{Docked, docked, film, place},
    field::Field,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    tus::Tus,
    world::{Device, Person, World, read},
};
use chengguan::{
    blob::digest::hex,
    clips,
    db::{schema::log_entries, types::UserId},
    error::Code,
    evidence::receipt::FileReceipt,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{PublicJwk, sha256, verify_receipt},
    },
    sim::media::{PhotoSpec, photo},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::prelude::*;
use serde_json::{Value, json};

on_both_engines!(
    a_video_that_a_dock_brings_is_a_clip_of_its_camera,
    only_videos_of_cameras_and_docks_are_clips,
    the_roster_says_who_wore_the_camera_and_who_may_see_it,
    a_roster_has_one_person_a_camera_at_a_time,
    a_clip_is_proposed_and_a_person_links_it,
    a_clip_of_no_case_is_dismissed_with_a_reason,
    what_was_done_offline_is_found_when_it_arrives,
    a_clip_that_names_its_case_is_linked_when_it_arrives,
    pages_of_clips_follow_each_other,
    clips_of_a_span_are_those_that_touch_it,
    a_receipt_is_signed_for_bytes_that_are_really_there,
    each_device_has_a_line_of_what_it_did,
    the_use_of_devices_is_asked_for_in_sound_spans,
);

fn codes(clip: &Value) -> Vec<&str> {
    clip["doubts"].as_array().unwrap().iter().map(|doubt| doubt["code"].as_str().unwrap()).collect()
}

fn a_video_that_a_dock_brings_is_a_clip_of_its_camera(world: &World) {
    let docked = docked(world);
    let start = world.now() - TimeDelta::hours(3);
    let told = [
        ("clock_offset_ms", "120000"),
        ("clock_from", "configured"),
        ("corrected_at", "2020-01-01T00:00:00Z"),
        ("key_file", "1"),
        ("doubts", "name_time_differs:165"),
        ("officer", "nobody-known"),
    ];
    let id = docked.bring(&film(1, start, 90, None), start, &told);
    world.wait(TimeDelta::minutes(7));
    let whole = docked.clip(&id);
    let clip = &whole["clip"];
    assert_eq!((&clip["camera"], &clip["state"]), (&json!(docked.camera), &json!("unclaimed")));
    assert!(clip["device_id"].is_string() && clip["user_id"].is_null(), "{clip}");
    let at = |name: &str| read::<DateTime<Utc>>(&clip[name]);
    assert_eq!((at("recorded_at"), clip["recorded_from"].as_str()), (start, Some("name")), "the camera's word stands");
    // Taken off here, from the stated error: a dock can't say one thing and do another.
    assert_eq!(at("started_at"), start - TimeDelta::minutes(2));
    assert_eq!(at("ended_at"), at("started_at") + TimeDelta::seconds(90));
    assert_eq!(
        (&clip["key_file"], &clip["age_s"], codes(clip)),
        (&json!(true), &json!(420), vec!["name_time_differs"])
    );
    assert_eq!(read::<DateTime<Utc>>(&whole["evidence"]["captured_at"]), start);
    assert_eq!(whole["proposals"], json!([]));

    // Nobody registered this one; its clock is ahead of everything.
    let ahead = world.now() + TimeDelta::hours(1);
    let stray = docked.bring(&film(2, ahead, 5, None), ahead, &[("camera", "C-unknown")]);
    let clip = docked.clip(&stray)["clip"].clone();
    assert_eq!((&clip["camera"], &clip["device_id"]), (&json!("C-unknown"), &Value::Null));
    assert_eq!(codes(&clip), ["camera_unknown", "after_arrival"]);

    // A camera that uploads itself can't pass for another.
    let camera = world.device(DeviceKind::Camera);
    let own = Docked { token: world.device_token(&camera), ..docked };
    let id = own.bring(&film(3, start, 5, None), start, &[]);
    let clip = own.clip(&id)["clip"].clone();
    assert_eq!((&clip["camera"], codes(&clip)), (&json!(camera.name), vec!["camera_differs"]));
}

fn only_videos_of_cameras_and_docks_are_clips(world: &World) {
    let docked = docked(world);
    let now = world.now();
    let handheld: Device = world.device(DeviceKind::Handheld);
    let bytes = film(1, now, 5, None);
    let other = Docked { token: world.device_token(&handheld), ..docked };
    other.bring(&bytes, now, &[]);
    let docked = self::docked(world);
    docked.bring(&photo(&PhotoSpec { width: 64, height: 48, ..PhotoSpec::new(1) }), now, &[("filetype", "image/jpeg")]);
    assert_eq!(docked.list(&docked.dispatcher, ""), Vec::<String>::new());
    // The same bytes come from a dock: nothing is stored anew, so the sweep finds them.
    let id = docked.bring(&bytes, now, &[]);
    assert_eq!(world.write(|tx| clips::actions::refresh(tx, 50)), 1);
    assert_eq!(docked.list(&docked.dispatcher, ""), [id]);
    assert_eq!(world.write(|tx| clips::actions::refresh(tx, 50)), 0);
}

fn the_roster_says_who_wore_the_camera_and_who_may_see_it(world: &World) {
    let docked = docked(world);
    let (officer, other, liaison) =
        (world.person(Role::Officer), world.person(Role::Officer), world.person(Role::Liaison));
    let colleague = world.person_of(Role::Liaison, officer.unit.clone());
    let start = world.now() - TimeDelta::hours(2);
    docked.shift(&docked.camera, &officer, start - TimeDelta::hours(1), start + TimeDelta::hours(8)).expect(200);
    let feed = Field::of(world, &officer);
    let (cursor, _) = feed.snapshot();
    let id = docked.bring(&film(1, start, 60, None), start, &[]);
    let clip = docked.clip(&id)["clip"].clone();
    assert_eq!((&clip["user_id"], &clip["user_from"]), (&json!(officer.id), &json!("roster")));
    // The wearer sees the clip and the video; the feed brings it.
    assert_eq!(docked.list(&officer, "?state=unclaimed"), std::slice::from_ref(&id));
    assert!(docked.get(&officer, &id).expect(200)["evidence"].is_object());
    world.get(&format!("/api/v1/evidence/{id}")).by(&officer.token).send().expect(200);
    let (cursor, changes) = feed.changes(&cursor, 100);
    assert!(changes.iter().any(|change| change["id"] == json!(id) && change["t"] == "upsert"), "{changes:?}");
    // The unit's desk sees that there is a clip, and the video when it belongs to a case of the unit.
    assert_eq!(docked.list(&colleague, ""), std::slice::from_ref(&id));
    assert!(docked.get(&colleague, &id).expect(200)["evidence"].is_null());
    assert_eq!((docked.list(&other, ""), docked.list(&liaison, "")), (vec![], vec![]));
    docked.get(&other, &id).refused(Code::NotFound);
    docked.get(&liaison, &id).refused(Code::NotFound);
    docked.get(&world.person(Role::Inspector), &id).refused(Code::RoleForbidden);
    // It was the other officer after all: the first no longer sees it.
    docked.shift(&docked.camera, &other, start - TimeDelta::hours(1), start + TimeDelta::hours(8)).expect(200);
    assert_eq!((docked.list(&officer, ""), docked.list(&other, "")), (vec![], vec![id.clone()]));
    world.get(&format!("/api/v1/evidence/{id}")).by(&officer.token).send().refused(Code::NotFound);
    let (_, changes) = feed.changes(&cursor, 100);
    assert!(changes.iter().any(|change| change["id"] == json!(id) && change["t"] == "leave"), "{changes:?}");
    // Without a roster the number in the file's name is all there is; the roster counts more.
    let later = start + TimeDelta::hours(20);
    let by_name = docked.bring(&film(2, later, 60, None), later, &[("officer", officer.username.as_str())]);
    let clip = docked.clip(&by_name)["clip"].clone();
    assert_eq!((&clip["user_id"], &clip["user_from"]), (&json!(officer.id), &json!("name")));
    let shift = docked.shift(&docked.camera, &other, later, later + TimeDelta::hours(1)).expect(200);
    let clip = docked.clip(&by_name)["clip"].clone();
    assert_eq!((&clip["user_id"], codes(&clip).contains(&"officer_differs")), (&json!(other.id), true));
    let path = format!("/api/v1/camera-assignments/{}", shift["id"].as_str().unwrap());
    world.call("DELETE", &path).by(&docked.dispatcher.token).send().expect_status(204);
    assert_eq!(docked.clip(&by_name)["clip"]["user_id"], json!(officer.id));
    world.call("DELETE", &path).by(&docked.dispatcher.token).send().refused(Code::NotFound);
}

fn a_roster_has_one_person_a_camera_at_a_time(world: &World) {
    let docked = docked(world);
    let (a, b) = (world.person(Role::Officer), world.person(Role::Officer));
    let start = world.now();
    let hour = |n: i64| start + TimeDelta::hours(n);
    docked.shift("C1", &a, hour(0), hour(8)).expect(200);
    docked.shift("C1", &b, hour(7), hour(9)).refused(Code::AlreadyExists);
    docked.shift("C1", &b, hour(8), hour(16)).expect(200);
    world.wait(TimeDelta::seconds(1));
    docked.shift("C2", &b, hour(7), hour(9)).expect(200);
    world.wait(TimeDelta::seconds(1));
    // The first ends earlier than planned.
    docked.shift("C1", &a, hour(0), hour(6)).expect(200);
    for (camera, from, until, code) in [
        ("", hour(0), hour(1), Code::ValueInvalid),
        ("C3", hour(1), hour(1), Code::ValueInvalid),
        ("C3", hour(0), hour(24 * 32), Code::ValueInvalid),
        ("C3", "1900-01-01T00:00:00Z".parse().unwrap(), "1900-01-02T00:00:00Z".parse().unwrap(), Code::ValueInvalid),
    ] {
        docked.shift(camera, &a, from, until).refused(code);
    }
    let stranger = Person { id: UserId(world.app.env.id()), ..a.clone() };
    docked.shift("C3", &stranger, hour(0), hour(1)).refused(Code::NotFound);
    let list = |who: &Person, query: &str| {
        let path = format!("/api/v1/camera-assignments{query}");
        let page = world.get(&path).by(&who.token).send().expect(200);
        let items = page["items"].as_array().unwrap().clone();
        let cameras = items.iter().map(|item| read(&item["camera"])).collect::<Vec<String>>();
        (cameras, page["next"].as_str().map(str::to_owned))
    };
    let dispatcher = &docked.dispatcher;
    assert_eq!(list(dispatcher, "").0, ["C1", "C2", "C1"]);
    assert_eq!(list(dispatcher, &format!("?camera=C1&user_id={}", b.id)).0, ["C1"]);
    assert_eq!(list(&a, &format!("?user_id={}", b.id)).0, ["C1"], "an officer's own");
    let first = list(dispatcher, "?limit=2");
    assert_eq!(list(dispatcher, &format!("?limit=2&cursor={}", first.1.unwrap())).0, ["C1"]);
    let six = urlencoded(hour(6));
    assert_eq!(list(dispatcher, &format!("?from={six}")).0, ["C2", "C1"]);
    let far = world.get("/api/v1/camera-assignments?from=%2B99999-01-01T00:00:00Z").by(&dispatcher.token).send();
    far.refused(Code::ParameterInvalid);
    world.get("/api/v1/camera-assignments").by(&world.person(Role::Liaison).token).send().refused(Code::RoleForbidden);
}

fn urlencoded(at: DateTime<Utc>) -> String {
    at.to_rfc3339().replace('+', "%2B")
}

/// An officer with a camera and a handheld, and a case of the unit that the officer handles at the place.
fn at_work<'w>(docked: &Docked<'w>) -> (Field<'w>, String) {
    let world = docked.world;
    let officer = Field::new(world, Role::Officer);
    let now = world.now();
    docked.shift(&docked.camera, &officer.person, now - TimeDelta::hours(4), now + TimeDelta::hours(8)).expect(200);
    let case = docked.case(officer.person.unit.as_deref().unwrap());
    (officer, case)
}

fn handle(officer: &Field, case: &str) {
    let mut op = officer.case_op("case.handle", &json!(case), json!({"note": "已劝离"}));
    op["gps"] = json!({"lat": place().lat(), "lon": place().lon(), "datum": "wgs84", "accuracy_m": 6.0});
    officer.result(&op, "applied");
}

fn a_clip_is_proposed_and_a_person_links_it(world: &World) {
    let docked = docked(world);
    let (officer, case) = at_work(&docked);
    let other_case = docked.case(&world.unit());
    let start = world.now() - TimeDelta::minutes(3);
    handle(&officer, &case);
    let id = docked.bring(&film(1, start, 300, Some(place())), start, &[]);
    let whole = docked.get(&officer.person, &id).expect(200);
    let clip = &whole["clip"];
    assert_eq!(
        (&clip["state"], &clip["best_case"], &clip["best_score"]),
        (&json!("proposed"), &json!(case), &json!(1000))
    );
    let proposals = whole["proposals"].as_array().unwrap();
    assert_eq!(
        (proposals.len(), &proposals[0]["title"]),
        (1, &json!("占道经营")),
        "the officer's own cases: {proposals:?}"
    );
    let parts: Vec<(&str, i64)> = proposals[0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["why"].as_str().unwrap(), part["points"].as_i64().unwrap()))
        .collect();
    assert_eq!(parts, [("acted", 400), ("during", 350), ("here", 250)]);
    assert_eq!(docked.clip(&id)["proposals"].as_array().unwrap().len(), 2, "the Centre sees the neighbour's too");

    // Only a person links it, and only one whom it concerns.
    let unit = officer.person.unit.clone();
    let (liaison, stranger) = (world.person_of(Role::Liaison, unit.clone()), world.person(Role::Liaison));
    let body = json!({"case_id": case, "reason": "当场处置"});
    docked.post(&world.person(Role::Supervisor), &id, "link", body.clone()).refused(Code::RoleForbidden);
    docked.post(&stranger, &id, "link", body.clone()).refused(Code::NotFound);
    docked.post(&officer.person, &id, "link", json!({"case_id": world.app.env.id()})).refused(Code::NotFound);
    docked.post(&officer.person, &id, "link", json!({"case_id": other_case})).refused(Code::NotFound);
    let evidence = format!("/api/v1/evidence/{id}");
    world.get(&evidence).by(&liaison.token).send().refused(Code::NotFound);
    let linked = docked.post(&officer.person, &id, "link", body.clone()).expect(200);
    assert_eq!((&linked["state"], &linked["decided_by"]), (&json!("linked"), &json!(officer.person.id)));
    let seen = world.get(&evidence).by(&liaison.token).send().expect(200);
    assert_eq!((&seen["links"][0]["target_id"], &seen["links"][0]["role"]), (&json!(case), &json!("recording")));
    // Again changes nothing; the dispatcher knows another case it belongs to as well.
    assert_eq!(docked.post(&liaison, &id, "link", body).expect(200)["decided_by"], json!(officer.person.id));
    docked.post(&docked.dispatcher, &id, "link", json!({"case_id": other_case})).expect(200);
    docked.post(&officer.person, &id, "dismiss", json!({"reason": "误录"})).refused(Code::ReviewClosed);
    let subject = format!("evidence:{id}");
    let leaves: Vec<String> = world.read(move |db| {
        let of_clip = log_entries::table.filter(log_entries::subject.eq(subject)).filter(log_entries::kind.eq("link"));
        // Custody has lines of its own about links.
        let decided = of_clip.filter(log_entries::leaf.like("%\"decision\"%"));
        Ok(decided.order(log_entries::id.asc()).select(log_entries::leaf).load(db)?)
    });
    assert_eq!(leaves.len(), 2, "{leaves:?}");
    let leaves = leaves.iter().map(|leaf| serde_json::from_str::<Value>(leaf).unwrap());
    let bodies: Vec<Value> = leaves.map(|leaf| leaf["body"].clone()).collect();
    let said = bodies.iter().find(|body| body["case_id"] == json!(case)).unwrap();
    assert_eq!((&said["decision"], &said["case_id"], &said["score"]), (&json!("linked"), &json!(case), &json!(1000)));
    // What a roster says later does not touch what a person decided.
    let now = world.now();
    docked.shift(&docked.camera, &world.person(Role::Officer), now - TimeDelta::hours(4), now).expect(200);
    assert_eq!(docked.clip(&id)["clip"]["user_id"], json!(officer.person.id));
}

fn a_clip_of_no_case_is_dismissed_with_a_reason(world: &World) {
    let docked = docked(world);
    let (officer, case) = at_work(&docked);
    let start = world.now() - TimeDelta::minutes(3);
    let id = docked.bring(&film(1, start, 30, None), start, &[]);
    docked.post(&officer.person, &id, "dismiss", json!({"reason": " "})).refused(Code::ValueInvalid);
    docked.post(&officer.person, &id, "dismiss", json!({})).refused(Code::BodyInvalid);
    let other = world.person(Role::Officer);
    docked.post(&other, &id, "dismiss", json!({"reason": "误录"})).refused(Code::NotFound);
    let gone = docked.post(&officer.person, &id, "dismiss", json!({"reason": "训练"})).expect(200);
    assert_eq!((&gone["state"], &gone["reason"]), (&json!("dismissed"), &json!("训练")));
    assert_eq!(docked.list(&docked.dispatcher, "?state=unclaimed"), Vec::<String>::new());
    world.wait(TimeDelta::hours(1));
    let (docked, wearer) = (docked.later(), world.sign_in(&officer.person.username, None));
    world.write(|tx| clips::actions::refresh(tx, 50));
    assert_eq!(docked.list(&docked.dispatcher, "?state=dismissed"), std::slice::from_ref(&id));
    // A person may think better of it.
    docked.post(&wearer, &id, "link", json!({"case_id": case})).expect(200);
    assert_eq!(docked.clip(&id)["clip"]["state"], json!("linked"));
}

fn what_was_done_offline_is_found_when_it_arrives(world: &World) {
    let docked = docked(world);
    let (officer, case) = at_work(&docked);
    let start = world.now() - TimeDelta::minutes(3);
    // Handled while the camera ran; the handheld comes home hours later.
    let mut op = officer.case_op("case.handle", &json!(case), json!({"note": "已劝离"}));
    op["occurred_at"] = json!(start + TimeDelta::minutes(1));
    let id = docked.bring(&film(1, start, 300, None), start, &[]);
    assert_eq!(docked.clip(&id)["clip"]["state"], json!("unclaimed"));
    world.wait(TimeDelta::hours(5));
    let docked = docked.later();
    officer.result(&op, "applied");
    assert_eq!(docked.clip(&id)["clip"]["state"], json!("unclaimed"), "until somebody looks again");
    assert_eq!(docked.clip(&id)["proposals"][0]["score"], json!(750), "as things stand now");
    assert_eq!(world.write(|tx| clips::actions::refresh(tx, 50)), 1);
    let clip = docked.clip(&id)["clip"].clone();
    assert_eq!((&clip["state"], &clip["best_case"]), (&json!("proposed"), &json!(case)));
    assert_eq!(world.write(|tx| clips::actions::refresh(tx, 50)), 0, "not all the time");
    // After a month nobody looks any more.
    world.wait(TimeDelta::days(31));
    assert_eq!(world.write(|tx| clips::actions::refresh(tx, 50)), 0);
}

fn a_clip_that_names_its_case_is_linked_when_it_arrives(world: &World) {
    let docked = docked(world);
    let case = docked.case(&world.unit());
    let start = world.now();
    let id = docked.bring(&film(1, start, 5, None), start, &[("case_id", case.as_str())]);
    let clip = docked.clip(&id)["clip"].clone();
    assert_eq!((&clip["state"], &clip["decided_by"]), (&json!("linked"), &Value::Null));
}

fn pages_of_clips_follow_each_other(world: &World) {
    let docked = docked(world);
    let start = world.now();
    let ids: Vec<String> = (0..5)
        .map(|n| {
            world.wait(TimeDelta::seconds(60));
            docked.bring(&film(n, start, 5, None), start, &[])
        })
        .collect();
    let page = |query: &str| {
        let answer = world.get(&format!("/api/v1/clips{query}")).by(&docked.dispatcher.token).send().expect(200);
        let items = answer["items"].as_array().unwrap().iter().map(|item| read(&item["id"])).collect::<Vec<String>>();
        (items, answer["next"].as_str().map(str::to_owned), answer["counts"].clone())
    };
    let (first, next, counts) = page("?state=unclaimed&limit=3");
    assert_eq!(first, ids[..3], "the oldest waits longest");
    assert_eq!(counts, json!([{"state": "unclaimed", "count": 5, "oldest_age_s": 240}]));
    let (second, next, _) = page(&format!("?state=unclaimed&limit=3&cursor={}", next.unwrap()));
    assert_eq!((second.as_slice(), next), (&ids[3..], None));
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(page("").0, newest);
    assert_eq!(page(&format!("?camera={}", docked.camera)).0.len(), 5);
    assert_eq!(page("?camera=x").0.len(), 0);
    for bad in ["?state=lost", "?limit=0", "?limit=201", "?cursor=1", "?colour=red"] {
        world.get(&format!("/api/v1/clips{bad}")).by(&docked.dispatcher.token).send().refused(Code::ParameterInvalid);
    }
}

fn clips_of_a_span_are_those_that_touch_it(world: &World) {
    let docked = docked(world);
    let noon = world.now() - TimeDelta::hours(1);
    let time = |minutes| (noon + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let ids = [0, 10, 20].map(|minutes| {
        world.wait(TimeDelta::seconds(60));
        let start = noon + TimeDelta::minutes(minutes);
        docked.bring(&film(minutes.unsigned_abs(), start, 300, None), start, &[])
    });
    let found = |query: String| docked.list(&docked.dispatcher, &query);
    let span = |from, until| found(format!("?from={}&until={}", time(from), time(until)));
    assert_eq!(span(4, 10), ids[..1], "one that is still running, and not one that begins with the end");
    assert_eq!(span(4, 11), [ids[1].clone(), ids[0].clone()]);
    assert_eq!(span(6, 9), [""; 0], "between two of them");
    assert_eq!(found(format!("?from={}", time(16))), ids[2..]);
    assert_eq!(found(format!("?until={}", time(1))), ids[..1]);
    for bad in ["?from=noon", "?until=2026-11-27"] {
        world.get(&format!("/api/v1/clips{bad}")).by(&docked.dispatcher.token).send().refused(Code::ParameterInvalid);
    }
}

fn a_receipt_is_signed_for_bytes_that_are_really_there(world: &World) {
    let docked = docked(world);
    let bytes = film(1, world.now(), 5, None);
    let digest = hex(&sha256(&bytes));
    let tus = Tus::new(world, &docked.token);
    let named = json!({"sha256": digest, "size": bytes.len(), "media_type": "video/mp4", "captured_at": world.now()});
    let declared = world.post("/api/v1/evidence").by(&docked.token).json(&named).send().expect(201);
    let path = format!("/api/v1/evidence/{}/receipt", declared["id"].as_str().unwrap());
    world.get(&path).by(&docked.token).send().refused(Code::EvidenceNotStored);
    tus.upload(&bytes, &[("sha256", &digest)]);
    let ask = || world.get(&path).by(&docked.token).send();
    let key: PublicJwk = read(&world.get("/api/v1/sync/receipt-key").send().expect(200));
    let answer = ask().expect(200);
    let claims: FileReceipt = verify_receipt(answer["receipt"].as_str().unwrap(), &key).unwrap();
    assert_eq!((claims.sha256.as_str(), claims.size), (digest.as_str(), bytes.len() as u64));
    assert_eq!((claims.verified_at, claims.stored_at), (claims.stored_at, world.now()));
    assert_eq!(read::<FileReceipt>(&answer["claims"]), claims);
    let other = world.device(DeviceKind::Dock);
    world.get(&path).by(&world.device_token(&other)).send().refused(Code::NotFound);
    // Long afterwards the bytes are read again, and a rotten copy gets no receipt.
    world.wait(TimeDelta::hours(2));
    let docked = Docked { token: world.device_token(&other), ..docked };
    tus_again(&docked, &bytes, &digest);
    let token = docked.token.clone();
    let again = world.get(&path).by(&token).send().expect(200);
    assert_eq!(read::<FileReceipt>(&again["claims"]).verified_at, world.now());
    let original = world.app.originals.file(&digest, "test").unwrap().unwrap().path().to_owned();
    let mut rotten = bytes.clone();
    rotten[100] ^= 1;
    std::fs::write(original, rotten).unwrap();
    world.get(&path).by(&token).send().refused(Code::EvidenceNotStored);
}

/// Another dock proves that it has the same bytes.
fn tus_again(docked: &Docked, bytes: &[u8], digest: &str) {
    Tus::new(docked.world, &docked.token).upload(bytes, &[("sha256", digest)]);
}

fn each_device_has_a_line_of_what_it_did(world: &World) {
    let docked = docked(world);
    let (officer, case) = at_work(&docked);
    let start = world.now() - TimeDelta::minutes(3);
    handle(&officer, &case);
    let linked = docked.bring(&film(1, start, 300, Some(place())), start, &[("key_file", "1")]);
    docked.post(&officer.person, &linked, "link", json!({"case_id": case})).expect(200);
    let yesterday = start - TimeDelta::days(2);
    docked.bring(&film(2, yesterday, 120, None), yesterday, &[]);
    let private = docked.bring(&film(3, start, 60, None), start, &[]);
    docked.post(&officer.person, &private, "dismiss", json!({"reason": "误录"})).expect(200);
    docked.bring(&film(4, start, 30, None), start, &[("camera", "C-unknown")]);
    let (idle, broken) = (world.device(DeviceKind::Camera), world.device(DeviceKind::Camera));
    let repair = format!("/api/v1/devices/{}/repair", broken.id);
    let set = |reason: Value| {
        world.put(&repair).by(&world.admin().token).json(&json!({"reason": reason})).send().expect_status(204);
    };
    set(json!("镜头破裂"));
    set(json!("镜头破裂, 送修"));
    world.wait(TimeDelta::minutes(1));
    let board = |query: &str| {
        let path = format!("/api/v1/devices/utilisation{query}");
        let dispatcher = world.sign_in(&docked.dispatcher.username, None);
        world.get(&path).by(&dispatcher.token).send().expect(200)
    };
    let whole = board("");
    let line = |board: &Value, name: &str| {
        let items = board["items"].as_array().unwrap();
        items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("{name}: {board}")).clone()
    };
    let camera = line(&whole, &docked.camera);
    assert_eq!((&camera["state"], &camera["days"], &camera["days_used"]), (&json!("in_use"), &Value::Null, &json!(2)));
    let did = &camera["camera"];
    // The shift runs from four hours ago to eight hours ahead; the span ends now, a minute after.
    let expected = json!({
        "files": 3, "key_files": 1, "recorded_s": 480, "linked_s": 300, "unclaimed_s": 120, "dismissed_s": 60,
        "within_24h": 2, "within_24h_milli": 666, "rostered_s": 4 * 3600 + 60, "recorded_milli": 33, "linked_milli": 625,
    });
    assert_eq!((did, &camera["reasons"]), (&expected, &json!(["used", "late_uploads"])));
    let unknown = line(&whole, "C-unknown");
    assert_eq!((&unknown["device_id"], &unknown["camera"]["recorded_s"]), (&Value::Null, &json!(30)));
    assert_eq!(unknown["reasons"], json!(["used", "not_registered", "footage_unclaimed"]));
    let lain = line(&whole, &idle.name);
    assert_eq!((&lain["state"], &lain["reasons"]), (&json!("idle"), &json!(["never_used"])));
    let mended = line(&whole, &broken.name);
    assert_eq!((&mended["state"], &mended["repair"]), (&json!("repair"), &json!("镜头破裂, 送修")));
    let handheld = line(&whole, &officer.device.name);
    assert_eq!(handheld["handheld"], json!({"pushes": 1, "ops": 1, "evidence": 0}));
    assert_eq!((&handheld["state"], &handheld["days_used"]), (&json!("in_use"), &json!(1)));
    let dock = whole["items"].as_array().unwrap().iter().find(|item| item["kind"] == "dock").unwrap();
    assert_eq!((&dock["dock"]["files"], &dock["state"]), (&json!(4), &json!("in_use")));
    // A span before it all: known devices, nothing done; the state is that of the span's end.
    let before = |days: i64| urlencoded(world.now() - TimeDelta::days(days));
    let empty = board(&format!("?from={}&to={}", before(20), before(10)));
    let camera = line(&empty, &docked.camera);
    assert_eq!((&camera["camera"]["files"], &camera["days_used"]), (&json!(0), &json!(0)));
    set(Value::Null);
    assert_eq!(line(&board(""), &broken.name)["state"], json!("idle"));
    // Weeks later.
    world.wait(TimeDelta::days(12));
    let again = line(&board(""), &docked.camera);
    assert_eq!(
        (&again["state"], &again["days"], &again["reasons"][0]),
        (&json!("idle"), &json!(12), &json!("not_used"))
    );
    world.wait(TimeDelta::days(30));
    let lost = line(&board(""), &docked.camera);
    assert_eq!((&lost["state"], &lost["reasons"][0]), (&json!("lost"), &json!("silent")));
}

fn the_use_of_devices_is_asked_for_in_sound_spans(world: &World) {
    let admin = world.admin();
    let ask = |query: &str| world.get(&format!("/api/v1/devices/utilisation{query}")).by(&admin.token).send();
    for bad in [
        "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "?from=%2B99999-01-01T00:00:00Z",
        "?to=yesterday",
        "?colour=red",
    ] {
        ask(bad).refused(Code::ParameterInvalid);
    }
    ask("").expect(200);
    let device = world.device(DeviceKind::Camera).id;
    let repair =
        |id: &str, body: Value| world.put(&format!("/api/v1/devices/{id}/repair")).by(&admin.token).json(&body).send();
    repair(&device.to_string(), json!({"reason": ""})).refused(Code::ValueInvalid);
    repair(&world.app.env.id().to_string(), json!({"reason": "x"})).refused(Code::NotFound);
}

#[test]
fn a_roster_is_read_from_a_spreadsheet_whole_or_not_at_all() {
    let folder = Folder::new("roster");
    let run = |args: &[&str]| {
        let mut command = chengguan(folder.path());
        let output = command.args(args).args(["--data", "data", "--log", "error"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), format!("{out}{err}"))
    };
    let added = run(&["user", "add", "zhang.wei", "--name", "张伟", "--role", "officer"]);
    assert!(added.0, "{}", added.1);
    let file = folder.path().join("r.csv");
    let import = |text: &str| {
        std::fs::write(&file, text).unwrap();
        run(&["roster", "import", "r.csv"])
    };
    let good = "\u{feff}camera,username,from,until\r\nC1,zhang.wei,2026-11-23 08:00,2026-11-23 18:00\r\n";
    assert_eq!(import(good), (true, "1 shifts entered\n".to_owned()));
    assert!(import(good).0, "the same again");
    for (wrong, told) in [
        ("C2,zhang.wei,2026-11-23 08:00,2026-11-23 18:00\nC2,li.si,2026-11-24 08:00,2026-11-24 18:00\n", "line 2"),
        ("C2,zhang.wei,2026-11-23 08:00\n", "line 1"),
        ("C1,zhang.wei,2026-11-23 09:00,2026-11-23 12:00\n", "line 1: C1"),
    ] {
        let (good, said) = import(wrong);
        assert!(!good && said.contains(told), "{said}");
    }
    let listed = run(&["roster", "list"]);
    assert_eq!(listed, (true, "C1\t张伟\t2026-11-23 08:00\t2026-11-23 18:00\n".to_owned()));
}
