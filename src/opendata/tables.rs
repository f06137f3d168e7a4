//! Features as pieces of files: each written when its page has been read, none kept.

use super::rules::{Cell, Collection, Feature, guarded};
use crate::error::{Error, Result};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use std::{fs::File, path::Path};

/// A file that grows page by page.
pub(super) enum Growing {
    /// Comma-separated, UTF-8 with a byte order mark, by which spreadsheets know the encoding.
    Csv,
    /// A FeatureCollection; whether a feature was written already.
    GeoJson(bool),
}

impl Growing {
    pub(super) fn head(&self, collection: Collection) -> Result<Vec<u8>> {
        match self {
            Growing::Csv => {
                let headings = collection.columns().iter().map(|column| column.heading.to_owned());
                csv_lines(b"\xef\xbb\xbf".to_vec(), std::iter::once(headings.collect()))
            }
            Growing::GeoJson(_) => Ok(br#"{"type":"FeatureCollection","features":["#.to_vec()),
        }
    }

    pub(super) fn page(&mut self, collection: Collection, features: &[Feature]) -> Result<Vec<u8>> {
        match self {
            Growing::Csv => csv_lines(Vec::new(), features.iter().map(|feature| cells(&feature.cells))),
            Growing::GeoJson(begun) => {
                let mut bytes = Vec::new();
                for feature in features {
                    bytes.extend_from_slice(if *begun { b",\n" } else { b"\n" });
                    *begun = true;
                    serde_json::to_writer(&mut bytes, &feature.geojson(collection)).map_err(Error::internal)?;
                }
                Ok(bytes)
            }
        }
    }

    pub(super) fn tail(&self) -> &'static [u8] {
        match self {
            Growing::Csv => b"",
            Growing::GeoJson(_) => b"\n]}\n",
        }
    }
}

fn cells(cells: &[Cell]) -> Vec<String> {
    let guard = |cell: &Cell| match cell {
        Cell::Text(text) => guarded(text).into_owned(),
        other => other.words(),
    };
    cells.iter().map(guard).collect()
}

fn csv_lines(bytes: Vec<u8>, lines: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bytes);
    for line in lines {
        writer.write_record(&line).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.into_error()))
}

/// The rows of a sheet: a spreadsheet has 1,048,576, the heading among them.
const ROWS: u32 = 1_000_000;

/// An XLSX file whose rows lie on the disk until it is finished.
pub(super) struct Book {
    book: Workbook,
    collection: Collection,
    /// The next row of the last sheet.
    row: u32,
    sheets: usize,
}

impl Book {
    /// An empty one; `folder` takes the rows.
    pub(super) fn new(collection: Collection, folder: &Path) -> Result<Book> {
        let mut book = Workbook::new();
        book.set_tempdir(folder).map_err(Error::internal)?;
        let mut book = Book { book, collection, row: 0, sheets: 0 };
        book.sheet().map_err(Error::internal)?;
        Ok(book)
    }

    fn sheet(&mut self) -> Result<(), XlsxError> {
        self.sheets += 1;
        let more = if self.sheets == 1 { String::new() } else { format!(" {}", self.sheets) };
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name(format!("{}{more}", self.collection.title()))?.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for (at, column) in (0..).zip(self.collection.columns()) {
            sheet.set_column_width(at, 18)?.write_string_with_format(0, at, column.heading, &bold)?;
        }
        self.row = 1;
        Ok(())
    }

    /// Adds rows.
    pub(super) fn page(&mut self, features: &[Feature]) -> Result<()> {
        self.rows(features).map_err(Error::internal)
    }

    fn rows(&mut self, features: &[Feature]) -> Result<(), XlsxError> {
        let dated = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        for feature in features {
            if self.row > ROWS {
                self.sheet()?;
            }
            let sheet = self.book.worksheet_from_index(self.sheets - 1)?;
            for (at, cell) in (0..).zip(&feature.cells) {
                put(sheet, self.row, at, cell, &dated)?;
            }
            self.row += 1;
        }
        Ok(())
    }

    /// Writes the whole.
    pub(super) fn save(mut self, file: &File) -> Result<()> {
        self.book.save_to_writer(file).map_err(Error::internal)
    }
}

fn put(sheet: &mut Worksheet, row: u32, at: u16, cell: &Cell, dated: &Format) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        // A string is never a formula, and a long code keeps its digits.
        Cell::Text(text) | Cell::Word(_, text) => drop(sheet.write_string(row, at, text)?),
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        Cell::Integer(count) => drop(sheet.write_number(row, at, *count as f64)?),
        Cell::Hundredths(count) => drop(sheet.write_number(row, at, super::rules::whole(*count))?),
        Cell::Degrees(degrees) => drop(sheet.write_number(row, at, super::rules::rounded(*degrees))?),
        Cell::Truth(_) => drop(sheet.write_string(row, at, cell.words())?),
        Cell::Moment(_) => {
            let words = cell.words();
            // What a spreadsheet has no date for stays readable.
            match ExcelDateTime::parse_from_str(&words) {
                Ok(moment) => drop(sheet.write_datetime_with_format(row, at, &moment, dated)?),
                Err(_) => drop(sheet.write_string(row, at, words)?),
            }
        }
    }
    Ok(())
}
