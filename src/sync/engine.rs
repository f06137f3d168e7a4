//! What becomes of operations: the server's decisions, without a database, a clock or a network.
//!
//! Everything the decisions need of the record comes through [`Record`], everything they change goes back through it.
//! The server runs them on an open transaction (`ledger`), the simulator on memory; both run this code.

use super::{
    record::{Act, Answer, Confidence, Decision, Push, Read, Record, Taken, Token, corrected},
    store::OpRow,
    types,
    verdict::Verdict,
    wire::{Base, EpochReason, EpochRequest, Op, OpResult, Status},
};
use crate::{
    db::{
        feed::{Change, generation_ordinal},
        types::{At, ConflictId, DeviceId, Json, OpId, UserId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::Actor,
        store::{DeviceRow, EpochRow},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{HashMap, HashSet};

/// How long an operation may be held before a person must look (reference: offline work of a long weekend is in by then).
pub const HELD_FOR: TimeDelta = TimeDelta::hours(72);
/// How many missing numbers an answer names.
const MISSING: usize = 100;

/// Takes pushes, of different devices or of one in turn. A push that is refused changes nothing but what the refusal
/// itself found out.
///
/// # Errors
/// Outside: transient ones; then nothing of all pushes is recorded, and they may be sent again. Inside: `device_unknown`,
/// `epoch_stale`.
pub fn take(record: &mut impl Record, pushes: &[Read]) -> Result<Vec<Result<Answer>>> {
    record.prefetch(pushes)?;
    let mut answers = Vec::with_capacity(pushes.len());
    for read in pushes {
        match take_one(record, read) {
            Err(error) if !matches!(error.code, Code::DeviceUnknown | Code::EpochStale) => return Err(error),
            answer => answers.push(answer),
        }
    }
    Ok(answers)
}

fn take_one(record: &mut impl Record, read: &Read) -> Result<Answer> {
    let push = &read.push;
    // Enrolled anew since its token was verified, a device is another one.
    let device = record.device(push.device)?.filter(|device| device.public_key.as_ref() == Some(&push.key));
    let device = device.ok_or(Code::DeviceUnknown)?;
    let epoch = record.epoch(push.device, push.epoch)?;
    if let Some(token) = &push.token {
        from_a_later_life(record, token, epoch.as_ref())?;
    }
    let mut epoch = epoch.ok_or(Code::EpochStale)?;
    // A number that was used means that this store is a copy of one that has gone on; unless it is that very push, which
    // the network delivered twice.
    let again = push.attempt == epoch.attempt && epoch.attempt_sha256.as_ref() == Some(&push.sha256);
    if push.attempt <= epoch.attempt && !again {
        return Err(Code::EpochStale.into());
    }
    let ids: Vec<OpId> = read.good().map(|op| op.op_id).collect();
    let known: HashMap<OpId, OpRow> = record.ops(&ids)?.into_iter().map(|row| (row.op_id, row)).collect();
    let fresh: Vec<&Op> = read.good().filter(|op| !known.contains_key(&op.op_id)).collect();
    labels_free(record, &epoch, &fresh)?;
    let mut seen: HashMap<OpId, &Op> = HashMap::new();
    let mut taken = Vec::with_capacity(read.ops.len());
    for (raw, op) in push.ops.iter().zip(&read.ops) {
        let op = match op {
            Ok(op) => op,
            Err(error) => {
                record.keep_raw(device.id, error.code, raw)?;
                taken.push(Taken::Answer(Box::new(refusal(None, error))));
                continue;
            }
        };
        let first = match known.get(&op.op_id) {
            Some(row) => Some(row.raw == *raw || row.op().is_ok_and(|first| first.same_payload(op))),
            None => seen.insert(op.op_id, op).map(|first| first.same_payload(op)),
        };
        match first {
            Some(true) => taken.push(Taken::Stored(op.op_id, true)),
            Some(false) => {
                record.keep_raw(device.id, Code::OpIdReused, raw)?;
                taken.push(Taken::Answer(Box::new(refusal(Some(op.op_id), &Code::OpIdReused.into()))));
            }
            None => {
                let (at, confidence) = corrected(op, &push.clock, record.now());
                let row = unjudged(record.now(), &epoch, op, raw, at, confidence)?;
                let verdict = if read.poisoned.contains(&op.op_id) {
                    Verdict::of(Status::Quarantined, &Code::Internal.into())
                } else {
                    judge(record, op, &device, at)?
                };
                let row = with(record, row, &verdict)?;
                record.put_op(row);
                record.settle(wait_for_op(op.op_id));
                epoch.received += 1;
                epoch.received_seq = epoch.received_seq.max(op.seq);
                taken.push(Taken::Stored(op.op_id, false));
            }
        }
    }
    if !again {
        heard(&mut epoch, push, record.now());
    }
    let missing_seqs = missing(record, &epoch, read)?;
    let token = Token { generation: record.generation()?, device: device.id, epoch: epoch.epoch, pushes: epoch.pushes };
    record.put_epoch(epoch);
    Ok(Answer { taken, token, missing_seqs })
}

/// A device that knows more of us than we do ourselves shows that the data was restored from a backup.
fn from_a_later_life(record: &mut impl Record, token: &Token, epoch: Option<&EpochRow>) -> Result<()> {
    let here = record.generation()?;
    let ahead = generation_ordinal(&token.generation) > generation_ordinal(&here)
        || token.generation == here && epoch.is_none_or(|epoch| epoch.pushes < token.pushes);
    if ahead {
        record.begin_generation(&token.generation)?;
    }
    Ok(())
}

/// No new operation may bear a number that another one bears: that, too, is the mark of a copy.
fn labels_free(record: &mut impl Record, epoch: &EpochRow, fresh: &[&Op]) -> Result<()> {
    let mut used = HashMap::new();
    for op in fresh {
        if used.insert(op.seq, op.op_id).is_some_and(|other| other != op.op_id) {
            return Err(Code::EpochStale.into());
        }
    }
    let (low, high) = (used.keys().min().copied().unwrap_or(i64::MAX), used.keys().max().copied().unwrap_or(0));
    if low > epoch.received_seq {
        return Ok(());
    }
    let there = record.labels(epoch.device_id, epoch.epoch, low, high)?;
    if there.iter().any(|(seq, op)| used.get(seq).is_some_and(|other| other != op)) {
        return Err(Code::EpochStale.into());
    }
    Ok(())
}

/// Keeps what a push says of its device.
fn heard(epoch: &mut EpochRow, push: &Push, now: DateTime<Utc>) {
    epoch.pushes += 1;
    epoch.attempt = push.attempt;
    epoch.attempt_sha256 = Some(push.sha256.clone());
    epoch.high_seq = epoch.high_seq.max(push.outbox.high_seq);
    epoch.depth = push.outbox.depth;
    epoch.oldest_at = push.outbox.oldest.map(At);
    epoch.app = Some(push.app.clone());
    epoch.last_push_at = Some(At(now));
    epoch.clock_offset_ms = Some((push.clock.wall - now).num_milliseconds());
    if let Some(health) = &push.health {
        epoch.storage_persisted = health.storage_persisted;
        epoch.media_waiting = health.media_waiting;
        if let Some(digest) = health.digest {
            (epoch.digest_at, epoch.digest_matched) = (Some(At(digest.at)), Some(digest.matched));
        }
    }
    epoch.feed_seq = epoch.feed_seq.max(push.feed_seq.unwrap_or(0));
}

/// Numbers that never arrived, though newer ones did or nothing waits on the device any more.
fn missing(record: &mut impl Record, epoch: &EpochRow, read: &Read) -> Result<Vec<i64>> {
    let all_here = read.push.outbox.depth <= i64::try_from(read.ops.len()).unwrap_or(i64::MAX);
    let made = if all_here { epoch.high_seq } else { 0 };
    let newest = epoch.received_seq.max(made);
    if epoch.received == newest {
        return Ok(vec![]);
    }
    let from = (newest - 1_000).max(1);
    let there: HashSet<i64> =
        record.labels(epoch.device_id, epoch.epoch, from, newest)?.into_iter().map(|(seq, _)| seq).collect();
    let own: HashSet<i64> = read.good().map(|op| op.seq).collect();
    Ok((from..=newest).filter(|seq| !there.contains(seq) && !own.contains(seq)).take(MISSING).collect())
}

/// Begins an epoch for a device whose store is a copy or new. A revoked device may as well: what it still delivers is
/// kept, as `quarantined`.
///
/// # Errors
/// `device_unknown`, `value_invalid`.
pub fn begin_epoch(record: &mut impl Record, device: DeviceId, asked: &EpochRequest) -> Result<Token> {
    if asked.reason == EpochReason::Enrolled || !(0..=i32::MAX - 2).contains(&asked.epoch) {
        return Err(Code::ValueInvalid.with("reason: copied or wiped; epoch: from 0"));
    }
    let mut row = record.device(device)?.ok_or(Code::DeviceUnknown)?;
    // After a restore of the server the device may have had epochs that we do not know.
    row.epoch = row.epoch.max(asked.epoch) + 1;
    let fresh = EpochRow::new(device, row.epoch, asked.reason.as_str(), At(record.now()));
    record.begin_epoch(&row, fresh)?;
    Ok(Token { generation: record.generation()?, device, epoch: row.epoch, pushes: 0 })
}

fn unjudged(
    now: DateTime<Utc>,
    epoch: &EpochRow,
    op: &Op,
    raw: &[u8],
    at: DateTime<Utc>,
    confidence: Confidence,
) -> Result<OpRow> {
    Ok(OpRow {
        op_id: op.op_id,
        device_id: epoch.device_id,
        epoch: epoch.epoch,
        seq: op.seq,
        actor_id: Some(op.actor),
        session_id: Some(op.session),
        op_type: op.r#type.clone(),
        op_version: op.v,
        target_kind: op.target.as_ref().map(|t| t.kind.clone()),
        target_id: op.target.as_ref().map(|t| t.id.to_string()),
        raw: raw.to_vec(),
        occurred_at: Some(At(op.occurred_at)),
        received_at: At(now),
        status: Status::Held.to_string(),
        code: None,
        detail: None,
        ver: None,
        result_seq: None,
        conflict_id: None,
        winner_op: None,
        waiting: Json(serde_json::Value::Array(vec![])),
        was_epoch: op.was.as_ref().map(|was| was.epoch),
        was_seq: op.was.as_ref().map(|was| was.seq),
        corrected_at: Some(At(at)),
        time_confidence: confidence.to_string(),
        adjusted: None,
        resolved_by: None,
        resolved_at: None,
        resolution: None,
        resolution_reason: None,
    })
}

fn refusal(op_id: Option<OpId>, error: &Error) -> OpResult {
    let (code, detail) = (Some(error.code.as_str().to_owned()), error.detail.clone());
    OpResult { code, detail, ..OpResult::bare(op_id, Status::Rejected) }
}

/// What a held operation waits for when another one must come first.
pub fn wait_for_op(op: OpId) -> String {
    format!("op:{op}")
}

/// Judges a new operation. Only transient errors come back as errors: all else is a verdict that is stored.
fn judge(record: &mut impl Record, op: &Op, device: &DeviceRow, at: DateTime<Utc>) -> Result<Verdict> {
    if device.revoked_at.is_some() {
        return Ok(Verdict::of(Status::Quarantined, &Code::DeviceRevoked.into()));
    }
    if !types::supported(&op.r#type, op.v) {
        return Ok(Verdict::held(Code::OpUnsupported, vec![types::wait_for(&op.r#type, op.v)]));
    }
    if let Some(verdict) = gate(record, op)? {
        return Ok(verdict);
    }
    match record.actor(op.actor, op.session, device.id, at) {
        Ok(actor) => run(record, op, &actor, at, false),
        Err(error) => reauth(op, device.id, error),
    }
}

fn reauth(op: &Op, device: DeviceId, error: Error) -> Result<Verdict> {
    match error.code {
        Code::Reauth => Ok(Verdict::held(Code::Reauth, vec![identity::actions::login_key(op.actor, device)])),
        _ => Err(error),
    }
}

/// Lets an operation act and turns what happens into a verdict.
fn run(record: &mut impl Record, op: &Op, actor: &Actor, at: DateTime<Utc>, insist: bool) -> Result<Verdict> {
    let seen = seen(record, op)?;
    let outcome = types::upcast(op).and_then(|op| record.apply(&op, actor, Act { at, seen, insist }));
    match outcome {
        // The person saw this very version and still asked for a step it does not allow: a plain mistake.
        Ok(verdict) if verdict.code == Some(Code::StageMoved) && seen.is_some() && seen == verdict.ver => {
            Ok(Verdict { status: Status::Rejected, code: Some(Code::StageForbids), ..verdict })
        }
        Ok(verdict) => Ok(verdict),
        // Transient: nothing of the push is recorded, the device sends it again.
        Err(error) if matches!(error.code, Code::Busy | Code::StorageFull) => Err(error),
        Err(error) if error.code == Code::Internal => {
            let cause = error.cause.as_deref().unwrap_or_default();
            tracing::error!(op_id = %op.op_id, cause, "operation quarantined");
            Ok(Verdict::of(Status::Quarantined, &error))
        }
        Err(error) => refused(record, op, &error),
    }
}

/// The verdict for an area's refusal. Work on a case that has gone to somebody else meanwhile is not the person's
/// mistake: it is kept for a decision.
fn refused(record: &mut impl Record, op: &Op, error: &Error) -> Result<Verdict> {
    let gone = matches!(error.code, Code::NotFound | Code::UnitForeign) && op.base.is_some();
    if gone
        && let Some(target) = op.target.as_ref().filter(|t| t.kind == "case")
        && record.case_exists(target.id)?
    {
        return Ok(Verdict::of(Status::Conflict, &Code::StageMoved.into()));
    }
    Ok(Verdict::of(Status::Rejected, error))
}

/// The version the person had before their eyes.
fn seen(record: &mut impl Record, op: &Op) -> Result<Option<i64>> {
    match op.base {
        Some(Base::Version { ver }) => Ok(Some(ver)),
        Some(Base::Op { op }) => Ok(record.ops(&[op])?.pop().and_then(|row| row.ver)),
        None => Ok(None),
    }
}

/// What an operation builds on.
pub fn predecessors(op: &Op) -> impl Iterator<Item = OpId> {
    let base = match op.base {
        Some(Base::Op { op }) => Some(op),
        _ => None,
    };
    base.into_iter().chain(op.depends_on.iter().copied())
}

/// Whether all predecessors took effect; the verdict otherwise.
fn gate(record: &mut impl Record, op: &Op) -> Result<Option<Verdict>> {
    let before: Vec<OpId> = predecessors(op).collect();
    if before.is_empty() {
        return Ok(None);
    }
    let mut found: HashMap<OpId, Status> = HashMap::new();
    for row in record.ops(&before)? {
        found.insert(row.op_id, row.status()?);
    }
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
fn with(record: &mut impl Record, mut row: OpRow, verdict: &Verdict) -> Result<OpRow> {
    row.status = verdict.status.to_string();
    row.code = verdict.code.map(|code| code.as_str().to_owned());
    row.detail.clone_from(&verdict.detail);
    row.ver = verdict.ver;
    row.winner_op = verdict.winner;
    row.conflict_id = match verdict.status {
        // One disagreement keeps its name, however often it is looked at.
        Status::Conflict => Some(row.conflict_id.unwrap_or_else(|| ConflictId(record.fresh_id()))),
        _ => row.conflict_id,
    };
    row.adjusted = Some(verdict.adjusted.join(" ")).filter(|fields| !fields.is_empty());
    row.waiting = Json(serde_json::to_value(&verdict.waiting).map_err(Error::internal)?);
    Ok(row)
}

/// Stores a later word on an operation and tells its device.
fn outcome(record: &mut impl Record, row: OpRow, verdict: &Verdict) -> Result<()> {
    let (id, device) = (row.op_id, row.device_id);
    let row = with(record, row, verdict)?;
    record.put_op(row);
    if verdict.status != Status::Held {
        record.settle(wait_for_op(id));
        let after = vec![format!("device:{device}")];
        record.announce(Change { kind: "op_result", id: id.to_string(), before: vec![], after, op: Some(id) });
    }
    Ok(())
}

/// Re-evaluates the operations that waited for what this transaction brought; runs at the end of each one that writes.
///
/// # Errors
/// Transient ones; then nothing of the transaction is recorded.
pub fn release(record: &mut impl Record) -> Result<()> {
    loop {
        let keys = record.take_settled();
        if keys.is_empty() {
            return Ok(());
        }
        for id in record.waiting_for(&keys)? {
            // What stays held settles nothing, so two that wait for each other end this.
            reconsider(record, id, &keys)?;
        }
    }
}

fn reconsider(record: &mut impl Record, id: OpId, keys: &[String]) -> Result<()> {
    let Some(row) = record.ops(&[id])?.pop() else { return Ok(()) };
    let (op, device) = (row.op()?, row.device_id);
    let at = row.corrected_at.map_or(op.occurred_at, |at| at.0);
    let verdict = match gate(record, &op)? {
        Some(verdict) => verdict,
        None => {
            // The person signed in on the device again: that vouches for what they had made there before.
            let signed_in = keys.contains(&identity::actions::login_key(op.actor, device));
            let actor = if signed_in {
                record.actor_vouched(op.actor, op.session, device)
            } else {
                record.actor(op.actor, op.session, device, at)
            };
            match actor {
                Ok(actor) => run(record, &op, &actor, at, false)?,
                Err(error) => reauth(&op, device, error)?,
            }
        }
    };
    outcome(record, row, &verdict)
}

/// Hands operations that were held too long to a person. Returns how many.
///
/// # Errors
/// The engine's own.
pub fn escalate(record: &mut impl Record, limit: i64) -> Result<usize> {
    let before = record.now() - HELD_FOR;
    let ids = record.held_since(before, limit)?;
    for id in &ids {
        let Some(row) = record.ops(&[*id])?.pop() else { continue };
        let why = Code::HeldTooLong.with(row.code.clone().unwrap_or_default());
        outcome(record, row, &Verdict::of(Status::Conflict, &why))?;
    }
    Ok(ids.len())
}

/// A reviewer's word on an operation that waits for one: a conflict, a held or a quarantined one. What builds on it
/// follows in order: re-evaluated when it applied, discarded with it otherwise. Returns every operation it settled.
///
/// # Errors
/// `not_found`; `review_closed` when nothing is left to decide; when it shall apply and can not, the reason why:
/// the operation stays as it was, for another decision.
pub fn decide(
    record: &mut impl Record,
    id: OpId,
    decision: Decision,
    reviewer: UserId,
    reason: Option<&str>,
) -> Result<()> {
    let mut row = record.ops(&[id])?.pop().ok_or_else(|| Error::not_found("op"))?;
    if !matches!(row.status()?, Status::Conflict | Status::Held | Status::Quarantined) {
        return Err(Code::ReviewClosed.into());
    }
    let op = row.op()?;
    let at = row.corrected_at.map_or(op.occurred_at, |at| at.0);
    row.resolved_by = Some(reviewer);
    row.resolved_at = Some(At(record.now()));
    row.resolution = Some(decision.to_string());
    row.resolution_reason = reason.map(str::to_owned);
    match decision {
        Decision::Discard => discard(record, row),
        Decision::Apply => {
            if !types::supported(&op.r#type, op.v) {
                return Err(Code::OpUnsupported.into());
            }
            let actor = record.actor_vouched(op.actor, op.session, row.device_id)?;
            let verdict = run(record, &op, &actor, at, true)?;
            if !verdict.status.settled_well() && verdict.status != Status::Held {
                let code = verdict.code.unwrap_or(Code::StageForbids);
                return Err(Error { detail: verdict.detail, ..code.into() });
            }
            outcome(record, row, &verdict)
        }
    }
}

/// Settles an operation as discarded, and all that wait for it.
fn discard(record: &mut impl Record, row: OpRow) -> Result<()> {
    let (by, at, why) = (row.resolved_by, row.resolved_at, row.resolution_reason.clone());
    let mut left = vec![row];
    let mut done = HashSet::new();
    while let Some(mut row) = left.pop() {
        if !done.insert(row.op_id) {
            continue;
        }
        (row.resolved_by, row.resolved_at, row.resolution_reason) = (by, at, why.clone());
        row.resolution = Some(Decision::Discard.to_string());
        let waiters = record.waiting_for(&[wait_for_op(row.op_id)])?;
        left.extend(record.ops(&waiters)?);
        outcome(record, row, &Verdict::of(Status::Rejected, &Code::Discarded.into()))?;
    }
    Ok(())
}
