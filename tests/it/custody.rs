//! Custody: every look on record, reasons for what is restricted, redactions, links taken back, exports.

use crate::support::{
    on_both_engines,
    scene::{Scene, digest},
    spec,
    tus::Tus,
    world::{Engine, World, read},
};
use chengguan::{
    db::{Db, Purpose},
    error::Code,
    evidence::{
        custody::actions::{self, Act},
        media,
        rules::Owner,
    },
    identity::rules::DeviceKind,
    sim::media::{VideoSpec, video},
};
use chrono::TimeDelta;
use diesel::{RunQueryDsl, sql_query};
use serde_json::{Value, json};

on_both_engines!(
    each_look_is_on_record_once,
    a_line_of_the_record_can_be_neither_changed_nor_removed,
    the_record_is_read_in_pages_by_the_centre_alone,
    restricted_evidence_is_opened_only_with_a_reason,
    no_operation_sends_bytes_of_restricted_evidence_without_a_reason,
    a_redaction_is_evidence_of_its_own_without_what_it_covers,
    a_link_is_taken_back_with_a_reason,
    an_export_is_on_record_with_its_reason,
);

fn each_look_is_on_record_once(world: &World) {
    let scene = Scene::new(world);
    assert_eq!(scene.actions(), Vec::<String>::new());
    for _ in 0..2 {
        scene.get(&scene.reporter, "").expect(200);
        scene.get(&scene.reporter, "/thumbnail").expect_status(200);
        scene.get(&scene.reporter, "/thumbnail?edge=640").expect_status(200);
        for range in ["bytes=0-99", "bytes=100-199"] {
            scene.tick();
            let film = world.get(&format!("{}/content?purpose=seen", scene.at)).by(&scene.reporter.token);
            film.header("range", range).send().expect_status(206);
        }
        scene.get(&scene.supervisor, "/content").expect_status(200);
        world.call("HEAD", &format!("{}/content", scene.at)).by(&scene.dispatcher.token).send().expect_status(200);
        // A list shows no more than that it exists.
        assert_eq!(scene.listed(&scene.dispatcher), 1);
    }
    let seen = |record: &[Value]| -> Vec<(String, String)> {
        record.iter().map(|e| (read(&e["action"]), read(&e["detail"]["what"]))).collect()
    };
    let line = |action: &str, what: &str| (action.to_owned(), what.to_owned());
    let record = scene.record();
    let expected =
        [line("seen", "record"), line("seen", "picture"), line("seen", "original"), line("downloaded", "original")];
    assert_eq!(seen(&record), expected);
    assert_eq!(record[0]["user_id"], json!(scene.reporter.id));
    assert_eq!(record[3]["user_id"], json!(scene.supervisor.id));
    assert!(record.iter().all(|event| event["request_id"].is_string()));
    // The same line stands in the log.
    let leaves = world.read(|db| {
        use chengguan::db::schema::log_entries::dsl as log;
        use diesel::{ExpressionMethods, QueryDsl};
        let leaves = log::log_entries.filter(log::kind.eq("custody")).order(log::id.asc());
        Ok(leaves.select((log::id, log::leaf)).load::<(chengguan::db::types::LogEntryId, String)>(db)?)
    });
    assert_eq!(leaves.len(), record.len());
    for ((id, leaf), event) in leaves.iter().zip(&record) {
        let leaf: Value = serde_json::from_str(leaf).unwrap();
        assert_eq!(event["log_entry_id"], json!(id));
        assert_eq!(leaf["subject"], format!("evidence:{}", scene.id()));
        assert_eq!((&leaf["body"]["action"], &leaf["body"]["event"]), (&event["action"], &event["id"]));
    }
    // Half an hour later it is another look.
    world.wait(TimeDelta::minutes(11));
    scene.get(&scene.supervisor, "/content").expect_status(200);
    assert_eq!(scene.record().len(), 5);
    // A device that looks is named too; one that may not look leaves no line.
    let camera = world.device(DeviceKind::Camera);
    let token = world.device_token(&camera);
    world.get(&scene.at).by(&token).send().refused(Code::NotFound);
    Tus::new(world, &token).upload(&scene.bytes, &[]);
    scene.tick();
    world.get(&format!("{}/content", scene.at)).by(&token).send().expect_status(200);
    let last = scene.record().pop().unwrap();
    assert_eq!((&last["device_id"], &last["user_id"]), (&json!(camera.id), &Value::Null));
}

