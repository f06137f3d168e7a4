//! The letter as it is printed. Pure.

use super::{LetterKind, LetterStage};
use crate::document::{Align, Block, Cell, Column, Document, Orientation, Paragraph, Table};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Asia::Shanghai;

/// What is printed.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The number; none for a draft.
    pub number: Option<&'a str>,
    /// The unit's name.
    pub unit: &'a str,
    /// Why.
    pub kind: LetterKind,
    /// What about.
    pub subject: &'a str,
    /// What is to be done; a paragraph a line.
    pub text: &'a str,
    /// Where the task comes from.
    pub note: Option<&'a str>,
    /// The cases and spots it is about.
    pub items: Vec<PaperItem>,
    /// The deadline; none for a draft that does not know it yet.
    pub due_at: Option<DateTime<Utc>>,
    /// Who signs.
    pub office: &'a str,
    /// The day of its issue, or for a draft today.
    pub at: DateTime<Utc>,
    /// Where it stands.
    pub stage: LetterStage,
}

/// A line of the letter's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperItem {
    /// The case's number; for a spot 问题点位.
    pub number: String,
    /// What it is.
    pub title: String,
    /// Where.
    pub address: String,
    /// Its deadline, or how often it came back.
    pub remark: String,
}

/// A letter, ready to be laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterPaper {
    /// 督办函, of a draft 督办函（草稿）.
    pub title: String,
    /// The number; empty for a draft.
    pub number: String,
    /// The subject.
    pub subject: String,
    /// The unit, with a colon.
    pub addressee: String,
    /// What it says, the deadline last.
    pub paragraphs: Vec<String>,
    /// The cases and spots it is about.
    pub items: Vec<PaperItem>,
    /// Who signs.
    pub signature: String,
    /// The day, in Arabic figures as GB/T 9704—2012 (7.3.5.4) wants it: 2026年11月3日.
    pub date: String,
    /// The same for machines.
    pub dated: NaiveDate,
}

/// The printed form of a letter.
#[must_use]
pub fn document(facts: &Facts) -> LetterPaper {
    let local = |at: DateTime<Utc>, form: &str| at.with_timezone(&Shanghai).format(form).to_string();
    let mut paragraphs: Vec<String> =
        facts.text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if let Some(note) = facts.note {
        paragraphs.push(format!("督办依据：{}；{note}。", facts.kind.zh()));
    } else {
        paragraphs.push(format!("督办依据：{}。", facts.kind.zh()));
    }
    if let Some(due_at) = facts.due_at {
        paragraphs.push(format!("办理时限：{}前。", local(due_at, "%Y年%-m月%-d日%H时%M分")));
    }
    LetterPaper {
        title: if facts.stage == LetterStage::Drafted { "督办函（草稿）" } else { "督办函" }.to_owned(),
        number: facts.number.unwrap_or_default().to_owned(),
        subject: facts.subject.to_owned(),
        addressee: format!("{}：", facts.unit),
        paragraphs,
        items: facts.items.clone(),
        signature: facts.office.to_owned(),
        date: local(facts.at, "%Y年%-m月%-d日"),
        dated: facts.at.with_timezone(&Shanghai).date_naive(),
    }
}

impl LetterPaper {
    /// The letter laid out as an official paper (GB/T 9704—2012).
    #[must_use]
    pub fn laid_out(self) -> Document {
        let paragraph = |text: String, align, indent| Block::Paragraph(Paragraph { text, align, indent });
        let mut blocks = vec![paragraph(self.subject, Align::Center, 0), paragraph(self.addressee, Align::Left, 0)];
        blocks.extend(self.paragraphs.into_iter().map(|text| paragraph(text, Align::Left, 2)));
        if !self.items.is_empty() {
            let columns = [(4, Align::Left), (5, Align::Left), (5, Align::Left), (4, Align::Left)];
            let cells = |cells: [String; 4]| cells.into_iter().map(Cell::Text).collect();
            let header = ["编号", "事由", "地点", "备注"].map(str::to_owned);
            let rows = self.items.into_iter().map(|item| cells([item.number, item.title, item.address, item.remark]));
            blocks.push(Block::Table(Table {
                columns: columns.into_iter().map(|(weight, align)| Column { weight, align }).collect(),
                header: vec![cells(header)],
                rows: rows.collect(),
            }));
        }
        blocks.push(paragraph(self.signature, Align::Right, 0));
        blocks.push(paragraph(self.date, Align::Right, 0));
        Document {
            title: self.title,
            subtitle: Some(self.number).filter(|number| !number.is_empty()),
            blocks,
            footer: None,
            orientation: Orientation::Portrait,
            dated: self.dated,
        }
    }
}
