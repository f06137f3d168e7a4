//! Cases on the desk: what a transaction has in hand, decided in memory and put away together.
//!
//! A push brings a hundred steps on a few cases. Each case is read and locked once, its steps are decided on the row in
//! memory, and all rows and timeline lines are written in a few statements when the desk is cleared. What a decision
//! must know of the rest of the record comes through [`Shelf`], so that the same decisions run on the database and in
//! the simulator.
//!
//! A refused step leaves nothing behind: a decision puts its row and its line down only when it stands.

use super::{
    edit::Edited,
    report::Report,
    rules::{self, Command, Refusal, Stage, State, VoidReason},
    store::{CaseRow, EventRow},
};
use crate::{
    calendar::rules::Calendar,
    catalogue::rules::ClassKind,
    db::{
        feed::{Change, Keys},
        types::{At, CaseId, DeviceId, EventId, Json, OpId, UnitId},
    },
    error::{Code, Error, Result},
    evidence::reuse::rules::Doubt,
    identity::rules::{Actor, CENTRE},
};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use uuid::Uuid;

/// What a decision about a case may ask of the record, and where it puts what it decided.
pub trait Shelf {
    /// The moment of the decision.
    fn now(&self) -> DateTime<Utc>;
    /// A fresh id.
    fn fresh_id(&mut self) -> Uuid;
    /// The case as the steps before left it, nobody else's to change until the transaction ends.
    ///
    /// # Errors
    /// The engine's own.
    fn case(&mut self, id: CaseId) -> Result<Option<CaseRow>>;
    /// Whether there is such a unit.
    ///
    /// # Errors
    /// The engine's own.
    fn unit_known(&mut self, id: UnitId) -> Result<bool>;
    /// When is worked.
    ///
    /// # Errors
    /// The engine's own.
    fn calendar(&mut self) -> Result<Arc<Calendar>>;
    /// The kind of a class code, when only one kind has it in the catalogue in force.
    ///
    /// # Errors
    /// The engine's own.
    fn class_kind(&mut self, code: &str) -> Result<Option<ClassKind>>;
    /// Digests that must be stored before the case can be closed and are not.
    ///
    /// # Errors
    /// The engine's own.
    fn missing_before_close(&mut self, id: CaseId) -> Result<Vec<String>>;
    /// Why the photos of before and after don't let the case be closed.
    ///
    /// # Errors
    /// The engine's own.
    fn photo_doubt(&mut self, id: CaseId) -> Result<Option<Doubt>>;
    /// The operation behind the newest step of a case, or behind its newest step of one command.
    ///
    /// # Errors
    /// The engine's own.
    fn mover(&mut self, id: CaseId, command: Option<&str>) -> Result<Option<OpId>>;
    /// Takes a decided step: the row as it is now, its line, who could see it before.
    fn put(&mut self, step: Step);
}

/// A step that stands.
#[derive(Debug, Clone)]
pub struct Step {
    /// The case after it.
    pub row: CaseRow,
    /// Its line of the timeline.
    pub line: EventRow,
    /// Who could see the case before; `None` for a new case.
    pub before: Option<Keys>,
}

impl Step {
    /// What the feed tells of it.
    pub fn change(&self) -> Change {
        Change {
            kind: "case",
            id: self.row.id.to_string(),
            before: self.before.clone().unwrap_or_default(),
            after: keys(&self.row),
            op: self.line.op_id,
        }
    }
}

/// What brought a command here, for the timeline.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// The operation, when it came by sync.
    pub op: Option<OpId>,
    /// The device it was made on.
    pub device: Option<DeviceId>,
    /// When the person acted: by the server's clock, or by the device's corrected to it.
    pub occurred_at: DateTime<Utc>,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The case moved on, or got a remark.
    Applied(Box<CaseRow>),
    /// Fields were changed, though others had changed the case since; which ones.
    Merged(Box<CaseRow>, Vec<String>),
    /// Somebody had already brought it there; kept in the timeline.
    Superseded {
        /// The case as it stands.
        case: Box<CaseRow>,
        /// The operation that was quicker, when it came by sync.
        winner: Option<OpId>,
    },
    /// The stage allows it, but evidence must be stored before.
    Waits {
        /// The digests that are missing.
        evidence: Vec<String>,
    },
    /// The stage allows it, but whether before and after show the same picture must be known before.
    Doubted(Doubt),
    /// The stage does not allow it.
    Refused {
        /// The case as it stands.
        case: Box<CaseRow>,
        /// The operation that moved it last, when it came by sync.
        winner: Option<OpId>,
    },
    /// Somebody else changed these fields.
    Contested {
        /// The case as it stands.
        case: Box<CaseRow>,
        /// The fields.
        fields: Vec<String>,
        /// The operation that moved it last, when it came by sync.
        winner: Option<OpId>,
    },
}

