//! Rules, runs, opening and publishing, in an open transaction.

use super::{
    bulletin::{Bulletin, Correction},
    editions::actions as editions,
    gather::gather,
    pack::{self, Pack},
    reckon::{self, Inputs, Line, Outcome, Total, UnitIn},
    rules::{Phase, RuleSet},
    store::{self, MonthHead, MonthRow, RulesRow},
};
use crate::{
    calendar::{
        self,
        rules::{Limit, LimitKind},
    },
    db::{
        Db, Tx,
        feed::Change,
        types::{At, Json, UnitId},
    },
    error::{Code, Error, Result},
    identity::rules::{Actor, Role, text},
    merits::rules::month,
    statistics::rules::Period,
    supervision,
    tlog::{self, Kind},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who runs a month and opens it: the office of the county's urban management commission (城管委办公室).
pub const OFFICE: &[Role] = &[Role::Dispatcher, Role::Admin];
/// Who publishes it and decides last about objections (县政府督查室).
pub const INSPECTORATE: &[Role] = &[Role::Supervisor];

/// All sets of rules, the newest first; that of the program is not among them.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn rules_all(db: &mut Db) -> Result<Vec<RulesRow>> {
    store::rules_all(db)
}

/// The rules that hold for a month: the approved ones that begin last, of several such the newest.
///
/// # Errors
/// The engine's own.
pub fn rules_for(db: &mut Db, month: &str) -> Result<(i32, RuleSet)> {
    let approved = store::rules_all(db)?.into_iter().filter(|row| row.approved_at.is_some());
    let holding = approved.filter(|row| row.effective_from.as_str() <= month);
    match holding.max_by(|a, b| (&a.effective_from, a.version).cmp(&(&b.effective_from, b.version))) {
        Some(row) => Ok((row.version, rule_set(row.body)?)),
        None => Ok((0, RuleSet::county())),
    }
}

fn rule_set(body: Json) -> Result<RuleSet> {
    serde_json::from_value(body.0).map_err(Error::internal)
}

/// Drafts a set of rules; it holds for no month before somebody else approves it.
///
/// # Errors
/// `value_invalid`.
pub fn rules_draft(tx: &mut Tx, who: &Actor, body: &RuleSet, from: &str, note: &str) -> Result<RulesRow> {
    body.check()?;
    month(from)?;
    text("note", note, 1000)?;
    let row = RulesRow {
        version: store::rules_all(tx.db)?.first().map_or(1, |newest| newest.version + 1),
        body: Json(serde_json::to_value(body).map_err(Error::internal)?),
        effective_from: from.to_owned(),
        note: note.to_owned(),
        drafted_by: who.user_id,
        drafted_at: At(tx.now),
        approved_by: None,
        approved_at: None,
    };
    store::rules_add(tx.db, &row)?;
    Ok(row)
}

/// Approves a set of rules. Months that were opened keep theirs.
///
/// # Errors
/// `not_found`, `already_done`, `second_person_required` for whoever drafted it.
pub fn rules_approve(tx: &mut Tx, who: &Actor, version: i32) -> Result<RulesRow> {
    let row = store::rules_get(tx.db, version)?.ok_or_else(|| Error::not_found("rules"))?;
    if row.approved_at.is_some() {
        return Err(Code::AlreadyDone.into());
    }
    if row.drafted_by == who.user_id {
        return Err(Code::SecondPersonRequired.into());
    }
    store::rules_approve(tx.db, version, who.user_id, At(tx.now))?;
    let body = json!({"phase": "rules", "version": version, "rules": row.body.0, "effective_from": row.effective_from});
    tlog::record(tx, Kind::Score, &format!("assessment-rules:{version}"), &body)?;
    Ok(RulesRow { approved_by: Some(who.user_id), approved_at: Some(At(tx.now)), ..row })
}

pub(super) fn parsed(row: &MonthRow) -> Result<(RuleSet, Inputs)> {
    let inputs = serde_json::from_value(row.inputs.0.clone()).map_err(Error::internal)?;
    Ok((rule_set(row.rules.clone())?, inputs))
}

pub(super) fn value(of: &impl serde::Serialize) -> Result<Json> {
    Ok(Json(serde_json::to_value(of).map_err(Error::internal)?))
}

/// A month's records and what they come to, before anything of it is kept.
#[derive(Debug, Clone)]
pub struct Trial {
    month: String,
    rules_version: i32,
    rules: RuleSet,
    inputs: Inputs,
    outcome: Outcome,
    as_of: DateTime<Utc>,
}