fn a_line_of_the_record_can_be_neither_changed_nor_removed(world: &World) {
    let scene = Scene::new(world);
    scene.get(&scene.reporter, "/content").expect_status(200);
    let mut db = Db::open(&world.app.config.database_url, Purpose::Write).unwrap();
    for sql in ["UPDATE custody_events SET user_id = NULL", "DELETE FROM custody_events"] {
        let refused = sql_query(sql).execute(&mut db).unwrap_err().to_string();
        assert!(refused.contains("custody events are never"), "{sql}: {refused}");
    }
    if world.engine == Engine::Postgres {
        sql_query("TRUNCATE custody_events").execute(&mut db).unwrap_err();
    }
    assert_eq!(scene.actions(), ["downloaded"]);
}

fn the_record_is_read_in_pages_by_the_centre_alone(world: &World) {
    let mut scene = Scene::new(world);
    for _ in 0..7 {
        scene.get(&scene.supervisor, "/content").expect_status(200);
        scene.wait(TimeDelta::minutes(11));
    }
    let (mut found, mut cursor) = (Vec::<String>::new(), String::new());
    loop {
        let page = scene.get(&scene.dispatcher, &format!("/custody?limit=3{cursor}")).expect(200);
        found.extend(page["items"].as_array().unwrap().iter().map(|event| read::<String>(&event["id"])));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all: Vec<String> = scene.record().iter().rev().map(|event| read(&event["id"])).collect();
    assert_eq!((found.len(), &found), (7, &all));
    scene.get(&scene.reporter, "/custody").refused(Code::RoleForbidden);
    scene.get(&scene.dispatcher, "/custody?cursor=x").refused(Code::CursorInvalid);
    scene.get(&scene.dispatcher, "/custody?limit=0").refused(Code::ParameterInvalid);
    world
        .get("/api/v1/evidence/01900000-0000-7000-8000-000000000001/custody")
        .by(&scene.dispatcher.token)
        .send()
        .refused(Code::NotFound);
}

fn restricted_evidence_is_opened_only_with_a_reason(world: &World) {
    let scene = Scene::new(world);
    let restrict = json!({"class": "restricted", "reason": "涉及未成年人"});
    scene.put(&scene.dispatcher, "/access-class", &restrict).refused(Code::RoleForbidden);
    scene
        .put(&scene.supervisor, "/access-class", &json!({"class": "restricted", "reason": " "}))
        .refused(Code::ValueInvalid);
    let masked = scene.put(&scene.supervisor, "/access-class", &restrict).expect(200);
    assert_eq!((&masked["masked"], &masked["filename"], &masked["facts"]), (&json!(true), &Value::Null, &Value::Null));

    for person in [&scene.reporter, &scene.dispatcher] {
        let page = world.get("/api/v1/evidence").by(&person.token).send().expect(200);
        assert_eq!(page["items"], json!([masked]), "a list shows it masked");
        assert_eq!(scene.get(person, "").expect(200), masked, "and so does its page");
        for what in ["/content", "/content?purpose=seen", "/thumbnail?edge=160", "/thumbnail?edge=1280"] {
            scene.get(person, what).refused(Code::ReasonRequired);
        }
        let head = world.call("HEAD", &format!("{}/content", scene.at)).by(&person.token).send();
        assert_eq!(head.status, 403);
    }
    let mut page = json!({"next_page": ""});
    let fed = loop {
        let asked = page["next_page"].as_str().expect("the snapshot holds the evidence");
        let asked = if asked.is_empty() { String::new() } else { format!("?page={asked}") };
        page = world.get(&format!("/api/v1/sync/snapshot{asked}")).by(&scene.reporter.token).send().expect(200);
        let pieces = page["items"].as_array().unwrap().iter().find(|item| item["kind"] == "evidence");
        if let Some(piece) = pieces {
            break piece.clone();
        }
    };
    assert_eq!(fed["data"]["masked"], json!(true), "{fed}");
    assert_eq!(scene.actions(), ["class_changed"], "nothing was seen");

    let open = |reason: &str| {
        scene.tick();
        let call = world.get(&format!("{}/content", scene.at)).by(&scene.dispatcher.token);
        call.header("x-access-reason", reason).send()
    };
    for rubbish in ["%", "%zz", "%ff", "", "%20", &"a".repeat(501)] {
        open(rubbish).refused(Code::ParameterInvalid);
    }
    let content = open("%E5%A4%8D%E6%A0%B8%E6%A1%88%E4%BB%B6");
    assert!(content.bytes == scene.bytes);
    assert_eq!(content.header("cache-control"), Some("private, no-store"));
    open("%E5%A4%8D%E6%A0%B8%E6%A1%88%E4%BB%B6").expect_status(200);
    open("another%20reason").expect_status(200);
    scene.get(&scene.reporter, "/thumbnail?edge=160&reason=x").expect_status(200);
    let whole = scene.get(&scene.reporter, "?reason=x").expect(200);
    assert_eq!((&whole["masked"], &whole["filename"]), (&json!(false), &json!("儿童.jpg")));
    assert!(whole["facts"].is_object() && whole["gps"].is_null());
    let reasons: Vec<Value> = scene.record().into_iter().skip(1).map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, [json!("复核案件"), json!("another reason"), json!("x"), json!("x")]);

    let lift = json!({"class": "normal", "reason": "已核实"});
    assert_eq!(scene.put(&scene.supervisor, "/access-class", &lift).expect(200)["masked"], json!(false));
    scene.get(&scene.reporter, "/content").expect_status(200);
}

