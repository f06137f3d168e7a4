//! The workbench: queues, search, claims, many cases at once, urging, appeals, templates and views.

use crate::support::{
    http::Reply,
    on_both_engines,
    world::{Person, World, block_on, read},
};
use chengguan::{cases::rules::COMMANDS, db::types::CaseId, error::Code, identity::rules::Role, sync, workbench};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_engines!(
    each_queue_counts_and_lists_what_waits,
    a_liaison_sees_the_queues_of_the_own_unit,
    cases_are_found_by_chinese_words,
    words_that_were_corrected_are_found_and_the_old_ones_are_not,
    cases_of_a_time_before_the_search_are_found,
    lists_are_narrowed_by_class_time_and_order,
    a_claim_is_told_and_ends_with_the_next_step,
    many_cases_are_dispatched_and_one_refusal_leaves_the_others,
    a_limit_is_taken_from_the_catalogue,
    the_clock_urges_once_at_each_mark_of_each_deadline,
    what_is_on_hold_or_done_is_not_urged,
    a_person_urges_and_the_timeline_tells,
    what_a_unit_is_likely_to_miss_today_is_told_from_its_own_past,
    an_appeal_exempts_and_leaves_the_fact,
    templates_are_kept_by_the_centre,
    views_are_the_owners_and_shared_at_the_centre,
);

struct Desk<'w> {
    world: &'w World,
    dispatcher: Person,
    liaison: Person,
}

fn desk(world: &World) -> Desk<'_> {
    Desk { world, dispatcher: world.person(Role::Dispatcher), liaison: world.person(Role::Liaison) }
}

impl Desk<'_> {
    fn report(&self, body: &Value) -> String {
        read(&self.world.post("/api/v1/cases").by(&self.dispatcher.token).json(body).send().expect(201)["id"])
    }

    fn send(&self, by: &Person, case: &str, command: &str, args: Value) -> Reply {
        let body = json!({"type": command, "args": args});
        self.world.post(&format!("/api/v1/cases/{case}/commands")).by(&by.token).json(&body).send()
    }

    fn dispatched(&self, body: &Value, hours: i64) -> String {
        let case = self.report(body);
        let args = json!({"unit_id": self.liaison.unit, "limit": {"kind": "urgent_hour", "value": hours}});
        self.send(&self.dispatcher, &case, "dispatch", args).expect(200);
        case
    }

    fn get(&self, by: &Person, path: &str) -> Value {
        self.world.get(&format!("/api/v1/{path}")).by(&by.token).send().expect(200)
    }

    fn listed(&self, query: &str) -> Vec<String> {
        let page = self.get(&self.dispatcher, &format!("cases?{query}"));
        page["items"].as_array().unwrap().iter().map(|case| read(&case["id"])).collect()
    }

    fn count(&self, by: &Person, queue: &str) -> i64 {
        let queues = self.get(by, "workbench/queues");
        let found = queues["items"].as_array().unwrap().iter().find(|q| q["queue"] == queue);
        read(&found.unwrap_or_else(|| panic!("{queue}: {queues}"))["cases"])
    }

    fn urgings(&self, case: &str) -> Vec<String> {
        let page = self.get(&self.liaison, &format!("workbench/urgings?case_id={case}"));
        page["items"].as_array().unwrap().iter().map(|urging| read(&urging["kind"])).collect()
    }

    /// Lets time pass and the clock work; tokens are new afterwards.
    fn later(self, time: TimeDelta) -> Self {
        self.world.wait(time);
        block_on(workbench::sweep::round(&self.world.app.db, &self.world.app.env)).unwrap();
        let dispatcher = self.world.sign_in(&self.dispatcher.username, None);
        Desk { liaison: self.world.sign_in(&self.liaison.username, None), dispatcher, ..self }
    }

    /// From the unit's hand to the end of the loop.
    fn close(&self, case: &str) -> Value {
        self.send(&self.liaison, case, "handle", json!({"note": "已清理"})).expect(200);
        self.send(&self.liaison, case, "apply_closing", json!({"note": "已清理"})).expect(200);
        self.send(&self.dispatcher, case, "request_verification", json!({})).expect(200);
        self.send(&self.dispatcher, case, "verify", json!({"passed": true})).expect(200);
        self.send(&self.dispatcher, case, "notify_closing", json!({})).expect(200);
        self.send(&self.dispatcher, case, "confirm_closing", json!({})).expect(200)
    }
}