/// Reads a month's records as they stand now and computes its lines. It takes time, so it holds up no writer.
///
/// # Errors
/// `value_invalid`; `month_forbids` for a month to come.
pub fn trial(db: &mut Db, name: &str, now: DateTime<Utc>) -> Result<Trial> {
    if month(name)?.span().0 > now {
        return Err(Code::MonthForbids.with("该月尚未开始"));
    }
    let (rules_version, rules) = rules_for(db, name)?;
    let inputs = gather(db, name, now)?;
    let outcome = reckon::reckon(&rules, &inputs);
    Ok(Trial { month: name.to_owned(), rules_version, rules, inputs, outcome, as_of: now })
}

/// Runs a month (试算): keeps what a trial came to. It may be run again, also before the month is over.
///
/// # Errors
/// `month_forbids` for one that was opened, and when other rules hold, or somebody ran it, since the trial was read.
pub fn run(tx: &mut Tx, who: &Actor, trial: Trial) -> Result<()> {
    let Trial { month: name, rules_version, rules, inputs, outcome, as_of } = trial;
    let there = store::month_head(tx.db, &name)?;
    if there.as_ref().is_some_and(|row| row.phase != Phase::Trial.as_str()) {
        return Err(Code::MonthForbids.with("该月已公示，明细不能重算"));
    }
    let newer = there.as_ref().is_some_and(|row| row.as_of.0 > as_of);
    if newer || rules_for(tx.db, &name)?.0 != rules_version {
        return Err(Code::MonthForbids.with("试算期间办法有变化，或有人已重新试算，请再试算一次"));
    }
    let row = MonthRow {
        phase: Phase::Trial.to_string(),
        rules_version,
        rules: value(&rules)?,
        inputs: value(&inputs)?,
        as_of: At(as_of),
        run_by: who.user_id,
        opened_by: None,
        opened_at: None,
        objections_until: None,
        published_by: None,
        published_at: None,
        pack_sha256: None,
        edition: None,
        correction: None,
        month: name,
    };
    if there.is_some() {
        store::clear(tx.db, &row.month)?;
        store::month_save(tx.db, &row)?;
    } else {
        store::month_add(tx.db, &row)?;
    }
    store::lines_add(tx.db, &row.month, &outcome.lines)?;
    store::totals_put(tx.db, &row.month, &outcome.totals)?;
    announce(tx, &row.month);
    Ok(())
}

/// Tells the consoles that look at it.
pub(super) fn announce(tx: &mut Tx, month: &str) {
    let keys = vec!["centre".to_owned()];
    tx.announce(Change { kind: "assessment", id: month.to_owned(), before: keys.clone(), after: keys, op: None });
}

/// A month, with everything.
///
/// # Errors
/// `not_found`.
pub fn month_row(db: &mut Db, name: &str) -> Result<MonthRow> {
    month(name).map_err(|_| Error::not_found("month"))?;
    store::month_get(db, name)?.ok_or_else(|| Error::not_found("month"))
}

/// Opens a month to the units (公示): from now on its lines stay, and units may object for the working days of its rules.
///
/// # Errors
/// `not_found`; `month_forbids` before the month is over, while an answered letter is not graded, when records have
/// changed since it was run, or when it is open already.
pub fn open(tx: &mut Tx, who: &Actor, name: &str) -> Result<()> {
    let mut row = month_row(tx.db, name)?;
    let (from, until) = month(name)?.span();
    if row.phase != Phase::Trial.as_str() {
        return Err(Code::MonthForbids.with("该月已公示"));
    }
    // A trial of before the last midnight does not know the last cases.
    if row.as_of.0 < until {
        return Err(Code::MonthForbids.with("须在月末 24:00 后重新试算，再公示"));
    }
    // A unit that answered must not lose the points because nobody has looked at the answer yet.
    match supervision::actions::ungraded(tx.db, from, until)? {
        0 => {}
        n => return Err(Code::MonthForbids.with(format!("还有 {n} 件已回复的督办函未评定"))),
    }
    let (rules, inputs) = parsed(&row)?;
    if gather(tx.db, name, tx.now)? != inputs {
        return Err(Code::MonthForbids.with("试算后记录有变化，请重新试算再公示"));
    }
    let limit = Limit::new(LimitKind::WorkDay, f64::from(rules.objection_days))?;
    let term = calendar::actions::calendar(tx.db)?.due(tx.now, limit, &[]);
    let ends = term.at.ok_or_else(|| Error::internal("the term for objections has no end"))?;
    (row.phase, row.objections_until) = (Phase::Open.to_string(), Some(At(ends)));
    (row.opened_by, row.opened_at) = (Some(who.user_id), Some(At(tx.now)));
    let text = packed(&row, rules, inputs)?.text()?;
    store::month_save(tx.db, &row)?;
    log(tx, name, &json!({"phase": "opened", "month": name, "pack_sha256": pack::sha256(&text)}))?;
    announce(tx, name);
    Ok(())
}

