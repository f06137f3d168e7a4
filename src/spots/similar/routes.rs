//! `/api/v1/spots/candidates`.

use super::actions::{self, Candidate, Question};
use crate::{
    app::App,
    cases::{report::Position as Stated, rules::Stage},
    catalogue::rules::ClassKind,
    db::{
        Db,
        types::{CaseId, EvidenceId, SpotId, UnitId},
    },
    error::{Code, Result},
    http::{
        auth::Caller,
        parameter::{page_limit, text},
        table::Routes,
    },
    identity::rules::CENTRE,
    spots::{actions::point, routes::Spot, store::SpotRow},
};
use actix_web::{get, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts what is alike, before the path of one spot.
pub fn routes(cfg: &mut Routes) {
    cfg.service(spot_candidates);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CandidateFilter {
    /// What is like this case; else `class_code`, `lat` and `lon` are needed.
    case_id: Option<CaseId>,
    /// Components or events; decides the radius. Without it the case's own; the narrower one when that does not say.
    class_kind: Option<ClassKind>,
    class_code: Option<String>,
    /// Degrees.
    lat: Option<f64>,
    /// Degrees.
    lon: Option<f64>,
    /// `wgs84` by default, `cgcs2000`, `gcj02` or `bd09`.
    datum: Option<String>,
    /// At most so many cases: 1–200, 50 by default.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Candidates {
    /// The likeliest first; no more than `limit`, for there is no next page: narrow the question instead.
    cases: Vec<SimilarCase>,
    /// The nearest first.
    spots: Vec<SimilarSpot>,
}

#[derive(Serialize, ToSchema)]
struct SimilarCase {
    id: CaseId,
    number: String,
    title: String,
    #[schema(value_type = Stage)]
    state: String,
    address: Option<String>,
    unit_id: Option<UnitId>,
    reported_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    /// Metres.
    distance_m: f64,
    /// Whole days since it was reported.
    age_days: i64,
    /// 0–100: nearness counts 70, how lately it was reported 30.
    score: i32,
    /// Its first stored photo.
    photo: Option<EvidenceId>,
    /// The spot it belongs to.
    spot_id: Option<SpotId>,
}

#[derive(Serialize, ToSchema)]
struct SimilarSpot {
    /// Metres.
    distance_m: f64,
    spot: Spot,
}

impl From<Candidate> for SimilarCase {
    fn from(candidate: Candidate) -> SimilarCase {
        let case = candidate.case;
        SimilarCase {
            id: case.id,
            number: case.number,
            title: case.title,
            state: case.state,
            address: case.address,
            unit_id: case.unit_id,
            reported_at: case.reported_at.0,
            closed_at: case.closed_at.map(|at| at.0),
            distance_m: candidate.distance_m,
            age_days: candidate.age.num_days(),
            score: candidate.score,
            photo: candidate.photo,
            spot_id: candidate.spot_id,
        }
    }
}

/// Cases that may be about the same problem, for a case or for a class at a place: within the class radius, open or
/// solved in the last 90 days. Nothing is merged: a person decides.
#[utoipa::path(tag = "spots", params(CandidateFilter), responses((status = 200, body = Candidates)))]
#[get("/spots/candidates")]
async fn spot_candidates(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<CandidateFilter>,
) -> Result<web::Json<Candidates>> {
    caller.role(CENTRE)?;
    let CandidateFilter { case_id, class_kind, class_code, lat, lon, datum, limit } = filter.into_inner();
    let (class_code, datum, limit) = (text("class_code", class_code)?, text("datum", datum)?, page_limit(limit)?);
    let limit = usize::try_from(limit).unwrap_or(0);
    let placed = match (class_code, lat, lon) {
        (Some(class_code), Some(lat), Some(lon)) => {
            let stated = Stated { lat, lon, datum: datum.unwrap_or_else(|| "wgs84".into()) };
            let here = point(&stated).map_err(|e| Code::ParameterInvalid.with(e.detail.unwrap_or_default()))?;
            Some(Question { class_kind, class_code, here, except: None })
        }
        _ => None,
    };
    let now = app.env.now();
    let read = move |db: &mut Db| {
        let asked = match (case_id, placed) {
            (Some(case), None) => actions::question_of(db, case, class_kind)?,
            (None, Some(asked)) => asked,
            _ => return Err(Code::ParameterInvalid.with("case_id, or class_code, lat and lon")),
        };
        actions::candidates(db, &asked, limit, now)
    };
    let (cases, spots) = app.db.read(read).await?;
    let spot = |(distance_m, row): (f64, SpotRow)| SimilarSpot { distance_m, spot: row.into() };
    let cases = cases.into_iter().map(SimilarCase::from).collect();
    Ok(web::Json(Candidates { cases, spots: spots.into_iter().map(spot).collect() }))
}
