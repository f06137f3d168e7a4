//! What is open: collections, their columns, and how a value is written where. Pure.

use crate::{
    error::{Code, Result},
    identity::rules::text_enum,
    proof::words::moment,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, sync::LazyLock};

#[cfg(test)]
mod tests;

text_enum! {
    /// What can be had. A further one needs its columns here and its rows in `actions`.
    Collection {
        /// 案件.
        Cases = "cases",
        /// 抽检点位: the sample library.
        Sites = "sites",
        /// 问题点位: where a problem comes back.
        Spots = "spots",
        /// 单元网格.
        Grids = "grids",
    }
}

/// A column of an export, a property of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// In GeoJSON.
    pub name: &'static str,
    /// In tables.
    pub heading: &'static str,
}

const fn column(name: &'static str, heading: &'static str) -> Column {
    Column { name, heading }
}

/// Title and address are a person's words, blotted by [`blotted`]; the description, longer words, is not open.
const CASES: &[Column] = &[
    column("number", "案件编号"),
    column("state", "环节"),
    column("title", "标题"),
    column("class_kind", "部件或事件"),
    column("class_code", "分类代码"),
    column("address", "地址"),
    column("longitude", "经度"),
    column("latitude", "纬度"),
    column("unit", "责任单位"),
    column("reported_at", "上报时间"),
    column("dispatched_at", "派遣时间"),
    column("due_at", "截止时间"),
    column("handled_at", "处置时间"),
    column("closed_at", "结案时间"),
    column("timely", "及时结案"),
    column("rework_count", "返工次数"),
    column("extension_count", "延期次数"),
    column("priority", "紧急程度"),
    column("updated_at", "更新时间"),
];

const SITES: &[Column] = &[
    column("unit", "责任单位"),
    column("code", "点位编号"),
    column("kind", "类别"),
    column("name", "名称"),
    column("address", "地址"),
    column("longitude", "经度"),
    column("latitude", "纬度"),
    column("updated_at", "更新时间"),
];

/// The words on the cause, a person's, are not open.
const SPOTS: &[Column] = &[
    column("class_kind", "部件或事件"),
    column("class_code", "分类代码"),
    column("address", "地址"),
    column("longitude", "经度"),
    column("latitude", "纬度"),
    column("radius_m", "半径（米）"),
    column("grid_code", "网格编码"),
    column("state", "状态"),
    column("cause", "成因"),
    column("case_count", "案件数"),
    column("observation_count", "补拍数"),
    column("recurrence_count", "返潮次数"),
    column("mushroom_index", "蘑菇指数"),
    column("first_seen_at", "首次发现时间"),
    column("last_seen_at", "最近发现时间"),
    column("closed_at", "销号时间"),
];

const GRIDS: &[Column] = &[
    column("code", "网格编码"),
    column("name", "网格名称"),
    column("west", "西至经度"),
    column("south", "南至纬度"),
    column("east", "东至经度"),
    column("north", "北至纬度"),
    column("imported_at", "导入时间"),
];

impl Collection {
    /// The columns, in the order of a feature's cells.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Cases => CASES,
            Self::Sites => SITES,
            Self::Spots => SPOTS,
            Self::Grids => GRIDS,
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cases => "案件",
            Self::Sites => "抽检点位",
            Self::Spots => "问题点位",
            Self::Grids => "单元网格",
        }
    }

    /// What it is, and which time a question about time asks for.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Cases => "案件及其所处环节，不含上报人信息；时间条件按上报时间",
            Self::Sites => "现场抽检样本库的点位；时间条件按更新时间",
            Self::Spots => "反复出现同一问题的点位（蘑菇点），蘑菇指数按查询前 90 天计；时间条件按最近发现时间",
            Self::Grids => "单元网格边界；时间条件按导入时间",
        }
    }
}

/// A value of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    Empty,
    /// Words.
    Text(String),
    /// What the API has, and what people say for it.
    Word(Value, String),
    /// A count.
    Integer(i64),
    /// Hundredths of something, told as a number with two decimals.
    Hundredths(i64),
    /// Degrees.
    Degrees(f64),
    /// Yes or no.
    Truth(bool),
    /// A moment.
    Moment(DateTime<Utc>),
}

impl Cell {
    /// Of something that may be missing.
    pub fn of<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Empty, cell)
    }

    /// As JSON: moments in RFC 3339, words as the API has them.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Cell::Empty => Value::Null,
            Cell::Text(text) => json!(text),
            Cell::Word(value, _) => value.clone(),
            Cell::Integer(count) => json!(count),
            Cell::Hundredths(count) => json!(whole(*count)),
            Cell::Degrees(degrees) => json!(rounded(*degrees)),
            Cell::Truth(truth) => json!(truth),
            Cell::Moment(at) => json!(at),
        }
    }

    /// As a person reads it: moments in Beijing time, words in Chinese.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) | Cell::Word(_, text) => text.clone(),
            Cell::Integer(count) => count.to_string(),
            Cell::Hundredths(count) => format!("{:.2}", whole(*count)),
            Cell::Degrees(degrees) => rounded(*degrees).to_string(),
            Cell::Truth(truth) => if *truth { "是" } else { "否" }.to_owned(),
            Cell::Moment(at) => moment(*at),
        }
    }
}

/// Of hundredths.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub fn whole(hundredths: i64) -> f64 {
    hundredths as f64 / 100.0
}

/// To 10⁻⁷ degrees, a centimetre: more digits only pretend.
#[must_use]
pub fn rounded(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

/// Something with a place and values.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its id in the collection; the key of paging too.
    pub id: String,
    /// A GeoJSON geometry, WGS-84; null when its place is not known.
    pub geometry: Value,
    /// In the order of the collection's columns.
    pub cells: Vec<Cell>,
}

