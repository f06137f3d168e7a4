//! The same picture handed in twice is found, whatever was done to it, and waits for a person.

use crate::support::{
    field::Field,
    on_both_engines,
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    blob::digest::hex,
    db::schema::{log_entries, photo_hashes},
    error::Code,
    identity::{
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
    sim::media::{PhotoSpec, photo},
};
use chrono::TimeDelta;
use diesel::prelude::*;
use image::{DynamicImage, codecs::jpeg::JpegEncoder};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

on_both_engines!(
    a_picture_cropped_mirrored_or_saved_anew_for_another_record_waits_for_a_person,
    the_same_file_for_another_record_or_from_another_handheld_is_found_at_once,
    different_pictures_and_several_of_one_record_are_left_alone,
    a_case_whose_after_shows_its_before_is_closed_only_when_a_person_allows,
    a_case_with_a_reused_photo_is_closed_only_with_a_new_one,
    a_closing_made_offline_waits_for_the_comparison_and_for_the_person,
    a_photo_that_a_dead_process_was_at_is_hashed_by_another,
    two_processes_find_what_each_of_them_took_in,
    a_broken_photo_holds_up_nothing,
    a_decision_must_be_sound_and_stands,
);

fn street(seed: u64) -> Vec<u8> {
    photo(&PhotoSpec { width: 320, height: 240, ..PhotoSpec::new(seed) })
}

/// The same picture, changed and saved anew.
fn changed(bytes: &[u8], change: impl Fn(DynamicImage) -> DynamicImage) -> Vec<u8> {
    let picture = change(image::load_from_memory(bytes).unwrap()).to_rgb8();
    let mut jpeg = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 70)).unwrap();
    jpeg
}

fn cropped(percent: u32) -> impl Fn(DynamicImage) -> DynamicImage {
    move |p| {
        let (left, top) = (p.width() * percent / 100, p.height() * percent / 100);
        p.crop_imm(left, top, p.width() - 2 * left, p.height() - 2 * top)
    }
}

fn case(world: &World, by: &Person) -> String {
    read(&world.post("/api/v1/cases").by(&by.token).json(&json!({"title": "垃圾堆积"})).send().expect(201)["id"])
}

/// Declares a photo for a case and sends it; gives its id.
fn hand_in(world: &World, token: &str, bytes: &[u8], case: &str, role: &str) -> String {
    // No two are handed in at the same moment.
    world.wait(TimeDelta::seconds(1));
    let sha256 = hex(&sha256(bytes));
    let body = json!({
        "sha256": sha256, "size": bytes.len(), "media_type": "image/jpeg", "captured_at": "2026-11-23T08:30:15+08:00",
        "case_id": case, "role": role,
    });
    let declared = world.post("/api/v1/evidence").by(token).json(&body).send();
    assert!(matches!(declared.status, 200 | 201), "{declared}");
    let declared = declared.json();
    if declared["state"] != "stored" {
        Tus::new(world, token).upload(bytes, &[("sha256", &sha256)]);
    }
    read(&declared["id"])
}

/// The open matches, once there are so many; panics when that takes too long.
#[track_caller]
fn open(world: &World, by: &Person, count: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let items: Vec<Value> = read(&world.get("/api/v1/evidence/reuse").by(&by.token).send().expect(200)["items"]);
        if items.len() >= count && unhashed(world) == 0 {
            assert_eq!(items.len(), count, "{items:#?}");
            return items;
        }
        assert!(Instant::now() < end, "{} of {count} matches, {} unhashed", items.len(), unhashed(world));
        thread::sleep(Duration::from_millis(50));
    }
}

fn unhashed(world: &World) -> i64 {
    world.read(|db| Ok(photo_hashes::table.filter(photo_hashes::state.eq("waiting")).count().get_result(db)?))
}

fn decide(world: &World, by: &Person, item: &Value, decision: &str) -> Value {
    let path = format!("/api/v1/evidence/reuse/{}/decision", item["id"].as_str().unwrap());
    world.post(&path).by(&by.token).json(&json!({"decision": decision, "reason": "已核对原图"})).send().expect(200)
}

