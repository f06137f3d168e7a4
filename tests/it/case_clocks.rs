//! Limits, holds and where the time of a case went.

use crate::support::{
    http::Reply,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

on_both_engines!(
    a_limit_gives_the_deadline_and_the_case_says_why,
    a_hold_stops_the_clock_and_leaves_what_was_left,
    work_on_a_case_starts_its_clock_again,
    a_hold_is_asked_for_by_the_unit_and_granted_by_the_centre,
    the_stage_that_ate_the_time_is_named,
    a_dispatch_names_a_deadline_or_a_limit,
);

struct Told<'w> {
    world: &'w World,
    dispatcher: Person,
    liaison: Person,
    case: String,
}

fn reported(world: &World) -> Told<'_> {
    let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
    let report = json!({"title": "店外经营"});
    let case = read(&world.post("/api/v1/cases").by(&dispatcher.token).json(&report).send().expect(201)["id"]);
    Told { world, dispatcher, liaison, case }
}

impl Told<'_> {
    fn send(&self, by: &Person, command: &str, args: Value) -> Reply {
        let path = format!("/api/v1/cases/{}/commands", self.case);
        self.world.post(&path).by(&by.token).json(&json!({"type": command, "args": args})).send()
    }

    fn dispatch(&self, kind: &str, value: f64) -> Value {
        let args = json!({"unit_id": self.liaison.unit, "limit": {"kind": kind, "value": value}});
        self.send(&self.dispatcher, "dispatch", args).expect(200)
    }

    fn clocks(&self) -> Value {
        self.world.get(&format!("/api/v1/cases/{}/clocks", self.case)).by(&self.liaison.token).send().expect(200)
    }

    fn case(&self) -> Value {
        self.world.get(&format!("/api/v1/cases/{}", self.case)).by(&self.dispatcher.token).send().expect(200)
    }
}

fn due(case: &Value) -> DateTime<Utc> {
    read(&case["due_at"])
}

fn a_limit_gives_the_deadline_and_the_case_says_why(world: &World) {
    let told = reported(world);
    let case = told.dispatch("urgent_hour", 2.0);
    assert_eq!(due(&case) - read::<DateTime<Utc>>(&case["dispatched_at"]), TimeDelta::hours(2));
    assert_eq!((&case["limit"], &case["on_hold"]), (&json!({"kind": "urgent_hour", "value": 2}), &json!(false)));
    world.wait(TimeDelta::minutes(10));
    let clocks = told.clocks();
    assert_eq!((&clocks["due"]["at"], &clocks["limit_s"]), (&case["due_at"], &json!(7200)));
    let used: i64 = read(&clocks["used_s"]);
    assert!((600..700).contains(&used), "{clocks}");
    // A working limit is the calendar's, which the county can look up.
    let other = reported(world);
    let case = other.dispatch("work_day", 5.0);
    let question = json!({"start": case["dispatched_at"], "limit": case["limit"]});
    let answer = world.post("/api/v1/calendar/due").by(&other.liaison.token).json(&question).send().expect(200);
    assert_eq!((&answer["at"], &answer), (&case["due_at"], &other.clocks()["due"]));
}

