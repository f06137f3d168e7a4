//! How the devices are, and what they made that never arrived.
//!
//! A device says with every push how high its numbering has come. What is below that and not here is on its way, or,
//! once the numbering ended (a wiped store, a new enrolment) or the device is lost, gone: the loss ledger names it.

use super::store;
use crate::{
    db::{
        Db, feed,
        types::{DeviceId, OpId},
    },
    error::{Error, Result},
    identity::{
        self,
        store::{DeviceRow, EpochRow},
    },
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use utoipa::ToSchema;

/// The most numbers that one epoch's list names.
const NAMED: usize = 1_000;

/// One line of the board.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceHealth {
    /// The device.
    pub device_id: DeviceId,
    /// Its label.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Its newest epoch.
    pub epoch: i32,
    /// When it last pushed.
    pub last_push_at: Option<DateTime<Utc>>,
    /// Name and version of its client.
    pub app: Option<String>,
    /// Operations that waited on it then.
    pub depth: i64,
    /// When the oldest of them was made.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Files that waited for their upload.
    pub media_waiting: Option<i64>,
    /// Its clock minus the server's, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Whether its storage is safe from eviction.
    pub storage_persisted: Option<bool>,
    /// When it last compared digests.
    pub digest_at: Option<DateTime<Utc>>,
    /// Whether they agreed.
    pub digest_matched: Option<bool>,
    /// Changes of the feed it has not read yet, whoever may see them.
    pub behind: i64,
    /// Operations of it that wait for a person here.
    pub in_review: i64,
    /// Operations that it made and that are not here: on it still, or lost.
    pub missing: i64,
    /// Of those, the ones that no store has any more: see the loss ledger.
    pub lost: i64,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What a device made in one epoch, and what of it is not here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Losses {
    /// The epoch.
    pub epoch: i32,
    /// `enrolled`, `copied` or `wiped`: why it began.
    pub reason: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the device last spoke in it.
    pub last_push_at: Option<DateTime<Utc>>,
    /// How many operations the device has made in it, by its own last word.
    pub made: i64,
    /// How many of them are here, under this number or a later one.
    pub received: i64,
    /// The numbers of the others, at most 1,000.
    pub missing: Vec<i64>,
    /// Whether they are lost: a later epoch began with an empty store, or the device was revoked. Otherwise they may
    /// still come.
    pub lost: bool,
}

/// The board, one line for each enrolled device.
///
/// # Errors
/// The engine's own.
pub fn board(db: &mut Db) -> Result<Vec<DeviceHealth>> {
    let head = feed::life(db)?.head;
    let mut newest = identity::devices::epochs_newest(db)?;
    let in_review: HashMap<DeviceId, i64> = store::open_by_device(db)?.into_iter().collect();
    let devices = identity::devices::device_list(db)?;
    let mut incomplete: BTreeMap<DeviceId, Vec<EpochRow>> = BTreeMap::new();
    for row in identity::devices::epochs_incomplete(db)? {
        incomplete.entry(row.device_id).or_default().push(row);
    }
    let mut lines = Vec::new();
    for device in devices {
        let Some(said) = newest.remove(&device.id) else { continue };
        let (mut missing, mut lost) = (0, 0);
        for epoch in incomplete.remove(&device.id).unwrap_or_default() {
            let one = losses_of(db, &device, &epoch)?;
            let count = i64::try_from(one.missing.len()).unwrap_or(i64::MAX);
            missing += count;
            lost += if one.lost { count } else { 0 };
        }
        lines.push(DeviceHealth {
            device_id: device.id,
            name: device.name,
            kind: device.kind,
            epoch: said.epoch,
            last_push_at: said.last_push_at.map(|at| at.0),
            app: said.app,
            depth: said.depth,
            oldest_at: said.oldest_at.map(|at| at.0),
            media_waiting: said.media_waiting,
            clock_offset_ms: said.clock_offset_ms,
            storage_persisted: said.storage_persisted,
            digest_at: said.digest_at.map(|at| at.0),
            digest_matched: said.digest_matched,
            behind: head - said.feed_seq,
            in_review: in_review.get(&device.id).copied().unwrap_or(0),
            missing,
            lost,
            revoked_at: device.revoked_at.map(|at| at.0),
        });
    }
    Ok(lines)
}

/// The loss ledger of a device, newest epoch first.
///
/// # Errors
/// `not_found`.
pub fn ledger(db: &mut Db, id: DeviceId) -> Result<Vec<Losses>> {
    let device = identity::devices::devices_by_id(db, &[id])?.pop().ok_or_else(|| Error::not_found("device"))?;
    let epochs = identity::devices::epochs_of(db, id)?;
    epochs.iter().map(|epoch| losses_of(db, &device, epoch)).collect()
}

fn losses_of(db: &mut Db, device: &DeviceRow, epoch: &EpochRow) -> Result<Losses> {
    let mut missing = Vec::new();
    let made = epoch.high_seq.max(epoch.received_seq);
    let mut here = 0;
    if made > 0 {
        let mut there: HashSet<i64> =
            store::labels_between(db, device.id, epoch.epoch, 1, made)?.into_iter().map(|(seq, _)| seq).collect();
        there.extend(store::renumbered(db, device.id, epoch.epoch)?);
        here = i64::try_from(there.iter().filter(|seq| (1..=made).contains(*seq)).count()).unwrap_or(0);
        missing = missing_of(made, there.into_iter());
    }
    let over = store_is_gone(db, device, epoch)?;
    Ok(Losses {
        epoch: epoch.epoch,
        reason: epoch.reason.clone(),
        started_at: epoch.started_at.0,
        last_push_at: epoch.last_push_at.map(|at| at.0),
        made,
        received: here,
        missing,
        lost: over,
    })
}

/// The numbers up to `made` that are not among those that came, at most 1,000.
pub fn missing_of(made: i64, came: impl Iterator<Item = i64>) -> Vec<i64> {
    let came: HashSet<i64> = came.collect();
    (1..=made).filter(|seq| !came.contains(seq)).take(NAMED).collect()
}

/// Whether nothing of an epoch can come any more: the next one began with an empty store, or the device was revoked
/// (what it still delivers is kept, and leaves this list).
fn store_is_gone(db: &mut Db, device: &DeviceRow, epoch: &EpochRow) -> Result<bool> {
    if device.revoked_at.is_some() {
        return Ok(true);
    }
    let later = identity::devices::epochs_of(db, device.id)?;
    Ok(later.iter().any(|later| later.epoch > epoch.epoch && later.reason == "wiped"))
}

/// The result of an operation as a receipt says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub struct Receipt {
    /// The operation.
    pub op_id: OpId,
    /// Its type.
    pub r#type: String,
    /// The device it was made on.
    pub device_id: DeviceId,
    /// Its epoch there.
    pub epoch: i32,
    /// Its number there.
    pub seq: i64,
    /// Who made it.
    pub actor_id: Option<crate::db::types::UserId>,
    /// SHA-256 of its bytes as they came, hexadecimal.
    pub sha256: String,
    /// When it was made, by the device's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// What became of it, as the server sees it when it signs.
    pub status: String,
    /// The reason.
    pub code: Option<String>,
    /// The record's version after it.
    pub ver: Option<i64>,
    /// The number of its last change in the feed.
    pub result_seq: Option<i64>,
    /// The life of the data whose feed that is.
    pub generation: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Always `chengguan`.
    pub aud: String,
}

/// What a receipt of an operation says.
///
/// # Errors
/// `not_found`, also when `seen` refuses the operation.
pub fn receipt(db: &mut Db, id: OpId, now: DateTime<Utc>, seen: impl Fn(&store::OpRow) -> bool) -> Result<Receipt> {
    let row = store::ops_by_id(db, &[id])?.pop().filter(|row| seen(row)).ok_or_else(|| Error::not_found("op"))?;
    let number = feed::seqs_of(db, &[id])?.remove(&id);
    let result = row.result(number)?;
    Ok(Receipt {
        op_id: row.op_id,
        device_id: row.device_id,
        epoch: row.epoch,
        seq: row.seq,
        actor_id: row.actor_id,
        sha256: identity::tokens::hex(&identity::tokens::sha256(&row.raw)),
        occurred_at: row.occurred_at.map(|at| at.0),
        received_at: row.received_at.0,
        status: result.status.to_string(),
        code: result.code,
        ver: result.ver,
        result_seq: result.result_seq,
        generation: feed::life(db)?.generation,
        iat: now.timestamp(),
        aud: "chengguan".into(),
        r#type: row.op_type,
    })
}