fn a_picture_cropped_mirrored_or_saved_anew_for_another_record_waits_for_a_person(world: &World) {
    let (author, other, centre) =
        (world.person(Role::Inspector), world.person(Role::Inspector), world.person(Role::Supervisor));
    let original = street(1);
    let first = hand_in(world, &author.token, &original, &case(world, &author), "scene");
    open(world, &centre, 0);
    let ways: [(&str, Vec<u8>); 4] = [
        ("saved anew", changed(&original, |p| p)),
        ("cropped", changed(&original, cropped(5))),
        ("mirrored", changed(&original, |p| p.fliph())),
        ("dimmed and cropped", changed(&original, |p| cropped(8)(p.brighten(-25)))),
    ];
    for (way, bytes) in ways {
        let target = case(world, &other);
        let again = hand_in(world, &other.token, &bytes, &target, "scene");
        let items = open(world, &centre, 1);
        let item = &items[0];
        assert_eq!((&item["class"], &item["decision"]), (&json!("near_reuse"), &Value::Null), "{way}: {item}");
        assert!(item["distance"].as_i64().is_some_and(|bits| bits <= 40), "{way}: {item}");
        assert_eq!(
            (&item["later"]["evidence"]["id"], &item["earlier"]["evidence"]["id"]),
            (&json!(again), &json!(first))
        );
        assert_eq!((&item["later"]["target_id"], &item["later"]["author_name"]), (&json!(target), &json!("张伟")));
        assert_eq!(decide(world, &centre, item, "reuse")["decision"], "reuse");
        // Told once, so that the next way is compared with the original alone.
        open(world, &centre, 0);
        world.write(move |tx| {
            diesel::delete(chengguan::db::schema::photo_pairs::table).execute(tx.db)?;
            let new = chengguan::db::types::EvidenceId(again.parse().unwrap());
            diesel::delete(photo_hashes::table.find(new)).execute(tx.db)?;
            Ok(())
        });
    }
}

fn the_same_file_for_another_record_or_from_another_handheld_is_found_at_once(world: &World) {
    let (author, other, centre) =
        (world.person(Role::Inspector), world.person(Role::Inspector), world.person(Role::Dispatcher));
    let bytes = street(1);
    let (mine, theirs) = (case(world, &author), case(world, &other));
    hand_in(world, &author.token, &bytes, &mine, "scene");
    hand_in(world, &other.token, &bytes, &theirs, "scene");
    let items = open(world, &centre, 1);
    assert_eq!((&items[0]["class"], &items[0]["distance"]), (&json!("exact_reuse"), &json!(0)));
    assert_eq!((&items[0]["earlier"]["target_id"], &items[0]["later"]["target_id"]), (&json!(mine), &json!(theirs)));
    hand_in(world, &other.token, &bytes, &theirs, "scene");
    open(world, &centre, 1);

    let bytes = street(2);
    for device in [world.device(DeviceKind::Handheld), world.device(DeviceKind::Handheld)] {
        let sha256 = hex(&sha256(&bytes));
        let body =
            json!({"sha256": sha256, "size": bytes.len(), "media_type": "image/jpeg", "captured_at": world.now()});
        let declared = world.post("/api/v1/evidence").by(&world.device_token(&device)).json(&body).send();
        assert!(matches!(declared.status, 200 | 201), "{declared}");
    }
    let items = open(world, &centre, 2);
    assert_eq!((&items[1]["class"], &items[1]["later"]["target_kind"]), (&json!("exact_reuse"), &json!("device")));
}

fn different_pictures_and_several_of_one_record_are_left_alone(world: &World) {
    let (author, centre) = (world.person(Role::Inspector), world.person(Role::Dispatcher));
    for seed in 0..12 {
        hand_in(world, &author.token, &street(seed), &case(world, &author), "scene");
    }
    let one = case(world, &author);
    let lens_cap = |shade: u8| {
        changed(&street(1), |p| {
            DynamicImage::ImageRgb8(image::RgbImage::from_pixel(p.width(), p.height(), image::Rgb([shade; 3])))
        })
    };
    hand_in(world, &author.token, &street(90), &one, "scene");
    hand_in(world, &author.token, &changed(&street(90), |p| p), &one, "scene");
    hand_in(world, &author.token, &changed(&street(90), |p| p.brighten(9)), &one, "before");
    hand_in(world, &author.token, &lens_cap(0), &one, "scene");
    hand_in(world, &author.token, &lens_cap(9), &case(world, &author), "scene");
    open(world, &centre, 0);
}

