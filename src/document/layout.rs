//! Where everything of a document stands on its pages. Lengths in points (1/72 inch), from the top left corner.

use super::{
    Align, Block, Cell, Document, Orientation, Paragraph, Table,
    picture::{QUIET, Squares},
    wrap,
};
use crate::error::Result;

const MILLIMETRE: f32 = 72.0 / 25.4;
/// GB/T 9704-2012, 5.2.3: 3号 letters, 22 lines on 225 mm.
const BODY: Letters = Letters { size: 16.0, leading: 28.95, bold: false };
const TITLE: Letters = Letters { size: 22.0, leading: 36.0, bold: true };
const SUBTITLE: Letters = Letters { size: 14.0, leading: 24.0, bold: false };
const HEADING: Letters = Letters { size: 16.0, leading: 28.95, bold: true };
const PAIRS: Letters = Letters { size: 14.0, leading: 24.0, bold: false };
const CELL: Letters = Letters { size: 10.5, leading: 15.0, bold: false };
const HEADER_CELL: Letters = Letters { size: 10.5, leading: 15.0, bold: true };
const SMALL: Letters = Letters { size: 10.5, leading: 15.0, bold: false };
/// Between the line of a cell and its words.
const PADDING: f32 = 3.0;
/// The side of a QR code, with its border.
const QR: f32 = 32.0 * MILLIMETRE;

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letters {
    pub(super) size: f32,
    /// From one line to the next.
    leading: f32,
    pub(super) bold: bool,
}

/// One thing on a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// A line of text from `x` on, standing on `y`.
    Text { x: f32, y: f32, letters: Letters, text: String },
    /// A thin line.
    Line { from: (f32, f32), to: (f32, f32) },
    /// A black rectangle.
    Box { x: f32, y: f32, width: f32, height: f32 },
}

/// A sheet of paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paper {
    pub(super) width: f32,
    pub(super) height: f32,
    top: f32,
    bottom: f32,
    left: f32,
    right: f32,
}

impl Paper {
    pub(super) fn of(orientation: Orientation) -> Paper {
        // GB/T 9704-2012, 5.2.1: what is printed takes 156 × 225 mm.
        let (width, height, margins) = match orientation {
            Orientation::Portrait => (210.0, 297.0, [37.0, 35.0, 28.0, 26.0]),
            Orientation::Landscape => (297.0, 210.0, [26.0, 28.0, 35.0, 37.0]),
        };
        let [top, bottom, left, right] = margins.map(|margin: f32| margin * MILLIMETRE);
        Paper { width: width * MILLIMETRE, height: height * MILLIMETRE, top, bottom, left, right }
    }

    fn measure(&self) -> f32 {
        self.width - self.left - self.right
    }

    fn end(&self) -> f32 {
        self.height - self.bottom
    }
}

/// The pages of a document; `wide` tells the width of a character of size 1.
pub(super) fn pages(document: &Document, wide: &dyn Fn(char) -> f32) -> Result<Vec<Vec<Mark>>> {
    let paper = Paper::of(document.orientation);
    let mut press = Press { paper, wide, pages: vec![Vec::new()], y: paper.top };
    press.text(&document.title, TITLE, Align::Center, 0);
    if let Some(subtitle) = &document.subtitle {
        press.text(subtitle, SUBTITLE, Align::Center, 0);
    }
    press.y += 12.0;
    for block in &document.blocks {
        press.block(block)?;
    }
    Ok(press.finish(document.footer.as_deref()))
}

struct Press<'a> {
    paper: Paper,
    wide: &'a dyn Fn(char) -> f32,
    pages: Vec<Vec<Mark>>,
    /// Where the next thing begins.
    y: f32,
}

