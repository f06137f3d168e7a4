//! What is found after a month was published: another edition, and the one before stays.

use crate::{
    assessment::{Office, at, november, opened, score},
    statistics::until,
    support::{
        on_both_engines,
        process::chengguan,
        scratch::Folder,
        world::{Person, World, read},
    },
};
use chengguan::{assessment::pack, error::Code, identity::rules::Role};
use serde_json::{Value, json};
use std::fs;

on_both_engines!(what_is_found_after_a_publication_makes_a_second_edition_and_the_first_stays);

const MONTH: &str = "/months/2026-11";
const FOUND: &str = "现场抽检记录张冠李戴，经查实";

fn open(office: &Office, by: &Person, counters: &Value) -> crate::support::http::Reply {
    office.post(by, &format!("{MONTH}/editions"), &json!({"reason": FOUND, "counters": counters}))
}

fn decide(office: &Office, by: &Person, edition: &Value, verdict: &str) -> crate::support::http::Reply {
    let path = format!("/editions/{}/decision", read::<String>(&edition["id"]));
    office.post(by, &path, &json!({"verdict": verdict, "words": "已核对原始记录"}))
}

fn text(office: &Office, by: &Person, path: &str) -> String {
    let reply = office.get(by, &format!("{MONTH}{path}"));
    reply.expect_status(200);
    String::from_utf8(reply.bytes).unwrap()
}

