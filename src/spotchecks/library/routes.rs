//! The sample library over HTTP.

use super::{
    actions::{self, SitesImported, Struck},
    files::{self, SiteFormat},
    rules::SiteEntry,
    store::{SiteRow, SiteVersionRow, SitesWanted},
};
use crate::{
    app::App,
    db::types::{SiteId, UnitId, UserId},
    error::{Code, Error, Result},
    http::{
        auth::Caller,
        body::{self, Body},
        parameter::{self, page_limit, text},
        table::Routes,
    },
    identity::rules::Role,
    spotchecks::{draws::draw::Substitution, rules::SiteKind},
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, post, put, web};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Mounts the library under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(site_list)
        .service(site_put)
        .service(site_strike)
        .service(site_reinstate)
        .service(site_versions)
        .service(site_import)
        .service(site_export)
        .service(substitution_get)
        .service(substitution_put);
}

/// Who keeps the library.
const KEEPERS: &[Role] = &[Role::Dispatcher, Role::Admin];
const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const GEOJSON: &str = "application/geo+json";
/// The largest file that is imported, bytes.
const LARGEST_FILE: usize = 8 << 20;

/// A site of the sample library.
#[derive(Debug, Serialize, ToSchema)]
pub struct Site {
    id: SiteId,
    unit_id: UnitId,
    /// Short, unique, never changed: what is drawn.
    code: String,
    #[schema(value_type = SiteKind)]
    kind: String,
    name: String,
    address: Option<String>,
    /// Degrees, WGS-84.
    lat: Option<f64>,
    /// Degrees, WGS-84.
    lon: Option<f64>,
    /// Its line or area: the text of a GeoJSON geometry.
    geometry: Option<String>,
    /// The first day on which it may be drawn; since ever when null.
    active_from: Option<String>,
    /// Since when it is not drawn any more.
    struck_at: Option<DateTime<Utc>>,
    /// Why.
    strike_reason: Option<String>,
    ver: i64,
}

