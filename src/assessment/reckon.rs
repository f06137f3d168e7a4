//! From records and rules to lines, totals, ranks and bands. Pure: the server, `replay` and the tests all call this.

use super::{
    rules::{MeanPart, MeritsPart, RuleSet, ScorePart, WhenNone, normal_quantile},
    words,
};
use crate::{
    db::types::{CaseId, EditionId, LetterId, MeritId, ObjectionId, RecordId, SpotCheckId, UnitId},
    identity::rules::{UnitClass, text_enum},
    merits::{
        self,
        rules::{Effect, MeritItem, capped, year_on_year},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use uuid::Uuid;

/// A unit as the month found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitIn {
    /// Its id.
    pub id: UnitId,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// A or B in this year; none when it is not assessed.
    pub class: Option<UnitClass>,
    /// Cases filed in the month.
    pub filed: i64,
    /// Cases filed in the same month of the year before.
    pub filed_year_before: i64,
}

text_enum! {
    /// What a case counts as.
    CaseOutcome {
        /// 按期结案.
        Timely = "timely",
        /// 超期结案.
        Late = "late",
        /// 未结案 when the month was run.
        Unsolved = "unsolved",
    }
}

/// A case whose deadline falls in the month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseIn {
    /// Its id.
    pub id: CaseId,
    /// Its number.
    pub number: String,
    /// The unit in charge.
    pub unit_id: UnitId,
    /// What it counts as.
    pub outcome: CaseOutcome,
    /// An appeal was upheld: its being late is not held against the unit (超期申诉通过).
    pub exempt: bool,
}

/// A visit of the spot checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckIn {
    /// Its id.
    pub id: SpotCheckId,
    /// The unit whose site it is.
    pub unit_id: UnitId,
    /// The ISO week.
    pub week: String,
    /// What the site is called.
    pub site: String,
    /// 0–100000, thousandths.
    pub score: i32,
}

/// A supervision letter whose deadline falls in the month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterIn {
    /// Its id.
    pub id: LetterId,
    /// Its number.
    pub number: String,
    /// The unit it went to.
    pub unit_id: UnitId,
    /// 0–100000, thousandths.
    pub score: i32,
    /// Why, in words.
    pub why: String,
}

/// An approved entry of the positive and negative list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeritIn {
    /// Its id.
    pub id: MeritId,
    /// The unit.
    pub unit_id: UnitId,
    /// The item of the list.
    pub item: MeritItem,
    /// How often.
    pub times: i32,
    /// What happened.
    pub summary: String,
}

/// An objection that was upheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterIn {
    /// The objection.
    pub id: ObjectionId,
    /// The line it objects to.
    pub line: i32,
    /// What it gives or takes, thousandths of a point.
    pub delta: i32,
    /// Why, in words.
    pub why: String,
}

/// A counter-line of what was found after the month was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectionIn {
    /// The edition that brought it.
    pub id: EditionId,
    /// The line it corrects.
    pub line: i32,
    /// What it gives or takes, thousandths of a point.
    pub delta: i32,
    /// Why, in words.
    pub why: String,
}

/// All that a month is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// By code.
    pub units: Vec<UnitIn>,
    /// By id.
    pub cases: Vec<CaseIn>,
    /// By id.
    pub checks: Vec<CheckIn>,
    /// By id.
    pub letters: Vec<LetterIn>,
    /// By id.
    pub merits: Vec<MeritIn>,
    /// In the order they were decided.
    pub counters: Vec<CounterIn>,
    /// In the order of the editions; a first edition has none, and its pack does not name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectionIn>,
}

text_enum! {
    /// What a line opens to.
    ScoreRecordKind {
        /// A case (案件).
        Case = "case",
        /// A visit (抽检记录).
        SpotCheck = "spot_check",
        /// A letter (督办函).
        Letter = "letter",
        /// An entry of the list (正负面清单).
        Merit = "merit",
        /// An objection (申诉).
        Objection = "objection",
        /// An edition that corrects what was published (更正).
        Correction = "correction",
    }
}

/// A score line (计分明细).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScoreLine)]
pub struct Line {
    /// Its number in the month, from 1.
    pub n: i32,
    /// The unit.
    pub unit_id: UnitId,
    /// The part of the score.
    pub part: ScorePart,
    /// What in it: `timely`, `late`, `unsolved`, `exempt`, `check`, `letter`, `none`, an item of the list, `fewer_cases`, `cap`,
    /// `veto`, `counter` or `correction`.
    pub item: String,
    /// What kind of record it opens to; none for what follows from counts alone.
    pub record_kind: Option<ScoreRecordKind>,
    /// The record.
    pub record_id: Option<RecordId>,
    /// Thousandths of a point.
    pub delta: i32,
    /// Why, in Chinese.
    pub why: String,
    /// The line that a counter-line stands beside.
    pub counters: Option<i32>,
}

