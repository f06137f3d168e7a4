//! The record of who did what, and the only way to the bytes. All in an open transaction.

use super::{
    rules::{self, AccessClass, Action, LOOK_EDGE, ONE_LOOK, Purpose},
    store::{self, EventRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, CustodyEventId, EvidenceId, Json, UserId},
    },
    error::{Code, Error, Result},
    evidence::{
        actions as evidence,
        rules::{Owner, State, Viewer},
        store::{self as pieces, EvidenceRow},
        view::Evidence,
    },
    identity::rules::Actor,
    tlog,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Who acts, why, and in which request.
#[derive(Debug, Clone)]
pub struct Act {
    /// The person, the device, or neither for whoever works on the server itself.
    pub who: Owner,
    /// Why, in the person's words; checked by [`rules::reason`].
    pub reason: Option<String>,
    /// The request, as the server's own log names it.
    pub request_id: Option<String>,
}

impl Act {
    /// Something that follows from what somebody did elsewhere.
    pub fn by(who: Owner) -> Act {
        Act { who, reason: None, request_id: None }
    }

    /// The person.
    ///
    /// # Errors
    /// `user_required`.
    pub(super) fn user(&self) -> Result<UserId> {
        self.who.user_id.ok_or_else(|| Code::UserRequired.into())
    }

    /// The reason.
    ///
    /// # Errors
    /// `reason_required`.
    pub(super) fn why(&self) -> Result<String> {
        self.reason.clone().ok_or_else(|| Code::ReasonRequired.into())
    }
}

/// The bytes somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// The original.
    Original(Purpose),
    /// A picture of it whose longer side has so many pixels.
    Picture(u32),
    /// Only how many they are: nothing is shown, so nothing is recorded.
    Count,
}

/// One look.
#[derive(Debug, Clone)]
pub struct Look {
    /// Who looks, by the keys they hold.
    pub viewer: Viewer,
    /// Who looks, and why.
    pub act: Act,
    /// At what.
    pub id: EvidenceId,
}

/// Evidence whose bytes may be sent to whoever asked: the look is on record. Nothing else makes one.
#[derive(Debug, Clone)]
pub struct Opened(EvidenceRow);

impl Opened {
    /// The evidence.
    pub fn row(&self) -> &EvidenceRow {
        &self.0
    }

    /// Whether it must not stay in a reader's cache.
    pub fn is_restricted(&self) -> bool {
        is_restricted(&self.0)
    }
}

/// Opens evidence and records the look.
///
/// # Errors
/// `not_found`, `evidence_not_stored`, `evidence_deleted`, or `reason_required`.
pub fn open(tx: &mut Tx, look: &Look, bytes: Bytes) -> Result<Opened> {
    let Some(row) = pieces::evidence_lock(tx.db, look.id)? else { return Err(Error::not_found("evidence")) };
    let seen = bytes_may_go(tx.db, look, row, bytes)?;
    Ok(Opened(recorded(tx, look, seen)?))
}

/// The same without a transaction, when there is nothing to record: the same look was a moment ago, or it is none.
///
/// # Errors
/// As [`open`].
pub fn opened_already(db: &mut Db, now: DateTime<Utc>, look: &Look, bytes: Bytes) -> Result<Option<Opened>> {
    let row = pieces::evidence_get(db, look.id)?.ok_or_else(|| Error::not_found("evidence"))?;
    let seen = bytes_may_go(db, look, row, bytes)?;
    Ok(if is_on_record(db, now, look, &seen)? { Some(Opened(seen.row)) } else { None })
}

/// The record of a piece, and the look at it. Restricted evidence is masked for whoever gives no reason; that shows no
/// more than a list does, and is not recorded.
///
/// # Errors
/// `not_found`.
pub fn show(tx: &mut Tx, look: &Look) -> Result<Evidence> {
    let seen = record_may_go(tx.db, look)?;
    pieces::evidence_lock(tx.db, look.id)?;
    let row = recorded(tx, look, seen)?;
    shown(tx.db, look, row)
}

/// The same without a transaction, when there is nothing to record.
///
/// # Errors
/// As [`show`].
pub fn shown_already(db: &mut Db, now: DateTime<Utc>, look: &Look) -> Result<Option<Evidence>> {
    let seen = record_may_go(db, look)?;
    if is_on_record(db, now, look, &seen)? { shown(db, look, seen.row).map(Some) } else { Ok(None) }
}