fn plain() -> Value {
    json!({"title": "店外经营"})
}

fn each_queue_counts_and_lists_what_waits(world: &World) {
    let desk = desk(world);
    let in_queue = |case: &str, queue: &str| {
        let listed = desk.listed(&format!("queue={queue}&order=oldest&limit=200")).iter().any(|id| id == case);
        let counted = desk.count(&desk.dispatcher, queue);
        assert!(!listed || counted > 0, "{queue}");
        listed
    };
    let case = desk.report(&plain());
    assert!(in_queue(&case, "accept") && !in_queue(&case, "handle"));
    let args = json!({"unit_id": desk.liaison.unit, "limit": {"kind": "urgent_hour", "value": 4}});
    desk.send(&desk.dispatcher, &case, "dispatch", args.clone()).expect(200);
    assert!(in_queue(&case, "handle") && !in_queue(&case, "accept"));
    desk.send(&desk.liaison, &case, "return", json!({"reason": "不属于本单位"})).expect(200);
    assert!(in_queue(&case, "redispatch"));
    desk.send(&desk.dispatcher, &case, "dispatch", args).expect(200);
    let until = world.now() + TimeDelta::days(2);
    desk.send(&desk.liaison, &case, "request_extension", json!({"until": until, "reason": "等待配件"})).expect(200);
    assert!(in_queue(&case, "extension"));
    desk.send(&desk.dispatcher, &case, "decide_extension", json!({"granted": false})).expect(200);
    desk.send(&desk.liaison, &case, "request_hold", json!({"reason": "等待停水"})).expect(200);
    assert!(in_queue(&case, "hold_request") && !in_queue(&case, "extension"));
    desk.send(&desk.dispatcher, &case, "decide_hold", json!({"granted": true})).expect(200);
    assert!(in_queue(&case, "held") && !in_queue(&case, "handle") && !in_queue(&case, "hold_request"));
    let desk = desk.later(TimeDelta::hours(6));
    let in_queue =
        |case: &str, queue: &str| desk.listed(&format!("queue={queue}&limit=200")).iter().any(|id| id == case);
    assert!(!in_queue(&case, "overdue"), "its clock stands still");
    desk.send(&desk.dispatcher, &case, "resume", json!({})).expect(200);
    let desk = desk.later(TimeDelta::hours(6));
    let in_queue =
        |case: &str, queue: &str| desk.listed(&format!("queue={queue}&limit=200")).iter().any(|id| id == case);
    assert!(in_queue(&case, "overdue") && in_queue(&case, "handle"));
    desk.send(&desk.liaison, &case, "handle", json!({"note": "修好"})).expect(200);
    desk.send(&desk.liaison, &case, "apply_closing", json!({"note": "修好"})).expect(200);
    assert!(in_queue(&case, "audit"));
    desk.send(&desk.dispatcher, &case, "refuse_closing", json!({"reason": "没有照片"})).expect(200);
    assert!(in_queue(&case, "rework"));
    let closed = desk.close(&case);
    assert_eq!((&closed["state"], &closed["timely"]), (&json!("closed"), &json!(false)));
    for queue in ["accept", "handle", "rework", "overdue", "audit", "verify", "confirm", "held"] {
        assert!(!in_queue(&case, queue), "{queue}");
    }
    world.get("/api/v1/cases?queue=lunch").by(&desk.dispatcher.token).send().refused(Code::ParameterInvalid);
}

fn a_liaison_sees_the_queues_of_the_own_unit(world: &World) {
    let (desk, other) = (desk(world), world.person(Role::Liaison));
    let before = desk.count(&desk.dispatcher, "handle");
    desk.dispatched(&plain(), 4);
    assert_eq!((desk.count(&desk.liaison, "handle"), desk.count(&other, "handle")), (1, 0));
    assert_eq!(desk.count(&desk.dispatcher, "handle"), before + 1);
    assert_eq!(desk.count(&desk.liaison, "accept"), 0);
}

