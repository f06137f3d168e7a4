//! Spots: what comes back finds its place, what is alike is proposed, and numbers open to their records.

use crate::support::{
    field::Field,
    http::Reply,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{
    cases::{
        self,
        actions::{Cause, Outcome},
        report::{Position as Stated, Report},
        rules::{Command, Dispatch, Note, Nothing, Verify},
    },
    catalogue::rules::ClassKind,
    db::{Tx, types::CaseId},
    error::{Code, Result},
    evidence::datum::{Datum, EARTH_RADIUS_M, Position, distance_m, from_wgs84, to_wgs84},
    identity::rules::{Actor, Role},
    spots::{
        rules::{MEMORY, radius_m},
        similar::actions::{candidates, question_of},
    },
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(
    planted_repeats_are_found_and_nothing_is_proposed_across_the_radius,
    a_problem_that_comes_back_is_tied_to_its_spot,
    what_is_not_a_recurrence_is_left_to_a_person,
    a_person_ties_and_unties_cases,
    an_observation_comes_by_sync_in_place_of_a_case,
    the_months_list_opens_to_its_records,
    a_spot_is_seen_by_the_centre_by_inspectors_and_by_its_units,
    what_is_no_spot_is_refused,
);

const HERE: (f64, f64) = (27.4404, 109.9452);

pub fn here() -> Position {
    Position::new(HERE.0, HERE.1).unwrap()
}

/// A place so many metres north and east of another.
pub fn off(from: Position, north: f64, east: f64) -> Position {
    let lat = (north / EARTH_RADIUS_M).to_degrees();
    let lon = (east / EARTH_RADIUS_M).to_degrees() / from.lat().to_radians().cos();
    Position::new(from.lat() + lat, from.lon() + lon).unwrap()
}

pub fn stated(place: Position, datum: Datum) -> Stated {
    let place = from_wgs84(place, datum);
    Stated { lat: place.lat(), lon: place.lon(), datum: datum.to_string() }
}

fn report(tx: &mut Tx, who: &Actor, (kind, class): Class, place: Stated) -> Result<CaseId> {
    let id = CaseId(tx.id());
    let report = Report {
        title: "店外经营".into(),
        class_kind: kind,
        class_code: Some(class.to_owned()),
        address: Some("人民路".into()),
        position: Some(place),
        ..Report::default()
    };
    cases::actions::case_report(tx, who, id, report, Cause { op: None, device: None, occurred_at: tx.now })?;
    Ok(id)
}

/// What a case says of its class.
pub type Class<'a> = (Option<ClassKind>, &'a str);

/// The people whose word a case needs from its report to its end.
pub struct Town<'w> {
    world: &'w World,
    dispatcher: Person,
    liaison: Person,
}

