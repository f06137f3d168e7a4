//! Editions over HTTP.

use super::{
    actions::{self, NewCounter},
    store::EditionRow,
};
use crate::{
    app::App,
    assessment::{routes::reader, rules::Verdict},
    db::types::{EditionId, UserId},
    error::{Error, Result},
    http::{auth::Caller, body::Body, table::Routes},
    identity::rules::Role,
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts them under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(edition_list).service(edition_open).service(edition_decide);
}

/// Who may open one: the office and the inspectorate.
const OPENERS: &[Role] = &[Role::Dispatcher, Role::Admin, Role::Supervisor];

/// An edition of a published month.
#[derive(Serialize, ToSchema)]
struct ScoreEdition {
    id: EditionId,
    month: String,
    /// From 1; null before it is published.
    edition: Option<i32>,
    /// Why; empty for the first.
    reason: String,
    /// The counter-lines it brings.
    counters: Vec<NewCounter>,
    opened_by: UserId,
    opened_at: DateTime<Utc>,
    /// Null while it waits for a second person.
    #[schema(value_type = Option<Verdict>)]
    verdict: Option<String>,
    words: Option<String>,
    decided_by: Option<UserId>,
    decided_at: Option<DateTime<Utc>>,
    /// Of its pack, lower-case hexadecimal.
    pack_sha256: Option<String>,
}

impl TryFrom<EditionRow> for ScoreEdition {
    type Error = Error;

    fn try_from(row: EditionRow) -> Result<ScoreEdition> {
        Ok(ScoreEdition {
            counters: actions::counters(&row)?,
            id: row.id,
            month: row.month,
            edition: row.edition,
            reason: row.reason,
            opened_by: row.opened_by,
            opened_at: row.opened_at.0,
            verdict: row.verdict,
            words: row.words,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(|at| at.0),
            pack_sha256: row.pack_sha256,
        })
    }
}

#[derive(Serialize, ToSchema)]
struct ScoreEditions {
    /// In the order they were opened.
    items: Vec<ScoreEdition>,
}

/// A month's editions (版次): the published ones; those who make months also see what waits and what was dismissed.
#[utoipa::path(tag = "assessment", params(("month" = String, Path)), responses((status = 200, body = ScoreEditions)))]
#[get("/assessment/months/{month}/editions")]
async fn edition_list(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
) -> Result<web::Json<ScoreEditions>> {
    let who = reader(caller)?;
    let rows = app.db.read(move |db| actions::list(db, &who, &month)).await?;
    let items = rows.into_iter().map(ScoreEdition::try_from).collect::<Result<_>>()?;
    Ok(web::Json(ScoreEditions { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditionToOpen {
    /// What was found after the publication, 1–1000 characters.
    reason: String,
    /// 1–500.
    counters: Vec<NewCounter>,
}

/// Open another edition of a published month (更正). Nothing changes before a second person approves it.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path)),
    request_body = EditionToOpen,
    responses((status = 201, body = ScoreEdition))
)]
#[post("/assessment/months/{month}/editions")]
async fn edition_open(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    body: Body<EditionToOpen>,
) -> Result<HttpResponse> {
    let who = caller.role(OPENERS)?;
    let EditionToOpen { reason, counters } = body.0;
    let row = app.db.write(move |tx| actions::open(tx, &who, &month, &reason, &counters)).await?;
    Ok(HttpResponse::Created().json(ScoreEdition::try_from(row)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditionDecision {
    /// `upheld` publishes it; `dismissed` leaves the month as it was, also by whoever opened it.
    verdict: Verdict,
    /// Why, 1–1000 characters.
    words: String,
}

/// Approve an edition, which publishes it with its own pack in the transparency log, or dismiss it. Nobody approves their
/// own.
#[utoipa::path(
    tag = "assessment",
    params(("id" = EditionId, Path)),
    request_body = EditionDecision,
    responses((status = 200, body = ScoreEdition))
)]
#[post("/assessment/editions/{id}/decision")]
async fn edition_decide(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EditionId>,
    body: Body<EditionDecision>,
) -> Result<web::Json<ScoreEdition>> {
    let who = caller.role(OPENERS)?;
    let EditionDecision { verdict, words } = body.0;
    let row = app.db.write(move |tx| actions::decide(tx, &who, *id, verdict, &words)).await?;
    Ok(web::Json(row.try_into()?))
}