pub(super) fn packed(row: &MonthRow, rules: RuleSet, inputs: Inputs) -> Result<Pack> {
    let outcome = reckon::reckon(&rules, &inputs);
    Ok(Pack::new(&row.month, row.as_of.0, (row.rules_version, rules), inputs, outcome))
}

pub(super) fn log(tx: &mut Tx, month: &str, body: &Value) -> Result<()> {
    tlog::record(tx, Kind::Score, &format!("assessment:{month}"), body).map(drop)
}

/// Publishes a month: its pack is kept as the first edition, and its hash goes into the transparency log. Nothing changes
/// it afterwards; what is found later makes another edition.
///
/// # Errors
/// `not_found`; `month_forbids` before it was opened, while the term for objections runs, or while one is undecided.
pub fn publish(tx: &mut Tx, who: &Actor, name: &str) -> Result<()> {
    let mut row = month_row(tx.db, name)?;
    if row.phase != Phase::Open.as_str() {
        return Err(Code::MonthForbids.with("只有公示中的月份可以发布"));
    }
    if row.objections_until.is_none_or(|until| tx.now < until.0) {
        return Err(Code::MonthForbids.with("申诉期未满"));
    }
    if store::objections(tx.db, name)?.iter().any(|objection| objection.verdict.is_none()) {
        return Err(Code::MonthForbids.with("还有申诉未作出终审"));
    }
    let (rules, inputs) = parsed(&row)?;
    let text = packed(&row, rules, inputs)?.text()?;
    log(tx, name, &json!({"phase": "published", "month": name, "pack_sha256": pack::sha256(&text)}))?;
    (row.published_by, row.published_at) = (Some(who.user_id), Some(At(tx.now)));
    (row.phase, row.pack_sha256) = (Phase::Published.to_string(), Some(pack::sha256(&text)));
    row.edition = Some(1);
    store::month_save(tx.db, &row)?;
    editions::first(tx, who, &row, &text)?;
    announce(tx, name);
    Ok(())
}

/// Adds a counter-line to an open month, and what follows from it for totals and ranks.
///
/// # Errors
/// `internal` when the month's records can't be read.
pub(super) fn counter(tx: &mut Tx, mut row: MonthRow, counter: reckon::CounterIn) -> Result<()> {
    let (rules, mut inputs) = parsed(&row)?;
    let before = reckon::reckon(&rules, &inputs).lines.len();
    inputs.counters.push(counter);
    let outcome = reckon::reckon(&rules, &inputs);
    row.inputs = value(&inputs)?;
    store::month_save(tx.db, &row)?;
    store::lines_add(tx.db, &row.month, outcome.lines.get(before..).unwrap_or_default())?;
    store::totals_put(tx.db, &row.month, &outcome.totals)
}

/// Whether a person sees a month before it is open: those who make it.
pub(super) fn sees_trials(who: &Actor) -> bool {
    OFFICE.contains(&who.role) || INSPECTORATE.contains(&who.role)
}

/// A month that this person may see.
///
/// # Errors
/// `not_found`, also for a trial that is not theirs to see.
pub fn month_get(db: &mut Db, who: &Actor, name: &str) -> Result<MonthRow> {
    let row = month_row(db, name)?;
    if row.phase == Phase::Trial.as_str() && !sees_trials(who) {
        return Err(Error::not_found("month"));
    }
    Ok(row)
}

/// How far a month is that this person may see, without its records.
///
/// # Errors
/// As [`month_get`].
pub fn month_head(db: &mut Db, who: &Actor, name: &str) -> Result<MonthHead> {
    month(name).map_err(|_| Error::not_found("month"))?;
    let head = store::month_head(db, name)?.filter(|head| head.phase != Phase::Trial.as_str() || sees_trials(who));
    head.ok_or_else(|| Error::not_found("month"))
}