impl<'w> Town<'w> {
    pub fn new(world: &'w World) -> Town<'w> {
        Town { world, dispatcher: world.person(Role::Dispatcher), liaison: world.person(Role::Liaison) }
    }

    fn report(&self, class: &str, place: Position) -> CaseId {
        self.report_in(class, stated(place, Datum::Wgs84))
    }

    fn report_in(&self, class: &str, place: Stated) -> CaseId {
        self.report_of((None, class), place)
    }

    pub fn report_of(&self, (kind, class): Class, place: Stated) -> CaseId {
        let (who, class) = (self.dispatcher.actor(), class.to_owned());
        self.world.write(move |tx| report(tx, &who, (kind, &class), place))
    }

    fn dispatch(&self, case: CaseId) {
        let due_at = Some(self.world.now() + TimeDelta::days(3));
        let unit_id = read(&json!(self.liaison.unit));
        self.step(&self.dispatcher, case, Command::Dispatch(Dispatch { unit_id, due_at, limit: None, priority: 0 }));
    }

    pub fn close(&self, case: CaseId) {
        let note = || Note { note: "已清理".into() };
        self.dispatch(case);
        self.step(&self.liaison, case, Command::Handle(note()));
        self.step(&self.liaison, case, Command::ApplyClosing(note()));
        self.step(&self.dispatcher, case, Command::RequestVerification(Nothing {}));
        self.step(&self.dispatcher, case, Command::Verify(Verify { passed: true, note: String::new() }));
        self.step(&self.dispatcher, case, Command::NotifyClosing(Nothing {}));
        self.step(&self.dispatcher, case, Command::ConfirmClosing(Nothing {}));
    }

    fn step(&self, by: &Person, case: CaseId, command: Command) {
        let who = by.actor();
        self.world.write(move |tx| {
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            let outcome = cases::actions::case_command(tx, &who, case, &command, cause)?;
            assert!(matches!(outcome, Outcome::Applied(_)), "{command:?}: {outcome:?}");
            Ok(())
        });
    }

    /// Signs in again: a session ends long before a month.
    fn send_as(&self, person: &Person, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let token = self.world.sign_in(&person.username, None).token;
        let call = self.world.call(method, &format!("/api/v1/{path}")).by(&token);
        match body {
            Some(body) => call.json(body).send(),
            None => call.send(),
        }
    }

    pub fn get(&self, path: &str) -> Value {
        self.send_as(&self.dispatcher, "GET", path, None).expect(200)
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send_as(&self.dispatcher, method, path, Some(body))
    }

    /// Enters a spot of events.
    fn spot(&self, class: &str, place: Position) -> String {
        let body = json!({"class_kind": "event", "class_code": class, "position": stated(place, Datum::Wgs84)});
        read(&self.send("POST", "spots", &body).expect(201)["id"])
    }

    fn observe(&self, spot: &str) {
        self.send("POST", &format!("spots/{spot}/observations"), &json!({"note": "又摆出来了"})).expect(200);
    }

    pub fn spot_of(&self, case: CaseId) -> Option<Value> {
        self.get(&format!("spots?case_id={case}"))["items"].as_array().and_then(|items| items.first().cloned())
    }
}

pub fn days(n: i64) -> TimeDelta {
    TimeDelta::days(n)
}

/// Numbers of 0–1 that are the same in every run.
struct Roll(u64);

impl Roll {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).unwrap()) / f64::from(1u32 << 31)
    }

    /// What a handheld under an open sky is wrong by on one axis: σ = 4 m, so 95 % of fixes lie within 10 m.
    fn error_m(&mut self) -> f64 {
        let (u, v) = (self.next().max(1e-12), self.next());
        4.0 * (-2.0 * u.ln()).sqrt() * (v * std::f64::consts::TAU).cos()
    }

    fn datum(&mut self) -> Datum {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0–3")]
        Datum::ALL[(self.next() * 4.0) as usize % 4]
    }
}

const PROBLEMS: usize = 150;

