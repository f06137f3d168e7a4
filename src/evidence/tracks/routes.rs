//! Tracks over HTTP. They are sent as evidence, by any way that takes it.

use super::actions;
use crate::{
    app::App,
    db::types::EvidenceId,
    error::{Error, Result},
    evidence::{actions::seen, datum::Datum, routes::parties},
    http::auth::Caller,
};
use actix_web::{get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Where a recording was made.
#[derive(Serialize, ToSchema)]
pub struct Track {
    /// The file it is from; evidence of its own.
    track_id: EvidenceId,
    /// Always `wgs84`.
    #[schema(value_type = String)]
    datum: Datum,
    /// In the order of time, at most 10,000.
    points: Vec<Point>,
}

/// A place at a moment.
#[derive(Serialize, ToSchema)]
struct Point {
    at: DateTime<Utc>,
    /// Degrees, north positive.
    lat: f64,
    /// Degrees, east positive.
    lon: f64,
}

/// Where a recording was made, by the track that was sent beside it.
#[utoipa::path(tag = "evidence", params(("id" = EvidenceId, Path)), responses((status = 200, body = Track)))]
#[get("/evidence/{id}/track")]
pub async fn evidence_track(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
) -> Result<web::Json<Track>> {
    let (_, viewer) = parties(&caller.not_revoked()?);
    let found = app
        .db
        .read(move |db| {
            let row = seen(db, &viewer, *id)?;
            actions::of(db, &row)
        })
        .await?;
    let (track_id, points) = found.ok_or_else(|| Error::not_found("track"))?;
    let point = |fix: &crate::evidence::media::track::Fix| Point {
        at: fix.at,
        lat: fix.position.lat(),
        lon: fix.position.lon(),
    };
    Ok(web::Json(Track { track_id, datum: Datum::Wgs84, points: points.iter().map(point).collect() }))
}
