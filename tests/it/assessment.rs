//! A month of the assessment from its records to its publication, and what the judged may see of it.

use crate::{
    statistics::{Loop, until},
    support::{
        field::Field,
        http::Reply,
        on_both_engines,
        process::chengguan,
        scene::a_photo,
        scratch::Folder,
        tus::Tus,
        world::{Person, World, read},
    },
};
use chengguan::{
    assessment::rules::RuleSet,
    db::types::CaseId,
    error::Code,
    identity::rules::{DeviceKind, Role},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::fs;

on_both_engines!(
    a_month_is_run_opened_objected_to_published_and_replayed,
    a_liaison_opens_every_record_behind_every_score_and_nothing_else,
    rules_are_data_that_somebody_else_approves,
    a_month_goes_its_way_in_order_only,
    an_answered_letter_is_graded_before_the_month_is_opened,
    a_quarter_is_the_mean_of_its_published_months,
);

pub fn at(text: &str) -> DateTime<Utc> {
    read(&json!(text))
}

/// The people of a month: tokens last a quarter of an hour, months do not.
pub struct Office<'w> {
    world: &'w World,
    names: Vec<(Role, String)>,
}

impl<'w> Office<'w> {
    pub fn new(world: &'w World) -> Office<'w> {
        Office { world, names: Vec::new() }
    }

    fn add(&mut self, role: Role) -> Person {
        let person = self.world.person(role);
        self.names.push((role, person.username.clone()));
        person
    }

    /// The nth person of a role, signed in anew.
    pub fn person(&self, role: Role, n: usize) -> Person {
        let name = self.names.iter().filter(|(own, _)| *own == role).nth(n).expect("somebody of this role");
        self.world.sign_in(&name.1, None)
    }

    pub fn get(&self, by: &Person, path: &str) -> Reply {
        self.world.get(&format!("/api/v1/assessment{path}")).by(&by.token).send()
    }

    pub fn post(&self, by: &Person, path: &str, body: &Value) -> Reply {
        self.world.post(&format!("/api/v1/assessment{path}")).by(&by.token).json(body).send()
    }

    pub fn step(&self, by: &Person, path: &str) -> Reply {
        self.world.post(&format!("/api/v1/assessment/months/2026-11{path}")).by(&by.token).send()
    }

    pub fn lines(&self, by: &Person, unit: &str) -> Vec<Value> {
        let path = format!("/months/2026-11/lines?unit_id={unit}&limit=200");
        read(&self.get(by, &path).expect(200)["items"])
    }
}

pub fn score<'a>(month: &'a Value, unit: &str) -> &'a Value {
    let units = month["units"].as_array().unwrap();
    units.iter().find(|one| one["unit_id"] == unit).expect("each unit has a total")
}

/// Two units' November: one has a timely case, one late and one unsolved; the other a timely one and a bad visit.
pub fn november(world: &World) -> (Office<'_>, Person, Person, Vec<CaseId>) {
    let mut office = Office::new(world);
    let (dispatcher, liaison, other) =
        (office.add(Role::Dispatcher), office.add(Role::Liaison), office.add(Role::Liaison));
    let others =
        [Role::Dispatcher, Role::Supervisor, Role::Supervisor, Role::Inspector, Role::Officer, Role::SpotChecker];
    for role in others {
        office.add(role);
    }
    let (own, foreign) = (Loop::of(world, &dispatcher, &liaison), Loop::of(world, &dispatcher, &other));
    let late = own.dispatch(world, vec![at("2026-11-24T10:00:00+08:00")]);
    let cases = own.dispatch(world, vec![at("2026-11-28T10:00:00+08:00"), at("2026-11-29T10:00:00+08:00")]);
    let theirs = foreign.dispatch(world, vec![at("2026-11-28T12:00:00+08:00")]);
    let site = world.call("PUT", "/api/v1/sites").by(&world.admin().token);
    let place = json!({"unit_id": other.unit, "kind": "toilet", "name": "人民路公厕"});
    let site = site.json(&place).send().expect(200);
    let field = Field::new(world, Role::SpotChecker);
    let items = json!([{"code": "8.1", "text": "地面有积水", "deduction": 20_000}]);
    let args = json!({"site_id": site["id"], "week": "2026-W48", "items": items});
    field.result(&field.op("spot_check.record", "spot_check", world.app.env.id(), args), "applied");
    until(world, at("2026-11-25T10:00:00+08:00"));
    own.step(world, &late, own.to_the_end());
    own.step(world, &cases[..1], own.to_the_end());
    foreign.step(world, &theirs, foreign.to_the_end());
    let all = [late, cases, theirs].concat();
    (office, liaison, other, all)
}