/// A town of problems, each reported twice by people whose fixes are off, among others of the same class that lie
/// just beyond the radius.
fn planted_repeats_are_found_and_nothing_is_proposed_across_the_radius(world: &World) {
    let town = Town::new(world);
    let mut roll = Roll(2020);
    // Kind and class of each problem, then its first report, its repeat and a stranger near it.
    let mut planted = Vec::new();
    for n in 0..PROBLEMS {
        let (kind, class) =
            [(ClassKind::Component, "0405"), (ClassKind::Event, "0405"), (ClassKind::Event, "0407")][n % 3];
        let there = off(here(), roll.next() * 4_000.0, roll.next() * 4_000.0);
        let mut seen = || stated(off(there, roll.error_m(), roll.error_m()), roll.datum());
        let (first, again) = (seen(), seen());
        let beyond = f64::from(radius_m(Some(kind))) + 12.0 + roll.next() * 30.0;
        let direction = roll.next() * std::f64::consts::TAU;
        let stranger = stated(off(there, beyond * direction.cos(), beyond * direction.sin()), roll.datum());
        planted.push((kind, class, [first, again, stranger]));
    }
    let who = town.dispatcher.actor();
    let (reported, rows) = world.write(move |tx| {
        let mut reported = Vec::new();
        for (kind, class, places) in planted {
            let ids = places.clone().map(|place| report(tx, &who, (Some(kind), class), place));
            let [first, again, stranger] = ids;
            reported.push((kind, class, [first?, again?, stranger?], places));
        }
        let rows = tx.now;
        Ok((reported, rows))
    });
    let place = |stated: &Stated| {
        to_wgs84(Position::new(stated.lat, stated.lon).unwrap(), stated.datum.parse::<Datum>().unwrap())
    };
    let all: Vec<(ClassKind, &str, CaseId, Position)> = reported
        .iter()
        .flat_map(|(kind, class, ids, places)| {
            ids.iter().zip(places).map(|(id, stated)| (*kind, *class, *id, place(stated)))
        })
        .collect();
    let asked: Vec<(ClassKind, CaseId)> = all.iter().map(|(kind, _, id, _)| (*kind, *id)).collect();
    let answers = world.read(move |db| {
        let one = |(kind, id): (ClassKind, CaseId)| {
            let question = question_of(db, id, None)?;
            assert_eq!(question.class_kind, Some(kind));
            Ok(candidates(db, &question, 50, rows)?.0)
        };
        asked.into_iter().map(one).collect::<Result<Vec<_>>>()
    });
    let mut found = [0, 0];
    for ((kind, class, id, here), candidates) in all.iter().zip(&answers) {
        let radius = f64::from(radius_m(Some(*kind)));
        // Every pair, without index or box.
        let mut expected: Vec<CaseId> = all
            .iter()
            .filter(|(of, other, case, there)| {
                (of, other) == (kind, class) && case != id && distance_m(*here, *there) <= radius
            })
            .map(|(_, _, case, _)| *case)
            .collect();
        let mut told: Vec<CaseId> = candidates.iter().map(|candidate| candidate.case.id).collect();
        expected.sort();
        told.sort();
        assert_eq!(told, expected, "{class} {here:?}");
        assert!(candidates.iter().all(|candidate| candidate.distance_m <= radius));
        assert!(candidates.is_sorted_by(|a, b| a.score >= b.score));
        let [first, again, _] = reported.iter().find(|(_, _, ids, _)| ids.contains(id)).unwrap().2;
        found[usize::from(*kind == ClassKind::Event)] += usize::from(*id == again && told.contains(&first));
    }
    let [components, events] = found;
    eprintln!(
        "found {components} of {} planted repeats of components, {events} of {} of events",
        PROBLEMS / 3,
        PROBLEMS / 3 * 2
    );
    assert!((components + events) * 100 >= PROBLEMS * 95, "{found:?} of {PROBLEMS}");
    assert_eq!(town.get("spots")["items"], json!([]), "nothing is merged but by a person");
    // The same over HTTP, with the picture's place still empty.
    let (_, _, [first, again, _], _) = &reported[1];
    let told = town.get(&format!("spots/candidates?case_id={again}&limit=1"));
    let case = &told["cases"][0];
    assert_eq!((&case["id"], &case["photo"], &case["spot_id"]), (&json!(first), &Value::Null, &Value::Null), "{told}");
    assert!(case["distance_m"].as_f64().unwrap() <= 50.0 && case["age_days"] == 0, "{told}");
    assert!(case["score"].as_i64().is_some_and(|score| (30..=100).contains(&score)), "{told}");
}

