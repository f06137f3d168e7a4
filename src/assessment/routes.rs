//! `/api/v1/assessment`.

use super::{
    actions::{self, INSPECTORATE, OFFICE, Reviewed, Reviews, Standing},
    bulletin, editions, objections,
    reckon::{Line, Total, UnitIn},
    record::{self, ScoreRecord},
    rules::{Phase, RuleSet},
    store::{MonthHead, RulesRow},
};
use crate::{
    app::App,
    db::{
        Tx,
        types::{EvidenceId, UnitId, UserId},
    },
    document::Format,
    error::{Code, Result},
    evidence::{
        self,
        custody::{actions::Bytes, rules::Purpose},
    },
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit, text},
        print::printed,
        table::Routes,
    },
    identity::rules::{CENTRE, Role, UnitClass},
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(rules_list)
        .service(rules_draft)
        .service(rules_approve)
        .service(month_page)
        .service(month_get)
        .service(month_run)
        .service(month_open)
        .service(month_publish)
        .service(month_what_if)
        .service(month_pack)
        .service(month_bulletin)
        .service(line_page)
        .service(line_record)
        .service(line_evidence)
        .service(score_review)
        .configure(objections::routes::routes)
        .configure(editions::routes::routes);
}

/// Every assessed unit may look at every score and every record behind it (全面公开); those in the street need not.
pub(super) fn reader(caller: Caller) -> Result<crate::identity::rules::Actor> {
    let who = caller.user()?;
    let reads = CENTRE.contains(&who.role) || who.role == Role::Liaison;
    if reads { Ok(who) } else { Err(Code::RoleForbidden.into()) }
}

/// A set of rules.
#[derive(Serialize, ToSchema)]
struct Rules {
    /// 0 came with the program.
    version: i32,
    #[schema(value_type = RuleSet)]
    rules: serde_json::Value,
    /// The first month it holds for, once it is approved.
    effective_from: String,
    note: String,
    drafted_by: Option<UserId>,
    drafted_at: Option<DateTime<Utc>>,
    approved_by: Option<UserId>,
    approved_at: Option<DateTime<Utc>>,
}

