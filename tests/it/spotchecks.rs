//! The sample library and its records.

use crate::support::{
    field::Field,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};

on_both_engines!(
    a_slot_decides_the_kind_and_a_second_entry_corrects_the_first,
    a_weeks_record_comes_by_sync_and_its_score_is_computed_here,
    a_record_is_seen_by_its_unit_and_its_maker_only,
    a_record_must_be_sound,
);

fn put(world: &World, by: &Person, unit: &str, slot: i64, name: &str) -> crate::support::http::Reply {
    let body = json!({"unit_id": unit, "slot": slot, "name": name, "lat": 27.44, "lon": 109.94});
    world.call("PUT", "/api/v1/sites").by(&by.token).json(&body).send()
}

fn record(field: &Field, world: &World, site: &Value, items: Value) -> Value {
    let args = json!({"site_id": site["id"], "week": "2026-W48", "items": items});
    field.op("spot_check.record", "spot_check", world.app.env.id(), args)
}

fn a_slot_decides_the_kind_and_a_second_entry_corrects_the_first(world: &World) {
    let (admin, unit) = (world.admin().clone(), world.unit());
    let kinds: Vec<Value> =
        (1..=9).map(|slot| put(world, &admin, &unit, slot, "点位").expect(200)["kind"].clone()).collect();
    let expected = [
        "main_road",
        "main_road",
        "back_street",
        "back_street",
        "residential",
        "market",
        "construction",
        "toilet",
        "other",
    ];
    assert_eq!(kinds, expected.map(Value::from));
    let again = put(world, &admin, &unit, 3, "新名").expect(200);
    assert_eq!((&again["ver"], &again["name"]), (&json!(2), &json!("新名")));
    let listed = world.get(&format!("/api/v1/sites?unit_id={unit}")).by(&admin.token).send().expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(9));
    put(world, &admin, &unit, 10, "第十").refused(Code::ValueInvalid);
    put(world, &admin, &world.app.env.id().to_string(), 1, "无主").refused(Code::NotFound);
    put(world, &world.person(Role::SpotChecker), &unit, 1, "x").refused(Code::RoleForbidden);
}

fn a_weeks_record_comes_by_sync_and_its_score_is_computed_here(world: &World) {
    let field = Field::new(world, Role::SpotChecker);
    let site = put(world, world.admin(), &world.unit(), 8, "人民路公厕").expect(200);
    let mut op = record(&field, world, &site, json!([{"code": "8.1", "text": "地面有积水", "deduction": 1500}]));
    // 589 m north-east of where it really is: the place is stored in WGS-84.
    op["gps"] = json!({"lat": 27.436_534_17, "lon": 109.948_513_51, "datum": "gcj02", "accuracy_m": 8.0});
    field.result(&op, "applied");
    let page = world.get("/api/v1/spot-checks?week=2026-W48").by(&field.person.token).send().expect(200);
    let check = &page["items"][0];
    assert_eq!((&check["score"], &check["op_id"]), (&json!(98_500), &op["op_id"]));
    assert!((check["lat"].as_f64().unwrap() - 27.44).abs() < 1e-6, "{check}");
    assert!((check["lon"].as_f64().unwrap() - 109.944).abs() < 1e-6, "{check}");
}

fn a_record_is_seen_by_its_unit_and_its_maker_only(world: &World) {
    let (field, liaison) = (Field::new(world, Role::SpotChecker), world.person(Role::Liaison));
    let site = put(world, world.admin(), liaison.unit.as_deref().unwrap(), 1, "中山路").expect(200);
    field.result(&record(&field, world, &site, json!([])), "applied");
    let seen = |person: &Person| {
        let page = world.get("/api/v1/spot-checks").by(&person.token).send().expect(200);
        page["items"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(seen(&field.person), 1);
    assert_eq!(seen(&liaison), 1);
    assert_eq!(seen(&world.person(Role::Supervisor)), 1);
    assert_eq!(seen(&world.person(Role::Liaison)), 0, "another unit");
    assert_eq!(seen(&world.person(Role::SpotChecker)), 0, "a second visit is blind");
}

fn a_record_must_be_sound(world: &World) {
    let field = Field::new(world, Role::SpotChecker);
    let site = put(world, world.admin(), &world.unit(), 1, "中山路").expect(200);
    let refused = |op: &Value, code: Code| {
        assert_eq!(field.result(op, "rejected")["code"], code.as_str(), "{op}");
    };
    let deducts = |n: i64| json!([{"code": "1", "text": "脏", "deduction": n}]);
    refused(&record(&field, world, &site, deducts(-1)), Code::ValueInvalid);
    refused(&record(&field, world, &site, deducts(100_001)), Code::ValueInvalid);
    refused(&record(&field, world, &json!({"id": world.app.env.id()}), json!([])), Code::NotFound);
    let mut op = record(&field, world, &site, json!([]));
    op["args"]["week"] = json!("2026-W60");
    refused(&op, Code::ValueInvalid);
    let mut op = record(&field, world, &site, json!([]));
    op["args"]["colour"] = json!("red");
    refused(&op, Code::ArgsInvalid);
    let mut op = record(&field, world, &site, json!([]));
    op["gps"] = json!({"lat": 127.0, "lon": 0.0, "datum": "wgs84"});
    refused(&op, Code::ArgsInvalid);
    let inspector = Field::new(world, Role::Inspector);
    inspector.result(&record(&inspector, world, &site, json!([])), "applied");
    let officer = Field::new(world, Role::Officer);
    let refused = officer.result(&record(&officer, world, &site, json!([])), "rejected");
    assert_eq!(refused["code"], Code::RoleForbidden.as_str());
    read::<String>(&refused["op_id"]);
}