impl From<SiteRow> for Site {
    fn from(row: SiteRow) -> Site {
        Site {
            id: row.id,
            unit_id: row.unit_id,
            code: row.code,
            kind: row.kind,
            name: row.name,
            address: row.address,
            lat: row.lat,
            lon: row.lon,
            geometry: row.geometry,
            active_from: row.active_from,
            struck_at: row.struck_at.map(|at| at.0),
            strike_reason: row.strike_reason,
            ver: row.ver,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SiteFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only of this kind.
    kind: Option<SiteKind>,
    /// Only struck ones, or only those that are drawn from.
    struck: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Sites {
    /// By code.
    items: Vec<Site>,
    /// Null on the last page.
    next: Option<String>,
}

/// The sample library's sites that the caller may see.
#[utoipa::path(tag = "spotchecks", params(SiteFilter), responses((status = 200, body = Sites)))]
#[get("/sites")]
async fn site_list(app: web::Data<App>, caller: Caller, filter: web::Query<SiteFilter>) -> Result<web::Json<Sites>> {
    let who = caller.user()?;
    let SiteFilter { unit_id, kind, struck, limit, cursor } = filter.into_inner();
    let (limit, after) = (page_limit(limit)?, text("cursor", cursor)?);
    let kind = kind.map(|kind| kind.to_string());
    let wanted = SitesWanted { unit_id, kind, struck, after, limit: Some(limit) };
    let rows = app.db.read(move |db| actions::sites(db, &who, wanted)).await?;
    let next = parameter::next(&rows, limit, |row| row.code.clone());
    Ok(web::Json(Sites { items: rows.into_iter().map(Site::from).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteToPut {
    /// 1–48 letters, digits, `-`, `_`, `.` or `/`. Without one, one is made and the site is new.
    code: Option<String>,
    unit_id: UnitId,
    kind: SiteKind,
    /// 1–80 characters.
    name: String,
    /// At most 200 characters.
    address: Option<String>,
    /// Degrees, WGS-84; with `lon` or not at all.
    lat: Option<f64>,
    lon: Option<f64>,
    /// A line or an area, a GeoJSON geometry in WGS-84.
    #[schema(value_type = Option<Object>)]
    geometry: Option<serde_json::Map<String, serde_json::Value>>,
    /// The first day on which it may be drawn.
    active_from: Option<NaiveDate>,
}

/// Enter a site, or correct the one with this code. Its unit and kind stay.
#[utoipa::path(tag = "spotchecks", request_body = SiteToPut, responses((status = 200, body = Site)))]
#[put("/sites")]
async fn site_put(app: web::Data<App>, caller: Caller, body: Body<SiteToPut>) -> Result<web::Json<Site>> {
    let who = caller.role(KEEPERS)?;
    let SiteToPut { code, unit_id, kind, name, address, lat, lon, geometry, active_from } = body.0;
    let (position, geometry) = (lat.zip(lon), geometry.map(serde_json::Value::Object));
    let entry = SiteEntry { code, unit_id, kind, name, address, position, geometry, active_from };
    let row = app.db.write(move |tx| actions::put(tx, Some(who.user_id), entry)).await?;
    Ok(web::Json(row.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteReason {
    /// 1–200 characters.
    reason: String,
}

async fn struck(
    app: web::Data<App>,
    caller: Caller,
    id: SiteId,
    reason: String,
    struck: Struck,
) -> Result<web::Json<Site>> {
    let who = caller.role(KEEPERS)?;
    let row = app.db.write(move |tx| actions::strike(tx, who.user_id, id, &reason, struck)).await?;
    Ok(web::Json(row.into()))
}

/// Take a site out of the draw. It and its records stay.
#[utoipa::path(
    tag = "spotchecks",
    params(("id" = SiteId, Path)),
    request_body = SiteReason,
    responses((status = 200, body = Site))
)]
#[post("/sites/{id}/strike")]
async fn site_strike(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SiteId>,
    body: Body<SiteReason>,
) -> Result<web::Json<Site>> {
    struck(app, caller, *id, body.0.reason, Struck::Out).await
}

/// Take a struck site back into the draw.
#[utoipa::path(
    tag = "spotchecks",
    params(("id" = SiteId, Path)),
    request_body = SiteReason,
    responses((status = 200, body = Site))
)]
#[post("/sites/{id}/reinstate")]
async fn site_reinstate(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SiteId>,
    body: Body<SiteReason>,
) -> Result<web::Json<Site>> {
    struck(app, caller, *id, body.0.reason, Struck::In).await
}

/// What a site was after a change.
#[derive(Serialize, ToSchema)]
struct SiteVersion {
    ver: i64,
    /// `enter`, `correct`, `strike` or `reinstate`.
    change: String,
    reason: Option<String>,
    /// All of it, as it was from then on.
    #[schema(value_type = Object)]
    site: serde_json::Value,
    /// Null on the server's own command line.
    changed_by: Option<UserId>,
    changed_at: DateTime<Utc>,
}

impl From<SiteVersionRow> for SiteVersion {
    fn from(row: SiteVersionRow) -> SiteVersion {
        SiteVersion {
            ver: row.ver,
            change: row.change,
            reason: row.reason,
            site: row.site.0,
            changed_by: row.changed_by,
            changed_at: row.changed_at.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct SiteVersions {
    /// Newest first.
    items: Vec<SiteVersion>,
    /// Null on the last page.
    next: Option<i64>,
}

/// What a site was, who changed it, when and why.
#[utoipa::path(
    tag = "spotchecks",
    params(("id" = SiteId, Path), VersionFilter),
    responses((status = 200, body = SiteVersions))
)]
#[get("/sites/{id}/versions")]
async fn site_versions(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SiteId>,
    filter: web::Query<VersionFilter>,
) -> Result<web::Json<SiteVersions>> {
    let who = caller.user()?;
    let (limit, before) = (page_limit(filter.limit)?, filter.cursor);
    let rows = app.db.read(move |db| actions::versions(db, &who, *id, before, limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.ver);
    Ok(web::Json(SiteVersions { items: rows.into_iter().map(SiteVersion::from).collect(), next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportOptions {
    /// Only say what would happen.
    dry_run: Option<bool>,
}

/// Import sites, one a row, in the columns of an exported file; a map's properties bear their English names. A row
/// without code is the site of that unit, kind and name, or a new one. With any error nothing is imported, and `faults`
/// tells them all.
#[utoipa::path(
    tag = "spotchecks",
    params(ImportOptions),
    request_body(content(
        (String = "text/csv"),
        (String = "application/geo+json"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )),
    responses((status = 200, body = SitesImported))
)]
#[post("/sites/import")]
async fn site_import(
    app: web::Data<App>,
    caller: Caller,
    options: web::Query<ImportOptions>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<SitesImported>> {
    let who = caller.role(KEEPERS)?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let named = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (format, media_type) = match named.as_str() {
        CSV => (SiteFormat::Csv, CSV),
        GEOJSON => (SiteFormat::Geojson, GEOJSON),
        _ => (SiteFormat::Xlsx, XLSX),
    };
    let bytes = body::read_as(&request, payload.into_inner(), media_type, LARGEST_FILE).await?;
    if crate::db::types::holds_nul(&bytes) {
        return Err(Code::NulCharacter.into());
    }
    let rows = web::block(move || files::read(format, &bytes)).await.map_err(Error::internal)??;
    let told = if options.dry_run == Some(true) {
        let year = app.env.now().year();
        app.db.read(move |db| Ok(actions::plan(db, &rows, year)?.1)).await?
    } else {
        app.db.write(move |tx| actions::import(tx, Some(who.user_id), &rows)).await?
    };
    Ok(web::Json(told))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportOptions {
    /// xlsx by default.
    format: Option<SiteFormat>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
}

/// The sites that the caller may see, as a file that can be imported again. Columns (heading / property): 点位编号 code;
/// 责任单位 unit; 类别 kind; 名称 name; 地址 address; 经度 longitude and 纬度 latitude (WGS-84, degrees); 启用日期 active_from; 停用原因
/// strike_reason (not imported).
#[utoipa::path(
    tag = "spotchecks",
    params(ExportOptions),
    responses((
        status = 200,
        content(
            (String = "text/csv"),
            (String = "application/geo+json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
    ))
)]
#[get("/sites/export")]
async fn site_export(app: web::Data<App>, caller: Caller, options: web::Query<ExportOptions>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let ExportOptions { format, unit_id } = options.into_inner();
    let (format, year) = (format.unwrap_or(SiteFormat::Xlsx), app.env.now().year());
    let wanted = SitesWanted { unit_id, ..SitesWanted::default() };
    let rows = app.db.read(move |db| actions::rows(db, &who, wanted, year)).await?;
    let bytes = web::block(move || files::write(format, &rows)).await.map_err(Error::internal)??;
    let (media_type, ending) = match format {
        SiteFormat::Csv => ("text/csv; charset=utf-8", "csv"),
        SiteFormat::Xlsx => (XLSX, "xlsx"),
        SiteFormat::Geojson => (GEOJSON, "geojson"),
    };
    let name = format!("attachment; filename=\"sites.{ending}\"");
    Ok(HttpResponse::Ok().content_type(media_type).insert_header((header::CONTENT_DISPOSITION, name)).body(bytes))
}

/// The rules of substitution in force (顺位补抽).
#[derive(Serialize, ToSchema)]
struct SubstitutionInForce {
    substitution: Substitution,
    /// Where they were decided.
    source: String,
}

/// Which kinds stand in for one that a unit lacks.
#[utoipa::path(tag = "spotchecks", responses((status = 200, body = SubstitutionInForce)))]
#[get("/site-substitutions")]
async fn substitution_get(app: web::Data<App>, caller: Caller) -> Result<web::Json<SubstitutionInForce>> {
    caller.user()?;
    let (substitution, source) = app.db.read(actions::substitution).await?;
    Ok(web::Json(SubstitutionInForce { substitution, source }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubstitutionToPut {
    /// By kind: those that stand in for it, in order. For a kind that is left out nothing does.
    stand_ins: BTreeMap<String, Vec<SiteKind>>,
    /// Where it was decided, 1–200 characters.
    source: String,
}

/// Set which kinds stand in, as a new version. Draws that were framed keep theirs.
#[utoipa::path(tag = "spotchecks", request_body = SubstitutionToPut, responses((status = 200, body = SubstitutionInForce)))]
#[put("/site-substitutions")]
async fn substitution_put(
    app: web::Data<App>,
    caller: Caller,
    body: Body<SubstitutionToPut>,
) -> Result<web::Json<SubstitutionInForce>> {
    let who = caller.role(KEEPERS)?;
    let SubstitutionToPut { stand_ins, source } = body.0;
    let told = source.clone();
    let set = move |tx: &mut crate::db::Tx| actions::substitution_set(tx, who.user_id, &stand_ins, &source);
    let substitution = app.db.write(set).await?;
    Ok(web::Json(SubstitutionInForce { substitution, source: told }))
}