/// Whatever operation is added: it must not hand out what this one does not.
fn no_operation_sends_bytes_of_restricted_evidence_without_a_reason(world: &World) {
    let scene = Scene::new(world);
    scene.put(&scene.supervisor, "/access-class", &json!({"class": "restricted", "reason": "医疗"})).expect(200);
    let mut asked = 0;
    for operation in spec::operations() {
        if operation.method != "GET" || !operation.path.starts_with("/api/v1/evidence/{id}") {
            continue;
        }
        let reply = world.get(&operation.path_with(scene.id())).by(&scene.supervisor.token).send();
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(kind.ends_with("json"), "{} sent {kind} without a reason", operation.name());
        asked += 1;
    }
    assert!(asked >= 5, "{asked}");
}

fn a_redaction_is_evidence_of_its_own_without_what_it_covers(world: &World) {
    let scene = Scene::new(world);
    let case = scene.case();
    scene.link(&case);
    scene.put(&scene.supervisor, "/access-class", &json!({"class": "restricted", "reason": "人脸"})).expect(200);
    let region = |x: u16, w: u16| json!({"x": x, "y": 0, "w": w, "h": 500});
    let body = json!({"regions": [region(0, 500)], "style": "black", "reason": "对外公开"});
    scene.post(&scene.reporter, "/redactions", &body).refused(Code::RoleForbidden);
    for wrong in [json!([]), json!([region(0, 0)]), json!([region(600, 500)]), json!(vec![region(0, 1); 51])] {
        let body = json!({"regions": wrong, "style": "mosaic", "reason": "对外公开"});
        scene.post(&scene.dispatcher, "/redactions", &body).refused(Code::ValueInvalid);
    }
    let made = scene.post(&scene.dispatcher, "/redactions", &body).expect(201);
    assert_eq!((&made["derived_from"], &made["role"]), (&json!(scene.id()), &json!("redacted")));
    assert_eq!((&made["access_class"], &made["state"]), (&json!("restricted"), &json!("stored")));
    let link = json!({"target_kind": "case", "target_id": case, "role": "redacted"});
    assert_eq!(made["links"], json!([link]));
    let again = scene.post(&scene.dispatcher, "/redactions", &body).expect(200);
    assert_eq!(again["id"], made["id"]);

    let path = format!("/api/v1/evidence/{}/content?reason=x", made["id"].as_str().unwrap());
    let bytes = world.get(&path).by(&scene.dispatcher.token).send().bytes;
    assert_eq!(json!(digest(&bytes)), made["sha256"]);
    let facts = media::read_bytes(&bytes, "image/jpeg");
    assert!(facts.position.is_none() && facts.taken_at.is_none() && facts.orientation.is_none(), "{facts:?}");
    assert!(!bytes.windows(4).any(|w| w == b"Exif"), "nothing but pixels");
    let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
    assert_eq!((picture.width(), picture.height()), (640, 480), "upright");
    assert!((0..312).all(|x| (0..232).all(|y| picture.get_pixel(x, y).0.iter().all(|c| *c < 16))));
    let original = scene.get(&scene.dispatcher, "/content?reason=x");
    assert!(original.bytes == scene.bytes, "the original stays as it was");

    let event = scene.record().into_iter().find(|event| event["action"] == "redacted").unwrap();
    assert_eq!((&event["reason"], &event["detail"]["sha256"]), (&json!("对外公开"), &made["sha256"]));
    assert_eq!(event["detail"]["regions"], body["regions"]);
    // A mosaic is another picture; a film can't be covered yet.
    let mosaic = json!({"regions": [region(0, 500)], "style": "mosaic", "reason": "对外公开"});
    assert_ne!(scene.post(&scene.dispatcher, "/redactions", &mosaic).expect(201)["id"], made["id"]);
    let film = video(&VideoSpec { target_bytes: 100_000, ..VideoSpec::new(3) });
    let at = Tus::new(world, &scene.reporter.token).upload(&film, &[]);
    let refused = world.post(&format!("{at}/redactions")).by(&scene.dispatcher.token).json(&body).send();
    refused.refused(Code::RedactionUnavailable);
}

