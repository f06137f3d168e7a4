//! The monthly bulletin (考核情况通报), as a document for print. Pure.

use super::{
    reckon::{Total, UnitIn},
    rules::{Phase, RuleSet, WhenNone},
    words::points,
};
use crate::{
    db::types::UnitId,
    document::{Align, Block, Cell, Column, Document, Orientation, Paragraph, Table},
    identity::rules::UnitClass,
};
use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;
use std::collections::BTreeMap;

/// What a bulletin is made of.
#[derive(Debug, Clone)]
pub struct Bulletin {
    /// `2026-10`.
    pub month: String,
    /// How far it has come.
    pub phase: Phase,
    /// The rules.
    pub rules: RuleSet,
    /// When its records were counted.
    pub as_of: DateTime<Utc>,
    /// When the term for objections ends.
    pub objections_until: Option<DateTime<Utc>>,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    /// Of the pack.
    pub pack_sha256: Option<String>,
    /// In the order they are printed.
    pub units: Vec<(UnitIn, Total)>,
    /// The totals of the month before, where it is open or published.
    pub before: BTreeMap<UnitId, i32>,
    /// Counter-lines of objections.
    pub counters: Vec<Correction>,
    /// From 1.
    pub edition: i32,
    /// Why there is this edition, from the second on.
    pub correction: Option<String>,
    /// Counter-lines of editions.
    pub corrections: Vec<Correction>,
}

/// A counter-line as it is printed.
#[derive(Debug, Clone)]
pub struct Correction {
    /// The unit's name.
    pub unit: String,
    /// The line it stands beside.
    pub line: i32,
    /// Thousandths of a point.
    pub delta: i32,
    /// Why.
    pub why: String,
}

/// A moment as official papers write it.
fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Shanghai).format("%Y年%-m月%-d日 %H:%M").to_string()
}

fn paragraph(text: impl Into<String>) -> Block {
    Block::Paragraph(Paragraph { text: text.into(), align: Align::Left, indent: 2 })
}

fn score(thousandths: i32, decimals: u8) -> Cell {
    Cell::Number { thousandths: i64::from(thousandths), decimals }
}

/// `2026年10月`.
fn month_name(month: &str) -> String {
    match month.split_once('-') {
        Some((year, month)) => format!("{year}年{}月", month.trim_start_matches('0')),
        None => month.to_owned(),
    }
}

const HEADER: [(&str, u16, Align); 10] = [
    ("名次", 3, Align::Center),
    ("并列档", 3, Align::Center),
    ("单位", 14, Align::Left),
    ("总分", 4, Align::Right),
    ("数字城管", 4, Align::Right),
    ("现场抽检", 4, Align::Right),
    ("抽检区间", 6, Align::Center),
    ("专项督办", 4, Align::Right),
    ("正负面清单", 4, Align::Right),
    ("比上月", 4, Align::Right),
];

fn table(bulletin: &Bulletin, class: UnitClass) -> Table {
    let columns = HEADER.iter().map(|(_, weight, align)| Column { weight: *weight, align: *align });
    let header = HEADER.iter().map(|(name, ..)| Cell::text(*name));
    let ranked = bulletin.units.iter().filter(|(_, total)| total.class == Some(class) && total.rank.is_some());
    let row = |(unit, total): &(UnitIn, Total)| {
        let number = |n: Option<i32>| n.map_or(Cell::text("—"), |n| Cell::count(i64::from(n)));
        let interval = if total.checks == 0 {
            "—".to_owned()
        } else {
            format!("{}～{}", points(total.spot_checks - total.spot_low), points(total.spot_checks + total.spot_high))
        };
        let change = bulletin.before.get(&unit.id).map(|before| total.total - before);
        let change = change.map_or(Cell::text("—"), |change| score(change, 3));
        let name = if total.veto { format!("{}（一票否决）", unit.name) } else { unit.name.clone() };
        vec![
            number(total.rank),
            number(total.band),
            Cell::text(name),
            score(total.total, 3),
            score(total.digital_cases, 3),
            score(total.spot_checks, 3),
            Cell::text(interval),
            score(total.supervision, 3),
            score(total.merits, 3),
            change,
        ]
    };
    Table { columns: columns.collect(), header: vec![header.collect()], rows: ranked.map(row).collect() }
}

fn rules_in_words(rules: &RuleSet) -> String {
    let none = |when: WhenNone| if when == WhenNone::Full { "计满分" } else { "计 0 分" };
    format!(
        "计分依据《{}》。数字城管 {} 分，为截止时间落在本月的案件的综合解决率（按期结案计 100%，超期结案计 {}%）；现场抽检 {} 分，\
         为各次得分的平均（无抽检记录的{}）；专项督办 {} 分，为各督办函完成得分的平均（无督办函的{}）；正负面清单加减分不超过 {} 分。\
         A、B 类分别排名，本月无案件的单位不参与排名。抽检区间为 {}% 置信区间（Wilson），由抽检次数决定；\
         总分差在区间内的单位属同一并列档，名次先后可能出于偶然。",
        rules.title,
        points(rules.digital_cases.points),
        rules.digital_cases.late_percent,
        points(rules.spot_checks.points),
        none(rules.spot_checks.when_none),
        points(rules.supervision.points),
        none(rules.supervision.when_none),
        points(rules.merits.cap),
        rules.confidence_percent,
    )
}

