//! Operations in: each is read, remembered, judged by its area, and answered with what is stored.
//!
//! One chunk of a push is one transaction; in it each operation has its savepoint, so a refused one takes nothing of
//! its neighbours with it. The answer is read back from the record after the commit: what a device is told is what is
//! durable, and a repeat reads the same row.

use super::{
    store::{self, OpRow, RawRow},
    verdict::{self, Verdict},
    wire::{Op, OpResult, Outbox, Status},
};
use crate::{
    cases,
    db::{
        Db, Tx,
        feed::Change,
        types::{At, CaseId, ConflictId, DeviceId, Json, OpId, SessionId, UserId},
    },
    error::{Code, Error, Result},
    http::body::holds_nul,
    identity::{self, rules::Actor, store::DeviceRow, tokens::sha256},
};
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};

/// Operations a transaction. PostgreSQL keeps 64 savepoints of a transaction in its fast path.
pub const CHUNK: usize = 50;

/// The sender of a chunk.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The device that authenticated.
    pub device: DeviceId,
    /// The epoch it claims.
    pub epoch: i32,
    /// Its client.
    pub app: String,
    /// What waits on it.
    pub outbox: Outbox,
}

/// What became of one operation of a chunk: a stored result, or an answer of its own.
#[derive(Debug, Clone)]
pub enum Taken {
    /// Read the stored result; `true` when it was there before.
    Stored(OpId, bool),
    /// It could not be stored as an operation.
    Answer(OpResult),
}

/// Takes a chunk.
///
/// # Errors
/// `epoch_stale`, `device_unknown`, and transient errors: then nothing of the chunk is recorded and it may be sent
/// again.
pub fn take(tx: &mut Tx, sender: &Sender, ops: &[Vec<u8>]) -> Result<Vec<Taken>> {
    let mut device = identity::actions::device_locked(tx.db, sender.device)?;
    if device.epoch != sender.epoch {
        return Err(Code::EpochStale.with(device.epoch.to_string()));
    }
    let read: Vec<Result<Op>> = ops.iter().map(|raw| parse(raw)).collect();
    let good: Vec<&Op> = read.iter().filter_map(|op| op.as_ref().ok()).collect();
    let ids: Vec<OpId> = good.iter().map(|op| op.op_id).collect();
    let mut known: HashMap<OpId, Vec<u8>> =
        store::ops_by_id(tx.db, &ids)?.into_iter().map(|row| (row.op_id, row.raw_sha256)).collect();
    let cases: Vec<CaseId> =
        good.iter().filter_map(|op| op.target.as_ref()).filter(|t| t.kind == "case").map(|t| CaseId(t.id)).collect();
    cases::actions::cases_lock(tx, &cases)?;
    let mut actors = HashMap::new();
    let mut taken = Vec::with_capacity(ops.len());
    let mut rows: Vec<OpRow> = Vec::new();
    for (raw, op) in ops.iter().zip(read) {
        let hash = sha256(raw);
        let op = match op {
            Ok(op) => op,
            Err(error) => {
                keep_raw(tx, sender.device, error.code, raw)?;
                taken.push(Taken::Answer(refusal(None, &error)));
                continue;
            }
        };
        if let Some(first) = known.get(&op.op_id) {
            if *first == hash {
                taken.push(Taken::Stored(op.op_id, true));
            } else {
                keep_raw(tx, sender.device, Code::OpIdReused, raw)?;
                taken.push(Taken::Answer(refusal(Some(op.op_id), &Code::OpIdReused.into())));
            }
            continue;
        }
        known.insert(op.op_id, hash.clone());
        let verdict = judge(tx, &op, raw, &device, &mut rows, &mut actors)?;
        device.high_seq = device.high_seq.max(op.seq);
        let row = OpRow {
            op_id: op.op_id,
            device_id: device.id,
            epoch: device.epoch,
            seq: op.seq,
            actor_id: Some(op.actor),
            session_id: Some(op.session),
            op_type: op.r#type.clone(),
            op_version: op.v,
            target_kind: op.target.as_ref().map(|t| t.kind.clone()),
            target_id: op.target.as_ref().map(|t| t.id.to_string()),
            raw: raw.clone(),
            raw_sha256: hash,
            occurred_at: Some(At(op.occurred_at)),
            received_at: At(tx.now),
            status: Status::Held.to_string(),
            code: None,
            detail: None,
            ver: None,
            result_seq: None,
            conflict_id: None,
            winner_op: None,
            waiting: Json(serde_json::Value::Array(vec![])),
        };
        rows.push(with(row, &verdict, tx)?);
        tx.settle(wait_for_op(op.op_id));
        taken.push(Taken::Stored(op.op_id, false));
    }
    save(tx, &mut rows)?;
    device.high_seq = device.high_seq.max(sender.outbox.high_seq);
    device.outbox_depth = Some(sender.outbox.depth);
    device.app = Some(sender.app.clone());
    device.last_push_at = Some(At(tx.now));
    identity::actions::device_save(tx.db, &device)?;
    Ok(taken)
}