pub fn opened(office: &Office) -> Value {
    until(office.world, at("2026-12-01T09:00:00+08:00"));
    let dispatcher = office.person(Role::Dispatcher, 0);
    office.step(&dispatcher, "/run").expect(200);
    office.step(&dispatcher, "/open").expect(200)
}

fn a_month_is_run_opened_objected_to_published_and_replayed(world: &World) {
    let (office, liaison, other, _) = november(world);
    let (unit, foreign) = (liaison.unit.clone().unwrap(), other.unit.clone().unwrap());
    let month = opened(&office);
    assert_eq!((&month["phase"], &month["rules_version"]), (&json!("open"), &json!(0)));
    // One timely, one late at 55 %, one unsolved: 1.55 ÷ 3 of 60; nobody looked, nothing was urged.
    let own = score(&month, &unit);
    assert_eq!((&own["digital_cases"], &own["total"]), (&json!(31_000), &json!(71_000)));
    assert_eq!((&own["rank"], &own["cases"], &own["checks"]), (&json!(2), &json!(3), &json!(0)));
    let theirs = score(&month, &foreign);
    assert_eq!((&theirs["digital_cases"], &theirs["spot_checks"]), (&json!(60_000), &json!(16_000)));
    assert_eq!((&theirs["rank"], &theirs["checks"]), (&json!(1), &json!(1)));

    let liaison = office.person(Role::Liaison, 0);
    let lines = office.lines(&liaison, &unit);
    let sum: i64 = lines.iter().map(|line| line["delta"].as_i64().unwrap()).sum();
    assert_eq!(sum, 71_000);
    let late = lines.iter().find(|line| line["item"] == "late").unwrap();
    let object = |by: &Person, line: &Value| {
        let path = format!("/months/2026-11/lines/{}/objection", line["n"]);
        office.post(by, &path, &json!({"reason": "停电，非本单位原因"}))
    };
    object(&office.person(Role::Liaison, 1), late).refused(Code::UnitForeign);
    let objection = object(&liaison, late).expect(201);
    object(&liaison, late).refused(Code::AlreadyExists);
    let path = format!("/objections/{}/steps", read::<String>(&objection["id"]));
    let find = |by: &Person, verdict: &str, delta: i64| {
        office.post(by, &path, &json!({"verdict": verdict, "delta": delta, "words": "供电公司证明属实"}))
    };
    let (first, second) = (office.person(Role::Dispatcher, 0), office.person(Role::Dispatcher, 1));
    let last = office.person(Role::Supervisor, 0);
    find(&last, "upheld", 9_000).refused(Code::RoleForbidden);
    find(&first, "upheld", 0).refused(Code::ValueInvalid);
    find(&first, "dismissed", 0).expect(200);
    find(&first, "upheld", 9_000).refused(Code::SecondPersonRequired);
    find(&second, "upheld", 9_000).expect(200);
    let decided = find(&last, "upheld", 9_000).expect(200);
    assert_eq!((&decided["verdict"], decided["steps"].as_array().unwrap().len()), (&json!("upheld"), 3));
    find(&last, "upheld", 9_000).refused(Code::AlreadyDone);
    let after = office.lines(&liaison, &unit);
    assert_eq!(after[..lines.len()], lines[..], "what was there stays");
    let counter = after.last().unwrap();
    assert_eq!((&counter["counters"], &counter["delta"]), (&late["n"], &json!(9_000)));

    office.step(&last, "/publish").refused(Code::MonthForbids);
    until(world, at("2026-12-09T09:00:00+08:00"));
    let last = office.person(Role::Supervisor, 0);
    let published = office.step(&last, "/publish").expect(200);
    assert_eq!((&published["phase"], &score(&published, &unit)["total"]), (&json!("published"), &json!(80_000)));
    let liaison = office.person(Role::Liaison, 0);
    printed(&office, &liaison, published["pack_sha256"].as_str().unwrap());
    let pack = office.get(&liaison, "/months/2026-11/pack");
    pack.expect_status(200);
    replayed(world, &pack.bytes, &read::<String>(&published["pack_sha256"]));
    let entries = world.get("/api/v1/log/entries").by(&last.token).send().expect(200);
    assert!(entries.to_string().contains(published["pack_sha256"].as_str().unwrap()), "{entries}");
    office.step(&office.person(Role::Dispatcher, 0), "/run").refused(Code::MonthForbids);
    object(&liaison, &after[0]).refused(Code::MonthForbids);
}

