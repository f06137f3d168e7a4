//! As a Word file: WordprocessingML (ECMA-376) written by hand, for what is needed of it is small.

use super::{Align, Block, Document, Orientation, Paragraph, Table, html::escaped, picture::Squares};
use crate::error::{Error, Result};
use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};
use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const WORD: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
const RELATIONS: &str = "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
/// Twentieths of a point in a millimetre, times 10.
const TWIPS: u32 = 567;
/// English metric units of the side of a QR code, 32 mm.
const QR: u32 = 32 * 36_000;

/// The styles of official papers (GB/T 9704-2012, 7.2–7.3). They have names, so that an office may change each once.
const STYLES: &str = "\
<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii=\"Times New Roman\" w:hAnsi=\"Times New Roman\" \
w:eastAsia=\"仿宋\" w:cs=\"Times New Roman\"/><w:kern w:val=\"2\"/><w:sz w:val=\"32\"/><w:szCs w:val=\"32\"/>\
<w:lang w:val=\"en-US\" w:eastAsia=\"zh-CN\"/></w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>\
<w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/>\
<w:pPr><w:spacing w:line=\"579\" w:lineRule=\"exact\"/></w:pPr></w:style>\
<w:style w:type=\"paragraph\" w:styleId=\"Title\"><w:name w:val=\"Title\"/><w:basedOn w:val=\"Normal\"/>\
<w:pPr><w:spacing w:after=\"120\" w:line=\"720\" w:lineRule=\"exact\"/><w:jc w:val=\"center\"/></w:pPr>\
<w:rPr><w:rFonts w:eastAsia=\"宋体\"/><w:b/><w:sz w:val=\"44\"/><w:szCs w:val=\"44\"/></w:rPr></w:style>\
<w:style w:type=\"paragraph\" w:styleId=\"Subtitle\"><w:name w:val=\"Subtitle\"/><w:basedOn w:val=\"Normal\"/>\
<w:pPr><w:spacing w:after=\"240\"/><w:jc w:val=\"center\"/></w:pPr><w:rPr><w:sz w:val=\"28\"/></w:rPr></w:style>\
<w:style w:type=\"paragraph\" w:styleId=\"Heading1\"><w:name w:val=\"heading 1\"/><w:basedOn w:val=\"Normal\"/>\
<w:pPr><w:keepNext/><w:outlineLvl w:val=\"0\"/></w:pPr><w:rPr><w:rFonts w:eastAsia=\"黑体\"/></w:rPr></w:style>\
<w:style w:type=\"paragraph\" w:customStyle=\"1\" w:styleId=\"Cell\"><w:name w:val=\"表格文字\"/>\
<w:basedOn w:val=\"Normal\"/><w:pPr><w:spacing w:line=\"240\" w:lineRule=\"auto\"/></w:pPr>\
<w:rPr><w:sz w:val=\"21\"/><w:szCs w:val=\"21\"/></w:rPr></w:style>\
<w:style w:type=\"paragraph\" w:customStyle=\"1\" w:styleId=\"Pair\"><w:name w:val=\"名称与内容\"/>\
<w:basedOn w:val=\"Normal\"/><w:pPr><w:spacing w:line=\"480\" w:lineRule=\"exact\"/></w:pPr>\
<w:rPr><w:sz w:val=\"28\"/><w:szCs w:val=\"28\"/></w:rPr></w:style>";

pub(super) fn render(document: &Document) -> Result<Vec<u8>> {
    let mut body = Body { xml: String::new(), pictures: Vec::new(), measure: Page::of(document.orientation).measure() };
    body.styled("Title", Align::Left, 0, &document.title);
    if let Some(subtitle) = &document.subtitle {
        body.styled("Subtitle", Align::Left, 0, subtitle);
    }
    for block in &document.blocks {
        body.put(block)?;
    }
    let mut package = Package::new();
    package.add("[Content_Types].xml", content_types().as_bytes())?;
    package.add("_rels/.rels", package_relations().as_bytes())?;
    package.add("docProps/core.xml", core(document).as_bytes())?;
    package.add("word/document.xml", main_part(document, &body.xml).as_bytes())?;
    package.add("word/_rels/document.xml.rels", relations(body.pictures.len()).as_bytes())?;
    package.add("word/styles.xml", format!("{DECLARATION}<w:styles {WORD}>{STYLES}</w:styles>").as_bytes())?;
    package.add("word/footer1.xml", footer(document).as_bytes())?;
    for (at, picture) in (1..).zip(&body.pictures) {
        package.add(&format!("word/media/qr{at}.png"), picture)?;
    }
    package.finish()
}

