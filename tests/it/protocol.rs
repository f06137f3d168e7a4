//! The rest of the wire: copies and restores, scopes and digests, merges, what waits for a person, and receipts.

use crate::{
    authorisation::dispatched_case,
    support::{
        field::Field,
        on_both_engines,
        world::{World, read},
    },
};
use chengguan::{
    db::{Db, feed},
    error::Code,
    identity::{rules::Role, tokens},
    sync::{jobs, wire::digest_of},
};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

on_both_engines!(
    a_copy_of_a_device_is_told_to_number_anew_and_loses_nothing,
    a_push_that_the_network_delivers_twice_is_one_push,
    a_wiped_device_leaves_a_list_of_what_it_took_with_it,
    a_restored_server_is_noticed_by_a_token_and_by_a_cursor,
    another_person_on_a_device_reads_only_what_is_new_to_them,
    a_cursor_behind_the_kept_feed_has_expired_and_results_keep_their_numbers,
    digests_agree_with_the_records_and_with_nothing_else,
    edits_of_different_fields_merge_and_of_the_same_field_wait_for_a_person,
    a_chain_behind_a_conflict_is_decided_at_its_head,
    a_discarded_conflict_takes_its_chain_with_it,
    what_cannot_apply_stays_in_the_queue_for_another_decision,
    a_revoked_devices_work_can_be_let_in_by_a_reviewer,
    what_is_held_for_three_days_goes_to_a_person,
    an_operation_that_breaks_the_database_is_kept_apart_alone,
    bytes_that_broke_the_client_are_kept_and_looked_at,
    an_old_apps_operation_is_read_as_a_new_one,
    time_is_corrected_and_says_how_well,
    a_receipt_proves_what_it_says_and_nothing_else,
    who_waits_for_changes_is_told_at_once,
    the_board_shows_how_a_device_is,
);

fn based(mut op: Value, base: Value) -> Value {
    op["base"] = base;
    op
}

fn id(value: &Value) -> String {
    read(value)
}

/// Begins a new epoch for a field's device.
fn new_epoch(world: &World, field: &Field, epoch: i32, reason: &str) -> Value {
    let token = world.device_token(&field.device);
    world.post("/api/v1/sync/epoch").by(&token).json(&json!({"epoch": epoch, "reason": reason})).send().expect(200)
}

/// Pushes in another epoch than the device was enrolled with.
fn push_in(world: &World, field: &Field, change: &Value, ops: &[Value]) -> crate::support::http::Reply {
    let mut body = field.envelope(ops);
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let token = world.device_token(&field.device);
    world.post("/api/v1/sync/push").by(&token).json(&body).send()
}

fn sql(world: &World, statement: &'static str) {
    world.write(move |tx| Ok(tx.db.batch_execute(statement)?));
}

fn a_copy_of_a_device_is_told_to_number_anew_and_loses_nothing(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let first = field.report("本机一");
    let answer = field.push(std::slice::from_ref(&first)).expect(200);
    // The copy has the counter of before that push: the number it takes was used.
    let copied = based(field.report("副本"), Value::Null);
    let stale = push_in(world, &field, &json!({"attempt": 1}), std::slice::from_ref(&copied));
    stale.refused(Code::EpochStale);
    // A higher number, but a label that another operation bears.
    let mut twice = copied.clone();
    twice["seq"] = first["seq"].clone();
    push_in(world, &field, &json!({"attempt": 50}), &[twice]).refused(Code::EpochStale);
    let fresh = new_epoch(world, &field, 1, "copied");
    assert_eq!(fresh["epoch"], 2);
    let mut moved = copied.clone();
    moved["was"] = json!({"epoch": 1, "seq": copied["seq"]});
    moved["seq"] = json!(2);
    let mut known = first.clone();
    known["was"] = json!({"epoch": 1, "seq": first["seq"]});
    known["seq"] = json!(1);
    let change = json!({"epoch": 2, "attempt": 1, "push_token": fresh["push_token"]});
    let results = push_in(world, &field, &change, &[known, moved]).expect(200)["results"].clone();
    // The label is no part of what was done.
    assert_eq!((&results[0]["status"], &results[0]["duplicate"]), (&json!("applied"), &json!(true)), "{results}");
    assert_eq!((&results[1]["status"], &results[1]["duplicate"]), (&json!("applied"), &json!(false)));
    // The original goes on in its own epoch.
    let change = json!({"attempt": 60, "push_token": answer["push_token"]});
    let results = push_in(world, &field, &change, &[field.report("本机二")]).expect(200)["results"].clone();
    assert_eq!(results[0]["status"], "applied");
    push_in(world, &field, &json!({"epoch": 9}), &[]).refused(Code::EpochStale);
    let token = world.device_token(&field.device);
    let asked = json!({"epoch": 0, "reason": "enrolled"});
    world.post("/api/v1/sync/epoch").by(&token).json(&asked).send().refused(Code::ValueInvalid);
}

