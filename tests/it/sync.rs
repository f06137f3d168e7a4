//! Offline work comes home: once, in order, decided by the record, and nobody sees what is not theirs.

use crate::support::{
    field::Field,
    on_both_engines,
    world::{Engine, Options, Person, World, read},
};
use chengguan::{
    error::Code,
    identity::rules::{DeviceKind, Role},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(
    a_repeated_push_is_answered_with_the_first_results_and_applied_once,
    a_chain_made_offline_applies_in_order,
    a_successor_waits_for_its_predecessor_and_applies_when_it_comes,
    one_bad_operation_never_blocks_its_neighbours,
    work_somebody_else_did_first_is_superseded_and_kept,
    work_on_a_case_that_moved_is_a_conflict_and_its_successors_wait,
    work_on_a_case_that_went_to_another_unit_is_kept_for_a_person,
    a_plain_mistake_is_rejected,
    an_operation_id_cannot_be_used_for_another_payload,
    bytes_that_are_no_operation_are_kept_and_answered,
    an_operation_of_a_future_version_is_held,
    a_session_of_another_device_or_person_is_held_until_they_sign_in,
    an_expired_login_never_strands_work,
    a_revoked_device_may_still_deliver_but_not_read,
    a_push_needs_the_devices_key_and_its_epoch,
    an_oversized_or_malformed_push_is_refused_whole_and_loses_nothing,
    missing_sequence_numbers_are_named,
    a_reader_gets_its_own_and_is_told_when_a_record_leaves,
    a_cursor_is_good_for_one_scope_and_can_not_be_forged,
    small_pages_and_a_large_one_tell_the_same,
    the_feeds_numbers_have_no_holes,
);

/// A case dispatched to this liaison's unit, as the liaison sees it.
fn dispatched(world: &World, dispatcher: &Person, unit: &str) -> Value {
    let body = json!({"title": "垃圾堆积"});
    let case = world.post("/api/v1/cases").by(&dispatcher.token).json(&body).send().expect(201);
    command(
        world,
        dispatcher,
        &case,
        "dispatch",
        json!({"unit_id": unit, "due_at": world.now() + TimeDelta::hours(48)}),
    )
}

fn command(world: &World, by: &Person, case: &Value, name: &str, args: Value) -> Value {
    let path = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    world.post(&path).by(&by.token).json(&json!({"type": name, "args": args})).send().expect(200)
}

fn based(mut op: Value, base: Value) -> Value {
    op["base"] = base;
    op
}

/// A liaison on a handheld, and a case of their unit.
fn scene(world: &World) -> (Field<'_>, Person, Value) {
    let field = Field::new(world, Role::Liaison);
    let dispatcher = world.person(Role::Dispatcher);
    let case = dispatched(world, &dispatcher, field.person.unit.as_deref().unwrap());
    (field, dispatcher, case)
}

fn note() -> Value {
    json!({"note": "已清运"})
}

fn timeline(world: &World, by: &Person, case: &Value) -> Vec<Value> {
    let path = format!("/api/v1/cases/{}/timeline", read::<String>(&case["id"]));
    read(&world.get(&path).by(&by.token).send().expect(200)["items"])
}

fn a_repeated_push_is_answered_with_the_first_results_and_applied_once(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let ops = vec![
        field.report("井盖缺失"),
        based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2})),
        field.case_op("case.note", &case["id"], json!({"text": "现场已拍照"})),
    ];
    let first = field.results(&ops);
    assert!(first.iter().all(|r| r["status"] == "applied" && r["duplicate"] == false), "{first:?}");
    assert!(first.iter().all(|r| r["result_seq"].as_i64().is_some_and(|seq| seq > 0)), "{first:?}");
    for _ in 0..2 {
        let mut again = field.results(&ops);
        assert!(again.iter().all(|r| r["duplicate"] == true));
        again.iter_mut().for_each(|r| r["duplicate"] = json!(false));
        assert_eq!(again, first);
    }
    assert_eq!(timeline(world, &dispatcher, &case).len(), 4, "report, dispatch, handle, note");
}

