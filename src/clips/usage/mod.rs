//! 一机一账: what each camera, handheld and dock did in a span, counted by the database from what arrived.
//!
//! A camera is known by its serial, whether or not it is among the devices: footage of one that nobody registered has a
//! line too. Hours of the roster are the denominator where there is a roster.

pub mod rules;
mod store;

use crate::{
    db::{
        Db,
        types::{At, DeviceId},
    },
    error::Result,
    identity::{self, store::DeviceRow},
};
use chrono::{DateTime, Utc};
use rules::{Life, UseState, milli, reasons, state};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// One device's line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceUse {
    /// The device; none for a camera that nobody registered.
    pub device_id: Option<DeviceId>,
    /// Its label, a camera's serial.
    pub name: String,
    /// `handheld`, `camera` or `dock`.
    pub kind: String,
    /// 在用, 在册未用, 失联 or 待修.
    pub state: UseState,
    /// Whole days that it has not been used or heard of, for the second and third.
    pub days: Option<i64>,
    /// Codes, most important first.
    pub reasons: Vec<&'static str>,
    /// Why it waits for repair.
    pub repair: Option<String>,
    /// When it was last used, by its own record.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When something of it last arrived.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Local days of the span on which it was used.
    pub days_used: i64,
    /// What a camera did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraUse>,
    /// What a handheld did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handheld: Option<HandheldUse>,
    /// What a dock did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dock: Option<DockUse>,
}

/// What a camera recorded in the span.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct CameraUse {
    /// Files.
    pub files: i64,
    /// Of these, key files.
    pub key_files: i64,
    /// Seconds recorded.
    pub recorded_s: i64,
    /// Of these, linked to a case.
    pub linked_s: i64,
    /// Of these, claimed by nobody yet.
    pub unclaimed_s: i64,
    /// Of these, said to belong to no case.
    pub dismissed_s: i64,
    /// Files that were here within 24 hours of their end.
    pub within_24h: i64,
    /// Their share, thousandths.
    pub within_24h_milli: Option<i64>,
    /// Seconds that somebody was to carry it, by the roster.
    pub rostered_s: i64,
    /// Recorded of rostered, thousandths; none without a roster.
    pub recorded_milli: Option<i64>,
    /// Linked of recorded, thousandths.
    pub linked_milli: Option<i64>,
}

/// What a handheld brought in the span.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct HandheldUse {
    /// Pushes that brought operations.
    pub pushes: i64,
    /// Operations.
    pub ops: i64,
    /// Photos and videos.
    pub evidence: i64,
}

/// What a dock brought in the span.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct DockUse {
    /// Files.
    pub files: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// The lines of all devices, by kind and label.