fn cases_are_found_by_chinese_words(world: &World) {
    let desk = desk(world);
    let mark = world.name("x").replace('-', "");
    let report =
        |title: &str, address: &str| desk.report(&json!({"title": title, "address": format!("{address}{mark}")}));
    let cover = report("井盖破损", "东大街12号");
    world.wait(TimeDelta::seconds(1));
    let shop = report("店外经营", "东大街ATM机旁");
    let found = |words: &str| desk.listed(&format!("q={}%20{mark}", urlencode(words)));
    assert_eq!(found("井盖"), [cover.as_str()]);
    assert_eq!(found("盖破"), [cover.as_str()]);
    assert_eq!(found("东大街"), [shop.as_str(), &cover], "the newest first");
    assert_eq!(found("ａｔｍ"), [shop.as_str()], "wide letters, small letters");
    assert_eq!(found("经营 东大街"), [shop.as_str()], "both");
    assert_eq!(found("大街东"), [""; 0], "its characters are there, the word is not");
    assert_eq!(found("井盖经营"), [""; 0]);
    assert_eq!(found("100%_"), [""; 0], "no pattern");
    for wrong in ["", "%20", "%EF%BC%8C", "a%00b", &"a".repeat(101)] {
        let reply = world.get(&format!("/api/v1/cases?q={wrong}")).by(&desk.dispatcher.token).send();
        reply.refused(Code::ParameterInvalid);
    }
    // Others' cases are not found by others.
    let other = world.person(Role::Liaison);
    assert_eq!(desk.get(&other, &format!("cases?q={}", urlencode("井盖")))["items"], json!([]));
}

fn urlencode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn words_that_were_corrected_are_found_and_the_old_ones_are_not(world: &World) {
    let desk = desk(world);
    let mark = world.name("y").replace('-', "");
    let case = desk.report(&json!({"title": format!("垃圾堆放{mark}")}));
    let edit = json!({"title": {"old": format!("垃圾堆放{mark}"), "new": format!("渣土堆放{mark}")}});
    desk.send(&desk.dispatcher, &case, "edit", edit).expect(200);
    let found = |words: &str| desk.listed(&format!("q={}", urlencode(&format!("{words} {mark}"))));
    assert_eq!((found("渣土"), found("垃圾")), (vec![case], vec![]));
}

fn cases_of_a_time_before_the_search_are_found(world: &World) {
    let desk = desk(world);
    let mark = world.name("z").replace('-', "");
    let case = desk.report(&json!({"title": format!("路面积水{mark}")}));
    let id: CaseId = case.parse().unwrap();
    world.write(move |tx| {
        use chengguan::db::schema::case_words;
        use diesel::prelude::*;
        if matches!(tx.db, chengguan::db::Db::Sqlite(_)) {
            use diesel::connection::SimpleConnection;
            let text = format!(
                "INSERT INTO case_grams (case_grams, rowid, grams) SELECT 'delete', n, grams FROM case_words WHERE case_id = '{id}'"
            );
            tx.db.batch_execute(&text)?;
        }
        diesel::delete(case_words::table.filter(case_words::case_id.eq(id))).execute(tx.db)?;
        Ok(())
    });
    let query = format!("q={}", urlencode(&format!("积水 {mark}")));
    assert_eq!(desk.listed(&query), [""; 0]);
    block_on(workbench::sweep::fill(&world.app.db)).unwrap();
    assert_eq!(desk.listed(&query), [case.as_str()]);
}

fn lists_are_narrowed_by_class_time_and_order(world: &World) {
    let desk = desk(world);
    let start = world.now();
    let codes = ["0110", "0111", "0210"];
    let ids: Vec<String> = codes
        .iter()
        .map(|code| {
            world.wait(TimeDelta::seconds(1));
            desk.report(&json!({"title": "店外经营", "class_code": code}))
        })
        .collect();
    world.wait(TimeDelta::seconds(1));
    let stamp = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let span = format!("from={}&until={}", stamp(start), stamp(world.now()));
    assert_eq!(desk.listed(&format!("{span}&class_code=01&order=oldest")), ids[..2]);
    assert_eq!(desk.listed(&format!("{span}&class_code=0210")), ids[2..]);
    assert_eq!(desk.listed(&format!("{span}&class_code=0%25")), [""; 0], "no pattern");
    assert_eq!(desk.listed(&format!("{span}&order=oldest&limit=2&cursor={}", ids[0])), ids[1..]);
    assert_eq!(desk.listed(&format!("from={}", stamp(world.now()))), [""; 0]);
    for wrong in ["order=best", "from=yesterday", "class_code=a%00", "mine=maybe", "from=0001-01-01T00:00:00Z"] {
        let reply = world.get(&format!("/api/v1/cases?{wrong}")).by(&desk.dispatcher.token).send();
        reply.refused(Code::ParameterInvalid);
    }
}

