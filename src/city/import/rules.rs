//! A table of dispatches, read. Pure.

use crate::{
    catalogue::rules::{ClassKind, Sheet},
    city::wire::{self, Dispatch},
    error::{Error, FileFault, Result},
};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const NUMBER: &str = "市案件编号";
const DEADLINE: &str = "截止时间";
const KIND: &str = "部件或事件";
const BIG_CODE: &str = "大类代码";
const SMALL_CODE: &str = "小类代码";
const LON: &str = "经度";
const LAT: &str = "纬度";
const UNIT: &str = "责任单位代码";
const AT: &str = "派遣时间";

/// Columns whose text goes into the message as it is, with its name there.
const TEXTS: [(&str, &str); 5] =
    [(NUMBER, "cityCaseNo"), ("小类名称", "typeName"), ("问题描述", "desc"), ("地址", "address"), ("坐标系", "crs")];
const OTHERS: [&str; 8] = [DEADLINE, KIND, BIG_CODE, SMALL_CODE, LON, LAT, UNIT, AT];

/// A dispatch and the body of the message that it stands for.
pub(super) type Row = (Dispatch, Value);

/// Reads the dispatches of a table; a sheet without the two columns that must be there is passed over.
///
/// # Errors
/// `table_invalid` with everything that is wrong.
pub(super) fn dispatches(sheets: &[Sheet]) -> Result<Vec<Row>> {
    let (mut rows, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeMap::<String, u32>::new());
    for sheet in sheets {
        let mut lines = sheet.rows.iter();
        let Some(places) = lines.by_ref().find_map(|(_, cells)| headings(cells)) else { continue };
        for (number, cells) in lines.filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty())) {
            let mut reading = Reading { sheet, row: *number, cells, places: &places, faults: Vec::new() };
            let row = reading.dispatch(&mut seen);
            faults.append(&mut reading.faults);
            rows.extend(row);
        }
    }
    if rows.is_empty() && faults.is_empty() {
        let problem = format!("没有找到案件：表头应有{NUMBER}、{DEADLINE}");
        faults.push(FileFault { sheet: None, row: 0, column: String::new(), problem });
    }
    if faults.is_empty() { Ok(rows) } else { Err(Error::faults(faults)) }
}

/// Where each column stands, when this is the row of headings.
fn headings(cells: &[String]) -> Option<BTreeMap<&'static str, usize>> {
    let known = || TEXTS.iter().map(|(heading, _)| *heading).chain(OTHERS);
    let place = |heading: &'static str| Some((heading, cells.iter().position(|cell| cell.trim() == heading)?));
    let places: BTreeMap<&str, usize> = known().filter_map(place).collect();
    (places.contains_key(NUMBER) && places.contains_key(DEADLINE)).then_some(places)
}

/// One row while it is read.
struct Reading<'r> {
    sheet: &'r Sheet,
    row: u32,
    cells: &'r [String],
    places: &'r BTreeMap<&'static str, usize>,
    faults: Vec<FileFault>,
}