/// The bulletin's document.
#[must_use]
pub fn document(bulletin: &Bulletin) -> Document {
    let name = month_name(&bulletin.month);
    let subtitle = match bulletin.phase {
        Phase::Trial => format!("试算稿，不对外，数据截至 {}", moment(bulletin.as_of)),
        Phase::Open => format!(
            "公示稿，数据截至 {}，申诉截止 {}",
            moment(bulletin.as_of),
            bulletin.objections_until.map(moment).unwrap_or_default()
        ),
        Phase::Published => format!("{} 发布", bulletin.published_at.map(moment).unwrap_or_default()),
    };
    let ranked = |class| bulletin.units.iter().filter(|(_, t)| t.class == Some(class) && t.rank.is_some()).count();
    let (a, b) = (ranked(UnitClass::A), ranked(UnitClass::B));
    let cases: i64 = bulletin.units.iter().map(|(_, total)| total.cases).sum();
    let checks: i64 = bulletin.units.iter().map(|(_, total)| total.checks).sum();
    let summary = format!(
        "{name}，A 类 {a} 个单位、B 类 {b} 个单位参与排名，计入案件 {cases} 件、抽检记录 {checks} 条。每个分数由计分明细相加得出，\
         各考核单位可在平台查询每条明细及其原始记录。"
    );
    let mut blocks = vec![paragraph(summary)];
    if let Some(reason) = &bulletin.correction {
        let (edition, before) = (bulletin.edition, bulletin.edition - 1);
        blocks.push(paragraph(format!(
            "本通报为第 {edition} 版，更正第 {before} 版，原因：{reason}。以前各版及其成绩包仍可在平台查阅、重算。"
        )));
    }
    for (class, title) in [(UnitClass::A, "一、A 类单位"), (UnitClass::B, "二、B 类单位")] {
        blocks.push(Block::Heading(title.to_owned()));
        let table = table(bulletin, class);
        blocks.push(if table.rows.is_empty() {
            paragraph("本月无参与排名的单位。")
        } else {
            Block::Table(table)
        });
    }
    blocks.push(Block::Heading("三、未参与排名的单位".to_owned()));
    let out: Vec<&str> = bulletin
        .units
        .iter()
        .filter(|(_, total)| total.class.is_some() && total.rank.is_none())
        .map(|(unit, _)| unit.name.as_str())
        .collect();
    blocks.push(paragraph(if out.is_empty() {
        "无。".to_owned()
    } else {
        format!("本月无案件：{}。", out.join("、"))
    }));
    let corrected = |blocks: &mut Vec<Block>, title: &str, list: &[Correction]| {
        blocks.push(Block::Heading(title.to_owned()));
        if list.is_empty() {
            blocks.push(paragraph("无。"));
        }
        for Correction { unit, delta, why, .. } in list {
            blocks.push(paragraph(format!("{unit}更正 {} 分。{why}", points(*delta))));
        }
    };
    corrected(&mut blocks, "四、申诉更正", &bulletin.counters);
    if bulletin.edition > 1 {
        corrected(&mut blocks, "五、发布后更正", &bulletin.corrections);
    }
    let last = if bulletin.edition > 1 { "六、计分说明" } else { "五、计分说明" };
    blocks.push(Block::Heading(last.to_owned()));
    blocks.push(paragraph(rules_in_words(&bulletin.rules)));
    if let Some(sha256) = &bulletin.pack_sha256 {
        blocks.push(Block::Qr {
            text: format!("chengguan:assessment:{}:sha256:{sha256}", bulletin.month),
            caption: format!(
                "本月成绩包 SHA-256：{sha256}。下载成绩包后，任何人可用 chengguan replay 重算，并与存证日志中的同一摘要对照。"
            ),
        });
    }
    Document {
        title: match bulletin.edition {
            1 => format!("{name}城市管理工作考核情况通报"),
            n => format!("{name}城市管理工作考核情况通报（第 {n} 版）"),
        },
        subtitle: Some(subtitle),
        blocks,
        footer: bulletin.pack_sha256.as_ref().map(|sha256| format!("成绩包 SHA-256：{sha256}")),
        orientation: Orientation::Landscape,
        dated: bulletin.published_at.unwrap_or(bulletin.as_of).with_timezone(&Shanghai).date_naive(),
    }
}