impl Press<'_> {
    fn block(&mut self, block: &Block) -> Result<()> {
        match block {
            Block::Heading(text) => {
                // With at least a line of what follows.
                self.want(HEADING.leading + BODY.leading);
                self.text(text, HEADING, Align::Left, 0);
            }
            Block::Paragraph(Paragraph { text, align, indent }) => {
                text.split('\n').for_each(|line| self.text(line, BODY, *align, *indent));
            }
            Block::Table(table) => self.table(table),
            Block::KeyValues(pairs) => self.pairs(pairs),
            Block::Qr { text, caption } => self.qr(&Squares::of(text)?, caption),
            Block::PageBreak => self.turn(),
        }
        Ok(())
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = self.paper.top;
    }

    /// Begins a new page when this one has less room than that, and is not empty.
    fn want(&mut self, height: f32) {
        if self.y + height > self.paper.end() + 0.01 && self.y > self.paper.top {
            self.turn();
        }
    }

    fn long(&self, text: &str, letters: Letters) -> f32 {
        text.chars().map(|c| (self.wide)(c)).sum::<f32>() * letters.size
    }

    fn lines(&self, text: &str, letters: Letters, width: f32, indent: f32) -> Vec<String> {
        let wide = |c: char| (self.wide)(c) * letters.size;
        wrap::lines(text, width, indent, &wide)
    }

    /// One line of letters in a box of their leading that begins at (`x`, `y`) and has this width.
    fn line(&mut self, text: &str, letters: Letters, align: Align, (x, y, width): (f32, f32, f32)) {
        if text.is_empty() {
            return;
        }
        let spare = width - self.long(text, letters);
        let x = match align {
            Align::Left => x,
            Align::Center => x + spare / 2.0,
            Align::Right => x + spare,
        };
        // The square of a Chinese character reaches from 0.12 below the line to 0.88 above it.
        let y = y + letters.leading / 2.0 + 0.38 * letters.size;
        self.mark(Mark::Text { x, y, letters, text: text.to_owned() });
    }

    fn text(&mut self, text: &str, letters: Letters, align: Align, indent: u8) {
        let (left, measure) = (self.paper.left, self.paper.measure());
        let indent = (f32::from(indent) * letters.size).min(measure / 2.0);
        for (at, line) in self.lines(text, letters, measure, indent).into_iter().enumerate() {
            self.want(letters.leading);
            let moved = if at == 0 { indent } else { 0.0 };
            self.line(&line, letters, align, (left + moved, self.y, measure - moved));
            self.y += letters.leading;
        }
    }

    fn pairs(&mut self, pairs: &[(String, String)]) {
        let (left, measure) = (self.paper.left, self.paper.measure());
        let keys = pairs.iter().map(|(key, _)| self.long(key, PAIRS)).fold(0.0_f32, f32::max).min(measure * 0.4);
        let gap = PAIRS.size;
        for (key, value) in pairs {
            let names = self.lines(key, PAIRS, keys.max(PAIRS.size), 0.0);
            let values = self.lines(value, PAIRS, measure - keys - gap, 0.0);
            for at in 0..names.len().max(values.len()) {
                self.want(PAIRS.leading);
                if let Some(name) = names.get(at) {
                    self.line(name, PAIRS, Align::Left, (left, self.y, keys));
                }
                if let Some(value) = values.get(at) {
                    self.line(value, PAIRS, Align::Left, (left + keys + gap, self.y, measure - keys - gap));
                }
                self.y += PAIRS.leading;
            }
        }
    }

    fn qr(&mut self, squares: &Squares, caption: &str) {
        let below = self.lines(caption, SMALL, self.paper.measure(), 0.0);
        let mut height = QR;
        for _ in &below {
            height += SMALL.leading;
        }
        self.want(height);
        #[expect(clippy::cast_precision_loss, reason = "a code has at most 177 squares a side")]
        let squared = |count: usize| count as f32 * QR / (squares.side + 2 * QUIET) as f32;
        let left = self.paper.left + (self.paper.measure() - QR) / 2.0;
        for (column, row, long) in squares.stripes() {
            let (x, y) = (left + squared(column + QUIET), self.y + squared(row + QUIET));
            self.mark(Mark::Box { x, y, width: squared(long), height: squared(1) });
        }
        self.y += QR;
        self.text(caption, SMALL, Align::Center, 0);
    }

    fn table(&mut self, table: &Table) {
        self.y += 4.0;
        let widths = table.widths(self.paper.measure());
        let rows: Vec<Row> = table.all_rows().enumerate().map(|(at, row)| self.row(table, &widths, &row, at)).collect();
        let (header, body) = rows.split_at(table.header.len());
        let mut high: f32 = header.iter().map(Row::height).sum();
        // A header that leaves no room for rows is printed once.
        let repeated = high < (self.paper.end() - self.paper.top) / 2.0;
        high += body.first().map_or(0.0, |row| row.height().min(CELL.leading * 3.0));
        self.want(high);
        header.iter().for_each(|row| self.put(row, &widths, &[]));
        let header = if repeated { header } else { &[] };
        body.iter().for_each(|row| self.put(row, &widths, header));
        self.y += 8.0;
    }

    fn row(&self, table: &Table, widths: &[f32], row: &[Cell], at: usize) -> Row {
        let header = at < table.header.len();
        let letters = if header { HEADER_CELL } else { CELL };
        let cells = row.iter().zip(&table.columns).zip(widths).map(|((cell, column), width)| {
            let align = if header { Align::Center } else { cell.align(*column) };
            (self.lines(&cell.words(), letters, (width - 2.0 * PADDING).max(letters.size), 0.0), align)
        });
        Row { letters, cells: cells.collect() }
    }

    /// Puts a row on the page, or on the next under the header; one that no page takes is cut between its lines.
    fn put(&mut self, row: &Row, widths: &[f32], header: &[Row]) {
        let most = row.most();
        let mut done = 0;
        let top = self.paper.top + header.iter().map(Row::height).sum::<f32>();
        while done < most {
            let height = Row::high(most - done);
            let spare = self.paper.end() + 0.01 - self.y;
            let fits = if height <= spare { most - done } else { Row::fitting(spare) };
            let fresh = self.y <= top + 0.01;
            let whole_next = Row::high(most) <= self.paper.end() - top;
            if fits < most - done && !fresh && (whole_next || fits < 2) {
                self.turn();
                header.iter().for_each(|row| self.draw(row, widths, 0, row.most()));
                continue;
            }
            let until = done + fits.clamp(1, most - done);
            self.draw(row, widths, done, until);
            done = until;
        }
    }

    /// The lines `from..until` of a row, with the lines around its cells.
    fn draw(&mut self, row: &Row, widths: &[f32], from: usize, until: usize) {
        let (left, y) = (self.paper.left, self.y);
        let height = Row::high(until - from);
        let right = left + widths.iter().sum::<f32>();
        self.mark(Mark::Line { from: (left, y), to: (right, y) });
        self.mark(Mark::Line { from: (left, y + height), to: (right, y + height) });
        self.mark(Mark::Line { from: (left, y), to: (left, y + height) });
        let mut x = left;
        let whole = from == 0 && until == row.most();
        for ((lines, align), width) in row.cells.iter().zip(widths) {
            let mut line_y = y + PADDING;
            if whole {
                line_y += (height - Row::high(lines.len())) / 2.0;
            }
            for line in lines.iter().take(until).skip(from) {
                self.line(line, row.letters, *align, (x + PADDING, line_y, width - 2.0 * PADDING));
                line_y += row.letters.leading;
            }
            x += width;
            self.mark(Mark::Line { from: (x, y), to: (x, y + height) });
        }
        self.y += height;
    }

    /// Adds the foot of each page, now that their number is known.
    fn finish(mut self, footer: Option<&str>) -> Vec<Vec<Mark>> {
        let (left, measure) = (self.paper.left, self.paper.measure());
        // GB/T 9704-2012, 7.5: the number stands 7 mm under what is printed.
        let y = self.paper.end() + 7.0 * MILLIMETRE;
        let words = footer.map(|footer| self.lines(footer, SMALL, measure, 0.0)).unwrap_or_default();
        let done = std::mem::take(&mut self.pages);
        let all = done.len();
        for (number, page) in (1..).zip(done) {
            self.pages.push(page);
            let number = format!("第 {number} 页 共 {all} 页");
            self.line(&number, SMALL, Align::Center, (left, y, measure));
            if let Some(line) = words.first() {
                self.line(line, SMALL, Align::Center, (left, y + SMALL.leading, measure));
            }
        }
        self.pages
    }
}

/// A row of a table, broken into lines.
struct Row {
    letters: Letters,
    cells: Vec<(Vec<String>, Align)>,
}

impl Row {
    fn most(&self) -> usize {
        self.cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(1)
    }

    fn height(&self) -> f32 {
        Row::high(self.most())
    }

    /// How high a cell of so many lines is.
    #[expect(clippy::cast_precision_loss, reason = "a cell has thousands of lines at most")]
    fn high(lines: usize) -> f32 {
        lines as f32 * CELL.leading + 2.0 * PADDING
    }

    /// How many lines a cell of this height takes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a page's lines")]
    fn fitting(height: f32) -> usize {
        ((height - 2.0 * PADDING) / CELL.leading).max(0.0) as usize
    }
}