fn a_problem_that_comes_back_is_tied_to_its_spot(world: &World) {
    let town = Town::new(world);
    let first = town.report("0405", here());
    world.wait(days(1));
    town.close(first);
    assert_eq!(town.spot_of(first), None, "once is no spot");
    world.wait(days(5));
    // Six metres away, in the coordinates of 高德: half a kilometre off when they are taken for the chip's.
    let second = town.report_in("0405", stated(off(here(), 0.0, 6.0), Datum::Gcj02));
    let spot = town.spot_of(second).expect("it came back");
    assert_eq!(town.spot_of(first).unwrap()["id"], spot["id"]);
    let counts = |spot: &Value| ["case_count", "observation_count", "recurrence_count"].map(|name| spot[name].clone());
    assert_eq!(counts(&spot), [json!(2), json!(0), json!(1)], "{spot}");
    assert_eq!(
        (&spot["state"], &spot["class_code"], &spot["address"]),
        (&json!("open"), &json!("0405"), &json!("人民路"))
    );
    assert!(distance_m(here(), Position::new(read(&spot["lat"]), read(&spot["lon"])).unwrap()) < 0.01, "{spot}");
    let timeline = town.get(&format!("spots/{}/timeline", read::<String>(&spot["id"])));
    let told: Vec<Value> = timeline["items"].as_array().unwrap().iter().map(|line| line["command"].clone()).collect();
    assert_eq!(told, [json!("create"), json!("attach"), json!("recur")]);
    let line = &timeline["items"][2];
    assert_eq!((&line["actor_id"], &line["case_id"]), (&Value::Null, &json!(second)));
    assert_eq!(line["since_closing_s"], json!(days(5).num_seconds()));
    // While it is open, the next one is a person's to judge.
    world.wait(days(1));
    let third = town.report("0405", here());
    assert_eq!(town.spot_of(third), None);
    // The spot's own case is solved, the other beside it is not: nothing has come back.
    town.close(second);
    world.wait(days(1));
    let fourth = town.report("0405", here());
    assert_eq!(town.spot_of(fourth), None);
    world.wait(days(1));
    town.close(third);
    town.close(fourth);
    world.wait(days(39));
    let fifth = town.report("0405", off(here(), 7.0, -7.0));
    let spot = town.spot_of(fifth).expect("solved for 41 days");
    assert_eq!(counts(&spot), [json!(3), json!(0), json!(2)], "{spot}");
    // Two at the same moment: one has come back, the other is of the same problem.
    world.wait(days(1));
    town.close(fifth);
    world.wait(days(2));
    let who = town.dispatcher.actor();
    let [sixth, seventh] = world.write(move |tx| {
        let mut one = || report(tx, &who, (None, "0405"), stated(here(), Datum::Cgcs2000));
        Ok([one()?, one()?])
    });
    let tied = [sixth, seventh].map(|case| town.spot_of(case).is_some());
    assert!(tied[0] != tied[1], "{tied:?}");
}

fn what_is_not_a_recurrence_is_left_to_a_person(world: &World) {
    let town = Town::new(world);
    let radius = f64::from(radius_m(None));
    let first = town.report("0405", here());
    let invalid = town.report("0406", here());
    let reason = chengguan::cases::rules::VoidReason::Invalid;
    let void = Command::Void(chengguan::cases::rules::VoidArgs { reason, note: String::new() });
    town.step(&town.dispatcher, invalid, void);
    world.wait(days(1));
    town.close(first);
    world.wait(days(1));
    let strangers =
        [town.report("0409", here()), town.report("0405", off(here(), radius + 0.5, 0.0)), town.report("0406", here())];
    for case in strangers {
        assert_eq!(town.spot_of(case), None);
    }
    world.wait(MEMORY);
    let late = town.report("0405", off(here(), -2.0, 0.0));
    assert_eq!(town.spot_of(late), None, "a new problem after 91 days");
    // Nobody is tied by a correction of a case that was there before.
    assert_eq!(town.get("spots")["items"], json!([]));
}

