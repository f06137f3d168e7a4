//! Rows of tracks.

use crate::{
    db::{Db, Each, schema::evidence_tracks, types::EvidenceId},
    error::Result,
    evidence::{datum::Position, media::track::Fix},
};
use chrono::DateTime;
use diesel::prelude::*;

/// A track's file and a recording beside which it lies; cameras write one file for several recordings.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = evidence_tracks)]
pub(super) struct TrackRow {
    /// The file.
    pub(super) evidence_id: EvidenceId,
    /// The digest of the recording that it belongs to.
    pub(super) of_sha256: String,
    /// What its sender said the positions are in.
    pub(super) datum: String,
    /// 16 bytes a point: milliseconds since 1970, then latitude and longitude in WGS-84 in ten-millionths of a degree,
    /// all big-endian. Absent until the file is here.
    pub(super) points: Option<Vec<u8>>,
}

impl TrackRow {
    /// Its points; none until the file is here.
    pub(super) fn fixes(&self) -> Vec<Fix> {
        let bytes = self.points.as_deref().unwrap_or_default();
        bytes.as_chunks::<16>().0.iter().filter_map(unpack).collect()
    }
}

fn unpack(bytes: &[u8; 16]) -> Option<Fix> {
    let (at, place) = bytes.split_first_chunk::<8>()?;
    let (lat, lon) = place.split_first_chunk::<4>()?;
    let degrees = |bytes: [u8; 4]| f64::from(i32::from_be_bytes(bytes)) / 1e7;
    Some(Fix {
        at: DateTime::from_timestamp_millis(i64::from_be_bytes(*at))?,
        position: Position::new(degrees(*lat), degrees(lon.try_into().ok()?)).ok()?,
    })
}

/// The points as they are kept.
pub(super) fn pack(fixes: &[Fix]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8e9")]
    let degrees = |degrees: f64| ((degrees * 1e7).round() as i32).to_be_bytes();
    let point = |fix: &Fix| {
        let (lat, lon) = (degrees(fix.position.lat()), degrees(fix.position.lon()));
        [&fix.at.timestamp_millis().to_be_bytes()[..], &lat, &lon].concat()
    };
    fixes.iter().flat_map(point).collect()
}

/// Adds a track unless it is known.
pub(super) fn track_add(db: &mut Db, row: &TrackRow) -> Result<()> {
    Each(diesel::insert_into(evidence_tracks::table).values(row).on_conflict_do_nothing()).execute(db)?;
    Ok(())
}

/// What a file is the track of.
pub(super) fn tracks_in(db: &mut Db, id: EvidenceId) -> Result<Vec<TrackRow>> {
    Ok(evidence_tracks::table
        .filter(evidence_tracks::evidence_id.eq(id))
        .order(evidence_tracks::of_sha256)
        .select(TrackRow::as_select())
        .load(db)?)
}

pub(super) fn track_fill(db: &mut Db, row: &TrackRow) -> Result<()> {
    let track = evidence_tracks::table.find((row.evidence_id, &row.of_sha256));
    diesel::update(track).set(evidence_tracks::points.eq(&row.points)).execute(db)?;
    Ok(())
}

/// The tracks of a recording whose files are here, oldest first.
pub(super) fn tracks_of(db: &mut Db, sha256: &str) -> Result<Vec<TrackRow>> {
    Ok(evidence_tracks::table
        .filter(evidence_tracks::of_sha256.eq(sha256))
        .filter(evidence_tracks::points.is_not_null())
        .order(evidence_tracks::evidence_id)
        .limit(16)
        .select(TrackRow::as_select())
        .load(db)?)
}
