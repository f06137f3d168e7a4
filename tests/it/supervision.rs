//! Supervision letters: from the draft to the grade, what the clock does, and what the assessment is told.

use crate::{
    spots::{Town, days, here, stated},
    support::{
        http::Reply,
        on_both_engines,
        tus::Tus,
        world::{Person, World, block_on, read},
    },
};
use chengguan::{
    db::feed,
    error::Code,
    evidence::datum::Datum,
    identity::{rules::Role, tokens},
    supervision::{self, actions::scored},
    workbench,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

on_both_engines!(
    a_letter_goes_from_its_draft_to_its_grade,
    a_letter_is_for_its_unit_and_a_draft_for_the_centre,
    numbers_have_no_gaps_and_begin_anew_each_year,
    an_extension_is_granted_by_the_office_and_moves_the_month,
    what_is_no_letter_or_not_this_persons_to_do_is_refused,
    the_clock_drafts_about_a_case_once_and_takes_out_what_was_settled,
    the_clock_drafts_about_what_was_returned_or_done_again,
    the_clock_drafts_about_a_spot_that_comes_back,
    the_clock_reminds_and_escalates,
);

/// Everybody a letter passes.
struct House<'w> {
    world: &'w World,
    dispatcher: Person,
    supervisor: Person,
    liaison: Person,
}

fn house(world: &World) -> House<'_> {
    House {
        world,
        dispatcher: world.person(Role::Dispatcher),
        supervisor: world.person(Role::Supervisor),
        liaison: world.person(Role::Liaison),
    }
}

