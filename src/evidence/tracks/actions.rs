//! What can be done with tracks, in an open transaction.

use super::store::{self, TrackRow};
use crate::{
    db::{Db, Tx, types::EvidenceId},
    error::{Error, Result},
    evidence::{
        actions::{add_flags, stamp_of},
        datum::Position,
        media::{Facts, Flag, compare_track, track::Fix},
        rules::{Sidecar, State},
        store::{EvidenceRow, evidence_by_sha256, evidence_get},
    },
};
use chrono::{DateTime, Utc};

/// Notes that a piece of evidence is the track of a recording.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn declared(tx: &mut Tx, row: &EvidenceRow, of: &Sidecar) -> Result<()> {
    let known = store::tracks_in(tx.db, row.id)?;
    if known.iter().any(|track| track.of_sha256 == of.of_sha256) {
        return Ok(());
    }
    // The first who declared it said what its positions are in.
    let first = known.into_iter().next();
    let track = TrackRow {
        evidence_id: row.id,
        of_sha256: of.of_sha256.clone(),
        datum: first.as_ref().map_or_else(|| of.datum.to_string(), |track| track.datum.clone()),
        points: first.and_then(|track| track.points),
    };
    store::track_add(tx.db, &track)?;
    compare_with_recording(tx, row, &track)
}

/// The bytes of a piece are here. If it is a track, its points are kept and compared with the recordings that are here.
/// Says whether it should be one and can't be read.
///
/// # Errors
/// The engine's own.
pub fn stored(tx: &mut Tx, row: &EvidenceRow, facts: &Facts) -> Result<bool> {
    for mut track in store::tracks_in(tx.db, row.id)? {
        let Some(found) = &facts.track else { return Ok(true) };
        if track.points.is_none() {
            track.points = Some(store::pack(&found.wgs84(track.datum.parse().map_err(Error::internal)?)));
            store::track_fill(tx.db, &track)?;
            compare_with_recording(tx, row, &track)?;
        }
    }
    Ok(false)
}

fn compare_with_recording(tx: &mut Tx, row: &EvidenceRow, track: &TrackRow) -> Result<()> {
    let recording = evidence_by_sha256(tx.db, &track.of_sha256)?;
    match recording.filter(|of| of.state == State::Stored.as_str() && one_sender(of, row)) {
        Some(recording) => {
            let flags = compared(&recording, &track.fixes());
            add_flags(tx, recording, flags)
        }
        None => Ok(()),
    }
}

/// The differences between a recording and the track that came before it.
///
/// # Errors
/// The engine's own.
pub fn differences(tx: &mut Tx, recording: &EvidenceRow) -> Result<Vec<Flag>> {
    let Some((_, points)) = of(tx.db, recording)? else { return Ok(Vec::new()) };
    Ok(compared(recording, &points))
}

fn compared(recording: &EvidenceRow, points: &[Fix]) -> Vec<Flag> {
    // Without a stamped time there is no place on the track to compare with.
    if recording.captured_at.is_none() {
        return Vec::new();
    }
    let duration = recording.facts.as_ref().and_then(|facts| facts.0.get("duration_ms")).and_then(|ms| ms.as_u64());
    compare_track(&stamp_of(recording), duration, points)
}

fn one_sender(a: &EvidenceRow, b: &EvidenceRow) -> bool {
    (a.device_id.is_some() && a.device_id == b.device_id) || (a.user_id.is_some() && a.user_id == b.user_id)
}

/// Where a recording was made between two moments, WGS-84: at most `most` places of its track, evenly thinned; all of the
/// track when none of it is of that time.
///
/// # Errors
/// The engine's own.
pub fn places(
    db: &mut Db,
    recording: EvidenceId,
    between: (DateTime<Utc>, DateTime<Utc>),
    most: usize,
) -> Result<Vec<Position>> {
    let Some(row) = evidence_get(db, recording)? else { return Ok(Vec::new()) };
    let fixes = of(db, &row)?.map(|(_, fixes)| fixes).unwrap_or_default();
    let during = |fix: &&Fix| (between.0..=between.1).contains(&fix.at);
    let mut places: Vec<Position> = fixes.iter().filter(during).map(|fix| fix.position).collect();
    if places.is_empty() {
        places = fixes.iter().map(|fix| fix.position).collect();
    }
    let step = places.len().div_ceil(most.max(1)).max(1);
    Ok(places.into_iter().step_by(step).collect())
}

/// The track of a recording, or a track itself: its file and its points.
///
/// # Errors
/// The engine's own.
pub fn of(db: &mut Db, row: &EvidenceRow) -> Result<Option<(EvidenceId, Vec<Fix>)>> {
    if let Some(track) = store::tracks_in(db, row.id)?.into_iter().find(|track| track.points.is_some()) {
        return Ok(Some((row.id, track.fixes())));
    }
    for track in store::tracks_of(db, &row.sha256)? {
        if evidence_get(db, track.evidence_id)?.is_some_and(|file| one_sender(&file, row)) {
            return Ok(Some((track.evidence_id, track.fixes())));
        }
    }
    Ok(None)
}
