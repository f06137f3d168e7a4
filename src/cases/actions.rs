//! What can be done with cases; called by REST, sync and jobs alike.

use super::{
    rules::{self, Command, Refusal, Report, Stage, State},
    store::{self, CaseRow, EventRow, Page, Sight},
};
use crate::{
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, CaseId, DeviceId, EventId, Json, OpId},
    },
    error::{Code, Error, Result},
    evidence,
    identity::{
        self,
        county::REGION,
        rules::{Actor, CENTRE, Role},
    },
};
use chrono::{DateTime, Utc};

/// What brought a command here, for the timeline.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// The operation, when it came by sync.
    pub op: Option<OpId>,
    /// The device it was made on.
    pub device: Option<DeviceId>,
    /// When the person acted, by the device's clock.
    pub occurred_at: DateTime<Utc>,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The case moved on, or got a remark.
    Applied(Box<CaseRow>),
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
    /// The stage does not allow it.
    Refused {
        /// The case as it stands.
        case: Box<CaseRow>,
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

/// Whose cases a person's lists show.
pub fn sight(who: &Actor) -> Sight {
    if CENTRE.contains(&who.role) {
        return Sight::All;
    }
    let unit = who.unit_id.filter(|_| matches!(who.role, Role::Liaison | Role::Officer));
    Sight::UnitOr(unit, who.user_id)
}

fn visible(case: &CaseRow, who: &Actor) -> bool {
    let held = who.keys();
    keys(case).iter().any(|key| held.contains(key))
}

/// Takes a report; the id was made by whoever reports, so a repeat finds the same case.
///
/// # Errors
/// `value_invalid`, `role_forbidden`, `already_exists` when the id is taken.
pub fn case_report(tx: &mut Tx, who: &Actor, id: CaseId, report: Report, cause: Cause) -> Result<CaseRow> {
    report.check(who)?;
    if store::case_get(tx.db, id)?.is_some() {
        return Err(Code::AlreadyExists.with("case"));
    }
    let args = serde_json::to_value(&report).map_err(Error::internal)?;
    let (lat, lon, datum) = report.position.map_or((None, None, None), |p| (Some(p.lat), Some(p.lon), Some(p.datum)));
    let row = CaseRow {
        id,
        // Until the transaction's end gives it one: every report of a day shares the counter.
        number: id.to_string(),
        ver: 1,
        lines: 1,
        state: Stage::Reported.to_string(),
        title: report.title,
        description: report.description,
        class_code: report.class_code,
        address: report.address,
        lat,
        lon,
        datum,
        unit_id: None,
        reported_by: who.user_id,
        reported_at: At(tx.now),
        dispatched_at: None,
        due_at: None,
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
        updated_at: At(tx.now),
    };
    store::case_add(tx.db, &row)?;
    tx.at_end(move |tx| number(tx, id));
    let line = Line { command: "report", outcome: "applied", note: None, args, ver: Some(1) };
    timeline(tx, &row, who, cause, line)?;
    announce(tx, vec![], &row, cause.op);
    Ok(row)
}

/// Gives a case the number people say: region, local day, count of that day.
fn number(tx: &mut Tx, id: CaseId) -> Result<()> {
    let day = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).format("%Y%m%d").to_string();
    let count = store::number_next(tx.db, &day)?;
    store::case_number(tx.db, id, &format!("{REGION}{day}{count:04}"))
}

/// Locks cases for the rest of the transaction, in one order for everybody.
///
/// # Errors
/// The engine's own.
pub fn cases_lock(tx: &mut Tx, ids: &[CaseId]) -> Result<()> {
    if !ids.is_empty() {
        store::cases_locked(tx.db, ids)?;
    }
    Ok(())
}

/// Applies a command to a case, or says why not. Nothing is written unless the outcome is `Applied` or `Superseded`.
///
/// # Errors
/// `not_found` (also for a case that is private to others), and what no stage could mend: `value_invalid`,
/// `role_forbidden`, `unit_foreign`, `due_at_invalid`, `extension_pending`, `extension_absent`.
pub fn case_command(tx: &mut Tx, who: &Actor, id: CaseId, command: &Command, cause: Cause) -> Result<Outcome> {
    let mut rows = store::cases_locked(tx.db, &[id])?;
    let mut row = rows.pop().filter(|row| visible(row, who)).ok_or_else(|| Error::not_found("case"))?;
    command.check(who)?;
    if let Command::Dispatch(d) = command {
        identity::actions::unit_get(tx.db, d.unit_id)?;
    }
    let next = match rules::decide(row.place()?, command, who, tx.now) {
        Ok(next) => next,
        Err(Refusal::Never(error)) => return Err(error),
        Err(Refusal::Stage { reached: true }) => return superseded(tx, who, row, command, cause),
        Err(Refusal::Stage { reached: false }) => {
            let winner = store::event_newest(tx.db, id)?.and_then(|event| event.op_id);
            return Ok(Outcome::Refused { case: Box::new(row), winner });
        }
    };
    if matches!(command, Command::ConfirmClosing(_)) {
        let missing = evidence::actions::missing_before_close(tx.db, id)?;
        if !missing.is_empty() {
            return Ok(Outcome::Waits { evidence: missing });
        }
    }
    let args = arguments(command)?;
    let note = command.words().map(str::to_owned);
    if matches!(command, Command::Note(_)) {
        let line = Line { command: command.name(), outcome: "applied", note, args, ver: None };
        remark(tx, &mut row, who, cause, line)?;
        return Ok(Outcome::Applied(Box::new(row)));
    }
    let before = keys(&row);
    row.put(&next.state);
    row.ver += 1;
    row.lines += 1;
    row.rework_count += next.rework;
    row.extension_count += next.extended;
    row.updated_at = At(tx.now);
    if let Command::Dispatch(d) = command {
        row.priority = d.priority;
    }
    store::case_save(tx.db, &row)?;
    let line = Line { command: command.name(), outcome: "applied", note, args, ver: Some(row.ver) };
    timeline(tx, &row, who, cause, line)?;
    let after = keys(&row);
    if before != after {
        let lost: Vec<String> = before.iter().filter(|key| !after.contains(key)).cloned().collect();
        evidence::actions::case_moved(tx, id, &lost)?;
    }
    announce(tx, before, &row, cause.op);
    Ok(Outcome::Applied(Box::new(row)))
}

