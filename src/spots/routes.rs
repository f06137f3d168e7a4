//! `/api/v1/spots`.

use super::{
    actions::{self, NewSpot, Observation, Ranked},
    rules::{MEMORY, MushroomIndex, RULE, RecordKind, SpotCause, SpotState, Weighed},
    store::{SpotEventRow, SpotPage, SpotRow},
};
use crate::{
    app::App,
    cases::actions::Cause,
    catalogue::rules::ClassKind,
    db::types::{CaseId, DeviceId, OpId, SpotEventId, SpotId, UserId},
    error::{Code, Result},
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit, text},
        table::Routes,
    },
    identity::rules::{Actor, CENTRE, Role},
    statistics::rules::Period,
};
use actix_web::{HttpResponse, get, post, put, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(spot_page)
        .service(spot_create)
        .configure(super::similar::routes::routes)
        .service(spot_top)
        .service(spot_get)
        .service(spot_timeline)
        .service(spot_records)
        .service(spot_attach)
        .service(spot_detach)
        .service(spot_observe)
        .service(spot_cause)
        .service(spot_close);
}

/// A place of a problem that comes back, as people and devices see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Spot {
    id: SpotId,
    /// Null while its cases don't say whether their class is one of components or of events.
    #[schema(value_type = Option<ClassKind>)]
    class_kind: Option<String>,
    class_code: String,
    address: Option<String>,
    /// Degrees, WGS-84.
    lat: f64,
    /// Degrees, WGS-84.
    lon: f64,
    /// How far it reaches, metres.
    radius_m: i32,
    grid_code: Option<String>,
    #[schema(value_type = SpotState)]
    state: String,
    closed_at: Option<DateTime<Utc>>,
    /// Why the problem comes back.
    #[schema(value_type = Option<SpotCause>)]
    cause: Option<String>,
    cause_note: Option<String>,
    cause_by: Option<UserId>,
    cause_at: Option<DateTime<Utc>>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// Cases that belong to it, but for invalid ones.
    case_count: i32,
    /// Observations in place of a case.
    observation_count: i32,
    /// 返潮: cases and observations that came within 90 days after it was solved.
    recurrence_count: i32,
    ver: i64,
}

impl From<SpotRow> for Spot {
    fn from(row: SpotRow) -> Spot {
        Spot {
            id: row.id,
            class_kind: row.class_kind,
            class_code: row.class_code,
            address: row.address,
            lat: row.lat,
            lon: row.lon,
            radius_m: row.radius_m,
            grid_code: row.grid_code,
            state: row.state,
            closed_at: row.closed_at.map(|at| at.0),
            cause: row.cause,
            cause_note: row.cause_note,
            cause_by: row.cause_by,
            cause_at: row.cause_at.map(|at| at.0),
            first_seen_at: row.first_seen_at.0,
            last_seen_at: row.last_seen_at.0,
            case_count: row.case_count,
            observation_count: row.observation_count,
            recurrence_count: row.recurrence_count,
            ver: row.ver,
        }
    }
}

fn cause(who: &Actor, now: DateTime<Utc>) -> Cause {
    Cause { op: None, device: who.device_id, occurred_at: now }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SpotFilter {
    /// Only of this class.
    class_code: Option<String>,
    /// Only in grids whose code begins so.
    grid: Option<String>,
    /// Only in this state.
    state: Option<SpotState>,
    /// Only the spot of this case.
    case_id: Option<CaseId>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<SpotId>,
}

#[derive(Serialize, ToSchema)]
struct Spots {
    items: Vec<Spot>,
    /// Null on the last page.
    next: Option<SpotId>,
}

/// The spots the caller may see, entered last first: the Centre and inspectors all, a unit those of its cases.
#[utoipa::path(tag = "spots", params(SpotFilter), responses((status = 200, body = Spots)))]
#[get("/spots")]
async fn spot_page(app: web::Data<App>, caller: Caller, filter: web::Query<SpotFilter>) -> Result<web::Json<Spots>> {
    let who = caller.user()?;
    let SpotFilter { class_code, grid, state, case_id, limit, cursor } = filter.into_inner();
    let (class_code, grid, limit) = (text("class_code", class_code)?, text("grid", grid)?, page_limit(limit)?);
    let page = SpotPage { sight: actions::sight(&who), class_code, grid, state, case_id, before: cursor, limit };
    let rows = app.db.read(move |db| actions::spot_page(db, &page)).await?;
    let next = parameter::next(&rows, limit, |row| row.id);
    Ok(web::Json(Spots { items: rows.into_iter().map(Spot::from).collect(), next }))
}

/// Enter a spot.
#[utoipa::path(tag = "spots", request_body = NewSpot, responses((status = 201, body = Spot)))]
#[post("/spots")]
async fn spot_create(app: web::Data<App>, caller: Caller, body: Body<NewSpot>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let cause = cause(&who, app.env.now());
    let row = app.db.write(move |tx| actions::spot_create(tx, &who, body.0, cause)).await?;
    Ok(HttpResponse::Created().json(Spot::from(row)))
}

/// One spot.
#[utoipa::path(tag = "spots", params(("id" = SpotId, Path)), responses((status = 200, body = Spot)))]
#[get("/spots/{id}")]
async fn spot_get(app: web::Data<App>, caller: Caller, id: web::Path<SpotId>) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    Ok(web::Json(app.db.read(move |db| actions::spot_get(db, &who, *id)).await?.into()))
}