impl House<'_> {
    /// Signs in again: a token ends long before a letter.
    fn call(&self, by: &Person, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let token = self.world.sign_in(&by.username, None).token;
        let call = self.world.call(method, &format!("/api/v1/{path}")).by(&token);
        match body {
            Some(body) => call.json(body).send(),
            None => call.send(),
        }
    }

    fn get(&self, by: &Person, path: &str) -> Value {
        self.call(by, "GET", path, None).expect(200)
    }

    fn draft(&self, more: Value) -> Value {
        let mut body = json!({
            "unit_id": self.liaison.unit, "kind": "complaint", "subject": "关于夜市油烟的督办", "text": "请整改。",
            "limit": {"kind": "urgent_hour", "value": 48},
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        // Ids of one moment have no order.
        self.world.wait(TimeDelta::milliseconds(1));
        self.call(&self.dispatcher, "POST", "letters", Some(&body)).expect(201)
    }

    fn send(&self, by: &Person, letter: &Value, command: &str, args: Value) -> Reply {
        let path = format!("letters/{}/commands", letter["id"].as_str().unwrap());
        self.call(by, "POST", &path, Some(&json!({"type": command, "args": args})))
    }

    fn issued(&self, more: Value) -> Value {
        let letter = self.draft(more);
        self.send(&self.supervisor, &letter, "issue", json!({})).expect(200)
    }

    /// A stored photo, or what passes for one; its digest.
    fn piece(&self, by: &Person, bytes: &[u8]) -> String {
        let (token, sha256) = (self.world.sign_in(&by.username, None).token, tokens::hex(&tokens::sha256(bytes)));
        Tus::new(self.world, &token).upload(bytes, &[("sha256", &sha256)]);
        sha256
    }

    fn timeline(&self, by: &Person, letter: &Value) -> Vec<Value> {
        let path = format!("letters/{}/timeline", letter["id"].as_str().unwrap());
        self.get(by, &path)["items"].as_array().unwrap().clone()
    }

    fn commands(&self, letter: &Value) -> Vec<String> {
        self.timeline(&self.supervisor, letter).iter().map(|line| read(&line["command"])).collect()
    }

    fn listed(&self, by: &Person, query: &str) -> Vec<Value> {
        self.get(by, &format!("letters?{query}"))["items"].as_array().unwrap().clone()
    }

    fn fresh(&self, letter: &Value) -> Value {
        self.get(&self.supervisor, &format!("letters/{}", letter["id"].as_str().unwrap()))
    }

    fn case(&self, hours: i64) -> String {
        let report = json!({"title": "店外经营", "address": "人民路"});
        let case: String = read(&self.call(&self.dispatcher, "POST", "cases", Some(&report)).expect(201)["id"]);
        self.dispatch(&case, hours);
        case
    }

    fn dispatch(&self, case: &str, hours: i64) {
        let args = json!({"unit_id": self.liaison.unit, "limit": {"kind": "urgent_hour", "value": hours}});
        self.step(&self.dispatcher, case, "dispatch", args);
    }

    fn step(&self, by: &Person, case: &str, command: &str, args: Value) {
        let body = json!({"type": command, "args": args});
        self.call(by, "POST", &format!("cases/{case}/commands"), Some(&body)).expect(200);
    }

    /// Lets time pass, and the clock work.
    fn later(&self, time: TimeDelta) {
        self.world.wait(time);
        block_on(workbench::sweep::round(&self.world.app.db, &self.world.app.env)).unwrap();
        block_on(supervision::sweep::round(&self.world.app.db)).unwrap();
    }

    /// What the assessment is told of a stretch up to now: number, score, why.
    fn scored(&self, from: DateTime<Utc>) -> Vec<(String, i32, String)> {
        let until = self.world.now();
        let found = self.world.read(move |db| scored(db, from, until));
        found.into_iter().map(|letter| (letter.number, letter.score, letter.why)).collect()
    }
}

fn words(words: &str) -> Value {
    json!({ "words": words })
}

fn a_letter_goes_from_its_draft_to_its_grade(world: &World) {
    let house = house(world);
    let start = world.now();
    let (basis, answer) = (house.piece(&house.dispatcher, b"smoke"), house.piece(&house.liaison, b"clean"));
    let case = house.case(100);
    let letter = house.draft(json!({"case_ids": [case, case], "evidence": [basis], "note": "12345 热线 3 号单"}));
    assert_eq!(
        (&letter["state"], &letter["number"], &letter["due_at"]),
        (&json!("drafted"), &json!(null), &json!(null))
    );
    assert_eq!((&letter["case_ids"], &letter["limit"]["value"]), (&json!([case]), &json!(48)));
    let body = json!({
        "unit_id": house.liaison.unit, "kind": "complaint", "subject": "关于夜市噪声和油烟的督办", "text": "请整改。\n请回复。",
        "case_ids": [case], "limit": {"kind": "urgent_hour", "value": 72},
    });
    let revised = house.send(&house.supervisor, &letter, "revise", body.clone()).expect(200);
    assert_eq!((&revised["subject"], &revised["ver"]), (&body["subject"], &json!(2)));
    let seq = world.read(|db| Ok(feed::life(db)?.head));
    let issued = house.send(&house.supervisor, &letter, "issue", json!({})).expect(200);
    assert_eq!((&issued["state"], &issued["number"]), (&json!("issued"), &json!("中城督办〔2026〕1号")));
    assert_eq!(read::<DateTime<Utc>>(&issued["due_at"]), world.now() + TimeDelta::hours(72));
    let told = world.read(move |db| feed::after(db, seq, 10));
    let told = told.iter().find(|row| row.kind == "letter").expect("consoles are woken");
    assert!(told.keys_after.contains(&format!("unit:{}", house.liaison.unit.as_deref().unwrap())));

    house.send(&house.liaison, &letter, "reply", words("已整改")).refused(Code::StageForbids);
    house.send(&house.liaison, &letter, "receive", json!({})).expect(200);
    world.wait(TimeDelta::hours(50));
    let strange = json!({"words": "已整改", "evidence": [basis]});
    house.send(&house.liaison, &letter, "reply", strange).refused(Code::NotFound);
    let reply = json!({"words": "已整改", "evidence": [answer]});
    let replied = house.send(&house.liaison, &letter, "reply", reply).expect(200);
    assert_eq!(replied["state"], json!("replied"));
    assert_eq!(house.scored(start), [], "it is not due yet");
    world.wait(TimeDelta::hours(30));
    let pending = house.scored(start);
    assert_eq!((pending.len(), pending[0].1), (1, 0));
    let grade = json!({"outcome": "fulfilled", "score": 90000, "words": "现场核查基本到位"});
    let graded = house.send(&house.supervisor, &letter, "grade", grade).expect(200);
    assert_eq!((&graded["state"], &graded["score"]), (&json!("fulfilled"), &json!(90_000)));
    let why = "按期回复，评定为完成，计 90 分（按规则 100 分，督查室酌减）";
    assert_eq!(house.scored(start), [("中城督办〔2026〕1号".to_owned(), 90_000, why.to_owned())]);
    house.send(&house.supervisor, &letter, "withdraw", words("误发")).refused(Code::StageForbids);

    let lines = house.timeline(&house.supervisor, &letter);
    let told: Vec<String> = lines.iter().map(|line| read(&line["command"])).collect();
    assert_eq!(told, ["draft", "revise", "issue", "receive", "reply", "grade"]);
    assert_eq!((&lines[0]["evidence"], &lines[4]["evidence"]), (&json!([basis]), &json!([answer])));
    assert_eq!((&lines[0]["args"]["text"], &lines[2]["args"]["number"]), (&json!("请整改。"), &issued["number"]));
    assert_eq!((&lines[4]["words"], &lines[4]["name"]), (&json!("已整改"), &json!("张伟")));
    assert_eq!(lines[5]["args"], json!({"outcome": "fulfilled", "score": 90000}));
    // The unit reads from the issue on.
    let theirs = house.timeline(&house.liaison, &letter);
    assert_eq!(theirs.len(), 4);
    let path = format!("letters/{}/document", letter["id"].as_str().unwrap());
    let paper = String::from_utf8(house.call(&house.supervisor, "GET", &path, None).bytes).unwrap();
    for words in [issued["number"].as_str().unwrap(), "店外经营", "中方县人民政府督查室"] {
        assert!(paper.contains(words), "{words} in {paper}");
    }
    let about = house.call(&house.liaison, "GET", &path.replace("document", "cases"), None).expect(200);
    let shown = about["items"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[0]["id"], &shown[0]["title"]), (1, &json!(case), &json!("店外经营")), "{about}");
    assert!(paper.contains(shown[0]["number"].as_str().unwrap()), "{about}");
    // The case is free for another letter.
    house.draft(json!({ "case_ids": [case] }));
}

