//! The sample library: sites with codes, their versions, files in and out, and which kinds stand in.

use crate::support::{
    http::Reply,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{Person, World},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};
use std::fs;

on_both_engines!(
    a_unit_has_any_number_of_sites_of_a_kind_each_with_its_code_and_every_change_leaves_a_version,
    a_file_is_imported_whole_or_not_at_all_and_an_exported_one_changes_nothing,
    which_kinds_stand_in_is_a_document_in_versions,
);

fn put(world: &World, by: &Person, body: &Value) -> Reply {
    world.put("/api/v1/sites").by(&by.token).json(body).send()
}

fn a_unit_has_any_number_of_sites_of_a_kind_each_with_its_code_and_every_change_leaves_a_version(world: &World) {
    let liaison = world.person(Role::Liaison);
    let (admin, unit) = (world.admin().clone(), liaison.unit.clone().unwrap());
    let site = |kind: &str, name: &str| json!({"unit_id": unit, "kind": kind, "name": name});
    let codes: Vec<Value> =
        (0..3).map(|n| put(world, &admin, &site("main_road", &format!("路{n}"))).expect(200)["code"].clone()).collect();
    let first = codes[0].as_str().unwrap().to_owned();
    assert!(first.ends_with("-main_road-001") && codes[2].as_str().unwrap().ends_with("-main_road-003"), "{codes:?}");
    // The same code corrects; what changes nothing makes no version; unit and kind stay.
    let line = json!({"type": "LineString", "coordinates": [[109.94, 27.44], [109.95, 27.44]]});
    let mut corrected =
        json!({"code": first, "unit_id": unit, "kind": "main_road", "name": "人民路", "geometry": line});
    let site_of = put(world, &admin, &corrected).expect(200);
    assert_eq!((&site_of["ver"], &site_of["name"]), (&json!(2), &json!("人民路")));
    assert_eq!(put(world, &admin, &corrected).expect(200)["ver"], 2);
    corrected["kind"] = json!("toilet");
    put(world, &admin, &corrected).refused(Code::ValueInvalid);
    for (field, wrong) in
        [("code", json!("U07#1")), ("name", json!(" ")), ("geometry", json!({"type": "Circle"})), ("lat", json!(91))]
    {
        let mut bad = json!({"unit_id": unit, "kind": "toilet", "name": "x", "lat": 1, "lon": 2});
        bad[field] = wrong;
        put(world, &admin, &bad).refused(Code::ValueInvalid);
    }
    put(world, &admin, &json!({"unit_id": world.app.env.id(), "kind": "toilet", "name": "x"})).refused(Code::NotFound);
    put(world, &liaison, &site("toilet", "x")).refused(Code::RoleForbidden);
    // Struck, with a reason, and back again.
    let path = format!("/api/v1/sites/{}", site_of["id"].as_str().unwrap());
    let strike = |what: &str, reason: &str| {
        world.post(&format!("{path}/{what}")).by(&admin.token).json(&json!({"reason": reason})).send()
    };
    assert_eq!(strike("strike", "道路改造").expect(200)["strike_reason"], "道路改造");
    strike("strike", "再次").refused(Code::AlreadyExists);
    let listed = |query: &str| {
        let page = world.get(&format!("/api/v1/sites?unit_id={unit}{query}")).by(&liaison.token).send().expect(200);
        page["items"].as_array().map(Vec::len).unwrap()
    };
    assert_eq!((listed(""), listed("&struck=false"), listed("&struck=true"), listed("&kind=toilet")), (3, 2, 1, 0));
    strike("reinstate", " ").refused(Code::ValueInvalid);
    assert_eq!(strike("reinstate", "改造完工").expect(200)["struck_at"], Value::Null);
    let page = world.get(&format!("{path}/versions?limit=3")).by(&liaison.token).send().expect(200);
    let told: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|version| &version["change"]).collect();
    assert_eq!(told, ["reinstate", "strike", "correct"]);
    let rest =
        world.get(&format!("{path}/versions?limit=3&cursor={}", page["next"])).by(&liaison.token).send().expect(200);
    assert_eq!(rest["items"][0]["site"]["name"], "路0");
    world.get(&format!("{path}/versions")).by(&world.person(Role::Liaison).token).send().refused(Code::NotFound);
    assert_eq!(
        world.get("/api/v1/sites").by(&world.person(Role::Officer).token).send().expect(200)["items"],
        json!([])
    );
}

