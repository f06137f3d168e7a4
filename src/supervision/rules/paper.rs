//! The letter as it is printed. Pure.

use super::{LetterKind, LetterStage};
use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;
use serde::Serialize;
use utoipa::ToSchema;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
    }
}