fn a_push_that_the_network_delivers_twice_is_one_push(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let body = field.envelope(&[field.report("一次")]);
    let token = world.device_token(&field.device);
    let send = || world.post("/api/v1/sync/push").by(&token).json(&body).send().expect(200);
    let (first, second) = (send(), send());
    assert_eq!(first["push_token"], second["push_token"]);
    assert_eq!(second["results"][0]["duplicate"], true);
    assert_eq!(first["results"][0]["result_seq"], second["results"][0]["result_seq"]);
}

fn losses(world: &World, field: &Field) -> Value {
    let path = format!("/api/v1/sync/health/{}/losses", field.device.id);
    world.get(&path).by(&world.person(Role::Dispatcher).token).send().expect(200)["items"].clone()
}

fn a_wiped_device_leaves_a_list_of_what_it_took_with_it(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let made: Vec<Value> = (0..6).map(|n| field.report(&format!("记录{n}"))).collect();
    field.push(&[made[0].clone(), made[3].clone()]).expect(200);
    let before = losses(world, &field);
    assert_eq!((&before[0]["missing"], &before[0]["lost"]), (&json!([2, 3, 5, 6]), &json!(false)), "{before}");
    let fresh = new_epoch(world, &field, 0, "wiped");
    let after = losses(world, &field);
    assert_eq!((&after[0]["epoch"], &after[0]["made"]), (&json!(2), &json!(0)));
    let told = (&after[1]["missing"], &after[1]["lost"], &after[1]["made"], &after[1]["received"]);
    assert_eq!(told, (&json!([2, 3, 5, 6]), &json!(true), &json!(6), &json!(2)));
    let board = world.get("/api/v1/sync/health").by(&world.person(Role::Supervisor).token).send().expect(200);
    let line = board["items"].as_array().unwrap().iter().find(|l| l["device_id"] == json!(field.device.id)).unwrap();
    assert_eq!((&line["missing"], &line["lost"]), (&json!(4), &json!(4)), "{line}");
    // One of them comes after all, by an exported outbox under its new number.
    let mut found = made[4].clone();
    found["was"] = json!({"epoch": 1, "seq": made[4]["seq"]});
    found["seq"] = json!(1);
    let change = json!({"epoch": 2, "attempt": 1, "push_token": fresh["push_token"]});
    push_in(world, &field, &change, &[found]).expect(200);
    assert_eq!(losses(world, &field)[1]["missing"], json!([2, 3, 6]));
}

fn a_restored_server_is_noticed_by_a_token_and_by_a_cursor(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let one = field.push(&[field.report("备份之前")]).expect(200);
    let lost = field.report("备份之后");
    let two =
        push_in(world, &field, &json!({"push_token": one["push_token"]}), std::slice::from_ref(&lost)).expect(200);
    assert_eq!(one["generation"], two["generation"]);
    let (cursor, _) = field.snapshot();
    // The backup of the evening before: it knows of the first push only.
    sql(world, "UPDATE device_epochs SET pushes = 1, attempt = 1, received = 1, received_seq = 1");
    let three = push_in(world, &field, &json!({"push_token": two["push_token"]}), &[lost]).expect(200);
    assert_ne!(three["generation"], two["generation"], "the device knows of more pushes than the server");
    world
        .get(&format!("/api/v1/sync/changes?cursor={cursor}"))
        .by(&field.person.token)
        .send()
        .refused(Code::GenerationChanged);
    // Nobody pushes, but a reader's cursor is of a row that was written at another time.
    let (cursor, _) = field.snapshot();
    sql(world, "DELETE FROM changes WHERE seq = (SELECT n FROM sync_clock); UPDATE sync_clock SET n = n - 1;");
    let ask = |cursor: &str| world.get(&format!("/api/v1/sync/changes?cursor={cursor}")).by(&field.person.token).send();
    ask(&cursor).refused(Code::GenerationChanged);
    let four = field.push(&[]).expect(200);
    assert_ne!(four["generation"], three["generation"]);
    let (cursor, _) = field.snapshot();
    let now = ask(&cursor).expect(200);
    assert_eq!((&now["generation"], &now["changes"]), (&four["generation"], &json!([])));
}

