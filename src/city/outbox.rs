//! What the city is told: written with the step it tells of, sent in order, and what a person does with what was refused.

use super::{
    actions::the_city,
    rules::{self, CodeKind},
    store::{self, LinkRow, OutboxRow},
    wire::{self, Envelope, Reply},
};
use crate::{
    cases,
    db::{
        Db, Tx,
        types::{At, CaseId, Json, MessageId, UserId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{text, text_enum},
    },
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

text_enum! {
    /// Where a message to the city stands.
    OutboxState {
        /// To be sent.
        Queued = "queued",
        /// The city applied it.
        Delivered = "delivered",
        /// The city refused it for good: a dead letter, until a person settles it.
        Refused = "refused",
        /// Given up before the city answered; another message took its number.
        Replaced = "replaced",
    }
}

/// A message that failed so often is shown as a dead letter, though it is still tried.
pub const STUCK_AFTER: i32 = 10;
/// Lines of a timeline in one read.
const LINES: i64 = 200;

/// Tells the city of the steps of its cases that this transaction took. Runs at the end of every writing transaction.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn follow(tx: &mut Tx) -> Result<()> {
    let changed: BTreeSet<CaseId> = tx.changed("case").filter_map(|id| id.parse().ok()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    tell(tx, &changed.into_iter().collect::<Vec<_>>())
}

/// Tells what was not told because there was no link: first that cases are here, then their steps.
///
/// # Errors
/// The engine's own.
pub fn catch_up(tx: &mut Tx) -> Result<()> {
    if !store::is_enabled(tx.db)? {
        return Ok(());
    }
    for (link, number) in store::links_unacknowledged(tx.db)? {
        acknowledge(tx, &link, &number)?;
    }
    for cases in store::links_behind(tx.db)?.chunks(1000) {
        tell(tx, cases)?;
    }
    Ok(())
}

fn tell(tx: &mut Tx, cases: &[CaseId]) -> Result<()> {
    let links = store::links_locked(tx.db, cases)?;
    // Without a link the lines wait: they are told when there is one again.
    if links.is_empty() || !store::is_enabled(tx.db)? {
        return Ok(());
    }
    let city = the_city(tx)?;
    for mut link in links {
        let case = cases::actions::case_get(tx.db, &city, link.case_id)?;
        while link.line < case.lines {
            let lines = cases::actions::case_timeline(tx.db, &city, link.case_id, link.line, LINES)?;
            if lines.is_empty() {
                break;
            }
            for (line, _) in lines {
                link.line = line.seq;
                // What the city did itself it knows; what changed nothing is nobody's news.
                if line.actor_id == city.user_id || line.ver.is_none() {
                    continue;
                }
                let Some(telling) = rules::telling(&line.command, &line.args.0) else { continue };
                let mut body = telling.body;
                body.insert("at".into(), json!(line.at));
                body.insert("unit".into(), unit(tx.db, case.unit_id)?);
                about(tx, telling.kind, &link, &case.number, body)?;
                if let Some(state) = telling.state {
                    (link.state, link.updated_at) = (state.to_string(), line.at);
                }
            }
        }
        store::link_put(tx.db, &link)?;
    }
    Ok(())
}

/// A unit as the city knows it.
fn unit(db: &mut Db, id: Option<crate::db::types::UnitId>) -> Result<Value> {
    let Some(id) = id else { return Ok(Value::Null) };
    let unit = identity::actions::unit_get(db, id)?;
    let code = store::code_there(db, CodeKind::Unit.as_str(), &unit.code)?;
    Ok(json!({"code": code, "countyCode": unit.code, "name": unit.name}))
}

/// Tells the city that its case is here, and by when it is to be handled as we understood it.
pub(super) fn acknowledge(tx: &mut Tx, link: &LinkRow, number: &str) -> Result<()> {
    let body = json!({"at": tx.now, "deadline": link.due_at}).as_object().cloned().unwrap_or_default();
    about(tx, wire::ACKNOWLEDGE, link, number, body)
}

/// Queues a message about a case.
pub(super) fn about(
    tx: &mut Tx,
    kind: &str,
    link: &LinkRow,
    number: &str,
    mut body: serde_json::Map<String, Value>,
) -> Result<()> {
    body.insert("cityCaseNo".into(), json!(link.city_number));
    body.insert("countyCaseNo".into(), json!(number));
    queue(tx, kind, Some(link.case_id), body.into()).map(drop)
}

/// Queues a message; nothing when there is no link.
pub(super) fn queue(tx: &mut Tx, kind: &str, case_id: Option<CaseId>, body: Value) -> Result<Option<MessageId>> {
    if !store::is_enabled(tx.db)? {
        return Ok(None);
    }
    let seq = store::number_next(tx.db)?;
    let row = fresh(tx, seq, kind, case_id, body);
    store::outbox_add(tx.db, &row)?;
    Ok(Some(row.msg_id))
}

fn fresh(tx: &Tx, seq: i64, kind: &str, case_id: Option<CaseId>, body: Value) -> OutboxRow {
    OutboxRow {
        msg_id: MessageId(tx.id()),
        seq,
        kind: kind.to_owned(),
        case_id,
        body: Json(body),
        state: OutboxState::Queued.to_string(),
        attempts: 0,
        next_try_at: At(tx.now),
        last_error: None,
        queued_at: At(tx.now),
        settled_at: None,
        settled_by: None,
        settled_note: None,
    }
}

/// A message as it is sent; the same each time.
#[must_use]
pub fn envelope(row: &OutboxRow) -> Envelope {
    let (from, to) = wire::OUTBOUND;
    Envelope {
        msg_id: row.msg_id.to_string(),
        r#type: row.kind.clone(),
        schema: wire::SCHEMA.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        sent_at: row.queued_at.0,
        seq: row.seq,
        body: row.body.0.clone(),
    }
}

/// How long one turn to send lasts at most; a process that died loses it after that.
pub const TURN: TimeDelta = TimeDelta::seconds(90);

/// Takes the turn to send, and what is to be sent now, in order. Nothing while another process has the turn, or while
/// the first message still waits for its next try.
///
/// # Errors
/// The engine's own.
pub fn turn_take(tx: &mut Tx, me: &str, most: i64) -> Result<Vec<OutboxRow>> {
    if !store::turn_take(tx.db, me, At(tx.now), At(tx.now + TURN))? {
        return Ok(vec![]);
    }
    let head = store::outbox_head(tx.db, most)?;
    let due = head.first().is_some_and(|first| first.next_try_at.0 <= tx.now);
    Ok(if due { head } else { vec![] })
}

/// Whether there is something to be sent now.
///
/// # Errors
/// The engine's own.
pub fn is_due(db: &mut Db, now: At) -> Result<bool> {
    Ok(store::outbox_head(db, 1)?.first().is_some_and(|first| first.next_try_at <= now))
}

/// What a try to send came to.
#[derive(Debug, Clone)]
pub enum Tried {
    /// The city answered.
    Answered(Reply),
    /// No answer, or none that can be read; in words.
    Failed(String),
}

/// Writes down what the tries of a turn came to. Returns how many messages are done with.
///
/// # Errors
/// The engine's own.
pub fn turn_end(tx: &mut Tx, tries: Vec<(OutboxRow, Tried)>) -> Result<usize> {
    let mut done = 0;
    for (sent, tried) in tries {
        // Somebody may have given it up meanwhile.
        let Some(mut row) = store::outbox_locked(tx.db, sent.msg_id)? else { continue };
        if row.state != OutboxState::Queued.as_str() {
            continue;
        }
        row.attempts += 1;
        let verdict = match &tried {
            Tried::Answered(reply) => reply.verdict(),
            Tried::Failed(_) => None,
        };
        match verdict {
            Some(true) => {
                (row.state, row.last_error) = (OutboxState::Delivered.to_string(), None);
                row.settled_at = Some(At(tx.now));
                done += 1;
            }
            Some(false) => {
                (row.state, row.last_error) = (OutboxState::Refused.to_string(), Some(said(&tried)));
                row.settled_at = None;
                done += 1;
            }
            None => {
                row.last_error = Some(said(&tried));
                let wait = rules::backoff(row.attempts, tx.env().below(1001));
                row.next_try_at = At(tx.now + wait);
                if let Tried::Answered(reply) = &tried
                    && reply.expected_seq < row.seq
                {
                    // The city stands further back than what it had answered: a backup was put back there.
                    let reopened = store::outbox_reopen(tx.db, reply.expected_seq, row.seq, At(tx.now))?;
                    if reopened > 0 {
                        row.next_try_at = At(tx.now);
                        tracing::warn!(reopened, "the city has lost messages; they are sent again");
                    }
                }
            }
        }
        store::outbox_save(tx.db, &row)?;
    }
    Ok(done)
}

fn said(tried: &Tried) -> String {
    let text = match tried {
        Tried::Answered(reply) => {
            let reason = reply.reason.as_deref().unwrap_or_default();
            format!("{} {reason} {}", reply.code, reply.detail.as_deref().unwrap_or_default())
        }
        Tried::Failed(text) => text.clone(),
    };
    // It came from outside: bounded, and nothing that one of the engines can't store.
    text.trim().chars().filter(|c| !c.is_control()).take(500).collect()
}

/// A dead letter that waits for a person.
fn dead(tx: &mut Tx, id: MessageId) -> Result<OutboxRow> {
    let row = store::outbox_locked(tx.db, id)?.ok_or_else(|| Error::not_found("message"))?;
    let refused = row.state == OutboxState::Refused.as_str() && row.settled_at.is_none();
    if refused || (row.state == OutboxState::Queued.as_str() && row.attempts > 0) {
        return Ok(row);
    }
    Err(Code::ReviewClosed.with(row.state))
}

/// Sends a message once more: one that was refused as a new message with the unit's present code, one that waits for
/// its next try at once.
///
/// # Errors
/// `not_found`, `review_closed`.
pub fn resend(tx: &mut Tx, by: UserId, id: MessageId) -> Result<OutboxRow> {
    let mut row = dead(tx, id)?;
    if row.state == OutboxState::Queued.as_str() {
        (row.attempts, row.next_try_at) = (0, At(tx.now));
        store::outbox_save(tx.db, &row)?;
        return Ok(row);
    }
    let mut body = row.body.0.clone();
    if let Some(code) = body.pointer("/unit/countyCode").and_then(Value::as_str).map(str::to_owned) {
        body["unit"]["code"] = json!(store::code_there(tx.db, CodeKind::Unit.as_str(), &code)?);
    }
    let Some(fresh) = queue(tx, &row.kind, row.case_id, body)? else {
        return Err(Error::not_found("city link"));
    };
    (row.settled_at, row.settled_by) = (Some(At(tx.now)), Some(by));
    row.settled_note = Some(format!("resent as {fresh}"));
    store::outbox_save(tx.db, &row)?;
    store::outbox_locked(tx.db, fresh)?.ok_or_else(|| Error::internal("a message vanished"))
}

/// Gives a message up, with a reason. Its number may not stay empty: unless the city has used it up already, it carries
/// word that nothing comes.
///
/// # Errors
/// `value_invalid`, `not_found`, `review_closed`.
pub fn give_up(tx: &mut Tx, by: UserId, id: MessageId, reason: &str) -> Result<OutboxRow> {
    text("reason", reason, 500)?;
    let mut row = dead(tx, id)?;
    let replace = row.state == OutboxState::Queued.as_str();
    if replace {
        row.state = OutboxState::Replaced.to_string();
    }
    (row.settled_at, row.settled_by, row.settled_note) = (Some(At(tx.now)), Some(by), Some(reason.to_owned()));
    store::outbox_save(tx.db, &row)?;
    if replace {
        let body = json!({"instead": row.msg_id, "type": row.kind, "reason": reason});
        let skip = fresh(tx, row.seq, wire::SKIP, row.case_id, body);
        store::outbox_add(tx.db, &skip)?;
    }
    Ok(row)
}
