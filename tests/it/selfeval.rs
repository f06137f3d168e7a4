//! Self-evaluations over HTTP: versions, findings that need words, and the annexes for print.

use crate::support::{
    http::Reply,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};
use std::io::{Cursor, Read};

on_both_engines!(
    the_report_of_2020_is_kept_with_its_errors_until_they_have_words,
    every_save_is_a_version_and_what_was_submitted_stays,
    the_annexes_are_printed_in_four_formats_with_what_was_found,
    a_years_cases_offer_actual_values,
    what_is_no_self_evaluation_is_refused_and_changes_nothing,
);

/// The county's own tables of 2020.
fn report() -> Value {
    serde_json::from_str(include_str!("../../src/selfeval/rules/county-2020.json")).unwrap()
}

fn save(world: &World, by: &Person, year: i32, base: i64, tables: &Value) -> Reply {
    let body = json!({"base": base, "tables": tables});
    world.put(&format!("/api/v1/self-evaluations/{year}")).by(&by.token).json(&body).send()
}

fn submit(world: &World, by: &Person, version: i64, words: &[(&str, &str, &str)]) -> Reply {
    let words: Vec<Value> = words.iter().map(|(c, p, w)| json!({"code": c, "place": p, "words": w})).collect();
    let body = json!({"version": version, "acknowledgements": words});
    world.post("/api/v1/self-evaluations/2020/submit").by(&by.token).json(&body).send()
}

fn get(world: &World, by: &Person, path: &str) -> Value {
    world.get(&format!("/api/v1/self-evaluations{path}")).by(&by.token).send().expect(200)
}

const WORDS: [(&str, &str, &str); 2] = [
    ("score_above_rule", "budget_score", "未支付部分已结转下年"),
    ("total_differs", "printed_total", "笔误，应为95分"),
];

fn the_report_of_2020_is_kept_with_its_errors_until_they_have_words(world: &World) {
    let (centre, reader) = (world.person(Role::Dispatcher), world.person(Role::Supervisor));
    let saved = save(world, &centre, 2020, 0, &report()).expect(200);
    assert_eq!((&saved["head"]["version"], &saved["tables"]), (&json!(1), &report()));
    let assessed = &saved["assessed"];
    assert_eq!((&assessed["total"], &assessed["common_total"]), (&json!(95_000), &json!(95_000)));
    assert_eq!((&assessed["execution"], &assessed["budget_rule_score"]), (&json!(50_000), &json!(5_000)));
    let findings = assessed["findings"].as_array().unwrap().iter();
    let errors: Vec<&Value> = findings.filter(|f| f["severity"] == "error").map(|f| &f["place"]).collect();
    assert_eq!(errors, ["budget_score", "printed_total"]);
    let told = submit(world, &centre, 1, &WORDS[..1]).refused(Code::ValueInvalid);
    assert!(told["detail"].as_str().unwrap().contains("附件1 总分填写为 950，各项得分合计为 95"), "{told}");
    let nothing = ("points_sum", "level_points", "x");
    submit(world, &centre, 1, &[WORDS[0], WORDS[1], nothing]).refused(Code::ValueInvalid);
    assert_eq!(get(world, &reader, "/2020")["head"]["submitted_at"], Value::Null);
    let submitted = submit(world, &centre, 1, &WORDS).expect(200);
    assert_eq!(submitted["acknowledgements"][1]["words"], "笔误，应为95分");
    assert_eq!(get(world, &reader, "/2020"), submitted);
}

fn every_save_is_a_version_and_what_was_submitted_stays(world: &World) {
    let centre = world.person(Role::Admin);
    save(world, &centre, 2020, 0, &report()).expect(200);
    submit(world, &centre, 1, &WORDS).expect(200);
    let submitted = get(world, &centre, "/2020?version=1");
    submit(world, &centre, 1, &WORDS).refused(Code::AlreadyDone);
    let mut right = report();
    right["printed_total"] = json!(95_000);
    save(world, &centre, 2020, 0, &right).refused(Code::VersionStale);
    let draft = save(world, &centre, 2020, 1, &right).expect(200);
    assert_eq!((&draft["head"]["version"], &draft["head"]["submitted_at"]), (&json!(2), &Value::Null));
    submit(world, &centre, 1, &WORDS).refused(Code::VersionStale);
    submit(world, &centre, 2, &WORDS).refused(Code::ValueInvalid);
    submit(world, &centre, 2, &WORDS[..1]).expect(200);
    assert_eq!(get(world, &centre, "/2020?version=1"), submitted);
    save(world, &centre, 2021, 0, &right).expect(200);
    let mut found: Vec<(i64, i64)> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(world, &centre, &format!("?limit=2{cursor}"));
        found.extend(page["items"].as_array().unwrap().iter().map(|v| (read(&v["year"]), read(&v["version"]))));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, [(2021, 1), (2020, 2), (2020, 1)]);
    assert_eq!(get(world, &centre, "?year=2020")["items"].as_array().unwrap().len(), 2);
    world.get("/api/v1/self-evaluations?cursor=x").by(&centre.token).send().refused(Code::ParameterInvalid);
    world.get("/api/v1/self-evaluations/2020?version=9").by(&centre.token).send().refused(Code::NotFound);
}

