//! What a site must be, and how a table of sites is read. Pure.

use crate::{
    db::types::UnitId,
    error::{Code, FileFault, Result},
    identity::rules::text,
    spotchecks::{draws::draw::Substitution, rules::SiteKind},
};
use chrono::{Datelike, NaiveDate};
use serde_json::Value;
use std::collections::BTreeMap;

/// A site to enter, or to correct.
#[derive(Debug, Clone)]
pub struct SiteEntry {
    /// Its code; without one, one is made.
    pub code: Option<String>,
    /// The unit whose work is judged there.
    pub unit_id: UnitId,
    /// Its kind.
    pub kind: SiteKind,
    /// What people call it.
    pub name: String,
    /// Where, in words.
    pub address: Option<String>,
    /// Latitude and longitude, degrees, WGS-84.
    pub position: Option<(f64, f64)>,
    /// Its line or area, a GeoJSON geometry, WGS-84.
    pub geometry: Option<Value>,
    /// The first day on which it may be drawn; since ever without one.
    pub active_from: Option<NaiveDate>,
}

impl SiteEntry {
    /// Checks the form.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        self.code.as_deref().map_or(Ok(()), code)?;
        text("name", &self.name, 80)?;
        if let Some(address) = &self.address {
            text("address", address, 200)?;
        }
        if let Some((lat, lon)) = self.position
            && !((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon))
        {
            return Err(Code::ValueInvalid.with("lat −90…90, lon −180…180"));
        }
        if self.active_from.is_some_and(|day| !(1970..=9999).contains(&day.year())) {
            return Err(Code::ValueInvalid.with("active_from: year 1970–9999"));
        }
        if let Some(shape) = &self.geometry {
            geometry(shape).map_err(|problem| Code::ValueInvalid.with(format!("geometry: {problem}")))?;
        }
        Ok(())
    }
}

/// Checks a code: it is part of what is hashed, and of file names and addresses.
///
/// # Errors
/// `value_invalid`.
pub fn code(code: &str) -> Result<()> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if (1..=48).contains(&code.chars().count()) && code.chars().all(good) {
        Ok(())
    } else {
        Err(Code::ValueInvalid.with("code: 1–48 letters, digits, -, _, . or /"))
    }
}

/// The n-th code that is made for a unit's sites of a kind: `A07-main_road-012`.
#[must_use]
pub fn made_code(unit: &str, kind: SiteKind, n: usize) -> String {
    let unit: String = unit.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    format!("{unit}-{kind}-{n:03}")
}

/// The point that stands for a line or an area: the corner in the middle of the first line of corners.
///
/// # Errors
/// What is wrong with the geometry, in Chinese.
pub fn geometry(shape: &Value) -> Result<(f64, f64), String> {
    let kind = shape["type"].as_str().unwrap_or_default();
    let depth = match kind {
        "Point" => 0,
        "LineString" => 1,
        "Polygon" | "MultiLineString" => 2,
        "MultiPolygon" => 3,
        _ => return Err(format!("“{kind}”不是点、线或面")),
    };
    let mut corners = Vec::new();
    positions(&shape["coordinates"], depth, &mut corners)?;
    let least = [1, 2, if kind == "Polygon" { 4 } else { 2 }, 4][depth];
    if !(least..=5000).contains(&corners.len()) {
        return Err(format!("应有 {least}–5000 个坐标"));
    }
    Ok(corners[corners.len() / 2])
}

/// All positions below `depth` lists, as latitude and longitude.
fn positions(value: &Value, depth: usize, found: &mut Vec<(f64, f64)>) -> Result<(), String> {
    let list = value.as_array().ok_or("坐标应为数组")?;
    if depth > 0 {
        return list.iter().try_for_each(|inner| positions(inner, depth - 1, found));
    }
    let degrees = |n: usize| list.get(n).and_then(Value::as_f64);
    match (degrees(0), degrees(1)) {
        (Some(lon), Some(lat)) if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) => {
            found.push((lat, lon));
            Ok(())
        }
        _ => Err("坐标应为经度、纬度（度）".to_owned()),
    }
}