/// The bulletin in each format: it carries the pack's hash, and is the same file each time.
fn printed(office: &Office, by: &Person, sha256: &str) {
    let page = office.get(by, "/months/2026-11/bulletin");
    let text = String::from_utf8(page.bytes).unwrap();
    for words in ["2026年11月城市管理工作考核情况通报", "80.000", "供电公司证明属实", sha256] {
        assert!(text.contains(words), "{words} in {text}");
    }
    for (format, first) in [("xlsx", b"PK\x03\x04"), ("docx", b"PK\x03\x04"), ("pdf", b"%PDF")] {
        let path = format!("/months/2026-11/bulletin?format={format}");
        let file = office.get(by, &path);
        file.expect_status(200);
        assert!(file.bytes.starts_with(first), "{format}");
        assert_eq!(file.bytes, office.get(by, &path).bytes, "{format}: the same file each time");
    }
    office.get(by, "/months/2026-11/bulletin?format=wps").refused(Code::ParameterInvalid);
}

/// Recomputes a pack as the judged would, with nothing but the file; and once more with one digit changed.
fn replayed(world: &World, pack: &[u8], sha256: &str) {
    let folder = Folder::new("replay");
    let replay = |pack: &[u8]| {
        fs::write(folder.path().join("pack.json"), pack).unwrap();
        let output = chengguan(folder.path()).args(["replay", "pack.json", "--sha256", sha256]).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let (equal, told) = replay(pack);
    assert!(equal && told.contains("✓ 一致"), "{told}");
    let changed = String::from_utf8(pack.to_vec()).unwrap().replace("\"delta\":9000", "\"delta\":9001");
    let (equal, told) = replay(changed.as_bytes());
    assert!(!equal && told.contains("不一致"), "{told}");
    let (equal, told) = replay(b"{}");
    assert!(!equal && told.contains("pack"), "{told} on {:?}", world.engine);
}

fn a_liaison_opens_every_record_behind_every_score_and_nothing_else(world: &World) {
    let camera = world.device(DeviceKind::Camera);
    let (office, _, other, cases) = november(world);
    let foreign = other.unit.clone().unwrap();
    let tus = Tus::new(world, &world.device_token(&camera));
    let case = cases.last().unwrap().to_string();
    let photo = a_photo();
    let upload = |bytes: &[u8], pairs: &[(&str, &str)]| {
        let place = tus.upload(bytes, pairs);
        place.rsplit('/').next().unwrap().to_owned()
    };
    let shown = upload(&photo, &[("case_id", &case), ("role", "after")]);
    let hidden = upload(b"something else", &[]);
    let unjudged = cases[2].to_string();
    opened(&office);
    let (liaison, path) = (office.person(Role::Liaison, 0), |n: &Value| format!("/months/2026-11/lines/{n}"));
    let lines = office.lines(&liaison, &foreign);
    let of = |item: &str| lines.iter().find(|line| line["item"] == item).unwrap_or_else(|| panic!("{lines:#?}"));
    let record = office.get(&liaison, &format!("{}/record", path(&of("timely")["n"]))).expect(200);
    assert_eq!((&record["kind"], &record["unit_id"]), (&json!("case"), &json!(foreign)));
    assert_eq!(record["files"][0]["id"], json!(shown));
    assert!(record["steps"].as_array().unwrap().len() > 5 && !record.to_string().contains("actor"), "{record}");
    let visit = office.get(&liaison, &format!("{}/record", path(&of("check")["n"]))).expect(200);
    assert_eq!((&visit["site"], &visit["score"]), (&json!("人民路公厕"), &json!(80_000)));
    // What follows from counts alone opens to nothing.
    office.get(&liaison, &format!("{}/record", path(&of("none")["n"]))).refused(Code::NotFound);

    let file = |line: &Value, id: &str| office.get(&liaison, &format!("{}/evidence/{id}", path(&line["n"])));
    assert_eq!(file(of("timely"), &shown).bytes, photo);
    file(of("timely"), &format!("{shown}?edge=160")).expect_status(200);
    file(of("check"), &shown).refused(Code::NotFound);
    file(of("timely"), &hidden).refused(Code::NotFound);
    let supervisor = office.person(Role::Supervisor, 0);
    let custody = world.get(&format!("/api/v1/evidence/{shown}/custody")).by(&supervisor.token).send().expect(200);
    assert!(custody.to_string().contains("seen"), "a look at what judged somebody is on record: {custody}");
    // The same records elsewhere are still the other unit's.
    let outside = |path: String| world.get(&path).by(&liaison.token).send();
    outside(format!("/api/v1/cases/{case}")).refused(Code::NotFound);
    outside(format!("/api/v1/cases/{case}/timeline")).refused(Code::NotFound);
    outside(format!("/api/v1/evidence/{shown}/content")).refused(Code::NotFound);
    outside(format!("/api/v1/cases/{unjudged}")).expect_status(200);
    for role in [Role::Inspector, Role::Officer, Role::SpotChecker] {
        office.get(&office.person(role, 0), "/months/2026-11").refused(Code::RoleForbidden);
    }
}

fn rules_are_data_that_somebody_else_approves(world: &World) {
    let (office, liaison, _, _) = november(world);
    let unit = liaison.unit.clone().unwrap();
    let mut rules = serde_json::to_value(RuleSet::county()).unwrap();
    rules["digital_cases"]["late_percent"] = json!(70);
    let draft = |by: &Person, rules: &Value, from: &str| {
        office.post(by, "/rules", &json!({"rules": rules, "effective_from": from, "note": "县政府办〔2026〕9号"}))
    };
    let (dispatcher, supervisor) = (office.person(Role::Dispatcher, 0), office.person(Role::Supervisor, 0));
    draft(&supervisor, &rules, "2026-11").refused(Code::RoleForbidden);
    draft(&dispatcher, &rules, "2026-13").refused(Code::ValueInvalid);
    let mut wrong = rules.clone();
    wrong["spot_checks"]["points"] = json!(30_000);
    draft(&dispatcher, &wrong, "2026-11").refused(Code::ValueInvalid);
    let drafted = draft(&dispatcher, &rules, "2026-11").expect(201);
    assert_eq!((&drafted["version"], &drafted["approved_at"]), (&json!(1), &Value::Null));
    let total = |month: Value| score(&month, &unit)["digital_cases"].clone();
    assert_eq!(total(office.step(&dispatcher, "/run").expect(200)), json!(31_000), "a draft holds for nothing");
    let what_if = office.post(&dispatcher, "/months/2026-11/what-if", &rules).expect(200);
    assert_eq!(score(&what_if, &unit)["digital_cases"], json!(34_000));
    assert_eq!(total(office.get(&dispatcher, "/months/2026-11").expect(200)), json!(31_000), "asking changes nothing");
    let approve = |by: &Person, version: i32| office.post(by, &format!("/rules/{version}/approve"), &json!({}));
    approve(&dispatcher, 1).refused(Code::RoleForbidden);
    approve(&supervisor, 2).refused(Code::NotFound);
    approve(&supervisor, 1).expect(200);
    approve(&supervisor, 1).refused(Code::AlreadyDone);
    let run = office.step(&dispatcher, "/run").expect(200);
    assert_eq!((&run["rules_version"], total(run.clone())), (&json!(1), json!(34_000)));
    draft(&dispatcher, &rules, "2026-12").expect(201);
    approve(&supervisor, 2).expect(200);
    let run = office.step(&dispatcher, "/run").expect(200);
    assert_eq!(run["rules_version"], json!(1), "rules of December do not hold for November");
    let list = office.get(&office.person(Role::Liaison, 0), "/rules").expect(200);
    let versions: Vec<i64> = list["items"].as_array().unwrap().iter().map(|one| read(&one["version"])).collect();
    assert_eq!(versions, [2, 1, 0]);
}

fn a_month_goes_its_way_in_order_only(world: &World) {
    let (office, _, _, _) = november(world);
    let dispatcher = office.person(Role::Dispatcher, 0);
    office.step(&dispatcher, "/open").refused(Code::NotFound);
    office.get(&dispatcher, "/months/2026-11").refused(Code::NotFound);
    office.get(&dispatcher, "/months/november").refused(Code::NotFound);
    office.post(&dispatcher, "/months/2026-Q4/run", &json!({})).refused(Code::ValueInvalid);
    office.post(&dispatcher, "/months/2027-01/run", &json!({})).refused(Code::MonthForbids);
    office.step(&dispatcher, "/run").expect(200);
    office.get(&office.person(Role::Liaison, 0), "/months/2026-11").refused(Code::NotFound);
    let months = office.get(&office.person(Role::Liaison, 0), "/months").expect(200);
    assert_eq!(months["items"], json!([]), "a trial is for those who make it");
    office.step(&dispatcher, "/open").refused(Code::MonthForbids);
    until(world, at("2026-12-01T09:00:00+08:00"));
    let dispatcher = office.person(Role::Dispatcher, 0);
    office.step(&dispatcher, "/open").refused(Code::MonthForbids);
    office.step(&dispatcher, "/run").expect(200);
    office.step(&dispatcher, "/open").expect(200);
    office.step(&dispatcher, "/open").refused(Code::MonthForbids);
    office.step(&dispatcher, "/run").refused(Code::MonthForbids);
    office.step(&dispatcher, "/publish").refused(Code::RoleForbidden);
    office.get(&dispatcher, "/months/2026-11/pack").refused(Code::MonthForbids);
    let months = office.get(&office.person(Role::Liaison, 0), "/months").expect(200);
    assert_eq!((&months["items"][0]["month"], &months["items"][0]["phase"]), (&json!("2026-11"), &json!("open")));
}

fn an_answered_letter_is_graded_before_the_month_is_opened(world: &World) {
    let (office, liaison, _, _) = november(world);
    let (dispatcher, supervisor) = (office.person(Role::Dispatcher, 0), office.person(Role::Supervisor, 0));
    let draft = json!({
        "unit_id": liaison.unit, "kind": "complaint", "subject": "关于夜市油烟的督办", "text": "请整改。",
        "due_at": "2026-11-27T18:00:00+08:00",
    });
    let letter = world.post("/api/v1/letters").by(&dispatcher.token).json(&draft).send().expect(201);
    let path = format!("/api/v1/letters/{}", read::<String>(&letter["id"]));
    let send = |by: &Person, command: &str, args: Value| {
        let body = json!({"type": command, "args": args});
        world.post(&format!("{path}/commands")).by(&by.token).json(&body).send().expect(200)
    };
    send(&supervisor, "issue", json!({}));
    let liaison = office.person(Role::Liaison, 0);
    send(&liaison, "receive", json!({}));
    send(&liaison, "reply", json!({"words": "已整改"}));
    let paper = world.get(&format!("{path}/document")).by(&liaison.token).send();
    let text = String::from_utf8(paper.bytes).unwrap();
    assert!(text.contains("关于夜市油烟的督办") && text.contains("〔2026〕1号"), "{text}");
    until(world, at("2026-12-01T09:00:00+08:00"));
    let (dispatcher, supervisor) = (office.person(Role::Dispatcher, 0), office.person(Role::Supervisor, 0));
    office.step(&dispatcher, "/run").expect(200);
    office.step(&dispatcher, "/open").refused(Code::MonthForbids);
    send(&supervisor, "grade", json!({"outcome": "partly", "words": "实地查看"}));
    office.step(&dispatcher, "/open").refused(Code::MonthForbids);
    office.step(&dispatcher, "/run").expect(200);
    let month = office.step(&dispatcher, "/open").expect(200);
    assert_eq!(score(&month, liaison.unit.as_deref().unwrap())["supervision"], json!(10_000));
    let lines = office.lines(&dispatcher, liaison.unit.as_deref().unwrap());
    let line = lines.iter().find(|line| line["item"] == "letter").unwrap();
    let record = office.get(&office.person(Role::Liaison, 1), &format!("/months/2026-11/lines/{}/record", line["n"]));
    assert_eq!(record.expect(200)["number"], json!("中城督办〔2026〕1号"), "the other unit's liaison reads it");
}

fn a_quarter_is_the_mean_of_its_published_months(world: &World) {
    let (office, liaison, other, _) = november(world);
    opened(&office);
    let review = |period: &str| office.get(&office.person(Role::Liaison, 0), &format!("/review?period={period}"));
    let quarter = review("2026-Q4").expect(200);
    assert_eq!(quarter["missing"], json!(["2026-10", "2026-11", "2026-12"]));
    assert_eq!(quarter["units"], json!([]), "what is not published is in no review");
    until(world, at("2026-12-09T09:00:00+08:00"));
    office.step(&office.person(Role::Supervisor, 0), "/publish").expect(200);
    // October has no case of either unit: nobody is ranked in it, and it counts for nobody.
    let dispatcher = office.person(Role::Dispatcher, 0);
    office.post(&dispatcher, "/months/2026-10/run", &json!({})).expect(200);
    office.post(&dispatcher, "/months/2026-10/open", &json!({})).expect(200);
    until(world, at("2026-12-09T09:00:00+08:00") + TimeDelta::days(9));
    office.post(&office.person(Role::Supervisor, 0), "/months/2026-10/publish", &json!({})).expect(200);
    let quarter = review("2026-Q4").expect(200);
    assert_eq!(quarter["missing"], json!(["2026-12"]));
    let of = |unit: &Option<String>| score(&quarter, unit.as_deref().unwrap());
    assert_eq!((&of(&other.unit)["mean"], &of(&other.unit)["rank"]), (&json!(96_000), &json!(1)));
    assert_eq!((&of(&liaison.unit)["mean"], &of(&liaison.unit)["months"]), (&json!(71_000), &json!(1)));
    review("2026-13").refused(Code::ParameterInvalid);
}
