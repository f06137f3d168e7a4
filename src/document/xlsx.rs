//! As a workbook: one sheet a page break, each column as wide as the widest table wants it.

use super::{Align, Block, Cell, Column, Document, Orientation, Table, picture::Squares};
use crate::error::{Error, Result};
use chrono::Datelike;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Image, Workbook, Worksheet, XlsxError,
};

/// All columns of a sheet together, in the widths of a digit.
const WIDTH: f32 = 88.0;
/// What a cell takes (ECMA-376, 18.3.1.4); a longer text is cut there.
const LONGEST: usize = 32_767;

pub(super) fn render(document: &Document) -> Result<Vec<u8>> {
    let mut book = Workbook::new();
    let day = document.dated;
    let made = match (u16::try_from(day.year()), u8::try_from(day.month()), u8::try_from(day.day())) {
        (Ok(year), Ok(month), Ok(day)) => ExcelDateTime::from_ymd(year, month, day).map_err(Error::internal)?,
        _ => return Err(Error::internal("the day of a document lies outside the calendar of a workbook")),
    };
    let properties = DocProperties::new().set_title(&document.title).set_creation_datetime(&made);
    book.set_properties(&properties);
    let mut first = true;
    for blocks in document.blocks.split(|block| *block == Block::PageBreak) {
        let mut sheet = Sheet::new(book.add_worksheet(), document, blocks).map_err(Error::internal)?;
        if first {
            sheet.head(document).map_err(Error::internal)?;
            first = false;
        }
        for block in blocks {
            sheet.put(block)?;
        }
    }
    book.save_to_buffer().map_err(Error::internal)
}

struct Sheet<'a> {
    sheet: &'a mut Worksheet,
    /// The next row.
    row: u32,
    /// The number of columns.
    columns: u16,
    /// The width of each, in digits.
    widths: Vec<f32>,
    /// Whether the rows of a header are repeated on every page: a sheet has them once.
    repeats: bool,
}