fn a_chain_made_offline_applies_in_order(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let handle = based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    let apply = based(field.case_op("case.apply_closing", &case["id"], note()), json!({"op": handle["op_id"]}));
    let results = field.results(&[handle.clone(), apply.clone()]);
    assert_eq!((&results[0]["ver"], &results[1]["ver"]), (&json!(3), &json!(4)));
    let lines = timeline(world, &dispatcher, &case);
    assert_eq!((&lines[2]["op_id"], &lines[3]["op_id"]), (&handle["op_id"], &apply["op_id"]));
    assert_eq!(lines[3]["state"], "closing_applied");
}

fn a_successor_waits_for_its_predecessor_and_applies_when_it_comes(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let (cursor, _) = field.snapshot();
    let handle = based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    let apply = based(field.case_op("case.apply_closing", &case["id"], note()), json!({"op": handle["op_id"]}));
    let held = field.result(&apply, "held");
    assert_eq!(held["code"], Code::DependencyMissing.as_str());
    assert_eq!(held["waiting"], json!([format!("op:{}", read::<String>(&handle["op_id"]))]));
    field.result(&handle, "applied");
    let now = field.result(&apply, "applied");
    assert_eq!((&now["duplicate"], &now["ver"], &now["waiting"]), (&json!(true), &json!(4), &Value::Null));
    assert_eq!(timeline(world, &dispatcher, &case).last().unwrap()["state"], "closing_applied");
    let (_, changes) = field.changes(&cursor, 500);
    let told: Vec<&Value> = changes.iter().filter(|c| c["t"] == "op_result").collect();
    assert_eq!(told.len(), 1, "{changes:?}");
    assert_eq!((&told[0]["data"]["op_id"], &told[0]["data"]["status"]), (&apply["op_id"], &json!("applied")));
    // The same in one push, in the wrong order.
    let (field, _, case) = scene(world);
    let handle = based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    let apply = based(field.case_op("case.apply_closing", &case["id"], note()), json!({"op": handle["op_id"]}));
    let results = field.results(&[apply, handle]);
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("applied"), &json!("applied")), "{results:?}");
}

fn one_bad_operation_never_blocks_its_neighbours(world: &World) {
    let (field, _, case) = scene(world);
    let mut broken = field.report("x");
    broken["args"]["title"] = json!(7);
    let mut nul = field.report("x");
    nul["args"]["title"] = json!("a\u{0}b");
    let ops = vec![
        field.report("一"),
        broken,
        nul,
        field.case_op("case.confirm_closing", &case["id"], json!({})),
        field.case_op("case.note", &json!(world.app.env.id()), json!({"text": "无此案件"})),
        field.report("二"),
    ];
    let results = field.results(&ops);
    let statuses: Vec<&str> = results.iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["applied", "rejected", "rejected", "rejected", "rejected", "applied"]);
    let codes: Vec<&str> = results.iter().filter_map(|r| r["code"].as_str()).collect();
    assert_eq!(codes, ["args_invalid", "nul_character", "role_forbidden", "not_found"]);
}

