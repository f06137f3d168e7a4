//! Tables as cities write them, and what is wrong with some.

use super::*;
use crate::{calendar::rules::LimitKind, catalogue::national, catalogue::sheets, error::Code};

const HEAD: &str = "类别,大类代码,大类名称,小类代码,小类名称,立案条件,结案条件,处置时限\n";

fn read(rows: &str) -> Result<Vec<CaseClass>> {
    assemble(&sheets::read_csv(format!("{HEAD}{rows}").as_bytes())?, "S")
}

/// The faults of a table, each as `row column problem`.
fn faults(rows: &str) -> Vec<String> {
    let error = read(rows).unwrap_err();
    assert_eq!(error.code, Code::TableInvalid);
    error.faults.iter().map(|fault| format!("{} {} {}", fault.row, fault.column, fault.problem)).collect()
}

#[test]
fn blank_cells_of_a_class_say_what_stands_above() {
    let classes = read(
        "事件,01,市容环境,22,非法伐树,正在砍伐,制止,1紧急工作时制止\n\
         ,,,,,已经 砍伐,恢复,3天\n\
         ,,,,,,,\n\
         ,,,05,阳台脏乱,吊挂,,2天\n\
         部件,01,公用设施,05,井盖,缺失,补齐,2紧急工作日\n",
    )
    .unwrap();
    let told: Vec<(&str, &str, &str, usize)> =
        classes.iter().map(|c| (c.kind.as_str(), c.code.as_str(), c.name.as_str(), c.conditions.len())).collect();
    let expected =
        [("component", "0105", "井盖", 1), ("event", "0105", "阳台脏乱", 1), ("event", "0122", "非法伐树", 2)];
    assert_eq!(told, expected);
    let [stop, restore] = &classes[2].conditions[..] else { panic!("two") };
    assert_eq!((stop.limit, stop.remark.as_str()), (Limit::new(LimitKind::UrgentHour, 1.0).unwrap(), "制止"));
    assert_eq!((restore.number, restore.filing.as_str(), restore.remark.as_str()), (2, "已经 砍伐", ""));
    assert_eq!((classes[1].big_name.as_str(), classes[1].conditions[0].closing.as_str()), ("市容环境", ""));
    assert_eq!(classes[0].conditions[0].limit.kind, LimitKind::NaturalDay);
}

#[test]
fn all_that_is_wrong_is_told_with_row_and_column() {
    let told = faults(
        "设备,1,市容,001,甲,条件,,两天\n\
         事件,01,市容环境,01,甲,,,1天\n\
         事件,01,市容环境,02,乙,条件,,1天\n\
         事件,01,市容,02,丙,条件,,1天\n\
         事件,02,,0001,,条件,,5\n",
    );
    let expected = [
        "2 类别 “设备”不是部件或事件",
        "2 大类代码 “1”不是两位数字；表格软件可能去掉了前面的 0，请把该列设为文本",
        "2 处置时限 “两天”不是时限，应如 2紧急工作时、4工作时、5工作日、3自然日",
        "3 立案条件 不能为空",
        "5 大类名称 大类 01 在前面叫“市容环境”",
        "5 小类名称 小类 0102 在前面叫“乙”",
        "5 立案条件 与本小类前面的立案条件相同",
        "6 小类代码 “0001”不是两位或三位数字",
        "6 大类名称 应为 1–50 个字",
        "6 小类名称 应为 1–50 个字",
        "6 处置时限 “5”不是时限，应如 2紧急工作时、4工作时、5工作日、3自然日",
    ];
    assert_eq!(told, expected);
    assert_eq!(faults("事件,01,市容环境,01,甲,条件\u{1},,1天\n"), ["2 立案条件 含有不允许的控制字符"]);
    let long = "长".repeat(LONGEST + 1);
    assert_eq!(faults(&format!("事件,01,市容环境,01,甲,{long},,1天\n")), ["2 立案条件 超过 1000 个字"]);
}

#[test]
fn a_table_without_its_columns_says_which() {
    let problems = |text: &str| {
        let error = assemble(&sheets::read_csv(text.as_bytes()).unwrap(), "S").unwrap_err();
        error.faults.into_iter().map(|fault| (fault.row, fault.column, fault.problem)).collect::<Vec<_>>()
    };
    let missing = |column: &str| (2, column.to_owned(), "缺少这一列".to_owned());
    let told = problems("城市管理标准\n大类代码,大类名称,小类代码,小类名称,立案条件,结案条件\n01,市容,01,甲,有,无\n");
    assert_eq!(told, [missing("类别"), missing("处置时限")]);
    for nothing in ["", "\n\n", "1,2,3\n4,5,6\n", HEAD] {
        let told = problems(nothing);
        assert!(told.len() == 1 && told[0].0 == 0 && told[0].2.starts_with("没有找到分类"), "{told:?}");
    }
    let headless = Sheet { name: "事件".into(), rows: vec![(1, vec!["01".into()])] };
    assert_eq!(assemble(&[headless], "S").unwrap_err().faults[0].problem, "没有找到表头");
}

