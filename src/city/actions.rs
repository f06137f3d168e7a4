//! What the city's messages do here, in an open transaction; and what a person is shown of the exchange.

use super::{
    outbox::{self, STUCK_AFTER},
    rules::{self, CodeKind, ExchangeState},
    store::{self, CodeRow, InboxRow, LinkRow, OutboxRow, ReconciliationRow},
    wire::{self, Dispatch, Envelope, ExtensionDecision, Inbound, List, Reply, ReplyCode},
};
use crate::{
    cases::{
        self,
        actions::{Cause, Outcome},
        rules::{Command, Nothing, Text, Verify},
    },
    db::{
        Db, Tx,
        types::{At, CaseId, Json, SessionId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        actions::NewUser,
        rules::{Actor, Role, text},
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The account that the city's steps stand under; nobody can sign in to it.
const ACCOUNT: &str = "city-431200";
/// How far ahead of the next one a message may be to be kept.
const MOST_AHEAD: i64 = 1000;
/// Differences that a result to the city names; all are kept here.
const MOST_NAMED: usize = 500;

/// Says at the start whether there is a link.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn connect(tx: &mut Tx, linked: bool) -> Result<()> {
    store::enable(tx.db, linked)
}

/// The city as somebody who acts; the account is made when it is first needed.
pub(super) fn the_city(tx: &mut Tx) -> Result<Actor> {
    let row = match identity::actions::user_by_username(tx.db, ACCOUNT)? {
        Some(row) => row,
        None => {
            let user = NewUser {
                username: ACCOUNT.into(),
                name: "怀化市平台".into(),
                role: Role::Verifier,
                unit_id: None,
                // No hash of any password.
                password_hash: "!".into(),
            };
            identity::actions::user_add(tx, user)?;
            identity::actions::user_disable(tx, ACCOUNT)?
        }
    };
    // It reports and decides as the Centre does.
    let (role, session_id) = (Role::Dispatcher, SessionId(Uuid::nil()));
    Ok(Actor { user_id: row.id, name: row.name, role, unit_id: None, session_id, device_id: None })
}

/// Takes a message of the city, whose sender was verified and whose envelope was checked. `whole` is the message as it
/// came.
///
/// # Errors
/// The engine's own; what is wrong with the message is in the reply.
pub fn receive(tx: &mut Tx, envelope: &Envelope, whole: Value) -> Result<Reply> {
    let mut applied = store::applied_locked(tx.db)?;
    if let Some(row) = store::inbox_get(tx.db, &envelope.msg_id)? {
        let same = row.seq == envelope.seq && row.kind == envelope.r#type;
        return Ok(if same { answer(&row, applied, true) } else { refusal(envelope, applied, Code::OpIdReused) });
    }
    if envelope.seq <= applied {
        // Whoever gave a message up may not have heard that it had arrived.
        return match store::inbox_at(tx.db, envelope.seq)? {
            Some(row) if envelope.r#type == wire::SKIP => Ok(answer(&row, applied, true)),
            _ => Ok(refusal(envelope, applied, Code::IdempotencyMismatch)),
        };
    }
    if envelope.seq > applied + MOST_AHEAD {
        return Ok(later(envelope, applied));
    }
    if let Some(kept) = store::inbox_at(tx.db, envelope.seq)? {
        if envelope.r#type != wire::SKIP {
            return Ok(refusal(envelope, applied, Code::IdempotencyMismatch));
        }
        store::inbox_remove(tx.db, &kept.msg_id)?;
    }
    let mut row = InboxRow {
        msg_id: envelope.msg_id.clone(),
        seq: envelope.seq,
        kind: envelope.r#type.clone(),
        envelope: Json(whole),
        outcome: None,
        reason: None,
        detail: None,
        county_number: None,
        received_at: At(tx.now),
        applied_at: None,
    };
    store::inbox_add(tx.db, &row)?;
    if envelope.seq > applied + 1 {
        return Ok(later(envelope, applied));
    }
    take(tx, &mut row)?;
    applied += 1;
    while let Some(mut next) = store::inbox_at(tx.db, applied + 1)? {
        take(tx, &mut next)?;
        applied += 1;
    }
    store::applied_save(tx.db, applied)?;
    Ok(answer(&row, applied, false))
}

/// The answer of a message that is kept.
fn answer(row: &InboxRow, applied: i64, repeated: bool) -> Reply {
    let first = row.outcome.as_deref().and_then(|outcome| outcome.parse::<ReplyCode>().ok());
    let code = match first {
        None => ReplyCode::Retry,
        Some(_) if repeated => ReplyCode::Duplicate,
        Some(code) => code,
    };
    Reply {
        msg_id: row.msg_id.clone(),
        code,
        first: first.filter(|_| repeated),
        reason: row.reason.clone(),
        detail: row.detail.clone(),
        expected_seq: applied + 1,
        county_case_no: row.county_number.clone(),
    }
}

fn bare(envelope: &Envelope, applied: i64, code: ReplyCode) -> Reply {
    Reply {
        msg_id: envelope.msg_id.clone(),
        code,
        first: None,
        reason: None,
        detail: None,
        expected_seq: applied + 1,
        county_case_no: None,
    }
}

fn later(envelope: &Envelope, applied: i64) -> Reply {
    Reply { reason: Some("seq_gap".into()), ..bare(envelope, applied, ReplyCode::Retry) }
}

/// The number or the name was used for another message.
fn refusal(envelope: &Envelope, applied: i64, code: Code) -> Reply {
    Reply { reason: Some(code.as_str().into()), ..bare(envelope, applied, ReplyCode::Invalid) }
}

/// Applies a kept message whose turn it is. What it may not do is its outcome; only the engine's faults are errors.
fn take(tx: &mut Tx, row: &mut InboxRow) -> Result<()> {
    let envelope: Envelope = wire::shape(&row.envelope.0)?;
    let outcome = tx.savepoint(|tx| apply(tx, &envelope));
    let (code, reason, detail, number) = match outcome {
        Ok(number) => (ReplyCode::Ok, None, None, number),
        Err(error) if error.cause.is_some() => return Err(error),
        Err(error) => (ReplyCode::Invalid, Some(error.code.as_str().to_owned()), error.detail, None),
    };
    (row.outcome, row.reason, row.detail, row.county_number) = (Some(code.to_string()), reason, detail, number);
    row.applied_at = Some(At(tx.now));
    store::inbox_save(tx.db, row)
}

/// Applies a message; returns our number of the case.
fn apply(tx: &mut Tx, envelope: &Envelope) -> Result<Option<String>> {
    match wire::read(envelope)? {
        Inbound::Dispatch(dispatch) => {
            let at = wire::moment(dispatch.at, envelope)?;
            dispatched(tx, &dispatch, &envelope.body, at).map(Some)
        }
        Inbound::VerificationResult(result) => {
            let state = if result.passed { ExchangeState::Passed } else { ExchangeState::Rework };
            let command = Command::Verify(Verify { passed: result.passed, note: result.note });
            step(tx, &result.city_case_no, &command, state, wire::moment(result.at, envelope)?).map(Some)
        }
        Inbound::ClosingNotice(notice) => {
            let at = wire::moment(notice.at, envelope)?;
            let command = Command::NotifyClosing(Nothing {});
            step(tx, &notice.city_case_no, &command, ExchangeState::Closed, at).map(Some)
        }
        Inbound::ExtensionDecision(decision) => decided(tx, envelope, decision).map(Some),
        Inbound::List(list) => compare(tx, envelope, &list).map(|()| None),
        Inbound::Skip => Ok(None),
    }
}

fn link(db: &mut Db, number: &str) -> Result<LinkRow> {
    store::link_by_number(db, number)?.ok_or_else(|| Error::not_found("cityCaseNo"))
}

fn cause(at: DateTime<Utc>) -> Cause {
    Cause { op: None, device: None, occurred_at: at }
}

/// A new case, or a new deadline for one that is here. A case that was sent back comes anew under its old number.
pub(super) fn dispatched(tx: &mut Tx, dispatch: &Dispatch, body: &Value, at: At) -> Result<String> {
    let city = the_city(tx)?;
    let known = store::link_by_number(tx.db, &dispatch.city_case_no)?;
    let known = known.filter(|link| link.state != ExchangeState::Returned.as_str());
    let row = match known {
        Some(link) => LinkRow { due_at: At(dispatch.deadline), dispatch: Json(body.clone()), ..link },
        None => {
            let id = CaseId(tx.id());
            let class = match rules::class_of(dispatch) {
                Some((named, plain)) => {
                    Some(store::code_here(tx.db, CodeKind::Class.as_str(), &named)?.unwrap_or(plain))
                }
                None => None,
            };
            let report = rules::report(dispatch, class);
            let occurred = dispatch.registered_at.unwrap_or(at.0);
            cases::actions::case_report(tx, &city, id, report, cause(occurred))?;
            LinkRow {
                city_number: dispatch.city_case_no.clone(),
                case_id: id,
                state: ExchangeState::Received.to_string(),
                due_at: At(dispatch.deadline),
                unit_code: dispatch.unit.as_ref().map(|unit| unit.code.clone()),
                line: 0,
                dispatch: Json(body.clone()),
                received_at: At(tx.now),
                updated_at: at,
            }
        }
    };
    store::link_put(tx.db, &row)?;
    let number = cases::actions::case_get(tx.db, &city, row.case_id)?.number;
    outbox::acknowledge(tx, &row, &number)?;
    Ok(number)
}

/// A step that the city takes on its case.
fn step(tx: &mut Tx, number: &str, command: &Command, state: ExchangeState, at: At) -> Result<String> {
    let city = the_city(tx)?;
    let link = link(tx.db, number)?;
    let case = match cases::actions::case_command(tx, &city, link.case_id, command, cause(at.0))? {
        Outcome::Applied(case) | Outcome::Merged(case, _) => case,
        // Somebody here was told by telephone and had entered it.
        Outcome::Superseded { case, .. } => return Ok(case.number),
        Outcome::Refused { case, .. } | Outcome::Contested { case, .. } => {
            return Err(Code::StageForbids.with(case.state));
        }
        Outcome::Waits { .. } | Outcome::Doubted(_) => return Err(Code::StageForbids.into()),
    };
    store::link_put(tx.db, &LinkRow { state: state.to_string(), updated_at: at, ..link })?;
    Ok(case.number)
}

/// The city's word on an extension moves the city's deadline, and ours when a request waits here.
fn decided(tx: &mut Tx, envelope: &Envelope, decision: ExtensionDecision) -> Result<String> {
    let city = the_city(tx)?;
    let mut link = link(tx.db, &decision.city_case_no)?;
    let case = cases::actions::case_get(tx.db, &city, link.case_id)?;
    if let Some(until) = decision.until.or(case.extension_until.map(|asked| asked.0)).filter(|_| decision.granted) {
        link.due_at = At(until);
        store::link_put(tx.db, &link)?;
    }
    let granted = decision.granted;
    let command = if case.extension_until.is_some() {
        Command::DecideExtension(cases::rules::ExtensionDecision { granted, reason: decision.reason })
    } else {
        let word = if granted { "同意延期" } else { "不同意延期" };
        Command::Note(Text { text: format!("市平台{word}。{}", decision.reason) })
    };
    let at = wire::moment(None, envelope)?;
    cases::actions::case_command(tx, &city, link.case_id, &command, cause(at.0))?;
    Ok(case.number)
}

/// Compares a list with what is here, keeps what differs and tells the city.
fn compare(tx: &mut Tx, envelope: &Envelope, list: &List) -> Result<()> {
    let ours = store::links_between(tx.db, list.after.as_deref(), list.until.as_deref())?;
    let moving: BTreeSet<CaseId> = store::outbox_cases_after(tx.db, list.seen_seq)?.into_iter().collect();
    let in_flight: BTreeSet<String> =
        ours.iter().filter(|(.., case)| moving.contains(case)).map(|(number, ..)| number.clone()).collect();
    let states: BTreeMap<String, String> = ours.into_iter().map(|(number, state, ..)| (number, state)).collect();
    let found = rules::differences(&list.items, &states, &in_flight);
    let count = |n: usize| i32::try_from(n).map_err(Error::internal);
    let (items, in_flight) = (count(list.items.len())?, count(in_flight.len())?);
    if !found.is_empty() {
        tracing::warn!(differences = found.len(), "the city's list and ours differ");
    }
    let row = ReconciliationRow {
        seq: envelope.seq,
        received_at: At(tx.now),
        items,
        in_flight,
        differences: Json(serde_json::to_value(&found).map_err(Error::internal)?),
    };
    store::reconciliation_add(tx.db, &row)?;
    let named = &found[..found.len().min(MOST_NAMED)];
    let result = json!({
        "list": envelope.msg_id, "after": list.after, "until": list.until, "items": items, "inFlight": in_flight,
        "differenceCount": found.len(), "differences": named,
    });
    outbox::queue(tx, wire::LIST_RESULT, None, result).map(drop)
}

/// How the exchange stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Whether there is a link.
    pub linked: bool,
    /// The last number of the city's that was applied.
    pub applied_seq: i64,
    /// Messages that came ahead of a missing one.
    pub waiting: i64,
    /// When the newest new message came.
    pub heard_at: Option<At>,
    /// The last number that was given to a message to the city.
    pub given_seq: i64,
    /// Messages to be sent.
    pub queued: i64,
    /// The first of them.
    pub first: Option<OutboxRow>,
    /// Dead letters that nobody has settled.
    pub dead: i64,
}