fn a_claim_is_told_and_ends_with_the_next_step(world: &World) {
    let (desk, other) = (desk(world), world.person(Role::Dispatcher));
    let case = desk.report(&plain());
    let claim = |by: &Person| world.put(&format!("/api/v1/cases/{case}/claim")).by(&by.token).send();
    let told = claim(&desk.dispatcher).expect(200);
    assert_eq!(told["case_id"], json!(case));
    claim(&desk.dispatcher).expect(200);
    assert_eq!(claim(&other).refused(Code::CaseClaimed)["detail"], told["name"]);
    assert_eq!(desk.listed("mine=true"), [case.as_str()]);
    let held = |by: &Person| {
        let claims = desk.get(by, "workbench/claims?limit=200");
        claims["items"].as_array().unwrap().iter().any(|claim| claim["case_id"] == json!(case))
    };
    assert!(held(&other));
    let release = |by: &Person| world.call("DELETE", &format!("/api/v1/cases/{case}/claim")).by(&by.token).send();
    release(&other).refused(Code::NotFound);
    release(&desk.dispatcher).expect_status(204);
    assert!(!held(&other));
    claim(&other).expect(200);
    // Somebody who had not heard of it goes on; nothing is lost, and the claim is over.
    let args = json!({"unit_id": desk.liaison.unit, "limit": {"kind": "urgent_hour", "value": 4}});
    desk.send(&desk.dispatcher, &case, "dispatch", args).expect(200);
    assert!(!held(&other));
    claim(&desk.dispatcher).expect(200);
    let desk = desk.later(TimeDelta::hours(3));
    let other = world.sign_in(&other.username, None);
    world.put(&format!("/api/v1/cases/{case}/claim")).by(&other.token).send().expect(200);
    desk.close(&case);
    world.put(&format!("/api/v1/cases/{case}/claim")).by(&other.token).send().refused(Code::StageForbids);
}

fn many_cases_are_dispatched_and_one_refusal_leaves_the_others(world: &World) {
    let desk = desk(world);
    let (first, second, third) = (desk.report(&plain()), desk.dispatched(&plain(), 4), desk.report(&plain()));
    let limit = json!({"kind": "work_hour", "value": 4});
    let item = |case: &str| json!({"case_id": case, "unit_id": desk.liaison.unit, "limit": limit});
    let nowhere = world.app.env.id().to_string();
    let stale = json!({"case_id": third, "unit_id": desk.liaison.unit, "limit": limit, "base_ver": 9});
    let items = json!({"items": [item(&first), item(&second), item(&nowhere), stale, item(&third)]});
    let send = |body: &Value| world.post("/api/v1/workbench/dispatch").by(&desk.dispatcher.token).json(body).send();
    let told = send(&items).expect(200);
    let codes: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    let expected = [json!(null), json!("already_done"), json!("not_found"), json!("version_stale"), json!(null)];
    assert_eq!(codes, expected.iter().collect::<Vec<_>>(), "{told}");
    assert_eq!(
        (&told["items"][0]["case"]["state"], &told["items"][0]["case"]["limit"]),
        (&json!("dispatched"), &limit)
    );
    assert_eq!(told["items"][2]["title"], json!("找不到该记录"), "{told}");
    let lines = desk.get(&desk.dispatcher, &format!("cases/{second}/timeline"));
    assert_eq!(lines["items"].as_array().unwrap().len(), 2, "of what is refused nothing stays");
    send(&json!({"items": []})).refused(Code::ValueInvalid);
    send(&json!({"items": vec![item(&first); 201]})).refused(Code::ValueInvalid);
}

