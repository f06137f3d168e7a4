//! `/api/v1/grids` and `/api/v1/responsibilities`.

use super::{
    actions::{self, Doubt, Entry, Place, Suggestion},
    atlas::{Atlas, Overlap},
    geojson,
    rules::{Bounce, Scope, Standing},
    store::{ResponsibilityPage, ResponsibilityRow},
};
use crate::{
    app::App,
    catalogue::rules::ClassKind,
    db::types::{ResponsibilityId, UnitId, UserId},
    error::{Code, Error, Result},
    evidence::datum::{Datum, Position},
    http::{
        auth::Caller,
        body::{self, Body},
        parameter::{self, in_calendar, page_limit, text},
        table::Routes,
    },
    identity::rules::{CENTRE, Role},
};
use actix_web::{HttpRequest, HttpResponse, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(grid_page)
        .service(grid_map)
        .service(grid_import)
        .service(responsibility_page)
        .service(responsibility_add)
        .service(responsibility_rule)
        .service(responsibility_end)
        .service(responsibility_suggest)
        .service(responsibility_doubts)
        .service(responsibility_bounces);
}

const GEOJSON: &str = "application/geo+json";
/// The largest map that is imported, bytes.
const LARGEST_MAP: usize = 16 << 20;
/// Who may change the map of responsibilities.
const KEEPERS: &[Role] = &[Role::Dispatcher, Role::Admin];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GridFilter {
    /// Only those whose code begins so.
    prefix: Option<String>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Grids {
    /// By code.
    items: Vec<GridName>,
    /// Null on the last page.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct GridName {
    /// 14–16 digits.
    code: String,
    name: String,
}

/// Grid units, without their shapes.
#[utoipa::path(tag = "grids", params(GridFilter), responses((status = 200, body = Grids)))]
#[get("/grids")]
async fn grid_page(app: web::Data<App>, caller: Caller, filter: web::Query<GridFilter>) -> Result<web::Json<Grids>> {
    caller.user()?;
    let GridFilter { prefix, limit, cursor } = filter.into_inner();
    let (prefix, cursor, limit) = (text("prefix", prefix)?, text("cursor", cursor)?, page_limit(limit)?);
    let rows = app.db.read(move |db| actions::grid_page(db, prefix.as_deref(), cursor.as_deref(), limit)).await?;
    let items: Vec<GridName> = rows.into_iter().map(|(code, name)| GridName { code, name }).collect();
    let full = items.len() == usize::try_from(limit).unwrap_or(0);
    Ok(web::Json(Grids { next: items.last().filter(|_| full).map(|grid| grid.code.clone()), items }))
}

/// All grid units as a GeoJSON FeatureCollection, WGS-84 or CGCS2000, that can be imported again.
#[utoipa::path(tag = "grids", responses((status = 200, body = String, content_type = "application/geo+json")))]
#[get("/grids/map")]
async fn grid_map(app: web::Data<App>, caller: Caller) -> Result<HttpResponse> {
    caller.user()?;
    let grids = app.db.read(actions::grids).await?;
    Ok(HttpResponse::Ok().content_type(GEOJSON).body(geojson::write(&grids).to_string()))
}

#[derive(Serialize, ToSchema)]
struct GridsImported {
    grids: usize,
    /// Grids that share a square metre or more: told, not refused.
    overlaps: Vec<Overlap>,
}

/// Put a GeoJSON FeatureCollection of polygons, each with `code` and `name`, in the place of the map before. With any
/// error nothing is imported, and `faults` tells them all; a fault's row is the feature's number.
#[utoipa::path(
    tag = "grids",
    request_body(content = String, content_type = "application/geo+json"),
    responses((status = 200, body = GridsImported))
)]
#[put("/grids/map")]
async fn grid_import(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<GridsImported>> {
    caller.role(&[Role::Admin])?;
    let bytes = body::read_as(&request, payload.into_inner(), GEOJSON, LARGEST_MAP).await?;
    let read = move || {
        let grids = geojson::read(&bytes)?;
        let overlaps = Atlas::new(grids.clone()).overlaps();
        Ok::<_, Error>((grids, overlaps))
    };
    let (grids, overlaps) = web::block(read).await.map_err(Error::internal)??;
    let imported = GridsImported { grids: grids.len(), overlaps };
    app.db.write(move |tx| actions::import(tx, &grids)).await?;
    Ok(web::Json(imported))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResponsibilityFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only rulings, or only what is none.
    ruling: Option<bool>,
    /// Also those that were ended.
    ended: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<ResponsibilityId>,
}

#[derive(Serialize, ToSchema)]
struct ResponsibilityMapRow {
    id: ResponsibilityId,
    scope: Scope,
    unit_id: UnitId,
    /// Whether an arbitration wrote it.
    ruling: bool,
    reason: String,
    set_by: Option<UserId>,
    set_at: DateTime<Utc>,
    /// Since when it no longer holds.
    ended_at: Option<DateTime<Utc>>,
}

impl ResponsibilityMapRow {
    fn new(row: ResponsibilityRow) -> Result<ResponsibilityMapRow> {
        Ok(ResponsibilityMapRow {
            scope: actions::scope_of(&row)?,
            id: row.id,
            unit_id: row.unit_id,
            ruling: row.ruling,
            reason: row.reason,
            set_by: row.set_by,
            set_at: row.set_at.0,
            ended_at: row.ended_at.map(|at| at.0),
        })
    }
}

#[derive(Serialize, ToSchema)]
struct ResponsibilityRows {
    items: Vec<ResponsibilityMapRow>,
    /// Null on the last page.
    next: Option<ResponsibilityId>,
}

/// The responsibility map, entered last first.
#[utoipa::path(tag = "grids", params(ResponsibilityFilter), responses((status = 200, body = ResponsibilityRows)))]
#[get("/responsibilities")]
async fn responsibility_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<ResponsibilityFilter>,
) -> Result<web::Json<ResponsibilityRows>> {
    caller.user()?;
    let ResponsibilityFilter { unit_id, ruling, ended, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let in_force = !ended.unwrap_or(false);
    let page = ResponsibilityPage { in_force, unit_id, ruling, after: cursor, limit: Some(limit) };
    let rows = app.db.read(move |db| actions::responsibilities(db, &page)).await?;
    let next = parameter::next(&rows, limit, |row| row.id);
    let items = rows.into_iter().map(ResponsibilityMapRow::new).collect::<Result<_>>()?;
    Ok(web::Json(ResponsibilityRows { items, next }))
}

/// Who is responsible for what where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResponsibilityEntry {
    scope: Scope,
    unit_id: UnitId,
    /// Why, or where it is laid down; at most 500 characters. A ruling needs one.
    reason: String,
}