fn the_annexes_are_printed_in_four_formats_with_what_was_found(world: &World) {
    let centre = world.person(Role::Dispatcher);
    save(world, &centre, 2020, 0, &report()).expect(200);
    submit(world, &centre, 1, &WORDS).expect(200);
    let print = |format: &str| {
        let path = format!("/api/v1/self-evaluations/2020/document?format={format}");
        let reply = world.get(&path).by(&centre.token).send();
        reply.expect_status(200);
        assert_eq!(world.get(&path).by(&centre.token).send().bytes, reply.bytes, "{format}: the same bytes");
        let name = reply.header("content-disposition").unwrap();
        assert!(name.ends_with(&format!("filename=\"self-evaluation-2020-v1.{format}\"")), "{name}");
        reply
    };
    let page = print("html");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let page = String::from_utf8(page.bytes).unwrap();
    let unzipped = |bytes: Vec<u8>, name: &str| {
        let mut text = String::new();
        let mut package = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        package.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let word = unzipped(print("docx").bytes, "word/document.xml");
    let book = unzipped(print("xlsx").bytes, "xl/sharedStrings.xml");
    for text in [&page, &word, &book] {
        for words in ["（2020年度）", "经费不足", "效益指标（30分）", "成本节约率", "笔误，应为95分", "实得 10 分"]
        {
            assert!(text.contains(words), "{words}");
        }
    }
    assert!(page.contains("<td class=\"center\">950</td>"), "what was submitted is printed as it is");
    if chengguan_web::is_placeholder() {
        let path = "/api/v1/self-evaluations/2020/document";
        world.get(path).by(&centre.token).send().refused(Code::Internal);
    } else {
        let pdf = print("pdf").bytes;
        assert!(pdf.starts_with(b"%PDF-") && pdf.len() < 500_000, "{} bytes", pdf.len());
    }
    let path = "/api/v1/self-evaluations/2020/document?format=odt";
    world.get(path).by(&centre.token).send().refused(Code::ParameterInvalid);
}

fn a_years_cases_offer_actual_values(world: &World) {
    let centre = world.person(Role::Dispatcher);
    let offered = get(world, &centre, "/2019/suggestions");
    assert_eq!((&offered["counts"]["total"], &offered["items"]), (&json!(0), &json!([])));
    let liaison = world.person(Role::Liaison);
    crate::authorisation::dispatched_case(world, &centre, liaison.unit.as_ref().unwrap());
    let year = (world.now() + chrono::TimeDelta::days(3)).format("%Y").to_string();
    let offered = get(world, &centre, &format!("/{year}/suggestions"));
    assert_eq!(offered["counts"]["total"], 1);
    assert_eq!(offered["items"][0], json!({"name": "解决率", "text": "0.00%", "value": 0}));
    let path = "/api/v1/self-evaluations/1999/suggestions";
    world.get(path).by(&centre.token).send().refused(Code::ParameterInvalid);
}

fn what_is_no_self_evaluation_is_refused_and_changes_nothing(world: &World) {
    let centre = world.person(Role::Dispatcher);
    let with = |place: &str, value: Value| {
        let mut tables = report();
        *tables.pointer_mut(place).unwrap() = value;
        tables
    };
    for (tables, code) in [
        (with("/indicators", json!([])), Code::ValueInvalid),
        (with("/indicators/0/score", json!(-1)), Code::ValueInvalid),
        (with("/indicators/0/score", json!(9.5)), Code::BodyInvalid),
        (with("/indicators/0/kind", json!("bool")), Code::BodyInvalid),
        (with("/goal", json!("长".repeat(2001))), Code::ValueInvalid),
        (with("/project", json!("")), Code::ValueInvalid),
        (with("/level_points/output", json!(i64::MAX)), Code::ValueInvalid),
        (with("/goal", json!("\0")), Code::NulCharacter),
    ] {
        save(world, &centre, 2020, 0, &tables).refused(code);
    }
    save(world, &centre, 1999, 0, &report()).refused(Code::ValueInvalid);
    save(world, &centre, 2020, 1, &report()).refused(Code::VersionStale);
    save(world, &world.person(Role::Supervisor), 2020, 0, &report()).refused(Code::RoleForbidden);
    world.get("/api/v1/self-evaluations/2020").by(&centre.token).send().refused(Code::NotFound);
    assert_eq!(get(world, &centre, ""), json!({"items": [], "next": null}));
}
