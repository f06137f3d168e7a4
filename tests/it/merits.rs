//! The positive/negative list: entered by one, approved by another, open to all, counted from the records.

use crate::support::{
    http::Reply,
    on_both_engines,
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    db::types::UnitId,
    error::Code,
    identity::{rules::Role, tokens},
    merits::actions::{counted, filed},
    statistics::rules::Period,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(
    an_entry_counts_once_somebody_else_approved_it,
    every_unit_sees_every_approved_entry_and_no_other,
    an_entry_is_taken_back_and_stays_on_record,
    what_is_no_entry_is_refused,
    filed_cases_are_counted_from_the_records,
);

/// Those who enter and decide, and two units.
struct Hall<'w> {
    world: &'w World,
    dispatcher: Person,
    supervisor: Person,
    ours: Person,
    evidence: String,
}

fn hall(world: &World) -> Hall<'_> {
    let dispatcher = world.person(Role::Dispatcher);
    let evidence = tokens::hex(&tokens::sha256(b"paper"));
    Tus::new(world, &dispatcher.token).upload(b"paper", &[("sha256", &evidence)]);
    let (supervisor, ours) = (world.person(Role::Supervisor), world.person(Role::Liaison));
    Hall { world, dispatcher, supervisor, ours, evidence }
}

impl Hall<'_> {
    fn body(&self) -> Value {
        json!({
            "unit_id": self.ours.unit, "month": "2026-11", "item": "praised", "times": 2,
            "summary": "获省住建厅通报表扬", "happened_on": "2026-11-20", "source": "湘建城〔2026〕88号",
            "evidence": [self.evidence],
        })
    }

    fn post(&self, by: &Person, path: &str, body: &Value) -> Reply {
        self.world.post(&format!("/api/v1/{path}")).by(&by.token).json(body).send()
    }

    fn entered(&self) -> Value {
        // Ids of one moment have no order.
        self.world.wait(TimeDelta::milliseconds(1));
        self.post(&self.dispatcher, "merits", &self.body()).expect(201)
    }

    fn decide(&self, by: &Person, entry: &Value, approved: bool) -> Reply {
        let path = format!("merits/{}/decision", entry["id"].as_str().unwrap());
        self.post(by, &path, &json!({"approved": approved, "words": "材料属实"}))
    }

    fn withdraw(&self, by: &Person, entry: &Value) -> Reply {
        let path = format!("merits/{}/withdrawal", entry["id"].as_str().unwrap());
        self.post(by, &path, &json!({"reason": "重复登记"}))
    }

    fn listed(&self, by: &Person, query: &str) -> Vec<Value> {
        let page = self.world.get(&format!("/api/v1/merits?{query}")).by(&by.token).send().expect(200);
        page["items"].as_array().unwrap().clone()
    }

    fn counted(&self, month: &'static str) -> Vec<(String, i32)> {
        let rows = self.world.read(move |db| counted(db, month));
        rows.into_iter().map(|row| (row.item, row.times)).collect()
    }
}

fn an_entry_counts_once_somebody_else_approved_it(world: &World) {
    let hall = hall(world);
    let entry = hall.entered();
    assert_eq!((&entry["state"], &entry["evidence"]), (&json!("entered"), &json!([hall.evidence])));
    assert_eq!(hall.counted("2026-11"), []);
    hall.decide(&hall.dispatcher, &entry, true).refused(Code::RoleForbidden);
    let approved = hall.decide(&hall.supervisor, &entry, true).expect(200);
    assert_eq!((&approved["state"], &approved["decision_words"]), (&json!("approved"), &json!("材料属实")));
    assert_eq!(approved["decided_by"], json!(hall.supervisor.id));
    assert_eq!((hall.counted("2026-11"), hall.counted("2026-10")), (vec![("praised".to_owned(), 2)], vec![]));
    hall.decide(&hall.supervisor, &entry, false).refused(Code::StageForbids);
    // Who entered it does not decide, whatever the role.
    let own = hall.post(&hall.supervisor, "merits", &hall.body()).expect(201);
    hall.decide(&hall.supervisor, &own, true).refused(Code::SecondPersonRequired);
    let refused = hall.decide(world.admin(), &own, false).expect(200);
    assert_eq!(refused["state"], json!("refused"));
    assert_eq!(hall.counted("2026-11").len(), 1);
}

fn every_unit_sees_every_approved_entry_and_no_other(world: &World) {
    let hall = hall(world);
    let theirs = world.person(Role::Liaison);
    let (first, second, third) = (hall.entered(), hall.entered(), hall.entered());
    for entry in [&first, &second] {
        hall.decide(&hall.supervisor, entry, true).expect(200);
    }
    for person in [&hall.ours, &theirs] {
        let seen = hall.listed(person, "month=2026-11");
        assert_eq!((seen.len(), &seen[0]["id"], &seen[0]["evidence"]), (2, &second["id"], &json!([hall.evidence])));
        assert_eq!(hall.listed(person, "state=entered").len(), 0);
        let path = |entry: &Value| format!("/api/v1/merits/{}", entry["id"].as_str().unwrap());
        world.get(&path(&first)).by(&person.token).send().expect(200);
        world.get(&path(&third)).by(&person.token).send().refused(Code::NotFound);
    }
    assert_eq!(hall.listed(&hall.dispatcher, "").len(), 3);
    let next = hall.listed(&hall.ours, &format!("limit=1&cursor={}", second["id"].as_str().unwrap()));
    assert_eq!(next[0]["id"], first["id"]);
    let (unit, other) = (hall.ours.unit.as_deref().unwrap(), theirs.unit.as_deref().unwrap());
    for (query, count) in [
        ("item=fault".to_owned(), 0),
        ("month=2026-12".to_owned(), 0),
        (format!("unit_id={unit}"), 2),
        (format!("unit_id={other}"), 0),
    ] {
        assert_eq!(hall.listed(&theirs, &query).len(), count, "{query}");
    }
}