fn a_letter_is_for_its_unit_and_a_draft_for_the_centre(world: &World) {
    let house = house(world);
    let (other, officer) = (world.person(Role::Liaison), world.person(Role::Officer));
    let letter = house.draft(json!({}));
    let path = format!("letters/{}", letter["id"].as_str().unwrap());
    house.call(&house.liaison, "GET", &path, None).refused(Code::NotFound);
    house.call(&house.liaison, "GET", &format!("{path}/cases"), None).refused(Code::NotFound);
    let id = read(&letter["id"]);
    let open_to_all = || block_on(world.app.db.read(move |db| supervision::actions::issued(db, id))).is_ok();
    assert!(!open_to_all(), "a draft is behind no score");
    house.send(&house.liaison, &letter, "receive", json!({})).refused(Code::NotFound);
    assert_eq!(house.listed(&house.liaison, "limit=9").len(), 0);
    house.send(&house.supervisor, &letter, "issue", json!({})).expect(200);
    assert!(open_to_all());
    let (own, taken_back) = (house.issued(json!({})), house.draft(json!({})));
    house.send(&house.dispatcher, &taken_back, "withdraw", words("重复")).expect(200);
    let page = house.get(&house.liaison, "letters?limit=1");
    assert_eq!((&page["items"][0]["id"], &page["next"]), (&own["id"], &own["id"]));
    let next = house.get(&house.liaison, &format!("letters?limit=1&cursor={}", own["id"].as_str().unwrap()));
    assert_eq!(next["items"][0]["id"], letter["id"]);
    let counts = house.get(&house.liaison, "letters/counts");
    assert_eq!(counts["states"], json!([{"state": "issued", "letters": 2}]));
    let counts = house.get(&house.dispatcher, "letters/counts");
    let states = json!([{"state": "issued", "letters": 2}, {"state": "withdrawn", "letters": 1}]);
    assert_eq!((&counts["states"], &counts["extensions"], &counts["levels"]), (&states, &json!(0), &json!([])));
    for (query, count) in [("queue=receive", 2), ("queue=issue", 0), ("state=withdrawn", 1), ("kind=overdue", 0)] {
        assert_eq!(house.listed(&house.supervisor, query).len(), count, "{query}");
    }
    house.call(&other, "GET", &path, None).refused(Code::NotFound);
    house.call(&other, "GET", &format!("{path}/timeline"), None).refused(Code::NotFound);
    house.send(&other, &letter, "receive", json!({})).refused(Code::NotFound);
    assert_eq!(house.listed(&other, &format!("unit_id={}", house.liaison.unit.as_deref().unwrap())).len(), 0);
    house.call(&officer, "GET", "letters", None).refused(Code::RoleForbidden);
}