fn another_person_on_a_device_reads_only_what_is_new_to_them(world: &World) {
    let day = Field::new(world, Role::Inspector);
    let night = world.person(Role::Inspector);
    let mine = day.report("白班");
    day.result(&mine, "applied");
    let (cursor, _) = day.snapshot();
    let night = world.sign_in(&night.username, Some(&day.device));
    let report = json!({"title": "夜班"});
    world.post("/api/v1/cases").by(&night.token).json(&report).send().expect(201);
    let ask = |path: &str| world.get(path).by(&night.token).send();
    ask(&format!("/api/v1/sync/changes?cursor={cursor}")).refused(Code::ScopeChanged);
    let (mut items, mut path) = (Vec::new(), format!("/api/v1/sync/snapshot?since={cursor}"));
    let last = loop {
        let page = ask(&path).expect(200);
        items.extend(page["items"].as_array().unwrap().clone());
        match page["next_page"].as_str() {
            Some(next) => path = format!("/api/v1/sync/snapshot?page={next}"),
            None => break page,
        }
    };
    assert_eq!(last["of"], json!([format!("user:{}", night.id)]));
    assert!(!last["scope"].as_array().unwrap().contains(&json!(format!("user:{}", day.person.id))));
    let titles: Vec<&Value> = items.iter().map(|item| &item["data"]["title"]).collect();
    assert_eq!(titles, ["夜班"], "units are known already");
    assert_eq!(items[0]["keys"], json!([format!("user:{}", night.id)]));
    let page = ask(&format!("/api/v1/sync/changes?cursor={}", id(&last["cursor"]))).expect(200);
    assert!(page["changes"].as_array().unwrap().iter().all(|c| c["data"]["title"] != "白班"), "{page}");
    ask("/api/v1/sync/snapshot?keys=centre").refused(Code::ParameterInvalid);
    // A key that is not the reader's shows nothing.
    let page = ask(&format!("/api/v1/sync/snapshot?since={}&keys=centre", id(&last["cursor"]))).expect(200);
    assert_eq!((&page["of"], &page["items"]), (&json!([]), &json!([])));
    ask(&format!("/api/v1/sync/changes?cursor={}&protocol=2", id(&last["cursor"]))).refused(Code::ProtocolUnsupported);
}

fn a_cursor_behind_the_kept_feed_has_expired_and_results_keep_their_numbers(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let (cursor, _) = field.snapshot();
    let op = field.report("旧");
    let first = field.result(&op, "applied");
    for _ in 0..5 {
        field.result(&field.report("新"), "applied");
    }
    let head = world.read(feed::life).head;
    world.write(move |tx| feed::forget(tx, head - 1, 1_000).map(drop));
    let ask = |cursor: &str| world.get(&format!("/api/v1/sync/changes?cursor={cursor}")).by(&field.person.token).send();
    ask(&cursor).refused(Code::CursorExpired);
    assert_eq!(field.result(&op, "applied")["result_seq"], first["result_seq"]);
    let (cursor, _) = field.snapshot();
    let page = ask(&cursor).expect(200);
    assert_eq!((&page["changes"], &page["floor"]), (&json!([]), &json!(head - 1)));
    // Nothing is forgotten before its time, nor before the slowest handheld has read it.
    let kept = world.read(feed::life).floor;
    world.write(|tx| jobs::tidy(tx).map(drop));
    assert_eq!(world.read(feed::life).floor, kept);
    world.wait(TimeDelta::days(8));
    world.write(|tx| jobs::tidy(tx).map(drop));
    assert_eq!(world.read(feed::life).floor, kept, "a handheld has not said that it has read it");
    world.wait(TimeDelta::days(120));
    while world.write(jobs::tidy) > 0 {}
    assert_eq!(world.read(feed::life).floor, head);
}

