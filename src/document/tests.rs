//! Every format of one document, and what may not be lost on the way.

use super::{layout::Mark, *};
use std::io::Read as _;

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, 3, 1).unwrap()
}

fn column(weight: u16) -> Column {
    Column { weight, align: Align::Left }
}

fn paper(blocks: Vec<Block>) -> Document {
    Document {
        title: "智慧城管服务项目支出绩效自评表".to_owned(),
        subtitle: Some("（2020年度）".to_owned()),
        blocks,
        footer: Some("中方县城市管理行政执法大队".to_owned()),
        orientation: Orientation::Portrait,
        dated: day(),
    }
}

fn table(rows: usize, words: &str) -> Block {
    let row = |at: usize| vec![Cell::text(format!("第{at}项")), Cell::text(words), Cell::count(1000 + at as i64)];
    Block::Table(Table {
        columns: vec![column(1), column(3), column(1)],
        header: vec![vec![Cell::text("序号"), Cell::text("内容"), Cell::text("分值")]],
        rows: (0..rows).map(row).collect(),
    })
}

fn everything() -> Document {
    let paragraph = |text: &str, align, indent| Block::Paragraph(Paragraph { text: text.to_owned(), align, indent });
    paper(vec![
        paragraph("县住房和城乡建设局：", Align::Left, 0),
        paragraph(
            "2020年，系统平台共接收问题案件14664件，解决率60.74%，及时解决率40.01%。\n特此通报。",
            Align::Left,
            2,
        ),
        Block::KeyValues(vec![
            ("项目名称".to_owned(), "智慧城管服务".to_owned()),
            ("编号".to_owned(), "〔2021〕1号".to_owned()),
        ]),
        Block::Heading("一、绩效指标".to_owned()),
        table(40, "完成县城建成区环卫、市容、渣土等相关指标监测（含主次干道）"),
        Block::PageBreak,
        Block::Qr { text: "a".repeat(64), caption: "SHA-256：".to_owned() + &"a".repeat(64) },
        paragraph("中方县城市管理行政执法大队\n2021年3月1日", Align::Right, 0),
    ])
}

/// One file of a ZIP.
fn part(package: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(package)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Everything that stands on a document's pages, in order, as one text, and the number of pages.
fn printed(document: &Document) -> (String, usize) {
    let wide = |c: char| if c.is_ascii() { 0.5 } else { 1.0 };
    let pages = layout::pages(document, &wide).unwrap();
    let paper = layout::Paper::of(document.orientation);
    let mut text = String::new();
    for mark in pages.iter().flatten() {
        if let Mark::Text { x, y, text: words, letters } = mark {
            let end = x + words.chars().map(wide).sum::<f32>() * letters.size;
            assert!(*x > 0.0 && end < paper.width && *y > 0.0 && *y < paper.height, "{words} leaves the paper");
            text.push_str(words);
        }
    }
    (text, pages.len())
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    for format in Format::ALL {
        let file = render(&everything(), format).unwrap();
        assert_eq!(render(&everything(), format).unwrap(), file, "{format:?}");
        assert!(file.len() > 1000 && file.len() < 200_000, "{format:?}: {}", file.len());
        if let Ok(folder) = std::env::var("DOCUMENT_SAMPLES") {
            std::fs::write(format!("{folder}/sample.{}", format.extension()), file).unwrap();
        }
    }
}

#[test]
fn a_pdf_holds_its_letters_and_says_which_they_are() {
    let file = render(&everything(), Format::Pdf).unwrap();
    let text = String::from_utf8_lossy(&file);
    assert!(file.starts_with(b"%PDF-"));
    for needed in ["/ToUnicode", "NotoSerifSC", "/FontFile", "/Count 4"] {
        assert!(text.contains(needed), "{needed}");
    }
}

#[test]
fn text_never_becomes_markup_or_a_formula() {
    let words = "<script>alert(1)</script>&\"'\u{1}=1+1 &P";
    let mut document = paper(vec![
        Block::Heading(words.to_owned()),
        Block::Paragraph(Paragraph { text: words.to_owned(), align: Align::Left, indent: 2 }),
        Block::KeyValues(vec![(words.to_owned(), words.to_owned())]),
        table(1, "=HYPERLINK(\"x\")"),
        Block::Qr { text: words.to_owned(), caption: words.to_owned() },
    ]);
    document.title = words.to_owned();
    document.footer = Some(words.to_owned());
    let page = String::from_utf8(render(&document, Format::Html).unwrap()).unwrap();
    assert!(!page.contains("<script") && !page.contains("://") && !page.contains('\u{1}'), "{page}");
    let word = part(&render(&document, Format::Docx).unwrap(), "word/document.xml");
    assert!(!word.contains("<script") && word.contains("&lt;script&gt;") && !word.contains('\u{1}'), "{word}");
    let book = render(&document, Format::Xlsx).unwrap();
    let sheet = part(&book, "xl/worksheets/sheet1.xml");
    assert!(!sheet.contains("<f>") && sheet.contains("=1+1 &amp;&amp;P"), "{sheet}");
    assert!(part(&book, "xl/sharedStrings.xml").contains("=HYPERLINK"));
    render(&document, Format::Pdf).unwrap();
}

#[test]
fn no_row_and_no_line_is_lost_at_the_end_of_a_page() {
    let (text, pages) = printed(&paper(vec![table(120, "内容")]));
    assert!(pages > 3, "{pages}");
    for at in 0..120 {
        assert!(text.contains(&format!("第{at}项")), "{at}");
    }
    // The header and the number stand on every page.
    assert_eq!((text.matches("序号").count(), text.matches(&format!("页 共 {pages} 页")).count()), (pages, pages));
    let long: String = (0..3000_u32).filter_map(|at| char::from_u32(0x4e00 + at)).collect();
    let (text, pages) = printed(&paper(vec![table(1, &long)]));
    let lost = long.chars().filter(|c| !text.contains(*c)).count();
    assert!(pages > 2 && lost == 0, "{pages} pages, {lost} lost");
}

#[test]
fn a_header_higher_than_the_paper_and_a_table_without_columns_are_printed_too() {
    let header = vec![vec![Cell::text("很".repeat(4000))]];
    let rows = vec![vec![Cell::count(1)], vec![]];
    let tall = Block::Table(Table { columns: vec![column(1)], header, rows });
    let nothing = Block::Table(Table { columns: vec![], header: vec![], rows: vec![vec![Cell::count(1)]] });
    let document = paper(vec![tall, nothing]);
    assert_eq!(printed(&document).0.matches('很').count(), 4000);
    for format in Format::ALL {
        render(&document, format).unwrap();
    }
}

#[test]
fn numbers_are_rounded_half_away_from_zero() {
    for (thousandths, decimals, words) in [
        (60_740, 2, "60.74"),
        (60_745, 2, "60.75"),
        (-60_745, 2, "-60.75"),
        (-4, 2, "0.00"),
        (-500, 0, "-1"),
        (1, 3, "0.001"),
        (99_999, 1, "100.0"),
        (i64::MIN, 3, "-9223372036854775.808"),
        (5, 9, "0.005"),
    ] {
        assert_eq!(decimal(thousandths, decimals), words);
    }
}
