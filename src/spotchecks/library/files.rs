//! The library as a file: CSV, xlsx or GeoJSON in, the same out.

use super::rules::{COLUMNS, TableRow, fault};
use crate::{
    catalogue::{rules::Sheet, sheets},
    error::{Error, FileFault, Result},
};
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde_json::{Map, Value, json};

/// What the library is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SiteFormat {
    /// Comma-separated, UTF-8 with a byte order mark.
    Csv,
    /// Excel.
    Xlsx,
    /// A FeatureCollection with the lines and areas.
    Geojson,
}

/// The most sites of a file.
const MOST_SITES: usize = 20_000;

fn whole(problem: impl Into<String>) -> Error {
    Error::faults(vec![FileFault { sheet: None, row: 0, column: String::new(), problem: problem.into() }])
}

/// Reads the rows of a file.
///
/// # Errors
/// `table_invalid`.
pub fn read(format: SiteFormat, bytes: &[u8]) -> Result<Vec<TableRow>> {
    let rows = match format {
        SiteFormat::Csv => table(sheets::read_csv(bytes)?)?,
        SiteFormat::Xlsx => table(sheets::read_xlsx(bytes)?)?,
        SiteFormat::Geojson => features(bytes)?,
    };
    if (1..=MOST_SITES).contains(&rows.len()) {
        Ok(rows)
    } else {
        Err(whole(format!("应有 1–{MOST_SITES} 个点位")))
    }
}

/// The rows below the heading of the first sheet; columns of other names are nobody's.
fn table(sheets: Vec<Sheet>) -> Result<Vec<TableRow>> {
    let mut rows = sheets.into_iter().next().map(|sheet| sheet.rows).unwrap_or_default().into_iter();
    let (number, heading) = rows.next().ok_or_else(|| whole("文件是空的"))?;
    let place = |names: &(&str, &str)| heading.iter().position(|cell| [names.0, names.1].contains(&cell.trim()));
    let places: Vec<Option<usize>> = COLUMNS.iter().map(place).collect();
    let missing: Vec<FileFault> =
        (1..=3).filter(|n| places[*n].is_none()).map(|n| fault(number, n, "缺少这一列")).collect();
    if !missing.is_empty() {
        return Err(Error::faults(missing));
    }
    let row = |(row, cells): (u32, Vec<String>)| {
        let cell = |place: &Option<usize>| place.and_then(|n| cells.get(n)).map_or("", |cell| cell.trim()).to_owned();
        TableRow { row, cells: places.iter().map(cell).collect(), geometry: None }
    };
    Ok(rows.map(row).filter(|row| row.cells.iter().any(|cell| !cell.is_empty())).collect())
}

/// The features of a map, numbered from 1.
fn features(bytes: &[u8]) -> Result<Vec<TableRow>> {
    let mut map: Value = serde_json::from_slice(bytes).map_err(|error| whole(format!("不是 GeoJSON：{error}")))?;
    let Value::Array(features) = map["features"].take() else {
        return Err(whole("不是 GeoJSON 要素集合（FeatureCollection）"));
    };
    let row = |(row, mut feature): (u32, Value)| {
        let words = |value: &Value| match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let cell = |(_, name): &(&str, &str)| words(feature["properties"].get(*name).unwrap_or(&Value::Null));
        let cells = COLUMNS.iter().map(cell).collect();
        let geometry = feature.get_mut("geometry").map(Value::take).filter(|geometry| !geometry.is_null());
        TableRow { row, cells, geometry }
    };
    Ok((1..).zip(features).map(row).collect())
}

/// Writes rows so that they can be imported again.
///
/// # Errors
/// A fault of ours.
pub fn write(format: SiteFormat, rows: &[TableRow]) -> Result<Vec<u8>> {
    match format {
        SiteFormat::Csv => write_csv(rows).map_err(Error::internal),
        SiteFormat::Xlsx => write_xlsx(rows).map_err(Error::internal),
        SiteFormat::Geojson => Ok(map(rows).to_string().into_bytes()),
    }
}

fn write_csv(rows: &[TableRow]) -> Result<Vec<u8>, csv::Error> {
    // The mark makes spreadsheets read it as UTF-8.
    let mut writer = csv::Writer::from_writer(b"\xef\xbb\xbf".to_vec());
    writer.write_record(COLUMNS.map(|(heading, _)| heading))?;
    for row in rows {
        writer.write_record(&row.cells)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn write_xlsx(rows: &[TableRow]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let (text, bold) = (Format::new().set_num_format("@"), Format::new().set_num_format("@").set_bold());
    let sheet = book.add_worksheet();
    sheet.set_name("抽检点位")?.set_freeze_panes(1, 0)?;
    for (column, ((heading, _), width)) in (0..).zip(COLUMNS.iter().zip([24, 30, 12, 30, 40, 12, 12, 12, 24])) {
        sheet.set_column_width(column, width)?;
        sheet.write_string_with_format(0, column, *heading, &bold)?;
    }
    for (number, row) in (1..).zip(rows) {
        for (column, cell) in (0..).zip(&row.cells) {
            sheet.write_string_with_format(number, column, cell, &text)?;
        }
    }
    book.save_to_buffer()
}

fn map(rows: &[TableRow]) -> Value {
    let feature = |row: &TableRow| {
        let properties = COLUMNS.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_empty());
        let properties: Map<String, Value> =
            properties.map(|((_, name), cell)| ((*name).to_owned(), json!(cell))).collect();
        let degrees = |n: usize| row.cells.get(n).and_then(|cell| cell.parse::<f64>().ok());
        let point = degrees(5).zip(degrees(6)).map(|(lon, lat)| json!({"type": "Point", "coordinates": [lon, lat]}));
        json!({"type": "Feature", "properties": properties, "geometry": row.geometry.clone().or(point)})
    };
    json!({"type": "FeatureCollection", "features": rows.iter().map(feature).collect::<Vec<_>>()})
}
