//! `/api/v1/self-evaluations`.

use super::{
    actions::{self, Version, VersionHead},
    print,
    rules::{Acknowledgement, Assessed, SelfEvaluation},
};
use crate::{
    app::App,
    db::types::UserId,
    document::Format,
    error::{Code, Result},
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit, text},
        print::printed,
        table::Routes,
    },
    identity::rules::Role,
    statistics::rules::{Counts, Rate, Rates},
};
use actix_web::{HttpResponse, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Who fills the tables in.
const WRITERS: &[Role] = &[Role::Dispatcher, Role::Admin];
/// Who reads them.
const READERS: &[Role] = &[Role::Dispatcher, Role::Supervisor, Role::Admin];

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(list).service(one).service(save).service(submit).service(suggestions).service(document);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EvaluationFilter {
    /// Of this year alone.
    year: Option<i32>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct SelfEvaluations {
    items: Vec<SelfEvaluationHead>,
    /// Null on the last page.
    next: Option<String>,
}

/// A version without its tables.
#[derive(Serialize, ToSchema)]
struct SelfEvaluationHead {
    /// The year it evaluates.
    year: i32,
    /// From 1; the last one of a year is the one that counts.
    version: i32,
    saved_by: UserId,
    saved_at: DateTime<Utc>,
    /// Null while it is a draft.
    submitted_by: Option<UserId>,
    /// Null while it is a draft.
    submitted_at: Option<DateTime<Utc>>,
}

impl From<VersionHead> for SelfEvaluationHead {
    fn from(head: VersionHead) -> SelfEvaluationHead {
        let VersionHead { year, version, saved_by, saved_at, submitted_by, submitted_at } = head;
        let submitted_at = submitted_at.map(|at| at.0);
        SelfEvaluationHead { year, version, saved_by, saved_at: saved_at.0, submitted_by, submitted_at }
    }
}

/// A version, and what the rules make of it.
#[derive(Serialize, ToSchema)]
struct SelfEvaluationVersion {
    head: SelfEvaluationHead,
    tables: SelfEvaluation,
    assessed: Assessed,
    /// Words on findings that stay; empty while it is a draft.
    acknowledgements: Vec<Acknowledgement>,
}

impl From<Version> for SelfEvaluationVersion {
    fn from(version: Version) -> SelfEvaluationVersion {
        let Version { head, tables, acknowledgements } = version;
        SelfEvaluationVersion { head: head.into(), assessed: tables.assess(), tables, acknowledgements }
    }
}

/// Where a page begins: behind this year and version.
fn place_of(cursor: &str) -> Result<(i32, i32)> {
    let parts = cursor.split_once('.').and_then(|(year, version)| Some((year.parse().ok()?, version.parse().ok()?)));
    parts.ok_or_else(|| Code::ParameterInvalid.with("cursor"))
}

/// Every saved version, the latest year and version first.
#[utoipa::path(tag = "self-evaluation", params(EvaluationFilter), responses((status = 200, body = SelfEvaluations)))]
#[get("/self-evaluations")]
async fn list(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<EvaluationFilter>,
) -> Result<web::Json<SelfEvaluations>> {
    caller.role(READERS)?;
    let EvaluationFilter { year, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let after = text("cursor", cursor)?.as_deref().map(place_of).transpose()?;
    let heads = app.db.read(move |db| actions::heads(db, year, after, limit)).await?;
    let next = parameter::next(&heads, limit, |head| format!("{}.{}", head.year, head.version));
    Ok(web::Json(SelfEvaluations { items: heads.into_iter().map(Into::into).collect(), next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WantedVersion {
    /// The last one by default.
    version: Option<i32>,
}

/// A year's tables, with what the rules make of them.
#[utoipa::path(
    tag = "self-evaluation",
    params(("year" = i32, Path, description = "2000–2100"), WantedVersion),
    responses((status = 200, body = SelfEvaluationVersion))
)]
#[get("/self-evaluations/{year}")]
async fn one(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
    wanted: web::Query<WantedVersion>,
) -> Result<web::Json<SelfEvaluationVersion>> {
    caller.role(READERS)?;
    let version = app.db.read(move |db| actions::version(db, *year, wanted.version)).await?;
    Ok(web::Json(version.into()))
}

/// Tables to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SelfEvaluationDraft {
    /// The version they were made from, 0 for a year's first one.
    base: i32,
    tables: SelfEvaluation,
}

/// Save a year's tables as its next version, a draft. What was submitted stays as it was.
#[utoipa::path(
    tag = "self-evaluation",
    request_body = SelfEvaluationDraft,
    params(("year" = i32, Path, description = "2000–2100")),
    responses((status = 200, body = SelfEvaluationVersion))
)]
#[put("/self-evaluations/{year}")]
async fn save(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
    body: Body<SelfEvaluationDraft>,
) -> Result<web::Json<SelfEvaluationVersion>> {
    let who = caller.role(WRITERS)?;
    let SelfEvaluationDraft { base, tables } = body.0;
    let saved = app.db.write(move |tx| actions::save(tx, who.user_id, *year, base, &tables)).await?;
    Ok(web::Json(saved.into()))
}

/// Words on what stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SelfEvaluationSubmission {
    /// Which version: the last one.
    version: i32,
    /// One for each finding that is an error; warnings may have words too.
    acknowledgements: Vec<Acknowledgement>,
}

/// Submit the last version of a year. Each error in it needs words.
#[utoipa::path(
    tag = "self-evaluation",
    request_body = SelfEvaluationSubmission,
    params(("year" = i32, Path, description = "2000–2100")),
    responses((status = 200, body = SelfEvaluationVersion))
)]
#[post("/self-evaluations/{year}/submit")]
async fn submit(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
    body: Body<SelfEvaluationSubmission>,
) -> Result<web::Json<SelfEvaluationVersion>> {
    let who = caller.role(WRITERS)?;
    let SelfEvaluationSubmission { version, acknowledgements } = body.0;
    let submitted = app.db.write(move |tx| actions::submit(tx, who.user_id, *year, version, &acknowledgements)).await?;
    Ok(web::Json(submitted.into()))
}

