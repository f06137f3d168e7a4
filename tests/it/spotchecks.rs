//! Records of visits, as any app has sent them.

use crate::support::{
    field::Field,
    on_both_engines,
    world::{Person, World, read},
};
use chengguan::{error::Code, identity::rules::Role};
use serde_json::{Value, json};

on_both_engines!(
    a_weeks_record_comes_by_sync_and_its_score_is_computed_here,
    a_record_is_seen_by_its_unit_and_its_maker_only,
    a_record_must_be_sound,
);

fn put(world: &World, by: &Person, unit: &str, kind: &str, name: &str) -> crate::support::http::Reply {
    let body = json!({"unit_id": unit, "kind": kind, "name": name, "lat": 27.44, "lon": 109.94});
    world.call("PUT", "/api/v1/sites").by(&by.token).json(&body).send()
}

fn record(field: &Field, world: &World, site: &Value, items: Value) -> Value {
    let args = json!({"site_id": site["id"], "week": "2026-W48", "items": items});
    field.op("spot_check.record", "spot_check", world.app.env.id(), args)
}

fn a_weeks_record_comes_by_sync_and_its_score_is_computed_here(world: &World) {
    let field = Field::new(world, Role::SpotChecker);
    let site = put(world, world.admin(), &world.unit(), "toilet", "人民路公厕").expect(200);
    let mut op = record(&field, world, &site, json!([{"code": "8.1", "text": "地面有积水", "deduction": 1500}]));
    // 589 m north-east of where it really is: the place is stored in WGS-84.
    op["gps"] = json!({"lat": 27.436_534_17, "lon": 109.948_513_51, "datum": "gcj02", "accuracy_m": 8.0});
    field.result(&op, "applied");
    let page = world.get("/api/v1/spot-checks?week=2026-W48").by(&field.person.token).send().expect(200);
    let check = &page["items"][0];
    assert_eq!((&check["score"], &check["op_id"]), (&json!(98_500), &op["op_id"]));
    assert!((check["lat"].as_f64().unwrap() - 27.44).abs() < 1e-6, "{check}");
    assert!((check["lon"].as_f64().unwrap() - 109.944).abs() < 1e-6, "{check}");
    // The site's point is 395 m to the west.
    assert!((check["distance_m"].as_f64().unwrap() - 394.7).abs() < 1.0 && check["outside_fence"] == true, "{check}");
    // What a checker takes along says how far one may stand.
    let along = world.get("/api/v1/spot-checklists").by(&field.person.token).send().expect(200);
    assert_eq!(along["fence_m"], 60.0);
}

fn a_record_is_seen_by_its_unit_and_its_maker_only(world: &World) {
    let (field, liaison) = (Field::new(world, Role::SpotChecker), world.person(Role::Liaison));
    let site = put(world, world.admin(), liaison.unit.as_deref().unwrap(), "main_road", "中山路").expect(200);
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
    let site = put(world, world.admin(), &world.unit(), "main_road", "中山路").expect(200);
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