/// A case that needs only the last step, and those who may take it.
struct Closing {
    case: String,
    dispatcher: Person,
    liaison: Person,
}

impl Closing {
    fn new(world: &World) -> Closing {
        let (dispatcher, liaison, verifier) =
            (world.person(Role::Dispatcher), world.person(Role::Liaison), world.person(Role::Verifier));
        let of = Closing { case: case(world, &dispatcher), dispatcher, liaison };
        let due = world.now() + TimeDelta::hours(48);
        for (by, name, args) in [
            (&of.dispatcher, "dispatch", json!({"unit_id": of.liaison.unit, "due_at": due})),
            (&of.liaison, "handle", json!({"note": "已清运"})),
            (&of.liaison, "apply_closing", json!({"note": "申请结案"})),
            (&of.dispatcher, "request_verification", json!({})),
            (&verifier, "verify", json!({"passed": true})),
            (&verifier, "notify_closing", json!({})),
        ] {
            of.command(world, by, name, args).expect(200);
        }
        of
    }

    fn command(&self, world: &World, by: &Person, name: &str, args: Value) -> crate::support::http::Reply {
        let path = format!("/api/v1/cases/{}/commands", self.case);
        world.post(&path).by(&by.token).json(&json!({"type": name, "args": args})).send()
    }

    fn close(&self, world: &World) -> crate::support::http::Reply {
        self.command(world, &self.dispatcher, "confirm_closing", json!({}))
    }
}

fn a_case_whose_after_shows_its_before_is_closed_only_when_a_person_allows(world: &World) {
    let of = Closing::new(world);
    let before = street(1);
    hand_in(world, &of.liaison.token, &before, &of.case, "before");
    hand_in(world, &of.liaison.token, &changed(&before, cropped(4)), &of.case, "after");
    let items = open(world, &of.dispatcher, 1);
    assert_eq!(items[0]["class"], "before_after_same");
    assert_eq!(of.close(world).refused(Code::PhotoReuseUndecided)["detail"], "undecided");
    decide(world, &of.dispatcher, &items[0], "legitimate");
    assert_eq!(of.close(world).expect(200)["state"], "closed");

    // The same file as before and after.
    let of = Closing::new(world);
    hand_in(world, &of.liaison.token, &street(2), &of.case, "before");
    hand_in(world, &of.liaison.token, &street(2), &of.case, "after");
    let items = open(world, &of.dispatcher, 1);
    assert_eq!((&items[0]["class"], &items[0]["distance"]), (&json!("before_after_same"), &json!(0)));
    of.close(world).refused(Code::PhotoReuseUndecided);

    // An honest one.
    let of = Closing::new(world);
    hand_in(world, &of.liaison.token, &street(3), &of.case, "before");
    hand_in(world, &of.liaison.token, &street(4), &of.case, "after");
    open(world, &of.dispatcher, 1);
    assert_eq!(of.close(world).expect(200)["state"], "closed");
}

fn a_case_with_a_reused_photo_is_closed_only_with_a_new_one(world: &World) {
    let of = Closing::new(world);
    let before = street(1);
    hand_in(world, &of.liaison.token, &before, &of.case, "before");
    hand_in(world, &of.liaison.token, &changed(&before, |p| p), &of.case, "after");
    let items = open(world, &of.dispatcher, 1);
    decide(world, &of.dispatcher, &items[0], "reuse");
    assert_eq!(of.close(world).refused(Code::PhotoReuseUndecided)["detail"], "reused");
    world.wait(TimeDelta::minutes(5));
    // The same picture once more is no new one.
    hand_in(world, &of.liaison.token, &changed(&before, |p| p.fliph()), &of.case, "after");
    let items = open(world, &of.dispatcher, 1);
    assert_eq!(of.close(world).refused(Code::PhotoReuseUndecided)["detail"], "undecided");
    decide(world, &of.dispatcher, &items[0], "reuse");
    world.wait(TimeDelta::minutes(5));
    hand_in(world, &of.liaison.token, &street(2), &of.case, "after");
    open(world, &of.dispatcher, 0);
    assert_eq!(of.close(world).expect(200)["state"], "closed");
}