impl From<RulesRow> for Rules {
    fn from(row: RulesRow) -> Rules {
        Rules {
            version: row.version,
            rules: row.body.0,
            effective_from: row.effective_from,
            note: row.note,
            drafted_by: Some(row.drafted_by),
            drafted_at: Some(row.drafted_at.0),
            approved_by: row.approved_by,
            approved_at: row.approved_at.map(|at| at.0),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct RulesList {
    /// The newest first; the last one came with the program.
    items: Vec<Rules>,
}

/// All sets of rules.
#[utoipa::path(tag = "assessment", responses((status = 200, body = RulesList)))]
#[get("/assessment/rules")]
async fn rules_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<RulesList>> {
    reader(caller)?;
    let rows = app.db.read(actions::rules_all).await?;
    let mut items: Vec<Rules> = rows.into_iter().map(Rules::from).collect();
    let county = RuleSet::county();
    items.push(Rules {
        version: 0,
        note: format!("《{}》，随程序提供", county.title),
        rules: serde_json::to_value(county).map_err(crate::error::Error::internal)?,
        effective_from: "2000-01".into(),
        drafted_by: None,
        drafted_at: None,
        approved_by: None,
        approved_at: None,
    });
    Ok(web::Json(RulesList { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RulesToDraft {
    rules: RuleSet,
    /// The first month it is to hold for, `2026-10`.
    effective_from: String,
    /// Why, 1–1000 characters.
    note: String,
}

/// Draft a set of rules. It holds for nothing before somebody else approves it.
#[utoipa::path(tag = "assessment", request_body = RulesToDraft, responses((status = 201, body = Rules)))]
#[post("/assessment/rules")]
async fn rules_draft(app: web::Data<App>, caller: Caller, body: Body<RulesToDraft>) -> Result<HttpResponse> {
    let who = caller.role(OFFICE)?;
    let RulesToDraft { rules, effective_from, note } = body.0;
    let row = app.db.write(move |tx| actions::rules_draft(tx, &who, &rules, &effective_from, &note)).await?;
    Ok(HttpResponse::Created().json(Rules::from(row)))
}

/// Approve a set of rules. Months that were opened keep theirs.
#[utoipa::path(tag = "assessment", params(("version" = i32, Path)), responses((status = 200, body = Rules)))]
#[post("/assessment/rules/{version}/approve")]
async fn rules_approve(app: web::Data<App>, caller: Caller, version: web::Path<i32>) -> Result<web::Json<Rules>> {
    let who = caller.role(INSPECTORATE)?;
    let row = app.db.write(move |tx| actions::rules_approve(tx, &who, *version)).await?;
    Ok(web::Json(row.into()))
}

/// A month.
#[derive(Serialize, ToSchema)]
struct AssessmentMonth {
    /// `2026-10`.
    month: String,
    #[schema(value_type = Phase)]
    phase: String,
    rules_version: i32,
    /// The moment whose records were counted.
    as_of: DateTime<Utc>,
    opened_at: Option<DateTime<Utc>>,
    /// Objections are taken before this.
    objections_until: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    /// Of the pack, lower-case hexadecimal.
    pack_sha256: Option<String>,
    /// The newest edition (版次), from 1, or the one that was asked for; null before the month is published.
    edition: Option<i32>,
    /// Why there is a second edition, or a later one.
    correction: Option<String>,
}

impl From<MonthHead> for AssessmentMonth {
    fn from(row: MonthHead) -> AssessmentMonth {
        AssessmentMonth {
            month: row.month,
            phase: row.phase,
            rules_version: row.rules_version,
            as_of: row.as_of.0,
            opened_at: row.opened_at.map(|at| at.0),
            objections_until: row.objections_until.map(|at| at.0),
            published_at: row.published_at.map(|at| at.0),
            pack_sha256: row.pack_sha256,
            edition: row.edition,
            correction: row.correction,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EditionAsked {
    /// A published edition; as the month stands when absent.
    edition: Option<i32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MonthFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AssessmentMonths {
    items: Vec<AssessmentMonth>,
    next: Option<String>,
}

/// The months the caller may see, the newest first; trials are for those who make them.
#[utoipa::path(tag = "assessment", params(MonthFilter), responses((status = 200, body = AssessmentMonths)))]
#[get("/assessment/months")]
async fn month_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<MonthFilter>,
) -> Result<web::Json<AssessmentMonths>> {
    let who = reader(caller)?;
    let MonthFilter { limit, cursor } = filter.into_inner();
    let (limit, cursor) = (page_limit(limit)?, text("cursor", cursor)?);
    let rows = app.db.read(move |db| actions::month_page(db, &who, cursor.as_deref(), limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.month.clone());
    Ok(web::Json(AssessmentMonths { items: rows.into_iter().map(AssessmentMonth::from).collect(), next }))
}

/// A unit's result.
#[derive(Serialize, ToSchema)]
struct UnitScore {
    code: String,
    name: String,
    #[serde(flatten)]
    total: Total,
}

impl From<(UnitIn, Total)> for UnitScore {
    fn from((unit, total): (UnitIn, Total)) -> UnitScore {
        UnitScore { code: unit.code, name: unit.name, total }
    }
}

/// A month with its results.
#[derive(Serialize, ToSchema)]
struct MonthResult {
    #[serde(flatten)]
    month: AssessmentMonth,
    rules: RuleSet,
    /// What is typed beside the downloaded pack to compute it again, once it is published.
    replay: Option<String>,
    /// Class A before B, by rank; those without a case in the month, who are not ranked, last.
    units: Vec<UnitScore>,
}

impl From<Standing> for MonthResult {
    fn from(Standing { head, rules, units, .. }: Standing) -> MonthResult {
        let command =
            |sha256: &String| format!("chengguan replay {} --sha256 {sha256}", pack_name(&head.month, head.edition));
        let replay = head.pack_sha256.as_ref().map(command);
        MonthResult { month: head.into(), rules, replay, units: units.into_iter().map(UnitScore::from).collect() }
    }
}

/// What a pack's file is called.
fn pack_name(month: &str, edition: Option<i32>) -> String {
    match edition {
        Some(edition @ 2..) => format!("assessment-{month}-edition-{edition}.json"),
        _ => format!("assessment-{month}.json"),
    }
}

/// A month's results: totals, ranks and bands of all units.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), EditionAsked),
    responses((status = 200, body = MonthResult))
)]
#[get("/assessment/months/{month}")]
async fn month_get(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    asked: web::Query<EditionAsked>,
) -> Result<web::Json<MonthResult>> {
    let who = reader(caller)?;
    let read = app.db.read(move |db| db.snapshot(|db| actions::month_at(db, &who, &month, asked.edition)));
    Ok(web::Json(read.await?.into()))
}

async fn stepped(
    app: &App,
    month: String,
    step: impl FnOnce(&mut Tx, &str) -> Result<()> + Send + 'static,
) -> Result<web::Json<MonthResult>> {
    let written = app.db.write(move |tx| {
        step(tx, &month)?;
        let row = actions::month_row(tx.db, &month)?;
        actions::standing(tx.db, &row)
    });
    Ok(web::Json(written.await?.into()))
}

/// Run a month (试算): its records as they stand now, its lines anew. Not once it is open.
#[utoipa::path(tag = "assessment", params(("month" = String, Path)), responses((status = 200, body = MonthResult)))]
#[post("/assessment/months/{month}/run")]
async fn month_run(app: web::Data<App>, caller: Caller, month: web::Path<String>) -> Result<web::Json<MonthResult>> {
    let (who, now, name) = (caller.role(OFFICE)?, app.env.now(), month.clone());
    let trial = app.db.read(move |db| db.snapshot(|db| actions::trial(db, &name, now))).await?;
    stepped(&app, month.into_inner(), move |tx, _| actions::run(tx, &who, trial)).await
}

/// Open a month to the units (公示). Its lines stay from now on, and units may object.
#[utoipa::path(tag = "assessment", params(("month" = String, Path)), responses((status = 200, body = MonthResult)))]
#[post("/assessment/months/{month}/open")]
async fn month_open(app: web::Data<App>, caller: Caller, month: web::Path<String>) -> Result<web::Json<MonthResult>> {
    let who = caller.role(OFFICE)?;
    stepped(&app, month.into_inner(), move |tx, month| actions::open(tx, &who, month)).await
}

/// Freeze and publish a month (冻结发布): the hash of its pack goes into the transparency log.
#[utoipa::path(tag = "assessment", params(("month" = String, Path)), responses((status = 200, body = MonthResult)))]
#[post("/assessment/months/{month}/publish")]
async fn month_publish(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
) -> Result<web::Json<MonthResult>> {
    let who = caller.role(INSPECTORATE)?;
    stepped(&app, month.into_inner(), move |tx, month| actions::publish(tx, &who, month)).await
}

#[derive(Serialize, ToSchema)]
struct WhatIf {
    /// In the order of the units' codes.
    units: Vec<UnitScore>,
}

/// What other rules would make of a month's records. Nothing is saved.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path)),
    request_body = RuleSet,
    responses((status = 200, body = WhatIf))
)]
#[post("/assessment/months/{month}/what-if")]
async fn month_what_if(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    body: Body<RuleSet>,
) -> Result<web::Json<WhatIf>> {
    let who = caller.role(CENTRE)?;
    let totals = app.db.read(move |db| actions::what_if(db, &who, &month, &body.0)).await?;
    Ok(web::Json(WhatIf { units: totals.into_iter().map(UnitScore::from).collect() }))
}

/// A published edition of a month, the newest by default, as one file that anybody can recompute: `chengguan replay FILE`.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), EditionAsked),
    responses((status = 200, content_type = "application/json", body = Object))
)]
#[get("/assessment/months/{month}/pack")]
async fn month_pack(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    asked: web::Query<EditionAsked>,
) -> Result<HttpResponse> {
    let (who, name) = (reader(caller)?, month.clone());
    let (edition, text) = app.db.read(move |db| actions::pack_of(db, &who, &month, asked.edition)).await?;
    let name = format!("attachment; filename=\"{}\"", pack_name(&name, Some(edition)));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CONTENT_DISPOSITION, name))
        .body(text))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Printed {
    /// What kind of file; a page by default.
    format: Option<Format>,
    /// A published edition; as the month stands when absent.
    edition: Option<i32>,
}

/// The month's bulletin (通报), with the hash of its pack as a QR code once it is published.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), Printed),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
#[get("/assessment/months/{month}/bulletin")]
async fn month_bulletin(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    asked: web::Query<Printed>,
) -> Result<HttpResponse> {
    let who = reader(caller)?;
    let Printed { format, edition } = asked.into_inner();
    let name = format!("bulletin-{month}");
    let made = app.db.read(move |db| db.snapshot(|db| actions::bulletin(db, &who, &month, edition))).await?;
    printed(bulletin::document(&made), format.unwrap_or(Format::Html), &name).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LineFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct ScoreLines {
    items: Vec<Line>,
    next: Option<i32>,
}

/// A month's score lines by number: every total is the sum of its lines.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), LineFilter),
    responses((status = 200, body = ScoreLines))
)]
#[get("/assessment/months/{month}/lines")]
async fn line_page(
    app: web::Data<App>,
    caller: Caller,
    month: web::Path<String>,
    filter: web::Query<LineFilter>,
) -> Result<web::Json<ScoreLines>> {
    let who = reader(caller)?;
    let LineFilter { unit_id, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let read = app.db.read(move |db| {
        actions::month_head(db, &who, &month)?;
        actions::lines(db, &month, unit_id, cursor.unwrap_or(0), limit)
    });
    let items = read.await?;
    let next = parameter::next(&items, limit, |line| line.n);
    Ok(web::Json(ScoreLines { items, next }))
}

/// The record behind a line.
#[utoipa::path(
    tag = "assessment",
    params(("month" = String, Path), ("n" = i32, Path)),
    responses((status = 200, body = ScoreRecord))
)]
#[get("/assessment/months/{month}/lines/{n}/record")]
async fn line_record(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<(String, i32)>,
) -> Result<web::Json<ScoreRecord>> {
    let who = reader(caller)?;
    let (month, n) = path.into_inner();
    let read = app.db.read(move |db| {
        let line = actions::line(db, &who, &month, n)?;
        record::open(db, &line)
    });
    Ok(web::Json(read.await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FileAsked {
    /// A small upright JPEG with this longer side, 16–1280 pixels; the original when absent.
    edge: Option<u32>,
    /// Why restricted evidence is opened, 1–500 characters; the header `X-Access-Reason` goes before it.
    reason: Option<String>,
}

/// A photo or video of the record behind a line. Each look is on record.
#[utoipa::path(
    tag = "assessment",
    params(
        ("month" = String, Path),
        ("n" = i32, Path),
        ("evidence_id" = EvidenceId, Path),
        FileAsked,
        ("X-Access-Reason" = Option<String>, Header),
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304),
        (status = 416),
    )
)]
#[get("/assessment/months/{month}/lines/{n}/evidence/{evidence_id}")]
async fn line_evidence(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    path: web::Path<(String, i32, EvidenceId)>,
    asked: web::Query<FileAsked>,
) -> Result<HttpResponse> {
    let who = reader(caller.clone())?;
    let (month, n, id) = path.into_inner();
    let bytes = match asked.edge {
        Some(edge @ 16..=1280) => Bytes::Picture(edge),
        Some(_) => return Err(Code::ParameterInvalid.with("edge: 16–1280")),
        None => Bytes::Original(Purpose::Seen),
    };
    let judged = app.db.read(move |db| {
        let line = actions::line(db, &who, &month, n)?;
        record::belongs(db, &line, id)
    });
    judged.await?;
    evidence::routes::lent(&app, &request, caller, id, bytes, asked.reason.as_deref()).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReviewFilter {
    /// A quarter or a year: `2026-Q4`, `2026`.
    period: String,
}

/// A unit in a review.
#[derive(Serialize, ToSchema)]
struct ReviewedUnit {
    unit_id: UnitId,
    #[schema(value_type = Option<UnitClass>)]
    class: Option<String>,
    /// Months it was ranked in.
    months: i64,
    /// The mean of their totals, thousandths of a point.
    mean: Option<i32>,
    rank: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct Review {
    period: String,
    /// Months of the period that are not published.
    missing: Vec<String>,
    /// Which edition of each published month counts: its newest.
    editions: BTreeMap<String, i32>,
    /// Class A before B, by rank.
    units: Vec<ReviewedUnit>,
}

/// The review of a quarter (讲评) or the ranking of a year, from its published months.
#[utoipa::path(tag = "assessment", params(ReviewFilter), responses((status = 200, body = Review)))]
#[get("/assessment/review")]
async fn score_review(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<ReviewFilter>,
) -> Result<web::Json<Review>> {
    reader(caller)?;
    let period = filter.period.parse()?;
    let Reviews { units, missing, editions } = app.db.read(move |db| actions::review(db, period)).await?;
    let unit = |unit: Reviewed| ReviewedUnit {
        unit_id: unit.unit_id,
        class: unit.class,
        months: unit.months,
        mean: unit.mean,
        rank: unit.rank,
    };
    Ok(web::Json(Review {
        period: period.to_string(),
        missing,
        editions,
        units: units.into_iter().map(unit).collect(),
    }))
}