/// Opens evidence for a bundle that leaves the house.
///
/// # Errors
/// As [`open`]; `reason_required` for every class.
pub fn exported(tx: &mut Tx, ids: &[EvidenceId], act: &Act) -> Result<Vec<Opened>> {
    act.why()?;
    let mut opened = Vec::with_capacity(ids.len());
    for id in ids {
        let row = pieces::evidence_lock(tx.db, *id)?.ok_or_else(|| Error::not_found("evidence"))?;
        has_bytes(&row)?;
        record(tx, &row, Action::Exported, act, &json!({}))?;
        opened.push(Opened(row));
    }
    Ok(opened)
}

/// Opens a piece to make a picture of it; the record is written with the picture.
///
/// # Errors
/// As [`open`].
pub(super) fn opened_to_redact(db: &mut Db, look: &Look) -> Result<Opened> {
    let row = pieces::evidence_get(db, look.id)?.ok_or_else(|| Error::not_found("evidence"))?;
    bytes_may_go(db, look, row, Bytes::Count).map(|seen| Opened(seen.row))
}

/// Puts a line into the record, and the same as a leaf into the log.
///
/// # Errors
/// The engine's own.
pub fn record(tx: &mut Tx, row: &EvidenceRow, action: Action, act: &Act, detail: &Value) -> Result<()> {
    let id = CustodyEventId(tx.id());
    let kind = match action {
        Action::Linked | Action::Unlinked => tlog::Kind::Link,
        _ => tlog::Kind::Custody,
    };
    let body = json!({
        "event": id, "action": action, "sha256": row.sha256, "user": act.who.user_id, "device": act.who.device_id,
        "reason": act.reason, "detail": detail,
    });
    let log_entry_id = tlog::record(tx, kind, &format!("evidence:{}", row.id), &body)?;
    store::event_add(
        tx.db,
        &EventRow {
            id,
            evidence_id: row.id,
            action: action.to_string(),
            user_id: act.who.user_id,
            device_id: act.who.device_id,
            at: At(tx.now),
            reason: act.reason.clone(),
            detail: Json(detail.clone()),
            request_id: act.request_id.clone(),
            log_entry_id,
        },
    )
}

/// One page of the record, newest first, and the id it ended with when there is more.
///
/// # Errors
/// `not_found`.
pub fn events(
    db: &mut Db,
    viewer: &Viewer,
    id: EvidenceId,
    before: Option<CustodyEventId>,
    limit: usize,
) -> Result<(Vec<EventRow>, Option<CustodyEventId>)> {
    evidence::seen(db, viewer, id)?;
    let mut rows = store::events_before(db, id, before, i64::try_from(limit + 1).map_err(Error::internal)?)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.id).filter(|_| more);
    Ok((rows, next))
}

/// Changes who may open a piece how.
///
/// # Errors
/// `not_found`, or `evidence_deleted`.
pub fn set_access(tx: &mut Tx, id: EvidenceId, to: AccessClass, act: &Act) -> Result<Evidence> {
    let mut row = pieces::evidence_lock(tx.db, id)?.ok_or_else(|| Error::not_found("evidence"))?;
    is_there(&row)?;
    let from = std::mem::replace(&mut row.access_class, to.to_string());
    if from != row.access_class {
        let before = pieces::audience(tx.db, &row)?;
        pieces::evidence_save(tx.db, &row)?;
        let detail = json!({"what": "access", "from": from, "to": to});
        record(tx, &row, Action::ClassChanged, act, &detail)?;
        if row.state == State::Stored.as_str() {
            evidence::announce(tx, &row, before, None)?;
        }
    }
    let links = pieces::links_of(tx.db, &[id])?;
    Ok(Evidence::of(row, &links))
}

/// What a link says.
#[derive(Debug, Clone)]
pub struct OldLink {
    /// `case` or `spot_check`.
    pub kind: String,
    /// The record's id.
    pub id: String,
    /// What it showed there.
    pub role: String,
}