/// The months this person may see, the newest first.
///
/// # Errors
/// The engine's own.
pub fn month_page(db: &mut Db, who: &Actor, before: Option<&str>, limit: i64) -> Result<Vec<MonthHead>> {
    store::month_page(db, before, sees_trials(who), limit)
}

/// A month as it stands, or one of its published editions as it stood.
#[derive(Debug, Clone)]
pub struct Standing {
    /// How far it is; of an edition: which, when and why.
    pub head: MonthHead,
    /// The rules.
    pub rules: RuleSet,
    /// The records.
    pub inputs: Inputs,
    /// The totals in the order they are printed: class A before B, by rank, what is not ranked last.
    pub units: Vec<(UnitIn, Total)>,
}

fn standing_of(head: MonthHead, rules: RuleSet, inputs: Inputs, totals: Vec<Total>) -> Standing {
    let mut totals: BTreeMap<UnitId, Total> = totals.into_iter().map(|total| (total.unit_id, total)).collect();
    let with = |unit: &UnitIn| totals.remove(&unit.id).map(|total| (unit.clone(), total));
    let mut units: Vec<(UnitIn, Total)> = inputs.units.iter().filter_map(with).collect();
    units.sort_by_key(|(unit, total)| {
        (unit.class.map_or("C", |class| class.as_str()), total.rank.unwrap_or(i32::MAX), unit.code.clone())
    });
    Standing { head, rules, inputs, units }
}

/// A month as it stands.
///
/// # Errors
/// The engine's own.
pub fn standing(db: &mut Db, row: &MonthRow) -> Result<Standing> {
    let (rules, inputs) = parsed(row)?;
    let totals = store::totals(db, std::slice::from_ref(&row.month))?.into_iter().map(|(_, total)| total).collect();
    Ok(standing_of(row.into(), rules, inputs, totals))
}

/// A month that this person may see; with an edition, as that one stood.
///
/// # Errors
/// `not_found`.
pub fn month_at(db: &mut Db, who: &Actor, name: &str, edition: Option<i32>) -> Result<Standing> {
    let Some(edition) = edition else {
        let row = month_get(db, who, name)?;
        return standing(db, &row);
    };
    let head = month_head(db, who, name)?;
    let (row, text) = editions::published(db, name, edition)?;
    let Pack { rules, inputs, totals, .. } = Pack::read(&text)?;
    let correction = (edition > 1).then_some(row.reason);
    let (published_at, pack_sha256) = (row.decided_at, row.pack_sha256);
    let head = MonthHead { edition: row.edition, correction, published_at, pack_sha256, ..head };
    Ok(standing_of(head, rules, inputs, totals))
}

/// Lines of a month by number.
///
/// # Errors
/// The engine's own.
pub fn lines(db: &mut Db, month: &str, unit: Option<UnitId>, after: i32, limit: i64) -> Result<Vec<Line>> {
    store::line_page(db, month, unit, after, limit)
}

/// A line of a month that this person may see.
///
/// # Errors
/// `not_found`.
pub fn line(db: &mut Db, who: &Actor, month: &str, n: i32) -> Result<Line> {
    month_head(db, who, month)?;
    store::line_get(db, month, n)?.ok_or_else(|| Error::not_found("line"))
}

/// What other rules would make of a month's records; nothing is saved.
///
/// # Errors
/// `not_found`, `value_invalid`.
pub fn what_if(db: &mut Db, who: &Actor, month: &str, rules: &RuleSet) -> Result<Vec<(UnitIn, Total)>> {
    let (_, inputs) = parsed(&month_get(db, who, month)?)?;
    rules.check()?;
    let totals = reckon::reckon(rules, &inputs).totals;
    Ok(inputs.units.into_iter().zip(totals).collect())
}

/// The pack of a published edition, the newest unless another is named; and which that is.
///
/// # Errors
/// `not_found`; `month_forbids` before the month is published.
pub fn pack_of(db: &mut Db, who: &Actor, month: &str, edition: Option<i32>) -> Result<(i32, String)> {
    let newest = month_head(db, who, month)?.edition.ok_or_else(|| Code::MonthForbids.with("该月尚未发布"))?;
    let edition = edition.unwrap_or(newest);
    Ok((edition, editions::published(db, month, edition)?.1))
}