impl From<ResponsibilityEntry> for Entry {
    fn from(entry: ResponsibilityEntry) -> Entry {
        let ResponsibilityEntry { scope, unit_id, reason } = entry;
        Entry { scope, unit_id, reason }
    }
}

/// Enter a row of the map. It is never changed: end it and enter another.
#[utoipa::path(
    tag = "grids",
    request_body = ResponsibilityEntry,
    responses((status = 200, body = ResponsibilityMapRow))
)]
#[post("/responsibilities")]
async fn responsibility_add(
    app: web::Data<App>,
    caller: Caller,
    body: Body<ResponsibilityEntry>,
) -> Result<web::Json<ResponsibilityMapRow>> {
    let by = caller.role(KEEPERS)?.user_id;
    let row = app.db.write(move |tx| actions::add(tx, by, body.0.into())).await?;
    Ok(web::Json(ResponsibilityMapRow::new(row)?))
}

/// Write down what an arbitration decided for one grid and one class: a precedent that routes every such case from now.
#[utoipa::path(
    tag = "grids",
    request_body = ResponsibilityEntry,
    responses((status = 200, body = ResponsibilityMapRow))
)]
#[post("/responsibilities/rulings")]
async fn responsibility_rule(
    app: web::Data<App>,
    caller: Caller,
    body: Body<ResponsibilityEntry>,
) -> Result<web::Json<ResponsibilityMapRow>> {
    let by = caller.role(&[Role::Dispatcher, Role::Supervisor])?.user_id;
    let row = app.db.write(move |tx| actions::rule(tx, by, body.0.into())).await?;
    Ok(web::Json(ResponsibilityMapRow::new(row)?))
}