fn a_limit_is_taken_from_the_catalogue(world: &World) {
    let desk = desk(world);
    let class = desk.get(&desk.dispatcher, "catalogue/classes?kind=event&limit=1")["items"][0].clone();
    let case = desk.report(&json!({"title": "店外经营", "class_code": class["code"]}));
    let item = |case: &str, number: i64| {
        let condition = json!({"kind": "event", "scheme_version": class["scheme_version"], "number": number});
        json!({"case_id": case, "unit_id": desk.liaison.unit, "condition": condition})
    };
    let send = |items: Value| {
        let body = json!({"items": items});
        world.post("/api/v1/workbench/dispatch").by(&desk.dispatcher.token).json(&body).send().expect(200)["items"]
            .clone()
    };
    let classless = desk.report(&plain());
    let told = send(json!([item(&case, 99), item(&classless, 1), item(&case, 1)]));
    assert_eq!((&told[0]["code"], &told[1]["code"]), (&json!("not_found"), &json!("value_invalid")), "{told}");
    assert_eq!(told[2]["case"]["limit"], class["conditions"][0]["limit"], "{told}");
}

fn the_clock_urges_once_at_each_mark_of_each_deadline(world: &World) {
    let (desk, other) = (desk(world), world.person(Role::Liaison));
    let case = desk.dispatched(&plain(), 10);
    let desk = desk.later(TimeDelta::hours(4));
    assert_eq!(desk.urgings(&case), [""; 0]);
    let desk = desk.later(TimeDelta::hours(2));
    assert_eq!(desk.urgings(&case), ["half"]);
    let desk = desk.later(TimeDelta::hours(1));
    assert_eq!(desk.urgings(&case), ["half"], "once");
    let desk = desk.later(TimeDelta::hours(2));
    assert_eq!(desk.urgings(&case), ["letter_draft", "half"]);
    let page = desk.get(&desk.dispatcher, &format!("workbench/urgings?kind=letter_draft&case_id={case}"));
    let letter = page["items"][0]["text"].as_str().unwrap();
    assert!(letter.contains("督办函草稿") && letter.contains("店外经营") && letter.contains("90%"), "{letter}");
    assert_eq!(page["items"][0]["urged_by"], json!(null));
    // A granted extension is another deadline.
    let until = world.now() + TimeDelta::hours(21);
    desk.send(&desk.liaison, &case, "request_extension", json!({"until": until, "reason": "下雨"})).expect(200);
    desk.send(&desk.dispatcher, &case, "decide_extension", json!({"granted": true})).expect(200);
    let desk = desk.later(TimeDelta::hours(1));
    assert_eq!(desk.urgings(&case).len(), 2);
    let desk = desk.later(TimeDelta::hours(6));
    assert_eq!(desk.urgings(&case).len(), 3);
    let other = world.sign_in(&other.username, None);
    assert_eq!(desk.get(&other, &format!("workbench/urgings?case_id={case}"))["items"], json!([]), "another unit's");
}

fn what_is_on_hold_or_done_is_not_urged(world: &World) {
    let desk = desk(world);
    let (held, applied) = (desk.dispatched(&plain(), 10), desk.dispatched(&plain(), 10));
    desk.send(&desk.liaison, &held, "request_hold", json!({"reason": "等待停水"})).expect(200);
    desk.send(&desk.dispatcher, &held, "decide_hold", json!({"granted": true})).expect(200);
    desk.send(&desk.liaison, &applied, "handle", json!({"note": "修好"})).expect(200);
    desk.send(&desk.liaison, &applied, "apply_closing", json!({"note": "修好"})).expect(200);
    let desk = desk.later(TimeDelta::hours(9));
    assert_eq!((desk.urgings(&held), desk.urgings(&applied)), (vec![], vec![]));
}

