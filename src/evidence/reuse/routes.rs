//! The queue 疑似复用 over HTTP.

use super::{
    actions::{self, Sides},
    rules::{Class, Finding},
    store::MatchPage,
};
use crate::{
    app::App,
    db::types::{MatchId, UserId},
    error::{Code, Result},
    evidence::view::Evidence,
    http::{auth::Caller, body::Body, table::Routes},
    identity::rules::{CENTRE, Role, text},
};
use actix_web::{get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts it under `/api/v1`; before `/evidence/{id}`, which would take these paths.
pub fn routes(cfg: &mut Routes) {
    cfg.service(reuse_list).service(reuse_get).service(reuse_decide);
}

/// Two photos that look the same where they should not.
#[derive(Serialize, ToSchema)]
struct Match {
    id: MatchId,
    /// `exact_reuse`, `near_reuse` or `before_after_same`.
    #[schema(value_type = Class)]
    class: String,
    /// Bits of 256 by which the pictures' hashes differ, 0–40; 0 for the same file.
    distance: i32,
    /// The later use; for `before_after_same` the photo of after.
    later: Side,
    /// The earlier use.
    earlier: Side,
    found_at: DateTime<Utc>,
    /// Absent while it is open.
    #[schema(value_type = Option<Finding>)]
    decision: Option<String>,
    reason: Option<String>,
    decided_by: Option<UserId>,
    decided_by_name: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

/// One of the two: the photo, who took it, and what it was handed in for.
#[derive(Serialize, ToSchema)]
struct Side {
    evidence: Evidence,
    /// Who declared it.
    author_name: Option<String>,
    /// `case`, `spot_check`, …; `device` when another handheld sent the same file.
    target_kind: String,
    /// The record's id.
    target_id: String,
}

impl Match {
    fn new(sides: Sides) -> Match {
        let Sides { row, later, earlier, authors: [later_author, earlier_author], decider } = sides;
        Match {
            id: row.id,
            class: row.class,
            distance: row.distance,
            later: Side {
                evidence: later,
                author_name: later_author,
                target_kind: row.target_kind,
                target_id: row.target_id,
            },
            earlier: Side {
                evidence: earlier,
                author_name: earlier_author,
                target_kind: row.other_kind,
                target_id: row.other_target,
            },
            found_at: row.found_at.0,
            decision: row.decision,
            reason: row.reason,
            decided_by: row.decided_by,
            decided_by_name: decider,
            decided_at: row.decided_at.map(|at| at.0),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReuseQueueState {
    Open,
    Decided,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `open`, the default, or `decided`.
    #[param(inline)]
    state: Option<ReuseQueueState>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<MatchId>,
}

#[derive(Serialize, ToSchema)]
struct Matches {
    items: Vec<Match>,
    /// Give it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<MatchId>,
}

/// Photos suspected of being used again, oldest first.
#[utoipa::path(tag = "evidence", params(Filter), responses((status = 200, body = Matches)))]
#[get("/evidence/reuse")]
async fn reuse_list(app: web::Data<App>, caller: Caller, filter: web::Query<Filter>) -> Result<web::Json<Matches>> {
    caller.role(CENTRE)?;
    let Filter { state, limit, cursor } = filter.into_inner();
    let limit = limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–200"));
    }
    let page = MatchPage { open: state != Some(ReuseQueueState::Decided), after: cursor, limit };
    let found = app.db.read(move |db| db.snapshot(|db| actions::page(db, &page))).await?;
    let full = i64::try_from(found.len()).unwrap_or(0) >= limit;
    let next = found.last().filter(|_| full).map(|last| last.row.id);
    Ok(web::Json(Matches { items: found.into_iter().map(Match::new).collect(), next }))
}

/// One suspicion with both photos.
#[utoipa::path(tag = "evidence", params(("id" = MatchId, Path)), responses((status = 200, body = Match)))]
#[get("/evidence/reuse/{id}")]
async fn reuse_get(app: web::Data<App>, caller: Caller, id: web::Path<MatchId>) -> Result<web::Json<Match>> {
    caller.role(CENTRE)?;
    let found = app.db.read(move |db| db.snapshot(|db| actions::get(db, *id))).await?;
    Ok(web::Json(Match::new(found)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReuseWord {
    /// `reuse`: a photo was used again; a case stays open until a new photo of after comes. `legitimate`: there is a
    /// good reason, or they only look alike.
    decision: Finding,
    /// 1–2000 characters.
    reason: String,
}

/// Decide. It stands for good, and in the transparency log.
#[utoipa::path(
    tag = "evidence",
    params(("id" = MatchId, Path)),
    request_body = ReuseWord,
    responses((status = 200, body = Match))
)]
#[post("/evidence/reuse/{id}/decision")]
async fn reuse_decide(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<MatchId>,
    body: Body<ReuseWord>,
) -> Result<web::Json<Match>> {
    let who = caller.role(&[Role::Dispatcher, Role::Supervisor])?;
    let ReuseWord { decision, reason } = body.0;
    text("reason", &reason, 2000)?;
    let (id, by) = (*id, who.user_id);
    let decided = move |tx: &mut crate::db::Tx| actions::decide(tx, id, decision, &reason, by);
    let found = app.db.write_and_read(decided, move |tx, ()| actions::get(tx.db, id)).await?;
    Ok(web::Json(Match::new(found)))
}