impl Feature {
    /// As GeoJSON (RFC 7946).
    #[must_use]
    pub fn geojson(&self, collection: Collection) -> Value {
        let columns = collection.columns().iter().zip(&self.cells);
        let properties: Map<String, Value> =
            columns.map(|(column, cell)| (column.name.to_owned(), cell.json())).collect();
        json!({"type": "Feature", "id": self.id, "geometry": self.geometry, "properties": properties})
    }
}

/// A point as a GeoJSON geometry.
#[must_use]
pub fn point(place: Option<(f64, f64)>) -> Value {
    place.map_or(Value::Null, |(lon, lat)| json!({"type": "Point", "coordinates": [rounded(lon), rounded(lat)]}))
}

/// Free text without what tells who somebody is: runs of seven digits and more (telephones, identity and bank cards),
/// with spaces or hyphens between or not, and mail addresses. A name in the text is not recognised.
#[must_use]
pub fn blotted(text: &str) -> String {
    static PERSONAL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\d(?:[- \u{2010}-\u{2014}]?\d){6,}[Xx]?").ok());
    match &*PERSONAL {
        Some(personal) => personal.replace_all(text, "***").into_owned(),
        None => String::new(),
    }
}

/// Text as a cell of a CSV file: a spreadsheet takes what begins with one of these signs for a formula (OWASP, CSV
/// injection); an apostrophe before it makes it text.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    const SIGNS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    // A spreadsheet passes over blanks before the sign.
    if text.trim_start_matches(' ').starts_with(SIGNS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A rectangle in degrees, WGS-84. Where it crosses the date line, `west` is greater than `east`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least longitude.
    pub west: f64,
    /// Least latitude.
    pub south: f64,
    /// Greatest longitude.
    pub east: f64,
    /// Greatest latitude.
    pub north: f64,
}

impl Bounds {
    /// Four numbers, or six with heights that are passed over: west, south, (low,) east, north(, high).
    ///
    /// # Errors
    /// `parameter_invalid`.
    pub fn read(text: &str) -> Result<Bounds> {
        let wrong = || Code::ParameterInvalid.with("bbox: west,south,east,north in degrees (CRS84)");
        let numbers = text.split(',').map(|part| part.trim().parse::<f64>().ok().filter(|n| n.is_finite()));
        let numbers: Vec<f64> = numbers.collect::<Option<_>>().ok_or_else(wrong)?;
        let (west, south, east, north) = match numbers[..] {
            [west, south, east, north] | [west, south, _, east, north, _] => (west, south, east, north),
            _ => return Err(wrong()),
        };
        let inside = [west, east].iter().all(|lon| (-180.0..=180.0).contains(lon))
            && [south, north].iter().all(|lat| (-90.0..=90.0).contains(lat));
        if inside && south <= north { Ok(Bounds { west, south, east, north }) } else { Err(wrong()) }
    }

    /// Whether a point lies in it or on its edge.
    #[must_use]
    pub fn holds(&self, (lon, lat): (f64, f64)) -> bool {
        let across = if self.west <= self.east {
            (self.west..=self.east).contains(&lon)
        } else {
            lon >= self.west || lon <= self.east
        };
        across && (self.south..=self.north).contains(&lat)
    }

    /// The parts that don't cross the date line: one or two.
    #[must_use]
    pub fn parts(&self) -> Vec<Bounds> {
        if self.west <= self.east {
            return vec![*self];
        }
        vec![Bounds { east: 180.0, ..*self }, Bounds { west: -180.0, ..*self }]
    }

    /// Wider on each side by more than any datum of China's shifts a place: 1.1 km at Zhongfang, under 2 km everywhere.
    #[must_use]
    pub fn widened(&self) -> Bounds {
        const MARGIN: f64 = 0.03;
        let (west, east) = (self.west - MARGIN, self.east + MARGIN);
        Bounds { west, south: self.south - MARGIN, east, north: self.north + MARGIN }
    }
}

/// A stretch of time, both ends included; open where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The last one.
    pub until: Option<DateTime<Utc>>,
}

impl Span {
    /// A moment or an interval as OGC API – Features has it (17-069r4, 7.15.4): `a`, `a/b`, `a/..`, `../b`, an empty end
    /// for an open one. A date is that day in Beijing.
    ///
    /// # Errors
    /// `parameter_invalid`.
    pub fn read(text: &str) -> Result<Span> {
        let wrong =
            || Code::ParameterInvalid.with("datetime: RFC 3339, or an interval such as 2026-01-01T00:00:00Z/..");
        let end = |text: &str| match text {
            "" | ".." => Some(None),
            text => stretch(text).map(Some),
        };
        let (from, until) = match text.split_once('/') {
            None => {
                let (from, until) = stretch(text).ok_or_else(wrong)?;
                (Some(from), Some(until))
            }
            Some((first, last)) => {
                let (first, last) = (end(first).ok_or_else(wrong)?, end(last).ok_or_else(wrong)?);
                (first.map(|(from, _)| from), last.map(|(_, until)| until))
            }
        };
        let backwards = from.zip(until).is_some_and(|(from, until)| from > until);
        if backwards || text.matches('/').count() > 1 { Err(wrong()) } else { Ok(Span { from, until }) }
    }
}

/// The first and the last moment (to the microsecond) of what a text names, within what both engines can compare.
fn stretch(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let day = |date: NaiveDate| Some(Shanghai.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest()?.to_utc());
    let (from, until) = match text.parse::<NaiveDate>() {
        Ok(date) if text.len() == 10 => (day(date)?, day(date.succ_opt()?)? - TimeDelta::microseconds(1)),
        _ => {
            let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            (at, at)
        }
    };
    [from, until].iter().all(|at| (1970..=9999).contains(&at.year())).then_some((from, until))
}