fn an_entry_is_taken_back_and_stays_on_record(world: &World) {
    let hall = hall(world);
    let (own, approved) = (hall.entered(), hall.entered());
    hall.decide(&hall.supervisor, &approved, true).expect(200);
    hall.withdraw(&world.person(Role::Dispatcher), &own).refused(Code::RoleForbidden);
    hall.withdraw(&hall.dispatcher, &own).expect(200);
    hall.withdraw(&hall.dispatcher, &approved).refused(Code::RoleForbidden);
    let gone = hall.withdraw(&hall.supervisor, &approved).expect(200);
    assert_eq!((&gone["state"], &gone["withdrawn_reason"]), (&json!("withdrawn"), &json!("重复登记")));
    assert_eq!((&gone["decided_by"], &gone["summary"]), (&json!(hall.supervisor.id), &approved["summary"]));
    assert_eq!((hall.counted("2026-11"), hall.listed(&hall.ours, "").len()), (vec![], 0));
    assert_eq!(hall.listed(&hall.supervisor, "state=withdrawn").len(), 2);
    hall.withdraw(&hall.supervisor, &approved).refused(Code::StageForbids);
}

fn what_is_no_entry_is_refused(world: &World) {
    let hall = hall(world);
    for (name, value, code) in [
        ("unit_id", json!("01900000-0000-7000-8000-000000000001"), Code::NotFound),
        ("evidence", json!(["ab"]), Code::NotFound),
        ("evidence", json!([]), Code::ValueInvalid),
        ("month", json!("2026-Q4"), Code::ValueInvalid),
        ("item", json!("fewer_cases"), Code::ValueInvalid),
        ("item", json!("lateness"), Code::BodyInvalid),
        ("times", json!(0), Code::ValueInvalid),
        ("happened_on", json!("2026-11-24"), Code::ValueInvalid),
        ("summary", json!(" "), Code::ValueInvalid),
    ] {
        let mut body = hall.body();
        body[name] = value.clone();
        let reply = hall.post(&hall.dispatcher, "merits", &body);
        assert_eq!(reply.code(), code.as_str(), "{name}: {value}: {reply}");
    }
    hall.post(&hall.ours, "merits", &hall.body()).refused(Code::RoleForbidden);
    assert_eq!(hall.listed(&hall.supervisor, "").len(), 0);
    world.get("/api/v1/merits?month=2026").by(&hall.ours.token).send().refused(Code::ValueInvalid);
}

fn filed_cases_are_counted_from_the_records(world: &World) {
    let hall = hall(world);
    let theirs = world.unit();
    let report = |unit: Option<&str>| {
        let case = hall.post(&hall.dispatcher, "cases", &json!({"title": "店外经营"})).expect(201);
        let path = format!("cases/{}/commands", case["id"].as_str().unwrap());
        if let Some(unit) = unit {
            let due_at = world.now() + TimeDelta::days(60);
            let dispatch = json!({"type": "dispatch", "args": {"unit_id": unit, "due_at": due_at}});
            hall.post(&hall.dispatcher, &path, &dispatch).expect(200);
        }
        path
    };
    let unit = hall.ours.unit.clone().unwrap();
    report(Some(&unit));
    report(Some(&theirs));
    report(Some(&unit));
    report(None);
    let void = report(None);
    let no_case = json!({"type": "void", "args": {"reason": "duplicate"}});
    hall.post(&hall.dispatcher, &void, &no_case).expect(200);
    // It is another unit's: it counts where it is.
    let moved = report(Some(&unit));
    hall.post(&hall.ours, &moved, &json!({"type": "return", "args": {"reason": "不属于本单位"}})).expect(200);
    let month: Period = "2026-11".parse().unwrap();
    let of = |period: Period| {
        let (from, until) = period.span();
        let mut rows = world.read(move |db| filed(db, from, until));
        rows.sort();
        rows
    };
    let mut expected: Vec<(UnitId, i64)> = vec![(read(&json!(unit)), 2), (read(&json!(theirs)), 1)];
    expected.sort();
    assert_eq!((of(month), of(month.year_before())), (expected.clone(), vec![]));
    let due_at = world.now() + TimeDelta::days(60);
    let dispatch = json!({"type": "dispatch", "args": {"unit_id": theirs, "due_at": due_at}});
    hall.post(&hall.dispatcher, &moved, &dispatch).expect(200);
    expected.iter_mut().filter(|(id, _)| *id == read(&json!(theirs))).for_each(|row| row.1 += 1);
    assert_eq!(of(month), expected);
}
