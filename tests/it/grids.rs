//! Grids and the responsibility map over HTTP.

use crate::support::{
    http::Reply,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};
use std::fs;

on_both_engines!(
    a_map_is_imported_exported_and_imported_again,
    a_map_with_errors_tells_all_of_them_and_changes_nothing,
    a_map_is_imported_and_exported_on_the_command_line,
    the_suggested_unit_comes_with_its_reason,
    a_ruling_routes_next_time,
    a_row_that_is_ended_decides_nothing_and_stays_readable,
    holes_and_overlaps_are_listed_by_last_years_cases,
    a_case_handed_on_is_a_bounce,
    what_is_no_row_is_refused,
);

const GEOJSON: &str = "application/geo+json";
const WEST: &str = "431221100001001";
const EAST: &str = "431221100001002";

/// A square of a thousandth of a degree.
fn grid(code: &str, x: f64, y: f64) -> Value {
    let ring = [[x, y], [x + 0.001, y], [x + 0.001, y + 0.001], [x, y + 0.001], [x, y]];
    let geometry = json!({"type": "Polygon", "coordinates": [ring]});
    json!({"type": "Feature", "properties": {"code": code, "name": format!("网格{code}")}, "geometry": geometry})
}

fn put(world: &World, features: &[Value]) -> Reply {
    let map = json!({"type": "FeatureCollection", "features": features}).to_string();
    world.put("/api/v1/grids/map").by(&world.admin().token).bytes(GEOJSON, map).send()
}

/// Two grids side by side.
fn two_grids(world: &World) {
    put(world, &[grid(WEST, 110.0, 27.4), grid(EAST, 110.001, 27.4)]).expect(200);
}

fn get(world: &World, path: &str) -> Value {
    world.get(&format!("/api/v1/{path}")).by(&world.admin().token).send().expect(200)
}

fn scope(area: &str, kind: Option<&str>, code: &str) -> Value {
    json!({"area": area, "class_kind": kind, "class_code": code})
}

fn add(world: &World, by: &Person, path: &str, scope: &Value, unit: &str) -> Reply {
    let entry = json!({"scope": scope, "unit_id": unit, "reason": "县政府〔2026〕1号"});
    world.post(&format!("/api/v1/responsibilities{path}")).by(&by.token).json(&entry).send()
}

fn suggestion(world: &World, query: &str) -> Value {
    get(world, &format!("responsibilities/suggestion?class_kind=event&class_code=0405&{query}"))
}

