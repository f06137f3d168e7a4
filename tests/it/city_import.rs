//! Cases of the city's from a file, over HTTP: messages a line, and tables.

use crate::{
    city::Scene,
    support::{
        http::Reply,
        on_both_engines,
        world::{Engine, Person},
    },
};
use chengguan::{
    city::{actions, outbox, wire},
    error::Code,
    identity::rules::Role,
};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};

on_both_engines!(
    engine:
    messages_of_a_file_are_each_judged_alone_and_taken_once,
    a_table_is_imported_wholly_or_not_at_all,
    what_came_without_a_link_is_acknowledged_with_one,
);

const LINES: &str = "application/x-ndjson";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn import(scene: &Scene, by: &Person, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    scene.world.post("/api/v1/city/import").by(&by.token).bytes(media_type, body).send()
}

fn counts(answer: &Value) -> [&Value; 3] {
    ["applied", "duplicate", "waiting"].map(|name| &answer[name])
}

fn case(number: &str) -> Value {
    json!({"cityCaseNo": number, "deadline": "2026-11-24T10:00:00+08:00"})
}

fn messages_of_a_file_are_each_judged_alone_and_taken_once(engine: Engine) {
    let scene = Scene::new(engine);
    let lines = [
        scene.envelope(1, wire::DISPATCH, case("1")).to_string(),
        "{\"msgId\": 1}".to_owned(),
        String::new(),
        scene.envelope(2, wire::CLOSING_NOTICE, case("1")).to_string(),
        scene.envelope(4, wire::DISPATCH, case("4")).to_string(),
    ];
    let text = lines.join("\r\n");
    let told = import(&scene, &scene.dispatcher, LINES, text.clone()).expect(200);
    assert_eq!(counts(&told), [&json!(1), &json!(0), &json!(1)], "{told}");
    let faults: Vec<(&Value, &str)> = told["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (&fault["row"], fault["problem"].as_str().unwrap()))
        .collect();
    assert_eq!((faults.len(), faults[0].0, faults[1].0), (2, &json!(2), &json!(4)), "{told}");
    assert!(faults[1].1.ends_with("（reported）") && !faults[0].1.is_ascii(), "{told}");
    let again = import(&scene, &scene.dispatcher, LINES, text).expect(200);
    assert_eq!(counts(&again), [&json!(0), &json!(2), &json!(1)], "{again}");
    let third = scene.envelope(3, wire::DISPATCH, case("3")).to_string();
    import(&scene, &scene.dispatcher, LINES, third).expect(200);
    assert_eq!(scene.get("cases")["items"].as_array().map(Vec::len), Some(3), "the fourth had waited for it");
    import(&scene, &scene.dispatcher, "application/json", "{}").refused(Code::MediaTypeUnsupported);
    import(&scene, &scene.world.person(Role::Liaison), LINES, "").refused(Code::RoleForbidden);
}

fn a_table_is_imported_wholly_or_not_at_all(engine: Engine) {
    let scene = Scene::new(engine);
    let head = "市案件编号,截止时间,部件或事件,大类代码,小类代码,小类名称,问题描述,地址,经度,纬度,坐标系,责任单位代码,派遣时间";
    let good =
        "4312002026112300001,2026-11-24 24:00,事件,04,05,店外经营,超出门窗\0摆放,人民路,109.944,27.44,CGCS2000,U012,";
    let wrong = format!("{head}\n{good}\n2,昨天,事件,04,05,,,,,,,,\n");
    let refused = import(&scene, &scene.dispatcher, "text/csv; charset=utf-8", wrong).refused(Code::TableInvalid);
    let fault = &refused["faults"][0];
    assert_eq!((&fault["row"], &fault["column"]), (&json!(3), &json!("截止时间")), "{refused}");
    assert_eq!(scene.get("cases")["items"], json!([]), "nothing came in");
    let table = format!("{head}\n{good}\n2,2026/11/24 10:00,部件,01,01,,,,,,,,2026-11-23 08:30\n");
    let told = import(&scene, &scene.dispatcher, "text/csv", table.clone()).expect(200);
    assert_eq!(counts(&told), [&json!(2), &json!(0), &json!(0)]);
    let known = scene.city_case("4312002026112300001");
    assert_eq!((&known["city_due_at"], &known["state"]), (&json!("2026-11-24T16:00:00Z"), &json!("received")));
    let path = format!("/api/v1/cases/{}", known["case_id"].as_str().unwrap());
    let ours = scene.world.get(&path).by(&scene.dispatcher.token).send().expect(200);
    assert_eq!((&ours["class_kind"], &ours["class_code"]), (&json!("event"), &json!("0405")));
    assert_eq!((&ours["title"], &ours["position"]["lon"]), (&json!("店外经营"), &json!(109.944)));
    assert_eq!(scene.outbox(), [wire::ACKNOWLEDGE; 2]);
    // The same again changes nothing; another deadline is a new one. Spreadsheets keep moments as numbers.
    assert_eq!(counts(&import(&scene, &scene.dispatcher, "text/csv", table).expect(200))[1], &json!(2));
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let dated = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    for (column, heading) in (0..).zip(["市案件编号", "截止时间"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    sheet.write_string(1, 0, "2").unwrap();
    let due = ExcelDateTime::parse_from_str("2026-11-25 10:00:00").unwrap();
    sheet.write_datetime_with_format(1, 1, &due, &dated).unwrap();
    let told = import(&scene, &scene.dispatcher, XLSX, book.save_to_buffer().unwrap()).expect(200);
    assert_eq!(counts(&told), [&json!(1), &json!(0), &json!(0)]);
    assert_eq!(scene.city_case("2")["city_due_at"], json!("2026-11-25T02:00:00Z"));
    import(&scene, &scene.dispatcher, XLSX, "no book").refused(Code::TableInvalid);
}

fn what_came_without_a_link_is_acknowledged_with_one(engine: Engine) {
    let scene = Scene::new(engine);
    scene.world.write(|tx| actions::connect(tx, false));
    let line = scene.envelope(1, wire::DISPATCH, case("1")).to_string();
    import(&scene, &scene.dispatcher, LINES, line).expect(200);
    import(&scene, &scene.dispatcher, "text/csv", "市案件编号,截止时间\n2,2026-11-24 10:00\n").expect(200);
    // The Centre has worked on one of them meanwhile.
    let second = scene.city_case("2")["case_id"].as_str().unwrap().to_owned();
    let void = json!({"type": "void", "args": {"reason": "duplicate"}});
    let path = format!("/api/v1/cases/{second}/commands");
    scene.world.post(&path).by(&scene.dispatcher.token).json(&void).send().expect(200);
    scene.world.write(outbox::catch_up);
    assert_eq!(scene.outbox(), [""; 0], "there is nobody to tell");
    scene.world.write(|tx| actions::connect(tx, true));
    for _ in 0..2 {
        scene.world.write(outbox::catch_up);
        assert_eq!(scene.outbox(), [wire::ACKNOWLEDGE, wire::ACKNOWLEDGE, wire::RETURN], "once, and first");
    }
}