fn what_is_found_after_a_publication_makes_a_second_edition_and_the_first_stays(world: &World) {
    let (office, _, other, _) = november(world);
    let unit = other.unit.clone().unwrap();
    opened(&office);
    let counter = |line: &Value, delta: i64| json!([{"line": line, "delta": delta, "why": "扣分记在了别的单位名下"}]);
    open(&office, &office.person(Role::Dispatcher, 0), &counter(&json!(1), 1)).refused(Code::MonthForbids);
    until(world, at("2026-12-09T09:00:00+08:00"));
    let (first, second) = (office.person(Role::Supervisor, 0), office.person(Role::Supervisor, 1));
    let (dispatcher, liaison) = (office.person(Role::Dispatcher, 0), office.person(Role::Liaison, 0));
    let published = office.step(&first, "/publish").expect(200);
    assert_eq!((&published["edition"], &published["correction"]), (&json!(1), &Value::Null));
    let lines = office.lines(&liaison, &unit);
    let check = lines.iter().find(|line| line["item"] == "check").unwrap();
    let before = text(&office, &liaison, "/pack");

    // What may not be opened.
    open(&office, &liaison, &counter(&check["n"], 4_000)).refused(Code::RoleForbidden);
    open(&office, &dispatcher, &json!([])).refused(Code::ValueInvalid);
    open(&office, &dispatcher, &counter(&check["n"], 0)).refused(Code::ValueInvalid);
    open(&office, &dispatcher, &counter(&json!(9_999), 1)).refused(Code::NotFound);
    // One waits at a time; whoever opened it may take it back, and nothing has changed.
    let draft = open(&office, &dispatcher, &counter(&check["n"], 1_000)).expect(201);
    open(&office, &first, &counter(&check["n"], 4_000)).refused(Code::AlreadyExists);
    decide(&office, &dispatcher, &draft, "upheld").refused(Code::RoleForbidden);
    decide(&office, &office.person(Role::Dispatcher, 1), &draft, "dismissed").refused(Code::RoleForbidden);
    decide(&office, &dispatcher, &draft, "dismissed").expect(200);
    decide(&office, &first, &draft, "upheld").refused(Code::AlreadyDone);
    let draft = open(&office, &first, &counter(&check["n"], 4_000)).expect(201);
    decide(&office, &first, &draft, "upheld").refused(Code::SecondPersonRequired);
    assert_eq!(text(&office, &liaison, "/pack"), before);
    let editions = |by: &Person| read::<Vec<Value>>(&office.get(by, &format!("{MONTH}/editions")).expect(200)["items"]);
    assert_eq!((editions(&liaison).len(), editions(&dispatcher).len()), (1, 3), "what waits is for those who make it");

    let made = decide(&office, &second, &draft, "upheld").expect(200);
    assert_eq!((&made["edition"], &made["verdict"]), (&json!(2), &json!("upheld")));
    assert_eq!(editions(&liaison).iter().map(|one| one["edition"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);
    let month = |query: &str| office.get(&liaison, &format!("{MONTH}{query}")).expect(200);
    let now = month("");
    assert_eq!((&now["edition"], &now["correction"]), (&json!(2), &json!(FOUND)));
    assert_eq!((&score(&now, &unit)["total"], &score(&now, &unit)["spot_checks"]), (&json!(100_000), &json!(20_000)));
    let then = month("?edition=1");
    assert_eq!((&then["edition"], &then["pack_sha256"]), (&json!(1), &published["pack_sha256"]));
    assert_eq!(then["units"], published["units"], "the first edition stays as it was");
    office.get(&liaison, &format!("{MONTH}?edition=3")).refused(Code::NotFound);
    let listed = office.get(&liaison, "/months").expect(200);
    assert_eq!((&listed["items"][0]["edition"], &listed["items"][0]["correction"]), (&json!(2), &json!(FOUND)));

    let after = office.lines(&liaison, &unit);
    assert_eq!(after[..lines.len()], lines[..], "what was there stays");
    let line = after.last().unwrap();
    assert_eq!((&line["item"], &line["counters"]), (&json!("correction"), &check["n"]));
    let record = office.get(&liaison, &format!("{MONTH}/lines/{}/record", line["n"])).expect(200);
    assert_eq!(
        (&record["kind"], &record["edition"], &record["reason"]),
        (&json!("correction"), &json!(2), &json!(FOUND))
    );

    assert_eq!(text(&office, &liaison, "/pack?edition=1"), before);
    replayed(&text(&office, &liaison, "/pack"), &now, &published);
    let bulletin = text(&office, &liaison, "/bulletin");
    for words in ["（第 2 版）", "更正第 1 版", FOUND, "扣分记在了别的单位名下", now["pack_sha256"].as_str().unwrap()]
    {
        assert!(bulletin.contains(words), "{words} in {bulletin}");
    }
    assert!(!text(&office, &liaison, "/bulletin?edition=1").contains(FOUND));
    let log = world.get("/api/v1/log/entries").by(&first.token).send().expect(200).to_string();
    for sha256 in [&now["pack_sha256"], &published["pack_sha256"]] {
        assert!(log.contains(sha256.as_str().unwrap()), "{log}");
    }
    assert!(log.contains("corrects_sha256"), "{log}");
    let quarter = office.get(&liaison, "/review?period=2026-Q4").expect(200);
    assert_eq!(quarter["editions"], json!({"2026-11": 2}));
    assert_eq!(score(&quarter, &unit)["mean"], json!(100_000), "the newest edition counts");
    // A third one corrects the second.
    let draft = open(&office, &dispatcher, &counter(&line["n"], -500)).expect(201);
    assert_eq!(decide(&office, &second, &draft, "upheld").expect(200)["edition"], json!(3));
    let third = text(&office, &liaison, "/pack");
    assert!(third.contains(&format!("\"corrects\":{}", now["pack_sha256"])), "{third}");
    assert_eq!(score(&month(""), &unit)["total"], json!(99_500));
}

/// Recomputes the second edition as the judged would.
fn replayed(text: &str, now: &Value, published: &Value) {
    let replayed = pack::replay(text).unwrap();
    assert_eq!((replayed.differences, &json!(replayed.sha256)), (Vec::new(), &now["pack_sha256"]));
    let correction = replayed.correction.unwrap();
    assert_eq!((correction.edition, &json!(correction.corrects)), (2, &published["pack_sha256"]));
    // By the very words that the answer names.
    let folder = Folder::new("replay-edition");
    let command: String = read(&now["replay"]);
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    fs::write(folder.path().join(words[1]), text).unwrap();
    let output = chengguan(folder.path()).args(words).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("第 2 版") && told.contains("更正第 1 版"), "{told}");
}
