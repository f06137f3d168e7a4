//! Clips, the roster and the use of devices over HTTP.

use super::{
    actions::{self, Whole},
    rules::{ClipState, Part, Shift},
    store::{ClipRow, Page, ShiftPage, ShiftRow, Sight},
    usage::{self, DeviceUse},
};
use crate::{
    app::App,
    db::types::{AssignmentId, At, CaseId, DeviceId, EvidenceId, UserId},
    error::{Code, Result},
    evidence::view::Evidence,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, in_calendar, page_limit, text},
        table::Routes,
    },
    identity::rules::{CENTRE, Role},
};
use actix_web::{HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(clip_page)
        .service(clip_get)
        .service(clip_link)
        .service(clip_dismiss)
        .service(shift_page)
        .service(shift_put)
        .service(shift_delete)
        .service(device_utilisation)
        .service(device_repair);
}

/// A body camera's video and what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Clip {
    /// The video's id among the evidence.
    id: EvidenceId,
    /// The camera's serial.
    camera: String,
    /// The camera among the devices; null for one that nobody registered.
    device_id: Option<DeviceId>,
    /// Who wore it.
    user_id: Option<UserId>,
    /// Who says so: `roster` or `name` (the number in the file's name).
    user_from: Option<String>,
    /// The start by the camera's own clock.
    recorded_at: DateTime<Utc>,
    /// Who says so: `name`, `file`, `mtime`, `device` or `received`.
    recorded_from: String,
    /// The camera's clock minus the true time, milliseconds, when it is known.
    clock_offset_ms: Option<i64>,
    /// Who says so: `configured` or `clock_file`.
    clock_from: Option<String>,
    /// The start, with that error taken off.
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    /// 重点文件.
    key_file: bool,
    /// What does not fit, `[{code, detail}]`.
    #[schema(value_type = Vec<Object>)]
    doubts: serde_json::Value,
    #[schema(value_type = ClipState)]
    state: String,
    /// The case that fits best, or the one it was linked to.
    best_case: Option<CaseId>,
    /// Thousandths, 0–1000.
    best_score: Option<i32>,
    decided_by: Option<UserId>,
    decided_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    arrived_at: DateTime<Utc>,
    /// How long it has been here, whole seconds.
    age_s: i64,
}