/// Who may see a case.
pub fn keys(case: &CaseRow) -> Keys {
    let mut keys = vec!["centre".to_owned(), format!("user:{}", case.reported_by)];
    keys.extend(case.unit_id.map(|unit| format!("unit:{unit}")));
    keys
}

/// Whether a person may see a case.
pub fn visible(case: &CaseRow, who: &Actor) -> bool {
    CENTRE.contains(&who.role)
        || case.reported_by == who.user_id
        || (case.unit_id.is_some() && case.unit_id == who.unit_of_cases())
}

/// Takes a report; the id was made by whoever reports, so a repeat finds the same case. The row's number is given when
/// it is put away.
///
/// # Errors
/// `value_invalid`, `role_forbidden`, `already_exists` when the id is taken.
pub fn report(shelf: &mut impl Shelf, who: &Actor, id: CaseId, report: Report, cause: Cause) -> Result<CaseRow> {
    report.check(who)?;
    if shelf.case(id)?.is_some() {
        return Err(Code::AlreadyExists.with("case"));
    }
    let args = serde_json::to_value(&report).map_err(Error::internal)?;
    let (lat, lon, datum) = report.position.map_or((None, None, None), |p| (Some(p.lat), Some(p.lon), Some(p.datum)));
    let class_kind = match (report.class_kind, &report.class_code) {
        (None, Some(code)) => shelf.class_kind(code)?,
        (said, _) => said,
    };
    let now = At(shelf.now());
    let mut row = CaseRow {
        id,
        number: id.to_string(),
        ver: 1,
        lines: 1,
        state: Stage::Reported.to_string(),
        title: report.title,
        description: report.description,
        class_kind: class_kind.map(|kind| kind.to_string()),
        class_code: report.class_code,
        address: report.address,
        lat,
        lon,
        datum,
        unit_id: None,
        reported_by: who.user_id,
        reported_at: now,
        dispatched_at: None,
        due_at: None,
        limit_kind: None,
        limit_tenths: None,
        pauses: Json(serde_json::json!([])),
        hold_reason: None,
        handled_at: None,
        applied_at: None,
        passed: false,
        extension_until: None,
        extension_reason: None,
        extension_count: 0,
        rework_count: 0,
        priority: 0,
        closed_at: None,
        timely: None,
        void_reason: None,
        updated_at: now,
    };
    let note = report.self_handled.map(|done| done.note);
    if note.is_some() {
        row.put(&State::Void(VoidReason::SelfHandled));
    }
    let said = Said { command: "report", outcome: "applied", note, args, ver: Some(1) };
    put(shelf, &row, None, who, cause, said);
    Ok(row)
}