fn a_person_ties_and_unties_cases(world: &World) {
    let town = Town::new(world);
    let spot = town.spot("0405", here());
    let [near, far, other] = [
        town.report("0405", off(here(), 40.0, 0.0)),
        town.report("0405", off(here(), 60.0, 0.0)),
        town.report("0406", here()),
    ];
    let attach =
        |spot: &str, case: CaseId| town.send("POST", &format!("spots/{spot}/attach"), &json!({"case_id": case}));
    let tied = attach(&spot, near).expect(200);
    assert_eq!((&tied["case_count"], &tied["ver"], &tied["radius_m"]), (&json!(1), &json!(2), &json!(50)));
    let told = attach(&spot, far).refused(Code::ValueInvalid);
    assert!(told.to_string().contains("60 m from the spot, which reaches 50 m"), "{told}");
    attach(&spot, other).refused(Code::ValueInvalid);
    attach(&spot, CaseId(world.app.env.id())).refused(Code::NotFound);
    attach(&spot, near).refused(Code::AlreadyExists);
    attach(&town.spot("0405", off(here(), 30.0, 0.0)), near).refused(Code::AlreadyExists);
    // The spot shows among what is alike, and with the case that belongs to it.
    let told = town.get(&format!("spots/candidates?class_kind=event&class_code=0405&lat={}&lon={}", HERE.0, HERE.1));
    assert_eq!(told["spots"][0]["spot"]["id"], json!(spot), "{told}");
    assert_eq!((&told["cases"][0]["id"], &told["cases"][0]["spot_id"]), (&json!(near), &json!(spot)));
    let path = |what: &str| format!("spots/{spot}/{what}");
    let why = json!({"cause": "unclear_ownership", "note": "两家单位都说不归自己"});
    let caused = town.send("PUT", &path("cause"), &why).expect(200);
    assert_eq!((&caused["cause"], &caused["cause_by"]), (&json!("unclear_ownership"), &json!(town.dispatcher.id)));
    town.send("POST", &path("close"), &json!({"reason": "已划线"})).refused(Code::StageForbids);
    let detach = json!({"case_id": near, "reason": "不是同一家店"});
    let untied = town.send("POST", &path("detach"), &detach).expect(200);
    assert_eq!((&untied["case_count"], &untied["state"]), (&json!(0), &json!("open")));
    town.send("POST", &path("detach"), &detach).refused(Code::NotFound);
    let closed = town.send("POST", &path("close"), &json!({"reason": "已划线"})).expect(200);
    assert_eq!((&closed["state"], closed["closed_at"].is_string()), (&json!("closed"), true));
    town.send("POST", &path("close"), &json!({"reason": "再销"})).refused(Code::AlreadyDone);
    let lines = town.get(&path("timeline?limit=4"));
    let words: Vec<(String, Option<String>)> =
        lines["items"].as_array().unwrap().iter().map(|l| (read(&l["command"]), read(&l["note"]))).collect();
    let expected = [
        ("create", None),
        ("attach", None),
        ("set_cause", Some("unclear_ownership: 两家单位都说不归自己")),
        ("detach", Some("不是同一家店")),
    ];
    assert_eq!(words, expected.map(|(command, note)| (command.to_owned(), note.map(str::to_owned))));
    assert_eq!(town.get(&path(&format!("timeline?cursor={}", lines["next"])))["items"][0]["command"], json!("close"));
    assert_eq!(lines["items"][1]["actor_name"], json!("张伟"));
    // A new case ties again, and opens it again.
    world.wait(days(3));
    assert_eq!(attach(&spot, near).expect(200)["state"], json!("open"));
    let again = town.spot_of(near).unwrap();
    assert_eq!((&again["recurrence_count"], &again["closed_at"]), (&json!(0), &Value::Null), "it was there before");
}