/// The rules of substitution that came with the program, version 0.
#[must_use]
pub fn usual_substitution() -> Substitution {
    use SiteKind::{BackStreet, Construction, MainRoad, Market, Other, Residential, Toilet};
    let rules: [(SiteKind, &[SiteKind]); 7] = [
        (MainRoad, &[BackStreet, Other]),
        (BackStreet, &[MainRoad, Residential, Other]),
        (Residential, &[BackStreet, Other, MainRoad]),
        (Market, &[Other, Residential, MainRoad, BackStreet]),
        (Construction, &[Other, MainRoad, BackStreet]),
        (Toilet, &[Other, MainRoad, BackStreet]),
        (Other, &[MainRoad, BackStreet, Residential]),
    ];
    Substitution { version: 0, stand_ins: rules.map(|(kind, list)| (kind.to_string(), list.to_vec())).into() }
}

/// Checks rules of substitution: kinds only, none for itself, none twice.
///
/// # Errors
/// `value_invalid`.
pub fn stand_ins(rules: &BTreeMap<String, Vec<SiteKind>>) -> Result<()> {
    for (kind, list) in rules {
        let kind: SiteKind = kind.parse()?;
        let twice = list.iter().enumerate().any(|(n, other)| list[..n].contains(other));
        if twice || list.contains(&kind) {
            return Err(Code::ValueInvalid.with(format!("stand_ins: {kind} names a kind twice, or itself")));
        }
    }
    Ok(())
}

/// A row of an imported table; what it names is looked up later.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableRow {
    /// As the file numbers it.
    pub row: u32,
    /// Of each column the cell, by the column's place in [`COLUMNS`].
    pub cells: Vec<String>,
    /// The geometry of a map's feature.
    pub geometry: Option<Value>,
}

/// Headings and property names of the columns, in order.
pub const COLUMNS: [(&str, &str); 9] = [
    ("点位编号", "code"),
    ("责任单位", "unit"),
    ("类别", "kind"),
    ("名称", "name"),
    ("地址", "address"),
    ("经度", "longitude"),
    ("纬度", "latitude"),
    ("启用日期", "active_from"),
    ("停用原因", "strike_reason"),
];

/// A fault of a cell.
#[must_use]
pub fn fault(row: u32, column: usize, problem: impl Into<String>) -> FileFault {
    FileFault { sheet: None, row, column: COLUMNS[column].0.to_owned(), problem: problem.into() }
}

