//! Operations from "saved" to "answered".

use super::{
    ClientError, Result, Store,
    captures::{self, CaptureDraft},
    get, micros, put,
    schema::{base, media, media_of, outbox, sent},
};
use crate::{
    captures::rules::{MOST_MEDIA, Medium},
    client::{device::Identity, keep::Queued, rules::ENVELOPE},
    db::types::{At, OpId, SessionId, UserId},
    sync::wire::{self, Base, EvidenceRef, Gps, MAX_PUSH_BYTES, Op, OpResult, Target},
};
use chrono::{DateTime, Utc};
use diesel::{prelude::*, sqlite::SqliteConnection};
use std::path::PathBuf;

/// An operation as a person makes it; the store gives it its number.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub op_id: OpId,
    /// `case.handle` and so on.
    pub r#type: String,
    /// What it acts on.
    pub target: Target,
    /// What the person saw; `None` for operations that only add.
    pub base: Option<Base>,
    /// What must come first.
    pub depends_on: Vec<OpId>,
    /// Who.
    pub actor: UserId,
    /// In which session.
    pub session: SessionId,
    /// When, by the device's wall clock.
    pub occurred_at: DateTime<Utc>,
    /// When, by its monotonic clock: milliseconds and the boot they count from.
    pub mono: Option<(i64, String)>,
    /// Where.
    pub gps: Option<Gps>,
    /// What the type needs.
    pub args: serde_json::Value,
    /// Files that belong to it; they must lie on the disk, synced, before it is saved.
    pub attachments: Vec<Attachment>,
}

/// A file that an operation names.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where it lies.
    pub path: PathBuf,
    /// How the operation names it.
    pub evidence: EvidenceRef,
}

/// An operation that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub op_id: OpId,
    /// Its JSON.
    pub raw: String,
    /// The latest word of the server about it.
    pub result: OpResult,
}

/// An operation whose effect the records do not show yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Its id.
    pub op_id: OpId,
    /// Its JSON.
    pub raw: String,
    /// The server's word about it, if there is one.
    pub result: Option<OpResult>,
}

/// Statuses that still may become others.
pub(super) const OPEN: [&str; 3] = ["held", "conflict", "quarantined"];

#[derive(Insertable, Queryable)]
#[diesel(table_name = outbox)]
struct OutboxRow {
    place: i64,
    epoch: i32,
    seq: i64,
    op_id: OpId,
    chains: bool,
    target_kind: String,
    target_id: String,
    made_at: At,
    raw: String,
    arrived: bool,
}

/// The most bytes of an operation that a push can carry.
const MAX_OP: usize = MAX_PUSH_BYTES - ENVELOPE;

