//! The working calendar over HTTP and on the command line, and the vectors that other clients run.

use crate::support::{
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{Person, World, read},
};
use chengguan::{
    calendar::{
        national,
        rules::{Calendar, Due, Interval, Limit, LimitKind, Pause, Slot, SlotTable, SpecialDay, usual},
    },
    error::Code,
    identity::rules::Role,
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

on_both_engines!(
    a_deadline_is_told_with_every_stretch_on_the_way,
    a_years_list_takes_the_place_of_the_one_before_and_moves_later_deadlines,
    slots_hold_from_their_first_day_on_and_can_be_taken_back,
    a_published_list_is_imported_from_the_command_line,
    what_is_no_calendar_is_refused_and_changes_nothing,
);

fn due(world: &World, by: &Person, start: &str, kind: &str, value: f64) -> Value {
    let question = json!({"start": start, "limit": {"kind": kind, "value": value}});
    world.post("/api/v1/calendar/due").by(&by.token).json(&question).send().expect(200)
}

fn put(world: &World, path: &str, body: &Value) -> crate::support::http::Reply {
    world.call("PUT", &format!("/api/v1/calendar/{path}")).by(&world.admin().token).json(body).send()
}

fn a_deadline_is_told_with_every_stretch_on_the_way(world: &World) {
    let person = world.person(Role::Inspector);
    let answer = due(world, &person, "2026-09-30T17:00:00+08:00", "work_hour", 4.0);
    assert_eq!((&answer["at"], &answer["beyond_calendar"]), (&json!("2026-10-08T03:00:00Z"), &json!(false)));
    let why: Vec<&str> = answer["intervals"].as_array().unwrap().iter().map(|i| i["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["counted", "off_hours", "holiday", "off_hours", "counted"]);
    assert_eq!(answer["intervals"][2]["name"], json!("国庆节"));
    assert_eq!(due(world, &person, "2026-12-31T17:00:00+08:00", "work_day", 1.0)["beyond_calendar"], json!(true));
    for (wrong, code) in [
        (json!({"start": "2026-09-30T17:00:00Z", "limit": {"kind": "week", "value": 1}}), Code::BodyInvalid),
        (json!({"start": "2026-09-30T17:00:00Z", "limit": {"kind": "work_day", "value": 0}}), Code::BodyInvalid),
        (json!({"start": "0001-01-01T00:00:00Z", "limit": {"kind": "work_day", "value": 1}}), Code::ParameterInvalid),
        (
            json!({"start": "2026-09-30T17:00:00Z", "limit": {"kind": "work_day", "value": 1},
                "pauses": [{"from": "2026-10-02T00:00:00Z", "until": "2026-10-01T00:00:00Z"}]}),
            Code::ValueInvalid,
        ),
    ] {
        world.post("/api/v1/calendar/due").by(&person.token).json(&wrong).send().refused(code);
    }
}

fn a_years_list_takes_the_place_of_the_one_before_and_moves_later_deadlines(world: &World) {
    let person = world.person(Role::Liaison);
    let new_year = "2026-12-31T17:00:00+08:00";
    assert_eq!(due(world, &person, new_year, "work_hour", 2.0)["at"], json!("2027-01-01T01:00:00Z"));
    let list = |days: Value| json!({"source": "国办发明电〔2026〕1号", "days": days});
    let day = |day: &str, kind: &str| json!({"day": day, "kind": kind, "name": "元旦"});
    // New Year's list begins in the old year.
    let days = json!([day("2026-12-31", "holiday"), day("2027-01-01", "holiday"), day("2027-01-02", "workday")]);
    let known = put(world, "years/2027", &list(days)).expect(200);
    assert_eq!((&known["known_years"], &known["imports"][0]["year"]), (&json!([2026, 2027]), &json!(2027)));
    let moved = due(world, &person, new_year, "work_hour", 2.0);
    assert_eq!((&moved["at"], &moved["beyond_calendar"]), (&json!("2027-01-02T02:00:00Z"), &json!(false)));
    put(world, "years/2027", &list(json!([day("2027-01-01", "holiday")]))).expect(200);
    assert_eq!(due(world, &person, new_year, "work_hour", 2.0)["at"], json!("2027-01-04T01:00:00Z"));
    // A list of 2026 holds instead of the one that came with the program.
    put(world, "years/2026", &list(json!([day("2026-01-01", "holiday")]))).expect(200);
    let national = due(world, &person, "2026-09-30T17:00:00+08:00", "work_hour", 4.0);
    assert_eq!(national["at"], json!("2026-10-01T03:00:00Z"));
}

fn slots_hold_from_their_first_day_on_and_can_be_taken_back(world: &World) {
    let person = world.person(Role::Officer);
    let at = |day: &str| due(world, &person, &format!("{day}T11:30:00+08:00"), "work_hour", 1.0)["at"].clone();
    let summer = json!({"from_day": "2026-06-01", "slots": [
        {"from_min": 480, "until_min": 720}, {"from_min": 900, "until_min": 1080}]});
    put(world, "slots", &summer).expect(200);
    assert_eq!((at("2026-05-29"), at("2026-06-01")), (json!("2026-05-29T06:30:00Z"), json!("2026-06-01T07:30:00Z")));
    let path = "/api/v1/calendar/slots/2026-06-01";
    world.call("DELETE", path).by(&world.admin().token).send().expect_status(204);
    assert_eq!(at("2026-06-01"), json!("2026-06-01T06:30:00Z"));
    world.call("DELETE", path).by(&world.admin().token).send().refused(Code::NotFound);
}

fn a_published_list_is_imported_from_the_command_line(world: &World) {
    let folder = Folder::new("calendar");
    let import = |list: &str| {
        fs::write(folder.path().join("2027.json"), list).unwrap();
        let mut command = chengguan(folder.path());
        command.args(["calendar", "import", "2027.json", "--database-url", &world.app.config.database_url]);
        let output = command.output().unwrap();
        let told = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let list =
        r#"{"$schema":"x","year":2027,"papers":["y"],"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true}]}"#;
    assert_eq!(import(list), (true, "2027: 1 special days\n".to_owned()));
    let known = world.get("/api/v1/calendar").by(&world.admin().token).send().expect(200);
    assert_eq!((&known["known_years"], &known["imports"][0]["source"]), (&json!([2026, 2027]), &json!("2027.json")));
    let (good, told) = import(r#"{"year":2027,"papers":[],"days":[]}"#);
    assert!(!good && told.contains("not published yet"), "{told}");
}

fn what_is_no_calendar_is_refused_and_changes_nothing(world: &World) {
    let before = world.get("/api/v1/calendar").by(&world.admin().token).send().expect(200);
    let day = |day: &str| json!({"day": day, "kind": "holiday", "name": "节"});
    for (path, body) in [
        ("years/2027", json!({"source": "", "days": [day("2027-01-01")]})),
        ("years/2027", json!({"source": "x", "days": []})),
        ("years/2027", json!({"source": "x", "days": [day("2028-01-01")]})),
        ("years/2027", json!({"source": "x", "days": [day("2027-01-01"), day("2027-01-01")]})),
        ("years/1900", json!({"source": "x", "days": [day("1900-01-01")]})),
        ("slots", json!({"from_day": "2026-06-01", "slots": []})),
        ("slots", json!({"from_day": "2026-06-01", "slots": [{"from_min": 600, "until_min": 500}]})),
    ] {
        put(world, path, &body).refused(Code::ValueInvalid);
    }
    put(world, "years/2027", &json!({"source": "x", "days": [day("2027-02-30")]})).refused(Code::BodyInvalid);
    put(world, "years/2027", &json!({"source": "x", "days": [day("2027-01-01")]})).expect(200);
    put(world, "years/2028", &json!({"source": "x", "days": [day("2027-01-01")]})).refused(Code::AlreadyExists);
    let after = world.get("/api/v1/calendar").by(&world.admin().token).send().expect(200);
    assert_eq!((&after["slots"], &after["known_years"]), (&before["slots"], &json!([2026, 2027])));
}

/// A case that every client must answer alike: `at` is null while a pause has no end. Some also tell the way.
#[derive(Serialize, Deserialize)]
struct Vector {
    start: DateTime<Utc>,
    limit: Limit,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pauses: Vec<Pause>,
    at: Option<DateTime<Utc>>,
    beyond_calendar: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intervals: Option<Vec<Interval>>,
}

#[derive(Serialize, Deserialize)]
struct Vectors {
    slots: Vec<SlotTable>,
    days: Vec<SpecialDay>,
    known_years: Vec<i32>,
    cases: Vec<Vector>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("api-spec/clock-vectors.json")
}

/// Starts around every border that there is: slots, nights, weekends, holidays, make-up days, pauses.
fn fresh() -> Vectors {
    let summer = SlotTable {
        from_day: NaiveDate::from_ymd_opt(2026, 6, 1).unwrap(),
        slots: vec![Slot { from_min: 480, until_min: 720 }, Slot { from_min: 900, until_min: 1080 }],
    };
    let winter = SlotTable { from_day: NaiveDate::from_ymd_opt(2026, 10, 1).unwrap(), ..usual() };
    let (slots, days, known_years) = (vec![usual(), summer, winter], national::days_2026(), vec![2026]);
    let calendar = Calendar::new(slots.clone(), days.clone(), &known_years);
    let mut cases = Vec::new();
    let at = |text: &str| read::<DateTime<Utc>>(&json!(format!("{text}:00+08:00")));
    let limits = [
        (LimitKind::UrgentHour, 2.0),
        (LimitKind::NaturalDay, 1.0),
        (LimitKind::WorkHour, 0.1),
        (LimitKind::WorkHour, 4.0),
        (LimitKind::WorkDay, 1.0),
        (LimitKind::WorkDay, 5.0),
    ];
    let starts = [
        "2026-01-01T00:00",
        "2026-02-13T17:59",
        "2026-02-14T08:00",
        "2026-04-03T16:30",
        "2026-05-09T12:00",
        "2026-05-29T17:30",
        "2026-06-05T13:59",
        "2026-06-18T18:00",
        "2026-09-19T10:00",
        "2026-09-20T23:59",
        "2026-09-24T17:00",
        "2026-09-30T17:00",
        "2026-10-10T11:59",
        "2026-11-20T17:30",
        "2026-11-21T03:00",
        "2026-11-23T07:59",
        "2026-11-23T12:00",
        "2026-11-23T14:00",
        "2026-12-31T17:00",
    ];
    for start in starts.map(at) {
        for (kind, value) in limits {
            let limit = Limit::new(kind, value).unwrap();
            let pause = |from_h: i64, hours: Option<i64>| {
                let from = start + TimeDelta::hours(from_h);
                Pause { from, until: hours.map(|hours| from + TimeDelta::hours(hours)) }
            };
            let sets = [vec![], vec![pause(-1, Some(3)), pause(1, Some(30))], vec![pause(20, None)]];
            for pauses in sets {
                let Due { at, beyond_calendar, intervals } = calendar.due(start, limit, &pauses);
                let intervals = (cases.len() % 7 == 0).then_some(intervals);
                cases.push(Vector { start, limit, pauses, at, beyond_calendar, intervals });
            }
        }
    }
    Vectors { slots, days, known_years, cases }
}

#[test]
fn deadlines_are_those_of_the_vectors() {
    if std::env::var_os("UPDATE").is_some() {
        // A line a case, so that a change can be read.
        let Vectors { slots, days, known_years, cases } = fresh();
        let line = |value: Value| value.to_string();
        let lines = |values: Vec<Value>| values.into_iter().map(line).collect::<Vec<_>>().join(",\n    ");
        let list = |values: Value| lines(values.as_array().cloned().unwrap_or_default());
        let (slots, days, cases) = (list(json!(slots)), list(json!(days)), list(json!(cases)));
        let text = format!(
            "{{\n  \"slots\": [\n    {slots}\n  ],\n  \"days\": [\n    {days}\n  ],\n  \"known_years\": {},\n  \
             \"cases\": [\n    {cases}\n  ]\n}}\n",
            json!(known_years)
        );
        fs::write(path(), text).unwrap();
    }
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let calendar = Calendar::new(vectors.slots, vectors.days, &vectors.known_years);
    assert!(vectors.cases.len() >= 200);
    for case in vectors.cases {
        let due = calendar.due(case.start, case.limit, &case.pauses);
        let what = format!("{} {:?} {:?}", case.start, case.limit, case.pauses);
        assert_eq!((due.at, due.beyond_calendar), (case.at, case.beyond_calendar), "{what}");
        assert!(case.intervals.is_none_or(|intervals| intervals == due.intervals), "{what}");
    }
}