/// What the bulletin (通报) of a month, or of one of its editions, is made of.
///
/// # Errors
/// `not_found`.
pub fn bulletin(db: &mut Db, who: &Actor, name: &str, edition: Option<i32>) -> Result<Bulletin> {
    let Standing { head, rules, inputs, units } = month_at(db, who, name, edition)?;
    let before = month(name)?.before().to_string();
    // A trial of the month before is nobody's measure.
    let standing = store::month_head(db, &before)?.is_some_and(|head| head.phase != Phase::Trial.as_str());
    let before = if standing { store::totals(db, &[before])? } else { Vec::new() };
    let mut printed = |line: i32, delta: i32, why: &str| -> Result<Correction> {
        let of = store::line_get(db, name, line)?;
        let unit = of.and_then(|line| inputs.units.iter().find(|unit| unit.id == line.unit_id));
        Ok(Correction {
            unit: unit.map(|unit| unit.name.clone()).unwrap_or_default(),
            line,
            delta,
            why: why.to_owned(),
        })
    };
    Ok(Bulletin {
        counters: inputs.counters.iter().map(|one| printed(one.line, one.delta, &one.why)).collect::<Result<_>>()?,
        corrections: inputs
            .corrections
            .iter()
            .map(|one| printed(one.line, one.delta, &one.why))
            .collect::<Result<_>>()?,
        phase: head.phase.parse()?,
        edition: head.edition.unwrap_or(1),
        correction: head.correction,
        as_of: head.as_of.0,
        objections_until: head.objections_until.map(|at| at.0),
        published_at: head.published_at.map(|at| at.0),
        pack_sha256: head.pack_sha256,
        month: head.month,
        before: before.into_iter().map(|(_, total)| (total.unit_id, total.total)).collect(),
        rules,
        units,
    })
}

/// A unit in the review of a quarter, or the ranking of a year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The unit.
    pub unit_id: UnitId,
    /// Its class in the last month.
    pub class: Option<String>,
    /// Months it was ranked in.
    pub months: i64,
    /// The mean of their totals, thousandths of a point, rounded half up; none when it was ranked in none.
    pub mean: Option<i32>,
    /// Its place in its class; equal means share one.
    pub rank: Option<i32>,
}

/// The review of a quarter (讲评) or the ranking of a year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviews {
    /// Class A before B, by rank.
    pub units: Vec<Reviewed>,
    /// Months of the period that are not published.
    pub missing: Vec<String>,
    /// Which edition of each published month counts: its newest.
    pub editions: BTreeMap<String, i32>,
}

/// The review of a quarter (讲评) or the ranking of a year, from the newest editions of its published months.
///
/// A unit without a case in a month is not ranked that month, and the month does not count for it; without a case in all
/// months it is not ranked at all.
///
/// # Errors
/// The engine's own.
pub fn review(db: &mut Db, period: Period) -> Result<Reviews> {
    let (from, until) = period.span();
    let mut months = Vec::new();
    let mut at = from;
    while at < until {
        let month = Period::month_of(at);
        months.push(month.to_string());
        at = month.span().1;
    }
    let published = store::published(db, &months)?;
    let editions: BTreeMap<String, i32> =
        published.into_iter().map(|(month, edition)| (month, edition.unwrap_or(1))).collect();
    let (published, missing): (Vec<String>, _) = months.into_iter().partition(|month| editions.contains_key(month));
    let mut sums: BTreeMap<UnitId, (Option<String>, i64, i64)> = BTreeMap::new();
    for (_, total) in store::totals(db, &published)? {
        let entry = sums.entry(total.unit_id).or_default();
        entry.0 = total.class.map(|class| class.to_string());
        if total.rank.is_some() {
            entry.1 += i64::from(total.total);
            entry.2 += 1;
        }
    }
    let mean = |sum: i64, months: i64| (months > 0).then(|| (sum * 2 + months).div_euclid(months * 2));
    let mut list: Vec<Reviewed> = sums
        .into_iter()
        .map(|(unit_id, (class, sum, months))| {
            let mean = mean(sum, months).and_then(|mean| i32::try_from(mean).ok());
            Reviewed { unit_id, class, months, mean, rank: None }
        })
        .collect();
    list.sort_by(|a, b| {
        (&a.class, std::cmp::Reverse(a.mean), a.unit_id).cmp(&(&b.class, std::cmp::Reverse(b.mean), b.unit_id))
    });
    for n in 0..list.len() {
        let ahead = list.iter().filter(|other| other.class == list[n].class && other.mean > list[n].mean).count();
        let ranked = list[n].mean.is_some() && list[n].class.is_some();
        list[n].rank = ranked.then(|| i32::try_from(ahead).unwrap_or(i32::MAX - 1) + 1);
    }
    Ok(Reviews { units: list, missing, editions })
}