///
/// # Errors
/// The engine's own.
pub fn board(db: &mut Db, from: DateTime<Utc>, until: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<DeviceUse>> {
    let (from, until, as_of) = (At(from), At(until), until.min(now));
    let repairs: HashMap<DeviceId, String> = store::repairs(db)?.into_iter().collect();
    let mut cameras: BTreeMap<String, store::Camera> =
        store::cameras(db, from, until)?.into_iter().map(|row| (row.camera.clone(), row)).collect();
    let rostered: HashMap<String, i64> =
        store::rostered(db, from, until)?.into_iter().map(|row| (row.camera, row.seconds)).collect();
    let handhelds: HashMap<DeviceId, store::Handheld> =
        store::handhelds(db, from, until)?.into_iter().map(|row| (row.device_id, row)).collect();
    let evidence: HashMap<DeviceId, i64> = store::evidence_of(db, from, until)?.into_iter().collect();
    let docks: HashMap<DeviceId, store::Dock> =
        store::docks(db, from, until)?.into_iter().map(|row| (row.device_id, row)).collect();
    let epochs = identity::devices::epochs_newest(db)?;
    let mut lines = Vec::new();
    for device in identity::devices::device_list(db)? {
        let repair = repairs.get(&device.id).cloned();
        let mut line = match device.kind.as_str() {
            "camera" => {
                let row = cameras.remove(&device.name);
                camera_line(&device.name, row, rostered.get(&device.name).copied(), Some((&device, repair)), as_of)
            }
            "handheld" => {
                let pushed = epochs.get(&device.id).and_then(|epoch| epoch.last_push_at);
                let own = evidence.get(&device.id).copied();
                handheld_line(&device, handhelds.get(&device.id), own, pushed, repair, as_of)
            }
            _ => dock_line(&device, docks.get(&device.id), repair, as_of),
        };
        line.device_id = Some(device.id);
        lines.push(line);
    }
    for (serial, row) in cameras {
        lines.push(camera_line(&serial, Some(row), rostered.get(&serial).copied(), None, as_of));
    }
    lines.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    Ok(lines)
}

/// A line before what it did is known.
fn line(name: &str, kind: &str, life: &Life, repair: Option<String>, days_used: i64, now: DateTime<Utc>) -> DeviceUse {
    let (state, days, reason) = state(life, now);
    DeviceUse {
        device_id: None,
        name: name.to_owned(),
        kind: kind.to_owned(),
        state,
        days,
        reasons: vec![reason],
        repair,
        last_used_at: life.last_used_at,
        last_seen_at: life.last_seen_at,
        days_used,
        camera: None,
        handheld: None,
        dock: None,
    }
}

fn life(device: &DeviceRow, repair: bool, used: Option<At>, seen: Option<At>) -> Life {
    Life {
        added_at: device.created_at.0,
        enrolled: device.enrolled_at.is_some(),
        revoked: device.revoked_at.is_some(),
        repair,
        last_used_at: used.map(|at| at.0),
        last_seen_at: seen.map(|at| at.0),
    }
}

fn camera_line(
    serial: &str,
    row: Option<store::Camera>,
    rostered: Option<i64>,
    device: Option<(&DeviceRow, Option<String>)>,
    now: DateTime<Utc>,
) -> DeviceUse {
    let (used, seen) = row.as_ref().map_or((None, None), |row| (row.last_used_at, row.last_seen_at));
    let registered = device.is_some();
    let (life, repair) = match device {
        Some((device, repair)) => {
            // A camera whose files come through a dock is never enrolled itself.
            let life = life(device, repair.is_some(), used, seen);
            (Life { enrolled: life.enrolled || seen.is_some(), ..life }, repair)
        }
        None => {
            let (used, seen) = (used.map(|at| at.0), seen.map(|at| at.0));
            let added_at = seen.unwrap_or(now);
            let life = Life {
                added_at,
                enrolled: true,
                revoked: false,
                repair: false,
                last_used_at: used,
                last_seen_at: seen,
            };
            (life, None)
        }
    };
    let mut line = line(serial, "camera", &life, repair, row.as_ref().map_or(0, |row| row.days), now);
    let counted = row.map_or_else(CameraUse::default, |row| CameraUse {
        files: row.files,
        key_files: row.key_files,
        recorded_s: row.recorded_s,
        linked_s: row.linked_s,
        unclaimed_s: row.unclaimed_s,
        dismissed_s: row.dismissed_s,
        within_24h: row.within_24h,
        within_24h_milli: milli(row.within_24h, row.files),
        linked_milli: milli(row.linked_s, row.recorded_s),
        ..CameraUse::default()
    });
    let rostered_s = rostered.unwrap_or(0);
    let counted = CameraUse { rostered_s, recorded_milli: milli(counted.recorded_s, rostered_s), ..counted };
    line.reasons.extend(reasons(&counted, registered));
    line.camera = Some(counted);
    line
}

fn handheld_line(
    device: &DeviceRow,
    row: Option<&store::Handheld>,
    evidence: Option<i64>,
    pushed: Option<At>,
    repair: Option<String>,
    now: DateTime<Utc>,
) -> DeviceUse {
    let used = row.and_then(|row| row.last_used_at);
    let life = life(device, repair.is_some(), used, pushed.max(used));
    let mut line = line(&device.name, "handheld", &life, repair, row.map_or(0, |row| row.days), now);
    let (pushes, ops) = row.map_or((0, 0), |row| (row.pushes, row.ops));
    line.handheld = Some(HandheldUse { pushes, ops, evidence: evidence.unwrap_or(0) });
    line
}

fn dock_line(device: &DeviceRow, row: Option<&store::Dock>, repair: Option<String>, now: DateTime<Utc>) -> DeviceUse {
    let used = row.and_then(|row| row.last_used_at);
    let life = life(device, repair.is_some(), used, used);
    let mut line = line(&device.name, "dock", &life, repair, row.map_or(0, |row| row.days), now);
    line.dock = Some(row.map_or_else(DockUse::default, |row| DockUse { files: row.files, bytes: row.bytes }));
    line
}