fn digests_agree_with_the_records_and_with_nothing_else(world: &World) {
    let field = Field::new(world, Role::Liaison);
    let dispatcher = world.person(Role::Dispatcher);
    for _ in 0..3 {
        dispatched_case(world, &dispatcher, field.person.unit.as_deref().unwrap());
    }
    field.result(&field.report("自报"), "applied");
    let (cursor, items) = field.snapshot();
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for item in &items {
        let number = digest_of(&id(&item["kind"]), &id(&item["id"]), item["ver"].as_i64().unwrap_or(0));
        for key in item["keys"].as_array().unwrap() {
            let sum = sums.entry(id(key)).or_default();
            *sum = sum.wrapping_add(number);
        }
    }
    let path = format!("/api/v1/sync/changes?digest=1&cursor={cursor}");
    let page = world.get(&path).by(&field.person.token).send().expect(200);
    let told: BTreeMap<String, String> = read(&page["digest"]);
    for (key, sum) in &told {
        assert_eq!(*sum, format!("{:016x}", sums.get(key).copied().unwrap_or(0)), "{key}");
    }
    let unit = format!("unit:{}", field.person.unit.as_deref().unwrap());
    assert!(told.contains_key(&unit) && sums[&unit] != 0);
    // A change that the reader has not applied shows.
    dispatched_case(world, &dispatcher, field.person.unit.as_deref().unwrap());
    let (next, _) = field.changes(&cursor, 500);
    let page = world.get(&format!("/api/v1/sync/changes?digest=1&cursor={next}")).by(&field.person.token).send();
    assert_ne!(page.expect(200)["digest"][&unit], told[&unit]);
}

fn edits_of_different_fields_merge_and_of_the_same_field_wait_for_a_person(world: &World) {
    let (one, two) = (Field::new(world, Role::Dispatcher), Field::new(world, Role::Dispatcher));
    let report = one.report("井盖缺失");
    one.result(&report, "applied");
    let case = &report["target"]["id"];
    let edit = |field: &Field, args: Value| based(field.case_op("case.edit", case, args), json!({"ver": 1}));
    let title = edit(&one, json!({"title": {"old": "井盖缺失", "new": "井盖破损"}}));
    assert_eq!(one.result(&title, "applied")["ver"], 2);
    let address = edit(&two, json!({"address": {"old": null, "new": "人民路12号"}}));
    let merged = two.result(&address, "merged");
    assert_eq!((&merged["ver"], &merged["adjusted"]), (&json!(3), &json!(["address"])));
    let contest = edit(&two, json!({"title": {"old": "井盖缺失", "new": "井盖被盗"}}));
    let lost = two.result(&contest, "conflict");
    assert_eq!(
        (&lost["code"], &lost["detail"], &lost["winner"]),
        (&json!("field_changed"), &json!("title"), &address["op_id"])
    );
    two.result(&edit(&two, json!({"title": {"old": "井盖缺失", "new": "井盖破损"}})), "superseded");
    two.result(&edit(&two, json!({})), "rejected");
    let reviewer = world.person(Role::Dispatcher);
    let path = format!("/api/v1/sync/reviews/{}", id(&contest["op_id"]));
    let sides = world.get(&path).by(&reviewer.token).send().expect(200);
    assert_eq!(
        (&sides["seen_ver"], &sides["record"]["title"], &sides["op"]["args"]["title"]["new"]),
        (&json!(1), &json!("井盖破损"), &json!("井盖被盗"))
    );
    assert_eq!(sides["since"].as_array().unwrap().len(), 2, "{sides}");
    let word = json!({"decision": "apply"});
    let decided = world.post(&format!("{path}/decision")).by(&reviewer.token).json(&word).send().expect(200);
    let told = (&decided["result"]["status"], &decided["record"]["title"]);
    assert_eq!(told, (&json!("merged"), &json!("井盖被盗")));
    let again = two.result(&contest, "merged");
    assert_eq!(again["resolved_by"], json!(reviewer.id));
    world.post(&format!("{path}/decision")).by(&reviewer.token).json(&word).send().refused(Code::ReviewClosed);
}