fn an_observation_comes_by_sync_in_place_of_a_case(world: &World) {
    let town = Town::new(world);
    let spot = town.spot("0405", here());
    let case = town.report("0405", here());
    town.send("POST", &format!("spots/{spot}/attach"), &json!({"case_id": case})).expect(200);
    let field = Field::new(world, Role::Inspector);
    let of_kind = |items: &[Value]| -> Vec<Value> {
        items.iter().filter(|item| item["kind"] == "spot").map(|item| item["data"].clone()).collect()
    };
    let (cursor, items) = field.snapshot();
    let carried = of_kind(&items);
    assert_eq!((carried.len(), &carried[0]["id"], &carried[0]["observation_count"]), (1, &json!(spot), &json!(0)));
    let cases_before = town.get("cases")["items"].clone();
    let mut op = field.op("spot.observe", "spot", spot.parse().unwrap(), json!({"note": "又摆出来了"}));
    let stand = from_wgs84(off(here(), 20.0, 0.0), Datum::Gcj02);
    op["gps"] = json!({"lat": stand.lat(), "lon": stand.lon(), "datum": "gcj02", "accuracy_m": 8.0});
    let sha256 = "ab".repeat(32);
    op["evidence"] = json!([{"sha256": sha256, "size": 5, "mime": "image/jpeg", "role": "scene", "need": "none"}]);
    let result = field.result(&op, "applied");
    assert_eq!(result["ver"], json!(3));
    assert_eq!(field.result(&op, "applied")["duplicate"], json!(true));
    let (_, changes) = field.changes(&cursor, 100);
    let told = of_kind(&changes);
    assert_eq!((told.len(), &told[0]["observation_count"], &told[0]["ver"]), (1, &json!(1), &json!(3)));
    assert_eq!(town.get("cases")["items"], cases_before, "no case is made or changed");
    let line = town.get(&format!("spots/{spot}/timeline?cursor=2"))["items"][0].clone();
    assert_eq!((&line["command"], &line["op_id"]), (&json!("observe"), &op["op_id"]));
    let there = Position::new(read(&line["lat"]), read(&line["lon"])).unwrap();
    assert!((distance_m(here(), there) - 20.0).abs() < 0.1, "{line}");
    // The photo shows the spot, and the case that is open there.
    let linked = |kind: &'static str, id: String| {
        world.read(move |db| Ok(chengguan::evidence::actions::evidence_of(db, kind, &id)?.len()))
    };
    assert_eq!((linked("spot", spot.clone()), linked("case", case.to_string())), (1, 1));
    // What is elsewhere is no observation of it, nor is what nobody knows.
    let refused =
        |op: &Value, code: Code| assert_eq!(field.result(op, "rejected")["code"], json!(code.as_str()), "{op}");
    let mut far = field.op("spot.observe", "spot", spot.parse().unwrap(), json!({}));
    far["gps"] = json!({"lat": HERE.0 + 0.001, "lon": HERE.1, "datum": "wgs84", "accuracy_m": 30.0});
    refused(&far, Code::ValueInvalid);
    refused(&field.op("spot.observe", "spot", world.app.env.id(), json!({})), Code::NotFound);
    refused(&field.op("spot.observe", "spot", spot.parse().unwrap(), json!({"colour": 1})), Code::ArgsInvalid);
    refused(&field.op("spot.observe", "case", spot.parse().unwrap(), json!({})), Code::ArgsInvalid);
    let officer = Field::new(world, Role::Officer);
    assert!(of_kind(&officer.snapshot().1).is_empty());
    let op = officer.op("spot.observe", "spot", spot.parse().unwrap(), json!({}));
    assert_eq!(officer.result(&op, "rejected")["code"], json!(Code::RoleForbidden.as_str()));
    // What was seen before the spot was closed does not open it again; what is seen after does, and has come back.
    town.close(case);
    let before = field.op("spot.observe", "spot", spot.parse().unwrap(), json!({}));
    world.wait(TimeDelta::minutes(5));
    town.send("POST", &format!("spots/{spot}/close"), &json!({"reason": "已清理"})).expect(200);
    let state =
        || (town.spot_of(case).unwrap()["state"].clone(), town.spot_of(case).unwrap()["recurrence_count"].clone());
    field.result(&before, "applied");
    assert_eq!(state().0, json!("closed"));
    world.wait(TimeDelta::minutes(5));
    field.result(&field.op("spot.observe", "spot", spot.parse().unwrap(), json!({})), "applied");
    assert_eq!(state().0, json!("open"));
    assert!(state().1.as_i64() >= Some(1));
}

