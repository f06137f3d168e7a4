//! The catalogue over HTTP and on the command line.

use crate::support::{
    http::Reply,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{World, read},
};
use chengguan::{
    calendar::rules::{Limit, LimitKind},
    catalogue::{actions, rules::ClassKey},
    error::Code,
    identity::rules::Role,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

on_both_engines!(
    the_national_classes_are_there_until_a_table_is_imported,
    classes_are_searched_page_by_page,
    a_class_that_an_import_drops_is_found_for_ever,
    a_table_with_errors_tells_all_of_them_and_changes_nothing,
    what_is_exported_is_imported_as_the_same,
    a_table_is_imported_and_exported_on_the_command_line,
    a_citys_real_table_is_imported_whole,
);

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const HEAD: &str = "类别,大类代码,大类名称,小类代码,小类名称,立案条件,结案条件,处置时限\n";

fn get(world: &World, path: &str) -> Value {
    world.get(&format!("/api/v1/catalogue/{path}")).by(&world.admin().token).send().expect(200)
}

fn import(world: &World, query: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let path = format!("/api/v1/catalogue/import{query}");
    world.post(&path).by(&world.admin().token).bytes(media_type, body).send()
}

fn the_national_classes_are_there_until_a_table_is_imported(world: &World) {
    let versions = get(world, "versions");
    assert_eq!((&versions["in_force"], versions["items"].as_array().map(Vec::len)), (&json!(0), Some(1)));
    let class = get(world, "classes/event/0122");
    assert_eq!((&class["class"]["name"], &class["in_force"]), (&json!("非法伐树"), &json!(true)));
    let stop = &class["class"]["conditions"][0];
    assert_eq!((stop["limit"]["kind"].as_str(), stop["limit"]["value"].as_f64()), (Some("urgent_hour"), Some(1.0)));
    assert_eq!((&stop["remark"], &stop["closing"]), (&json!("制止"), &json!("制止")));
    let table = format!("{HEAD}事件,01,市容环境,12,道路不洁,有垃圾,清扫,2小时\n");
    let told = import(world, "?source=%E5%8E%BF%E6%A0%87%E5%87%86", "text/csv; charset=utf-8", table).expect(200);
    // Components, of which the table has none, stay as they were.
    assert_eq!((&told["version"], &told["classes"]), (&json!(1), &json!(67)));
    let versions = get(world, "versions");
    assert_eq!((&versions["in_force"], &versions["items"][0]["source"]), (&json!(1), &json!("县标准")));
    assert_eq!(get(world, "classes?kind=event")["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(get(world, "classes?kind=event&version=0&limit=200")["items"].as_array().map(Vec::len), Some(67));
    let person = world.person(Role::Dispatcher);
    world
        .post("/api/v1/catalogue/import")
        .by(&person.token)
        .bytes("text/csv", HEAD)
        .send()
        .refused(Code::RoleForbidden);
}

fn classes_are_searched_page_by_page(world: &World) {
    let codes = |query: &str| -> Vec<String> {
        let page = get(world, &format!("classes?{query}"));
        page["items"].as_array().unwrap().iter().map(|class| read(&class["code"])).collect()
    };
    assert_eq!(codes("q=%E5%BA%97%E5%A4%96"), ["0405"]);
    assert_eq!(codes("q=%E5%BA%97%E5%A4%96&kind=component"), Vec::<String>::new());
    assert_eq!(codes("kind=event&big=02").len(), 7);
    assert_eq!(codes("kind=component&q=0101"), ["0101"]);
    assert_eq!(codes("scheme_version=CJ/T214-2007"), Vec::<String>::new());
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(world, &format!("classes?limit=50{cursor}"));
        all.extend(page["items"].as_array().unwrap().iter().map(|class| format!("{}{}", class["kind"], class["code"])));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all.len(), 133);
    assert!(all.is_sorted());
}

fn key(kind: &'static str, code: &str, scheme: &str) -> ClassKey {
    ClassKey { kind, code: code.into(), scheme_version: scheme.into() }
}

fn a_class_that_an_import_drops_is_found_for_ever(world: &World) {
    let row = |code: &str, name: &str, limit: &str| format!("{HEAD}事件,01,市容环境,{code},{name},条件,结案,{limit}\n");
    import(world, "", "text/csv", row("98", "违法农村自建房", "15天")).expect(200);
    import(world, "", "text/csv", row("98", "违法农村自建房", "10天")).expect(200);
    import(world, "?scheme_version=CJ/T214-2007", "text/csv", row("01", "私搭乱建", "7天")).expect(200);
    let class = get(world, "classes/event/0198");
    assert_eq!((&class["version"], &class["in_force"]), (&json!(2), &json!(false)));
    let limit = |key: ClassKey, version: Option<i32>| world.read(move |db| actions::limit_of(db, &key, version, 1));
    let days = |value: f64| Limit::new(LimitKind::WorkDay, value).unwrap();
    let national = "GB/T30428.2-2013";
    assert_eq!(limit(key("event", "0198", national), None), days(10.0));
    assert_eq!(limit(key("event", "0198", national), Some(1)), days(15.0));
    // The same number means another thing in each scheme, and the national one still has its own.
    assert_eq!(limit(key("event", "0101", "CJ/T214-2007"), None), days(7.0));
    let naturally = Limit::new(LimitKind::NaturalDay, 2.0).unwrap();
    assert_eq!(limit(key("event", "0101", national), None), naturally);
    for path in ["classes/event/9999", "classes/thing/0101", "classes/event/0198?version=9", "classes?version=9"] {
        let path = format!("/api/v1/catalogue/{path}");
        world.get(&path).by(&world.admin().token).send().refused(Code::NotFound);
    }
}

fn a_table_with_errors_tells_all_of_them_and_changes_nothing(world: &World) {
    let table = format!("{HEAD}事件,01,市容环境,1,甲,条件,,1天\n事件,01,市容环境,02,乙,条件,,一会儿\n");
    let problem = import(world, "", "text/csv", table).refused(Code::TableInvalid);
    let faults = problem["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{problem}");
    assert_eq!((&faults[0]["row"], &faults[0]["column"]), (&json!(2), &json!("小类代码")));
    assert_eq!((&faults[1]["row"], &faults[1]["column"]), (&json!(3), &json!("处置时限")));
    assert_eq!(problem["title"], json!("文件内容有误，未导入任何数据"));
    import(world, "", XLSX, "no workbook").refused(Code::TableInvalid);
    import(world, "", "text/csv", "").refused(Code::TableInvalid);
    import(world, "", "application/json", "{}").refused(Code::MediaTypeUnsupported);
    import(world, "", "text/csv", vec![b','; (8 << 20) + 1]).refused(Code::BodyTooLarge);
    import(world, "?scheme_version=", "text/csv", HEAD).refused(Code::ParameterInvalid);
    assert_eq!(get(world, "versions")["in_force"], json!(0));
}

fn what_is_exported_is_imported_as_the_same(world: &World) {
    let export = |query: &str| world.get(&format!("/api/v1/catalogue/export{query}")).by(&world.admin().token).send();
    let book = export("");
    book.expect_status(200);
    assert_eq!(book.header("content-disposition"), Some("attachment; filename=\"catalogue-0.xlsx\""));
    assert_eq!(import(world, "", XLSX, book.bytes).expect(200)["classes"], json!(133));
    let table = export("?format=csv");
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(import(world, "", "text/csv", table.bytes.clone()).expect(200)["version"], json!(2));
    assert_eq!(export("?format=csv").bytes, table.bytes);
    let whole = |version: i32| get(world, &format!("classes?limit=200&version={version}"))["items"].clone();
    assert_eq!(whole(0), whole(2));
}

fn cli(world: &World, folder: &Folder, args: &[&str]) -> (bool, String) {
    let mut command = chengguan(folder.path());
    command.arg("catalogue").args(args).args(["--database-url", &world.app.config.database_url]);
    let output = command.output().unwrap();
    let told = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(told).unwrap())
}

fn a_table_is_imported_and_exported_on_the_command_line(world: &World) {
    let folder = Folder::new("catalogue");
    assert_eq!(cli(world, &folder, &["export", "a.xlsx"]), (true, "version 0: 133 classes\n".into()));
    assert_eq!(cli(world, &folder, &["import", "a.xlsx"]), (true, "version 1: 133 classes\n".into()));
    assert_eq!(get(world, "versions")["items"][0]["source"], json!("a.xlsx"));
    fs::write(folder.path().join("b.csv"), format!("{HEAD}事件,01,市容环境,1,甲,条件,,1天\n")).unwrap();
    let (good, told) = cli(world, &folder, &["import", "b.csv"]);
    assert!(!good && told.contains("第 2 行 小类代码：“1”不是"), "{told}");
    let (good, told) = cli(world, &folder, &["export", "b.doc"]);
    assert!(!good && told.contains("文件名应以 .xlsx 或 .csv 结尾"), "{told}");
}

/// The table is not part of this repository; where it lies beside it, it is tried.
fn a_citys_real_table_is_imported_whole(world: &World) {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/data"));
    let Some(table) = beside.map(|folder| folder.join("case-standards.tsv")).find(|path| path.exists()) else { return };
    let told = import(world, "", "text/csv", fs::read(table).unwrap()).expect(200);
    assert_eq!((&told["classes"], &told["conditions"]), (&json!(190), &json!(519)));
    let tree = get(world, "classes/event/0122");
    assert_eq!(tree["class"]["conditions"][0]["remark"], json!("制止"));
}