/// A liaison's unit had a case; it went to another unit while the liaison handled it offline, and applied for closing.
fn chain<'w>(world: &'w World) -> (Field<'w>, Value, [Value; 2]) {
    let field = Field::new(world, Role::Liaison);
    let dispatcher = world.person(Role::Dispatcher);
    let unit = field.person.unit.clone().unwrap();
    let case = dispatched_case(world, &dispatcher, &unit);
    let target = json!(case);
    let handle = based(field.case_op("case.handle", &target, json!({"note": "已清运"})), json!({"ver": 2}));
    let apply = field.case_op("case.apply_closing", &target, json!({"note": "请结案"}));
    let apply = based(apply, json!({"op": handle["op_id"]}));
    let command = |name: &str, args: Value| {
        let path = format!("/api/v1/cases/{case}/commands");
        world.post(&path).by(&dispatcher.token).json(&json!({"type": name, "args": args})).send().expect(200);
    };
    // Handled by the Centre itself and refused: the stage is the same again, the liaison's view is not.
    command("handle", json!({"note": "中心处置"}));
    let liaison = world.person_of(Role::Liaison, Some(unit));
    let path = format!("/api/v1/cases/{case}/commands");
    let closing = json!({"type": "apply_closing", "args": {"note": "x"}});
    world.post(&path).by(&liaison.token).json(&closing).send().expect(200);
    command("refuse_closing", json!({"reason": "未清干净"}));
    let back = json!({"type": "return", "args": {"reason": "非本单位"}});
    world.post(&path).by(&liaison.token).json(&back).send().expect(200);
    field.result(&handle, "conflict");
    let held = field.result(&apply, "held");
    assert_eq!(held["code"], "dependency_unsettled");
    (field, target, [handle, apply])
}

fn decide(world: &World, op: &Value, word: &Value) -> crate::support::http::Reply {
    let path = format!("/api/v1/sync/reviews/{}/decision", id(&op["op_id"]));
    world.post(&path).by(&world.person(Role::Dispatcher).token).json(word).send()
}

fn a_chain_behind_a_conflict_is_decided_at_its_head(world: &World) {
    let (field, case, [handle, apply]) = chain(world);
    let (cursor, _) = field.snapshot();
    let reviewer = world.person(Role::Dispatcher);
    let queue = world.get("/api/v1/sync/reviews").by(&reviewer.token).send().expect(200);
    let heads: Vec<&Value> = queue["items"].as_array().unwrap().iter().map(|i| &i["result"]["op_id"]).collect();
    assert_eq!(heads, [&handle["op_id"]], "a chain is one entry");
    assert_eq!((&queue["items"][0]["followers"], &queue["items"][0]["type"]), (&json!(1), &json!("case.handle")));
    let path = format!("/api/v1/sync/reviews/{}", id(&handle["op_id"]));
    let sides = world.get(&path).by(&reviewer.token).send().expect(200);
    assert_eq!(sides["chain"][0]["result"]["op_id"], apply["op_id"]);
    // The unit has it again: now both steps can be taken.
    let body = json!({"type": "dispatch", "args": {
        "unit_id": field.person.unit, "due_at": world.now() + TimeDelta::days(1)}});
    world.post(&format!("/api/v1/cases/{}/commands", id(&case))).by(&reviewer.token).json(&body).send().expect(200);
    decide(world, &handle, &json!({"decision": "apply", "reason": "现场属实"})).expect(200);
    let (handled, applied) = (field.result(&handle, "applied"), field.result(&apply, "applied"));
    assert!(handled["ver"].as_i64() < applied["ver"].as_i64());
    let (_, changes) = field.changes(&cursor, 500);
    let told: Vec<&Value> = changes.iter().filter(|c| c["t"] == "op_result").map(|c| &c["data"]["op_id"]).collect();
    assert_eq!(told, [&handle["op_id"], &apply["op_id"]], "the device hears both");
    let queue = world.get("/api/v1/sync/reviews").by(&reviewer.token).send().expect(200);
    assert_eq!(queue["items"], json!([]));
}

