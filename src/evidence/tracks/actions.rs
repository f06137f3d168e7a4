//! What can be done with tracks, in an open transaction.

use super::store::{self, TrackRow};
use crate::{
    db::{Db, Tx, types::EvidenceId},
    error::{Error, Result},
    evidence::{
        actions::stamp_of,
        media::{Facts, Flag, compare_track, track::Fix},
        rules::{Sidecar, State},
        store::{EvidenceRow, evidence_by_sha256, evidence_get},
    },
};

/// Notes that a piece of evidence is the track of a recording.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn declared(tx: &mut Tx, id: EvidenceId, of: &Sidecar) -> Result<()> {
    let row = TrackRow { evidence_id: id, of_sha256: of.of_sha256.clone(), datum: of.datum.to_string(), points: None };
    store::track_add(tx.db, &row)
}

/// The bytes of a piece are here. If it is a track, its points are kept, and the recording that it belongs to gets back
/// with the flags to add. `None` for all else.
///
/// # Errors
/// The engine's own.
pub fn stored(tx: &mut Tx, row: &EvidenceRow, facts: &Facts) -> Result<Option<Stored>> {
    let Some(track) = store::track_get(tx.db, row.id)? else { return Ok(None) };
    let Some(found) = &facts.track else { return Ok(Some(Stored::Unreadable)) };
    let points = found.wgs84(track.datum.parse().map_err(Error::internal)?);
    store::track_fill(tx.db, row.id, &store::pack(&points))?;
    let recording = evidence_by_sha256(tx.db, &track.of_sha256)?;
    Ok(Some(match recording.filter(|of| of.state == State::Stored.as_str() && one_sender(of, row)) {
        Some(recording) => {
            let flags = compared(&recording, &points);
            Stored::Compared(Box::new(recording), flags)
        }
        None => Stored::Kept,
    }))
}

/// What became of a track.
pub enum Stored {
    /// There is none in the file.
    Unreadable,
    /// Its recording is not here yet, or was sent by somebody else.
    Kept,
    /// These are new flags of its recording.
    Compared(Box<EvidenceRow>, Vec<Flag>),
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

/// The track of a recording, or a track itself: its file and its points.
///
/// # Errors
/// The engine's own.
pub fn of(db: &mut Db, row: &EvidenceRow) -> Result<Option<(EvidenceId, Vec<Fix>)>> {
    if let Some(track) = store::track_get(db, row.id)?.filter(|track| track.points.is_some()) {
        return Ok(Some((row.id, track.fixes())));
    }
    for track in store::tracks_of(db, &row.sha256)? {
        if evidence_get(db, track.evidence_id)?.is_some_and(|file| one_sender(&file, row)) {
            return Ok(Some((track.evidence_id, track.fixes())));
        }
    }
    Ok(None)
}