fn superseded(tx: &mut Tx, who: &Actor, mut row: CaseRow, command: &Command, cause: Cause) -> Result<Outcome> {
    let winner = store::event_with(tx.db, row.id, command.name())?.and_then(|event| event.op_id);
    let note = command.words().map(str::to_owned);
    let line = Line { command: command.name(), outcome: "superseded", note, args: arguments(command)?, ver: None };
    remark(tx, &mut row, who, cause, line)?;
    Ok(Outcome::Superseded { case: Box::new(row), winner })
}

/// A line that leaves the case's version as it is.
fn remark(tx: &mut Tx, row: &mut CaseRow, who: &Actor, cause: Cause, line: Line) -> Result<()> {
    row.lines += 1;
    store::case_save(tx.db, row)?;
    timeline(tx, row, who, cause, line)?;
    announce(tx, keys(row), row, cause.op);
    Ok(())
}

fn arguments(command: &Command) -> Result<serde_json::Value> {
    let mut whole = serde_json::to_value(command).map_err(Error::internal)?;
    Ok(whole.get_mut("args").map_or(serde_json::Value::Null, serde_json::Value::take))
}

struct Line<'a> {
    command: &'a str,
    outcome: &'a str,
    note: Option<String>,
    args: serde_json::Value,
    ver: Option<i64>,
}

fn timeline(tx: &mut Tx, case: &CaseRow, who: &Actor, cause: Cause, line: Line) -> Result<()> {
    let event = EventRow {
        id: EventId(tx.id()),
        case_id: case.id,
        seq: case.lines,
        ver: line.ver,
        at: At(tx.now),
        occurred_at: At(cause.occurred_at),
        actor_id: who.user_id,
        device_id: cause.device,
        op_id: cause.op,
        command: line.command.to_owned(),
        outcome: line.outcome.to_owned(),
        state: case.state.clone(),
        note: line.note,
        args: Json(line.args),
    };
    store::event_add(tx.db, &event)
}

fn announce(tx: &mut Tx, before: Keys, case: &CaseRow, op: Option<OpId>) {
    tx.announce(Change { kind: "case", id: case.id.to_string(), before, after: keys(case), op });
}

/// A case that this person may see.
///
/// # Errors
/// `not_found`.
pub fn case_get(db: &mut Db, who: &Actor, id: CaseId) -> Result<CaseRow> {
    store::case_get(db, id)?.filter(|row| visible(row, who)).ok_or_else(|| Error::not_found("case"))
}

/// A page of the cases that this person may see.
///
/// # Errors
/// The engine's own.
pub fn case_page(db: &mut Db, page: &Page) -> Result<Vec<CaseRow>> {
    store::case_page(db, page)
}

/// Cases by id, for the feed; audience is checked by the caller with [`keys`].
///
/// # Errors
/// The engine's own.
pub fn cases_by_id(db: &mut Db, ids: &[CaseId]) -> Result<Vec<CaseRow>> {
    store::cases_by_id(db, ids)
}

/// The cases of a snapshot, by id.
///
/// # Errors
/// The engine's own.
pub fn case_after(db: &mut Db, sight: &Sight, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseRow>> {
    store::case_after(db, sight, after, limit)
}

/// A page of a case's timeline, oldest first, with the actors' names.
///
/// # Errors
/// `not_found`.
pub fn case_timeline(db: &mut Db, who: &Actor, id: CaseId, after: i64, limit: i64) -> Result<Vec<(EventRow, String)>> {
    case_get(db, who, id)?;
    let events = store::event_page(db, id, after, limit)?;
    let ids: Vec<_> = events.iter().map(|event| event.actor_id).collect();
    let names = identity::actions::user_names(db, &ids)?;
    Ok(events
        .into_iter()
        .map(|event| {
            let name = names.get(&event.actor_id).cloned().unwrap_or_default();
            (event, name)
        })
        .collect())
}

/// Whether a case's deadline has passed while it is not closed.
pub fn overdue(case: &CaseRow, now: DateTime<Utc>) -> bool {
    let open = !matches!(case.place(), Ok(State::Closed { .. } | State::Void(_)) | Err(_));
    open && case.due_at.is_some_and(|due| due.0 < now)
}