fn the_months_list_opens_to_its_records(world: &World) {
    let town = Town::new(world);
    // On a day of the month from which everything below lies in the same 90 days.
    let (busy, calm, quiet) = (town.spot("0405", here()), town.spot("0406", here()), town.spot("0409", here()));
    let tie = |spot: &str, case: CaseId| {
        town.send("POST", &format!("spots/{spot}/attach"), &json!({"case_id": case})).expect(200);
    };
    let [a, b, c] = ["0405", "0406", "0409"].map(|class| town.report(class, here()));
    tie(&busy, a);
    tie(&calm, b);
    tie(&quiet, c);
    world.wait(days(2));
    town.observe(&busy);
    world.wait(days(2));
    town.observe(&busy);
    town.observe(&calm);
    world.wait(days(1));
    town.close(a);
    town.close(b);
    town.close(c);
    // Back after three days, and for twelve hours.
    world.wait(days(3));
    let back = town.report("0405", here());
    assert_eq!(town.spot_of(back).unwrap()["id"], json!(busy));
    world.wait(TimeDelta::hours(12));
    town.close(back);
    town.send("PUT", &format!("spots/{busy}/cause"), &json!({"cause": "repeat_offender"})).expect(200);
    let top = town.get("spots/top");
    let told: Vec<(u64, String, String, u64)> = top["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (read(&item["rank"]), read(&item["spot"]["id"]), read(&item["index"]["text"]), read(&item["records"]))
        })
        .collect();
    // Three days and one until it was solved, and half a day of its return; one day of the other; one report is none.
    assert_eq!(told, [(1, busy.clone(), "4.50".into(), 4), (2, calm.clone(), "1.00".into(), 2)], "{top}");
    assert_eq!(top["items"][0]["spot"]["cause"], json!("repeat_offender"));
    assert!(top["rule"].as_str().is_some_and(|rule| rule.contains("蘑菇指数")));
    let page = town.get("spots/top?limit=1");
    let next: String = read(&page["next"]);
    let second = town.get(&format!("spots/top?limit=1&cursor={next}"));
    assert_eq!((&second["items"][0]["rank"], &second["items"][0]["spot"]["id"]), (&json!(2), &json!(calm)));
    assert_eq!(town.get(&format!("spots/top?cursor={}", read::<String>(&second["next"])))["items"], json!([]));
    // The number opens to its records, and they add up to it.
    let path = format!("spots/{busy}/records");
    let records = town.get(&path);
    assert_eq!(records["index"], top["items"][0]["index"]);
    let items = records["items"].as_array().unwrap();
    let sum: i64 = items.iter().map(|item| read::<i64>(&item["index"]["hundredths"])).sum();
    assert_eq!((items.len(), sum), (4, 450));
    let kinds: Vec<String> = items.iter().map(|item| read(&item["kind"])).collect();
    assert_eq!(kinds, ["case", "observation", "observation", "case"]);
    assert_eq!((&items[0]["id"], &items[3]["id"]), (&json!(a), &json!(back)));
    assert_eq!((&items[0]["weight_percent"], &items[1]["weight_percent"]), (&json!(0), &json!(100)));
    assert_eq!((&items[3]["since_closing_s"], &items[3]["open_s"]), (&json!(days(3).num_seconds()), &json!(43_200)));
    let first = town.get(&format!("{path}?limit=3"));
    let rest = town.get(&format!("{path}?limit=3&cursor={}", read::<String>(&first["next"])));
    assert_eq!((&rest["items"][0]["id"], &rest["index"]), (&json!(back), &records["index"]));
    // 90 days on nothing of it counts, and what was counted then can still be asked.
    let month: String = read(&top["month"]);
    world.wait(MEMORY + days(31));
    assert_eq!(town.get("spots/top")["items"], json!([]));
    assert_eq!(town.get(&format!("spots/top?month={month}"))["items"][0]["spot"]["id"], json!(busy));
    for wrong in ["month=2026-Q4", "month=2026", "month=2999-01", "month=2026-13", "cursor=x", "limit=0"] {
        let refused = town.send_as(&town.dispatcher, "GET", &format!("spots/top?{wrong}"), None);
        refused.refused(Code::ParameterInvalid);
    }
}