/// What a unit's lines come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScoreTotal)]
pub struct Total {
    /// The unit.
    pub unit_id: UnitId,
    /// Its class; none when it is not assessed.
    #[schema(value_type = Option<String>)]
    pub class: Option<UnitClass>,
    /// Thousandths of a point; the sum of its lines.
    pub total: i32,
    /// 数字城管, 0–60000.
    pub digital_cases: i32,
    /// 现场抽检.
    pub spot_checks: i32,
    /// 专项督办.
    pub supervision: i32,
    /// 正负面清单, with cap and veto.
    pub merits: i32,
    /// How much lower the part of the spot checks may be by chance.
    pub spot_low: i32,
    /// How much higher.
    pub spot_high: i32,
    /// Cases that count.
    pub cases: i64,
    /// Visits that count.
    pub checks: i64,
    /// Its place in its class; none when it is not ranked. Equal totals share a place.
    pub rank: Option<i32>,
    /// Units of one class whose difference may be chance share a band (并列档), from 1.
    pub band: Option<i32>,
    /// Whether the score is void (一票否决).
    pub veto: bool,
}

/// A month's result.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// By number.
    pub lines: Vec<Line>,
    /// In the order of the units.
    pub totals: Vec<Total>,
}

/// Half up, for a divisor above 0.
fn rounded(part: i64, whole: i64) -> i64 {
    (part * 2 + whole).div_euclid(whole * 2)
}

/// Shares of a part's points by marks, so that they add up to exactly what the mean of the marks is worth.
///
/// The share of a mark is what the sum of the first marks is worth, rounded, less the same of the marks before.
fn shares(points: i32, marks: &[i64], full: i64) -> Vec<i32> {
    let whole = full * i64::try_from(marks.len()).unwrap_or(i64::MAX).max(1);
    let (mut sum, mut given) = (0, 0);
    let share = |mark: &i64| {
        sum += mark;
        let worth = rounded(i64::from(points) * sum, whole);
        let share = worth - std::mem::replace(&mut given, worth);
        i32::try_from(share).unwrap_or_default()
    };
    marks.iter().map(share).collect()
}

/// One line of a unit before it has its number.
struct Entry<'a> {
    item: &'a str,
    record: Option<(ScoreRecordKind, Uuid)>,
    delta: i32,
    why: String,
}

struct Book {
    lines: Vec<Line>,
    unit_id: UnitId,
}

impl Book {
    fn enter(&mut self, part: ScorePart, entry: Entry) {
        let n = i32::try_from(self.lines.len()).unwrap_or(i32::MAX - 1) + 1;
        self.lines.push(Line {
            n,
            unit_id: self.unit_id,
            part,
            item: entry.item.to_owned(),
            record_kind: entry.record.map(|(kind, _)| kind),
            record_id: entry.record.map(|(_, id)| RecordId(id)),
            delta: entry.delta,
            why: entry.why,
            counters: None,
        });
    }

    fn sum(&self) -> i32 {
        self.lines.iter().filter(|line| line.unit_id == self.unit_id).map(|line| line.delta).sum()
    }
}

fn credit(case: &CaseIn, rules: &RuleSet) -> Option<(i64, &'static str)> {
    match (case.outcome, case.exempt) {
        (CaseOutcome::Timely, _) => Some((100, "timely")),
        (CaseOutcome::Late, true) => Some((100, "exempt")),
        (CaseOutcome::Late, false) => Some((i64::from(rules.digital_cases.late_percent), "late")),
        (CaseOutcome::Unsolved, false) => Some((0, "unsolved")),
        (CaseOutcome::Unsolved, true) => None,
    }
}