fn a_person_urges_and_the_timeline_tells(world: &World) {
    let desk = desk(world);
    let case = desk.dispatched(&plain(), 10);
    let urge = |case: &str, body: Value| {
        world.post(&format!("/api/v1/cases/{case}/urgings")).by(&desk.dispatcher.token).json(&body).send()
    };
    let said = urge(&case, json!({"text": "县长热线来电，请今天处置"})).expect(201);
    assert_eq!(said["kind"], json!("person"));
    let usual = urge(&case, json!({})).expect(201);
    assert!(usual["text"].as_str().unwrap().contains("【催办】"), "{usual}");
    assert_eq!(desk.urgings(&case), ["person", "person"]);
    let lines = desk.get(&desk.liaison, &format!("cases/{case}/timeline"));
    let notes: Vec<&str> = lines["items"].as_array().unwrap().iter().filter_map(|line| line["note"].as_str()).collect();
    assert_eq!(notes, ["县长热线来电，请今天处置", usual["text"].as_str().unwrap()]);
    urge(&case, json!({"text": " "})).refused(Code::ValueInvalid);
    urge(&desk.report(&plain()), json!({})).refused(Code::StageForbids);
}

fn what_a_unit_is_likely_to_miss_today_is_told_from_its_own_past(world: &World) {
    let mut desk = desk(world);
    let class = json!({"title": "暴露垃圾", "class_code": "0101"});
    let due = |desk: &Desk, case: &str| {
        let told = desk.get(&desk.liaison, "workbench/due-today");
        told["items"].as_array().unwrap().iter().find(|item| item["case"]["id"] == json!(case)).cloned()
    };
    // It is nine in the morning; midnight is fifteen hours away.
    let first = desk.dispatched(&class, 3);
    assert_eq!(due(&desk, &first).unwrap()["likely_late"], json!(null), "nothing is known of the unit");
    let far = desk.dispatched(&class, 100);
    assert!(due(&desk, &far).is_none());
    for _ in 0..5 {
        let case = desk.dispatched(&class, 30);
        desk = desk.later(TimeDelta::hours(1));
        desk.close(&case);
    }
    let (tight, loose) = (desk.dispatched(&class, 1), desk.dispatched(&class, 5));
    let desk = desk.later(TimeDelta::minutes(10));
    let (tight, loose) = (due(&desk, &tight).unwrap(), due(&desk, &loose).unwrap());
    assert_eq!(
        (&tight["likely_late"], &tight["basis"], &tight["past_cases"]),
        (&json!(true), &json!("class"), &json!(5))
    );
    assert_eq!(loose["likely_late"], json!(false));
    let usual: i64 = read(&tight["usual_s"]);
    assert!((3600..3700).contains(&usual), "{tight}");
}

fn an_appeal_exempts_and_leaves_the_fact(world: &World) {
    let (desk, other) = (desk(world), world.person(Role::Liaison));
    let case = desk.dispatched(&plain(), 1);
    let file = |desk: &Desk, by: &Person, reason: &str| {
        let body = json!({"reason": reason});
        desk.world.post(&format!("/api/v1/cases/{case}/appeals")).by(&by.token).json(&body).send()
    };
    file(&desk, &desk.liaison, "道路封闭").refused(Code::CaseNotLate);
    let desk = desk.later(TimeDelta::hours(2));
    let other = world.sign_in(&other.username, None);
    file(&desk, &other, "道路封闭").refused(Code::NotFound);
    file(&desk, &desk.liaison, " ").refused(Code::ValueInvalid);
    let appeal = file(&desk, &desk.liaison, "道路封闭，无法进入").expect(201);
    file(&desk, &desk.liaison, "再次申诉").refused(Code::AlreadyExists);
    assert_eq!(appeal["exempt"], json!(null));
    assert_eq!(desk.get(&desk.liaison, &format!("workbench/appeals?case_id={case}"))["items"], json!([appeal]));
    let open = |desk: &Desk, open: bool| {
        let page = desk.get(&desk.dispatcher, &format!("workbench/appeals?open={open}&limit=200"));
        page["items"].as_array().unwrap().iter().any(|item| item["id"] == appeal["id"])
    };
    assert!(open(&desk, true) && !open(&desk, false));
    let decide = |words: &str| {
        let path = format!("/api/v1/workbench/appeals/{}/decision", appeal["id"].as_str().unwrap());
        world.post(&path).by(&desk.dispatcher.token).json(&json!({"exempt": true, "words": words})).send()
    };
    decide("").refused(Code::ValueInvalid);
    assert_eq!(decide("情况属实").expect(200)["exempt"], json!(true));
    decide("情况属实").refused(Code::AlreadyDone);
    assert!(!open(&desk, true) && open(&desk, false));
    let closed = desk.close(&case);
    assert_eq!(closed["timely"], json!(false), "the fact stays");
    let lines = desk.get(&desk.liaison, &format!("cases/{case}/timeline"));
    let notes: Vec<&str> = lines["items"].as_array().unwrap().iter().filter_map(|line| line["note"].as_str()).collect();
    assert_eq!(notes[..2], ["【超期申诉】道路封闭，无法进入", "【申诉通过，超期不计入考核】情况属实"]);
}