fn a_discarded_conflict_takes_its_chain_with_it(world: &World) {
    let (field, _, [handle, apply]) = chain(world);
    decide(world, &handle, &json!({"decision": "discard"})).refused(Code::ValueInvalid);
    decide(world, &handle, &json!({"decision": "discard", "reason": "重复处置"})).expect(200);
    for op in [&handle, &apply] {
        assert_eq!(field.result(op, "rejected")["code"], "discarded");
    }
    let path = format!("/api/v1/sync/reviews/{}", id(&apply["op_id"]));
    let sides = world.get(&path).by(&world.person(Role::Supervisor).token).send().expect(200);
    assert_eq!((&sides["resolution"], &sides["resolution_reason"]), (&json!("discard"), &json!("重复处置")));
}

fn what_cannot_apply_stays_in_the_queue_for_another_decision(world: &World) {
    let (field, _, [handle, apply]) = chain(world);
    let refused = decide(world, &handle, &json!({"decision": "apply"}));
    assert_eq!(refused.status, 409, "{refused}");
    field.result(&handle, "conflict");
    field.result(&apply, "held");
    let nowhere = json!({"op_id": world.app.env.id()});
    decide(world, &nowhere, &json!({"decision": "apply"})).refused(Code::NotFound);
}

fn a_revoked_devices_work_can_be_let_in_by_a_reviewer(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let op = field.report("丢失之前");
    world.revoke(&field.device);
    field.result(&op, "quarantined");
    decide(world, &op, &json!({"decision": "apply", "reason": "丢失前所作"})).expect(200);
    field.result(&op, "applied");
}

fn what_is_held_for_three_days_goes_to_a_person(world: &World) {
    let (field, reviewer) = (Field::new(world, Role::Inspector), world.person(Role::Dispatcher));
    let case = field.report("x");
    field.result(&case, "applied");
    let note = field.case_op("case.note", &case["target"]["id"], json!({"text": "y"}));
    let never = based(note, json!({"op": world.app.env.id()}));
    field.result(&never, "held");
    let queue = world.get("/api/v1/sync/reviews").by(&reviewer.token).send().expect(200);
    assert_eq!(queue["items"][0]["result"]["op_id"], never["op_id"], "nobody else can be waited for in its place");
    world.wait(TimeDelta::hours(71));
    world.write(|tx| jobs::tidy(tx).map(drop));
    field.result(&never, "held");
    world.wait(TimeDelta::hours(2));
    assert_eq!(world.write(jobs::tidy), 1);
    let result = field.result(&never, "conflict");
    assert_eq!((&result["code"], &result["detail"]), (&json!("held_too_long"), &json!("dependency_missing")));
    let reviewer = world.sign_in(&reviewer.username, None);
    let path = format!("/api/v1/sync/reviews/{}/decision", id(&never["op_id"]));
    world.post(&path).by(&reviewer.token).json(&json!({"decision": "apply"})).send().expect(200);
    field.result(&never, "applied");
}

fn an_operation_that_breaks_the_database_is_kept_apart_alone(world: &World) {
    match world.read(|db| Ok(matches!(db, Db::Sqlite(_)))) {
        true => sql(
            world,
            "CREATE TRIGGER poison BEFORE INSERT ON cases WHEN new.title = '毒' BEGIN SELECT RAISE(ABORT, 'poison'); END;",
        ),
        false => sql(
            world,
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poison'; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON cases FOR EACH ROW WHEN (new.title = '毒') EXECUTE FUNCTION poison();",
        ),
    }
    let field = Field::new(world, Role::Inspector);
    let bad = [field.report("毒"), field.report("毒")];
    let note = field.case_op("case.note", &bad[0]["target"]["id"], json!({"text": "后续"}));
    let behind = based(note, json!({"op": bad[0]["op_id"]}));
    let ops =
        [field.report("一"), bad[0].clone(), field.report("二"), behind.clone(), bad[1].clone(), field.report("三")];
    let results = field.results(&ops);
    let statuses: Vec<&str> = results.iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["applied", "quarantined", "applied", "held", "quarantined", "applied"], "{results:?}");
    assert_eq!(field.results(&ops).iter().filter(|r| r["duplicate"] == true).count(), 6);
    // The fault is mended; the reviewer lets it in, and what waited for it follows.
    match world.read(|db| Ok(matches!(db, Db::Sqlite(_)))) {
        true => sql(world, "DROP TRIGGER poison;"),
        false => sql(world, "DROP TRIGGER poison ON cases;"),
    }
    decide(world, &bad[0], &json!({"decision": "apply"})).expect(200);
    field.result(&behind, "applied");
}

