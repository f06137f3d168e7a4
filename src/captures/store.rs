//! Rows of capture records and of the keys that signed them.

use super::rules::CaptureStatus;
use crate::{
    db::{
        Db, on_each,
        schema::{capture_media, captures, device_keys, devices},
        types::{At, CaptureId, DeviceId, Json},
    },
    error::Result,
};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// A capture record as it came.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = captures)]
pub struct CaptureRow {
    /// Its id here; ids sort by arrival.
    pub id: CaptureId,
    /// The device whose chain it belongs to; the sender, when that can't be told.
    pub device_id: DeviceId,
    /// Who brought it.
    pub sender_id: DeviceId,
    /// The device's epoch.
    pub epoch: Option<i32>,
    /// Its number in the epoch.
    pub seq: Option<i64>,
    /// Of its bytes.
    pub sha256: String,
    /// What it names as the record before.
    pub prev: Option<String>,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// See [`CaptureStatus`].
    pub status: String,
    /// What was found wrong, `[Flag]`.
    pub findings: Json,
    /// The first number missing directly before it; 0 for the end of an earlier epoch.
    pub gap_from: Option<i64>,
    /// The next record was made on another than this.
    pub edited: bool,
    /// The upper bound of its time.
    pub received_at: At,
    /// The lower bound that it proves by itself.
    pub floor_at: Option<At>,
    /// The lower bound of its time: its own, or that of what it was made on.
    pub lower_at: Option<At>,
}

/// A key that a device enrolled with.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = device_keys)]
pub(super) struct KeyRow {
    pub(super) device_id: DeviceId,
    pub(super) epoch: i32,
    pub(super) public_key: Vec<u8>,
    pub(super) enrolled_at: At,
}

/// Statuses of what belongs into chains.
const IN_CHAINS: [&str; 2] = ["accepted", "forked"];

pub(super) fn keys_of(db: &mut Db, ids: &[DeviceId]) -> Result<Vec<KeyRow>> {
    let mine = device_keys::table.filter(device_keys::device_id.eq_any(ids));
    Ok(mine.order((device_keys::device_id, device_keys::epoch)).select(KeyRow::as_select()).load(db)?)
}

/// Nobody else may add to the chains of these devices until the transaction ends.
pub(super) fn chains_lock(db: &mut Db, ids: &[DeviceId]) -> Result<()> {
    if let Db::Postgres(c) = db {
        let rows = devices::table.filter(devices::id.eq_any(ids)).order(devices::id).select(devices::id);
        rows.for_update().load::<DeviceId>(c)?;
    }
    // SQLite has one writer: the transaction itself is the lock.
    Ok(())
}

pub(super) fn by_sha256(db: &mut Db, sha256s: &[String]) -> Result<Vec<CaptureRow>> {
    Ok(captures::table.filter(captures::sha256.eq_any(sha256s)).select(CaptureRow::as_select()).load(db)?)
}

/// Adds a record with the digests and sizes of the files it names.
pub(super) fn add(db: &mut Db, row: &CaptureRow, media: &BTreeMap<&str, i64>) -> Result<()> {
    use capture_media::{capture_id, sha256, size};
    diesel::insert_into(captures::table).values(row).execute(db)?;
    let of = |(digest, bytes)| (capture_id.eq(row.id), sha256.eq(digest), size.eq(bytes));
    let media: Vec<_> = media.iter().map(|(digest, bytes)| of((*digest, *bytes))).collect();
    if !media.is_empty() {
        on_each!(&mut *db, c => diesel::insert_into(capture_media::table).values(media).execute(c))?;
    }
    Ok(())
}

/// The records of a device's chains at these numbers of an epoch, in the order of their arrival.
pub(super) fn at(db: &mut Db, device: DeviceId, epoch: i32, seqs: &[i64]) -> Result<Vec<CaptureRow>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::status.eq_any(IN_CHAINS)))
        .filter(captures::epoch.eq(epoch).and(captures::seq.eq_any(seqs)))
        .order(captures::id)
        .select(CaptureRow::as_select())
        .load(db)?)
}