fn a_spot_is_seen_by_the_centre_by_inspectors_and_by_its_units(world: &World) {
    let town = Town::new(world);
    let spot = town.spot("0405", here());
    let case = town.report("0405", here());
    town.send("POST", &format!("spots/{spot}/attach"), &json!({"case_id": case})).expect(200);
    let seen = |person: &Person| {
        let listed = town.send_as(person, "GET", "spots", None).expect(200)["items"].as_array().map_or(0, Vec::len);
        let one = ["", "/timeline", "/records"]
            .map(|what| town.send_as(person, "GET", &format!("spots/{spot}{what}"), None).status);
        (listed, one)
    };
    let (shown, hidden) = ((1, [200; 3]), (0, [404; 3]));
    assert_eq!(seen(&town.liaison), hidden, "the case is nobody's yet");
    town.dispatch(case);
    for person in [&town.liaison, &town.dispatcher, &world.person(Role::Inspector), &world.person(Role::Supervisor)] {
        assert_eq!(seen(person), shown, "{:?}", person.role);
    }
    for person in [world.person(Role::Liaison), world.person(Role::Officer), world.person(Role::SpotChecker)] {
        assert_eq!(seen(&person), hidden, "{:?}", person.role);
    }
    // The list of a unit is of its own spots.
    let stranger = world.person(Role::Liaison);
    world.wait(days(1));
    town.observe(&spot);
    world.wait(days(1));
    let top =
        |person: &Person| town.send_as(person, "GET", "spots/top", None).expect(200)["items"].as_array().map(Vec::len);
    assert_eq!((top(&town.liaison), top(&stranger)), (Some(1), Some(0)));
}

fn what_is_no_spot_is_refused(world: &World) {
    let town = Town::new(world);
    let good = json!({"class_kind": "event", "class_code": "0405", "position": stated(here(), Datum::Bd09)});
    let spot = town.send("POST", "spots", &good).expect(201);
    assert!((spot["lat"].as_f64().unwrap() - HERE.0).abs() < 1e-6, "{spot}");
    let component = json!({"class_kind": "component", "class_code": "0101", "position": stated(here(), Datum::Wgs84)});
    assert_eq!(town.send("POST", "spots", &component).expect(201)["radius_m"], json!(15));
    for (field, value, code) in [
        ("radius_m", json!(4), Code::ValueInvalid),
        ("radius_m", json!(101), Code::ValueInvalid),
        ("class_code", json!("04"), Code::ValueInvalid),
        ("class_kind", json!("thing"), Code::BodyInvalid),
        ("address", json!(""), Code::ValueInvalid),
        ("position", json!({"lat": 97.0, "lon": 110.0, "datum": "wgs84"}), Code::ValueInvalid),
        ("position", json!({"lat": 27.0, "lon": 110.0, "datum": "mars"}), Code::ValueInvalid),
        ("colour", json!(1), Code::BodyInvalid),
    ] {
        let mut body = good.clone();
        body[field] = value;
        town.send("POST", "spots", &body).refused(code);
    }
    for query in [
        "",
        "class_code=0405",
        "class_code=0405&lat=27",
        "class_code=0405&lat=97&lon=110",
        "class_code=0405&lat=27&lon=110&datum=mars",
    ] {
        let asked = town.send_as(&town.dispatcher, "GET", &format!("spots/candidates?{query}"), None);
        asked.refused(Code::ParameterInvalid);
    }
    let bare = json!({"title": "井盖破损"});
    let case: String = read(&town.send("POST", "cases", &bare).expect(201)["id"]);
    let asked = town.send_as(&town.dispatcher, "GET", &format!("spots/candidates?case_id={case}"), None);
    asked.refused(Code::ValueInvalid);
    let empty = town.get("spots/candidates?class_code=0405&lat=-33.9&lon=18.4");
    assert_eq!((&empty["cases"], &empty["spots"]), (&json!([]), &json!([])));
}
