//! Documents for print: what a table of scores, a letter or a report says, once, and as a workbook, a Word file, a PDF
//! or a page for the browser's own printer.
//!
//! A [`Document`] knows nothing of the areas that fill it. Paper, margins and sizes follow the look of official papers
//! (GB/T 9704-2012: A4, 2号 title, 3号 text of 28 characters a line) as far as one typeface can: every letter comes
//! from Noto Serif SC, which lies in the program (`chengguan_web`), because a county's server fetches nothing.
//!
//! Invariants (held by `tests.rs` and `wrap`'s own):
//! * the same document gives the same bytes, in every format, on every day: a file's hash can be published;
//! * text is only ever text: no markup, no formula and no header code comes out of it;
//! * no line and no row is lost at the end of a page, however long a cell is.

mod docx;
mod html;
mod layout;
mod pdf;
mod picture;
mod wrap;
mod xlsx;

use crate::error::Result;
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

/// What is to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Over the first page, centred; also the file's title.
    pub title: String,
    /// Under the title, centred: a number, a period.
    pub subtitle: Option<String>,
    /// From top to bottom.
    pub blocks: Vec<Block>,
    /// At the foot of each page, left of its number: who made it, a hash. One line.
    pub footer: Option<String>,
    /// Which way the paper lies.
    pub orientation: Orientation,
    /// The day the file says it was made on. A date of the content, never today's: bytes must not depend on the clock.
    pub dated: NaiveDate,
}

/// Which way A4 paper lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// Upright.
    Portrait,
    /// On its long side, for wide tables.
    Landscape,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading over what follows it on the same page.
    Heading(String),
    /// Running text; a line break in it begins a new paragraph.
    Paragraph(Paragraph),
    /// A table with lines around its cells.
    Table(Table),
    /// Names and what they stand for, in two columns without lines.
    KeyValues(Vec<(String, String)>),
    /// A QR code and what is printed under it.
    Qr {
        /// What a telephone reads, at most 1,000 bytes.
        text: String,
        /// For people.
        caption: String,
    },
    /// What follows begins on a new page, or a new sheet of a workbook.
    PageBreak,
}

/// Running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// The words.
    pub text: String,
    /// Where its lines stand.
    pub align: Align,
    /// Characters that the first line is moved in: 2 in official papers, 0 for an addressee.
    pub indent: u8,
}

/// Where something stands between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At the left one.
    Left,
    /// In the middle.
    Center,
    /// At the right one.
    Right,
}

/// A table. A row with fewer cells than there are columns ends in empty ones; what is too much is not printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// At least one.
    pub columns: Vec<Column>,
    /// Repeated on every page; may be empty.
    pub header: Vec<Vec<Cell>>,
    /// Below it.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its share of the width, at least 1: twice the weight is twice as wide.
    pub weight: u16,
    /// Where text stands in its cells; numbers stand at the right if this is [`Align::Left`].
    pub align: Align,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Words; empty for nothing.
    Text(String),
    /// An exact number, which a workbook can add up.
    Number {
        /// The number times a thousand.
        thousandths: i64,
        /// Digits after the point, 0–3; what is more is rounded half away from zero.
        decimals: u8,
    },
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// How many.
    #[must_use]
    pub fn count(count: i64) -> Cell {
        Cell::Number { thousandths: count.saturating_mul(1000), decimals: 0 }
    }

    /// As printed.
    fn words(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number { thousandths, decimals } => decimal(*thousandths, *decimals),
        }
    }

    fn align(&self, column: Column) -> Align {
        match (self, column.align) {
            (Cell::Number { .. }, Align::Left) => Align::Right,
            (_, align) => align,
        }
    }
}

/// A number of thousandths with `decimals` (0–3) digits after the point, rounded half away from zero: 60740 → 60.74.
#[must_use]
pub fn decimal(thousandths: i64, decimals: u8) -> String {
    let digits = usize::from(decimals.min(3));
    let unit = 10_u64.pow(3 - u32::from(decimals.min(3)));
    let rounded = (thousandths.unsigned_abs() + unit / 2) / unit;
    let sign = if thousandths < 0 && rounded > 0 { "-" } else { "" };
    let scale = 10_u64.pow(u32::from(decimals.min(3)));
    match digits {
        0 => format!("{sign}{rounded}"),
        _ => format!("{sign}{}.{:0digits$}", rounded / scale, rounded % scale),
    }
}

/// The same without needless zeros: 58500 → 58.5, -333 → -0.333.
#[must_use]
pub fn plain(thousandths: i64) -> String {
    let text = decimal(thousandths, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Table {
    /// The header's rows, then the others, each with exactly one cell a column.
    fn all_rows(&self) -> impl Iterator<Item = Vec<Cell>> {
        self.header.iter().chain(&self.rows).map(|row| {
            let cells = row.iter().cloned().chain(std::iter::repeat(Cell::text("")));
            cells.take(self.columns.len()).collect()
        })
    }

    /// The width of each column when all together have `width`.
    fn widths(&self, width: f32) -> Vec<f32> {
        let weight = |column: &Column| f32::from(column.weight.max(1));
        let all: f32 = self.columns.iter().map(weight).sum();
        self.columns.iter().map(|column| width * weight(column) / all).collect()
    }
}

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PrintFormat)]
pub enum Format {
    /// A workbook (Office Open XML).
    Xlsx,
    /// A Word file (Office Open XML).
    Docx,
    /// A PDF whose letters are embedded.
    Pdf,
    /// One page that loads nothing, with a style for paper.
    Html,
}

impl Format {
    /// Each of them.
    pub const ALL: [Format; 4] = [Format::Xlsx, Format::Docx, Format::Pdf, Format::Html];

    /// The value of `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Format::Pdf => "application/pdf",
            Format::Html => "text/html; charset=utf-8",
        }
    }

    /// How a file's name ends, without the point.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Xlsx => "xlsx",
            Format::Docx => "docx",
            Format::Pdf => "pdf",
            Format::Html => "html",
        }
    }
}

/// Makes the file.
///
/// # Errors
/// `internal` when the program was built without its typeface (PDF only), or a library fails.
pub fn render(document: &Document, format: Format) -> Result<Vec<u8>> {
    match format {
        Format::Xlsx => xlsx::render(document),
        Format::Docx => docx::render(document),
        Format::Pdf => pdf::render(document),
        Format::Html => html::render(document),
    }
}