fn numbers_have_no_gaps_and_begin_anew_each_year(world: &World) {
    let house = house(world);
    let number = |letter: &Value| read::<String>(&letter["number"]);
    let soon = house.draft(json!({"limit": null, "due_at": world.now() + TimeDelta::hours(1)}));
    assert_eq!(number(&house.issued(json!({}))), "中城督办〔2026〕1号");
    world.wait(TimeDelta::hours(2));
    // What is refused uses no number up, and neither does a draft that is taken back.
    house.send(&house.supervisor, &soon, "issue", json!({})).refused(Code::DueAtInvalid);
    house.send(&house.dispatcher, &soon, "withdraw", words("过时")).expect(200);
    let drafts: Vec<Value> = (0..4).map(|_| house.draft(json!({}))).collect();
    let mut numbers: Vec<String> = std::thread::scope(|scope| {
        let house = &house;
        let issue = |letter| scope.spawn(move || house.send(&house.supervisor, letter, "issue", json!({})).expect(200));
        let running: Vec<_> = drafts.iter().map(issue).collect();
        running.into_iter().map(|thread| number(&thread.join().unwrap())).collect()
    });
    numbers.sort();
    let expected: Vec<String> = (2..=5).map(|n| format!("中城督办〔2026〕{n}号")).collect();
    assert_eq!(numbers, expected);
    // New Year is local: 16:00 UTC.
    world.wait("2026-12-31T16:30:00Z".parse::<DateTime<Utc>>().unwrap() - world.now());
    assert_eq!(number(&house.issued(json!({}))), "中城督办〔2027〕1号");
}

fn an_extension_is_granted_by_the_office_and_moves_the_month(world: &World) {
    let house = house(world);
    let start = world.now();
    let letter = house.issued(json!({}));
    house.send(&house.liaison, &letter, "receive", json!({})).expect(200);
    let until = start + TimeDelta::hours(100);
    let ask = json!({"until": until, "words": "等待配件"});
    house.send(&house.liaison, &letter, "request_extension", ask.clone()).expect(200);
    house.send(&house.liaison, &letter, "request_extension", ask).refused(Code::ExtensionPending);
    assert_eq!(house.get(&house.supervisor, "letters/counts")["extensions"], json!(1));
    assert_eq!(house.listed(&house.supervisor, "queue=extension").len(), 1);
    let grant = json!({"granted": true, "words": "情况属实"});
    house.send(&house.dispatcher, &letter, "decide_extension", grant.clone()).refused(Code::RoleForbidden);
    let granted = house.send(&house.supervisor, &letter, "decide_extension", grant.clone()).expect(200);
    assert_eq!((read::<DateTime<Utc>>(&granted["due_at"]), &granted["extension_until"]), (until, &json!(null)));
    house.send(&house.supervisor, &letter, "decide_extension", grant).refused(Code::ExtensionAbsent);
    world.wait(TimeDelta::hours(60));
    assert_eq!(house.scored(start), [], "the first deadline counts no more");
    world.wait(TimeDelta::hours(60));
    assert_eq!(house.scored(start).len(), 1);
    let grade = json!({"outcome": "unfulfilled", "words": "未整改"});
    house.send(&house.supervisor, &letter, "grade", grade).expect(200);
    assert_eq!(house.scored(start)[0].1, 0);
    let back = house.issued(json!({}));
    house.send(&house.dispatcher, &back, "withdraw", words("误发")).refused(Code::RoleForbidden);
    house.send(&house.supervisor, &back, "withdraw", words("误发")).expect(200);
    world.wait(TimeDelta::hours(60));
    assert_eq!(house.scored(start).len(), 1, "what was taken back does not count");
}