/// How the exchange stands.
///
/// # Errors
/// The engine's own.
pub fn standing(db: &mut Db) -> Result<Standing> {
    let (applied_seq, given_seq) = store::numbers(db)?;
    let (queued, dead) = store::outbox_counts(db, STUCK_AFTER)?;
    Ok(Standing {
        linked: store::is_enabled(db)?,
        applied_seq,
        waiting: store::inbox_waiting(db, applied_seq)?,
        heard_at: store::heard_at(db)?,
        given_seq,
        queued,
        first: store::outbox_head(db, 1)?.pop(),
        dead,
    })
}

/// Every case of the city's: number, state, since when.
///
/// # Errors
/// The engine's own.
pub fn list(db: &mut Db) -> Result<Vec<(String, String, At)>> {
    Ok(store::links_between(db, None, None)?.into_iter().map(|(number, state, at, _)| (number, state, at)).collect())
}

/// A page of the city's cases, with our number and our deadline.
///
/// # Errors
/// The engine's own.
pub fn link_page(
    db: &mut Db,
    due_differs: bool,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<(LinkRow, String, Option<At>)>> {
    store::link_page(db, due_differs, after, limit)
}

/// A page of what came, newest first. An outcome of `Some(None)` asks for what waits.
///
/// # Errors
/// The engine's own.
pub fn inbox_page(
    db: &mut Db,
    outcome: Option<Option<&str>>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<InboxRow>> {
    store::inbox_page(db, outcome, before, limit)
}

/// A page of what goes out, newest first; with `dead`, only what waits for a person.
///
/// # Errors
/// The engine's own.
pub fn outbox_page(
    db: &mut Db,
    state: Option<&str>,
    dead: bool,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<OutboxRow>> {
    store::outbox_page(db, state, dead.then_some(STUCK_AFTER), before, limit)
}

/// A page of what came of the city's lists, newest first.
///
/// # Errors
/// The engine's own.
pub fn reconciliation_page(db: &mut Db, before: Option<i64>, limit: i64) -> Result<Vec<ReconciliationRow>> {
    store::reconciliation_page(db, before, limit)
}

/// The code tables.
///
/// # Errors
/// The engine's own.
pub fn codes(db: &mut Db) -> Result<Vec<CodeRow>> {
    store::codes(db)
}

/// Says what a code of the city's is here.
///
/// # Errors
/// `value_invalid`, `not_found` for a unit.
pub fn code_put(tx: &mut Tx, kind: CodeKind, city_code: &str, county_code: &str) -> Result<()> {
    text("city_code", city_code, 64)?;
    match kind {
        CodeKind::Unit => drop(identity::actions::unit_by_code(tx.db, county_code)?),
        CodeKind::Class if rules::is_class_code(county_code) => {}
        CodeKind::Class => return Err(Code::ValueInvalid.with("county_code: 4–10 digits")),
    }
    let row = CodeRow { kind: kind.to_string(), city_code: city_code.into(), county_code: county_code.into() };
    store::code_put(tx.db, &row)
}

/// Takes a line of the code tables back.
///
/// # Errors
/// `not_found`.
pub fn code_remove(tx: &mut Tx, kind: CodeKind, city_code: &str) -> Result<()> {
    if store::code_remove(tx.db, kind.as_str(), city_code)? { Ok(()) } else { Err(Error::not_found("city_code")) }
}