fn cases_part(book: &mut Book, cases: &[&CaseIn], rules: &RuleSet) -> i64 {
    let credits: Vec<Option<(i64, &str)>> = cases.iter().map(|case| credit(case, rules)).collect();
    let counted: Vec<i64> = credits.iter().flatten().map(|(credit, _)| *credit).collect();
    if cases.is_empty() {
        let why = words::no_case();
        book.enter(ScorePart::DigitalCases, Entry { item: "none", record: None, delta: 0, why });
    }
    let mut shares = shares(rules.digital_cases.points, &counted, 100).into_iter();
    for (case, credit) in cases.iter().zip(&credits) {
        let record = Some((ScoreRecordKind::Case, case.id.0));
        let entry = match credit {
            Some((percent, item)) => {
                let delta = shares.next().unwrap_or_default();
                Entry { item, record, delta, why: words::case(&case.number, item, *percent, counted.len()) }
            }
            None => Entry { item: "exempt", record, delta: 0, why: words::left_out(&case.number) },
        };
        book.enter(ScorePart::DigitalCases, entry);
    }
    i64::try_from(counted.len()).unwrap_or(i64::MAX)
}

fn mean_part(book: &mut Book, part: ScorePart, rules: &MeanPart, marks: &[i64], entries: Vec<Entry>) {
    if marks.is_empty() {
        let delta = if rules.when_none == WhenNone::Full { rules.points } else { 0 };
        return book.enter(part, Entry { item: "none", record: None, delta, why: words::none(part, rules.when_none) });
    }
    for (entry, delta) in entries.into_iter().zip(shares(rules.points, marks, 100_000)) {
        book.enter(part, Entry { delta, ..entry });
    }
}

fn merits_part(book: &mut Book, unit: &UnitIn, merits: &[&MeritIn], rules: &MeritsPart) -> bool {
    let before = book.sum();
    let delta = year_on_year(unit.filed, unit.filed_year_before, rules.amounts.fewer_cases);
    if delta != 0 {
        let why = words::fewer_cases(unit.filed, unit.filed_year_before);
        book.enter(ScorePart::Merits, Entry { item: MeritItem::FewerCases.as_str(), record: None, delta, why });
    }
    let mut veto = None;
    for merit in merits {
        let delta = match merits::rules::delta(merit.item, merit.times, &rules.amounts) {
            Effect::Points(delta) => delta,
            Effect::Veto => {
                veto = Some(merit);
                0
            }
        };
        let why = words::merit(merit.item.as_str(), merit.times, &merit.summary);
        let record = Some((ScoreRecordKind::Merit, merit.id.0));
        book.enter(ScorePart::Merits, Entry { item: merit.item.as_str(), record, delta, why });
    }
    let sum = book.sum() - before;
    let over = sum - capped(sum, rules.cap);
    if over != 0 {
        book.enter(ScorePart::Merits, Entry { item: "cap", record: None, delta: -over, why: words::cap(rules.cap) });
    }
    if let Some(merit) = veto {
        let record = Some((ScoreRecordKind::Merit, merit.id.0));
        let delta = -book.sum();
        book.enter(ScorePart::Merits, Entry { item: "veto", record, delta, why: words::veto(&merit.summary) });
    }
    veto.is_some()
}

/// Wilson's interval of a mean of marks, each 0–100000, as what the part's points may differ down and up.
///
/// The mark of a visit is no yes or no; between 0 and 1 no distribution of the same mean spreads wider than a yes or no
/// does, so the interval is rather too wide than too narrow.
#[must_use]
pub fn wilson(points: i32, marks: &[i64], confidence_percent: i32) -> (i32, i32) {
    let Some(z) = normal_quantile(confidence_percent).filter(|_| !marks.is_empty()) else { return (0, 0) };
    let n = marks.len() as f64;
    let p = marks.iter().sum::<i64>() as f64 / (n * 100_000.0);
    let z2 = z * z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    let worth = |share: f64| (share.clamp(0.0, 1.0) * f64::from(points)).round() as i32;
    (worth(p) - worth(middle - half), worth(middle + half) - worth(p))
}

fn of_unit<T>(all: &[T], unit: impl Fn(&T) -> UnitId, id: UnitId) -> Vec<&T> {
    all.iter().filter(|one| unit(one) == id).collect()
}

