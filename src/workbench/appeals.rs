//! Appeals against being late (超期申诉), in an open transaction. The fact stays; who judges units asks whether it counts.

use super::store::{self, AppealRow, Appealed};
use crate::{
    cases::{
        self,
        actions::Cause,
        rules::{Command, Text},
    },
    db::{
        Db, Tx,
        types::{AppealId, At, CaseId},
    },
    error::{Code, Error, Result},
    identity::rules::{Actor, text},
};
use std::collections::HashSet;

/// A unit's liaison objects to a case's being late. The timeline tells of it.
///
/// # Errors
/// `not_found`, `value_invalid`, `unit_foreign`, `case_not_late`, `already_exists` when it was done before.
pub fn file(tx: &mut Tx, who: &Actor, case: CaseId, reason: &str) -> Result<AppealRow> {
    text("reason", reason, 1000)?;
    let row = cases::actions::case_get(tx.db, who, case)?;
    let unit_id = row.unit_id.filter(|unit| who.unit_id == Some(*unit)).ok_or(Code::UnitForeign)?;
    let late = row.timely == Some(false) || cases::actions::overdue(&row, tx.now);
    let due_at = row.due_at.filter(|_| late).ok_or(Code::CaseNotLate)?;
    if store::appeal_of(tx.db, case)?.is_some() {
        return Err(Code::AlreadyExists.with("appeal"));
    }
    let appeal = AppealRow {
        id: AppealId(tx.id()),
        case_id: case,
        unit_id,
        due_at,
        reason: reason.to_owned(),
        filed_by: who.user_id,
        filed_at: At(tx.now),
        exempt: None,
        words: None,
        decided_by: None,
        decided_at: None,
    };
    store::appeal_add(tx.db, &appeal)?;
    remark(tx, who, case, format!("【超期申诉】{reason}"))?;
    Ok(appeal)
}

/// The Centre's word on an appeal. The timeline tells of it.
///
/// # Errors
/// `not_found`, `value_invalid`, `already_done` when it was decided.
pub fn decide(tx: &mut Tx, who: &Actor, id: AppealId, exempt: bool, words: &str) -> Result<AppealRow> {
    text("words", words, 1000)?;
    let mut appeal = store::appeal_get(tx.db, id)?.ok_or_else(|| Error::not_found("appeal"))?;
    (appeal.exempt, appeal.words) = (Some(exempt), Some(words.to_owned()));
    (appeal.decided_by, appeal.decided_at) = (Some(who.user_id), Some(At(tx.now)));
    if !store::appeal_decide(tx.db, &appeal)? {
        return Err(Code::AlreadyDone.into());
    }
    let word = if exempt { "申诉通过，超期不计入考核" } else { "申诉不通过" };
    remark(tx, who, appeal.case_id, format!("【{word}】{words}"))?;
    Ok(appeal)
}

/// A remark in a case's timeline.
pub(super) fn remark(tx: &mut Tx, who: &Actor, case: CaseId, text: String) -> Result<()> {
    let cause = Cause { op: None, device: who.device_id, occurred_at: tx.now };
    cases::actions::case_command(tx, who, case, &Command::Note(Text { text }), cause).map(drop)
}

/// A page of appeals, the last first.
///
/// # Errors
/// The engine's own.
pub fn page(db: &mut Db, only: &Appealed, after: Option<AppealId>, limit: i64) -> Result<Vec<AppealRow>> {
    store::appeal_page(db, only, after, limit)
}

/// Those of the cases whose being late is not held against the unit.
///
/// # Errors
/// The engine's own.
pub fn exempt(db: &mut Db, cases: &[CaseId]) -> Result<HashSet<CaseId>> {
    store::exempt(db, cases)
}