fn what_is_no_letter_or_not_this_persons_to_do_is_refused(world: &World) {
    let house = house(world);
    let case = house.case(100);
    let good = json!({
        "unit_id": house.liaison.unit, "kind": "campaign", "subject": "督办", "text": "请整改。", "case_ids": [case],
        "limit": {"kind": "work_day", "value": 3},
    });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let nobody = "01900000-0000-7000-8000-000000000001";
    for (body, code) in [
        (with("unit_id", json!(nobody)), Code::NotFound),
        (with("case_ids", json!([nobody])), Code::NotFound),
        (with("spot_ids", json!([nobody])), Code::NotFound),
        (with("evidence", json!(["ab"])), Code::NotFound),
        (with("kind", json!("holiday")), Code::BodyInvalid),
        (with("subject", json!("")), Code::ValueInvalid),
        (with("limit", json!(null)), Code::ValueInvalid),
        (with("due_at", json!(world.now() + TimeDelta::days(1))), Code::ValueInvalid),
    ] {
        house.call(&house.dispatcher, "POST", "letters", Some(&body)).refused(code);
    }
    house.call(&house.liaison, "POST", "letters", Some(&good)).refused(Code::RoleForbidden);
    let letter = house.call(&house.supervisor, "POST", "letters", Some(&good)).expect(201);
    house.call(&house.supervisor, "POST", "letters", Some(&good)).refused(Code::AlreadyExists);
    house.send(&house.dispatcher, &letter, "issue", json!({})).refused(Code::RoleForbidden);
    let path = format!("letters/{}/commands", letter["id"].as_str().unwrap());
    let stale = json!({"type": "issue", "args": {}, "base_ver": 7});
    house.call(&house.supervisor, "POST", &path, Some(&stale)).refused(Code::VersionStale);
    house.send(&house.supervisor, &letter, "shout", json!({})).refused(Code::BodyInvalid);
    assert_eq!(house.fresh(&letter)["ver"], json!(1), "nothing of that changed it");
    // A revision may let go of the case, which is free then.
    house.send(&house.dispatcher, &letter, "revise", with("case_ids", json!([]))).expect(200);
    house.call(&house.supervisor, "POST", "letters", Some(&good)).expect(201);
    house.send(&house.dispatcher, &letter, "revise", good.clone()).refused(Code::AlreadyExists);
}

fn the_clock_drafts_about_a_case_once_and_takes_out_what_was_settled(world: &World) {
    let house = house(world);
    let (first, second) = (house.case(10), house.case(20));
    house.later(TimeDelta::hours(7));
    assert_eq!(house.listed(&house.supervisor, "").len(), 0);
    // Four fifths of the first one's time are used: the workbench's mark is what the letter is drafted from.
    house.later(TimeDelta::hours(2));
    let drafts = house.listed(&house.supervisor, "queue=issue");
    assert_eq!((drafts.len(), &drafts[0]["kind"], &drafts[0]["case_ids"]), (1, &json!("overdue"), &json!([first])));
    assert_eq!((&drafts[0]["drafted_by"], &drafts[0]["unit_id"]), (&json!(null), &json!(house.liaison.unit)));
    let letter = drafts[0].clone();
    house.later(TimeDelta::hours(13));
    assert_eq!(house.commands(&letter), ["draft", "add"], "one draft takes both");
    house.later(TimeDelta::hours(1));
    house.later(TimeDelta::hours(1));
    assert_eq!(house.commands(&letter), ["draft", "add"], "and each once");
    // The first one is handled and waits for its closing.
    house.step(&house.liaison, &first, "handle", words_as("note", "已清理"));
    house.step(&house.liaison, &first, "apply_closing", words_as("note", "已清理"));
    house.later(TimeDelta::minutes(10));
    assert_eq!(house.fresh(&letter)["case_ids"], json!([second]));
    // What a person decided about the second one stands: it is not drafted again for the same deadline.
    house.send(&house.supervisor, &letter, "withdraw", words("另行通报")).expect(200);
    house.later(TimeDelta::hours(1));
    assert_eq!(house.listed(&house.supervisor, "queue=issue").len(), 0);
    assert_eq!(house.commands(&letter), ["draft", "add", "settle", "withdraw"]);
    // Refused, the first one is with the unit again, and late.
    house.step(&house.dispatcher, &first, "refuse_closing", json!({"reason": "没有照片"}));
    house.later(TimeDelta::hours(1));
    let again = house.listed(&house.supervisor, "queue=issue");
    assert_eq!((again.len(), &again[0]["case_ids"]), (1, &json!([first])));
    // A person takes the draft over; the clock leaves it alone from then on.
    let revised = json!({
        "unit_id": house.liaison.unit, "kind": "overdue", "subject": "督办", "text": "请整改。", "case_ids": [first],
        "limit": {"kind": "work_day", "value": 3},
    });
    house.send(&house.dispatcher, &again[0], "revise", revised).expect(200);
    house.step(&house.liaison, &first, "handle", words_as("note", "照片已补"));
    house.step(&house.liaison, &first, "apply_closing", words_as("note", "照片已补"));
    let third = house.case(1);
    house.later(TimeDelta::hours(2));
    assert_eq!(house.fresh(&again[0])["case_ids"], json!([first]));
    let mine = house.listed(&house.supervisor, "queue=issue");
    assert_eq!((mine.len(), &mine[0]["case_ids"]), (2, &json!([third])));
    // When nothing is left of a draft of the clock's, it goes.
    house.step(&house.liaison, &third, "handle", words_as("note", "已清理"));
    house.step(&house.liaison, &third, "apply_closing", words_as("note", "已清理"));
    house.later(TimeDelta::minutes(10));
    assert_eq!(house.fresh(&mine[0])["state"], json!("withdrawn"));
}