fn a_map_is_imported_exported_and_imported_again(world: &World) {
    let overlapping = put(world, &[grid(EAST, 110.0005, 27.4), grid(WEST, 110.0, 27.4)]).expect(200);
    assert_eq!((&overlapping["grids"], &overlapping["overlaps"][0]["a"]), (&json!(2), &json!(WEST)));
    assert!(overlapping["overlaps"][0]["area_m2"].as_f64().is_some_and(|area| (5_000.0..6_000.0).contains(&area)));
    two_grids(world);
    let export = || world.get("/api/v1/grids/map").by(&world.admin().token).send();
    let first = export().bytes;
    let again = world.put("/api/v1/grids/map").by(&world.admin().token).bytes(GEOJSON, first.clone()).send();
    assert_eq!(again.expect(200)["overlaps"], json!([]));
    assert_eq!(export().json(), serde_json::from_slice::<Value>(&first).unwrap());
    let page = get(world, "grids?limit=1");
    assert_eq!((&page["items"][0]["code"], &page["next"]), (&json!(WEST), &json!(WEST)));
    assert_eq!(get(world, &format!("grids?limit=1&cursor={WEST}"))["items"][0]["code"], json!(EAST));
    assert_eq!(get(world, "grids?prefix=431221100001")["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(get(world, "grids?prefix=431221102")["items"].as_array().map(Vec::len), Some(0));
}

fn a_map_with_errors_tells_all_of_them_and_changes_nothing(world: &World) {
    two_grids(world);
    let problem = put(world, &[grid("4312", 110.0, 27.4), grid(WEST, 200.0, 27.4)]).refused(Code::TableInvalid);
    let told: Vec<(u64, String)> = problem["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["row"].as_u64().unwrap(), read(&fault["column"])))
        .collect();
    assert_eq!(told, [(1, "code".to_owned()), (2, "geometry".to_owned())]);
    let admin = &world.admin().token;
    world.put("/api/v1/grids/map").by(admin).bytes(GEOJSON, "{").send().refused(Code::TableInvalid);
    world.put("/api/v1/grids/map").by(admin).bytes("text/csv", "x").send().refused(Code::MediaTypeUnsupported);
    assert_eq!(get(world, "grids")["items"].as_array().map(Vec::len), Some(2));
}

fn a_map_is_imported_and_exported_on_the_command_line(world: &World) {
    let folder = Folder::new("grids");
    let cli = |args: [&str; 2]| {
        let mut command = chengguan(folder.path());
        command.arg("grids").args(args).args(["--database-url", &world.app.config.database_url]);
        let output = command.output().unwrap();
        let told = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    two_grids(world);
    assert_eq!(cli(["export", "a.geojson"]), (true, "2 grids\n".into()));
    let overlapping = [grid(WEST, 110.0, 27.4), grid(EAST, 110.0005, 27.4), grid("431221100001003", 110.1, 27.4)];
    let map = json!({"type": "FeatureCollection", "features": overlapping}).to_string();
    fs::write(folder.path().join("b.geojson"), map).unwrap();
    assert_eq!(cli(["import", "b.geojson"]), (true, "3 grids, 1 overlaps\n".into()));
    assert_eq!(get(world, "grids")["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(cli(["import", "a.geojson"]), (true, "2 grids, 0 overlaps\n".into()));
    fs::write(folder.path().join("c.geojson"), "{}").unwrap();
    let (good, told) = cli(["import", "c.geojson"]);
    assert!(!good && told.contains("GeoJSON"), "{told}");
    assert_eq!(get(world, "grids")["items"].as_array().map(Vec::len), Some(2), "a wrong map changes nothing");
}

fn the_suggested_unit_comes_with_its_reason(world: &World) {
    two_grids(world);
    let dispatcher = world.person(Role::Dispatcher);
    let (market, street) = (world.unit(), world.unit());
    let unset = suggestion(world, "lat=27.4005&lon=110.0005");
    assert_eq!((&unset["standing"], &unset["unit"], &unset["grids"]), (&json!("unset"), &Value::Null, &json!([WEST])));
    add(world, &dispatcher, "", &scope("431221", None, ""), &street).expect(200);
    let mut night = scope(WEST, Some("event"), "04");
    night["hours"] = json!({"from_min": 1080, "until_min": 360});
    let row = add(world, &dispatcher, "", &night, &market).expect(200);
    // 10:00 and 23:00 in Huaihua.
    let by_day = suggestion(world, "lat=27.4005&lon=110.0005&at=2026-11-23T02:00:00Z");
    assert_eq!((&by_day["standing"], &by_day["unit"]["id"]), (&json!("one"), &json!(street)));
    let by_night = suggestion(world, &format!("grid={WEST}&at=2026-11-23T15:00:00Z"));
    assert_eq!((&by_night["unit"]["id"], &by_night["rows"]), (&json!(market), &json!([row["id"]])));
    let reason = by_night["reason"].as_str().unwrap();
    let name = by_night["unit"]["name"].as_str().unwrap();
    assert!(reason.contains(&format!("网格 {WEST}、事件 04、18:00–06:00”由{name}负责")), "{reason}");
    assert!(reason.ends_with("另有 1 条范围更宽或已被裁定的未采用"), "{reason}");
    assert_eq!(suggestion(world, "lat=27.4005&lon=110.0015&at=2026-11-23T15:00:00Z")["unit"]["id"], json!(street));
    // 高德's coordinates of the west grid's middle; taken as WGS-84 they lie half a kilometre away.
    let amap = "lat=27.39718&lon=110.00518";
    assert_eq!(suggestion(world, &format!("{amap}&datum=gcj02"))["grids"], json!([WEST]));
    assert_eq!(suggestion(world, amap)["standing"], json!("unset"));
    let admin = &world.admin().token;
    for (query, code) in [
        ("class_code=0405&lat=27.4", Code::ParameterInvalid),
        ("class_code=0405&lat=97.4&lon=110", Code::ParameterInvalid),
        ("class_code=0405&lat=27.4&lon=110&datum=x", Code::ParameterInvalid),
        ("lat=27.4&lon=110", Code::ParameterInvalid),
        ("class_code=0405&grid=431221100001009", Code::NotFound),
    ] {
        world.get(&format!("/api/v1/responsibilities/suggestion?{query}")).by(admin).send().refused(code);
    }
}

fn a_ruling_routes_next_time(world: &World) {
    two_grids(world);
    let (dispatcher, supervisor) = (world.person(Role::Dispatcher), world.person(Role::Supervisor));
    let (town, traffic) = (world.unit(), world.unit());
    add(world, &dispatcher, "", &scope(WEST, None, ""), &town).expect(200);
    add(world, &dispatcher, "", &scope("", Some("event"), "0405"), &traffic).expect(200);
    let disputed = suggestion(world, &format!("grid={WEST}"));
    assert_eq!((&disputed["standing"], &disputed["unit"]), (&json!("disputed"), &Value::Null));
    assert_eq!(disputed["units"].as_array().map(Vec::len), Some(2));
    add(world, &supervisor, "/rulings", &scope(WEST, Some("event"), "0405"), &town).expect(200);
    let ruled = suggestion(world, &format!("grid={WEST}"));
    assert_eq!((&ruled["standing"], &ruled["unit"]["id"]), (&json!("one"), &json!(town)));
    assert!(ruled["reason"].as_str().is_some_and(|reason| reason.contains("按裁定")), "{ruled}");
    // It is about this grid only, and a later one takes its place.
    assert_eq!(suggestion(world, &format!("grid={EAST}"))["unit"]["id"], json!(traffic));
    world.wait(chrono::TimeDelta::seconds(1));
    add(world, &dispatcher, "/rulings", &scope(WEST, Some("event"), "0405"), &traffic).expect(200);
    assert_eq!(suggestion(world, &format!("grid={WEST}"))["unit"]["id"], json!(traffic));
    assert_eq!(get(world, "responsibilities?ruling=true")["items"].as_array().map(Vec::len), Some(2));
}

fn a_row_that_is_ended_decides_nothing_and_stays_readable(world: &World) {
    two_grids(world);
    let (dispatcher, unit) = (world.person(Role::Dispatcher), world.unit());
    let row = add(world, &dispatcher, "", &scope("", None, ""), &unit).expect(200);
    let path = format!("/api/v1/responsibilities/{}/end", read::<String>(&row["id"]));
    world.post(&path).by(&dispatcher.token).send().expect_status(204);
    world.post(&path).by(&dispatcher.token).send().refused(Code::NotFound);
    assert_eq!(suggestion(world, &format!("grid={WEST}"))["standing"], json!("unset"));
    assert_eq!(get(world, "responsibilities")["items"], json!([]));
    let ended = get(world, &format!("responsibilities?ended=true&unit_id={unit}"));
    assert!(ended["items"][0]["ended_at"].is_string(), "{ended}");
}

fn report(world: &World, by: &Person, class: &str, position: Value) {
    let case = json!({"title": "占道", "class_code": class, "position": position});
    world.post("/api/v1/cases").by(&by.token).json(&case).send().expect(201);
}

fn holes_and_overlaps_are_listed_by_last_years_cases(world: &World) {
    two_grids(world);
    let (dispatcher, inspector) = (world.person(Role::Dispatcher), world.person(Role::Inspector));
    let (town, traffic) = (world.unit(), world.unit());
    let west = || json!({"lat": 27.4005, "lon": 110.0005, "datum": "wgs84"});
    let east = || json!({"lat": 27.4005, "lon": 110.0015, "datum": "cgcs2000"});
    // More than a year ago: weighs nothing.
    report(world, &inspector, "0405", west());
    world.wait(chrono::TimeDelta::days(366));
    let (dispatcher, inspector) = (world.sign_in(&dispatcher.username, None), world.sign_in(&inspector.username, None));
    for _ in 0..3 {
        report(world, &inspector, "0405", west());
    }
    // An event's code of ten digits.
    report(world, &inspector, "4312210405", east());
    report(world, &inspector, "0112", json!({"lat": 27.39718, "lon": 110.00518, "datum": "gcj02"}));
    report(world, &inspector, "0112", Value::Null);
    add(world, &dispatcher, "", &scope(WEST, Some("event"), "04"), &town).expect(200);
    add(world, &dispatcher, "", &scope(WEST, Some("event"), "04"), &traffic).expect(200);
    let read = |query: &str| -> (u64, Vec<Value>) {
        let path = format!("/api/v1/responsibilities/doubts{query}");
        let told = world.get(&path).by(&dispatcher.token).send().expect(200);
        let line = |doubt: &Value| json!([doubt["standing"], doubt["grids"], doubt["class_code"], doubt["cases"]]);
        (told["total"].as_u64().unwrap(), told["items"].as_array().unwrap().iter().map(line).collect())
    };
    let (total, doubts) = read("");
    assert_eq!((total, &doubts[0]), (4, &json!(["several", [WEST], "0405", 3])));
    let holes =
        [json!(["unset", [], "0112", 1]), json!(["unset", [WEST], "0112", 1]), json!(["unset", [EAST], "0405", 1])];
    assert_eq!(doubts[1..], holes);
    assert_eq!(read("?standing=unset&limit=1"), (3, vec![holes[0].clone()]));
    add(world, &dispatcher, "/rulings", &scope(WEST, Some("event"), "0405"), &town).expect(200);
    assert_eq!(read("?standing=several").0, 0);
    // Flower boxes (部件 0405) are none of the events that somebody sees to there.
    let boxes = json!({"title": "花箱破损", "class_kind": "component", "class_code": "0405", "position": west()});
    world.post("/api/v1/cases").by(&inspector.token).json(&boxes).send().expect(201);
    assert_eq!(read("?standing=unset").1[2], json!(["unset", [WEST], "0405", 1]));
    let holes = world.get("/api/v1/responsibilities/doubts?standing=unset").by(&dispatcher.token).send().expect(200);
    assert_eq!(holes["items"][2]["class_kind"], json!("component"), "{holes}");
}

fn a_case_handed_on_is_a_bounce(world: &World) {
    let (dispatcher, first) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
    let second = world.unit();
    let case = json!({"title": "占道", "class_code": "0405", "position": null});
    let case = world.post("/api/v1/cases").by(&dispatcher.token).json(&case).send().expect(201);
    let path = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    let dispatch = |unit: &str| {
        let due = world.now() + chrono::TimeDelta::days(3);
        let command = json!({"type": "dispatch", "args": {"unit_id": unit, "due_at": due}});
        world.post(&path).by(&dispatcher.token).json(&command).send().expect(200);
    };
    let unit = first.unit.clone().unwrap();
    dispatch(&unit);
    let back = json!({"type": "return", "args": {"reason": "不属本单位"}});
    world.post(&path).by(&first.token).json(&back).send().expect(200);
    dispatch(&second);
    let bounces = get(world, "responsibilities/bounces");
    assert_eq!(bounces["items"], json!([{"from": unit, "to": second, "times": 1}]));
}

fn what_is_no_row_is_refused(world: &World) {
    two_grids(world);
    let (dispatcher, unit) = (world.person(Role::Dispatcher), world.unit());
    let event = Some("event");
    for (path, scope, code) in [
        ("", scope("4312", None, ""), Code::ValueInvalid),
        ("", scope("", None, "0405"), Code::ValueInvalid),
        ("", scope("", Some("thing"), ""), Code::BodyInvalid),
        ("/rulings", scope(WEST, event, "04"), Code::ValueInvalid),
        ("/rulings", scope("431221100001", event, "0405"), Code::NotFound),
    ] {
        add(world, &dispatcher, path, &scope, &unit).refused(code);
    }
    let nobody = "01900000-0000-7000-8000-000000000001";
    add(world, &dispatcher, "", &scope("", None, ""), nobody).refused(Code::NotFound);
    let silent = json!({"scope": scope(WEST, event, "0405"), "unit_id": unit, "reason": " "});
    let path = "/api/v1/responsibilities/rulings";
    world.post(path).by(&dispatcher.token).json(&silent).send().refused(Code::ValueInvalid);
    assert_eq!(get(world, "responsibilities?ended=true")["items"], json!([]));
}