fn parse(raw: &[u8]) -> Result<Op> {
    if holds_nul(raw) {
        return Err(Code::NulCharacter.into());
    }
    let op: Op = serde_json::from_slice(raw).map_err(|e| Code::OpMalformed.with(e.to_string()))?;
    // Both engines hold these in columns of their own.
    if op.seq < 1 || op.r#type.len() > 64 || op.target.as_ref().is_some_and(|t| t.kind.len() > 32) {
        return Err(Code::OpMalformed.with("seq from 1, type at most 64 and target.kind at most 32 bytes"));
    }
    Ok(op)
}

fn keep_raw(tx: &mut Tx, device_id: DeviceId, code: Code, raw: &[u8]) -> Result<()> {
    let row = RawRow {
        id: OpId(tx.id()),
        device_id,
        received_at: At(tx.now),
        code: code.as_str(),
        raw: raw.to_vec(),
        raw_sha256: sha256(raw),
    };
    store::raw_add(tx.db, &row)
}

fn refusal(op_id: Option<OpId>, error: &Error) -> OpResult {
    OpResult {
        op_id,
        status: Status::Rejected,
        duplicate: false,
        code: Some(error.code.as_str().to_owned()),
        detail: error.detail.clone(),
        ver: None,
        result_seq: None,
        winner: None,
        conflict_id: None,
        waiting: vec![],
    }
}

/// What a held operation waits for when another one must come first.
pub fn wait_for_op(op: OpId) -> String {
    format!("op:{op}")
}

type Actors = HashMap<(UserId, SessionId), (Actor, DateTime<Utc>)>;

