//! Operations from "saved" to "answered".

use super::{
    ClientError, Result, Store, get, micros, put,
    schema::{base, media, outbox, sent},
};
use crate::{
    client::device::{ClockOffset, Identity},
    db::types::{At, OpId, SessionId, UserId},
    sync::wire::{self, Base, EvidenceRef, Gps, Op, OpResult, PushResponse, Status, Target},
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

/// An operation that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub op_id: OpId,
    /// Its JSON, never changed again.
    pub raw: String,
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

#[derive(Insertable, Queryable)]
#[diesel(table_name = outbox)]
struct OutboxRow {
    epoch: i32,
    seq: i64,
    op_id: OpId,
    chains: bool,
    target_kind: String,
    target_id: String,
    made_at: At,
    raw: String,
}

impl Store {
    /// Makes a draft an operation: its number, its bytes and its files' rows in one durable transaction.
    ///
    /// # Errors
    /// [`ClientError::NotEnrolled`] or [`ClientError::Store`]; nothing is saved then.
    pub fn save(&mut self, draft: Draft) -> Result<Op> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            let seq: i64 = get(db, "next_seq")?.unwrap_or(1);
            put(db, "next_seq", &(seq + 1))?;
            for attachment in &draft.attachments {
                media_add(db, attachment, draft.occurred_at)?;
            }
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
            let row = OutboxRow {
                epoch: identity.epoch,
                seq,
                op_id: op.op_id,
                chains: op.base.is_some() || op.r#type == "case.report",
                target_kind: draft.target.kind,
                target_id: draft.target.id.to_string(),
                made_at: At(op.occurred_at),
                raw,
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
        let rows: Vec<(OpId, String)> = outbox::table
            .order((outbox::epoch, outbox::seq))
            .select((outbox::op_id, outbox::raw))
            .limit(limit)
            .load(&mut self.db)?;
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

    /// The number of the next try to push, and the token that goes with it; kept before it is sent.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn begin_attempt(&mut self) -> Result<(i64, Option<String>)> {
        self.db.immediate_transaction(|db| {
            let attempt = get::<i64>(db, "attempt")?.unwrap_or(0) + 1;
            put(db, "attempt", &attempt)?;
            Ok((attempt, get(db, "push_token")?))
        })
    }

    /// Stores what a push was answered, in one transaction: results, the clock's offset, and, when the server's data
    /// began a new life, everything sent before goes into the outbox again: the server knows each repeat by its id.
    ///
    /// # Errors
    /// [`ClientError::Store`]; everything is sent again then, which is harmless.
    pub fn acknowledge(&mut self, batch: &[Queued], response: &PushResponse, now: DateTime<Utc>) -> Result<()> {
        self.db.immediate_transaction(|db| {
            let before: Option<String> = get(db, "generation")?;
            if before.is_some_and(|g| g != response.generation) {
                requeue(db)?;
            }
            put(db, "generation", &response.generation)?;
            put(db, "push_token", &response.push_token)?;
            put(db, "offset", &ClockOffset::measure(now, response.server_time))?;
            for (place, result) in response.results.iter().enumerate() {
                // An operation whose bytes the server could not read has no id there: its place tells.
                let op_id = result.op_id.or_else(|| batch.get(place).map(|queued| queued.op_id));
                if let Some(op_id) = op_id.filter(|id| batch.iter().any(|queued| queued.op_id == *id)) {
                    settle(db, op_id, result, now)?;
                }
            }
            Ok(())
        })
    }

    /// Stores that an operation went as bytes to the endpoint that takes anything.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn acknowledge_raw(&mut self, op_id: OpId, now: DateTime<Utc>) -> Result<()> {
        let result = OpResult {
            op_id: Some(op_id),
            status: Status::Quarantined,
            duplicate: false,
            code: Some("op_malformed".into()),
            detail: None,
            ver: None,
            result_seq: None,
            winner: None,
            conflict_id: None,
            waiting: Vec::new(),
            adjusted: Vec::new(),
            resolved_by: None,
        };
        self.db.immediate_transaction(|db| settle(db, op_id, &result, now))
    }

    /// Everything that was answered, oldest first.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn answered(&mut self) -> Result<Vec<Sent>> {
        let rows: Vec<(OpId, String, String)> = sent::table
            .order((sent::epoch, sent::seq))
            .select((sent::op_id, sent::raw, sent::result))
            .load(&mut self.db)?;
        rows.into_iter()
            .map(|(op_id, raw, result)| {
                let result = serde_json::from_str(&result).map_err(|e| ClientError::Store(e.to_string()))?;
                Ok(Sent { op_id, raw, result })
            })
            .collect()
    }

    /// Forgets answered operations that are older than `before` and need nobody any more. Those of the last weeks stay,
    /// so that a server restored from a backup can be healed.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn forget(&mut self, before: DateTime<Utc>) -> Result<usize> {
        let done = ["applied", "merged", "superseded", "rejected"];
        let old = sent::table.filter(sent::answered_at.lt(At(before))).filter(sent::status.eq_any(done));
        Ok(diesel::delete(old).execute(&mut self.db)?)
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
            .order((outbox::epoch.desc(), outbox::seq.desc()))
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
            .order((sent::epoch.desc(), sent::seq.desc()))
            .select(sent::op_id)
            .first(&mut self.db)
            .optional()?;
        Ok(match answered {
            Some(op) => Some(Base::Op { op }),
            None => known.map(|ver| Base::Version { ver }),
        })
    }
}

/// Moves an operation from the outbox to the answered ones, or notes a newer word about one that is there.
pub(super) fn settle(db: &mut SqliteConnection, op_id: OpId, result: &OpResult, now: DateTime<Utc>) -> Result<()> {
    let text = serde_json::to_string(result).map_err(|e| ClientError::Store(e.to_string()))?;
    let word = (
        sent::answered_at.eq(At(micros(now))),
        sent::status.eq(result.status.as_str()),
        sent::code.eq(&result.code),
        sent::ver.eq(result.ver),
        sent::result_seq.eq(result.result_seq),
        sent::result.eq(&text),
    );
    let waiting = outbox::table.filter(outbox::op_id.eq(op_id));
    let Some(row) = waiting.first::<OutboxRow>(db).optional()? else {
        diesel::update(sent::table.find(op_id)).set(word).execute(db)?;
        return Ok(());
    };
    diesel::delete(waiting).execute(db)?;
    let copy = (
        sent::op_id.eq(row.op_id),
        sent::epoch.eq(row.epoch),
        sent::seq.eq(row.seq),
        sent::chains.eq(row.chains),
        sent::target_kind.eq(row.target_kind),
        sent::target_id.eq(row.target_id),
        sent::made_at.eq(row.made_at),
        sent::raw.eq(row.raw),
    );
    diesel::replace_into(sent::table).values((copy, word)).execute(db)?;
    Ok(())
}

/// The server was restored from a backup: what it has answered since may be gone there.
fn requeue(db: &mut SqliteConnection) -> Result<()> {
    diesel::sql_query(
        "INSERT OR IGNORE INTO outbox (epoch, seq, op_id, chains, target_kind, target_id, made_at, raw) \
         SELECT epoch, seq, op_id, chains, target_kind, target_id, made_at, raw FROM sent",
    )
    .execute(db)?;
    diesel::sql_query("UPDATE media SET state = 'waiting', upload_url = NULL, receipt = NULL WHERE state = 'stored'")
        .execute(db)?;
    Ok(())
}

fn media_add(db: &mut SqliteConnection, attachment: &Attachment, now: DateTime<Utc>) -> Result<()> {
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
    Ok(())
}
