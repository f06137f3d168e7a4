//! The loop over HTTP: who may do what, who sees what, what the timeline keeps.

use crate::support::{
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{
    cases::{
        actions,
        store::{Only, Page, Sight},
    },
    db::types::{At, CaseId},
    error::Code,
    identity::rules::Role,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(
    the_seven_steps_close_a_case_and_leave_seven_lines_and_the_report,
    a_unit_sees_its_own_cases_and_no_other,
    a_step_taken_twice_is_refused_and_changes_nothing,
    a_stale_version_is_refused,
    a_late_case_is_marked_overdue_and_closed_late,
    pages_follow_each_other_without_gap_or_repeat,
    a_case_that_is_theirs_for_two_reasons_is_shown_once,
    a_report_must_be_sound,
    a_number_counts_within_the_local_day,
);

struct Centre {
    dispatcher: Person,
    verifier: Person,
    liaison: Person,
}

fn centre(world: &World) -> Centre {
    Centre {
        dispatcher: world.person(Role::Dispatcher),
        verifier: world.person(Role::Verifier),
        liaison: world.person(Role::Liaison),
    }
}

fn report(world: &World, by: &Person, title: &str) -> Value {
    let body = json!({"title": title, "description": "路面积水", "class_code": "010301",
        "position": {"lat": 27.44, "lon": 109.944, "datum": "gcj02"}});
    world.post("/api/v1/cases").by(&by.token).json(&body).send().expect(201)
}

fn command(world: &World, by: &Person, case: &Value, name: &str, args: &Value) -> crate::support::http::Reply {
    let path = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    world.post(&path).by(&by.token).json(&json!({"type": name, "args": args})).send()
}

fn dispatch(world: &World, c: &Centre, case: &Value) -> Value {
    let args = json!({"unit_id": c.liaison.unit, "due_at": world.now() + TimeDelta::hours(48)});
    command(world, &c.dispatcher, case, "dispatch", &args).expect(200)
}

fn the_seven_steps_close_a_case_and_leave_seven_lines_and_the_report(world: &World) {
    let c = centre(world);
    let case = report(world, &world.person(Role::Inspector), "井盖缺失");
    dispatch(world, &c, &case);
    let note = json!({"note": "已更换井盖"});
    let none = json!({});
    for (by, name, args, state) in [
        (&c.liaison, "handle", &note, "handled"),
        (&c.liaison, "apply_closing", &note, "closing_applied"),
        (&c.dispatcher, "request_verification", &none, "verifying"),
        (&c.verifier, "verify", &json!({"passed": true}), "verifying"),
        (&c.verifier, "notify_closing", &none, "verified"),
        (&c.dispatcher, "confirm_closing", &none, "closed"),
    ] {
        world.wait(TimeDelta::minutes(1));
        let after = command(world, by, &case, name, args).expect(200);
        assert_eq!(after["state"], state, "{name}");
    }
    let path = format!("/api/v1/cases/{}", read::<String>(&case["id"]));
    let closed = world.get(&path).by(&world.sign_in(&c.dispatcher.username, None).token).send().expect(200);
    assert_eq!((&closed["timely"], &closed["ver"]), (&json!(true), &json!(8)));
    let fresh = world.sign_in(&c.liaison.username, None);
    let timeline = world.get(&format!("{path}/timeline")).by(&fresh.token).send().expect(200);
    let lines: Vec<&str> =
        timeline["items"].as_array().unwrap().iter().map(|l| l["command"].as_str().unwrap()).collect();
    let steps = ["report", "dispatch", "handle", "apply_closing", "request_verification", "verify", "notify_closing"];
    assert_eq!(lines, [&steps[..], &["confirm_closing"]].concat());
    assert_eq!(timeline["items"][2]["note"], "已更换井盖");
    assert_eq!(timeline["items"][2]["actor_name"], "张伟");
}

fn a_unit_sees_its_own_cases_and_no_other(world: &World) {
    let c = centre(world);
    let case = report(world, &c.dispatcher, "占道经营");
    let path = format!("/api/v1/cases/{}", read::<String>(&case["id"]));
    let seen = |person: &Person| world.get(&path).by(&person.token).send().status;
    assert_eq!(seen(&c.liaison), 404, "not dispatched yet");
    dispatch(world, &c, &case);
    assert_eq!(seen(&c.liaison), 200);
    let stranger = world.person(Role::Liaison);
    assert_eq!(seen(&stranger), 404);
    command(world, &stranger, &case, "handle", &json!({"note": "x"})).refused(Code::NotFound);
    let listed = |person: &Person| {
        let page = world.get("/api/v1/cases").by(&person.token).send().expect(200);
        page["items"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((listed(&c.liaison), listed(&stranger), listed(&c.verifier)), (1, 0, 1));
}

fn a_step_taken_twice_is_refused_and_changes_nothing(world: &World) {
    let c = centre(world);
    let case = report(world, &c.dispatcher, "垃圾堆积");
    dispatch(world, &c, &case);
    let note = json!({"note": "已清运"});
    let handled = command(world, &c.liaison, &case, "handle", &note).expect(200);
    command(world, &c.liaison, &case, "handle", &note).refused(Code::AlreadyDone);
    command(world, &c.liaison, &case, "return", &json!({"reason": "不是我们的"})).refused(Code::StageForbids);
    command(world, &c.liaison, &case, "confirm_closing", &json!({})).refused(Code::RoleForbidden);
    let path = format!("/api/v1/cases/{}", read::<String>(&case["id"]));
    let now = world.get(&path).by(&c.liaison.token).send().expect(200);
    assert_eq!(now, handled);
}

fn a_stale_version_is_refused(world: &World) {
    let c = centre(world);
    let case = report(world, &c.dispatcher, "路灯不亮");
    dispatch(world, &c, &case);
    let path = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    let send = |ver: i64| {
        let body = json!({"type": "handle", "args": {"note": "已修"}, "base_ver": ver});
        world.post(&path).by(&c.liaison.token).json(&body).send()
    };
    send(1).refused(Code::VersionStale);
    assert_eq!(send(2).expect(200)["ver"], 3);
}

fn a_late_case_is_marked_overdue_and_closed_late(world: &World) {
    let c = centre(world);
    let case = report(world, &c.dispatcher, "噪音扰民");
    assert_eq!(dispatch(world, &c, &case)["overdue"], false);
    world.wait(TimeDelta::hours(49));
    let dispatcher = world.sign_in(&c.dispatcher.username, None);
    let liaison = world.sign_in(&c.liaison.username, None);
    let path = format!("/api/v1/cases/{}", read::<String>(&case["id"]));
    assert_eq!(world.get(&path).by(&liaison.token).send().expect(200)["overdue"], true);
    let (note, none) = (json!({"note": "已处理"}), json!({}));
    for (by, name, args) in [
        (&liaison, "handle", &note),
        (&liaison, "apply_closing", &note),
        (&dispatcher, "request_verification", &none),
        (&dispatcher, "verify", &json!({"passed": true})),
        (&dispatcher, "notify_closing", &none),
    ] {
        command(world, by, &case, name, args).expect(200);
    }
    let closed = command(world, &dispatcher, &case, "confirm_closing", &none).expect(200);
    assert_eq!((&closed["timely"], &closed["overdue"]), (&json!(false), &json!(false)));
}

fn pages_follow_each_other_without_gap_or_repeat(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    let mut expected: Vec<String> =
        (0..7).map(|n| read(&report(world, &dispatcher, &format!("案件{n}"))["id"])).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let (mut seen, mut cursor) = (Vec::<String>::new(), String::new());
    loop {
        let page = world.get(&format!("/api/v1/cases?limit=3{cursor}")).by(&dispatcher.token).send().expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|case| read::<String>(&case["id"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let none = world.get("/api/v1/cases?state=closed").by(&dispatcher.token).send().expect(200);
    assert_eq!(none["items"], json!([]));
    world.get("/api/v1/cases?state=flying").by(&dispatcher.token).send().refused(Code::ParameterInvalid);
    world.get("/api/v1/cases?limit=0").by(&dispatcher.token).send().refused(Code::ParameterInvalid);
}

fn a_case_that_is_theirs_for_two_reasons_is_shown_once(world: &World) {
    let c = centre(world);
    let (own, other) = (world.person(Role::Inspector), world.person(Role::Inspector));
    let mut theirs: Vec<CaseId> = Vec::new();
    // By turns: reported and dispatched to the unit, reported, dispatched, neither.
    for n in 0..12 {
        let case = report(world, if n % 4 < 2 { &own } else { &other }, &format!("第{n}件"));
        if n % 2 == 0 {
            dispatch(world, &c, &case);
        }
        theirs.extend((n % 4 < 3).then(|| read::<CaseId>(&case["id"])));
        world.wait(TimeDelta::seconds(1));
    }
    let sight = Sight::UnitOr(Some(read(&json!(c.liaison.unit))), own.id);
    for limit in [1, 2, 5, 100] {
        let (mut rising, mut falling) = (Vec::new(), Vec::new());
        loop {
            let (sight, after) = (sight.clone(), rising.last().copied());
            let page = world.read(move |db| actions::case_after(db, &sight, after, limit));
            rising.extend(page.iter().map(|row| row.id));
            if page.len() < limit as usize {
                break;
            }
        }
        assert_eq!(rising, theirs, "{limit}");
        loop {
            let after = falling.last().copied();
            let (only, now) = (Only::default(), At(world.now()));
            let page = Page { sight: sight.clone(), only, oldest_first: false, after, limit, now };
            let page = world.read(move |db| actions::case_page(db, &page));
            falling.extend(page.iter().map(|row| row.id));
            if page.len() < limit as usize {
                break;
            }
        }
        falling.reverse();
        assert_eq!(falling, theirs, "{limit}");
    }
}

fn a_report_must_be_sound(world: &World) {
    let inspector = world.person(Role::Inspector);
    let refused = |body: Value, code: Code| {
        world.post("/api/v1/cases").by(&inspector.token).json(&body).send().refused(code);
    };
    refused(json!({"title": "  "}), Code::ValueInvalid);
    refused(json!({"title": "x".repeat(81)}), Code::ValueInvalid);
    refused(json!({"title": "x", "class_code": "12a4"}), Code::ValueInvalid);
    refused(json!({"title": "x", "colour": "red"}), Code::BodyInvalid);
    refused(json!({"title": "x", "position": {"lat": 95.0, "lon": 0.0, "datum": "wgs84"}}), Code::ValueInvalid);
    refused(json!({"title": "x", "position": {"lat": 5.0, "lon": 0.0, "datum": "moon"}}), Code::ValueInvalid);
    refused(json!({"title": "a\u{0}b"}), Code::NulCharacter);
    let id = world.app.env.id();
    let body = json!({"id": id, "title": "真的"});
    world.post("/api/v1/cases").by(&inspector.token).json(&body).send().expect(201);
    refused(body, Code::AlreadyExists);
    world
        .post("/api/v1/cases")
        .by(&world.person(Role::Supervisor).token)
        .json(&json!({"title": "x"}))
        .send()
        .refused(Code::RoleForbidden);
}

fn a_number_counts_within_the_local_day(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    let number = |world: &World, by: &Person| read::<String>(&report(world, by, "案件")["number"]);
    assert_eq!(number(world, &dispatcher), "431221202611230001");
    assert_eq!(number(world, &dispatcher), "431221202611230002");
    // 01:00 UTC is 09:00 in the county: 15 hours on, it is the next day there and still the same in London.
    world.wait(TimeDelta::hours(15));
    let dispatcher = world.sign_in(&dispatcher.username, None);
    assert_eq!(number(world, &dispatcher), "431221202611240001");
}