/// End a row of the map. It stays readable.
#[utoipa::path(tag = "grids", params(("id" = ResponsibilityId, Path)), responses((status = 204)))]
#[post("/responsibilities/{id}/end")]
async fn responsibility_end(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<ResponsibilityId>,
) -> Result<HttpResponse> {
    let by = caller.role(KEEPERS)?.user_id;
    app.db.write(move |tx| actions::end(tx, by, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SuggestionAsked {
    /// The grid's code; or a point.
    grid: Option<String>,
    /// Latitude of the point, degrees.
    lat: Option<f64>,
    /// Longitude of the point, degrees.
    lon: Option<f64>,
    /// The point's datum: wgs84 (by default), cgcs2000, gcj02 or bd09.
    datum: Option<String>,
    /// Component or event.
    class_kind: Option<ClassKind>,
    /// The class's code, 4–10 digits.
    class_code: Option<String>,
    /// When; now by default.
    at: Option<DateTime<Utc>>,
}

impl SuggestionAsked {
    fn place(&self) -> Result<Place> {
        match (&self.grid, self.lat.zip(self.lon)) {
            (Some(grid), None) => Ok(Place::Grid(text("grid", Some(grid.clone()))?.unwrap_or_default())),
            (None, Some((lat, lon))) => {
                let wrong = |error: &dyn std::fmt::Display| Code::ParameterInvalid.with(error.to_string());
                let position = Position::new(lat, lon).map_err(|error| wrong(&error))?;
                let datum = self.datum.as_deref().map_or(Ok(Datum::Wgs84), str::parse);
                Ok(Place::Point(position, datum.map_err(|error| wrong(&error))?))
            }
            _ => Err(Code::ParameterInvalid.with("either grid, or lat and lon")),
        }
    }
}

/// The unit that the map suggests for a class at a place, with the reason.
#[utoipa::path(tag = "grids", params(SuggestionAsked), responses((status = 200, body = Suggestion)))]
#[get("/responsibilities/suggestion")]
async fn responsibility_suggest(
    app: web::Data<App>,
    caller: Caller,
    asked: web::Query<SuggestionAsked>,
) -> Result<web::Json<Suggestion>> {
    caller.user()?;
    let (place, kind) = (asked.place()?, asked.class_kind);
    let asked = asked.into_inner();
    let at = in_calendar("at", asked.at)?.unwrap_or_else(|| app.env.now());
    let code = asked.class_code.unwrap_or_default();
    if !(4..=10).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Code::ParameterInvalid.with("class_code: 4–10 digits"));
    }
    Ok(web::Json(app.db.read(move |db| actions::suggest(db, place, kind, &code, at)).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DoubtFilter {
    /// Only `unset` (holes), `several` or `disputed`.
    standing: Option<Standing>,
    /// The heaviest 1–200, 50 by default.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Doubts {
    /// The heaviest first.
    items: Vec<Doubt>,
    /// How many there are in all.
    total: usize,
}

/// Holes and overlaps of the map that the cases of the last 365 days fell into, by how many they were.
#[utoipa::path(tag = "grids", params(DoubtFilter), responses((status = 200, body = Doubts)))]
#[get("/responsibilities/doubts")]
async fn responsibility_doubts(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<DoubtFilter>,
) -> Result<web::Json<Doubts>> {
    caller.role(CENTRE)?;
    let limit = usize::try_from(page_limit(filter.limit)?).unwrap_or_default();
    let now = app.env.now();
    let mut items = app.db.read(move |db| db.snapshot(|db| actions::doubts(db, now))).await?;
    items.retain(|doubt| filter.standing.is_none_or(|standing| doubt.standing == standing));
    let total = items.len();
    items.truncate(limit);
    Ok(web::Json(Doubts { items, total }))
}

#[derive(Serialize, ToSchema)]
struct Bounces {
    /// The most first. Between 32 units there are at most 992.
    items: Vec<Bounce>,
}

/// Which units hand cases on to which: where the map is doubted in practice. Of the dispatches of the last 365 days.
#[utoipa::path(tag = "grids", responses((status = 200, body = Bounces)))]
#[get("/responsibilities/bounces")]
async fn responsibility_bounces(app: web::Data<App>, caller: Caller) -> Result<web::Json<Bounces>> {
    caller.role(CENTRE)?;
    let now = app.env.now();
    Ok(web::Json(Bounces { items: app.db.read(move |db| actions::bounces(db, now)).await? }))
}