fn a_closing_made_offline_waits_for_the_comparison_and_for_the_person(world: &World) {
    let of = Closing::new(world);
    let field = Field::of(world, &of.dispatcher);
    hand_in(world, &of.liaison.token, &street(1), &of.case, "before");
    hand_in(world, &of.liaison.token, &changed(&street(1), |p| p), &of.case, "after");
    let items = open(world, &of.dispatcher, 1);
    let close = field.case_op("case.confirm_closing", &json!(of.case), json!({}));
    let held = field.result(&close, "held");
    assert_eq!((&held["code"], &held["detail"]), (&json!("photo_reuse_undecided"), &json!("undecided")));
    assert_eq!(held["waiting"], json!([format!("reuse:{}", of.case)]));
    let (cursor, _) = field.snapshot();
    decide(world, &of.dispatcher, &items[0], "legitimate");
    let (_, changes) = field.changes(&cursor, 500);
    let told = changes.iter().find(|change| change["t"] == "op_result").unwrap();
    assert_eq!((&told["data"]["op_id"], &told["data"]["status"]), (&close["op_id"], &json!("applied")));

    // The closing comes before the photo of after is compared: it waits for that alone.
    let of = Closing::new(world);
    let field = Field::of(world, &of.dispatcher);
    hand_in(world, &of.liaison.token, &street(3), &of.case, "before");
    let after = hand_in(world, &of.liaison.token, &street(4), &of.case, "after");
    open(world, &of.dispatcher, 0);
    let after = chengguan::db::types::EvidenceId(after.parse().unwrap());
    stall(world, after);
    let close = field.case_op("case.confirm_closing", &json!(of.case), json!({}));
    let held = field.result(&close, "held");
    assert_eq!((&held["code"], &held["detail"]), (&json!("photo_reuse_undecided"), &json!("uncompared")));
    world.wait(TimeDelta::minutes(3));
    field.result(&field.report("一"), "applied");
    open(world, &of.dispatcher, 0);
    field.result(&close, "applied");
}

/// As after the death of the process that had begun to hash a photo.
fn stall(world: &World, id: chengguan::db::types::EvidenceId) {
    world.write(move |tx| {
        let until = chengguan::db::types::At(tx.now + TimeDelta::minutes(2));
        let begun = (
            photo_hashes::state.eq("waiting"),
            photo_hashes::lease_until.eq(until),
            photo_hashes::tries.eq(1),
            photo_hashes::seq.eq(None::<i64>),
            photo_hashes::coarse.eq(None::<Vec<u8>>),
            photo_hashes::fine.eq(None::<Vec<u8>>),
        );
        diesel::update(photo_hashes::table.find(id)).set(begun).execute(tx.db)?;
        Ok(())
    });
}

fn a_photo_that_a_dead_process_was_at_is_hashed_by_another(world: &World) {
    let (author, centre) = (world.person(Role::Inspector), world.person(Role::Dispatcher));
    let first = hand_in(world, &author.token, &street(1), &case(world, &author), "scene");
    open(world, &centre, 0);
    stall(world, chengguan::db::types::EvidenceId(first.parse().unwrap()));
    hand_in(world, &author.token, &changed(&street(1), |p| p), &case(world, &author), "scene");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(unhashed(world), 1, "the lease holds");
    world.wait(TimeDelta::minutes(3));
    hand_in(world, &author.token, &street(2), &case(world, &author), "scene");
    let items = open(world, &centre, 1);
    assert_eq!(
        items[0]["earlier"]["evidence"]["id"],
        json!(first),
        "the order of the records counts, not of the hashing"
    );
}