/// Applies a command to a case, or says why not. `insist` is a reviewer's word: fields are written over what others
/// wrote. Nothing is put down unless the outcome is `Applied`, `Merged` or `Superseded`.
///
/// # Errors
/// `not_found` (also for a case that is private to others), and what no stage could mend: `value_invalid`,
/// `role_forbidden`, `unit_foreign`, `due_at_invalid`, `extension_pending`, `extension_absent`, `hold_pending`,
/// `hold_absent`.
pub fn command(
    shelf: &mut impl Shelf,
    who: &Actor,
    id: CaseId,
    command: &Command,
    seen: Option<i64>,
    insist: bool,
    cause: Cause,
) -> Result<Outcome> {
    let mut row = shelf.case(id)?.filter(|row| visible(row, who)).ok_or_else(|| Error::not_found("case"))?;
    command.check(who)?;
    if let Command::Dispatch(d) = command
        && !shelf.unit_known(d.unit_id)?
    {
        return Err(Error::not_found("unit"));
    }
    let before = keys(&row);
    let now = shelf.now();
    let place = row.place()?;
    // Most steps need no calendar, and a push brings a hundred.
    let timed = matches!(command, Command::Dispatch(d) if d.limit.is_some()) || place.on_hold();
    let calendar = if timed { shelf.calendar()? } else { Arc::default() };
    let next = match rules::decide(place, command, who, now, &calendar) {
        Ok(next) => next,
        Err(Refusal::Never(error)) => return Err(error),
        Err(Refusal::Stage { reached: true }) => return superseded(shelf, who, row, command, cause),
        Err(Refusal::Stage { reached: false }) => {
            let winner = shelf.mover(id, None)?;
            return Ok(Outcome::Refused { case: Box::new(row), winner });
        }
    };
    if matches!(command, Command::ConfirmClosing(_)) {
        let missing = shelf.missing_before_close(id)?;
        if !missing.is_empty() {
            return Ok(Outcome::Waits { evidence: missing });
        }
        if let Some(doubt) = shelf.photo_doubt(id)? {
            return Ok(Outcome::Doubted(doubt));
        }
    }
    let note = command.words().map(str::to_owned);
    let said = Said { command: command.name(), outcome: "applied", note, args: arguments(command)?, ver: None };
    if matches!(command, Command::Note(_)) {
        row.lines += 1;
        put(shelf, &row, Some(before), who, cause, said);
        return Ok(Outcome::Applied(Box::new(row)));
    }
    let mut merged = None;
    if let Command::Edit(edit) = command {
        match edit.onto(&mut row, insist) {
            Edited::Written(fields) => {
                let code = row.class_code.as_deref();
                if edit.class_kind.is_none() && fields.iter().any(|field| field == "class_code") {
                    let kind = code.map(|code| shelf.class_kind(code)).transpose()?.flatten();
                    row.class_kind = kind.map(|kind| kind.to_string());
                } else if code.is_none() {
                    row.class_kind = None;
                }
                merged = Some(fields).filter(|_| seen.is_some_and(|ver| ver != row.ver));
            }
            Edited::Nothing => return superseded(shelf, who, row, command, cause),
            Edited::Contested(fields) => {
                let winner = shelf.mover(id, None)?;
                return Ok(Outcome::Contested { case: Box::new(row), fields, winner });
            }
        }
    } else {
        row.put(&next.state);
    }
    row.ver += 1;
    row.lines += 1;
    row.rework_count += next.rework;
    row.extension_count += next.extended;
    row.updated_at = At(now);
    if let Command::Dispatch(d) = command {
        row.priority = d.priority;
    }
    put(shelf, &row, Some(before), who, cause, Said { ver: Some(row.ver), ..said });
    Ok(match merged {
        Some(fields) => Outcome::Merged(Box::new(row), fields),
        None => Outcome::Applied(Box::new(row)),
    })
}

fn superseded(
    shelf: &mut impl Shelf,
    who: &Actor,
    mut row: CaseRow,
    command: &Command,
    cause: Cause,
) -> Result<Outcome> {
    let winner = shelf.mover(row.id, Some(command.name()))?;
    let note = command.words().map(str::to_owned);
    let said = Said { command: command.name(), outcome: "superseded", note, args: arguments(command)?, ver: None };
    row.lines += 1;
    let before = keys(&row);
    put(shelf, &row, Some(before), who, cause, said);
    Ok(Outcome::Superseded { case: Box::new(row), winner })
}

fn arguments(command: &Command) -> Result<serde_json::Value> {
    let mut whole = serde_json::to_value(command).map_err(Error::internal)?;
    Ok(whole.get_mut("args").map_or(serde_json::Value::Null, serde_json::Value::take))
}

struct Said<'a> {
    command: &'a str,
    outcome: &'a str,
    note: Option<String>,
    args: serde_json::Value,
    /// The version it made; none for what leaves the case as it is.
    ver: Option<i64>,
}

fn put(shelf: &mut impl Shelf, case: &CaseRow, before: Option<Keys>, who: &Actor, cause: Cause, said: Said) {
    let line = EventRow {
        id: EventId(shelf.fresh_id()),
        case_id: case.id,
        seq: case.lines,
        ver: said.ver,
        at: At(shelf.now()),
        occurred_at: At(cause.occurred_at),
        actor_id: who.user_id,
        device_id: cause.device,
        op_id: cause.op,
        command: said.command.to_owned(),
        outcome: said.outcome.to_owned(),
        state: case.state.clone(),
        note: said.note,
        args: Json(said.args),
    };
    shelf.put(Step { row: case.clone(), line, before });
}
