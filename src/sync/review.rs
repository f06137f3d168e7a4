//! What waits for a person: conflicts, operations that are held, what was kept apart, bytes that nobody could read.
//!
//! A reviewer sees both sides: what the person did and what they had seen, and what the record says now and who had
//! changed it since. Operations that build on one another are one entry, decided at its head.

use super::{
    engine::{self, predecessors},
    ledger::Ledger,
    record::Decision,
    store::{self, OpRow, RawRow, ReviewPage},
    wire::{Base, OpResult},
};
use crate::{
    cases,
    db::{
        Db, Tx, feed,
        types::{At, CaseId, DeviceId, OpId, UserId},
    },
    error::{Code, Error, Result},
    identity::{self, rules::Actor, tokens::hex},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use utoipa::ToSchema;

/// One operation in the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// What became of it so far.
    pub result: OpResult,
    /// Its type.
    pub r#type: String,
    /// The kind of the record it acts on.
    pub target_kind: Option<String>,
    /// That record.
    pub target_id: Option<String>,
    /// Who acted.
    pub actor_id: Option<UserId>,
    /// Their name.
    pub actor_name: Option<String>,
    /// On which device.
    pub device_id: DeviceId,
    /// The device's label.
    pub device_name: Option<String>,
    /// When they acted, by the device's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When they acted, by the server's clock.
    pub corrected_at: Option<DateTime<Utc>>,
    /// How well that is known: `good`, `aged` or `suspect`.
    pub time_confidence: String,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// How many operations wait for this one.
    pub followers: usize,
    /// What was decided, when it was.
    pub resolution: Option<String>,
    /// Why.
    pub resolution_reason: Option<String>,
}

/// An operation with both sides of the disagreement.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sides {
    /// The operation.
    #[serde(flatten)]
    pub waiting: Waiting,
    /// What the person did, as it came.
    #[schema(value_type = Object)]
    pub op: Box<RawValue>,
    /// The version of the record they had before their eyes.
    pub seen_ver: Option<i64>,
    /// The record as it is; absent when it is no case or there is none.
    #[schema(value_type = Option<cases::routes::Case>)]
    pub record: Option<cases::routes::Case>,
    /// What happened to it since the version they saw.
    pub since: Vec<Line>,
    /// What builds on it, in the order in which it would be judged.
    pub chain: Vec<Waiting>,
}

/// A line of the other side's story.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    /// Which command.
    pub command: String,
    /// Who.
    pub actor_name: String,
    /// When the server decided.
    pub at: DateTime<Utc>,
    /// The version it made.
    pub ver: Option<i64>,
    /// Their words.
    pub note: Option<String>,
}

/// Bytes that are no operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct RawBytes {
    /// Their id.
    pub id: OpId,
    /// Who sent them.
    pub device_id: DeviceId,
    /// When they arrived.
    pub received_at: DateTime<Utc>,
    /// Why they are none.
    pub code: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// How many.
    pub size: usize,
    /// The bytes, where they are text.
    pub text: Option<String>,
}

impl From<RawRow> for RawBytes {
    fn from(row: RawRow) -> RawBytes {
        RawBytes {
            id: row.id,
            device_id: row.device_id,
            received_at: row.received_at.0,
            code: row.code,
            sha256: hex(&row.raw_sha256),
            size: row.raw.len(),
            text: String::from_utf8(row.raw).ok(),
        }
    }
}

/// A page of the queue, oldest first.
///
/// # Errors
/// The engine's own.
pub fn queue(db: &mut Db, page: &ReviewPage) -> Result<Vec<Waiting>> {
    let rows = store::review_page(db, page)?;
    waiting(db, rows)
}

fn waiting(db: &mut Db, rows: Vec<OpRow>) -> Result<Vec<Waiting>> {
    let ids: Vec<OpId> = rows.iter().map(|row| row.op_id).collect();
    let actors: Vec<UserId> = rows.iter().filter_map(|row| row.actor_id).collect();
    let names = identity::actions::user_names(db, &actors)?;
    let devices: Vec<DeviceId> = rows.iter().map(|row| row.device_id).collect();
    let labels: HashMap<DeviceId, String> =
        identity::devices::devices_by_id(db, &devices)?.into_iter().map(|row| (row.id, row.name)).collect();
    let numbers = feed::seqs_of(db, &ids)?;
    let mut followers: BTreeMap<OpId, usize> = BTreeMap::new();
    for (op, _) in store::followers(db, &ids)? {
        *followers.entry(op).or_default() += 1;
    }
    rows.into_iter()
        .map(|row| {
            Ok(Waiting {
                result: row.result(numbers.get(&row.op_id).copied())?,
                actor_name: row.actor_id.and_then(|id| names.get(&id).cloned()),
                device_name: labels.get(&row.device_id).cloned(),
                followers: followers.get(&row.op_id).copied().unwrap_or(0),
                r#type: row.op_type,
                target_kind: row.target_kind,
                target_id: row.target_id,
                actor_id: row.actor_id,
                device_id: row.device_id,
                occurred_at: row.occurred_at.map(|at| at.0),
                corrected_at: row.corrected_at.map(|at| at.0),
                time_confidence: row.time_confidence,
                received_at: row.received_at.0,
                resolution: row.resolution,
                resolution_reason: row.resolution_reason,
            })
        })
        .collect()
}

