//! Sites and records over HTTP; records are made on handhelds and come by sync.

use super::{
    actions::{self, NewSite},
    rules::{Item, SiteKind},
    store::{SiteRow, SpotCheckRow, Wanted},
};
use crate::{
    app::App,
    db::types::{DeviceId, OpId, SiteId, SpotCheckId, UnitId, UserId},
    error::Result,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        table::Routes,
    },
    identity::rules::Role,
};
use actix_web::{get, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(site_list).service(site_put).service(check_page);
}

/// A site of the sample library.
#[derive(Debug, Serialize, ToSchema)]
pub struct Site {
    id: SiteId,
    unit_id: UnitId,
    #[schema(value_type = SiteKind)]
    kind: String,
    /// 1–9.
    slot: i32,
    name: String,
    address: Option<String>,
    /// Degrees, WGS-84.
    lat: Option<f64>,
    /// Degrees, WGS-84.
    lon: Option<f64>,
    ver: i64,
}

impl From<SiteRow> for Site {
    fn from(row: SiteRow) -> Site {
        Site {
            id: row.id,
            unit_id: row.unit_id,
            kind: row.kind,
            slot: row.slot,
            name: row.name,
            address: row.address,
            lat: row.lat,
            lon: row.lon,
            ver: row.ver,
        }
    }
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
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SiteFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
}

#[derive(Serialize, ToSchema)]
struct Sites {
    items: Vec<Site>,
}

/// The sample library's sites that the caller may see.
#[utoipa::path(tag = "spotchecks", params(SiteFilter), responses((status = 200, body = Sites)))]
#[get("/sites")]
async fn site_list(app: web::Data<App>, caller: Caller, filter: web::Query<SiteFilter>) -> Result<web::Json<Sites>> {
    let who = caller.user()?;
    let rows = app.db.read(move |db| actions::site_list(db, &who, filter.unit_id)).await?;
    Ok(web::Json(Sites { items: rows.into_iter().map(Site::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteToPut {
    unit_id: UnitId,
    /// 1–9; the kind follows: 主次干道 1–2, 背街小巷 3–4, 居民区 5, 市场 6, 工地 7, 公厕 8, 其他区域 9.
    slot: i32,
    name: String,
    address: Option<String>,
    /// Degrees, WGS-84; with `lon` or not at all.
    lat: Option<f64>,
    lon: Option<f64>,
}

/// Enter a site into its unit's slot, or correct the one that is there.
#[utoipa::path(tag = "spotchecks", request_body = SiteToPut, responses((status = 200, body = Site)))]
#[put("/sites")]
async fn site_put(app: web::Data<App>, caller: Caller, body: Body<SiteToPut>) -> Result<web::Json<Site>> {
    caller.role(&[Role::Admin, Role::Dispatcher])?;
    let SiteToPut { unit_id, slot, name, address, lat, lon } = body.0;
    let site = NewSite { unit_id, slot, name, address, position: lat.zip(lon) };
    let row = app.db.write(move |tx| actions::site_put(tx, site)).await?;
    Ok(web::Json(row.into()))
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
    let wanted = Wanted { week, unit_id, actor_id: None, after: cursor, limit };
    let rows = app.db.read(move |db| actions::check_page(db, &who, wanted)).await?;
    let next = parameter::next(&rows, limit, |r| r.id);
    Ok(web::Json(SpotChecks { items: rows.into_iter().map(SpotCheck::from).collect(), next }))
}
