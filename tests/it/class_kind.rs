//! Components and events: which of the two a case is about, and how far each reaches.

use crate::{
    spots::{Town, days, here, off, stated},
    support::{
        on_both_engines,
        world::{World, read},
    },
};
use chengguan::{catalogue::rules::ClassKind, error::Code, evidence::datum::Datum, spots::rules::radius_m};
use serde_json::{Value, json};

on_both_engines!(
    events_reach_farther_than_components_and_neither_is_the_other,
    a_case_has_the_kind_that_is_told_or_that_the_catalogue_has_alone,
);

fn events_reach_farther_than_components_and_neither_is_the_other(world: &World) {
    let town = Town::new(world);
    let (component, event) = (Some(ClassKind::Component), Some(ClassKind::Event));
    let at = |metres: f64| stated(off(here(), metres, 0.0), Datum::Wgs84);
    // Flower boxes (部件 0405) and a shop on the pavement (事件 0405) stand at one place; both are put right.
    let firsts = [town.report_of((component, "0405"), at(0.0)), town.report_of((event, "0405"), at(0.0))];
    let unknown = town.report_of((None, "0406"), at(0.0));
    world.wait(days(1));
    firsts.into_iter().chain([unknown]).for_each(|case| town.close(case));
    world.wait(days(1));
    let far = f64::from(radius_m(component)) + 5.0;
    let kinds = [component, event].map(|kind| town.report_of((kind, "0405"), at(far)));
    assert_eq!(town.spot_of(kinds[0]), None, "20 m are too far for a component");
    let spot = town.spot_of(kinds[1]).expect("and near enough for an event");
    assert_eq!((&spot["class_kind"], &spot["radius_m"], &spot["case_count"]), (&json!("event"), &json!(50), &json!(2)));
    assert_eq!(town.spot_of(firsts[1]).unwrap()["id"], spot["id"]);
    assert_eq!(town.spot_of(firsts[0]), None);
    // The flower boxes are no case of the shop's spot, whoever says so.
    let attach = json!({"case_id": firsts[0]});
    town.send("POST", &format!("spots/{}/attach", read::<String>(&spot["id"])), &attach).refused(Code::ValueInvalid);
    // Of what kind the earlier one was, nobody said: 20 m away it may be another problem.
    assert_eq!(town.spot_of(town.report_of((event, "0406"), at(far))), None);
    world.wait(days(1));
    let alike = town.get(&format!("spots/candidates?case_id={}", kinds[0]));
    assert_eq!(alike["cases"], json!([]), "not within 15 m");
}

fn a_case_has_the_kind_that_is_told_or_that_the_catalogue_has_alone(world: &World) {
    let town = Town::new(world);
    let kind_of = |case: &Value| case["class_kind"].clone();
    let report = |more: Value| {
        let mut body = json!({"title": "井盖缺失"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        town.send("POST", "cases", &body)
    };
    // 0405 is 花钵花架 and 店外经营, 0407 only 街头座椅, and 0902 is not in the national catalogue.
    let told = [
        (json!({"class_kind": "event", "class_code": "0405"}), json!("event")),
        (json!({"class_code": "0405"}), Value::Null),
        (json!({"class_code": "0407"}), json!("component")),
        (json!({"class_kind": "event", "class_code": "0407"}), json!("event")),
        (json!({"class_code": "0902"}), Value::Null),
        (json!({}), Value::Null),
    ];
    let mut last = Value::Null;
    for (more, kind) in told {
        last = report(more).expect(201);
        assert_eq!(kind_of(&last), kind, "{last}");
    }
    report(json!({"class_kind": "event"})).refused(Code::ValueInvalid);
    report(json!({"class_kind": "road", "class_code": "0405"})).refused(Code::BodyInvalid);
    // A correction of the code brings the kind along, one of the kind alone stands, and without a code there is none.
    let path = format!("cases/{}/commands", read::<String>(&last["id"]));
    let edit = |args: Value| kind_of(&town.send("POST", &path, &json!({"type": "edit", "args": args})).expect(200));
    let code = |old: Value, new: Value| json!({"old": old, "new": new});
    assert_eq!(edit(json!({"class_code": code(Value::Null, json!("0407"))})), json!("component"));
    assert_eq!(edit(json!({"class_kind": code(json!("component"), json!("event"))})), json!("event"));
    assert_eq!(edit(json!({"class_code": code(json!("0407"), Value::Null)})), Value::Null);
    // An imported catalogue decides from then on.
    let table = "类别,大类代码,大类名称,小类代码,小类名称,立案条件,结案条件,处置时限\n\
                 事件,09,其他,02,飞线充电,私拉电线,拆除,1天\n";
    let import = world.post("/api/v1/catalogue/import?source=x").by(&world.admin().token);
    import.bytes("text/csv", table).send().expect(200);
    assert_eq!(kind_of(&report(json!({"class_code": "0902"})).expect(201)), json!("event"));
}