fn work_somebody_else_did_first_is_superseded_and_kept(world: &World) {
    let (first, dispatcher, case) = scene(world);
    let second = Field::of(world, &world.person_of(Role::Officer, first.person.unit.clone()));
    let quick = based(first.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    first.result(&quick, "applied");
    let slow = based(second.case_op("case.handle", &case["id"], json!({"note": "我也清了"})), json!({"ver": 2}));
    let result = second.result(&slow, "superseded");
    assert_eq!((&result["code"], &result["winner"]), (&json!("already_done"), &quick["op_id"]));
    let kept = timeline(world, &dispatcher, &case).pop().unwrap();
    assert_eq!(
        (&kept["outcome"], &kept["note"], &kept["ver"]),
        (&json!("superseded"), &json!("我也清了"), &Value::Null)
    );
    // What builds on it goes on as if it had been applied.
    let apply = based(second.case_op("case.apply_closing", &case["id"], note()), json!({"op": slow["op_id"]}));
    second.result(&apply, "applied");
}

fn work_on_a_case_that_moved_is_a_conflict_and_its_successors_wait(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let colleague = Field::of(world, &world.person_of(Role::Officer, field.person.unit.clone()));
    colleague.result(
        &based(colleague.case_op("case.return", &case["id"], json!({"reason": "非本单位"})), json!({"ver": 2})),
        "applied",
    );
    let handle = based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    let apply = based(field.case_op("case.apply_closing", &case["id"], note()), json!({"op": handle["op_id"]}));
    let results = field.results(&[handle, apply]);
    assert_eq!((&results[0]["status"], &results[0]["code"]), (&json!("conflict"), &json!("stage_moved")));
    assert!(results[0]["conflict_id"].is_string() && results[0]["winner"].is_string(), "{results:?}");
    assert_eq!((&results[1]["status"], &results[1]["code"]), (&json!("held"), &json!("dependency_unsettled")));
    assert_eq!(timeline(world, &dispatcher, &case).last().unwrap()["state"], "returned", "the case goes on as it was");
}

fn work_on_a_case_that_went_to_another_unit_is_kept_for_a_person(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let colleague = world.person_of(Role::Officer, field.person.unit.clone());
    command(world, &colleague, &case, "return", json!({"reason": "非本单位"}));
    let due = world.now() + TimeDelta::hours(48);
    command(world, &dispatcher, &case, "dispatch", json!({"unit_id": world.unit(), "due_at": due}));
    let handle = based(field.case_op("case.handle", &case["id"], note()), json!({"ver": 2}));
    let result = field.result(&handle, "conflict");
    assert_eq!(result["code"], "stage_moved");
}

fn a_plain_mistake_is_rejected(world: &World) {
    let (field, _, case) = scene(world);
    let apply = based(field.case_op("case.apply_closing", &case["id"], note()), json!({"ver": 2}));
    assert_eq!(field.result(&apply, "rejected")["code"], "stage_forbids");
    // What builds on a rejected operation is shown to a person: the work behind it may be real.
    let next = based(field.case_op("case.handle", &case["id"], note()), json!({"op": apply["op_id"]}));
    assert_eq!(field.result(&next, "conflict")["code"], "dependency_unsettled");
}

fn an_operation_id_cannot_be_used_for_another_payload(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let op = field.report("真的");
    field.result(&op, "applied");
    let mut other = op.clone();
    other["args"]["title"] = json!("假的");
    assert_eq!(field.result(&other, "rejected")["code"], "op_id_reused");
    assert_eq!(field.result(&op, "applied")["duplicate"], true, "the first is untouched");
    let cases = world.get("/api/v1/cases").by(&field.person.token).send().expect(200);
    assert_eq!(cases["items"][0]["title"], "真的");
}

fn bytes_that_are_no_operation_are_kept_and_answered(world: &World) {
    use chengguan::db::schema::sync_raw;
    use diesel::prelude::*;
    let field = Field::new(world, Role::Inspector);
    let results = field.results(&[json!("rubbish"), json!({"op_id": 7}), field.report("好")]);
    let statuses: Vec<&Value> = results.iter().map(|r| &r["status"]).collect();
    assert_eq!(statuses, [&json!("rejected"), &json!("rejected"), &json!("applied")]);
    assert_eq!((&results[0]["code"], &results[0]["op_id"]), (&json!("op_malformed"), &Value::Null));
    let kept: Vec<Vec<u8>> =
        world.read(|db| Ok(sync_raw::table.select(sync_raw::raw).order(sync_raw::raw).load(db)?));
    assert_eq!(kept, [br#""rubbish""#.to_vec(), br#"{"op_id":7}"#.to_vec()]);
}

fn an_operation_of_a_future_version_is_held(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let mut op = field.report("来自将来");
    op["v"] = json!(2);
    op["hologram"] = json!({"x": 1});
    let held = field.result(&op, "held");
    assert_eq!((&held["code"], &held["waiting"]), (&json!("op_unsupported"), &json!(["type:case.report:2"])));
    let fly = field.op("case.fly", "case", world.app.env.id(), json!({}));
    field.result(&fly, "held");
}

fn a_session_of_another_device_or_person_is_held_until_they_sign_in(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let other = Field::new(world, Role::Dispatcher);
    // A stolen session id is worth nothing on another device.
    let mut forged = field.report("冒名");
    forged["actor"] = json!(other.person.id);
    forged["session"] = json!(other.person.session);
    let held = field.result(&forged, "held");
    assert_eq!(held["code"], "reauth");
    let mut mixed = field.report("混用");
    mixed["actor"] = json!(other.person.id);
    assert_eq!(field.result(&mixed, "held")["code"], "reauth");
    let seen = |person: &Person| {
        let page = world.get("/api/v1/cases").by(&person.token).send().expect(200);
        page["items"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(seen(&other.person), 0);
    // The real person signs in on that very device: then it counts as theirs.
    world.sign_in(&other.person.username, Some(&field.device));
    assert_eq!(field.result(&forged, "applied")["duplicate"], true);
    assert_eq!(seen(&other.person), 2);
}

fn an_expired_login_never_strands_work(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let offline = field.report("离线期间");
    world.wait(TimeDelta::days(20));
    world.get("/api/v1/me").by(&field.person.token).send().refused(Code::TokenExpired);
    field.result(&offline, "applied");
    // Made after the session's end: kept until the person signs in again.
    world.wait(TimeDelta::days(20));
    let late = field.report("会话已过期");
    assert_eq!(field.result(&late, "held")["code"], "reauth");
    world.sign_in(&field.person.username, Some(&field.device));
    field.result(&late, "applied");
}

fn a_revoked_device_may_still_deliver_but_not_read(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let op = field.report("丢失前");
    world.revoke(&field.device);
    let result = field.result(&op, "quarantined");
    assert_eq!(result["code"], "device_revoked");
    world.get("/api/v1/sync/snapshot").by(&field.person.token).send().refused(Code::DeviceRevoked);
    let cases = world.get("/api/v1/cases").by(&world.person(Role::Dispatcher).token).send().expect(200);
    assert_eq!(cases["items"], json!([]));
}

fn a_push_needs_the_devices_key_and_its_epoch(world: &World) {
    let (field, other) = (Field::new(world, Role::Inspector), world.device(DeviceKind::Handheld));
    let body = field.envelope(&[field.report("x")]);
    let send = |token: &str| world.post("/api/v1/sync/push").by(token).json(&body).send();
    send(&field.person.token).refused(Code::DeviceRequired);
    send(&world.device_token(&other)).refused(Code::BodyInvalid);
    send("forged").refused(Code::TokenInvalid);
    let mut stale = body.clone();
    stale["epoch"] = json!(field.device.epoch + 1);
    let token = world.device_token(&field.device);
    world.post("/api/v1/sync/push").by(&token).json(&stale).send().refused(Code::EpochStale);
    send(&token).expect(200);
}

fn an_oversized_or_malformed_push_is_refused_whole_and_loses_nothing(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let many: Vec<Value> = (0..201).map(|_| field.report("x")).collect();
    field.push(&many).refused(Code::BodyTooLarge);
    let mut huge = field.report("x");
    huge["args"]["description"] = json!("长".repeat(400_000));
    field.push(&[huge]).refused(Code::BodyTooLarge);
    let text = field.envelope(&[field.report("x")]).to_string();
    field.push_raw(text.as_bytes()[..text.len() - 3].to_vec()).refused(Code::JsonMalformed);
    field.push_raw(b"{}".to_vec()).refused(Code::BodyInvalid);
    assert_eq!(field.results(&many[..200]).iter().filter(|r| r["status"] == "applied").count(), 200);
    // A heartbeat without work is welcome.
    assert_eq!(field.push(&[]).expect(200)["results"], json!([]));
}

fn missing_sequence_numbers_are_named(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let ops: Vec<Value> = (0..5).map(|_| field.report("x")).collect();
    let missing = |ops: &[Value], depth: usize| {
        let mut push = field.envelope(ops);
        push["outbox"]["depth"] = json!(depth);
        field.push_raw(push.to_string().into_bytes()).expect(200)["missing_seqs"].clone()
    };
    assert_eq!(missing(&ops[..1], 5), json!([]), "what is still queued on the device is not missing");
    assert_eq!(missing(&ops[3..4], 4), json!([2, 3]));
    assert_eq!(missing(&[], 0), json!([2, 3, 5]), "a device with an empty queue has made five");
    assert_eq!(missing(&ops, 5), json!([]));
}

fn a_reader_gets_its_own_and_is_told_when_a_record_leaves(world: &World) {
    let (field, dispatcher, case) = scene(world);
    let stranger = Field::new(world, Role::Liaison);
    let (cursor, items) = field.snapshot();
    let cases: Vec<&Value> = items.iter().filter(|i| i["kind"] == "case").collect();
    assert_eq!((cases.len(), &cases[0]["id"], &cases[0]["ver"]), (1, &case["id"], &json!(2)));
    let (foreign, items) = stranger.snapshot();
    assert!(!items.iter().any(|i| i["kind"] == "case"), "{items:?}");
    command(world, &field.person, &case, "return", json!({"reason": "非本单位"}));
    let args = json!({"unit_id": stranger.person.unit, "due_at": world.now() + TimeDelta::hours(9)});
    command(world, &dispatcher, &case, "dispatch", args);
    let (next, changes) = field.changes(&cursor, 500);
    let mine: Vec<(&Value, &Value)> =
        changes.iter().filter(|c| c["kind"] == "case").map(|c| (&c["t"], &c["data"])).collect();
    assert_eq!(mine, [(&json!("leave"), &Value::Null)], "{changes:?}");
    let (_, changes) = stranger.changes(&foreign, 500);
    let theirs: Vec<&Value> = changes.iter().filter(|c| c["kind"] == "case").collect();
    assert_eq!((theirs.len(), &theirs[0]["t"], &theirs[0]["data"]["id"]), (1, &json!("upsert"), &case["id"]));
    let (again, changes) = field.changes(&next, 500);
    assert_eq!((again, changes.len()), (next, 0));
}

fn a_cursor_is_good_for_one_scope_and_can_not_be_forged(world: &World) {
    let (field, stranger) = (Field::new(world, Role::Inspector), Field::new(world, Role::Inspector));
    let (cursor, _) = field.snapshot();
    let ask = |by: &Field, cursor: &str| {
        world.get(&format!("/api/v1/sync/changes?cursor={cursor}")).by(&by.person.token).send()
    };
    ask(&stranger, &cursor).refused(Code::ScopeChanged);
    ask(&field, "rubbish").refused(Code::CursorInvalid);
    ask(&field, &format!("A{cursor}")).refused(Code::CursorInvalid);
    world.get("/api/v1/sync/changes").by(&field.person.token).send().refused(Code::ParameterInvalid);
    world.get("/api/v1/sync/snapshot?page=x").by(&field.person.token).send().refused(Code::CursorInvalid);
    world.get("/api/v1/sync/snapshot").by(&world.device_token(&field.device)).send().refused(Code::UserRequired);
}

fn small_pages_and_a_large_one_tell_the_same(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let (cursor, _) = field.snapshot();
    let ops: Vec<Value> = (0..23).map(|n| field.report(&format!("案件{n}"))).collect();
    field.results(&ops);
    let (_, small) = field.changes(&cursor, 1);
    let (_, large) = field.changes(&cursor, 1000);
    assert_eq!(small.len(), 23);
    assert_eq!(small, large);
}

fn the_feeds_numbers_have_no_holes(world: &World) {
    use chengguan::db::schema::changes;
    use diesel::prelude::*;
    let fields: Vec<Field> = (0..4).map(|_| Field::new(world, Role::Inspector)).collect();
    std::thread::scope(|scope| {
        for field in &fields {
            let batches: Vec<Vec<u8>> = (0..5)
                .map(|_| {
                    let ops: Vec<Value> = (0..10).map(|_| field.report("并发")).collect();
                    field.envelope(&ops).to_string().into_bytes()
                })
                .collect();
            let (address, token) = (world.address, world.device_token(&field.device));
            scope.spawn(move || {
                for body in batches {
                    let call =
                        crate::support::http::Call::new(&format!("http://{address}"), "POST", "/api/v1/sync/push");
                    let answer = call.by(&token).bytes("application/json", body).send().expect(200);
                    assert!(answer["results"].as_array().unwrap().iter().all(|r| r["status"] == "applied"));
                }
            });
        }
    });
    let seqs: Vec<i64> = world.read(|db| Ok(changes::table.select(changes::seq).order(changes::seq).load(db)?));
    let expected: Vec<i64> = (1..=i64::try_from(seqs.len()).unwrap()).collect();
    assert_eq!(seqs, expected);
    assert!(seqs.len() >= 200);
}

#[test]
fn an_answered_push_survives_a_restart() {
    for engine in Engine::all("sync::an_answered_push_survives_a_restart") {
        let world = World::with(engine, Options::default());
        let field = Field::new(&world, Role::Inspector);
        let op = field.report("重启之前");
        let first = field.result(&op, "applied");
        drop(world.again());
        assert_eq!(field.result(&op, "applied")["result_seq"], first["result_seq"]);
    }
}