#[test]
fn a_file_of_an_old_spreadsheet_is_read() {
    let rows = "事件,01,市容环境,01,私搭乱建,违建,拆除,15天\n";
    let plain = read(rows).unwrap();
    let text = format!("{HEAD}{rows}");
    let (gbk, _, _) = encoding_rs::GBK.encode(&text);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let tabs = text.replace(',', "\t").replace('\n', "\r\n");
    for bytes in [gbk.as_ref(), &utf16, &marked, tabs.as_bytes()] {
        assert_eq!(assemble(&sheets::read_csv(bytes).unwrap(), "S").unwrap(), plain);
    }
    assert!(sheets::read_csv(b"a,\xff\xff\xff").is_err());
}

#[test]
fn what_is_written_is_read_again() {
    let mut classes = national::classes().to_vec();
    classes[0].scheme_version = "CJ/T214-2007".into();
    classes[0].conditions[0].filing = "含“引号”、\"双引号\"，逗号, 和=等号".into();
    classes.sort_by_key(CaseClass::key);
    for (format, read) in [
        (sheets::TableFormat::Csv, sheets::read_csv as fn(&[u8]) -> Result<Vec<Sheet>>),
        (sheets::TableFormat::Xlsx, sheets::read_xlsx),
    ] {
        let bytes = sheets::write(format, &classes).unwrap();
        assert!(assemble(&read(&bytes).unwrap(), "other").unwrap() == classes, "{format:?}");
    }
}

#[test]
fn merged_cells_of_a_workbook_count_for_each_row() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("事件立案标准").unwrap();
    let plain = rust_xlsxwriter::Format::new();
    sheet.merge_range(0, 0, 0, 8, "某市标准", &plain).unwrap();
    let head = ["大类代码", "大类名称", "小类代码", "小类名称", "处置单位", "立案条件", "结案条件", "处置时限"];
    for (column, cell) in (0..).zip(head) {
        sheet.write_string(1, column, cell).unwrap();
    }
    for (column, cell) in (0..).zip(["01", "市容环境", "13", "道路破损", "市政"]) {
        sheet.merge_range(2, column, 4, column, cell, &plain).unwrap();
    }
    for (row, filing) in (2..).zip(["破损", "开裂", "坑凹"]) {
        sheet.write_string(row, 5, filing).unwrap();
    }
    sheet.merge_range(2, 6, 4, 6, "修复", &plain).unwrap();
    sheet.merge_range(2, 7, 3, 7, "5天", &plain).unwrap();
    // As a number, and far away: neither may be guessed at, nor make a large table.
    sheet.write_number(4, 7, 5).unwrap();
    sheet.write_string(1_048_575, 16_383, "x").unwrap();
    let sheets = sheets::read_xlsx(&book.save_to_buffer().unwrap()).unwrap();
    let faults = assemble(&sheets, "S").unwrap_err().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].row, faults[0].sheet.as_deref()), (5, Some("事件立案标准")));
    assert!(sheets::read_xlsx(b"PK\x03\x04 no workbook").is_err());
}

#[test]
fn the_national_classes_are_complete() {
    let classes = national::classes();
    let of = |kind| classes.iter().filter(|class| class.kind == kind).count();
    assert_eq!((of(ClassKind::Component), of(ClassKind::Event)), (66, 67));
    assert!(classes.iter().all(|class| class.scheme_version == national::SCHEME && class.code.len() == 4));
    assert!(classes.is_sorted_by_key(CaseClass::key));
    let named = |kind: ClassKind, code: &str| {
        classes.iter().find(|class| class.kind == kind && class.code == code).map(|class| class.name.as_str())
    };
    // The same code, two classes; and the order of the big classes of 2013, where 04 is not an emergency.
    assert_eq!(
        (named(ClassKind::Component, "0101"), named(ClassKind::Event, "0101")),
        (Some("上水井盖"), Some("私搭乱建"))
    );
    assert_eq!(named(ClassKind::Event, "0405"), Some("店外经营"));
}

#[test]
fn a_kind_that_an_import_leaves_out_stays() {
    let events = read("事件,01,市容环境,01,甲,条件,,1天\n").unwrap();
    let whole = completed(events, national::classes());
    assert_eq!(whole.len(), 66 + 1);
    assert_eq!(whole.last().map(|class| (class.code.as_str(), class.name.as_str())), Some(("0101", "甲")));
}