impl TableRow {
    /// What it says of a site of a unit; everything that is wrong goes to `faults`.
    pub fn entry(&self, unit_id: UnitId, faults: &mut Vec<FileFault>) -> Option<SiteEntry> {
        let before = faults.len();
        let cell = |n: usize| self.cells.get(n).map_or("", |cell| cell.trim());
        let given = |n: usize| Some(cell(n).to_owned()).filter(|cell| !cell.is_empty());
        let kind = SiteKind::ALL.iter().find(|kind| kind.chinese() == cell(2) || kind.as_str() == cell(2));
        if kind.is_none() {
            faults.push(fault(self.row, 2, format!("“{}”不是点位类别：应为主次干道、背街小巷等七类之一", cell(2))));
        }
        let active_from =
            given(7).map(|day| day.chars().take(10).collect::<String>().replace('/', "-").parse::<NaiveDate>());
        if active_from.as_ref().is_some_and(Result::is_err) {
            faults.push(fault(self.row, 7, format!("“{}”不是日期：应如 2026-12-01", cell(7))));
        }
        let degrees = |n: usize, faults: &mut Vec<FileFault>| match given(n).map(|text| text.parse::<f64>()) {
            None => None,
            Some(Ok(degrees)) if degrees.is_finite() => Some(degrees),
            Some(_) => {
                faults.push(fault(self.row, n, format!("“{}”不是度数", cell(n))));
                None
            }
        };
        let (lon, lat) = (degrees(5, faults), degrees(6, faults));
        if lon.is_some() != lat.is_some() && faults.len() == before {
            faults.push(fault(self.row, 5, "经度、纬度应同时填写"));
        }
        let mut position = lat.zip(lon);
        let mut shape = self.geometry.clone();
        match shape.as_ref().map(geometry) {
            Some(Ok(middle)) => {
                position = position.or(Some(middle));
                shape = shape.filter(|shape| shape["type"] != "Point");
            }
            Some(Err(problem)) => faults.push(FileFault { column: "geometry".into(), ..fault(self.row, 0, problem) }),
            None => {}
        }
        let entry = SiteEntry {
            code: given(0),
            unit_id,
            kind: *kind.unwrap_or(&SiteKind::Other),
            name: cell(3).to_owned(),
            address: given(4),
            position,
            geometry: shape,
            active_from: active_from.and_then(Result::ok),
        };
        let words = |n: usize, most: usize, least: usize| (least..=most).contains(&cell(n).chars().count());
        if entry.code.as_deref().is_some_and(|text| code(text).is_err()) {
            faults.push(fault(self.row, 0, "应为 1–48 个字母、数字或 - _ . /"));
        }
        if !words(3, 80, 1) {
            faults.push(fault(self.row, 3, "应为 1–80 个字"));
        }
        if !words(4, 200, 0) {
            faults.push(fault(self.row, 4, "应不超过 200 个字"));
        }
        if entry.position.is_some_and(|(lat, lon)| lat.abs() > 90.0 || lon.abs() > 180.0) {
            faults.push(fault(self.row, 5, "超出范围：经度 −180～180，纬度 −90～90"));
        }
        if faults.len() == before && entry.check().is_err() {
            faults.push(fault(self.row, 3, "含有不允许的控制字符，或启用日期早于 1970 年"));
        }
        (faults.len() == before).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_read_and_everything_wrong_with_it_is_told() {
        let unit = UnitId(uuid::Uuid::nil());
        let row = |cells: [&str; 9]| TableRow { row: 7, cells: cells.map(str::to_owned).into(), geometry: None };
        let mut faults = Vec::new();
        let good = row(["", "县水利局", "公厕", "人民路公厕", "", "109.95", "27.44", "2026/12/01", ""]);
        let entry = good.entry(unit, &mut faults).unwrap();
        assert_eq!((entry.kind, entry.position), (SiteKind::Toilet, Some((27.44, 109.95))));
        assert_eq!(entry.active_from.map(|day| day.to_string()).as_deref(), Some("2026-12-01"));
        let bad = row(["A#1", "县水利局", "茶馆", "", "", "东经", "", "明天", ""]);
        assert!(bad.entry(unit, &mut faults).is_none());
        let columns: Vec<&str> = faults.iter().map(|fault| fault.column.as_str()).collect();
        assert_eq!(columns, ["类别", "启用日期", "经度", "点位编号", "名称"]);
        assert!(faults.iter().all(|fault| fault.row == 7));
    }

    #[test]
    fn a_line_or_an_area_is_stood_for_by_a_corner_and_nonsense_is_refused() {
        let line = json!({"type": "LineString", "coordinates": [[109.0, 27.0], [109.1, 27.1], [109.2, 27.2]]});
        assert_eq!(geometry(&line), Ok((27.1, 109.1)));
        for bad in [
            json!({"type": "LineString", "coordinates": [[109.0, 27.0]]}),
            json!({"type": "Polygon", "coordinates": [109.0, 27.0]}),
            json!({"type": "Point", "coordinates": ["a", "b"]}),
            json!({"type": "Circle", "coordinates": [1, 2]}),
            json!("Point"),
        ] {
            assert!(geometry(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_usual_substitution_names_every_kind_and_none_for_itself() {
        let usual = usual_substitution();
        assert!(stand_ins(&usual.stand_ins).is_ok());
        assert_eq!(usual.stand_ins.len(), SiteKind::ALL.len());
        let wrong =
            |kind: &str, list: &[SiteKind]| stand_ins(&BTreeMap::from([(kind.to_owned(), list.to_vec())])).is_err();
        assert!(wrong("toilet", &[SiteKind::Toilet]) && wrong("tea_house", &[]));
        assert!(wrong("toilet", &[SiteKind::Other, SiteKind::Other]));
    }
}
