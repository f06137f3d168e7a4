//! What can be done with devices and their epochs.

use super::{
    passwords,
    rules::{self, DeviceKind},
    store::{self, DeviceRow, EpochRow},
    tokens,
};
use crate::{
    db::{
        Db, Tx,
        types::{At, DeviceId},
    },
    error::{Code, Error, Result},
};
use std::collections::HashMap;

/// Adds a device and returns its one-time enrolment code; for a device that is there already, a new code.
///
/// # Errors
/// `value_invalid`, `already_exists` when the name belongs to a device of another kind.
pub fn device_add(tx: &mut Tx, name: &str, kind: DeviceKind) -> Result<(DeviceRow, String)> {
    rules::text("name", name, 64)?;
    let code = passwords::generate(tx.env());
    let hash = Some(tokens::sha256(code.as_bytes()));
    let expires = Some(At(tx.now + rules::CODE_FOR));
    if let Some(mut row) = store::device_by_name(tx.db, name)? {
        if row.kind != kind.as_str() {
            return Err(Code::AlreadyExists.with("name"));
        }
        (row.enrolment_code_sha256, row.enrolment_expires_at) = (hash, expires);
        store::device_save(tx.db, &row)?;
        return Ok((row, code));
    }
    let row = DeviceRow {
        id: DeviceId(tx.id()),
        name: name.to_owned(),
        kind: kind.to_string(),
        public_key: None,
        enrolment_code_sha256: hash,
        enrolment_expires_at: expires,
        enrolled_at: None,
        revoked_at: None,
        epoch: 0,
        created_at: At(tx.now),
    };
    store::device_add(tx.db, &row)?;
    Ok((row, code))
}

/// Registers a device's own key with its one-time code. Each enrolment starts a new epoch.
///
/// # Errors
/// `code_wrong` or `device_revoked`.
pub fn device_enrol(tx: &mut Tx, code: &str, point: Vec<u8>) -> Result<DeviceRow> {
    let hash = tokens::sha256(code.trim().as_bytes());
    let mut row = store::device_by_code(tx.db, &hash)?.ok_or(Code::CodeWrong)?;
    if row.enrolment_expires_at.is_none_or(|at| at.0 <= tx.now) {
        return Err(Code::CodeWrong.into());
    }
    if row.revoked_at.is_some() {
        return Err(Code::DeviceRevoked.into());
    }
    row.public_key = Some(point);
    (row.enrolment_code_sha256, row.enrolment_expires_at) = (None, None);
    row.enrolled_at = Some(At(tx.now));
    row.epoch += 1;
    store::device_save(tx.db, &row)?;
    store::device_key_add(tx.db, &row)?;
    store::epoch_add(tx.db, &EpochRow::new(row.id, row.epoch, "enrolled", At(tx.now)))?;
    Ok(row)
}

/// Revokes a device at once.
///
/// # Errors
/// `not_found`.
pub fn device_revoke(tx: &mut Tx, id: DeviceId) -> Result<DeviceRow> {
    let mut row = store::device_get(tx.db, id)?.ok_or_else(|| Error::not_found("device"))?;
    row.revoked_at = row.revoked_at.or(Some(At(tx.now)));
    store::device_save(tx.db, &row)?;
    Ok(row)
}

/// A device by the name on its label.
///
/// # Errors
/// `not_found`.
pub fn device_by_name(db: &mut Db, name: &str) -> Result<DeviceRow> {
    store::device_by_name(db, name)?.ok_or_else(|| Error::not_found("device"))
}

/// All devices by name.
///
/// # Errors
/// The engine's own.
pub fn device_list(db: &mut Db) -> Result<Vec<DeviceRow>> {
    store::device_list(db)
}

/// An enrolled device, revoked or not.
///
/// # Errors
/// `device_unknown`.
pub fn device_known(db: &mut Db, id: DeviceId) -> Result<DeviceRow> {
    store::device_get(db, id)?.filter(|d| d.public_key.is_some()).ok_or_else(|| Code::DeviceUnknown.into())
}

/// Devices by id, enrolled or not.
///
/// # Errors
/// The engine's own.
pub fn devices_by_id(db: &mut Db, ids: &[DeviceId]) -> Result<Vec<DeviceRow>> {
    store::devices_get(db, ids)
}

/// The epochs of devices, locked until the transaction ends.
///
/// # Errors
/// The engine's own.
pub fn epochs_locked(tx: &mut Tx, ids: &[DeviceId]) -> Result<Vec<EpochRow>> {
    store::epochs_locked(tx.db, ids)
}

/// The epochs of one device, newest first.
///
/// # Errors
/// The engine's own.
pub fn epochs_of(db: &mut Db, id: DeviceId) -> Result<Vec<EpochRow>> {
    store::epochs_of(db, id)
}

/// The epochs in which devices made more than arrived under their numbers.
///
/// # Errors
/// The engine's own.
pub fn epochs_incomplete(db: &mut Db) -> Result<Vec<EpochRow>> {
    store::epochs_incomplete(db)
}

/// The newest epoch of each device.
///
/// # Errors
/// The engine's own.
pub fn epochs_newest(db: &mut Db) -> Result<HashMap<DeviceId, EpochRow>> {
    Ok(store::epochs_newest(db)?.into_iter().map(|row| (row.device_id, row)).collect())
}

/// Begins an epoch that no device has had.
///
/// # Errors
/// The engine's own.
pub fn epoch_add(tx: &mut Tx, device: &DeviceRow, row: &EpochRow) -> Result<()> {
    store::epoch_add(tx.db, row)?;
    store::device_save(tx.db, device)
}

/// Stores what pushes said about their devices.
///
/// # Errors
/// The engine's own.
pub fn epochs_save(tx: &mut Tx, rows: &[EpochRow]) -> Result<()> {
    if rows.is_empty() { Ok(()) } else { store::epochs_save(tx.db, rows) }
}

/// The place in the feed that every handheld in use has passed; none, when there is no handheld.
///
/// # Errors
/// The engine's own.
pub fn feed_seq_least(db: &mut Db) -> Result<Option<i64>> {
    store::feed_seq_least(db)
}