/// The 90 days up to the end of a month; up to now in the present one.
fn span_of(month: Option<String>, now: DateTime<Utc>) -> Result<(String, DateTime<Utc>, DateTime<Utc>)> {
    let month = text("month", month)?.unwrap_or_else(|| Period::month_of(now).to_string());
    let period = Some(&month).filter(|m| m.len() == 7 && !m.contains('Q')).and_then(|m| m.parse::<Period>().ok());
    let period = period.ok_or_else(|| Code::ParameterInvalid.with("month: such as 2026-10"))?;
    let (first, after) = period.span();
    if first > now {
        return Err(Code::ParameterInvalid.with("month: has not begun"));
    }
    let until = after.min(now);
    Ok((month, until - MEMORY, until))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TopFilter {
    /// `2026-10`; the present month by default.
    month: Option<String>,
    /// 1–200, 10 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct TopSpots {
    month: String,
    /// The first moment whose records count.
    from: DateTime<Utc>,
    /// The first moment after.
    until: DateTime<Utc>,
    /// The counting rule, for whoever prints the figures.
    rule: &'static str,
    /// The greatest index first; spots without one are not listed.
    items: Vec<TopSpot>,
    /// Null on the last page.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct TopSpot {
    /// From 1.
    rank: usize,
    index: MushroomIndex,
    /// Cases and observations of the time; `records` of the spot lists them.
    records: usize,
    spot: Spot,
}

/// Where a page of the list begins: behind this index and id.
fn place_of(cursor: &str) -> Result<(i64, SpotId)> {
    let parts = cursor.split_once('.').and_then(|(points, id)| Some((points.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(|| Code::ParameterInvalid.with("cursor"))
}

/// The spots with the greatest index (蘑菇指数) of a month, with their cause.
#[utoipa::path(tag = "spots", params(TopFilter), responses((status = 200, body = TopSpots)))]
#[get("/spots/top")]
async fn spot_top(app: web::Data<App>, caller: Caller, filter: web::Query<TopFilter>) -> Result<web::Json<TopSpots>> {
    let who = caller.user()?;
    if !CENTRE.contains(&who.role) && who.role != Role::Liaison {
        return Err(Code::RoleForbidden.into());
    }
    let TopFilter { month, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit.or(Some(10)))?;
    let (month, from, until) = span_of(month, app.env.now())?;
    let after = text("cursor", cursor)?.as_deref().map(place_of).transpose()?;
    let sight = actions::sight(&who);
    let ranked = app.db.read(move |db| db.snapshot(|db| actions::top(db, sight, from, until))).await?;
    let behind = |ranked: &Ranked| {
        after.is_none_or(|(points, id)| ranked.points < points || (ranked.points == points && ranked.spot.id > id))
    };
    let page: Vec<(usize, Ranked)> =
        (1..).zip(ranked).filter(|(_, ranked)| behind(ranked)).take(usize::try_from(limit).unwrap_or(0)).collect();
    let next = parameter::next(&page, limit, |(_, last)| format!("{}.{}", last.points, last.spot.id));
    let item = |(rank, ranked): (usize, Ranked)| TopSpot {
        rank,
        index: ranked.points.into(),
        records: ranked.records,
        spot: ranked.spot.into(),
    };
    let items = page.into_iter().map(item).collect();
    Ok(web::Json(TopSpots { month, from, until, rule: RULE, items, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecordFilter {
    /// `2026-10`; the present month by default.
    month: Option<String>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before: the record's id.
    cursor: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
struct SpotRecords {
    month: String,
    /// The first moment whose records count.
    from: DateTime<Utc>,
    /// The first moment after.
    until: DateTime<Utc>,
    /// The spot's index: the sum over all its records, those of other pages too.
    index: MushroomIndex,
    /// Oldest first.
    items: Vec<SpotRecord>,
    /// Null on the last page.
    next: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
struct SpotRecord {
    kind: RecordKind,
    /// Of the case, or of the line of the spot's timeline.
    id: Uuid,
    at: DateTime<Utc>,
    /// 返潮: how long it had been solved, seconds; null when it did not come back.
    since_closing_s: Option<i64>,
    /// 0, 50 or 100.
    weight_percent: i64,
    /// Until it was solved, or until the end, seconds.
    open_s: i64,
    /// What it adds to the index.
    index: MushroomIndex,
}

impl From<Weighed> for SpotRecord {
    fn from(weighed: Weighed) -> SpotRecord {
        SpotRecord {
            kind: weighed.sighting.kind,
            id: weighed.sighting.id,
            at: weighed.sighting.at,
            since_closing_s: weighed.before.recurred().as_ref().map(TimeDelta::num_seconds),
            weight_percent: weighed.before.weight_percent(),
            open_s: weighed.open.num_seconds(),
            index: weighed.points.into(),
        }
    }
}

/// The records behind a spot's index of a month, with what each adds to it.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path), RecordFilter),
    responses((status = 200, body = SpotRecords))
)]
#[get("/spots/{id}/records")]
async fn spot_records(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    filter: web::Query<RecordFilter>,
) -> Result<web::Json<SpotRecords>> {
    let who = caller.user()?;
    let RecordFilter { month, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let (month, from, until) = span_of(month, app.env.now())?;
    let all = app.db.read(move |db| db.snapshot(|db| actions::records(db, &who, *id, from, until))).await?;
    let index = all.iter().map(|weighed| weighed.points).sum::<i64>().into();
    let first = match cursor {
        None => 0,
        Some(cursor) => {
            let at = all.iter().position(|weighed| weighed.sighting.id == cursor);
            at.ok_or_else(|| Code::ParameterInvalid.with("cursor"))? + 1
        }
    };
    let page: Vec<Weighed> = all.into_iter().skip(first).take(usize::try_from(limit).unwrap_or(0)).collect();
    let next = parameter::next(&page, limit, |weighed| weighed.sighting.id);
    Ok(web::Json(SpotRecords {
        month,
        from,
        until,
        index,
        items: page.into_iter().map(SpotRecord::from).collect(),
        next,
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LineFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct SpotTimeline {
    /// Oldest first.
    items: Vec<SpotLine>,
    /// Null on the last page.
    next: Option<i64>,
}

/// What happened to a spot.
#[derive(Serialize, ToSchema)]
struct SpotLine {
    id: SpotEventId,
    /// Its place, from 1, dense: the version it made.
    ver: i64,
    /// `create`, `attach`, `recur` (tied by the rules: it came back), `detach`, `observe`, `set_cause` or `close`.
    command: String,
    at: DateTime<Utc>,
    /// When the person acted.
    occurred_at: DateTime<Utc>,
    /// Null when the rules did it.
    actor_id: Option<UserId>,
    actor_name: Option<String>,
    device_id: Option<DeviceId>,
    op_id: Option<OpId>,
    case_id: Option<CaseId>,
    /// Where it was seen: degrees, WGS-84.
    lat: Option<f64>,
    /// Degrees, WGS-84.
    lon: Option<f64>,
    /// 返潮: how long it had been solved, seconds.
    since_closing_s: Option<i64>,
    note: Option<String>,
}

impl From<(SpotEventRow, Option<String>)> for SpotLine {
    fn from((row, actor_name): (SpotEventRow, Option<String>)) -> SpotLine {
        SpotLine {
            id: row.id,
            ver: row.ver,
            command: row.command,
            at: row.at.0,
            occurred_at: row.occurred_at.0,
            actor_id: row.actor_id,
            actor_name,
            device_id: row.device_id,
            op_id: row.op_id,
            case_id: row.case_id,
            lat: row.lat,
            lon: row.lon,
            since_closing_s: row.since_closing_s,
            note: row.note,
        }
    }
}

/// What happened to a spot, oldest first.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path), LineFilter),
    responses((status = 200, body = SpotTimeline))
)]
#[get("/spots/{id}/timeline")]
async fn spot_timeline(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    filter: web::Query<LineFilter>,
) -> Result<web::Json<SpotTimeline>> {
    let who = caller.user()?;
    let (limit, after) = (page_limit(filter.limit)?, filter.cursor.unwrap_or(0));
    let rows = app.db.read(move |db| actions::spot_timeline(db, &who, *id, after, limit)).await?;
    let next = parameter::next(&rows, limit, |(row, _)| row.ver);
    Ok(web::Json(SpotTimeline { items: rows.into_iter().map(SpotLine::from).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Attachment {
    case_id: CaseId,
    /// 1–2000 characters.
    note: Option<String>,
}

/// Decide that a case is about the spot's problem. It must be of its class and lie within its radius.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path)),
    request_body = Attachment,
    responses((status = 200, body = Spot))
)]
#[post("/spots/{id}/attach")]
async fn spot_attach(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    body: Body<Attachment>,
) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    let cause = cause(&who, app.env.now());
    let Attachment { case_id, note } = body.0;
    let row = app.db.write(move |tx| actions::attach(tx, &who, *id, case_id, note, cause)).await?;
    Ok(web::Json(row.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Detachment {
    case_id: CaseId,
    /// 1–2000 characters.
    reason: String,
}

/// Decide that a case is not about the spot's problem.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path)),
    request_body = Detachment,
    responses((status = 200, body = Spot))
)]
#[post("/spots/{id}/detach")]
async fn spot_detach(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    body: Body<Detachment>,
) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    let cause = cause(&who, app.env.now());
    let Detachment { case_id, reason } = body.0;
    let row = app.db.write(move |tx| actions::detach(tx, &who, *id, case_id, reason, cause)).await?;
    Ok(web::Json(row.into()))
}

/// Say that the problem is there, in place of a new case (补拍); from a handheld it comes as `spot.observe`.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path)),
    request_body = Observation,
    responses((status = 200, body = Spot))
)]
#[post("/spots/{id}/observations")]
async fn spot_observe(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    body: Body<Observation>,
) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    let cause = cause(&who, app.env.now());
    let (row, _) = app.db.write(move |tx| actions::observe(tx, &who, *id, &body.0, None, cause)).await?;
    Ok(web::Json(row.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CauseOfSpot {
    cause: SpotCause,
    /// 1–2000 characters.
    note: Option<String>,
}

/// Say why the problem comes back.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path)),
    request_body = CauseOfSpot,
    responses((status = 200, body = Spot))
)]
#[put("/spots/{id}/cause")]
async fn spot_cause(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    body: Body<CauseOfSpot>,
) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    let by = cause(&who, app.env.now());
    let CauseOfSpot { cause, note } = body.0;
    let row = app.db.write(move |tx| actions::cause_set(tx, &who, *id, cause, note, by)).await?;
    Ok(web::Json(row.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClosingOfSpot {
    /// 1–2000 characters.
    reason: String,
}

/// Close a spot (销号): the problem is solved here. None of its cases may be open.
#[utoipa::path(
    tag = "spots",
    params(("id" = SpotId, Path)),
    request_body = ClosingOfSpot,
    responses((status = 200, body = Spot))
)]
#[post("/spots/{id}/close")]
async fn spot_close(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<SpotId>,
    body: Body<ClosingOfSpot>,
) -> Result<web::Json<Spot>> {
    let who = caller.user()?;
    let cause = cause(&who, app.env.now());
    let row = app.db.write(move |tx| actions::close(tx, &who, *id, body.0.reason, cause)).await?;
    Ok(web::Json(row.into()))
}