/// Judges a new operation. Only transient errors come back as errors: all else is a verdict that is stored.
fn judge(
    tx: &mut Tx,
    op: &Op,
    raw: &[u8],
    device: &DeviceRow,
    rows: &mut Vec<OpRow>,
    actors: &mut Actors,
) -> Result<Verdict> {
    if device.revoked_at.is_some() {
        return Ok(Verdict::of(Status::Quarantined, &Code::DeviceRevoked.into()));
    }
    if !verdict::supported(&op.r#type, op.v) {
        return Ok(Verdict::held(Code::OpUnsupported, vec![verdict::wait_for_type(&op.r#type, op.v)]));
    }
    let before = predecessors(op);
    if !before.is_empty() {
        // Predecessors may be among the rows of this very chunk: they must be in the table to be found.
        save(tx, rows)?;
        if let Some(verdict) = gate(tx.db, &before)? {
            return Ok(verdict);
        }
    }
    // A person's session is looked up once for a chunk, and answers for all they did until it ended.
    let key = (op.actor, op.session);
    if actors.get(&key).is_none_or(|(_, until)| op.occurred_at > *until) {
        match identity::actions::op_actor(tx.db, op.actor, op.session, device.id, op.occurred_at) {
            Ok(found) => actors.insert(key, found),
            Err(error) if error.code == Code::Reauth => {
                return Ok(Verdict::held(Code::Reauth, vec![identity::actions::login_key(op.actor, device.id)]));
            }
            Err(error) => return Err(error),
        };
    }
    run(tx, op, raw, &actors[&key].0)
}

/// Runs an operation in its savepoint and turns what happens into a verdict.
fn run(tx: &mut Tx, op: &Op, raw: &[u8], actor: &Actor) -> Result<Verdict> {
    match tx.savepoint(|tx| verdict::apply(tx, op, actor)) {
        Ok(verdict) => Ok(verdict),
        // Transient: nothing of the chunk is recorded, the device sends it again.
        Err(error) if matches!(error.code, Code::Busy | Code::StorageFull) => Err(error),
        Err(error) if error.code == Code::Internal => {
            let cause = error.cause.as_deref().unwrap_or_default();
            tracing::error!(op_id = %op.op_id, bytes = raw.len(), cause, "operation quarantined");
            Ok(Verdict::of(Status::Quarantined, &error))
        }
        Err(error) => verdict::refused(tx.db, op, &error),
    }
}

fn predecessors(op: &Op) -> Vec<OpId> {
    let base = match op.base {
        Some(super::wire::Base::Op { op }) => Some(op),
        _ => None,
    };
    base.into_iter().chain(op.depends_on.iter().copied()).collect()
}

/// Whether all predecessors took effect; the verdict otherwise.
fn gate(db: &mut Db, before: &[OpId]) -> Result<Option<Verdict>> {
    let found: HashMap<OpId, Status> = store::ops_by_id(db, before)?
        .into_iter()
        .map(|row| Ok((row.op_id, row.status.parse()?)))
        .collect::<Result<_>>()?;
    let waits = |ids: Vec<OpId>| ids.into_iter().map(wait_for_op).collect::<Vec<_>>();
    let missing: Vec<OpId> = before.iter().copied().filter(|id| !found.contains_key(id)).collect();
    if !missing.is_empty() {
        return Ok(Some(Verdict::held(Code::DependencyMissing, waits(missing))));
    }
    if before.iter().any(|id| found[id] == Status::Rejected) {
        return Ok(Some(Verdict::of(Status::Conflict, &Code::DependencyUnsettled.into())));
    }
    let unsettled: Vec<OpId> = before.iter().copied().filter(|id| !found[id].settled_well()).collect();
    if unsettled.is_empty() {
        return Ok(None);
    }
    Ok(Some(Verdict::held(Code::DependencyUnsettled, waits(unsettled))))
}

/// Puts a verdict into a row.
fn with(mut row: OpRow, verdict: &Verdict, tx: &Tx) -> Result<OpRow> {
    row.status = verdict.status.to_string();
    row.code = verdict.code.map(|code| code.as_str().to_owned());
    row.detail.clone_from(&verdict.detail);
    row.ver = verdict.ver;
    row.winner_op = verdict.winner;
    row.conflict_id = (verdict.status == Status::Conflict).then(|| ConflictId(tx.id()));
    row.waiting = Json(serde_json::to_value(&verdict.waiting).map_err(Error::internal)?);
    Ok(row)
}

/// Stores the rows that were collected so far, with what they wait for.
fn save(tx: &mut Tx, rows: &mut Vec<OpRow>) -> Result<()> {
    store::ops_add(tx.db, rows)?;
    for row in rows.drain(..) {
        store::waits_add(tx.db, row.op_id, &waiting(&row))?;
    }
    Ok(())
}

fn waiting(row: &OpRow) -> Vec<String> {
    serde_json::from_value(row.waiting.0.clone()).unwrap_or_default()
}

/// Re-evaluates the operations that waited for what this transaction brought; runs at the end of each one that writes.
///
/// # Errors
/// Transient ones; then nothing of the transaction is recorded.
pub fn release(tx: &mut Tx) -> Result<()> {
    let mut looked_at = HashSet::new();
    loop {
        let keys = tx.take_settled();
        if keys.is_empty() {
            return Ok(());
        }
        for id in store::ops_waiting(tx.db, &keys)? {
            // Each at most once a transaction and key, or two that wait for each other would never end.
            if looked_at.insert(id) {
                reconsider(tx, id, &keys)?;
            }
        }
    }
}

fn reconsider(tx: &mut Tx, id: OpId, keys: &[String]) -> Result<()> {
    let Some(row) = store::ops_by_id(tx.db, &[id])?.pop() else { return Ok(()) };
    let op = parse(&row.raw)?;
    let login = identity::actions::login_key(op.actor, row.device_id);
    let verdict = match gate(tx.db, &predecessors(&op))? {
        Some(verdict) => verdict,
        None => {
            // The person signed in on the device again: that vouches for what they had made there before.
            let actor = if keys.contains(&login) {
                identity::actions::op_actor_vouched(tx.db, op.actor, op.session, row.device_id)
            } else {
                identity::actions::op_actor(tx.db, op.actor, op.session, row.device_id, op.occurred_at)
                    .map(|(actor, _)| actor)
            };
            match actor {
                Ok(actor) => run(tx, &op, &row.raw, &actor)?,
                Err(error) if error.code == Code::Reauth => Verdict::held(Code::Reauth, vec![login]),
                Err(error) => return Err(error),
            }
        }
    };
    store::waits_remove(tx.db, id)?;
    let device = row.device_id;
    let row = with(row, &verdict, tx)?;
    store::op_save(tx.db, &row)?;
    store::waits_add(tx.db, id, &waiting(&row))?;
    if verdict.status != Status::Held {
        tx.settle(wait_for_op(id));
        let after = vec![format!("device:{device}")];
        tx.announce(Change { kind: "op_result", id: id.to_string(), before: vec![], after, op: Some(id) });
    }
    Ok(())
}

/// Operations of types that this version has learned since they were held.
pub fn settle_types(tx: &mut Tx) {
    for (op_type, version) in verdict::TYPES {
        tx.settle(verdict::wait_for_type(op_type, *version));
    }
}

/// The stored results of a chunk, in its order.
///
/// # Errors
/// `internal`, when a stored row can't be read.
pub fn results(db: &mut Db, taken: Vec<Taken>) -> Result<Vec<OpResult>> {
    let ids: Vec<OpId> = taken
        .iter()
        .filter_map(|t| match t {
            Taken::Stored(id, _) => Some(*id),
            Taken::Answer(_) => None,
        })
        .collect();
    let mut stored: HashMap<OpId, OpResult> =
        store::ops_by_id(db, &ids)?.into_iter().map(|row| Ok((row.op_id, result(&row)?))).collect::<Result<_>>()?;
    taken
        .into_iter()
        .map(|t| match t {
            Taken::Answer(answer) => Ok(answer),
            // A chunk may name the same operation twice: the row is read for each.
            Taken::Stored(id, duplicate) => {
                let result = stored.get_mut(&id).ok_or_else(|| Error::internal(format!("operation {id} is gone")))?;
                Ok(OpResult { duplicate, ..result.clone() })
            }
        })
        .collect()
}

/// A stored row as its result.
///
/// # Errors
/// `internal`, when its status is unknown.
pub fn result(row: &OpRow) -> Result<OpResult> {
    Ok(OpResult {
        op_id: Some(row.op_id),
        status: row.status.parse().map_err(|_| Error::internal("a stored status is unknown"))?,
        duplicate: false,
        code: row.code.clone(),
        detail: row.detail.clone(),
        ver: row.ver,
        result_seq: row.result_seq,
        winner: row.winner_op,
        conflict_id: row.conflict_id,
        waiting: waiting(row),
    })
}

/// Sequence numbers just below the newest of a push that never arrived, at most 100.
///
/// # Errors
/// The engine's own.
pub fn missing_seqs(db: &mut Db, device: DeviceId, epoch: i32, newest: i64) -> Result<Vec<i64>> {
    let from = (newest - 1_000).max(1);
    let there: HashSet<i64> = store::seqs_between(db, device, epoch, from, newest)?.into_iter().collect();
    Ok((from..=newest).filter(|seq| !there.contains(seq)).take(100).collect())
}