/// A ZIP file without a clock.
struct Package(ZipWriter<Cursor<Vec<u8>>>);

impl Package {
    fn new() -> Package {
        Package(ZipWriter::new(Cursor::new(Vec::new())))
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
        self.0.start_file(name, options).map_err(Error::internal)?;
        self.0.write_all(bytes).map_err(Error::internal)
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.0.finish().map_err(Error::internal)?.into_inner())
    }
}

fn content_types() -> String {
    let part = |name: &str, kind: &str| {
        format!(
            "<Override PartName=\"/word/{name}.xml\" \
             ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml\"/>"
        )
    };
    format!(
        "{DECLARATION}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/><Default Extension=\"png\" ContentType=\"image/png\"/>\
         <Override PartName=\"/docProps/core.xml\" \
         ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>{}{}{}</Types>",
        part("document", "document.main"),
        part("styles", "styles"),
        part("footer1", "footer")
    )
}

fn package_relations() -> String {
    format!(
        "{DECLARATION}<Relationships {RELATIONS}>\
         <Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"word/document.xml\"/>\
         <Relationship Id=\"rId2\" \
         Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties\" \
         Target=\"docProps/core.xml\"/></Relationships>"
    )
}

fn relations(pictures: usize) -> String {
    let mut xml = format!(
        "{DECLARATION}<Relationships {RELATIONS}>\
         <Relationship Id=\"styles\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>\
         <Relationship Id=\"footer1\" Type=\"{OFFICE}/footer\" Target=\"footer1.xml\"/>"
    );
    for at in 1..=pictures {
        let _ = write!(xml, "<Relationship Id=\"qr{at}\" Type=\"{OFFICE}/image\" Target=\"media/qr{at}.png\"/>");
    }
    xml + "</Relationships>"
}

fn core(document: &Document) -> String {
    let made = format!("<dcterms:created xsi:type=\"dcterms:W3CDTF\">{}T00:00:00Z</dcterms:created>", document.dated);
    format!(
        "{DECLARATION}<cp:coreProperties \
         xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>{}</dc:title>{made}</cp:coreProperties>",
        escaped(&document.title)
    )
}

fn footer(document: &Document) -> String {
    let field = |code: &str| {
        format!(
            "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText xml:space=\"preserve\"> {code} </w:instrText></w:r>\
             <w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>{}<w:r><w:fldChar w:fldCharType=\"end\"/></w:r>",
            run("1")
        )
    };
    let centred = "<w:pPr><w:pStyle w:val=\"Cell\"/><w:jc w:val=\"center\"/></w:pPr>";
    let words = document.footer.as_ref().map(|text| format!("<w:p>{centred}{}</w:p>", run(text))).unwrap_or_default();
    format!(
        "{DECLARATION}<w:ftr {WORD}><w:p>{centred}{}{}{}{}{}</w:p>{words}</w:ftr>",
        run("第 "),
        field("PAGE"),
        run(" 页 共 "),
        field("NUMPAGES"),
        run(" 页")
    )
}

fn main_part(document: &Document, body: &str) -> String {
    let page = Page::of(document.orientation);
    let [width, height, top, bottom, left, right] = page.0.map(twips);
    let orient = if width > height { " w:orient=\"landscape\"" } else { "" };
    format!(
        "{DECLARATION}<w:document {WORD} xmlns:r=\"{OFFICE}\" \
         xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><w:body>{body}\
         <w:sectPr><w:footerReference w:type=\"default\" r:id=\"footer1\"/>\
         <w:pgSz w:w=\"{width}\" w:h=\"{height}\"{orient}/><w:pgMar w:top=\"{top}\" w:right=\"{right}\" \
         w:bottom=\"{bottom}\" w:left=\"{left}\" w:header=\"851\" w:footer=\"992\" w:gutter=\"0\"/></w:sectPr>\
         </w:body></w:document>"
    )
}

/// Width, height, and the margins top, bottom, left and right, in millimetres (GB/T 9704-2012, 5.2.1).
struct Page([u32; 6]);

impl Page {
    fn of(orientation: Orientation) -> Page {
        match orientation {
            Orientation::Portrait => Page([210, 297, 37, 35, 28, 26]),
            Orientation::Landscape => Page([297, 210, 26, 28, 35, 37]),
        }
    }

    /// What is printed is so wide, in twips.
    fn measure(&self) -> u32 {
        let [width, _, _, _, left, right] = self.0;
        twips(width - left - right)
    }
}

fn twips(millimetres: u32) -> u32 {
    millimetres * TWIPS / 10
}

fn run(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("<w:r><w:t xml:space=\"preserve\">{}</w:t></w:r>", escaped(text)),
    }
}