impl Store {
    /// Makes a draft an operation: its number, its bytes and its files' rows in one durable transaction.
    ///
    /// # Errors
    /// [`ClientError::NotEnrolled`], [`ClientError::TooLarge`] or [`ClientError::Store`]; nothing is saved then.
    pub fn save(&mut self, draft: Draft) -> Result<Op> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            let (seq, place) = (count(db, "next_seq")?, count(db, "next_place")?);
            let target_id = draft.target.id.to_string();
            for attachment in &draft.attachments {
                media_add(db, attachment, (&draft.target.kind, &target_id), draft.occurred_at)?;
            }
            sign(db, &identity, &draft)?;
            let (mono_ms, boot) = draft.mono.unzip();
            let op = Op {
                op_id: draft.op_id,
                seq,
                was: None,
                r#type: draft.r#type,
                v: 1,
                target: Some(draft.target.clone()),
                base: draft.base,
                depends_on: draft.depends_on,
                actor: draft.actor,
                session: draft.session,
                occurred_at: micros(draft.occurred_at),
                mono_ms,
                boot,
                gps: draft.gps,
                evidence: draft.attachments.into_iter().map(|a| a.evidence).collect(),
                args: draft.args,
            };
            let raw = serde_json::to_string(&op).map_err(|e| ClientError::Store(e.to_string()))?;
            if raw.len() > MAX_OP {
                return Err(ClientError::TooLarge(raw.len()));
            }
            // What was settled and answered stays known: the same id for other work would never be looked at.
            let known: i64 = sent::table.filter(sent::op_id.eq(op.op_id)).count().get_result(db)?;
            if known > 0 {
                return Err(ClientError::Store(format!("operation {} was saved before", op.op_id)));
            }
            let row = OutboxRow {
                place,
                epoch: identity.epoch,
                seq,
                op_id: op.op_id,
                chains: op.base.is_some() || op.r#type == "case.report",
                target_kind: draft.target.kind,
                target_id,
                made_at: At(op.occurred_at),
                raw,
                arrived: false,
            };
            diesel::insert_into(outbox::table).values(&row).execute(db)?;
            Ok(op)
        })
    }

    /// The oldest operations that wait.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn waiting(&mut self, limit: usize) -> Result<Vec<Queued>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<(OpId, String)> =
            outbox::table.order(outbox::place).select((outbox::op_id, outbox::raw)).limit(limit).load(&mut self.db)?;
        Ok(rows.into_iter().map(|(op_id, raw)| Queued { op_id, raw }).collect())
    }

    /// What a push says about the outbox.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn outbox_summary(&mut self) -> Result<wire::Outbox> {
        let depth: i64 = outbox::table.count().get_result(&mut self.db)?;
        let oldest: Option<At> = outbox::table.select(diesel::dsl::min(outbox::made_at)).first(&mut self.db)?;
        let next: i64 = self.get("next_seq")?.unwrap_or(1);
        Ok(wire::Outbox { depth, oldest: oldest.map(|at| at.0), high_seq: next - 1 })
    }

    /// Everything that was answered, oldest first.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn answered(&mut self) -> Result<Vec<Sent>> {
        let rows: Vec<(OpId, String, String)> =
            sent::table.order(sent::place).select((sent::op_id, sent::raw, sent::result)).load(&mut self.db)?;
        rows.into_iter()
            .map(|(op_id, raw, result)| {
                let result = serde_json::from_str(&result).map_err(|e| ClientError::Store(e.to_string()))?;
                Ok(Sent { op_id, raw, result })
            })
            .collect()
    }

    /// What this device did to a record and the record does not show yet, oldest first: a view is the record with these
    /// on top, so that nobody's own step disappears between its answer and the feed.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn unseen(&mut self, target: &Target) -> Result<Vec<Unseen>> {
        let (kind, id) = (&target.kind, target.id.to_string());
        let seen = self.position()?.map_or(0, |position| position.seq);
        let answered: Vec<(i64, OpId, String, String)> = sent::table
            .filter(sent::target_kind.eq(kind).and(sent::target_id.eq(&id)))
            .filter(sent::result_seq.gt(seen).or(sent::status.eq_any(OPEN)))
            .select((sent::place, sent::op_id, sent::raw, sent::result))
            .load(&mut self.db)?;
        let waiting: Vec<(i64, OpId, String)> = outbox::table
            .filter(outbox::target_kind.eq(kind).and(outbox::target_id.eq(&id)))
            .select((outbox::place, outbox::op_id, outbox::raw))
            .load(&mut self.db)?;
        let mut all: Vec<(i64, Unseen)> = Vec::new();
        for (place, op_id, raw, result) in answered {
            let result = serde_json::from_str(&result).map_err(|e| ClientError::Store(e.to_string()))?;
            all.push((place, Unseen { op_id, raw, result: Some(result) }));
        }
        all.extend(waiting.into_iter().map(|(place, op_id, raw)| (place, Unseen { op_id, raw, result: None })));
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(all.into_iter().map(|(_, unseen)| unseen).collect())
    }

    /// What a person who acts on this record now has seen: their own last step, when the feed has not brought its
    /// outcome yet, or the version from the feed. Never a guessed version: guesses meet other people's numbers.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn base_for(&mut self, target: &Target) -> Result<Option<Base>> {
        let (kind, id) = (&target.kind, target.id.to_string());
        let known: Option<i64> = base::table.find((kind, &id)).select(base::ver).first(&mut self.db).optional()?;
        let own: Option<OpId> = outbox::table
            .filter(outbox::target_kind.eq(kind).and(outbox::target_id.eq(&id)).and(outbox::chains))
            .order(outbox::place.desc())
            .select(outbox::op_id)
            .first(&mut self.db)
            .optional()?;
        if let Some(op) = own {
            return Ok(Some(Base::Op { op }));
        }
        // Answered well, but the feed still shows the version before.
        let answered: Option<OpId> = sent::table
            .filter(sent::target_kind.eq(kind).and(sent::target_id.eq(&id)).and(sent::chains))
            .filter(sent::status.eq_any(["applied", "merged"]).and(sent::ver.gt(known.unwrap_or(0))))
            .order(sent::place.desc())
            .select(sent::op_id)
            .first(&mut self.db)
            .optional()?;
        Ok(match answered {
            Some(op) => Some(Base::Op { op }),
            None => known.map(|ver| Base::Version { ver }),
        })
    }
}