fn templates_are_kept_by_the_centre(world: &World) {
    let desk = desk(world);
    let add = |body: Value| world.post("/api/v1/workbench/templates").by(&desk.dispatcher.token).json(&body).send();
    let title = world.name("t");
    let made = add(json!({"command": "return", "title": title, "text": "不属于本单位职责"})).expect(201);
    let known = |by: &Person| {
        let all = desk.get(by, "workbench/templates");
        all["items"].as_array().unwrap().iter().any(|item| item["id"] == made["id"])
    };
    assert!(known(&desk.liaison));
    for wrong in [
        json!({"command": "dance", "title": "x", "text": "y"}),
        json!({"command": "return", "title": "", "text": "y"}),
        json!({"command": "return", "title": "x", "text": " "}),
        json!({"command": "return", "title": "x", "text": "y", "class_code": "ab"}),
    ] {
        add(wrong).refused(Code::ValueInvalid);
    }
    let path = format!("/api/v1/workbench/templates/{}", made["id"].as_str().unwrap());
    world.call("DELETE", &path).by(&desk.dispatcher.token).send().expect_status(204);
    world.call("DELETE", &path).by(&desk.dispatcher.token).send().refused(Code::NotFound);
    assert!(!known(&desk.liaison));
}

fn views_are_the_owners_and_shared_at_the_centre(world: &World) {
    let (desk, other) = (desk(world), world.person(Role::Dispatcher));
    let save = |by: &Person, name: &str, query: &str, shared: bool| {
        let body = json!({"name": name, "query": query, "shared": shared});
        world.post("/api/v1/workbench/views").by(&by.token).json(&body).send()
    };
    let seen = |by: &Person| -> Vec<(String, String)> {
        let all = desk.get(by, "workbench/views");
        let own = all["items"].as_array().unwrap().iter().filter(|v| v["owner_id"] == json!(desk.dispatcher.id));
        own.map(|view| (read(&view["name"]), read(&view["query"]))).collect()
    };
    save(&desk.dispatcher, "今日超期", "queue=overdue", false).expect(201);
    let shared = save(&desk.dispatcher, "返工", "queue=rework", true).expect(201);
    assert_eq!(seen(&other), [("返工".to_owned(), "queue=rework".to_owned())]);
    save(&desk.dispatcher, "返工", "queue=rework&order=oldest", true).expect(201);
    assert_eq!(seen(&desk.dispatcher).len(), 2, "the same name, once");
    assert_eq!(seen(&desk.liaison), []);
    save(&desk.liaison, "我的", "queue=handle", true).refused(Code::RoleForbidden);
    save(&desk.liaison, "我的", "", false).refused(Code::ValueInvalid);
    let path = |id: &Value| format!("/api/v1/workbench/views/{}", id.as_str().unwrap());
    world.call("DELETE", &path(&shared["id"])).by(&other.token).send().refused(Code::NotFound);
    let all = desk.get(&desk.dispatcher, "workbench/views");
    let own = all["items"].as_array().unwrap().iter().find(|v| v["name"] == json!("返工")).unwrap();
    world.call("DELETE", &path(&own["id"])).by(&desk.dispatcher.token).send().expect_status(204);
    assert_eq!(seen(&other), []);
}

#[test]
fn the_words_of_commands_are_those_of_sync() {
    let commands = sync::types::known().filter_map(|(name, _)| name.strip_prefix("case."));
    // `feedback` is what an older app says for `handle`.
    let expected: BTreeSet<&str> = commands.filter(|name| !["report", "feedback"].contains(name)).collect();
    assert_eq!(COMMANDS.iter().copied().collect::<BTreeSet<_>>(), expected);
}