struct Body {
    xml: String,
    /// PNG files.
    pictures: Vec<Vec<u8>>,
    /// In twips.
    measure: u32,
}

impl Body {
    fn put(&mut self, block: &Block) -> Result<()> {
        match block {
            Block::Heading(text) => self.styled("Heading1", Align::Left, 0, text),
            Block::Paragraph(Paragraph { text, align, indent }) => {
                text.split('\n').for_each(|line| self.styled("Normal", *align, *indent, line));
            }
            Block::Table(table) => self.table(table),
            Block::KeyValues(pairs) => {
                pairs.iter().for_each(|(key, value)| self.styled("Pair", Align::Left, 0, &format!("{key}：{value}")));
            }
            Block::Qr { text, caption } => {
                let (png, _) = Squares::of(text)?.png()?;
                self.pictures.push(png);
                self.picture(self.pictures.len());
                self.styled("Cell", Align::Center, 0, caption);
            }
            Block::PageBreak => self.xml.push_str("<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>"),
        }
        Ok(())
    }

    fn styled(&mut self, style: &str, align: Align, indent: u8, text: &str) {
        let jc = match align {
            Align::Left => "",
            Align::Center => "<w:jc w:val=\"center\"/>",
            Align::Right => "<w:jc w:val=\"right\"/>",
        };
        let indent = match u32::from(indent) {
            0 => String::new(),
            indent => format!("<w:ind w:firstLineChars=\"{}\" w:firstLine=\"{}\"/>", indent * 100, indent * 320),
        };
        let _ = write!(self.xml, "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/>{indent}{jc}</w:pPr>{}</w:p>", run(text));
    }

    fn table(&mut self, table: &Table) {
        let weights: Vec<u32> = table.columns.iter().map(|column| u32::from(column.weight.max(1))).collect();
        let all: u32 = weights.iter().sum();
        let widths: Vec<u32> = weights.iter().map(|weight| self.measure * weight / all.max(1)).collect();
        let edges: String = ["top", "left", "bottom", "right", "insideH", "insideV"]
            .map(|edge| format!("<w:{edge} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"000000\"/>"))
            .concat();
        let _ = write!(
            self.xml,
            "<w:tbl><w:tblPr><w:tblW w:w=\"{}\" w:type=\"dxa\"/><w:tblBorders>{edges}</w:tblBorders>\
             <w:tblLayout w:type=\"fixed\"/><w:tblCellMar><w:left w:w=\"57\" w:type=\"dxa\"/>\
             <w:right w:w=\"57\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr><w:tblGrid>",
            widths.iter().sum::<u32>()
        );
        for width in &widths {
            let _ = write!(self.xml, "<w:gridCol w:w=\"{width}\"/>");
        }
        self.xml.push_str("</w:tblGrid>");
        for (at, row) in table.all_rows().enumerate() {
            let header = at < table.header.len();
            self.xml.push_str("<w:tr><w:trPr><w:cantSplit/>");
            self.xml.push_str(if header { "<w:tblHeader/></w:trPr>" } else { "</w:trPr>" });
            for ((cell, column), width) in row.iter().zip(&table.columns).zip(&widths) {
                let _ = write!(
                    self.xml,
                    "<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/><w:vAlign w:val=\"center\"/></w:tcPr>"
                );
                let align = if header { Align::Center } else { cell.align(*column) };
                cell.words().split('\n').for_each(|line| self.styled("Cell", align, 0, line));
                self.xml.push_str("</w:tc>");
            }
            self.xml.push_str("</w:tr>");
        }
        // Between tables there must be a paragraph, or they become one.
        self.xml.push_str("</w:tbl>");
        self.styled("Cell", Align::Left, 0, "");
    }

    fn picture(&mut self, number: usize) {
        let _ = write!(
            self.xml,
            "<w:p><w:pPr><w:pStyle w:val=\"Cell\"/><w:jc w:val=\"center\"/></w:pPr><w:r><w:drawing>\
             <wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\"><wp:extent cx=\"{QR}\" cy=\"{QR}\"/>\
             <wp:docPr id=\"{number}\" name=\"QR {number}\"/><a:graphic>\
             <a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><pic:pic>\
             <pic:nvPicPr><pic:cNvPr id=\"{number}\" name=\"qr{number}.png\"/><pic:cNvPicPr/></pic:nvPicPr>\
             <pic:blipFill><a:blip r:embed=\"qr{number}\"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>\
             <pic:spPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"{QR}\" cy=\"{QR}\"/></a:xfrm>\
             <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>\
             </wp:inline></w:drawing></w:r></w:p>"
        );
    }
}