/// Computes a month.
#[must_use]
pub fn reckon(rules: &RuleSet, inputs: &Inputs) -> Outcome {
    let mut outcome = Outcome::default();
    let mut vetoed = BTreeSet::new();
    let mut intervals = BTreeMap::new();
    for unit in &inputs.units {
        let mut book = Book { lines: std::mem::take(&mut outcome.lines), unit_id: unit.id };
        let cases = of_unit(&inputs.cases, |case| case.unit_id, unit.id);
        let counted = cases_part(&mut book, &cases, rules);
        let checks = of_unit(&inputs.checks, |check| check.unit_id, unit.id);
        let marks: Vec<i64> = checks.iter().map(|check| i64::from(check.score)).collect();
        let entries = checks.iter().map(|check| Entry {
            item: "check",
            record: Some((ScoreRecordKind::SpotCheck, check.id.0)),
            delta: 0,
            why: words::check(&check.week, &check.site, check.score, checks.len()),
        });
        mean_part(&mut book, ScorePart::SpotChecks, &rules.spot_checks, &marks, entries.collect());
        let interval = wilson(rules.spot_checks.points, &marks, rules.confidence_percent);
        intervals.insert(unit.id, (counted, marks.len(), interval));
        let letters = of_unit(&inputs.letters, |letter| letter.unit_id, unit.id);
        let marks: Vec<i64> = letters.iter().map(|letter| i64::from(letter.score)).collect();
        let entries = letters.iter().map(|letter| Entry {
            item: "letter",
            record: Some((ScoreRecordKind::Letter, letter.id.0)),
            delta: 0,
            why: words::letter(&letter.number, letter.score, &letter.why, letters.len()),
        });
        mean_part(&mut book, ScorePart::Supervision, &rules.supervision, &marks, entries.collect());
        let merits = of_unit(&inputs.merits, |merit| merit.unit_id, unit.id);
        if merits_part(&mut book, unit, &merits, &rules.merits) {
            vetoed.insert(unit.id);
        }
        outcome.lines = book.lines;
    }
    let counters = inputs.counters.iter().map(|one| {
        let record = Some((ScoreRecordKind::Objection, one.id.0));
        (one.line, Entry { item: "counter", record, delta: one.delta, why: one.why.clone() })
    });
    let corrections = inputs.corrections.iter().map(|one| {
        let record = Some((ScoreRecordKind::Correction, one.id.0));
        (one.line, Entry { item: "correction", record, delta: one.delta, why: one.why.clone() })
    });
    for (n, entry) in counters.chain(corrections) {
        let Some(line) = outcome.lines.iter().find(|line| line.n == n).cloned() else { continue };
        let mut book = Book { lines: std::mem::take(&mut outcome.lines), unit_id: line.unit_id };
        book.enter(line.part, entry);
        outcome.lines = book.lines;
        if let Some(last) = outcome.lines.last_mut() {
            last.counters = Some(line.n);
        }
    }
    for unit in &inputs.units {
        let (cases, checks, (spot_low, spot_high)) = intervals.remove(&unit.id).unwrap_or_default();
        let sum = |part: Option<ScorePart>| {
            let lines = outcome.lines.iter().filter(|line| line.unit_id == unit.id);
            lines.filter(|line| part.is_none_or(|part| line.part == part)).map(|line| line.delta).sum()
        };
        outcome.totals.push(Total {
            unit_id: unit.id,
            class: unit.class,
            total: sum(None),
            digital_cases: sum(Some(ScorePart::DigitalCases)),
            spot_checks: sum(Some(ScorePart::SpotChecks)),
            supervision: sum(Some(ScorePart::Supervision)),
            merits: sum(Some(ScorePart::Merits)),
            spot_low,
            spot_high,
            cases,
            checks: i64::try_from(checks).unwrap_or(i64::MAX),
            rank: None,
            band: None,
            veto: vetoed.contains(&unit.id),
        });
    }
    rank(&mut outcome.totals);
    outcome
}

/// Gives places and bands. A unit without a case is not ranked that month.
///
/// A band begins with the best unit left and holds all whose total is not below what that unit may have by chance; what is
/// void has no chance about it.
fn rank(totals: &mut [Total]) {
    for class in [UnitClass::A, UnitClass::B] {
        let mut places: Vec<usize> =
            (0..totals.len()).filter(|n| totals[*n].class == Some(class) && totals[*n].cases > 0).collect();
        places.sort_by_key(|n| (totals[*n].veto, -totals[*n].total, *n));
        let (mut rank, mut band, mut floor): (i32, i32, Option<i32>) = (0, 0, None);
        for (place, n) in places.iter().enumerate() {
            let same = place > 0 && {
                let before = &totals[places[place - 1]];
                (before.total, before.veto) == (totals[*n].total, totals[*n].veto)
            };
            if !same {
                rank = i32::try_from(place).unwrap_or(i32::MAX - 1) + 1;
            }
            let total = &mut totals[*n];
            let new = place == 0 || (!same && (total.veto || floor.is_none_or(|floor| total.total < floor)));
            if new {
                band += 1;
                floor = (!total.veto).then_some(total.total - total.spot_low);
            }
            (total.rank, total.band) = (Some(rank), Some(band));
        }
    }
}

#[cfg(test)]
mod tests;
