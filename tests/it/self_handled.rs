//! Self-handled reports (自行处置): over when they are reported, never dispatched, counted apart, taken back by the Centre.

use crate::support::{
    field::Field,
    http::Reply,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};

on_both_engines!(
    a_handheld_reports_what_was_put_right_on_the_spot,
    without_photos_of_before_and_after_nothing_is_put_right,
    the_centre_finds_it_and_takes_it_back,
    it_is_counted_apart_and_opens_to_its_records,
);

fn photos(roles: &[&str]) -> Value {
    let photo = |(n, role): (usize, &&str)| json!({"sha256": format!("{n:02x}").repeat(32), "size": 5, "mime": "image/jpeg", "role": role, "need": "none"});
    roles.iter().enumerate().map(photo).collect()
}

fn op(field: &Field, world: &World, roles: &[&str]) -> Value {
    let args = json!({"title": "小广告", "class_code": "0407", "self_handled": {"note": "已清除"}});
    let mut op = field.op("case.report", "case", world.app.env.id(), args);
    op["evidence"] = photos(roles);
    op
}

fn case(world: &World, by: &Person, id: &Value) -> Value {
    world.get(&format!("/api/v1/cases/{}", id.as_str().unwrap())).by(&by.token).send().expect(200)
}

fn command(world: &World, by: &Person, id: &Value, body: &Value) -> Reply {
    world.post(&format!("/api/v1/cases/{}/commands", id.as_str().unwrap())).by(&by.token).json(body).send()
}

/// One that an inspector sent, and its id.
fn sent(world: &World) -> (Field<'_>, Value) {
    let field = Field::new(world, Role::Inspector);
    let op = op(&field, world, &["before", "after"]);
    field.result(&op, "applied");
    let id = op["target"]["id"].clone();
    (field, id)
}

fn a_handheld_reports_what_was_put_right_on_the_spot(world: &World) {
    let field = Field::new(world, Role::Officer);
    let op = op(&field, world, &["before", "after", "scene"]);
    assert_eq!(field.result(&op, "applied")["ver"], json!(1));
    assert_eq!(field.result(&op, "applied")["duplicate"], json!(true));
    let id = &op["target"]["id"];
    let told = case(world, &field.person, id);
    assert_eq!((&told["state"], &told["void_reason"]), (&json!("void"), &json!("self_handled")), "{told}");
    assert_eq!((&told["unit_id"], &told["due_at"], &told["overdue"]), (&Value::Null, &Value::Null, &json!(false)));
    let path = format!("/api/v1/cases/{}/timeline", id.as_str().unwrap());
    let lines = world.get(&path).by(&field.person.token).send().expect(200);
    let line = &lines["items"][0];
    assert_eq!((&line["command"], &line["note"], &line["state"]), (&json!("report"), &json!("已清除"), &json!("void")));
    // It is nobody's work: the Centre can't dispatch it, and the bytes of its photos may follow.
    let dispatcher = world.person(Role::Dispatcher);
    let due = world.now() + chrono::TimeDelta::days(1);
    let dispatch = json!({"type": "dispatch", "args": {"unit_id": world.unit(), "due_at": due}});
    command(world, &dispatcher, id, &dispatch).refused(Code::StageForbids);
    let linked = {
        let id = id.as_str().unwrap().to_owned();
        world.read(move |db| Ok(chengguan::evidence::actions::evidence_of(db, "case", &id)?.len()))
    };
    assert_eq!(linked, 3);
}

fn without_photos_of_before_and_after_nothing_is_put_right(world: &World) {
    let field = Field::new(world, Role::Inspector);
    for roles in [&[][..], &["after"], &["before", "scene"]] {
        let refused = field.result(&op(&field, world, roles), "rejected");
        assert_eq!(refused["code"], json!(Code::ValueInvalid.as_str()), "{refused}");
    }
    // The same over REST, where the photos are declared for the case before it is reported.
    let id = json!(world.app.env.id());
    let body = json!({"id": id, "title": "小广告", "self_handled": {"note": "已清除"}});
    let report = |by: &Person, body: &Value| world.post("/api/v1/cases").by(&by.token).json(body).send();
    let declare = |role: &str, n: u8| {
        let photo = json!({"sha256": format!("{n:02x}").repeat(32), "size": 5, "media_type": "image/jpeg",
            "captured_at": world.now(), "case_id": id, "role": role});
        world.post("/api/v1/evidence").by(&field.person.token).json(&photo).send().expect(201);
    };
    report(&field.person, &body).refused(Code::ValueInvalid);
    declare("before", 1);
    report(&field.person, &body).refused(Code::ValueInvalid);
    declare("after", 2);
    for role in [Role::Dispatcher, Role::Liaison, Role::SpotChecker] {
        report(&world.person(role), &body).refused(Code::RoleForbidden);
    }
    for (note, code) in [(json!(""), Code::ValueInvalid), (json!("字".repeat(2001)), Code::ValueInvalid)] {
        let mut wrong = body.clone();
        wrong["self_handled"]["note"] = note;
        report(&field.person, &wrong).refused(code);
    }
    let told = report(&field.person, &body).expect(201);
    assert_eq!((&told["state"], &told["void_reason"]), (&json!("void"), &json!("self_handled")));
    report(&field.person, &body).refused(Code::AlreadyExists);
}