impl Sheet<'_> {
    fn new<'a>(sheet: &'a mut Worksheet, document: &Document, blocks: &[Block]) -> Result<Sheet<'a>, XlsxError> {
        // Columns are shared by the tables of a sheet: the one with the most of them gives the widths.
        let tables = blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            _ => None,
        });
        let widest = tables.filter(|table| !table.columns.is_empty()).max_by_key(|table| table.columns.len());
        let widths = widest.map_or_else(|| vec![WIDTH / 6.0; 6], |table| table.widths(WIDTH));
        let columns = u16::try_from(widths.len()).unwrap_or(u16::MAX);
        for (at, width) in (0..).zip(&widths) {
            sheet.set_column_width(at, f64::from(*width))?;
        }
        sheet.set_paper_size(9).set_print_fit_to_pages(1, 0).set_margins(0.8, 0.8, 1.0, 1.0, 0.4, 0.4);
        if document.orientation == Orientation::Landscape {
            sheet.set_landscape();
        }
        // "&" begins a code in a footer, which ends at 255 characters.
        let words: String = document.footer.iter().flat_map(|text| text.chars()).take(80).collect();
        let left = if words.is_empty() { String::new() } else { format!("&L{}", words.replace('&', "&&")) };
        sheet.set_footer(format!("{left}&C第 &P 页 共 &N 页"));
        Ok(Sheet { sheet, row: 0, columns, widths, repeats: false })
    }

    fn head(&mut self, document: &Document) -> Result<(), XlsxError> {
        let title = Format::new().set_bold().set_font_size(18).set_align(FormatAlign::Center).set_text_wrap();
        self.across(&document.title, &title, 1.8)?;
        if let Some(subtitle) = &document.subtitle {
            self.across(subtitle, &Format::new().set_align(FormatAlign::Center).set_text_wrap(), 1.0)?;
        }
        Ok(())
    }

    /// A text over the whole width, with room for its lines, whose letters are `size` times the usual ones.
    fn across(&mut self, text: &str, format: &Format, size: f32) -> Result<(), XlsxError> {
        let text = cut(text);
        let format = format.clone().set_align(FormatAlign::VerticalCenter);
        match self.columns {
            // One cell can't be merged.
            1 => self.sheet.write_string_with_format(self.row, 0, &text, &format)?,
            columns => self.sheet.merge_range(self.row, 0, self.row, columns - 1, &text, &format)?,
        };
        let lines = count_lines(&text, self.widths.iter().sum::<f32>() / size);
        self.sheet.set_row_height(self.row, f64::from(lines * 15.0 * size + 3.0).min(409.0))?;
        self.row += 1;
        Ok(())
    }

    fn put(&mut self, block: &Block) -> Result<()> {
        match block {
            Block::Heading(text) => self.across(text, &Format::new().set_bold().set_text_wrap(), 1.0),
            Block::Paragraph(paragraph) => {
                let format = Format::new().set_text_wrap().set_align(aligned(paragraph.align));
                paragraph.text.split('\n').try_for_each(|line| {
                    let indent = "\u{3000}".repeat(usize::from(paragraph.indent));
                    self.across(&format!("{indent}{line}"), &format, 1.0)
                })
            }
            Block::Table(table) => self.table(table),
            Block::KeyValues(pairs) => pairs.iter().try_for_each(|(key, value)| {
                self.across(&format!("{key}：{value}"), &Format::new().set_text_wrap(), 1.0)
            }),
            Block::Qr { text, caption } => {
                let (png, pixels) = Squares::of(text)?.png()?;
                self.qr(&png, pixels, caption)
            }
            // Sheets were split at these.
            Block::PageBreak => Ok(()),
        }
        .map_err(Error::internal)
    }

    fn qr(&mut self, png: &[u8], pixels: u32, caption: &str) -> Result<(), XlsxError> {
        // 120 pixels on the screen.
        let scale = 120.0 / f64::from(pixels);
        let image = Image::new_from_buffer(png)?.set_scale_width(scale).set_scale_height(scale);
        self.sheet.set_row_height(self.row, 96)?;
        self.sheet.insert_image(self.row, 0, &image.set_alt_text(caption))?;
        self.row += 1;
        self.across(caption, &Format::new().set_text_wrap(), 1.0)
    }

    fn table(&mut self, table: &Table) -> Result<(), XlsxError> {
        let headers = table.header.len();
        let begin = self.row;
        for (at, row) in table.all_rows().enumerate() {
            let mut most = 1.0_f32;
            for ((cell, column), place) in row.iter().zip(&table.columns).zip(0..) {
                most = most.max(count_lines(&cell.words(), self.widths[usize::from(place)]));
                self.cell(place, cell, *column, at < headers)?;
            }
            self.sheet.set_row_height(self.row, f64::from(most * 15.0 + 3.0).min(409.0))?;
            self.row += 1;
        }
        if headers > 0 && !self.repeats {
            self.repeats = true;
            let last = begin + u32::try_from(headers).unwrap_or(1) - 1;
            self.sheet.set_repeat_rows(begin, last)?;
        }
        self.row += 1;
        Ok(())
    }

    fn cell(&mut self, at: u16, cell: &Cell, column: Column, header: bool) -> Result<(), XlsxError> {
        let align = if header { FormatAlign::Center } else { aligned(cell.align(column)) };
        let mut format = Format::new()
            .set_border(FormatBorder::Thin)
            .set_text_wrap()
            .set_align(align)
            .set_align(FormatAlign::VerticalCenter);
        if header {
            format = format.set_bold();
        }
        match cell {
            // A string is never a formula.
            Cell::Text(text) => drop(self.sheet.write_string_with_format(self.row, at, cut(text), &format)?),
            Cell::Number { thousandths, decimals } => {
                let format = format.set_num_format(["0", "0.0", "0.00", "0.000"][usize::from((*decimals).min(3))]);
                #[expect(clippy::cast_precision_loss, reason = "a workbook holds no other numbers")]
                let number = *thousandths as f64 / 1000.0;
                self.sheet.write_number_with_format(self.row, at, number, &format)?;
            }
        }
        Ok(())
    }
}

fn aligned(align: Align) -> FormatAlign {
    match align {
        Align::Left => FormatAlign::Left,
        Align::Center => FormatAlign::Center,
        Align::Right => FormatAlign::Right,
    }
}

fn cut(text: &str) -> String {
    // Counted as a workbook does, in UTF-16.
    let mut units = 0;
    let fits = text.chars().take_while(|c| {
        units += c.len_utf16();
        units <= LONGEST
    });
    fits.collect()
}

/// How many lines a text takes in a cell of so many digits: a workbook does not find out by itself.
#[expect(clippy::cast_precision_loss, reason = "a cell holds thousands of lines at most")]
fn count_lines(text: &str, digits: f32) -> f32 {
    let wide = |c: char| if c.is_ascii() { 1.0 } else { 2.1 };
    super::wrap::lines(text, digits.max(3.0), 0.0, &wide).len() as f32
}
