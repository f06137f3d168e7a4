//! Open311 GeoReport v2: reports of the public in, what became of them out, and two stock clients against it.
//!
//! The clients are `civicbot` and `georeport` from PyPI, in the Python of `TEST_TUS_PY` (see `stock_clients`).

use crate::{
    stock_clients,
    support::{
        http::Reply,
        on_both_engines,
        world::{Engine, Options, Person, World, read},
    },
};
use chengguan::{error::Code, identity::rules::Role};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::process::Command;

on_both_engines!(engine:
    a_report_becomes_a_case_and_is_followed_to_its_end,
    a_refusal_has_the_standards_form_and_leaves_nothing,
    a_key_reports_sixty_times_a_minute,
    questions_are_answered_by_number_service_status_and_time,
    the_public_hears_of_each_step_in_fixed_words,
    stock_clients_report_and_read,
);

const KEY: &str = "0123456789abcdef";

fn world(engine: Engine) -> World {
    let config = |config: &mut chengguan::config::Config| {
        config.open311_keys = format!("app:{KEY}, web:fedcba9876543210").parse().unwrap();
    };
    World::with(engine, Options { config, ..Options::default() })
}

fn get(world: &World, path: &str) -> Value {
    world.get(&format!("/open311/v2/{path}")).send().expect(200)
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn post(world: &World, ending: &str, pairs: &[(&str, &str)]) -> Reply {
    let call = world.post(&format!("/open311/v2/requests.{ending}"));
    call.bytes("application/x-www-form-urlencoded", form(pairs)).send()
}

/// Sends a report that is right, with more to say; gives its number.
fn report(world: &World, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![("api_key", KEY), ("service_code", "component-0101"), ("lat", "27.44"), ("long", "109.95")];
    pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    pairs.extend(more);
    read(&post(world, "json", &pairs).expect(201)[0]["service_request_id"])
}

/// Demands a refusal in the standard's form.
#[track_caller]
fn refused(reply: &Reply, status: u16, words: &str) {
    let body = reply.expect(status);
    assert_eq!((body.as_array().map(Vec::len), &body[0]["code"]), (Some(1), &json!(status)), "{reply}");
    assert!(body[0]["description"].as_str().unwrap().contains(words), "{reply}");
}

fn cases(world: &World, by: &Person) -> Vec<Value> {
    let page = world.get("/api/v1/cases?limit=200").by(&by.token).send().expect(200);
    page["items"].as_array().unwrap().clone()
}

fn a_report_becomes_a_case_and_is_followed_to_its_end(engine: Engine) {
    let world = &world(engine);
    let dispatcher = world.person(Role::Dispatcher);
    let discovery = get(world, "discovery.json");
    let root = discovery["endpoints"][0]["url"].as_str().unwrap();
    assert_eq!(root, format!("http://{}/open311/v2", world.address));
    let services = get(world, "services.json?jurisdiction_id=431221");
    let service = services.as_array().unwrap().iter().find(|s| s["service_code"] == "component-0101").unwrap();
    assert_eq!((&service["service_name"], &service["metadata"]), (&json!("上水井盖"), &json!(true)));
    let definition = get(world, "services/component-0101.json");
    assert_eq!(definition["attributes"][0]["values"][1], json!({"key": "2", "name": "盖体破损"}));
    let number = report(
        world,
        &[
            ("description", "盖子坏了，电话13907451234"),
            ("attribute[condition]", "2"),
            ("phone", "13907451234"),
            ("email", "w@example.com"),
            ("last_name", "王"),
            ("media_url", "http://example.com/1.jpg"),
        ],
    );
    let case = cases(world, &dispatcher)[0].clone();
    assert_eq!((&case["number"], &case["state"]), (&json!(number), &json!("reported")));
    assert_eq!((&case["title"], &case["class_code"]), (&json!("上水井盖"), &json!("0101")));
    assert_eq!(case["class_kind"], json!("component"));
    assert_eq!(case["description"], json!("立案条件：盖体破损\n盖子坏了，电话13907451234"));
    assert_eq!(case["position"], json!({"lat": 27.44, "lon": 109.95, "datum": "wgs84"}));
    let id: String = read(&case["id"]);
    // Whom to ask is for who dispatches.
    let contact = format!("/api/v1/open311/requests/{id}");
    let told = world.get(&contact).by(&dispatcher.token).send().expect(200);
    assert_eq!((&told["phone"], &told["api_key"]), (&json!("13907451234"), &json!("app")));
    world.get(&contact).by(&world.person(Role::Liaison).token).send().refused(Code::RoleForbidden);
    let shown = get(world, &format!("requests/{number}.json"));
    let text = shown.to_string();
    assert!(!text.contains("1390745") && !text.contains("example.com") && !text.contains('王'), "{text}");
    assert_eq!((&shown[0]["status"], &shown[0]["status_notes"]), (&json!("open"), &json!("待派遣")));
    assert_eq!((&shown[0]["lat"], &shown[0]["long"]), (&json!(27.44), &json!(109.95)));
    assert_eq!(get(world, &format!("tokens/{id}.json"))[0]["service_request_id"], json!(number));
    let unit = world.unit();
    let command = |body: Value| {
        let path = format!("/api/v1/cases/{id}/commands");
        world.post(&path).by(&dispatcher.token).json(&body).send().expect(200);
    };
    let due = world.now() + TimeDelta::days(1);
    command(json!({"type": "dispatch", "args": {"unit_id": unit, "due_at": due}}));
    let shown = get(world, &format!("requests/{number}.json"))[0].clone();
    assert_eq!((&shown["expected_datetime"], &shown["status_notes"]), (&json!(due), &json!("待处置")));
    assert!(shown["agency_responsible"].as_str().unwrap().starts_with("单位"), "{shown}");
    // The others of the county are nobody's business here.
    let own = crate::authorisation::dispatched_case(world, &dispatcher, &unit);
    let own = world.get(&format!("/api/v1/cases/{own}")).by(&dispatcher.token).send().expect(200);
    refused(&world.get(&format!("/open311/v2/requests/{}.json", own["number"].as_str().unwrap())).send(), 404, "没有");
    assert_eq!(get(world, "requests.json").as_array().map(Vec::len), Some(1));
}

fn a_refusal_has_the_standards_form_and_leaves_nothing(engine: Engine) {
    let world = &world(engine);
    let dispatcher = world.person(Role::Dispatcher);
    let good = [("api_key", KEY), ("service_code", "component-0101"), ("lat", "27.44"), ("long", "109.95")];
    let with = |name: &'static str, value: &'static str| {
        let mut pairs: Vec<(&str, &str)> = good.iter().copied().filter(|(other, _)| *other != name).collect();
        pairs.push((name, value));
        pairs
    };
    for (pairs, status, words) in [
        (good[1..].to_vec(), 403, "api_key"),
        (with("api_key", "fedcba987654321"), 403, "api_key"),
        (with("service_code", ""), 400, "service_code"),
        (with("service_code", "0101"), 404, "service_code"),
        (with("lat", "x"), 400, "lat"),
        (with("long", ""), 400, "lat"),
        (with("jurisdiction_id", "boston"), 404, "jurisdiction_id"),
        (with("attribute[condition]", "77"), 400, "attribute"),
        (with("description", "\0"), 400, "空字符"),
        (with("email", "a\nb"), 400, "email"),
    ] {
        refused(&post(world, "json", &pairs), status, words);
    }
    let xml = post(world, "xml", &good[1..]);
    xml.expect_status(403);
    let text = String::from_utf8(xml.bytes.clone()).unwrap();
    assert!(text.contains("<errors><error><code>403</code><description>缺少 api_key</description></error></errors>"));
    let json = world.post("/open311/v2/requests.json").json(&json!({"api_key": KEY})).send();
    refused(&json, 415, "内容类型");
    let large = world.post("/open311/v2/requests.json");
    let large = large.bytes("application/x-www-form-urlencoded", "a=".to_owned() + &"x".repeat(200_000)).send();
    refused(&large, 413, "过大");
    for (path, status, words) in [
        ("services/nothing.json", 404, "service_code"),
        ("requests/nothing.json", 404, "service_request_id"),
        ("requests/%00.json", 404, "service_request_id"),
        ("tokens/nothing.json", 404, "token"),
        ("requests.json?status=lost", 400, "status"),
        ("requests.json?start_date=2026-01-01T00:00:00Z&end_date=2026-12-01T00:00:00Z", 400, "90"),
        ("services.json?jurisdiction_id=boston", 404, "jurisdiction_id"),
        ("servicerequestupdates.json?start_date=yesterday", 400, "start_date"),
        ("servicerequestupdates.json?start_date=2026-01-02T00:00:00Z&end_date=2026-01-01T00:00:00Z", 400, "90"),
    ] {
        refused(&world.get(&format!("/open311/v2/{path}")).send(), status, words);
    }
    assert_eq!(cases(world, &dispatcher), Vec::<Value>::new());
    world.get("/open311/v2/services.txt").send().refused(Code::RouteUnknown);
    // Without keys there is nothing here at all.
    let bare = World::start(engine);
    for path in ["discovery", "services", "requests", "servicerequestupdates"] {
        refused(&bare.get(&format!("/open311/v2/{path}.json")).send(), 404, "未启用");
    }
    refused(&post(&bare, "json", &good), 404, "未启用");
}

fn a_key_reports_sixty_times_a_minute(engine: Engine) {
    let world = &world(engine);
    for _ in 0..60 {
        report(world, &[]);
    }
    let pairs = [("api_key", KEY), ("service_code", "component-0101"), ("address_string", "中方大道")];
    let often = post(world, "json", &pairs);
    refused(&often, 429, "60");
    assert!(often.header("retry-after").is_some());
    report(world, &[("api_key", "fedcba9876543210")]);
    world.wait(TimeDelta::seconds(61));
    report(world, &[]);
    assert_eq!(cases(world, &world.person(Role::Dispatcher)).len(), 62);
}

fn questions_are_answered_by_number_service_status_and_time(engine: Engine) {
    let world = &world(engine);
    let first = report(world, &[]);
    world.wait(TimeDelta::days(80));
    let second = report(world, &[("service_code", "event-0101"), ("address_string", "中方大道 0745-2812345")]);
    world.wait(TimeDelta::days(20));
    let numbers = |query: &str| -> Vec<String> {
        let found = get(world, &format!("requests.json?{query}"));
        found.as_array().unwrap().iter().map(|one| read(&one["service_request_id"])).collect()
    };
    assert_eq!(numbers(""), std::slice::from_ref(&second), "the last 90 days");
    assert_eq!(numbers("start_date=2026-11-23T00:00:00Z"), [second.clone(), first.clone()]);
    assert_eq!(numbers("end_date=2026-12-23T00:00:00Z"), std::slice::from_ref(&first));
    assert_eq!(numbers(&format!("service_request_id={first},{second}")), [second.clone(), first.clone()]);
    assert_eq!(numbers("service_code=component-0101"), Vec::<String>::new());
    assert_eq!(numbers("service_code=component-0101,event-0101"), std::slice::from_ref(&second));
    let dispatcher = world.person(Role::Dispatcher);
    let case: String = read(&cases(world, &dispatcher)[0]["id"]);
    assert_eq!((numbers("status=open"), numbers("status=closed")), (vec![second.clone()], vec![]));
    let void = json!({"type": "void", "args": {"reason": "duplicate"}});
    world.post(&format!("/api/v1/cases/{case}/commands")).by(&dispatcher.token).json(&void).send().expect(200);
    assert_eq!((numbers("status=open"), numbers("status=closed")), (vec![], vec![second.clone()]));
    let shown = get(world, &format!("requests/{second}.json"))[0].clone();
    assert_eq!((&shown["status_notes"], &shown["address"]), (&json!("作废"), &json!("中方大道 ***")));
}

fn the_public_hears_of_each_step_in_fixed_words(engine: Engine) {
    let world = &world(engine);
    let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
    let (first, second) = (report(world, &[]), report(world, &[("address_string", "中方大道")]));
    let id_of = |number: &str| {
        let all = cases(world, &dispatcher);
        let case = all.iter().find(|case| case["number"] == number).unwrap();
        read::<String>(&case["id"])
    };
    let (case, other) = (id_of(&first), id_of(&second));
    // Another case of the county, of which nobody hears.
    crate::authorisation::dispatched_case(world, &dispatcher, liaison.unit.as_deref().unwrap());
    let mut moments = Vec::new();
    let mut step = |by: &Person, case: &str, name: &str, args: Value| {
        world.wait(TimeDelta::minutes(1));
        let path = format!("/api/v1/cases/{case}/commands");
        world.post(&path).by(&by.token).json(&json!({"type": name, "args": args})).send().expect(200);
        moments.push(world.now());
    };
    let secret = "业主王某13907451234";
    let due = world.now() + TimeDelta::days(1);
    step(&dispatcher, &case, "dispatch", json!({"unit_id": liaison.unit, "due_at": due}));
    step(&liaison, &case, "request_extension", json!({"until": due + TimeDelta::days(1), "reason": secret}));
    step(&dispatcher, &case, "decide_extension", json!({"granted": false, "reason": secret}));
    step(&dispatcher, &case, "note", json!({"text": secret}));
    step(&liaison, &case, "handle", json!({"note": secret}));
    step(&dispatcher, &other, "void", json!({"reason": "duplicate", "note": secret}));
    let updates = |query: &str| get(world, &format!("servicerequestupdates.json{query}")).as_array().unwrap().clone();
    let all = updates("");
    let told: Vec<(String, String, String, String)> = all
        .iter()
        .map(|one| {
            let stage = read(&one["extended_attributes"]["state"]);
            (read(&one["service_request_id"]), read(&one["status"]), stage, read(&one["description"]))
        })
        .collect();
    let expected = [
        (&first, "open", "dispatched", "已派遣责任单位处置"),
        (&first, "open", "handled", "责任单位已处置，待核查"),
        (&second, "closed", "void", "与已受理的问题重复，合并处置"),
    ];
    let expected = expected.map(|(n, status, stage, text)| (n.clone(), status.into(), stage.into(), text.into()));
    assert_eq!(told, expected);
    assert!(!json!(all).to_string().contains('王'), "{all:?}");
    assert!(all.iter().map(|one| read::<String>(&one["update_id"])).is_sorted(), "each its own, in order");
    // What was heard before is known again; both ends of the time count.
    assert_eq!(updates(""), all);
    let at = |n: usize| read::<String>(&all[n]["updated_datetime"]);
    assert_eq!(at(0), json!(moments[0]).as_str().unwrap());
    assert_eq!(updates(&format!("?start_date={}", at(1))), all[1..]);
    assert_eq!(updates(&format!("?start_date={}&end_date={}", at(1), at(1))), all[1..2]);
    assert_eq!(updates("?end_date=2026-11-01T00:00:00Z"), Vec::<Value>::new());
    assert_eq!(get(world, &format!("requests/{first}.json"))[0]["extended_attributes"]["state"], json!("handled"));
    let xml = world.get("/open311/v2/servicerequestupdates.xml").send();
    let text = String::from_utf8(xml.bytes.clone()).unwrap();
    let (_, one) = text.split_once("<service_request_updates><request_update>").unwrap_or_else(|| panic!("{text}"));
    assert!(one.contains(&format!("<service_request_id>{first}</service_request_id>")), "{text}");
    assert_eq!(text.matches("<update_id>").count(), 3);
}

fn stock_clients_report_and_read(engine: Engine) {
    let name = "open311::stock_clients_report_and_read";
    if stock_clients::switched_off("TEST_STOCK_CLIENTS", name) {
        return;
    }
    let world = world(engine);
    let root = format!("http://{}/open311/v2", world.address);
    let job = json!({"root": root, "api_key": KEY, "code": "component-0101"});
    let script = stock_clients::here().join("open311_py.py");
    let output = Command::new(stock_clients::python()).arg(script).arg(job.to_string()).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    let heard: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap();
    let number = &heard["accepted"][0]["service_request_id"];
    assert_eq!(&heard["by_writer"]["service_request_id"], number);
    assert_eq!((&heard["refused"]["status"], &heard["refused"]["body"][0]["code"]), (&json!(403), &json!(403)));
    // The same in both forms.
    let (json, xml) = (&heard["json"], &heard["xml"]);
    let count = |value: &Value| value.as_array().map(Vec::len);
    assert!(count(&json["services"]) > Some(100) && count(&json["services"]) == count(&xml["services"]));
    for one in [&json["requests"][0], &json["request"], &xml["requests"], &xml["request"]] {
        assert_eq!((&one["service_request_id"], &one["status"]), (number, &json!("open")));
        assert_eq!(one["description"], json!("井盖 <破损> & 松动，电话***"));
    }
    assert_eq!(xml["definition"]["attributes"]["attribute"]["code"], json!("condition"));
}
