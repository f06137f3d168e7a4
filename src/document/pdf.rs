//! As a PDF: the pages of [`layout`](super::layout) drawn, with the letters that are used embedded.

use super::{
    Document,
    layout::{Letters, Mark, Paper, pages},
};
use crate::error::{Error, Result};
use chrono::Datelike;
use krilla::{
    Data,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph},
};
use skrifa::{
    FontRef, MetadataProvider, charmap::Charmap, instance::LocationRef, metrics::GlyphMetrics, prelude::Size,
};
use std::borrow::Cow;

/// Where the typeface lies among the embedded files; no address serves it.
const TYPEFACE: &str = "print/NotoSerifSC-Regular.ttf";

pub(super) fn render(document: &Document) -> Result<Vec<u8>> {
    let file = chengguan_web::asset(TYPEFACE).ok_or_else(|| Error::internal("built without the typeface for PDF"))?;
    let data: Data = match file.bytes {
        // As it lies in the program: 15 MB that are read only where they are needed.
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    };
    let face = Face::new(&data)?;
    let paper = Paper::of(document.orientation);
    let mut pdf = krilla::Document::new();
    for marks in pages(document, &|c| face.wide(c))? {
        let settings = PageSettings::from_wh(paper.width, paper.height).ok_or_else(|| Error::internal("paper"))?;
        let mut page = pdf.start_page_with(settings);
        let mut surface = page.surface();
        marks.iter().for_each(|mark| draw(&mut surface, &face, mark));
        surface.finish();
        page.finish();
    }
    pdf.set_metadata(metadata(document));
    pdf.finish().map_err(|error| Error::internal(format!("{error:?}")))
}

fn metadata(document: &Document) -> Metadata {
    let day = document.dated;
    let part = |number: u32| u8::try_from(number).unwrap_or(1);
    let made = DateTime::new(u16::try_from(day.year()).unwrap_or(1970)).month(part(day.month())).day(part(day.day()));
    Metadata::new().title(document.title.clone()).language("zh-CN".to_owned()).creation_date(made)
}

fn draw(surface: &mut Surface, face: &Face, mark: &Mark) {
    match mark {
        Mark::Text { x, y, letters, text } => face.draw(surface, (*x, *y), *letters, text),
        Mark::Line { from, to } => {
            let mut path = PathBuilder::new();
            path.move_to(from.0, from.1);
            path.line_to(to.0, to.1);
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke { width: 0.5, ..Stroke::default() }));
            path.finish().iter().for_each(|path| surface.draw_path(path));
        }
        Mark::Box { x, y, width, height } => {
            let mut path = PathBuilder::new();
            Rect::from_xywh(*x, *y, *width, *height).into_iter().for_each(|rect| path.push_rect(rect));
            surface.set_fill(Some(Fill::default()));
            surface.set_stroke(None);
            path.finish().iter().for_each(|path| surface.draw_path(path));
        }
    }
}

/// The typeface: which glyph a character has, and how wide it is.
struct Face<'a> {
    font: Font,
    map: Charmap<'a>,
    /// For an em of 1.
    metrics: GlyphMetrics<'a>,
}

impl Face<'_> {
    fn new(data: &Data) -> Result<Face<'_>> {
        let font = Font::new(data.clone(), 0).ok_or_else(|| Error::internal("the typeface can't be read"))?;
        let tables = FontRef::new(data.as_ref()).map_err(Error::internal)?;
        let metrics = tables.glyph_metrics(Size::new(1.0), LocationRef::default());
        Ok(Face { font, map: tables.charmap(), metrics })
    }

    /// What the typeface lacks has the glyph 0, an empty box.
    fn glyph(&self, c: char) -> skrifa::GlyphId {
        self.map.map(c).unwrap_or_default()
    }

    fn wide(&self, c: char) -> f32 {
        self.metrics.advance_width(self.glyph(c)).unwrap_or(1.0)
    }

    fn draw(&self, surface: &mut Surface, (x, y): (f32, f32), letters: Letters, text: &str) {
        let glyph = |(at, c): (usize, char)| KrillaGlyph {
            glyph_id: GlyphId::new(self.glyph(c).to_u32()),
            text_range: at..at + c.len_utf8(),
            x_advance: self.wide(c),
            x_offset: 0.0,
            y_offset: 0.0,
            y_advance: 0.0,
            location: None,
        };
        let glyphs: Vec<KrillaGlyph> = text.char_indices().map(glyph).collect();
        // A second weight of the typeface would be another 15 MB: bold letters are drawn with a rim.
        let rim = Stroke { width: letters.size * 0.03, ..Stroke::default() };
        surface.set_fill(Some(Fill::default()));
        surface.set_stroke(letters.bold.then_some(rim));
        surface.draw_glyphs(Point::from_xy(x, y), &glyphs, self.font.clone(), text, letters.size, false);
    }
}