/// The number next to this one that a record bears, below or above.
pub(super) fn neighbour(db: &mut Db, device: DeviceId, (epoch, seq): (i32, i64), above: bool) -> Result<Option<i64>> {
    let epoch = captures::table
        .filter(captures::device_id.eq(device).and(captures::status.eq_any(IN_CHAINS)))
        .filter(captures::epoch.eq(epoch));
    Ok(if above {
        epoch.filter(captures::seq.gt(seq)).select(diesel::dsl::min(captures::seq)).get_result(db)?
    } else {
        epoch.filter(captures::seq.lt(seq)).select(diesel::dsl::max(captures::seq)).get_result(db)?
    })
}

/// The first records of epochs that go on from one of these.
pub(super) fn begun_on(db: &mut Db, device: DeviceId, sha256s: &[String]) -> Result<Vec<CaptureRow>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::status.eq_any(IN_CHAINS)))
        .filter(captures::seq.eq(1).and(captures::prev.eq_any(sha256s)))
        .select(CaptureRow::as_select())
        .load(db)?)
}

/// Keeps what the records around it say of a record.
pub(super) fn judge(db: &mut Db, row: &CaptureRow) -> Result<()> {
    let word = (
        captures::findings.eq(&row.findings),
        captures::gap_from.eq(row.gap_from),
        captures::edited.eq(row.edited),
        captures::lower_at.eq(row.lower_at),
    );
    diesel::update(captures::table.find(row.id)).set(word).execute(db)?;
    Ok(())
}

/// Newest first: of a device, of a file, or all.
pub(super) fn page(
    db: &mut Db,
    device: Option<DeviceId>,
    sha256: Option<&str>,
    before: Option<CaptureId>,
    limit: i64,
) -> Result<Vec<CaptureRow>> {
    let mut query = captures::table.select(CaptureRow::as_select()).into_boxed();
    if let Some(device) = device {
        query = query.filter(captures::device_id.eq(device));
    }
    if let Some(sha256) = sha256 {
        let naming = capture_media::table.filter(capture_media::sha256.eq(sha256)).select(capture_media::capture_id);
        query = query.filter(captures::id.eq_any(naming));
    }
    if let Some(before) = before {
        query = query.filter(captures::id.lt(before));
    }
    Ok(query.order(captures::id.desc()).limit(limit).load(db)?)
}

/// The epochs in which a device signed: how many records, the first and the last number.
pub(super) fn epochs(db: &mut Db, device: DeviceId) -> Result<Vec<(i32, i64, Option<i64>)>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::status.eq_any(IN_CHAINS)))
        .group_by(captures::epoch)
        .order(captures::epoch.asc())
        .select((captures::epoch.assume_not_null(), diesel::dsl::count_star(), diesel::dsl::max(captures::seq)))
        .load(db)?)
}

/// The numbers missing in a device's chains, as epoch, the first missing and the first that is there again.
pub(super) fn gaps(db: &mut Db, device: DeviceId, limit: i64) -> Result<Vec<(i32, i64, i64)>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::gap_from.is_not_null()))
        .select((
            captures::epoch.assume_not_null(),
            captures::gap_from.assume_not_null(),
            captures::seq.assume_not_null(),
        ))
        .distinct()
        .order((captures::epoch.assume_not_null(), captures::seq.assume_not_null()))
        .limit(limit)
        .load(db)?)
}

/// The numbers that two records bear.
pub(super) fn forks(db: &mut Db, device: DeviceId, limit: i64) -> Result<Vec<(i32, i64)>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::status.eq(CaptureStatus::Forked.as_str())))
        .select((captures::epoch.assume_not_null(), captures::seq.assume_not_null()))
        .distinct()
        .order((captures::epoch.assume_not_null(), captures::seq.assume_not_null()))
        .limit(limit)
        .load(db)?)
}

/// The numbers whose record was changed after the next one had been made.
pub(super) fn edits(db: &mut Db, device: DeviceId, limit: i64) -> Result<Vec<(i32, i64)>> {
    Ok(captures::table
        .filter(captures::device_id.eq(device).and(captures::edited))
        .select((captures::epoch.assume_not_null(), captures::seq.assume_not_null()))
        .distinct()
        .order((captures::epoch.assume_not_null(), captures::seq.assume_not_null()))
        .limit(limit)
        .load(db)?)
}

pub(super) fn quarantined(db: &mut Db, device: DeviceId) -> Result<i64> {
    let kept = captures::table.filter(captures::device_id.eq(device));
    Ok(kept.filter(captures::status.eq(CaptureStatus::Quarantined.as_str())).count().get_result(db)?)
}
