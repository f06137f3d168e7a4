//! As one page for a browser: it loads nothing, runs nothing, and knows how it looks on paper.

use super::{
    Align, Block, Cell, Column, Document, Orientation, Table,
    picture::{QUIET, Squares},
};
use crate::error::Result;
use std::fmt::Write as _;

const STYLE: &str = "\
body{font-family:FangSong,仿宋,'Noto Serif CJK SC','Noto Serif SC',SimSun,serif;font-size:16pt;line-height:1.75;\
max-width:160mm;margin:10mm auto;color:#000;background:#fff}\
body.wide{max-width:230mm}\
h1{font-size:22pt;font-weight:bold;text-align:center;line-height:1.5;margin:0 0 4mm}\
.subtitle{text-align:center;margin:0 0 6mm}\
h2{font-size:16pt;margin:4mm 0 1mm;break-after:avoid}\
p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}\
.center{text-align:center}.right{text-align:right}\
table{width:100%;border-collapse:collapse;table-layout:fixed;font-size:10.5pt;line-height:1.4;margin:3mm 0}\
th,td{border:.5pt solid #000;padding:1mm 1.2mm;vertical-align:middle;overflow-wrap:anywhere;white-space:pre-wrap;\
text-align:left}\
th{text-align:center}td.center{text-align:center}td.right{text-align:right}\
tr{break-inside:avoid}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 4mm;margin:2mm 0}dd{margin:0;overflow-wrap:anywhere}\
figure{margin:4mm 0;text-align:center;break-inside:avoid}figcaption{font-size:10.5pt;overflow-wrap:anywhere}\
svg{width:32mm;height:32mm}\
hr{border:0;border-top:.5pt dashed #888;margin:8mm 0}\
footer{font-size:10.5pt;margin-top:8mm;overflow-wrap:anywhere}\
@media print{body{max-width:none;margin:0}hr{break-after:page;visibility:hidden;margin:0}}";

pub(super) fn render(document: &Document) -> Result<Vec<u8>> {
    let (paper, class) = match document.orientation {
        Orientation::Portrait => ("A4 portrait", ""),
        Orientation::Landscape => ("A4 landscape", " class=\"wide\""),
    };
    let title = escaped(&document.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"dcterms.created\" content=\"{}\">\n\
         <style>@page{{size:{paper};margin:25mm 20mm;@bottom-center{{content:\"第 \" counter(page) \" 页 共 \" \
         counter(pages) \" 页\"}}}}{STYLE}</style>\n</head>\n<body{class}>\n<h1>{title}</h1>\n",
        document.dated
    );
    if let Some(subtitle) = &document.subtitle {
        let _ = writeln!(page, "<p class=\"subtitle\">{}</p>", escaped(subtitle));
    }
    for block in &document.blocks {
        put(&mut page, block)?;
    }
    if let Some(footer) = &document.footer {
        let _ = writeln!(page, "<footer>{}</footer>", escaped(footer));
    }
    page.push_str("</body>\n</html>\n");
    Ok(page.into_bytes())
}

fn put(page: &mut String, block: &Block) -> Result<()> {
    match block {
        Block::Heading(text) => page.push_str(&format!("<h2>{}</h2>\n", escaped(text))),
        Block::Paragraph(paragraph) => {
            for line in paragraph.text.split('\n') {
                let indent = match paragraph.indent {
                    0 => String::new(),
                    characters => format!(" style=\"text-indent:{characters}em\""),
                };
                let _ = writeln!(page, "<p{}{indent}>{}</p>", class(paragraph.align), escaped(line));
            }
        }
        Block::Table(table) => put_table(page, table),
        Block::KeyValues(pairs) => {
            page.push_str("<dl>\n");
            for (key, value) in pairs {
                let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(key), escaped(value));
            }
            page.push_str("</dl>\n");
        }
        Block::Qr { text, caption } => {
            let squares = Squares::of(text)?;
            let side = squares.side + 2 * QUIET;
            let _ =
                write!(page, "<figure><svg viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><path d=\"");
            for (column, row, long) in squares.stripes() {
                let _ = write!(page, "M{} {}h{long}v1h-{long}z", column + QUIET, row + QUIET);
            }
            let _ = writeln!(page, "\"/></svg><figcaption>{}</figcaption></figure>", escaped(caption));
        }
        Block::PageBreak => page.push_str("<hr>\n"),
    }
    Ok(())
}

fn put_table(page: &mut String, table: &Table) {
    page.push_str("<table>\n<colgroup>");
    for width in table.widths(100.0) {
        let _ = write!(page, "<col style=\"width:{width:.2}%\">");
    }
    page.push_str("</colgroup>\n");
    let headers = table.header.len();
    for (at, row) in table.all_rows().enumerate() {
        if at == 0 && headers > 0 {
            page.push_str("<thead>\n");
        } else if at == headers {
            page.push_str("<tbody>\n");
        }
        page.push_str("<tr>");
        for (cell, column) in row.iter().zip(&table.columns) {
            put_cell(page, cell, *column, at < headers);
        }
        page.push_str("</tr>\n");
        if at + 1 == headers {
            page.push_str("</thead>\n");
        }
    }
    page.push_str(if table.rows.is_empty() { "</table>\n" } else { "</tbody>\n</table>\n" });
}

fn put_cell(page: &mut String, cell: &Cell, column: Column, header: bool) {
    let words = cell.words();
    let (element, class) = if header { ("th", "") } else { ("td", class(cell.align(column))) };
    let _ = write!(page, "<{element}{class}>{}</{element}>", escaped(&words));
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Center => " class=\"center\"",
        Align::Right => " class=\"right\"",
    }
}

/// Text that no browser takes for markup, in an element or a quoted attribute; what XML can't hold is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' | '\r' => safe.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}
