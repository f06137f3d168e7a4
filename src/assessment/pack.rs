//! A month's pack: what it was computed from and what came out, as one canonical text that anybody can recompute. Pure.

use super::{
    reckon::{self, Inputs, Line, Outcome, Total},
    rules::RuleSet,
    words,
};
use crate::{
    canonical::canonical,
    error::{Code, Error, Result},
    identity::tokens,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The format's name; another number means another reader.
const FORMAT: &str = "chengguan-assessment/1";

/// All of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// `chengguan-assessment/1`.
    pub format: String,
    /// `2026-10`.
    pub month: String,
    /// From the second edition on; a first one does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<PackCorrection>,
    /// The moment whose records were counted.
    pub as_of: DateTime<Utc>,
    /// The version of the rules; 0 came with the program.
    pub rules_version: i32,
    /// The rules.
    pub rules: RuleSet,
    /// The records.
    pub inputs: Inputs,
    /// The score lines, by number.
    pub lines: Vec<Line>,
    /// The totals, in the order of the units.
    pub totals: Vec<Total>,
}

/// What an edition corrects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackCorrection {
    /// From 2.
    pub edition: i32,
    /// Digest of the pack of the edition before, lower-case hexadecimal.
    pub corrects: String,
    /// Why, in words.
    pub reason: String,
}

impl Pack {
    /// A pack of a first edition.
    #[must_use]
    pub fn new(
        month: &str,
        as_of: DateTime<Utc>,
        rules: (i32, RuleSet),
        inputs: Inputs,
        Outcome { lines, totals }: Outcome,
    ) -> Pack {
        let (rules_version, rules) = rules;
        let (format, month, correction) = (FORMAT.into(), month.into(), None);
        Pack { format, month, correction, as_of, rules_version, rules, inputs, lines, totals }
    }

    /// Its one spelling (RFC 8785), whose SHA-256 is published.
    ///
    /// # Errors
    /// `value_invalid` for a number beyond 2⁵³.
    pub fn text(&self) -> Result<String> {
        canonical(&serde_json::to_value(self).map_err(Error::internal)?)
    }

    /// A pack from its text.
    ///
    /// # Errors
    /// `value_invalid`, saying what is wrong.
    pub fn read(text: &str) -> Result<Pack> {
        let wrong = |what: String| Code::ValueInvalid.with(what);
        let pack: Pack = serde_json::from_str(text).map_err(|error| wrong(format!("pack: {error}")))?;
        if pack.format != FORMAT {
            return Err(wrong(format!("format: {FORMAT}, not {}", pack.format)));
        }
        if pack.correction.as_ref().is_some_and(|correction| correction.edition < 2) {
            return Err(wrong("correction.edition: 2 or more".to_owned()));
        }
        pack.rules.check()?;
        Ok(pack)
    }
}

/// What recomputing a pack showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The month.
    pub month: String,
    /// What it corrects; none for a first edition.
    pub correction: Option<PackCorrection>,
    /// Digest of the text as it is, lower-case hexadecimal; what is published must be the same.
    pub sha256: String,
    /// Units with a total.
    pub units: usize,
    /// Lines that were recomputed.
    pub lines: usize,
    /// Where pack and computation differ, in Chinese, the first ones; none when they are equal.
    pub differences: Vec<String>,
}

/// Differences that are told.
const TOLD: usize = 20;

/// Recomputes a pack from its records and rules.
///
/// # Errors
/// `value_invalid` when it is no pack.
pub fn replay(text: &str) -> Result<Replayed> {
    let pack = Pack::read(text)?;
    let computed = reckon::reckon(&pack.rules, &pack.inputs);
    let name = |unit| {
        let unit = pack.inputs.units.iter().find(|one| one.id == unit);
        unit.map_or_else(|| "未知单位".to_owned(), |unit| unit.name.clone())
    };
    let mut differences = Vec::new();
    if pack.text()? != text.trim_end_matches('\n') {
        differences.push("文件不是规范写法（RFC 8785），可能被改写过".to_owned());
    }
    for n in 0..pack.lines.len().max(computed.lines.len()) {
        let (told, found) = (pack.lines.get(n), computed.lines.get(n));
        if told != found {
            let say = |line: Option<&Line>| {
                line.map_or("无".to_owned(), |l| {
                    format!("{} {} 分（{}）", name(l.unit_id), words::points(l.delta), l.why)
                })
            };
            differences.push(format!("明细第 {} 条：包内 {}；重算 {}", n + 1, say(told), say(found)));
        }
    }
    for n in 0..pack.totals.len().max(computed.totals.len()) {
        let (told, found) = (pack.totals.get(n), computed.totals.get(n));
        if told != found {
            let say = |total: Option<&Total>| {
                let rank = |t: &Total| t.rank.map_or("不排名".to_owned(), |rank| format!("第 {rank} 名"));
                total.map_or("无".to_owned(), |t| {
                    format!("{} {} 分 {}", name(t.unit_id), words::points(t.total), rank(t))
                })
            };
            differences.push(format!("总分第 {} 行：包内 {}；重算 {}", n + 1, say(told), say(found)));
        }
    }
    for total in &pack.totals {
        let sum: i64 = pack.lines.iter().filter(|l| l.unit_id == total.unit_id).map(|l| i64::from(l.delta)).sum();
        if sum != i64::from(total.total) {
            differences.push(format!("{}：总分与明细之和不等", name(total.unit_id)));
        }
    }
    differences.truncate(TOLD);
    Ok(Replayed {
        month: pack.month,
        correction: pack.correction,
        sha256: sha256(text),
        units: pack.totals.len(),
        lines: pack.lines.len(),
        differences,
    })
}

/// The digest that a pack is published by, lower-case hexadecimal.
#[must_use]
pub fn sha256(text: &str) -> String {
    tokens::hex(&tokens::sha256(text.as_bytes()))
}
