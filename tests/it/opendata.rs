//! Open data as files: every row once, nothing personal, no formulas, whatever the format.

use crate::support::{
    on_both_engines,
    world::{Person, World},
};
use calamine::{Data, Reader, Xlsx};
use chengguan::{
    cases::{
        actions::{Cause, Held},
        desk,
        report::{Position, Report},
        rules::{Command, Dispatch},
    },
    db::types::CaseId,
    error::Code,
    evidence::datum::{self, Datum},
    identity::rules::Role,
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::io::Cursor;

on_both_engines!(
    every_format_holds_every_case_once_and_nothing_personal,
    filters_narrow_an_export_as_they_narrow_the_list,
    sites_and_grids_are_open_too,
    spots_are_open_with_their_figures_and_without_words,
    what_is_no_filter_or_format_is_refused,
);

/// A position in a datum, of one in WGS-84.
pub fn position(lon: f64, lat: f64, datum: Datum) -> Position {
    let there = datum::from_wgs84(datum::Position::new(lat, lon).unwrap(), datum);
    Position { lat: there.lat(), lon: there.lon(), datum: datum.to_string() }
}

/// A report of something at a place.
pub fn a_report(title: &str, position: Option<Position>) -> Report {
    Report { title: title.into(), description: "电话13907451234".into(), position, ..Report::default() }
}

/// Reports cases in one transaction.
pub fn report(world: &World, by: &Person, reports: Vec<Report>) -> Vec<CaseId> {
    let mut ids: Vec<CaseId> = reports.iter().map(|_| CaseId(world.app.env.id())).collect();
    // Those of one millisecond are in no order.
    ids.sort_unstable();
    let (told, actor) = (ids.clone(), by.actor());
    world.write(move |tx| {
        let mut held = Held::default();
        let cause = Cause { op: None, device: None, occurred_at: tx.now };
        for (id, report) in told.into_iter().zip(reports) {
            desk::report(&mut held.desk(tx), &actor, id, report, cause)?;
        }
        held.clear(tx)
    });
    ids
}

fn export(world: &World, by: &Person, query: &str) -> Vec<u8> {
    let answer = world.get(&format!("/api/v1/open-data/{query}")).by(&by.token).send();
    answer.expect_status(200);
    assert!(answer.header("content-disposition").is_some_and(|name| name.contains("-20261123.")), "{answer}");
    answer.bytes
}

fn csv_of(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").expect("it begins with the mark that Excel looks for");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn column(rows: &[Vec<String>], heading: &str) -> usize {
    rows[0].iter().position(|text| text == heading).unwrap()
}

/// More than two pages of the export.
const MANY: usize = 1203;

fn every_format_holds_every_case_once_and_nothing_personal(world: &World) {
    let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
    let mut reports: Vec<Report> = (0..MANY - 3)
        .map(|n| {
            let datum = Datum::ALL[n % 4];
            a_report(&format!("店外经营{n}"), Some(position(109.9 + n as f64 * 1e-4, 27.44, datum)))
        })
        .collect();
    reports.push(a_report("=HYPERLINK(\"http://x\")", None));
    reports.push(Report {
        address: Some("中方大道1号 0745-2812345".into()), ..a_report("王女士13907451234", None)
    });
    reports.push(a_report("\"引号\",逗号\n换行", None));
    let ids = report(world, &dispatcher, reports);
    let due = world.now() + TimeDelta::days(3);
    let command = Command::Dispatch(Dispatch {
        unit_id: liaison.actor().unit_id.unwrap(),
        due_at: Some(due),
        limit: None,
        priority: 1,
    });
    let (first, actor) = (ids[0], dispatcher.actor());
    world.write(move |tx| {
        let cause = Cause { op: None, device: None, occurred_at: tx.now };
        chengguan::cases::actions::case_command(tx, &actor, first, &command, cause)
    });

    let bytes = export(world, &dispatcher, "cases?format=csv");
    let whole = String::from_utf8(bytes.clone()).unwrap();
    assert!(!whole.contains("1390745") && !whole.contains("2812345") && !whole.contains(&dispatcher.id.to_string()));
    let rows = csv_of(&bytes);
    assert_eq!(rows.len(), MANY + 1);
    let (number, title) = (column(&rows, "案件编号"), column(&rows, "标题"));
    let mut numbers: Vec<&String> = rows[1..].iter().map(|row| &row[number]).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), MANY, "each once");
    let titles: Vec<&str> = rows[1..4].iter().map(|row| row[title].as_str()).collect();
    assert_eq!(titles, ["\"引号\",逗号\n换行", "王女士***", "'=HYPERLINK(\"http://x\")"], "newest first");
    assert_eq!(rows[2][column(&rows, "地址")], "中方大道1号 ***");
    let last = &rows[MANY];
    let told = ["环节", "紧急程度", "截止时间", "经度", "纬度"].map(|heading| last[column(&rows, heading)].as_str());
    assert_eq!(told, ["待处置", "紧急", "2026-11-26 09:00:00", "109.9", "27.44"]);
    assert!(last[column(&rows, "责任单位")].starts_with("单位"), "{last:?}");

    let map: Value = serde_json::from_slice(&export(world, &dispatcher, "cases?format=geojson")).unwrap();
    let features = map["features"].as_array().unwrap();
    assert_eq!((features.len(), &map["type"]), (MANY, &json!("FeatureCollection")));
    for (n, feature) in features.iter().rev().take(MANY - 3).enumerate() {
        // Every datum comes out in the same one.
        let lon = feature["geometry"]["coordinates"][0].as_f64().unwrap();
        assert!((lon - 109.9 - n as f64 * 1e-4).abs() < 2e-7, "{n}: {feature}");
    }
    assert_eq!((&features[0]["geometry"], &features[1]["properties"]["title"]), (&Value::Null, &json!("王女士***")));
    let properties = &features[MANY - 1]["properties"];
    assert_eq!((&properties["state"], &properties["due_at"]), (&json!("dispatched"), &json!(due)));

    let mut book = Xlsx::new(Cursor::new(export(world, &dispatcher, "cases?format=xlsx"))).unwrap();
    let sheet = book.worksheet_range("案件").unwrap();
    assert_eq!((sheet.height(), sheet.width()), (MANY + 1, rows[0].len()));
    let cell = |row: usize, column: usize| sheet.get((row, column)).cloned().unwrap_or_default();
    for (n, row) in rows.iter().enumerate() {
        // Long codes are text, and what begins like a formula is none.
        assert_eq!(cell(n, number), Data::String(row[number].clone()));
    }
    assert_eq!(cell(3, title), Data::String("=HYPERLINK(\"http://x\")".into()));
    assert_eq!(cell(MANY, column(&rows, "经度")), Data::Float(109.9));
    assert!(matches!(cell(MANY, column(&rows, "截止时间")), Data::DateTime(_)));
}