/// Takes back that a piece belongs to a record. What a case waits for to be closed stays.
///
/// # Errors
/// `not_found`, or `value_invalid` for a link that a closing waits for.
pub fn unlink(tx: &mut Tx, id: EvidenceId, link: &OldLink, act: &Act) -> Result<Evidence> {
    let row = pieces::evidence_lock(tx.db, id)?.ok_or_else(|| Error::not_found("evidence"))?;
    let links = pieces::links_of(tx.db, &[id])?;
    let old = links.iter().find(|l| l.target_kind == link.kind && l.target_id == link.id && l.role == link.role);
    let old = old.ok_or_else(|| Error::not_found("link"))?;
    if old.need != "none" {
        return Err(Code::ValueInvalid.with("the case can't be closed without this evidence"));
    }
    let before = pieces::audience(tx.db, &row)?;
    pieces::link_remove(tx.db, old)?;
    let detail = json!({"target_kind": link.kind, "target_id": link.id, "role": link.role});
    record(tx, &row, Action::Unlinked, act, &detail)?;
    if row.state == State::Stored.as_str() {
        evidence::announce(tx, &row, before, None)?;
    }
    let links = pieces::links_of(tx.db, &[id])?;
    Ok(Evidence::of(row, &links))
}

/// Whether opening it takes a reason.
pub fn is_restricted(row: &EvidenceRow) -> bool {
    // Whatever is not plainly normal is not.
    row.access_class != AccessClass::Normal.as_str()
}

/// A look that is allowed: at what, and what is to be recorded of it.
struct Seen {
    row: EvidenceRow,
    event: Option<(Action, Value)>,
}

fn bytes_may_go(db: &mut Db, look: &Look, row: EvidenceRow, bytes: Bytes) -> Result<Seen> {
    visible(db, look, &row)?;
    has_bytes(&row)?;
    let restricted = is_restricted(&row);
    if restricted && look.act.reason.is_none() {
        return Err(Code::ReasonRequired.into());
    }
    let event = match bytes {
        Bytes::Original(Purpose::Seen) => Some((Action::Seen, json!({"what": "original"}))),
        Bytes::Original(Purpose::Downloaded) => Some((Action::Downloaded, json!({"what": "original"}))),
        Bytes::Picture(edge) if restricted || edge >= LOOK_EDGE => Some((Action::Seen, json!({"what": "picture"}))),
        Bytes::Picture(_) | Bytes::Count => None,
    };
    Ok(Seen { row, event })
}

fn record_may_go(db: &mut Db, look: &Look) -> Result<Seen> {
    let row = evidence::seen(db, &look.viewer, look.id)?;
    let masked = is_restricted(&row) && look.act.reason.is_none();
    let event = if has_bytes(&row).is_err() || masked { None } else { Some((Action::Seen, json!({"what": "record"}))) };
    Ok(Seen { row, event })
}

fn visible(db: &mut Db, look: &Look, row: &EvidenceRow) -> Result<()> {
    if look.viewer.centre || look.viewer.sees(&pieces::audience(db, row)?) {
        return Ok(());
    }
    Err(Error::not_found("evidence"))
}

/// Whether its deletion is neither done nor approved.
pub(super) fn is_there(row: &EvidenceRow) -> Result<()> {
    if row.delete_at.is_some() { Err(Code::EvidenceDeleted.into()) } else { Ok(()) }
}

fn has_bytes(row: &EvidenceRow) -> Result<()> {
    is_there(row)?;
    if row.state == State::Stored.as_str() { Ok(()) } else { Err(Code::EvidenceNotStored.into()) }
}

/// The requests of one look, such as those for the parts of a film, make one line.
fn is_on_record(db: &mut Db, now: DateTime<Utc>, look: &Look, seen: &Seen) -> Result<bool> {
    let Some((action, detail)) = &seen.event else { return Ok(true) };
    let lately = store::events_of(db, look.id, &look.act.who, At(now - ONE_LOOK))?;
    Ok(lately.iter().any(|e| e.action == action.as_str() && e.reason == look.act.reason && e.detail.0 == *detail))
}

fn recorded(tx: &mut Tx, look: &Look, seen: Seen) -> Result<EvidenceRow> {
    if !is_on_record(tx.db, tx.now, look, &seen)?
        && let Some((action, detail)) = &seen.event
    {
        record(tx, &seen.row, *action, &look.act, detail)?;
    }
    Ok(seen.row)
}

fn shown(db: &mut Db, look: &Look, row: EvidenceRow) -> Result<Evidence> {
    let links = pieces::links_of(db, &[row.id])?;
    let all = look.act.reason.is_some();
    Ok(if all { Evidence::whole(row, &links) } else { Evidence::of(row, &links) })
}

/// A person in a request, with a reason that must be given.
///
/// # Errors
/// `value_invalid` for the reason.
pub fn act_of(actor: &Actor, reason: &str, request_id: Option<String>) -> Result<Act> {
    Ok(Act { who: Owner::person(actor), reason: Some(rules::reason(reason)?), request_id })
}