fn bytes_that_broke_the_client_are_kept_and_looked_at(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let token = world.device_token(&field.device);
    let send = |bytes: &[u8]| world.post("/api/v1/sync/raw").by(&token).bytes("application/octet-stream", bytes).send();
    let kept = send(b"\xff\x00rubbish").expect(200);
    assert_eq!(
        (&kept["status"], &kept["sha256"]),
        (&json!("quarantined"), &json!(tokens::hex(&tokens::sha256(b"\xff\x00rubbish"))))
    );
    assert_eq!(send(b"\xff\x00rubbish").expect(200), kept, "once");
    send(b"").refused(Code::BodyInvalid);
    send(&vec![b'x'; 5 << 20]).refused(Code::BodyTooLarge);
    let reviewer = world.person(Role::Dispatcher);
    let list = || world.get("/api/v1/sync/reviews/raw").by(&reviewer.token).send().expect(200)["items"].clone();
    let mine = list().as_array().unwrap().iter().find(|i| i["sha256"] == kept["sha256"]).cloned().unwrap();
    assert_eq!((&mine["size"], &mine["text"]), (&json!(9), &Value::Null));
    let path = format!("/api/v1/sync/reviews/raw/{}/decision", id(&mine["id"]));
    let word = json!({"reason": "无法恢复，已电话核实"});
    let decide = || world.post(&path).by(&reviewer.token).json(&word).send();
    decide().expect_status(204);
    decide().refused(Code::ReviewClosed);
    assert!(!list().as_array().unwrap().iter().any(|i| i["sha256"] == kept["sha256"]));
}

fn an_old_apps_operation_is_read_as_a_new_one(world: &World) {
    let field = Field::new(world, Role::Liaison);
    let case = dispatched_case(world, &world.person(Role::Dispatcher), field.person.unit.as_deref().unwrap());
    let op = field.case_op("case.feedback", &json!(case), json!({"text": "已清理"}));
    assert_eq!(field.result(&based(op, json!({"ver": 2})), "applied")["ver"], 3);
    let timeline = format!("/api/v1/cases/{case}/timeline");
    let lines = world.get(&timeline).by(&field.person.token).send().expect(200);
    assert_eq!((&lines["items"][2]["command"], &lines["items"][2]["note"]), (&json!("handle"), &json!("已清理")));
}

fn time_is_corrected_and_says_how_well(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let wrong = world.now() + TimeDelta::hours(5);
    let made = |minutes: i64| {
        let mut op = field.report("x");
        op["occurred_at"] = json!(wrong - TimeDelta::minutes(minutes));
        op
    };
    let mut good = made(30);
    (good["mono_ms"], good["boot"]) = (json!(1_000_000 - 30 * 60_000), json!("b7"));
    let (aged, suspect) = (made(40), made(-60));
    let ops = [good, aged, suspect];
    let clock =
        json!({"wall": wrong, "mono_ms": 1_000_000, "boot": "b7", "offset_ms": 5 * 3_600_000, "offset_age_s": 60});
    push_in(world, &field, &json!({"clock": clock}), &ops).expect(200);
    let reviewer = world.person(Role::Dispatcher);
    for (op, confidence, minutes) in [(&ops[0], "good", 30), (&ops[1], "aged", 40), (&ops[2], "suspect", 0)] {
        let path = format!("/api/v1/sync/reviews/{}", id(&op["op_id"]));
        let sides = world.get(&path).by(&reviewer.token).send().expect(200);
        assert_eq!(sides["time_confidence"], confidence);
        assert_eq!(sides["corrected_at"], json!(world.now() - TimeDelta::minutes(minutes)), "{confidence}");
        assert_eq!(sides["occurred_at"], op["occurred_at"], "what the device said is kept");
    }
}