fn words_as(name: &str, text: &str) -> Value {
    json!({ name: text })
}

fn the_clock_drafts_about_what_was_returned_or_done_again(world: &World) {
    let house = house(world);
    let (passed, redone) = (house.case(1000), house.case(1000));
    for _ in 0..2 {
        house.step(&house.liaison, &passed, "return", json!({"reason": "不属于本单位"}));
        house.dispatch(&passed, 1000);
        house.step(&house.liaison, &redone, "handle", words_as("note", "已清理"));
        house.step(&house.liaison, &redone, "apply_closing", words_as("note", "已清理"));
        house.step(&house.dispatcher, &redone, "refuse_closing", json!({"reason": "没有清理"}));
    }
    house.later(TimeDelta::hours(1));
    let drafts = house.listed(&house.supervisor, "queue=issue");
    let found = |kind: &str| drafts.iter().find(|draft| draft["kind"] == kind).map(|draft| draft["case_ids"].clone());
    assert_eq!((found("overdue"), found("repeated")), (Some(json!([passed])), Some(json!([redone]))));
    let added = house.timeline(&house.supervisor, &drafts[0]);
    assert!(added[0]["args"]["added"][0]["ground"].is_string(), "{added:?}");
}

fn the_clock_drafts_about_a_spot_that_comes_back(world: &World) {
    let (house, town) = (house(world), Town::new(world));
    let report = || town.report_of((None, "0405"), stated(here(), Datum::Wgs84));
    for _ in 0..2 {
        let case = report();
        town.close(case);
        world.wait(days(3));
    }
    house.later(TimeDelta::zero());
    assert_eq!(house.listed(&house.supervisor, "").len(), 0, "once is no pattern");
    let third = report();
    let spot: String = read(&town.spot_of(third).expect("it came back")["id"]);
    house.later(TimeDelta::minutes(10));
    house.later(TimeDelta::minutes(10));
    let drafts = house.listed(&house.supervisor, "");
    assert_eq!((drafts.len(), &drafts[0]["kind"], &drafts[0]["spot_ids"]), (1, &json!("repeated"), &json!([spot])));
    let path = format!("letters/{}/document?format=html", drafts[0]["id"].as_str().unwrap());
    let page = house.call(&house.supervisor, "GET", &path, None);
    page.expect_status(200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("返潮 2 次"));
    // Withdrawn: what lay before the letter counts no more.
    house.send(&house.supervisor, &drafts[0], "withdraw", words("另案处理")).expect(200);
    house.later(TimeDelta::minutes(10));
    assert_eq!(house.listed(&house.supervisor, "queue=issue").len(), 0);
}

fn the_clock_reminds_and_escalates(world: &World) {
    let house = house(world);
    // Monday 09:00 to Wednesday 09:00.
    let letter = house.issued(json!({}));
    house.later(TimeDelta::hours(10));
    assert_eq!(house.commands(&letter), ["draft", "issue"]);
    house.later(TimeDelta::hours(20));
    house.later(TimeDelta::hours(1));
    assert_eq!(house.commands(&letter), ["draft", "issue", "remind"]);
    house.later(TimeDelta::hours(18));
    let late = house.listed(&house.supervisor, "queue=escalated");
    assert_eq!((late.len(), &late[0]["level"]), (1, &json!(1)));
    house.later(TimeDelta::days(2));
    house.later(TimeDelta::days(5));
    assert_eq!(house.commands(&letter)[3..], ["escalate", "escalate", "escalate"]);
    let counts = house.get(&house.liaison, "letters/counts");
    assert_eq!(counts["levels"], json!([{"level": 3, "letters": 1}]));
    let last = house.timeline(&house.liaison, &letter).pop().unwrap();
    assert_eq!((&last["args"], &last["actor_id"]), (&json!({"level": 3}), &json!(null)));
    // An answer ends it, late as it is.
    house.send(&house.liaison, &letter, "receive", json!({})).expect(200);
    house.send(&house.liaison, &letter, "reply", words("已整改")).expect(200);
    assert_eq!(house.listed(&house.supervisor, "queue=escalated").len(), 0);
    house.later(TimeDelta::days(1));
    let grade = json!({"outcome": "fulfilled", "words": "已核查"});
    let graded = house.send(&house.supervisor, &letter, "grade", grade).expect(200);
    assert_eq!(graded["score"], json!(55_000));
}