impl Clip {
    fn new(row: ClipRow, now: DateTime<Utc>) -> Clip {
        Clip {
            id: row.evidence_id,
            camera: row.camera,
            device_id: row.device_id,
            user_id: row.user_id,
            user_from: row.user_from,
            recorded_at: row.recorded_at.0,
            recorded_from: row.recorded_from,
            clock_offset_ms: row.clock_offset_ms,
            clock_from: row.clock_from,
            started_at: row.started_at.0,
            ended_at: row.ended_at.0,
            key_file: row.key_file,
            doubts: row.doubts.0,
            state: row.state,
            best_case: row.best_case,
            best_score: row.best_score,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(|at| at.0),
            reason: row.reason,
            arrived_at: row.arrived_at.0,
            age_s: (now - row.arrived_at.0).num_seconds(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ClipFilter {
    /// Only in this state. `unclaimed` and `proposed` are queues, the oldest first; all else the newest first.
    state: Option<ClipState>,
    /// Only of the camera with this serial.
    camera: Option<String>,
    /// Only of this wearer.
    user_id: Option<UserId>,
    /// Only recordings that were not over by then.
    from: Option<DateTime<Utc>>,
    /// Only recordings that began before this.
    until: Option<DateTime<Utc>>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<EvidenceId>,
}

#[derive(Serialize, ToSchema)]
struct Clips {
    items: Vec<Clip>,
    /// Null on the last page.
    next: Option<EvidenceId>,
    /// How many there are in each state, for the Centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<ClipCount>>,
}

#[derive(Serialize, ToSchema)]
struct ClipCount {
    #[schema(value_type = ClipState)]
    state: String,
    count: i64,
    /// How long the oldest of them has been here, whole seconds.
    oldest_age_s: Option<i64>,
}

/// Clips the caller may see: the Centre all, a liaison those of the unit's officers, an officer the own.
#[utoipa::path(tag = "clips", params(ClipFilter), responses((status = 200, body = Clips)))]
#[get("/clips")]
async fn clip_page(app: web::Data<App>, caller: Caller, filter: web::Query<ClipFilter>) -> Result<web::Json<Clips>> {
    let sight = actions::sight(&caller.user()?)?;
    let ClipFilter { state, camera, user_id, from, until, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let page = Page {
        sight,
        state: state.map(|state| state.to_string()),
        camera: text("camera", camera)?,
        user_id,
        from: from.map(At),
        until: until.map(At),
        oldest_first: matches!(state, Some(ClipState::Unclaimed | ClipState::Proposed)),
        after: cursor,
        limit,
    };
    let all = page.sight == Sight::All;
    let (rows, counts) = app
        .db
        .read(move |db| {
            let rows = actions::page(db, &page)?;
            Ok((rows, if all { Some(actions::counts(db)?) } else { None }))
        })
        .await?;
    let now = app.env.now();
    let next = parameter::next(&rows, limit, |r| r.evidence_id);
    let count = |(state, count, oldest): (String, i64, Option<At>)| ClipCount {
        state,
        count,
        oldest_age_s: oldest.map(|at| (now - at.0).num_seconds()),
    };
    Ok(web::Json(Clips {
        items: rows.into_iter().map(|row| Clip::new(row, now)).collect(),
        next,
        counts: counts.map(|counts| counts.into_iter().map(count).collect()),
    }))
}

#[derive(Serialize, ToSchema)]
struct ClipWhole {
    clip: Clip,
    /// The video; null when the caller may not see it before it is linked to a case of theirs.
    evidence: Option<Evidence>,
    /// Cases of the caller's that fit, best first.
    proposals: Vec<ProposedCase>,
}

#[derive(Serialize, ToSchema)]
struct ProposedCase {
    case_id: CaseId,
    number: String,
    title: String,
    /// Thousandths, 0–1000; proposed from 700 on.
    score: i32,
    parts: Vec<Part>,
}

/// One clip, with the cases that fit as things stand now.
#[utoipa::path(tag = "clips", params(("id" = EvidenceId, Path)), responses((status = 200, body = ClipWhole)))]
#[get("/clips/{id}")]
async fn clip_get(app: web::Data<App>, caller: Caller, id: web::Path<EvidenceId>) -> Result<web::Json<ClipWhole>> {
    let who = caller.user()?;
    let Whole { row, evidence, proposals } = app.db.read(move |db| actions::get(db, &who, *id)).await?;
    let proposed = proposals.into_iter().map(|(proposal, number, title)| ProposedCase {
        case_id: proposal.case_id,
        number,
        title,
        score: proposal.score,
        parts: proposal.parts,
    });
    Ok(web::Json(ClipWhole { clip: Clip::new(row, app.env.now()), evidence, proposals: proposed.collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClipLink {
    case_id: CaseId,
    /// At most 500 characters.
    reason: Option<String>,
}

/// Link a clip to a case: by its wearer, the dispatcher, or the liaison of the unit of both. A clip may belong to several.
#[utoipa::path(
    tag = "clips",
    request_body = ClipLink,
    params(("id" = EvidenceId, Path)),
    responses((status = 200, body = Clip))
)]
#[post("/clips/{id}/link")]
async fn clip_link(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<ClipLink>,
) -> Result<web::Json<Clip>> {
    let (who, ClipLink { case_id, reason }) = (caller.user()?, body.0);
    let row = app.db.write(move |tx| actions::link(tx, &who, *id, case_id, reason)).await?;
    Ok(web::Json(Clip::new(row, app.env.now())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClipDismissal {
    /// 1–500 characters.
    reason: String,
}

/// Say that a clip belongs to no case. It is kept all the same.
#[utoipa::path(
    tag = "clips",
    request_body = ClipDismissal,
    params(("id" = EvidenceId, Path)),
    responses((status = 200, body = Clip))
)]
#[post("/clips/{id}/dismiss")]
async fn clip_dismiss(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<ClipDismissal>,
) -> Result<web::Json<Clip>> {
    let (who, reason) = (caller.user()?, body.0.reason);
    let row = app.db.write(move |tx| actions::dismiss(tx, &who, *id, reason)).await?;
    Ok(web::Json(Clip::new(row, app.env.now())))
}

/// One shift of one person with one camera.
#[derive(Debug, Serialize, ToSchema)]
pub struct CameraAssignment {
    id: AssignmentId,
    camera: String,
    user_id: UserId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    set_by: Option<UserId>,
    set_at: DateTime<Utc>,
}

impl From<ShiftRow> for CameraAssignment {
    fn from(row: ShiftRow) -> CameraAssignment {
        CameraAssignment {
            id: row.id,
            camera: row.camera,
            user_id: row.user_id,
            from: row.from_at.0,
            until: row.until_at.0,
            set_by: row.set_by,
            set_at: row.set_at.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShiftFilter {
    /// Only of the camera with this serial.
    camera: Option<String>,
    /// Only of this person; officers see their own shifts alone.
    user_id: Option<UserId>,
    /// Only what ends after this.
    from: Option<DateTime<Utc>>,
    /// Only what begins before this.
    until: Option<DateTime<Utc>>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<AssignmentId>,
}

#[derive(Serialize, ToSchema)]
struct CameraAssignments {
    items: Vec<CameraAssignment>,
    /// Null on the last page.
    next: Option<AssignmentId>,
}

/// The roster: who carries which camera when; entered last first.
#[utoipa::path(tag = "clips", params(ShiftFilter), responses((status = 200, body = CameraAssignments)))]
#[get("/camera-assignments")]
async fn shift_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<ShiftFilter>,
) -> Result<web::Json<CameraAssignments>> {
    let who = caller.user()?;
    let filter = filter.into_inner();
    let user_id = match who.role {
        Role::Officer => Some(who.user_id),
        role if CENTRE.contains(&role) => filter.user_id,
        _ => return Err(Code::RoleForbidden.into()),
    };
    let limit = page_limit(filter.limit)?;
    let page = ShiftPage {
        camera: text("camera", filter.camera)?,
        user_id,
        from: in_calendar("from", filter.from)?.map(At),
        until: in_calendar("until", filter.until)?.map(At),
        after: filter.cursor,
        limit,
    };
    let rows = app.db.read(move |db| actions::shifts(db, &page)).await?;
    let next = parameter::next(&rows, limit, |r| r.id);
    Ok(web::Json(CameraAssignments { items: rows.into_iter().map(CameraAssignment::from).collect(), next }))
}

/// Who may change the roster.
const ROSTER: &[Role] = &[Role::Dispatcher, Role::Admin];

/// Enter a shift; one of the same camera that begins at the same moment is replaced.
#[utoipa::path(tag = "clips", request_body = Shift, responses((status = 200, body = CameraAssignment)))]
#[put("/camera-assignments")]
async fn shift_put(app: web::Data<App>, caller: Caller, body: Body<Shift>) -> Result<web::Json<CameraAssignment>> {
    let who = caller.role(ROSTER)?;
    let row = app.db.write(move |tx| actions::assign(tx, Some(who.user_id), body.0)).await?;
    Ok(web::Json(row.into()))
}

/// Take a shift back.
#[utoipa::path(tag = "clips", params(("id" = AssignmentId, Path)), responses((status = 204)))]
#[delete("/camera-assignments/{id}")]
async fn shift_delete(app: web::Data<App>, caller: Caller, id: web::Path<AssignmentId>) -> Result<HttpResponse> {
    caller.role(ROSTER)?;
    app.db.write(move |tx| actions::unassign(tx, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UseSpan {
    /// 30 days before `to` by default.
    from: Option<DateTime<Utc>>,
    /// Now by default; at most 400 days after `from`.
    to: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct DevicesUse {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    items: Vec<DeviceUse>,
}

/// 一机一账: what each device did in a span, and how it stands.
#[utoipa::path(tag = "clips", params(UseSpan), responses((status = 200, body = DevicesUse)))]
#[get("/devices/utilisation")]
async fn device_utilisation(
    app: web::Data<App>,
    caller: Caller,
    span: web::Query<UseSpan>,
) -> Result<web::Json<DevicesUse>> {
    caller.role(CENTRE)?;
    let now = app.env.now();
    let to = in_calendar("to", span.to)?.unwrap_or(now);
    let from = in_calendar("from", span.from)?.unwrap_or(to - TimeDelta::days(30));
    if to <= from || to - from > TimeDelta::days(400) {
        return Err(Code::ParameterInvalid.with("to: after from, at most 400 days"));
    }
    let items = app.db.read(move |db| db.snapshot(|db| usage::board(db, from, to, now))).await?;
    Ok(web::Json(DevicesUse { from, to, items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Repair {
    /// What is broken, 1–200 characters; null when it is mended.
    reason: Option<String>,
}

/// Mark a device as waiting for repair (待修), or clear the mark.
#[utoipa::path(tag = "clips", request_body = Repair, params(("id" = DeviceId, Path)), responses((status = 204)))]
#[put("/devices/{id}/repair")]
async fn device_repair(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<DeviceId>,
    body: Body<Repair>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Admin])?;
    app.db.write(move |tx| actions::repair(tx, &who, *id, body.0.reason)).await?;
    Ok(HttpResponse::NoContent().finish())
}