/// An operation with both sides and its chain.
///
/// # Errors
/// `not_found`.
pub fn sides(db: &mut Db, who: &Actor, id: OpId, now: DateTime<Utc>) -> Result<Sides> {
    let row = store::ops_by_id(db, &[id])?.pop().ok_or_else(|| Error::not_found("op"))?;
    let op = row.op()?;
    let text = String::from_utf8(row.raw.clone()).map_err(Error::internal)?;
    let seen_ver = match op.base {
        Some(Base::Version { ver }) => Some(ver),
        Some(Base::Op { op }) => store::ops_by_id(db, &[op])?.pop().and_then(|row| row.ver),
        None => None,
    };
    let case = op.target.as_ref().filter(|t| t.kind == "case").map(|t| CaseId(t.id));
    let record = case.and_then(|id| cases::actions::case_get(db, who, id).ok());
    let mut since = Vec::new();
    if let Some(case) = &record {
        for (line, name) in cases::actions::case_timeline(db, who, case.id, 0, 1_000)? {
            let newer = line.ver.is_some_and(|ver| seen_ver.is_none_or(|seen| ver > seen));
            if newer && line.op_id != Some(id) {
                since.push(Line {
                    command: line.command,
                    actor_name: name,
                    at: line.at.0,
                    ver: line.ver,
                    note: line.note,
                });
            }
        }
    }
    let chain = chain(db, id)?;
    let chain = waiting(db, chain)?;
    let waiting = waiting(db, vec![row])?.pop().ok_or_else(|| Error::internal("a row has no view"))?;
    Ok(Sides {
        waiting,
        op: RawValue::from_string(text).map_err(Error::internal)?,
        seen_ver,
        record: record.map(|row| cases::routes::Case::new(row, now)),
        since,
        chain,
    })
}

/// Everything that waits for an operation, and for what waits for it: predecessors before successors.
fn chain(db: &mut Db, head: OpId) -> Result<Vec<OpRow>> {
    let (mut known, mut left, mut found) = (HashSet::from([head]), vec![head], Vec::new());
    while !left.is_empty() {
        let next: Vec<OpId> =
            store::followers(db, &left)?.into_iter().map(|(_, op)| op).filter(|op| known.insert(*op)).collect();
        found.extend(store::ops_by_id(db, &next)?);
        left = next;
    }
    // Of one device the numbers give the order; what builds on another device's work comes after it.
    found.sort_by_key(|row| (row.received_at.0, row.epoch, row.seq));
    debug_assert!(found.iter().all(|row| row.op().is_ok_and(|op| predecessors(&op).any(|p| known.contains(&p)))));
    Ok(found)
}

/// A reviewer's word.
///
/// # Errors
/// As [`engine::decide`].
pub fn decide(tx: &mut Tx, id: OpId, decision: Decision, reviewer: UserId, reason: Option<&str>) -> Result<()> {
    let mut ledger = Ledger::new(tx);
    engine::decide(&mut ledger, id, decision, reviewer, reason)?;
    ledger.write().map(drop)
}

/// Bytes that nobody has looked at, oldest first.
///
/// # Errors
/// The engine's own.
pub fn raw_queue(db: &mut Db, after: Option<OpId>, limit: i64) -> Result<Vec<RawBytes>> {
    Ok(store::raw_page(db, after, limit)?.into_iter().map(RawBytes::from).collect())
}

/// Notes that a person has looked at bytes and what became of them. The bytes stay.
///
/// # Errors
/// `not_found`, `review_closed`.
pub fn raw_resolve(tx: &mut Tx, id: OpId, reviewer: UserId, reason: &str) -> Result<()> {
    match store::raw_resolve(tx.db, id, reviewer, At(tx.now), reason)? {
        Some(true) => Ok(()),
        Some(false) => Err(Code::ReviewClosed.into()),
        None => Err(Error::not_found("raw")),
    }
}