fn the_centre_finds_it_and_takes_it_back(world: &World) {
    let (dispatcher, (field, id)) = (world.person(Role::Dispatcher), sent(world));
    let get = |path: &str| world.get(&format!("/api/v1/{path}")).by(&dispatcher.token).send().expect(200);
    let listed = |query: &str| -> Vec<Value> {
        get(&format!("cases?{query}"))["items"].as_array().unwrap().iter().map(|case| case["id"].clone()).collect()
    };
    assert_eq!(listed("void_reason=self_handled"), std::slice::from_ref(&id));
    assert_eq!((listed("void_reason=duplicate"), listed("queue=accept")), (vec![], vec![]));
    world.get("/api/v1/cases?void_reason=lost").by(&dispatcher.token).send().refused(Code::ParameterInvalid);
    let reopen = json!({"type": "reopen", "args": {"reason": "复核不实，小广告仍在"}});
    command(world, &field.person, &id, &reopen).refused(Code::RoleForbidden);
    let told = command(world, &dispatcher, &id, &reopen).expect(200);
    assert_eq!((&told["state"], &told["void_reason"], &told["ver"]), (&json!("reported"), &Value::Null, &json!(2)));
    assert_eq!((listed("void_reason=self_handled"), listed("queue=accept")), (vec![], vec![id.clone()]));
    command(world, &dispatcher, &id, &reopen).refused(Code::StageForbids);
    // Now it is a case like any other; to void it is the Centre's word, and not the reporter's.
    let void = |reason: &str| json!({"type": "void", "args": {"reason": reason}});
    command(world, &dispatcher, &id, &void("self_handled")).refused(Code::ValueInvalid);
    command(world, &dispatcher, &id, &void("handled_on_spot")).expect(200);
    command(world, &dispatcher, &id, &reopen).refused(Code::StageForbids);
}

fn it_is_counted_apart_and_opens_to_its_records(world: &World) {
    let (dispatcher, (field, id)) = (world.person(Role::Dispatcher), sent(world));
    let again = op(&field, world, &["before", "after"]);
    field.result(&again, "applied");
    let table = |by: &str| {
        let path = format!("/api/v1/statistics?period=2026-11&by={by}");
        let table = world.get(&path).by(&dispatcher.token).send().expect(200);
        table["lines"].as_array().unwrap().clone()
    };
    let figures = |line: &Value| [&line["counts"]["self_handled"], &line["counts"]["total"]].map(read::<i64>);
    for by in ["all", "class", "reporter", "grid"] {
        let lines = table(by);
        assert_eq!((lines.len(), figures(&lines[0])), (1, [2, 0]), "{by}");
        let key: String = read(&lines[0]["key"]);
        let path = format!("/api/v1/statistics/records?period=2026-11&by={by}&key={key}&figure=self_handled");
        let records = world.get(&path).by(&dispatcher.token).send().expect(200);
        assert_eq!(records["items"].as_array().map(Vec::len), Some(2), "{by}");
    }
    assert_eq!(table("unit"), Vec::<Value>::new(), "it is no unit's");
    assert_eq!(table("reporter")[0]["key"], json!(field.person.id));
    let rate = table("all")[0]["rates"]["resolution"]["text"].clone();
    assert_eq!(rate, json!("—"), "it is in no total");
    let reopen = json!({"type": "reopen", "args": {"reason": "复核不实"}});
    command(world, &dispatcher, &id, &reopen).expect(200);
    assert_eq!(figures(&table("all")[0]), [1, 0]);
}
