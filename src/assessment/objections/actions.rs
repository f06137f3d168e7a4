//! Filing objections and taking their steps, in an open transaction.

use crate::{
    assessment::{
        actions::{self, INSPECTORATE, OFFICE},
        reckon::CounterIn,
        rules::{Phase, STEPS, Verdict},
        store::{self, ObjectionRow, StepRow},
    },
    db::{
        Db, Tx,
        types::{At, ObjectionId, UnitId},
    },
    error::{Code, Error, Result},
    identity::rules::{Actor, CENTRE, text},
};

/// An objection with its steps.
#[derive(Debug, Clone)]
pub struct Objection {
    /// It.
    pub row: ObjectionRow,
    /// In order.
    pub steps: Vec<StepRow>,
}

/// A unit's liaison objects to one of the unit's lines, once.
///
/// # Errors
/// `not_found`, `unit_foreign`, `value_invalid`, `already_exists`; `month_forbids` outside of the term, and for a
/// counter-line.
pub fn file(tx: &mut Tx, who: &Actor, month: &str, line: i32, reason: &str) -> Result<Objection> {
    text("reason", reason, 2000)?;
    let head = actions::month_head(tx.db, who, month)?;
    let line = actions::line(tx.db, who, month, line)?;
    if who.unit_id != Some(line.unit_id) {
        return Err(Code::UnitForeign.into());
    }
    if head.phase != Phase::Open.as_str() || head.objections_until.is_none_or(|until| tx.now >= until.0) {
        return Err(Code::MonthForbids.with("不在申诉期内"));
    }
    if line.counters.is_some() {
        return Err(Code::MonthForbids.with("申诉更正为终审结果，不能再申诉"));
    }
    if store::objection_to(tx.db, month, line.n)?.is_some() {
        return Err(Code::AlreadyExists.with("objection"));
    }
    let row = ObjectionRow {
        id: ObjectionId(tx.id()),
        month: month.to_owned(),
        line: line.n,
        unit_id: line.unit_id,
        reason: reason.to_owned(),
        filed_by: who.user_id,
        filed_at: At(tx.now),
        steps: 0,
        verdict: None,
    };
    store::objection_add(tx.db, &row)?;
    actions::announce(tx, month);
    Ok(Objection { row, steps: Vec::new() })
}

/// What somebody finds at a step.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whether the unit is right.
    pub verdict: Verdict,
    /// What the score is to be changed by, thousandths of a point, ±1–100000; 0 when dismissed.
    pub delta: i32,
    /// Why, 1–2000 characters.
    pub words: String,
}

/// Takes the next step: 初核 and 复核 by two people of the office, 终审 by the inspectorate. The last one decides; when it
/// upholds, a counter-line is added.
///
/// # Errors
/// `not_found`, `value_invalid`, `role_forbidden`, `second_person_required`, `already_done` after the last step.
pub fn step(tx: &mut Tx, who: &Actor, id: ObjectionId, finding: &Finding) -> Result<Objection> {
    text("words", &finding.words, 2000)?;
    let row = store::objection_get(tx.db, id)?.ok_or_else(|| Error::not_found("objection"))?;
    if row.steps >= STEPS {
        return Err(Code::AlreadyDone.into());
    }
    let step = row.steps + 1;
    who.must_be(if step == STEPS { INSPECTORATE } else { OFFICE })?;
    let before = store::steps(tx.db, &[id])?;
    if before.iter().any(|one| one.decided_by == who.user_id) {
        return Err(Code::SecondPersonRequired.into());
    }
    let upheld = finding.verdict == Verdict::Upheld;
    if upheld == (finding.delta == 0) || !(-100_000..=100_000).contains(&finding.delta) {
        return Err(Code::ValueInvalid.with("delta: ±1–100000 when upheld, 0 when dismissed"));
    }
    let new = StepRow {
        objection_id: id,
        step,
        verdict: finding.verdict.to_string(),
        delta: finding.delta,
        words: finding.words.clone(),
        decided_by: who.user_id,
        decided_at: At(tx.now),
    };
    let last = step == STEPS;
    store::step_add(tx.db, &new, last.then_some(finding.verdict.as_str()))?;
    if last && upheld {
        let month = actions::month_row(tx.db, &row.month)?;
        let why = format!("第 {} 条申诉成立：{}", row.line, finding.words);
        actions::counter(tx, month, CounterIn { id, line: row.line, delta: finding.delta, why })?;
    }
    actions::announce(tx, &row.month);
    get(tx.db, id)
}

fn get(db: &mut Db, id: ObjectionId) -> Result<Objection> {
    let row = store::objection_get(db, id)?.ok_or_else(|| Error::not_found("objection"))?;
    Ok(Objection { steps: store::steps(db, &[id])?, row })
}

/// A month's objections, in the order they were filed: all at the Centre, the own ones for a liaison.
///
/// # Errors
/// `not_found` for the month.
pub fn list(db: &mut Db, who: &Actor, month: &str) -> Result<Vec<Objection>> {
    actions::month_head(db, who, month)?;
    let own = |unit: UnitId| CENTRE.contains(&who.role) || who.unit_id == Some(unit);
    let rows: Vec<ObjectionRow> = store::objections(db, month)?.into_iter().filter(|row| own(row.unit_id)).collect();
    let steps = store::steps(db, &rows.iter().map(|row| row.id).collect::<Vec<_>>())?;
    let with = |row: ObjectionRow| Objection {
        steps: steps.iter().filter(|step| step.objection_id == row.id).cloned().collect(),
        row,
    };
    Ok(rows.into_iter().map(with).collect())
}

/// An objection that a counter-line stands for: once decided, everybody who sees the line sees it.
///
/// # Errors
/// `not_found`.
pub(in crate::assessment) fn decided(db: &mut Db, id: ObjectionId) -> Result<Objection> {
    get(db, id)
}