/// Signs that this was done, with these files.
fn sign(db: &mut SqliteConnection, identity: &Identity, draft: &Draft) -> Result<()> {
    let medium = |a: &Attachment| Medium { sha256: a.evidence.sha256.clone(), size: a.evidence.size };
    let body = serde_json::json!({
        "op_id": draft.op_id, "op_type": draft.r#type, "target_id": draft.target.id, "target_kind": draft.target.kind,
    });
    for files in draft.attachments.chunks(MOST_MEDIA) {
        let record = CaptureDraft {
            r#type: "action",
            body: body.as_object().cloned().unwrap_or_default(),
            media: files.iter().map(medium).collect(),
            gps: draft.gps.clone(),
            wall: draft.occurred_at,
            mono: draft.mono.clone(),
        };
        captures::append(db, identity, record)?;
    }
    Ok(())
}

/// Moves an operation from the outbox to the answered ones; returns false when it does not wait.
pub(super) fn settle(db: &mut SqliteConnection, op_id: OpId, result: &OpResult, at: DateTime<Utc>) -> Result<bool> {
    let waiting = outbox::table.filter(outbox::op_id.eq(op_id));
    let Some(row) = waiting.first::<OutboxRow>(db).optional()? else { return Ok(false) };
    diesel::delete(waiting).execute(db)?;
    // That it is a repeat is our doing then: it had come under its own number.
    let result = &OpResult { duplicate: result.duplicate && !row.arrived, ..result.clone() };
    let text = serde_json::to_string(result).map_err(|e| ClientError::Store(e.to_string()))?;
    let copy = (
        sent::op_id.eq(row.op_id),
        sent::place.eq(row.place),
        sent::epoch.eq(row.epoch),
        sent::seq.eq(row.seq),
        sent::chains.eq(row.chains),
        sent::target_kind.eq(row.target_kind),
        sent::target_id.eq(row.target_id),
        sent::made_at.eq(row.made_at),
        sent::raw.eq(row.raw),
    );
    let word = (
        sent::answered_at.eq(At(micros(at))),
        sent::status.eq(result.status.as_str()),
        sent::code.eq(&result.code),
        sent::ver.eq(result.ver),
        sent::result_seq.eq(result.result_seq),
        sent::result.eq(&text),
    );
    diesel::replace_into(sent::table).values((copy, word)).execute(db)?;
    Ok(true)
}

/// Keeps a newer word about an operation that was answered before.
pub(super) fn amend(db: &mut SqliteConnection, op_id: OpId, result: &OpResult) -> Result<()> {
    let fail = |e: serde_json::Error| ClientError::Store(e.to_string());
    let Some(before) = sent::table.find(op_id).select(sent::result).first::<String>(db).optional()? else {
        return Ok(());
    };
    // Whether it had come under its own number is the first answer's word, not the feed's.
    let before: OpResult = serde_json::from_str(&before).map_err(fail)?;
    let text = serde_json::to_string(&OpResult { duplicate: before.duplicate, ..result.clone() }).map_err(fail)?;
    let word = (
        sent::status.eq(result.status.as_str()),
        sent::code.eq(&result.code),
        sent::ver.eq(result.ver),
        sent::result_seq.eq(result.result_seq),
        sent::result.eq(&text),
    );
    diesel::update(sent::table.find(op_id)).set(word).execute(db)?;
    Ok(())
}

/// The next number of a counter.
fn count(db: &mut SqliteConnection, name: &str) -> Result<i64> {
    let number: i64 = get(db, name)?.unwrap_or(1);
    put(db, name, &(number + 1))?;
    Ok(number)
}

fn media_add(
    db: &mut SqliteConnection,
    attachment: &Attachment,
    (kind, id): (&str, &str),
    now: DateTime<Utc>,
) -> Result<()> {
    let evidence = &attachment.evidence;
    let name = attachment.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let path = attachment
        .path
        .to_str()
        .ok_or_else(|| ClientError::File(format!("{}: the path is not UTF-8", attachment.path.display())))?;
    let row = (
        media::sha256.eq(&evidence.sha256),
        media::path.eq(path),
        media::size.eq(evidence.size),
        media::mime.eq(&evidence.mime),
        media::filename.eq(name),
        media::captured_at.eq(evidence.captured_at.map(At)),
        media::added_at.eq(At(micros(now))),
        media::state.eq("waiting"),
    );
    diesel::insert_or_ignore_into(media::table).values(row).execute(db)?;
    let of = (media_of::sha256.eq(&evidence.sha256), media_of::kind.eq(kind), media_of::id.eq(id));
    diesel::insert_or_ignore_into(media_of::table).values(of).execute(db)?;
    Ok(())
}
