//! `/api/v1/merits`.

use super::{
    actions,
    rules::{DECIDERS, ENTERERS, MeritItem, MeritState, NewMerit},
    store::{EntryRow, Only},
};
use crate::{
    app::App,
    db::types::{MeritId, UnitId, UserId},
    error::Result,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit, text},
        table::Routes,
    },
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(merit_page).service(merit_enter).service(merit_get).service(merit_decide).service(merit_withdraw);
}

/// An entry of the positive/negative list (正负面清单).
#[derive(Serialize, ToSchema)]
struct Merit {
    id: MeritId,
    unit_id: UnitId,
    /// The month it counts in.
    month: String,
    #[schema(value_type = MeritItem)]
    item: String,
    times: i32,
    summary: String,
    /// When it happened, an ISO date.
    happened_on: String,
    /// Where that is written.
    source: String,
    /// SHA-256 of the evidence.
    #[schema(value_type = Vec<String>)]
    evidence: Value,
    #[schema(value_type = MeritState)]
    state: String,
    entered_by: UserId,
    entered_at: DateTime<Utc>,
    decided_by: Option<UserId>,
    decided_at: Option<DateTime<Utc>>,
    decision_words: Option<String>,
    withdrawn_by: Option<UserId>,
    withdrawn_at: Option<DateTime<Utc>>,
    withdrawn_reason: Option<String>,
}

impl Merit {
    fn new(row: EntryRow) -> Merit {
        Merit {
            id: row.id,
            unit_id: row.unit_id,
            month: row.month,
            item: row.item,
            times: row.times,
            summary: row.summary,
            happened_on: row.happened_on,
            source: row.source,
            evidence: row.evidence.0,
            state: row.state,
            entered_by: row.entered_by,
            entered_at: row.entered_at.0,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(|at| at.0),
            decision_words: row.decision_words,
            withdrawn_by: row.withdrawn_by,
            withdrawn_at: row.withdrawn_at.map(|at| at.0),
            withdrawn_reason: row.withdrawn_reason,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MeritFilter {
    /// Only of this month, such as 2026-11.
    month: Option<String>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only of this item.
    item: Option<MeritItem>,
    /// Only in this state.
    state: Option<MeritState>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<MeritId>,
}

#[derive(Serialize, ToSchema)]
struct Merits {
    items: Vec<Merit>,
    next: Option<MeritId>,
}

/// The list, the last entered first: every approved entry of every unit for everybody, the others for the Centre.
#[utoipa::path(tag = "merits", params(MeritFilter), responses((status = 200, body = Merits)))]
#[get("/merits")]
async fn merit_page(app: web::Data<App>, caller: Caller, filter: web::Query<MeritFilter>) -> Result<web::Json<Merits>> {
    let who = caller.user()?;
    let MeritFilter { month, unit_id, item, state, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let only = Only { month: text("month", month)?, unit_id, item, state };
    let rows = app.db.read(move |db| actions::page(db, &who, only, cursor, limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.id);
    Ok(web::Json(Merits { items: rows.into_iter().map(Merit::new).collect(), next }))
}

/// Enter what happened. Somebody else approves it.
#[utoipa::path(tag = "merits", request_body = NewMerit, responses((status = 201, body = Merit)))]
#[post("/merits")]
async fn merit_enter(app: web::Data<App>, caller: Caller, body: Body<NewMerit>) -> Result<HttpResponse> {
    let who = caller.role(ENTERERS)?;
    let row = app.db.write(move |tx| actions::enter(tx, &who, body.0)).await?;
    Ok(HttpResponse::Created().json(Merit::new(row)))
}

/// An entry.
#[utoipa::path(tag = "merits", params(("id" = MeritId, Path)), responses((status = 200, body = Merit)))]
#[get("/merits/{id}")]
async fn merit_get(app: web::Data<App>, caller: Caller, id: web::Path<MeritId>) -> Result<web::Json<Merit>> {
    let who = caller.user()?;
    let row = app.db.read(move |db| actions::get(db, &who, *id)).await?;
    Ok(web::Json(Merit::new(row)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MeritDecision {
    approved: bool,
    /// 1–1000 characters.
    words: String,
}

/// Approve or refuse an entry of somebody else.
#[utoipa::path(
    tag = "merits",
    params(("id" = MeritId, Path)),
    request_body = MeritDecision,
    responses((status = 200, body = Merit))
)]
#[post("/merits/{id}/decision")]
async fn merit_decide(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<MeritId>,
    body: Body<MeritDecision>,
) -> Result<web::Json<Merit>> {
    let who = caller.role(DECIDERS)?;
    let MeritDecision { approved, words } = body.0;
    let row = app.db.write(move |tx| actions::decide(tx, &who, *id, approved, &words)).await?;
    Ok(web::Json(Merit::new(row)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MeritWithdrawal {
    /// 1–1000 characters.
    reason: String,
}

/// Take an entry back; it stays on record.
#[utoipa::path(
    tag = "merits",
    params(("id" = MeritId, Path)),
    request_body = MeritWithdrawal,
    responses((status = 200, body = Merit))
)]
#[post("/merits/{id}/withdrawal")]
async fn merit_withdraw(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<MeritId>,
    body: Body<MeritWithdrawal>,
) -> Result<web::Json<Merit>> {
    let who = caller.role(ENTERERS)?;
    let row = app.db.write(move |tx| actions::withdraw(tx, &who, *id, &body.0.reason)).await?;
    Ok(web::Json(Merit::new(row)))
}
