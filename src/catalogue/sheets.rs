//! Tables as files: CSV as spreadsheets of any age save it, and xlsx.

use super::rules::{CaseClass, ClassKind, Sheet, table};
use crate::error::{Error, FileFault, Result};
use calamine::{DataRef, DataType, Reader, SheetType, Xlsx};
use encoding_rs::{Encoding, GB18030, UTF_8};
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use std::{collections::BTreeMap, io::Cursor};

/// The most rows a sheet may have, so that a small file can't become a large one in memory.
const MOST_ROWS: usize = 20_000;
/// Cells to the right of these columns are nobody's.
const MOST_COLUMNS: u32 = 50;

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// Comma-separated, UTF-8 with a byte order mark.
    Csv,
    /// Excel, a sheet for components and one for events.
    Xlsx,
}

fn unreadable(problem: impl Into<String>) -> Error {
    Error::faults(vec![FileFault { sheet: None, row: 0, column: String::new(), problem: problem.into() }])
}

fn too_long(name: &str) -> Error {
    unreadable(format!("{name}超过 {MOST_ROWS} 行"))
}

/// Reads a CSV file: separated by commas or tabs, in UTF-8, UTF-16 with its mark, or GB 18030.
///
/// # Errors
/// `table_invalid`.
pub fn read_csv(bytes: &[u8]) -> Result<Vec<Sheet>> {
    let guess = || if std::str::from_utf8(bytes).is_ok() { UTF_8 } else { GB18030 };
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| (guess(), 0));
    let (text, broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
    if broken {
        return Err(unreadable("文字编码无法识别，请存为 UTF-8 的 CSV"));
    }
    let separator = if text.lines().next().is_some_and(|line| line.contains('\t')) { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(format!("不是 CSV 文件：{error}")))?;
        if rows.len() == MOST_ROWS {
            return Err(too_long("文件"));
        }
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((u32::try_from(line).unwrap_or(u32::MAX), record.iter().map(str::to_owned).collect()));
    }
    Ok(vec![Sheet { name: String::new(), rows }])
}

/// Reads the sheets of an xlsx file. What merged cells show counts for each of them.
///
/// # Errors
/// `table_invalid`.
pub fn read_xlsx(bytes: &[u8]) -> Result<Vec<Sheet>> {
    let unread = |error: calamine::XlsxError| unreadable(format!("不是可读的 xlsx 文件：{error}"));
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(unread)?;
    let sheets = book.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let names: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
    let mut read = Vec::with_capacity(names.len());
    for name in names {
        let merged = book.merge_cells_by_sheet_name(&name).map_err(unread)?;
        // Cell by cell: a single one in the last corner would make a whole range larger than the machine.
        let mut rows = BTreeMap::<u32, BTreeMap<u32, String>>::new();
        let mut cells = book.worksheet_cells_reader(&name).map_err(unread)?;
        while let Some(cell) = cells.next_cell().map_err(unread)? {
            let (row, column) = cell.get_position();
            let text = words(cell.get_value()).filter(|text| !text.trim().is_empty());
            let Some(text) = text.filter(|_| column < MOST_COLUMNS) else { continue };
            rows.entry(row).or_default().insert(column, text);
            if rows.len() > MOST_ROWS {
                return Err(too_long(&name));
            }
        }
        for region in merged {
            let (top, left) = region.start;
            let Some(text) = rows.get(&top).and_then(|row| row.get(&left)).cloned() else { continue };
            for (_, row) in rows.range_mut(top..=region.end.0) {
                for column in left..=region.end.1.min(MOST_COLUMNS) {
                    row.entry(column).or_insert_with(|| text.clone());
                }
            }
        }
        let row = |(number, row): (u32, BTreeMap<u32, String>)| {
            let last = row.last_key_value().map_or(0, |(column, _)| *column);
            (number + 1, (0..=last).map(|column| row.get(&column).cloned().unwrap_or_default()).collect())
        };
        read.push(Sheet { name, rows: rows.into_iter().map(row).collect() });
    }
    Ok(read)
}

/// What a cell says; a moment as people write it, to the second.
fn words(cell: &DataRef) -> Option<String> {
    let DataRef::DateTime(at) = cell else { return cell.as_string() };
    let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
}

/// Writes a table.
///
/// # Errors
/// A fault of ours.
pub fn write(format: TableFormat, classes: &[CaseClass]) -> Result<Vec<u8>> {
    match format {
        TableFormat::Csv => write_csv(classes).map_err(Error::internal),
        TableFormat::Xlsx => write_xlsx(classes).map_err(Error::internal),
    }
}

fn write_csv(classes: &[CaseClass]) -> Result<Vec<u8>, csv::Error> {
    // The mark makes spreadsheets read it as UTF-8.
    let mut writer = csv::Writer::from_writer(b"\xef\xbb\xbf".to_vec());
    for row in table(classes.iter()) {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn write_xlsx(classes: &[CaseClass]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // As text: a spreadsheet would take the zeros off a code that looks like a number.
    let (text, bold) = (Format::new().set_num_format("@"), Format::new().set_num_format("@").set_bold());
    for kind in ClassKind::ALL {
        let sheet = book.add_worksheet();
        sheet.set_name(kind.chinese())?.set_freeze_panes(1, 0)?;
        for (column, width) in (0..).zip([18, 8, 9, 16, 9, 24, 60, 30, 16]) {
            sheet.set_column_width(column, width)?;
        }
        let rows = table(classes.iter().filter(|class| class.kind == *kind));
        for (number, row) in (0..).zip(rows) {
            for (column, cell) in (0..).zip(row) {
                sheet.write_string_with_format(number, column, cell, if number == 0 { &bold } else { &text })?;
            }
        }
    }
    book.save_to_buffer()
}
