//! Sites and records over HTTP; records are made on handhelds and come by sync.

use super::{
    actions,
    agreement::Agreement,
    checklist::{Answer, Checklist, KindList},
    draws, library,
    rules::{FENCE_M, Item},
    store::{SpotCheckRow, Wanted},
};
use crate::{
    app::App,
    db::types::{DeviceId, OpId, PickId, SiteId, SpotCheckId, UnitId, UserId},
    error::Result,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        table::Routes,
    },
    identity::rules::{CENTRE, Role},
};
use actix_web::{get, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(check_page).service(check_agreement).service(checklist_get).service(checklist_put);
    library::routes::routes(cfg);
    draws::routes::routes(cfg);
}

/// A record of one visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpotCheck {
    id: SpotCheckId,
    site_id: SiteId,
    unit_id: UnitId,
    week: String,
    /// Thousandths of a point.
    score: i32,
    #[schema(value_type = Vec<Item>)]
    items: serde_json::Value,
    note: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    accuracy_m: Option<f64>,
    /// By the device's clock.
    checked_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor_id: UserId,
    device_id: Option<DeviceId>,
    op_id: Option<OpId>,
    /// The drawn visit it is the record of.
    pick_id: Option<PickId>,
    /// Whether it is a blind second visit, which does not count for the unit.
    recheck: bool,
    checklist_version: Option<i32>,
    #[schema(value_type = Option<Vec<Answer>>)]
    answers: Option<serde_json::Value>,
    /// By the device's clock.
    arrived_at: Option<DateTime<Utc>>,
    left_at: Option<DateTime<Utc>>,
    /// Metres from the site's point.
    distance_m: Option<f64>,
    /// Whether that is beyond the fence, the fix's accuracy taken off: told, not refused.
    outside_fence: Option<bool>,
    /// Why the site could not be reached; then the score is none.
    unreachable: Option<String>,
    signature_sha256: Option<String>,
    /// SHA-256 of the canonical record as it came.
    seal_sha256: Option<String>,
}

impl From<SpotCheckRow> for SpotCheck {
    fn from(row: SpotCheckRow) -> SpotCheck {
        SpotCheck {
            id: row.id,
            site_id: row.site_id,
            unit_id: row.unit_id,
            week: row.week,
            score: row.score,
            items: row.items.0,
            note: row.note,
            lat: row.lat,
            lon: row.lon,
            accuracy_m: row.accuracy_m,
            checked_at: row.checked_at.0,
            recorded_at: row.recorded_at.0,
            actor_id: row.actor_id,
            device_id: row.device_id,
            op_id: row.op_id,
            pick_id: row.pick_id,
            recheck: row.recheck,
            checklist_version: row.checklist_version,
            answers: row.answers.map(|answers| answers.0),
            arrived_at: row.arrived_at.map(|at| at.0),
            left_at: row.left_at.map(|at| at.0),
            distance_m: row.distance_m,
            outside_fence: row.outside_fence,
            unreachable: row.unreachable,
            signature_sha256: row.signature_sha256,
            seal_sha256: row.seal_sha256,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct CheckFilter {
    /// ISO 8601 week, `2026-W47`.
    week: Option<String>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<SpotCheckId>,
}

#[derive(Serialize, ToSchema)]
struct SpotChecks {
    items: Vec<SpotCheck>,
    next: Option<SpotCheckId>,
}

/// The records the caller may see, newest first.
#[utoipa::path(tag = "spotchecks", params(CheckFilter), responses((status = 200, body = SpotChecks)))]
#[get("/spot-checks")]
async fn check_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<CheckFilter>,
) -> Result<web::Json<SpotChecks>> {
    let who = caller.user()?;
    let CheckFilter { week, unit_id, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let wanted = Wanted { week, unit_id, after: cursor, limit, ..Wanted::default() };
    let rows = app.db.read(move |db| actions::check_page(db, &who, wanted)).await?;
    let next = parameter::next(&rows, limit, |r| r.id);
    Ok(web::Json(SpotChecks { items: rows.into_iter().map(SpotCheck::from).collect(), next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AgreementOf {
    /// ISO 8601 week, `2026-W47`.
    week: String,
}

/// How far the blind second visits of a week agree with the first.
#[utoipa::path(tag = "spotchecks", params(AgreementOf), responses((status = 200, body = Agreement)))]
#[get("/spot-checks/agreement")]
async fn check_agreement(
    app: web::Data<App>,
    caller: Caller,
    of: web::Query<AgreementOf>,
) -> Result<web::Json<Agreement>> {
    caller.role(CENTRE)?;
    Ok(web::Json(app.db.read(move |db| actions::week_agreement(db, &of.week)).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChecklistOf {
    /// The newest by default.
    version: Option<i32>,
}

/// A checklist and where it was decided.
#[derive(Serialize, ToSchema)]
struct ChecklistInForce {
    checklist: Checklist,
    source: String,
    /// How far from a site's point a checker may stand, metres, beyond the fix's accuracy.
    fence_m: f64,
}

/// What is looked at, at a site of each kind.
#[utoipa::path(tag = "spotchecks", params(ChecklistOf), responses((status = 200, body = ChecklistInForce)))]
#[get("/spot-checklists")]
async fn checklist_get(
    app: web::Data<App>,
    caller: Caller,
    of: web::Query<ChecklistOf>,
) -> Result<web::Json<ChecklistInForce>> {
    caller.user()?;
    let (checklist, source) = app.db.read(move |db| actions::checklist(db, of.version)).await?;
    Ok(web::Json(ChecklistInForce { checklist, source, fence_m: FENCE_M }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChecklistToPut {
    /// All seven, in the order main road, back street, residential, market, construction, toilet, other.
    kinds: Vec<KindList>,
    /// Where it was decided, 1–200 characters.
    source: String,
}

/// Set the checklist as a new version. Records keep theirs.
#[utoipa::path(tag = "spotchecks", request_body = ChecklistToPut, responses((status = 200, body = ChecklistInForce)))]
#[put("/spot-checklists")]
async fn checklist_put(
    app: web::Data<App>,
    caller: Caller,
    body: Body<ChecklistToPut>,
) -> Result<web::Json<ChecklistInForce>> {
    let who = caller.role(&[Role::Admin])?;
    let ChecklistToPut { kinds, source } = body.0;
    let told = source.clone();
    let checklist = app.db.write(move |tx| actions::checklist_set(tx, who.user_id, kinds, &source)).await?;
    Ok(web::Json(ChecklistInForce { checklist, source: told, fence_m: FENCE_M }))
}