fn two_processes_find_what_each_of_them_took_in(world: &World) {
    let (author, centre) = (world.person(Role::Inspector), world.person(Role::Dispatcher));
    let beside = world.beside();
    let cases: Vec<String> = (0..8).map(|_| case(world, &author)).collect();
    thread::scope(|scope| {
        for (n, of) in cases.iter().enumerate() {
            let (author, beside) = (&author, &beside);
            scope.spawn(move || {
                let bytes = changed(&street(n as u64 / 2), |p| p.brighten(i32::try_from(n % 2).unwrap() * 9));
                if n % 2 == 0 {
                    hand_in(world, &author.token, &bytes, of, "scene");
                    return;
                }
                let sha256 = hex(&sha256(&bytes));
                let there = |path: &str| {
                    crate::support::http::Call::new(&format!("http://{}", beside.address), "POST", path)
                        .by(&author.token)
                };
                let body = json!({
                    "sha256": sha256, "size": bytes.len(), "media_type": "image/jpeg", "case_id": of, "role": "scene",
                    "captured_at": "2026-11-23T08:30:15+08:00",
                });
                there("/api/v1/evidence").json(&body).send().expect(201);
                let metadata = crate::support::tus::metadata(&[("sha256", &sha256)]);
                let call = there("/api/v1/uploads").header("tus-resumable", "1.0.0");
                let call = call.header("upload-length", &bytes.len().to_string()).header("upload-metadata", &metadata);
                call.bytes("application/offset+octet-stream", bytes).send().expect_status(201);
            });
        }
    });
    let items = open(world, &centre, 4);
    assert!(items.iter().all(|item| item["class"] == "near_reuse"), "{items:#?}");
}

fn a_broken_photo_holds_up_nothing(world: &World) {
    let of = Closing::new(world);
    let whole = street(1);
    hand_in(world, &of.liaison.token, &whole[..600], &of.case, "before");
    hand_in(world, &of.liaison.token, &whole, &of.case, "after");
    open(world, &of.dispatcher, 0);
    of.close(world).expect(200);
}

fn a_decision_must_be_sound_and_stands(world: &World) {
    let of = Closing::new(world);
    hand_in(world, &of.liaison.token, &street(1), &of.case, "before");
    hand_in(world, &of.liaison.token, &street(1), &of.case, "after");
    let item = open(world, &of.dispatcher, 1).remove(0);
    let path = format!("/api/v1/evidence/reuse/{}", item["id"].as_str().unwrap());
    assert_eq!(world.get(&path).by(&of.dispatcher.token).send().expect(200), item);
    let word =
        |path: &str, body: Value| world.post(&format!("{path}/decision")).by(&of.dispatcher.token).json(&body).send();
    word(&path, json!({"decision": "punish", "reason": "x"})).refused(Code::BodyInvalid);
    word(&path, json!({"decision": "reuse"})).refused(Code::BodyInvalid);
    word(&path, json!({"decision": "reuse", "reason": " "})).refused(Code::ValueInvalid);
    let nowhere = "/api/v1/evidence/reuse/01900000-0000-7000-8000-000000000001";
    word(nowhere, json!({"decision": "reuse", "reason": "x"})).refused(Code::NotFound);
    world.get(nowhere).by(&of.dispatcher.token).send().refused(Code::NotFound);
    for query in ["limit=0", "limit=201", "cursor=x", "state=all", "colour=red"] {
        let reply = world.get(&format!("/api/v1/evidence/reuse?{query}")).by(&of.dispatcher.token).send();
        reply.refused(Code::ParameterInvalid);
    }
    let supervisor = world.person(Role::Supervisor);
    let decided = decide(world, &supervisor, &item, "legitimate");
    assert_eq!((&decided["reason"], &decided["decided_by_name"]), (&json!("已核对原图"), &json!("张伟")));
    word(&path, json!({"decision": "reuse", "reason": "x"})).refused(Code::ReviewClosed);
    let listed = world.get("/api/v1/evidence/reuse?state=decided").by(&of.dispatcher.token).send().expect(200);
    assert_eq!(listed["items"], json!([decided]));
    let leaves: Vec<String> = world.read(|db| {
        Ok(log_entries::table.filter(log_entries::kind.eq("reuse_decision")).select(log_entries::leaf).load(db)?)
    });
    assert_eq!(leaves.len(), 1);
    assert!(leaves[0].contains("legitimate") && leaves[0].contains(item["id"].as_str().unwrap()), "{}", leaves[0]);
}