fn a_hold_stops_the_clock_and_leaves_what_was_left(world: &World) {
    let told = reported(world);
    let before = due(&told.dispatch("urgent_hour", 8.0));
    world.wait(TimeDelta::minutes(10));
    let asked = told.send(&told.liaison, "request_hold", json!({"reason": "需开挖，等待停水计划"})).expect(200);
    assert_eq!((&asked["hold_reason"], &asked["on_hold"]), (&json!("需开挖，等待停水计划"), &json!(false)));
    let held = told.send(&told.dispatcher, "decide_hold", json!({"granted": true})).expect(200);
    assert_eq!((&held["hold_reason"], &held["on_hold"]), (&json!(null), &json!(true)));
    assert_eq!(told.clocks()["due"]["at"], json!(null), "it has no end now");
    let (since, hours) = (world.now(), TimeDelta::hours(30));
    world.wait(hours);
    let dispatcher = world.sign_in(&told.dispatcher.username, None);
    let told = Told { liaison: world.sign_in(&told.liaison.username, None), dispatcher, ..told };
    assert_eq!(told.case()["overdue"], json!(false), "though its deadline has passed");
    told.send(&told.dispatcher, "resume", json!({"reason": "长".repeat(2001)})).refused(Code::ValueInvalid);
    let resumed = told.send(&told.dispatcher, "resume", json!({"reason": "停水计划已定"})).expect(200);
    let moved = due(&resumed) - before;
    assert!(moved >= hours && moved <= world.now() - since, "{moved}");
    let clocks = told.clocks();
    assert_eq!((&clocks["due"]["at"], &clocks["pauses"][0]["until"]), (&resumed["due_at"], &resumed["updated_at"]));
    let why: Vec<&str> =
        clocks["due"]["intervals"].as_array().unwrap().iter().map(|i| i["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["counted", "paused", "counted"]);
}

fn work_on_a_case_starts_its_clock_again(world: &World) {
    let told = reported(world);
    told.dispatch("urgent_hour", 8.0);
    told.send(&told.liaison, "request_hold", json!({"reason": "等待配件"})).expect(200);
    let before = due(&told.send(&told.dispatcher, "decide_hold", json!({"granted": true})).expect(200));
    world.wait(TimeDelta::minutes(10));
    let handled = told.send(&told.liaison, "handle", json!({"note": "配件已到，修复"})).expect(200);
    assert_eq!(handled["on_hold"], json!(false));
    assert!(due(&handled) - before >= TimeDelta::minutes(10), "{handled}");
}

fn a_hold_is_asked_for_by_the_unit_and_granted_by_the_centre(world: &World) {
    let told = reported(world);
    let reason = json!({"reason": "等待配件"});
    let before = due(&told.dispatch("work_hour", 4.0));
    told.send(&told.dispatcher, "decide_hold", json!({"granted": true})).refused(Code::HoldAbsent);
    told.send(&told.dispatcher, "resume", json!({})).refused(Code::HoldAbsent);
    told.send(&told.dispatcher, "request_hold", reason.clone()).refused(Code::RoleForbidden);
    told.send(&world.person(Role::Liaison), "request_hold", reason.clone()).refused(Code::NotFound);
    told.send(&told.liaison, "request_hold", json!({"reason": " "})).refused(Code::ValueInvalid);
    told.send(&told.liaison, "request_hold", reason.clone()).expect(200);
    told.send(&told.liaison, "request_hold", reason.clone()).refused(Code::HoldPending);
    told.send(&told.liaison, "decide_hold", json!({"granted": true})).refused(Code::RoleForbidden);
    let refused =
        told.send(&told.dispatcher, "decide_hold", json!({"granted": false, "reason": "可以先围挡"})).expect(200);
    assert_eq!((&refused["on_hold"], &refused["hold_reason"]), (&json!(false), &json!(null)));
    assert_eq!(due(&refused), before);
    told.send(&told.liaison, "request_hold", reason.clone()).expect(200);
    told.send(&told.dispatcher, "decide_hold", json!({"granted": true})).expect(200);
    told.send(&told.liaison, "request_hold", reason).refused(Code::HoldPending);
    // Who gets it next has a clock of their own.
    told.send(&told.liaison, "return", json!({"reason": "不属于本单位"})).expect(200);
    let again = told.dispatch("work_hour", 4.0);
    assert_eq!((&again["on_hold"], told.clocks()["pauses"].as_array().map(Vec::len)), (&json!(false), Some(0)));
}

fn the_stage_that_ate_the_time_is_named(world: &World) {
    let told = reported(world);
    world.wait(TimeDelta::minutes(5));
    told.dispatch("urgent_hour", 8.0);
    world.wait(TimeDelta::minutes(1));
    told.send(&told.liaison, "return", json!({"reason": "不属于本单位"})).expect(200);
    world.wait(TimeDelta::minutes(7));
    told.dispatch("urgent_hour", 8.0);
    world.wait(TimeDelta::minutes(1));
    let clocks = told.clocks();
    let stages: Vec<&str> =
        clocks["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(
        (stages.as_slice(), &clocks["ate"]),
        (["accept", "handle", "dispatch", "handle"].as_slice(), &json!("dispatch"))
    );
    let counted: i64 = read(&clocks["stages"][2]["counted_s"]);
    assert!((420..480).contains(&counted), "{clocks}");
}

fn a_dispatch_names_a_deadline_or_a_limit(world: &World) {
    let told = reported(world);
    let (unit, limit, due_at) =
        (&told.liaison.unit, json!({"kind": "work_day", "value": 1}), world.now() + TimeDelta::hours(1));
    let dispatch = |args: Value| told.send(&told.dispatcher, "dispatch", args);
    dispatch(json!({"unit_id": unit})).refused(Code::ValueInvalid);
    dispatch(json!({"unit_id": unit, "limit": limit, "due_at": due_at})).refused(Code::ValueInvalid);
    dispatch(json!({"unit_id": unit, "limit": {"kind": "work_day", "value": 0}})).refused(Code::BodyInvalid);
    dispatch(json!({"unit_id": unit, "due_at": world.now() - TimeDelta::hours(1)})).refused(Code::DueAtInvalid);
    let case = dispatch(json!({"unit_id": unit, "due_at": due_at})).expect(200);
    assert_eq!((&case["limit"], &told.clocks()["due"]), (&json!(null), &json!(null)));
}