fn import(world: &World, query: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Reply {
    world.post(&format!("/api/v1/sites/import{query}")).by(&world.admin().token).bytes(media_type, bytes.into()).send()
}

fn a_file_is_imported_whole_or_not_at_all_and_an_exported_one_changes_nothing(world: &World) {
    const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let (admin, unit) = (world.admin().clone(), world.unit());
    let units = world.get("/api/v1/units").by(&admin.token).send().expect(200);
    let name =
        units["items"].as_array().unwrap().iter().find(|one| one["id"] == unit.as_str()).unwrap()["name"].clone();
    let name = name.as_str().unwrap();
    let good = format!(
        "责任单位,类别,名称,经度,纬度\n{name},公厕,人民路公厕,109.95,27.44\n{name},市场,城东市场,109.96,27.45\n"
    );
    let bad = format!("{good}无此单位,公厕,x,,\n{name},茶馆,y,东经,27\n{name},公厕,人民路公厕,,\n");
    let refused = import(world, "", "text/csv", bad).refused(Code::TableInvalid);
    let faults: Vec<(u64, &str)> = refused["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["row"].as_u64().unwrap(), fault["column"].as_str().unwrap()))
        .collect();
    assert_eq!(faults, [(4, "责任单位"), (5, "类别"), (5, "经度"), (6, "名称")]);
    let tried = import(world, "?dry_run=true", "text/csv", good.clone()).expect(200);
    assert_eq!(tried, json!({"entered": 2, "corrected": 0, "unchanged": 0}));
    let page = || world.get("/api/v1/sites").by(&admin.token).send().expect(200);
    assert_eq!(page()["items"], json!([]), "a trial, and a file with errors, change nothing");
    assert_eq!(import(world, "", "text/csv", good.clone()).expect(200)["entered"], 2);
    assert_eq!(import(world, "", "text/csv", good).expect(200)["unchanged"], 2, "rows without code find their sites");
    for (format, media_type) in [("csv", "text/csv"), ("xlsx", XLSX), ("geojson", "application/geo+json")] {
        let file = world.get(&format!("/api/v1/sites/export?format={format}")).by(&admin.token).send();
        file.expect_status(200);
        let told = import(world, "", media_type, file.bytes.clone()).expect(200);
        assert_eq!(told, json!({"entered": 0, "corrected": 0, "unchanged": 2}), "{format}");
    }
    let line = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "properties": {"unit": name, "kind": "back_street", "name": "一巷"},
        "geometry": {"type": "LineString", "coordinates": [[109.9, 27.4], [109.91, 27.41], [109.92, 27.42]]}}]});
    import(world, "", "application/geo+json", line.to_string()).expect(200);
    let sites = page();
    let street = sites["items"].as_array().unwrap().iter().find(|site| site["kind"] == "back_street").unwrap();
    assert_eq!((&street["lat"], street["geometry"].as_str().is_some()), (&json!(27.41), true));
    on_the_command_line(world, name);
    import(world, "", "text/csv", "名称\n").refused(Code::TableInvalid);
    import(world, "", "application/geo+json", "{}").refused(Code::TableInvalid);
    import(world, "", "text/plain", "x").refused(Code::MediaTypeUnsupported);
}

/// The same file by `chengguan sites import`.
fn on_the_command_line(world: &World, unit: &str) {
    let folder = Folder::new("sites");
    let cli = |args: &[&str]| {
        let mut command = chengguan(folder.path());
        command.args(["sites", "import"]).args(args).args(["--database-url", &world.app.config.database_url]);
        let output = command.output().unwrap();
        let told = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("a.csv", &format!("责任单位,类别,名称\n{unit},公厕,人民路公厕\n{unit},工地,城南工地\n"));
    assert_eq!(cli(&["a.csv", "--dry-run"]), (true, "1 sites would be entered, 1 corrected, 0 unchanged\n".into()));
    assert_eq!(cli(&["a.csv"]), (true, "1 sites entered, 1 corrected, 0 unchanged\n".into()));
    assert_eq!(cli(&["a.csv"]), (true, "0 sites entered, 0 corrected, 2 unchanged\n".into()));
    file("b.csv", &format!("责任单位,类别,名称\n{unit},公厕,新公厕\n无此单位,公厕,x\n"));
    let (good, told) = cli(&["b.csv"]);
    assert!(!good && told.contains("第 3 行 责任单位"), "{told}");
    file("c.txt", "x");
    assert!(!cli(&["c.txt"]).0 && !cli(&["d.csv"]).0);
}

fn which_kinds_stand_in_is_a_document_in_versions(world: &World) {
    let admin = world.admin().clone();
    let held = || world.get("/api/v1/site-substitutions").by(&admin.token).send().expect(200);
    assert_eq!(held()["substitution"]["stand_ins"]["toilet"], json!(["other", "main_road", "back_street"]));
    let set = |stand_ins: Value| {
        let body = json!({"stand_ins": stand_ins, "source": "中城考办〔2026〕3号"});
        world.put("/api/v1/site-substitutions").by(&admin.token).json(&body).send()
    };
    set(json!({"toilet": ["toilet"]})).refused(Code::ValueInvalid);
    set(json!({"tea_house": ["toilet"]})).refused(Code::ValueInvalid);
    let told = set(json!({"toilet": ["market"]})).expect(200);
    assert_eq!((&told["substitution"]["version"], &held()), (&json!(1), &told));
}