fn a_receipt_proves_what_it_says_and_nothing_else(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let op = field.report("我九点十二分上报");
    let result = field.result(&op, "applied");
    let path = format!("/api/v1/sync/ops/{}/receipt", id(&op["op_id"]));
    let answer = world.get(&path).by(&field.person.token).send().expect(200);
    let key: tokens::PublicJwk = read(&world.get("/api/v1/sync/receipt-key").send().expect(200));
    let receipt = id(&answer["receipt"]);
    let claims: Value = tokens::verify_receipt(&receipt, &key).unwrap();
    assert_eq!(claims, answer["claims"]);
    let sent = tokens::hex(&tokens::sha256(op.to_string().as_bytes()));
    let told = (&claims["op_id"], &claims["status"], &claims["result_seq"], &claims["sha256"]);
    assert_eq!(told, (&op["op_id"], &json!("applied"), &result["result_seq"], &json!(sent)));
    for at in [30, receipt.len() / 2, receipt.len() - 3] {
        let mut forged = receipt.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(tokens::verify_receipt::<Value>(&forged, &key).is_err(), "{at}");
    }
    // An access token is signed by the same key and is no receipt.
    assert!(tokens::verify_receipt::<Value>(&field.person.token, &key).is_err());
    world.get(&path).by(&world.person(Role::Inspector).token).send().refused(Code::NotFound);
    world.get(&path).by(&world.device_token(&field.device)).send().expect(200);
}

fn who_waits_for_changes_is_told_at_once(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let (cursor, _) = field.snapshot();
    let url = format!("http://{}", world.address);
    let token = field.person.token.clone();
    let waiting = std::thread::spawn({
        let (url, token) = (url.clone(), token.clone());
        move || {
            let path = format!("/api/v1/sync/changes?wait=20&cursor={cursor}");
            let began = std::time::Instant::now();
            let call = crate::support::http::Call::new(&url, "GET", &path);
            (call.by(&token).send().expect(200), began.elapsed())
        }
    });
    let pokes = std::thread::spawn(move || {
        let call = crate::support::http::Call::new(&url, "GET", "/api/v1/sync/events?for=3");
        String::from_utf8(call.by(&token).send().bytes).unwrap()
    });
    std::thread::sleep(Duration::from_millis(700));
    field.result(&field.report("来了"), "applied");
    let (page, waited) = waiting.join().unwrap();
    assert_eq!(page["changes"].as_array().unwrap().len(), 1);
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    let head = world.read(feed::life).head;
    let pokes = pokes.join().unwrap();
    assert!(pokes.contains(&format!("event: poke\ndata: {{\"seq\":{head}}}\n\n")), "{pokes}");
}

fn the_board_shows_how_a_device_is(world: &World) {
    let field = Field::new(world, Role::Inspector);
    let (cursor, _) = field.snapshot();
    let change = json!({
        "outbox": {"depth": 4, "oldest": world.now() - TimeDelta::hours(3), "high_seq": 4},
        "clock": {"wall": world.now() + TimeDelta::seconds(90), "mono_ms": 5, "boot": "b1"},
        "health": {"storage_persisted": false, "media_waiting": 7, "cursor": cursor,
                   "digest": {"at": world.now(), "matched": false}},
    });
    push_in(world, &field, &change, &[field.report("x")]).expect(200);
    let board = world.get("/api/v1/sync/health").by(&world.person(Role::Admin).token).send().expect(200);
    let line = board["items"].as_array().unwrap().iter().find(|l| l["device_id"] == json!(field.device.id)).unwrap();
    let expected = json!({
        "depth": 4, "oldest_at": world.now() - TimeDelta::hours(3), "clock_offset_ms": 90_000, "app": "test/1",
        "storage_persisted": false, "media_waiting": 7, "digest_matched": false, "digest_at": world.now(),
        "missing": 3, "lost": 0, "in_review": 0, "epoch": 1, "last_push_at": world.now(), "revoked_at": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(line[name], *value, "{name}");
    }
    assert!(line["behind"].as_i64().unwrap() >= 1);
}