/// What a year's cases offer as actual values.
#[derive(Serialize, ToSchema)]
struct SelfEvaluationSuggestions {
    year: i32,
    counts: Counts,
    /// By the county's rules; one that can't be computed is left out.
    items: Vec<SuggestedValue>,
}

#[derive(Serialize, ToSchema)]
struct SuggestedValue {
    /// 解决率, ….
    name: String,
    /// For `actual`.
    text: String,
    /// For `actual_value`: thousandths of a percent.
    value: i64,
}

fn suggestion(name: &str, rate: Rate) -> Option<SuggestedValue> {
    let value = rate.basis_points?.saturating_mul(10);
    Some(SuggestedValue { name: name.to_owned(), text: rate.text, value })
}

/// The year's rates by the case loop, to fill in as actual values.
#[utoipa::path(
    tag = "self-evaluation",
    params(("year" = i32, Path, description = "2000–2100")),
    responses((status = 200, body = SelfEvaluationSuggestions))
)]
#[get("/self-evaluations/{year}/suggestions")]
async fn suggestions(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
) -> Result<web::Json<SelfEvaluationSuggestions>> {
    caller.role(READERS)?;
    let (year, now) = (*year, app.env.now());
    let counts = app.db.read(move |db| db.snapshot(|db| actions::figures(db, year, now))).await?;
    let Rates { resolution, timely, comprehensive, handled, handled_in_time, overdue, rework, extension } =
        Rates::from(&counts);
    let named = [
        ("解决率", resolution),
        ("及时解决率", timely),
        ("综合解决率", comprehensive),
        ("处置率", handled),
        ("按期处置率", handled_in_time),
        ("超期未处置率", overdue),
        ("返工率", rework),
        ("延期率", extension),
    ];
    let items = named.into_iter().filter_map(|(name, rate)| suggestion(name, rate)).collect();
    Ok(web::Json(SelfEvaluationSuggestions { year, counts, items }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PrintOptions {
    /// pdf by default.
    format: Option<Format>,
    /// The last one by default.
    version: Option<i32>,
}

/// Both annexes for print, with what the check found and the words on it. The same version gives the same bytes.
#[utoipa::path(
    tag = "self-evaluation",
    params(("year" = i32, Path, description = "2000–2100"), PrintOptions),
    responses((
        status = 200,
        content(
            (Vec<u8> = "application/pdf"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            (String = "text/html")
        )
    ))
)]
#[get("/self-evaluations/{year}/document")]
async fn document(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
    options: web::Query<PrintOptions>,
) -> Result<HttpResponse> {
    caller.role(READERS)?;
    let PrintOptions { format, version } = options.into_inner();
    let year = *year;
    let version = app.db.read(move |db| actions::version(db, year, version)).await?;
    let name = format!("self-evaluation-{year}-v{}", version.head.version);
    printed(print::document(&version), format.unwrap_or(Format::Pdf), &name).await
}
