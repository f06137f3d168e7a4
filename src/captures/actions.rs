//! Taking capture records in and telling what is known of them, in an open transaction.

use super::{
    rules::{self, Beacon, CaptureStatus, Chain, Fault, Flag, PublicKey, Record},
    store::{self, CaptureRow},
    view::{Begins, Capture, CaptureResult, ChainEpoch, ChainStatus, Span},
};
use crate::{
    blob::digest,
    db::{
        Db, Tx,
        types::{At, CaptureId, DeviceId, Json},
    },
    error::{Error, Result},
    identity::{
        devices,
        tokens::{PublicJwk, sha256},
    },
    tlog,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The most gaps, forks and edits that a chain's status lists.
const MOST_LISTED: i64 = 1000;

/// The keys of devices, ready to verify.
pub type Keys = HashMap<DeviceId, Vec<(i32, PublicKey)>>;

/// Bytes that somebody sent, and what could be told of them without the record.
pub struct Examined {
    raw: Vec<u8>,
    sha256: String,
    /// The record, and which key signed it.
    found: Result<(Record, String), Flag>,
}

/// The device that bytes name as theirs, unverified.
pub fn named(raw: &[u8]) -> Option<DeviceId> {
    Record::read(raw).ok().map(|record| record.content.device)
}

/// Every key that these devices ever enrolled with.
///
/// # Errors
/// The engine's own.
pub fn keys_of(db: &mut Db, ids: &[DeviceId]) -> Result<Keys> {
    let mut keys = Keys::new();
    for row in store::keys_of(db, ids)? {
        keys.entry(row.device_id).or_default().push((row.epoch, PublicKey::of(&row.public_key)?));
    }
    Ok(keys)
}

/// Reads bytes and verifies their signature; needs no transaction, and shall not hold one up.
pub fn examine(raw: Vec<u8>, keys: &Keys) -> Examined {
    let verified = |record: Record| {
        let theirs = keys.get(&record.content.device);
        let theirs = theirs.ok_or_else(|| Flag::new(Fault::DeviceUnknown, record.content.device.to_string()))?;
        let key = rules::keys_of_epoch(theirs, record.content.epoch).into_iter().find(|key| record.is_signed_by(key));
        key.map(|key| (record, key.sha256.clone())).ok_or_else(rules::unsigned)
    };
    let read = Record::read(&raw).map_err(rules::malformed);
    Examined { sha256: digest::hex(&sha256(&raw)), found: read.and_then(verified), raw }
}

/// Keeps what a device brought, judges it and whatever it changes about what was there, and puts what is well signed
/// into the log. One answer for each, in their order.
///
/// # Errors
/// The engine's own.
pub fn take(tx: &mut Tx, sender: DeviceId, brought: Vec<Examined>) -> Result<Vec<CaptureResult>> {
    let of: BTreeSet<DeviceId> =
        brought.iter().flat_map(|b| &b.found).map(|(record, _)| record.content.device).collect();
    let of: Vec<DeviceId> = of.into_iter().collect();
    store::chains_lock(tx.db, &of)?;
    let sha256s: Vec<String> = brought.iter().map(|examined| examined.sha256.clone()).collect();
    let mut known: HashSet<String> = store::by_sha256(tx.db, &sha256s)?.into_iter().map(|row| row.sha256).collect();
    let mut taking = Taking::new(tx, sender, &of)?;
    let mut repeats = Vec::new();
    let mut fresh: BTreeMap<DeviceId, Vec<Record>> = BTreeMap::new();
    for examined in brought {
        repeats.push(!known.insert(examined.sha256.clone()));
        if repeats.last() == Some(&false)
            && let Some(record) = taking.one(tx, examined)?
        {
            fresh.entry(record.content.device).or_default().push(record);
        }
    }
    for (device, records) in fresh {
        settle(tx, device, &records)?;
    }
    let rows = store::by_sha256(tx.db, &sha256s)?;
    let rows: HashMap<&str, &CaptureRow> = rows.iter().map(|row| (row.sha256.as_str(), row)).collect();
    let answer = |(sha256, duplicate): (&String, bool)| {
        let row = rows.get(sha256.as_str()).ok_or_else(|| Error::internal("a capture record vanished"))?;
        let mut answer = CaptureResult::of(row, duplicate)?;
        if duplicate && row.sender_id != sender {
            answer.findings.push(Flag::new(Fault::Replayed, "另一台设备已报过这条记录"));
        }
        Ok(answer)
    };
    sha256s.iter().zip(repeats).map(answer).collect()
}

/// What one call of [`take`] knows.
struct Taking {
    sender: DeviceId,
    /// Newest epoch, and whether it was revoked.
    devices: HashMap<DeviceId, (i32, bool)>,
    /// Each key's first epoch, and when it was enrolled.
    enrolled: HashMap<DeviceId, Vec<(i32, At)>>,
    beacons: HashMap<(i64, String), Option<At>>,
}

impl Taking {
    fn new(tx: &mut Tx, sender: DeviceId, of: &[DeviceId]) -> Result<Taking> {
        let devices = devices::devices_by_id(tx.db, of)?;
        let mut enrolled: HashMap<DeviceId, Vec<(i32, At)>> = HashMap::new();
        for row in store::keys_of(tx.db, of)? {
            enrolled.entry(row.device_id).or_default().push((row.epoch, row.enrolled_at));
        }
        let devices = devices.into_iter().map(|row| (row.id, (row.epoch, row.revoked_at.is_some()))).collect();
        Ok(Taking { sender, devices, enrolled, beacons: HashMap::new() })
    }

    /// Adds one record; gives it back when it belongs into a chain.
    fn one(&mut self, tx: &mut Tx, examined: Examined) -> Result<Option<Record>> {
        let Examined { raw, sha256, found } = examined;
        let mut row = CaptureRow {
            id: CaptureId(tx.id()),
            device_id: self.sender,
            sender_id: self.sender,
            epoch: None,
            seq: None,
            sha256,
            prev: None,
            raw,
            status: CaptureStatus::Quarantined.to_string(),
            findings: Json(json!([])),
            gap_from: None,
            edited: false,
            received_at: At(tx.now),
            floor_at: None,
            lower_at: None,
        };
        let (record, key) = match found {
            Ok(signed) => signed,
            Err(flag) => {
                row.findings = findings(&[flag])?;
                store::add(tx.db, &row, &BTreeMap::new())?;
                return Ok(None);
            }
        };
        let content = &record.content;
        (row.device_id, row.epoch, row.seq) = (content.device, Some(content.epoch), Some(content.seq));
        row.prev = Some(content.prev.clone());
        let (epoch, revoked) = self.devices.get(&content.device).copied().unwrap_or_default();
        let mut flags = Vec::new();
        row.floor_at = self.floor(tx, &record, &mut flags)?;
        row.lower_at = row.floor_at;
        if content.epoch > epoch {
            flags.push(Flag::new(Fault::EpochUnknown, format!("平台未给过第 {} 代", content.epoch)));
        }
        if revoked {
            flags.insert(0, Flag::new(Fault::DeviceRevoked, "设备已吊销"));
        } else {
            row.status = place(tx.db, &record, &mut flags)?.to_string();
        }
        row.findings = findings(&flags)?;
        let media: BTreeMap<&str, i64> =
            content.media.iter().map(|medium| (medium.sha256.as_str(), medium.size)).collect();
        store::add(tx.db, &row, &media)?;
        let body = json!({
            "sha256": row.sha256, "device": content.device, "epoch": content.epoch, "seq": content.seq,
            "status": row.status, "key": key,
        });
        tlog::record(tx, tlog::Kind::Capture, &format!("capture:{}", row.id), &body)?;
        Ok((!revoked).then_some(record))
    }

    /// The lower bound that a record proves by itself: the checkpoint it names, or that its key was enrolled.
    fn floor(&mut self, tx: &mut Tx, record: &Record, flags: &mut Vec<Flag>) -> Result<Option<At>> {
        let Record { content, .. } = record;
        let keys = self.enrolled.get(&content.device).map(Vec::as_slice).unwrap_or_default();
        // A store that does not know its epoch may sign with any of them: the first is what is sure.
        let enrolled = match content.epoch {
            0 => keys.iter().map(|(_, at)| *at).min(),
            epoch => keys.iter().filter(|(from, _)| *from <= epoch).max().map(|(_, at)| *at),
        };
        let Some(beacon) = &content.beacon else { return Ok(enrolled) };
        let key = (beacon.size, beacon.root.clone());
        let at = match self.beacons.get(&key) {
            Some(at) => *at,
            None => {
                let root = digest::bytes(&beacon.root).unwrap_or_default();
                let at = tlog::actions::known_since(tx.db, beacon.size, &root)?.map(At);
                self.beacons.insert(key, at);
                at
            }
        };
        if at.is_none() {
            flags.push(Flag::new(Fault::BeaconUnknown, format!("存证日志没有这个检查点（大小 {}）", beacon.size)));
        }
        Ok(at.max(enrolled))
    }
}

/// Whether a record has its number for itself, and how it came.
fn place(db: &mut Db, record: &Record, flags: &mut Vec<Flag>) -> Result<CaptureStatus> {
    let (device, epoch, seq) = (record.content.device, record.content.epoch, record.content.seq);
    let holder = |rows: &[CaptureRow]| rows.iter().any(|row| row.status == CaptureStatus::Accepted.as_str());
    let behind = store::by_sha256(db, std::slice::from_ref(&record.content.prev))?;
    // A new epoch ends the fork that it was begun for.
    let branch = |row: &CaptureRow| row.epoch == Some(epoch) && row.status == CaptureStatus::Forked.as_str();
    let behind = behind.iter().any(|row| row.device_id == device && branch(row));
    if holder(&store::at(db, device, epoch, &[seq])?) {
        flags.push(Flag::new(Fault::Fork, format!("另有一条第 {seq} 条先到")));
        return Ok(CaptureStatus::Forked);
    }
    if behind {
        flags.push(Flag::new(Fault::Fork, "接在分叉的记录之后"));
        return Ok(CaptureStatus::Forked);
    }
    if let Some(later) = store::neighbour(db, device, (epoch, seq), true)? {
        flags.push(Flag::new(Fault::Reordered, format!("在第 {later} 条之后才到")));
    }
    Ok(CaptureStatus::Accepted)
}

/// What was told of a record when it came; the rest is told by the records around it, and told anew when one comes.
const ON_ARRIVAL: [Fault; 5] =
    [Fault::DeviceRevoked, Fault::EpochUnknown, Fault::Fork, Fault::Reordered, Fault::BeaconUnknown];

/// Judges again what new records of a device say of their neighbours, and their neighbours of them.
fn settle(tx: &mut Tx, device: DeviceId, fresh: &[Record]) -> Result<()> {
    let mut wave: BTreeSet<(i32, i64)> = BTreeSet::new();
    for record in fresh {
        let (epoch, seq) = (record.content.epoch, record.content.seq);
        wave.extend([(epoch, seq - 1), (epoch, seq), (epoch, seq + 1)]);
        // The end of a gap that this one makes smaller.
        let next = store::neighbour(tx.db, device, (epoch, seq), true)?;
        wave.extend(next.map(|next| (epoch, next)));
    }
    let sha256s: Vec<String> = fresh.iter().map(|record| record.sha256.clone()).collect();
    wave.extend(places(&store::begun_on(tx.db, device, &sha256s)?));
    while !wave.is_empty() {
        wave = judge(tx, device, &wave)?;
    }
    Ok(())
}

fn places(rows: &[CaptureRow]) -> impl Iterator<Item = (i32, i64)> {
    rows.iter().filter_map(|row| row.epoch.zip(row.seq))
}

/// Judges the records at these places by those around them; gives the places whose lower bound may have moved by that.
fn judge(tx: &mut Tx, device: DeviceId, wave: &BTreeSet<(i32, i64)>) -> Result<BTreeSet<(i32, i64)>> {
    let mut rows = around(tx.db, device, wave)?;
    let mut records = Vec::new();
    for row in &rows {
        records.push(Record::read(&row.raw).map_err(Error::internal)?);
    }
    let chain = Chain::new(&records);
    let mut lowers: HashMap<String, Option<At>> = rows.iter().map(|row| (row.sha256.clone(), row.lower_at)).collect();
    let mut moved = Vec::new();
    for (row, record) in rows.iter_mut().zip(&records) {
        if !wave.contains(&(record.content.epoch, record.content.seq)) {
            continue;
        }
        let parent = chain.parent(record).and_then(|parent| lowers.get(&parent.sha256).copied().flatten());
        let lower_at = row.floor_at.max(parent);
        let mut flags = row.flags()?;
        flags.retain(|flag| ON_ARRIVAL.contains(&flag.code));
        flags.extend(chain.flags(record));
        let ms = |at: At| at.0.timestamp_millis();
        if let Some(lower) = lower_at {
            flags.extend(rules::bounds(record.content.wall_ms, ms(lower), ms(row.received_at)));
        }
        let judged = CaptureRow {
            findings: findings(&flags)?,
            gap_from: chain.gap(record),
            edited: chain.is_edited(record),
            lower_at,
            ..row.clone()
        };
        if judged != *row {
            store::judge(tx.db, &judged)?;
        }
        if lower_at != row.lower_at {
            lowers.insert(row.sha256.clone(), lower_at);
            moved.push(row.sha256.clone());
        }
        *row = judged;
    }
    let mut next: BTreeSet<(i32, i64)> = BTreeSet::new();
    for record in records.iter().filter(|record| moved.contains(&record.sha256)) {
        next.insert((record.content.epoch, record.content.seq + 1));
    }
    next.extend(places(&store::begun_on(tx.db, device, &moved)?));
    // What stood in this wave was judged after what it stands on.
    Ok(next.difference(wave).copied().collect())
}

/// The records at these places and those that [`Chain`] needs beside them, by epoch and number.
fn around(db: &mut Db, device: DeviceId, wave: &BTreeSet<(i32, i64)>) -> Result<Vec<CaptureRow>> {
    let mut wanted: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    for (epoch, seq) in wave {
        wanted.entry(*epoch).or_default().extend([seq - 1, *seq, seq + 1]);
    }
    let mut rows = Vec::new();
    for (epoch, seqs) in wanted {
        let there = store::at(db, device, epoch, &seqs.iter().copied().collect::<Vec<_>>())?;
        let have: BTreeSet<i64> = there.iter().filter_map(|row| row.seq).collect();
        rows.extend(there);
        for seq in have.iter().filter(|seq| **seq > 1 && !have.contains(&(**seq - 1))) {
            if let Some(below) = store::neighbour(db, device, (epoch, *seq), false)?.filter(|n| !have.contains(n)) {
                rows.extend(store::at(db, device, epoch, &[below])?);
            }
        }
    }
    let begins: Vec<String> = rows.iter().filter(|row| row.seq == Some(1)).filter_map(|row| row.prev.clone()).collect();
    let before = store::by_sha256(db, &begins)?;
    rows.extend(
        before.into_iter().filter(|row| row.device_id == device && row.status != CaptureStatus::Quarantined.as_str()),
    );
    rows.sort_by_key(|row| (row.epoch, row.seq, row.id));
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

fn findings(flags: &[Flag]) -> Result<Json> {
    serde_json::to_value(flags).map(Json).map_err(Error::internal)
}

/// The newest checkpoint of the transparency log, for a device to name in what it signs next.
///
/// # Errors
/// The engine's own.
pub fn beacon(db: &mut Db) -> Result<Option<Beacon>> {
    let newest = tlog::actions::newest(db)?;
    Ok(newest.map(|head| Beacon { size: head.size, root: digest::hex(&head.root) }))
}

/// The records that a list shows.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this device's chains.
    pub device: Option<DeviceId>,
    /// Only those that name this file.
    pub sha256: Option<String>,
    /// The last id of the page before.
    pub before: Option<CaptureId>,
}

/// One page, newest first, and the id it ended with when there is more.
///
/// # Errors
/// The engine's own.
pub fn list(db: &mut Db, wanted: &Wanted, limit: usize) -> Result<(Vec<Capture>, Option<CaptureId>)> {
    let one_more = i64::try_from(limit + 1).map_err(Error::internal)?;
    let mut rows = store::page(db, wanted.device, wanted.sha256.as_deref(), wanted.before, one_more)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let ids: BTreeSet<DeviceId> = rows.iter().map(|row| row.device_id).collect();
    let devices = devices::devices_by_id(db, &ids.into_iter().collect::<Vec<_>>())?;
    let names: HashMap<DeviceId, String> = devices.into_iter().map(|device| (device.id, device.name)).collect();
    let next = rows.last().map(|row| row.id).filter(|_| more);
    let shown = rows.into_iter().map(|row| {
        let name = names.get(&row.device_id).cloned().unwrap_or_default();
        Capture::of(row, name)
    });
    Ok((shown.collect::<Result<_>>()?, next))
}

/// How a device's chains stand.
///
/// # Errors
/// `not_found`.
pub fn chain(db: &mut Db, device: DeviceId) -> Result<ChainStatus> {
    let row = devices::devices_by_id(db, &[device])?.pop().ok_or_else(|| Error::not_found("device"))?;
    let (gaps, forks) = (store::gaps(db, device, MOST_LISTED)?, store::forks(db, device, MOST_LISTED)?);
    let edits = store::edits(db, device, MOST_LISTED)?;
    let of = |list: &[(i32, i64)], epoch: i32| list.iter().filter(|(e, _)| *e == epoch).map(|(_, seq)| *seq).collect();
    let mut status = ChainStatus {
        device_id: device,
        device_name: row.name,
        records: 0,
        quarantined: store::quarantined(db, device)?,
        missing: gaps.iter().map(|(_, from, seq)| if *from == 0 { 1 } else { seq - from }).sum(),
        forks: i64::try_from(forks.len()).map_err(Error::internal)?,
        edited: i64::try_from(edits.len()).map_err(Error::internal)?,
        epochs: Vec::new(),
    };
    for (epoch, records, last) in store::epochs(db, device)? {
        let ends = store::at(db, device, epoch, &[1, last.unwrap_or(1)])?;
        let first = ends.iter().find(|row| row.seq == Some(1));
        let last = ends.iter().rfind(|row| row.seq == last);
        status.records += records;
        status.epochs.push(ChainEpoch {
            epoch,
            begins: match first.map(|row| (row.prev.as_deref(), row.gap_from)) {
                Some((Some(rules::GENESIS), _)) => Begins::Genesis,
                Some((_, None)) => Begins::Linked,
                _ => Begins::Missing,
            },
            records,
            last_seq: last.and_then(|row| row.seq).unwrap_or(0),
            last_sha256: last.map(|row| row.sha256.clone()).unwrap_or_default(),
            last_received_at: last.map(|row| row.received_at.0),
            gaps: (gaps.iter().filter(|(e, from, _)| *e == epoch && *from > 0))
                .map(|(_, from, seq)| Span { from: *from, to: seq - 1 })
                .collect(),
            forks: of(&forks, epoch),
            edited: of(&edits, epoch),
        });
    }
    Ok(status)
}

/// A signed record that names a file, and the key that signed it: for whoever checks it without us.
pub struct Exhibit {
    /// The record.
    pub row: CaptureRow,
    /// The label on the device.
    pub device_name: String,
    /// The key.
    pub key: PublicJwk,
    /// SHA-256 of its point, as the log's leaf names it.
    pub key_sha256: String,
}

/// The signed records that name a file, oldest first.
///
/// # Errors
/// The engine's own.
pub fn exhibits(db: &mut Db, sha256: &str) -> Result<Vec<Exhibit>> {
    let mut exhibits = Vec::new();
    for row in store::page(db, None, Some(sha256), None, i64::MAX)?.into_iter().rev() {
        let record = Record::read(&row.raw).map_err(Error::internal)?;
        let device_name = devices::devices_by_id(db, &[row.device_id])?.pop().map(|device| device.name);
        for key in store::keys_of(db, &[row.device_id])? {
            let public = PublicKey::of(&key.public_key)?;
            if record.is_signed_by(&public) {
                let (key, key_sha256) = (PublicJwk::from_point(&key.public_key), public.sha256);
                exhibits.push(Exhibit { row, device_name: device_name.unwrap_or_default(), key, key_sha256 });
                break;
            }
        }
    }
    Ok(exhibits)
}