fn a_link_is_taken_back_with_a_reason(world: &World) {
    let scene = Scene::new(world);
    let case = scene.case();
    scene.link(&case);
    let body = json!({"target_kind": "case", "target_id": case, "role": "before", "reason": "认领错误"});
    scene.post(&scene.supervisor, "/unlink", &body).refused(Code::RoleForbidden);
    assert_eq!(scene.post(&scene.dispatcher, "/unlink", &body).expect(200)["links"], json!([]));
    scene.post(&scene.dispatcher, "/unlink", &body).refused(Code::NotFound);
    assert_eq!(scene.actions(), ["linked", "unlinked"]);
    assert_eq!(scene.get(&scene.dispatcher, "/retention").expect(200)["class"], "general");
}

fn an_export_is_on_record_with_its_reason(world: &World) {
    let scene = Scene::new(world);
    let id = read(&json!(scene.id()));
    let nobody = Act::by(Owner { device_id: None, user_id: None });
    let why = Act { reason: Some("法院调取".to_owned()), ..nobody.clone() };
    let refused = world.write(move |tx| Ok(actions::exported(tx, &[id], &nobody).unwrap_err().code));
    assert_eq!(refused, Code::ReasonRequired);
    let sha256 = world.write(move |tx| Ok(actions::exported(tx, &[id], &why)?[0].row().sha256.clone()));
    assert_eq!(sha256, digest(&scene.bytes));
    let event = scene.record().pop().unwrap();
    assert_eq!((&event["action"], &event["reason"]), (&json!("exported"), &json!("法院调取")));
}
