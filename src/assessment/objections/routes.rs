//! Objections over HTTP.

use super::actions::{self, Finding, Objection};
use crate::{
    app::App,
    assessment::{routes::reader, rules::Verdict, store::ObjectionRow},
    db::types::{ObjectionId, UnitId, UserId},
    error::Result,
    http::{auth::Caller, body::Body, table::Routes},
    identity::rules::Role,
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts them under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(objection_file).service(objection_list).service(objection_step);
}

/// An objection.
#[derive(Serialize, ToSchema)]
struct ScoreObjection {
    id: ObjectionId,
    month: String,
    line: i32,
    unit_id: UnitId,
    reason: String,
    filed_by: UserId,
    filed_at: DateTime<Utc>,
    /// After the last step.
    #[schema(value_type = Option<Verdict>)]
    verdict: Option<String>,
    /// 初核, 复核, 终审.
    steps: Vec<ObjectionStep>,
}

#[derive(Serialize, ToSchema)]
struct ObjectionStep {
    /// 1–3.
    step: i32,
    #[schema(value_type = Verdict)]
    verdict: String,
    /// Thousandths of a point.
    delta: i32,
    words: String,
    decided_by: UserId,
    decided_at: DateTime<Utc>,
}

impl From<Objection> for ScoreObjection {
    fn from(Objection { row, steps }: Objection) -> ScoreObjection {
        let ObjectionRow { id, month, line, unit_id, reason, filed_by, filed_at, verdict, .. } = row;
        let steps = steps.into_iter().map(|step| ObjectionStep {
            step: step.step,
            verdict: step.verdict,
            delta: step.delta,
            words: step.words,
            decided_by: step.decided_by,
            decided_at: step.decided_at.0,
        });
        ScoreObjection {
            steps: steps.collect(),
            id,
            month,
            line,
            unit_id,
            reason,
            filed_by,
            filed_at: filed_at.0,
            verdict,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ObjectionToFile {
    /// Why, 1–2000 characters.
    reason: String,
}

/// Object to a line of the own unit (申诉), once, while the term runs.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), ("n" = i32, Path)),
    request_body = ObjectionToFile,
    responses((status = 201, body = ScoreObjection))
)]
#[post("/assessment/months/{month}/lines/{n}/objection")]
async fn objection_file(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<(String, i32)>,
    body: Body<ObjectionToFile>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Liaison])?;
    let (month, n) = path.into_inner();
    let filed = app.db.write(move |tx| actions::file(tx, &who, &month, n, &body.0.reason)).await?;
    Ok(HttpResponse::Created().json(ScoreObjection::from(filed)))
}

#[derive(Serialize, ToSchema)]
struct ScoreObjections {
    /// In the order they were filed.
    items: Vec<ScoreObjection>,
}

/// A month's objections: all at the Centre, the own ones for a liaison.
#[utoipa::path(tag = "assessment", params(("month" = String, Path)), responses((status = 200, body = ScoreObjections)))]
#[get("/assessment/months/{month}/objections")]
async fn objection_list(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
) -> Result<web::Json<ScoreObjections>> {
    let who = reader(caller)?;
    let list = app.db.read(move |db| actions::list(db, &who, &month)).await?;
    Ok(web::Json(ScoreObjections { items: list.into_iter().map(ScoreObjection::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepToTake {
    verdict: Verdict,
    /// What the score is to be changed by, thousandths of a point, ±1–100000; 0 when dismissed.
    delta: i32,
    /// Why, 1–2000 characters.
    words: String,
}

/// Take the next step of an objection: 初核 and 复核 by two people of the office, 终审 by the inspectorate, which decides.
#[utoipa::path(
    tag = "assessment",
    params(("id" = ObjectionId, Path)),
    request_body = StepToTake,
    responses((status = 200, body = ScoreObjection))
)]
#[post("/assessment/objections/{id}/steps")]
async fn objection_step(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<ObjectionId>,
    body: Body<StepToTake>,
) -> Result<web::Json<ScoreObjection>> {
    let who = caller.role(&[Role::Dispatcher, Role::Admin, Role::Supervisor])?;
    let StepToTake { verdict, delta, words } = body.0;
    let finding = Finding { verdict, delta, words };
    let taken = app.db.write(move |tx| actions::step(tx, &who, *id, &finding)).await?;
    Ok(web::Json(taken.into()))
}