fn filters_narrow_an_export_as_they_narrow_the_list(world: &World) {
    let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
    let unit = liaison.unit.clone().unwrap();
    crate::authorisation::dispatched_case(world, &dispatcher, &unit);
    report(world, &dispatcher, (0..5).map(|_| a_report("乱堆物料", None)).collect());
    let count = |query: &str| csv_of(&export(world, &dispatcher, query)).len() - 1;
    assert_eq!(count("cases"), 6);
    assert_eq!(count("cases?state=reported"), 5);
    assert_eq!(count(&format!("cases?unit_id={unit}")), 1);
    assert_eq!(count(&format!("cases?unit_id={unit}&state=closed")), 0, "a table without rows has its headings");
    let none = export(world, &dispatcher, "cases?state=closed&format=geojson");
    assert_eq!(serde_json::from_slice::<Value>(&none).unwrap()["features"], json!([]));
}

/// Two grids side by side in the county.
pub fn grids() -> Value {
    let square = |code: &str, west: f64| {
        let (east, south, north) = (west + 0.1, 27.4, 27.5);
        let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
        json!({"type": "Feature", "properties": {"code": code, "name": format!("网格{code}")},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let features = [square("43122100100101", 109.9), square("43122100100102", 110.0)];
    json!({"type": "FeatureCollection", "features": features})
}

/// Imports them.
pub fn import_grids(world: &World) {
    let call = world.put("/api/v1/grids/map").by(&world.admin().token);
    call.bytes("application/geo+json", grids().to_string()).send().expect(200);
}

fn sites_and_grids_are_open_too(world: &World) {
    let supervisor = world.person(Role::Supervisor);
    let site = json!({"unit_id": world.unit(), "kind": "toilet", "name": "人民路公厕", "lat": 27.44, "lon": 109.95});
    let site = world.put("/api/v1/sites").by(&world.admin().token).json(&site).send().expect(200);
    let code = site["code"].as_str().unwrap();
    let rows = csv_of(&export(world, &supervisor, "sites"));
    let told = ["点位编号", "类别", "名称", "经度"].map(|heading| rows[1][column(&rows, heading)].as_str());
    assert_eq!((rows.len(), told), (2, [code, "公厕", "人民路公厕", "109.95"]));
    import_grids(world);
    let rows = csv_of(&export(world, &supervisor, "grids?prefix=43122100100102"));
    let told = ["网格编码", "网格名称", "西至经度"].map(|heading| rows[1][column(&rows, heading)].as_str());
    assert_eq!((rows.len(), told), (2, ["43122100100102", "网格43122100100102", "110"]));
    let map: Value = serde_json::from_slice(&export(world, &supervisor, "grids?format=geojson")).unwrap();
    assert_eq!(map["features"].as_array().map(Vec::len), Some(2));
    assert_eq!(map["features"][0]["geometry"]["coordinates"], grids()["features"][0]["geometry"]["coordinates"]);
    let mut book = Xlsx::new(Cursor::new(export(world, &supervisor, "grids?format=xlsx"))).unwrap();
    assert_eq!(book.worksheet_range("单元网格").unwrap().height(), 3);
}

fn spots_are_open_with_their_figures_and_without_words(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    import_grids(world);
    let send = |path: &str, body: &Value, status: u16| {
        let path = format!("/api/v1/spots{path}");
        let method = if path.ends_with("cause") { "PUT" } else { "POST" };
        world.call(method, &path).by(&dispatcher.token).json(body).send().expect(status)
    };
    let spot = |lon: f64, kind: &str| {
        let body = json!({"class_kind": kind, "class_code": "0405", "address": "人民路 13907451234",
            "position": position(lon, 27.44, Datum::Cgcs2000)});
        // Those of one millisecond are in no order.
        world.wait(TimeDelta::seconds(1));
        send("", &body, 201)["id"].as_str().unwrap().to_owned()
    };
    let (busy, calm) = (spot(109.95, "event"), spot(110.05, "component"));
    send(&format!("/{busy}/observations"), &json!({"note": "老板姓王"}), 200);
    world.wait(TimeDelta::minutes(10));
    send(&format!("/{busy}/observations"), &json!({}), 200);
    let why = json!({"cause": "repeat_offender", "note": "老板姓王"});
    send(&format!("/{busy}/cause"), &why, 200);
    send(&format!("/{calm}/close"), &json!({"reason": "已移除"}), 200);
    // One of the two observations followed another that was not solved: it weighs each day that is gone since.
    world.wait(TimeDelta::minutes(432));
    let by = world.sign_in(&dispatcher.username, None);
    let bytes = export(world, &by, "spots");
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains('王'));
    let rows = csv_of(&bytes);
    let told = |row: usize| {
        let headings =
            ["部件或事件", "分类代码", "地址", "经度", "半径（米）", "网格编码", "状态", "成因", "补拍数", "蘑菇指数"];
        headings.map(|heading| rows[row][column(&rows, heading)].clone())
    };
    let (here, there) = ("43122100100101", "43122100100102");
    assert_eq!(rows.len(), 3);
    assert_eq!(told(1), ["事件", "0405", "人民路 ***", "109.95", "50", here, "未销号", "屡教不改", "2", "0.30"]);
    assert_eq!(told(2), ["部件", "0405", "人民路 ***", "110.05", "15", there, "已销号", "", "0", "0.00"]);
    for (query, count) in [("?state=open", 1), ("?state=closed", 1), (&format!("?grid={here}"), 1), ("?grid=9", 0)] {
        assert_eq!(csv_of(&export(world, &by, &format!("spots{query}"))).len() - 1, count, "{query}");
    }
    let map: Value = serde_json::from_slice(&export(world, &by, "spots?format=geojson")).unwrap();
    let feature = &map["features"][0];
    assert_eq!(feature["geometry"], json!({"type": "Point", "coordinates": [109.95, 27.44]}));
    let properties = &feature["properties"];
    assert_eq!((&properties["class_kind"], &properties["mushroom_index"]), (&json!("event"), &json!(0.3)));
    let mut book = Xlsx::new(Cursor::new(export(world, &by, "spots?format=xlsx"))).unwrap();
    let sheet = book.worksheet_range("问题点位").unwrap();
    assert_eq!((sheet.height(), sheet.get((1, column(&rows, "蘑菇指数")))), (3, Some(&Data::Float(0.3))));
}

fn what_is_no_filter_or_format_is_refused(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    for query in [
        "cases?format=pdf",
        "cases?state=lost",
        "cases?unit_id=1",
        "cases?prefix=4",
        "grids?prefix=%00",
        "sites?state=closed",
        "sites?format=",
        "spots?state=void",
        "spots?grid=%00",
    ] {
        world.get(&format!("/api/v1/open-data/{query}")).by(&dispatcher.token).send().refused(Code::ParameterInvalid);
    }
    world.get("/api/v1/open-data/users").by(&dispatcher.token).send().refused(Code::RouteUnknown);
    let officer = world.person(Role::Officer);
    world.get("/api/v1/open-data/cases").by(&officer.token).send().refused(Code::RoleForbidden);
}