impl Reading<'_> {
    fn fault(&mut self, column: &str, problem: impl Into<String>) {
        let sheet = (!self.sheet.name.is_empty()).then(|| self.sheet.name.clone());
        self.faults.push(FileFault { sheet, row: self.row, column: column.to_owned(), problem: problem.into() });
    }

    /// What a cell says, white space tidied, without control characters.
    fn text(&self, column: &str) -> Option<String> {
        let cell = self.places.get(column).and_then(|place| self.cells.get(*place))?;
        let text: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }

    /// What a cell says, in its form; another form is a fault.
    fn parsed<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>, expected: &str) -> Option<T> {
        let text = self.text(column)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(column, format!("“{text}”不是{expected}"));
        }
        value
    }

    fn dispatch(&mut self, seen: &mut BTreeMap<String, u32>) -> Option<Row> {
        let mut body = Map::new();
        for (column, name) in TEXTS {
            if let Some(text) = self.text(column) {
                body.insert(name.to_owned(), json!(text));
            }
        }
        let digits = |lengths: &'static [usize]| {
            move |text: &str| {
                let good = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                good.then(|| text.to_owned())
            }
        };
        let degrees = |most: f64| move |text: &str| text.parse::<f64>().ok().filter(|n| n.abs() <= most);
        let kind =
            |text: &str| ClassKind::ALL.iter().copied().find(|kind| [kind.chinese(), kind.as_str()].contains(&text));
        let moments = "时间，应为 2026-11-24 10:00 的形式";
        let parsed = [
            ("deadline", self.parsed(DEADLINE, moment, moments).map(|at| json!(at))),
            ("at", self.parsed(AT, moment, moments).map(|at| json!(at))),
            ("kind", self.parsed(KIND, kind, "部件或事件").map(|kind| json!(kind))),
            ("mainTypeCode", self.parsed(BIG_CODE, digits(&[2]), "两位数字").map(|code| json!(code))),
            ("subTypeCode", self.parsed(SMALL_CODE, digits(&[2, 3]), "两位或三位数字").map(|code| json!(code))),
            ("lon", self.parsed(LON, degrees(180.0), "经度").map(|degrees| json!(degrees))),
            ("lat", self.parsed(LAT, degrees(90.0), "纬度").map(|degrees| json!(degrees))),
            ("unit", self.text(UNIT).map(|code| json!({"code": code}))),
        ];
        body.extend(parsed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        for column in [NUMBER, DEADLINE] {
            if self.text(column).is_none() {
                self.fault(column, "不能为空");
            }
        }
        if let Some(number) = self.text(NUMBER)
            && let Some(first) = seen.insert(number, self.row)
        {
            self.fault(NUMBER, format!("与第 {first} 行重复"));
        }
        if !self.faults.is_empty() {
            return None;
        }
        let body = Value::Object(body);
        match wire::shape::<Dispatch>(&body).and_then(Dispatch::checked) {
            Ok(dispatch) => Some((dispatch, body)),
            Err(error) => {
                self.fault(NUMBER, error.detail.unwrap_or_else(|| error.code.as_str().to_owned()));
                None
            }
        }
    }
}

/// A moment as people in the county write it, 24:00 too, or in RFC 3339.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let (day, time) = text.split_once(' ')?;
    let day = NaiveDate::parse_from_str(&day.replace('/', "-"), "%Y-%m-%d").ok()?;
    let local = if matches!(time, "24:00" | "24:00:00") {
        day.succ_opt()?.and_time(NaiveTime::MIN)
    } else {
        let time = NaiveTime::parse_from_str(time, "%H:%M:%S").or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"));
        day.and_time(time.ok()?)
    };
    Some(Shanghai.from_local_datetime(&local).earliest()?.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rows: &[&[&str]]) -> Vec<Sheet> {
        let row = |(n, cells): (usize, &&[&str])| {
            (u32::try_from(n).unwrap() + 1, cells.iter().map(|cell| (*cell).to_owned()).collect())
        };
        vec![Sheet { name: String::new(), rows: rows.iter().enumerate().map(row).collect() }]
    }

    #[test]
    fn moments_are_those_of_the_county_and_24_is_the_next_days_midnight() {
        for (text, utc) in [
            ("2026-11-24 10:00", "2026-11-24T02:00:00Z"),
            ("2026/11/24 9:05:07", "2026-11-24T01:05:07Z"),
            ("2026-11-24 24:00", "2026-11-24T16:00:00Z"),
            ("2026-11-24T10:00:00+08:00", "2026-11-24T02:00:00Z"),
        ] {
            assert_eq!(moment(text), Some(utc.parse().unwrap()), "{text}");
        }
        for wrong in ["2026-11-24", "24:00", "2026-11-24 24:00:01", "2026-13-01 10:00", "46350.41", ""] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_fault_of_a_table_is_told_with_its_row_and_column() {
        let rows: &[&[&str]] = &[
            &["怀化市派遣单"],
            &["市案件编号", "截止时间", "部件或事件", "小类代码", "经度"],
            &["1", "2026-11-24 10:00", "事件", "05", "109.9"],
            &["", "明天", "车", "5", "200"],
            &["1", "2026-11-24 10:00", "", "", ""],
            &["a b", "2026-11-24 10:00", "", "", ""],
        ];
        let faults = dispatches(&sheet(rows)).unwrap_err().faults;
        let told: Vec<(u32, &str)> = faults.iter().map(|fault| (fault.row, fault.column.as_str())).collect();
        let of_four = ["截止时间", "部件或事件", "小类代码", "经度", "市案件编号"].map(|column| (4, column));
        assert_eq!(told, [&of_four[..], &[(5, "市案件编号"), (6, "市案件编号")]].concat());
        assert!(dispatches(&sheet(&[&["编号", "时间"]])).unwrap_err().faults[0].problem.contains("没有找到案件"));
    }
}
