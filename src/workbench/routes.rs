//! The workbench over HTTP.

use super::{
    actions::{self, DISPATCHERS, NewTemplate, NewView},
    appeals,
    dispatch::{self, DispatchItem},
    rules::{Basis, Expectation, UrgingKind},
    store::{AppealRow, Appealed, ClaimRow, TemplateRow, Urged, UrgingRow, ViewRow},
    urging,
};
use crate::{
    app::App,
    cases::{self, queue::Queue, routes::Case, store::CaseRow},
    db::types::{AppealId, CaseId, TemplateId, UnitId, UrgingId, UserId, ViewId},
    error::Result,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        problem::title_zh,
        table::Routes,
    },
    identity::rules::{CENTRE, Role},
};
use actix_web::{HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(queue_list)
        .service(claim_page)
        .service(case_claim)
        .service(case_release)
        .service(dispatch_many)
        .service(due_today)
        .service(urging_page)
        .service(case_urge)
        .service(appeal_file)
        .service(appeal_page)
        .service(appeal_decide)
        .service(template_list)
        .service(template_add)
        .service(template_remove)
        .service(view_list)
        .service(view_save)
        .service(view_remove);
}

#[derive(Serialize, ToSchema)]
struct Queues {
    items: Vec<QueueState>,
}

#[derive(Serialize, ToSchema)]
struct QueueState {
    #[schema(value_type = Queue)]
    queue: String,
    cases: i64,
    /// When the oldest of them was reported.
    oldest_at: Option<DateTime<Utc>>,
}

/// How many cases wait for what: all of them for the Centre, the own unit's for its liaison. `/sync/events` tells when to
/// ask again, `/cases?queue=` lists them.
#[utoipa::path(tag = "workbench", responses((status = 200, body = Queues)))]
#[get("/workbench/queues")]
async fn queue_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Queues>> {
    let unit = caller.user()?.only_unit()?;
    let now = app.env.now();
    let rows = app.db.read(move |db| cases::actions::waiting(db, unit, now)).await?;
    let state = |row: cases::store::Waiting| QueueState {
        queue: row.queue,
        cases: row.cases,
        oldest_at: row.oldest_at.map(|at| at.0),
    };
    Ok(web::Json(Queues { items: rows.into_iter().map(state).collect() }))
}

/// Who has a case in hand (认领).
#[derive(Serialize, ToSchema)]
struct Claim {
    case_id: CaseId,
    claimed_by: UserId,
    name: String,
    claimed_at: DateTime<Utc>,
}

impl Claim {
    fn new((row, name): (ClaimRow, String)) -> Claim {
        Claim { case_id: row.case_id, claimed_by: row.claimed_by, name, claimed_at: row.claimed_at.0 }
    }
}

#[derive(Serialize, ToSchema)]
struct Claims {
    items: Vec<Claim>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ClaimFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
}

/// The last claims that hold.
#[utoipa::path(tag = "workbench", params(ClaimFilter), responses((status = 200, body = Claims)))]
#[get("/workbench/claims")]
async fn claim_page(app: web::Data<App>, caller: Caller, filter: web::Query<ClaimFilter>) -> Result<web::Json<Claims>> {
    caller.role(CENTRE)?;
    let (now, limit) = (app.env.now(), page_limit(filter.limit)?);
    let rows = app.db.read(move |db| actions::claims(db, now, limit)).await?;
    Ok(web::Json(Claims { items: rows.into_iter().map(Claim::new).collect() }))
}

/// Take a case in hand. The claim ends with the case's next step, or after two hours; it hinders nobody, it is told.
#[utoipa::path(tag = "workbench", params(("id" = CaseId, Path)), responses((status = 200, body = Claim)))]
#[put("/cases/{id}/claim")]
async fn case_claim(app: web::Data<App>, caller: Caller, id: web::Path<CaseId>) -> Result<web::Json<Claim>> {
    let who = caller.role(DISPATCHERS)?;
    let name = who.name.clone();
    let row = app.db.write(move |tx| actions::claim(tx, &who, *id)).await?;
    Ok(web::Json(Claim::new((row, name))))
}

/// Let go of a case.
#[utoipa::path(tag = "workbench", params(("id" = CaseId, Path)), responses((status = 204)))]
#[delete("/cases/{id}/claim")]
async fn case_release(app: web::Data<App>, caller: Caller, id: web::Path<CaseId>) -> Result<HttpResponse> {
    let who = caller.role(DISPATCHERS)?;
    app.db.write(move |tx| actions::release(tx, &who, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DispatchMany {
    /// 1–200.
    items: Vec<DispatchItem>,
}

#[derive(Serialize, ToSchema)]
struct DispatchedMany {
    /// In the order of the request.
    items: Vec<Dispatched>,
}

#[derive(Serialize, ToSchema)]
struct Dispatched {
    case_id: CaseId,
    /// The case as it stands now; absent when it was refused.
    case: Option<Case>,
    /// Why it was refused: a code of problems.md.
    code: Option<&'static str>,
    /// The same for people.
    title: Option<&'static str>,
    detail: Option<String>,
}

/// Dispatch many cases at once. Each is judged alone: one refusal leaves the others.
#[utoipa::path(tag = "workbench", request_body = DispatchMany, responses((status = 200, body = DispatchedMany)))]
#[post("/workbench/dispatch")]
async fn dispatch_many(
    app: web::Data<App>,
    caller: Caller,
    body: Body<DispatchMany>,
) -> Result<web::Json<DispatchedMany>> {
    let who = caller.role(DISPATCHERS)?;
    let now = app.env.now();
    let told = app.db.write(move |tx| dispatch::dispatch(tx, &who, body.0.items)).await?;
    let item = |(case_id, outcome): (CaseId, Result<CaseRow>)| match outcome {
        Ok(row) => Dispatched { case_id, case: Some(Case::new(row, now)), code: None, title: None, detail: None },
        Err(error) => Dispatched {
            case_id,
            case: None,
            code: Some(error.code.as_str()),
            title: Some(title_zh(error.code)),
            detail: error.detail,
        },
    };
    Ok(web::Json(DispatchedMany { items: told.into_iter().map(item).collect() }))
}

#[derive(Serialize, ToSchema)]
struct DueToday {
    /// By deadline; at most 500.
    items: Vec<DueCase>,
}

#[derive(Serialize, ToSchema)]
struct DueCase {
    case: Case,
    /// What is left of its time: counted seconds.
    left_s: i64,
    /// Four of five of the unit's own cases took at most so long: counted seconds by the measure of the case's limit.
    usual_s: Option<i64>,
    /// Whether these are its cases of the class or all of them; null when they are fewer than five.
    basis: Option<Basis>,
    /// How many they are, of the last 90 days.
    past_cases: usize,
    /// Less is left than the unit usually needs (今日将超期); null when nothing can be said.
    likely_late: Option<bool>,
}

impl DueCase {
    fn new((row, expectation): (CaseRow, Expectation), now: DateTime<Utc>) -> DueCase {
        DueCase {
            case: Case::new(row, now),
            left_s: expectation.left.num_seconds(),
            usual_s: expectation.usual.map(|usual| usual.num_seconds()),
            basis: expectation.basis,
            past_cases: expectation.cases,
            likely_late: expectation.likely_late,
        }
    }
}

/// What is due before midnight and not handled yet, and whether it is likely to be late by the unit's own past.
#[utoipa::path(tag = "workbench", responses((status = 200, body = DueToday)))]
#[get("/workbench/due-today")]
async fn due_today(app: web::Data<App>, caller: Caller) -> Result<web::Json<DueToday>> {
    let unit = caller.user()?.only_unit()?;
    let now = app.env.now();
    let rows = app.db.read(move |db| db.snapshot(|db| urging::due_today(db, unit, now))).await?;
    Ok(web::Json(DueToday { items: rows.into_iter().map(|row| DueCase::new(row, now)).collect() }))
}

/// A word to a unit that its time runs out.
#[derive(Serialize, ToSchema)]
struct Urging {
    id: UrgingId,
    case_id: CaseId,
    unit_id: UnitId,
    #[schema(value_type = UrgingKind)]
    kind: String,
    /// The deadline then.
    due_at: DateTime<Utc>,
    used_percent: i32,
    text: String,
    /// Null when the clock did it.
    urged_by: Option<UserId>,
    urged_at: DateTime<Utc>,
}

impl Urging {
    fn new(row: UrgingRow) -> Urging {
        Urging {
            id: row.id,
            case_id: row.case_id,
            unit_id: row.unit_id,
            kind: row.kind,
            due_at: row.due_at.0,
            used_percent: row.used_percent,
            text: row.text,
            urged_by: row.urged_by,
            urged_at: row.urged_at.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct UrgingFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only of this case.
    case_id: Option<CaseId>,
    /// Only of this kind.
    kind: Option<UrgingKind>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<UrgingId>,
}

#[derive(Serialize, ToSchema)]
struct Urgings {
    items: Vec<Urging>,
    next: Option<UrgingId>,
}

/// Who was urged, and the drafts of letters, the last first; a liaison sees those of the own unit.
#[utoipa::path(tag = "workbench", params(UrgingFilter), responses((status = 200, body = Urgings)))]
#[get("/workbench/urgings")]
async fn urging_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<UrgingFilter>,
) -> Result<web::Json<Urgings>> {
    let unit = caller.user()?.only_unit()?;
    let UrgingFilter { unit_id, case_id, kind, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let only = Urged { unit_id: unit.or(unit_id), case_id, kind };
    let rows = app.db.read(move |db| urging::page(db, &only, cursor, limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.id);
    Ok(web::Json(Urgings { items: rows.into_iter().map(Urging::new).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUrging {
    /// 1–1000 characters; the usual words unless told.
    text: Option<String>,
}

/// Urge the unit that has a case (催办).
#[utoipa::path(
    tag = "workbench",
    params(("id" = CaseId, Path)),
    request_body = NewUrging,
    responses((status = 201, body = Urging))
)]
#[post("/cases/{id}/urgings")]
async fn case_urge(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<CaseId>,
    body: Body<NewUrging>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Dispatcher, Role::Supervisor])?;
    let row = app.db.write(move |tx| urging::urge_by(tx, &who, *id, body.0.text)).await?;
    Ok(HttpResponse::Created().json(Urging::new(row)))
}

/// A unit's objection to a case's being late (超期申诉).
#[derive(Serialize, ToSchema)]
struct Appeal {
    id: AppealId,
    case_id: CaseId,
    unit_id: UnitId,
    /// The deadline that passed.
    due_at: DateTime<Utc>,
    reason: String,
    filed_by: UserId,
    filed_at: DateTime<Utc>,
    /// Whether the case is exempt; null while it waits for a decision. That it was late stays a fact.
    exempt: Option<bool>,
    words: Option<String>,
    decided_by: Option<UserId>,
    decided_at: Option<DateTime<Utc>>,
}

impl Appeal {
    fn new(row: AppealRow) -> Appeal {
        Appeal {
            id: row.id,
            case_id: row.case_id,
            unit_id: row.unit_id,
            due_at: row.due_at.0,
            reason: row.reason,
            filed_by: row.filed_by,
            filed_at: row.filed_at.0,
            exempt: row.exempt,
            words: row.words,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(|at| at.0),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAppeal {
    /// 1–1000 characters.
    reason: String,
}

/// Object to a case's being late: once, by the liaison of the unit that has it.
#[utoipa::path(
    tag = "workbench",
    params(("id" = CaseId, Path)),
    request_body = NewAppeal,
    responses((status = 201, body = Appeal))
)]
#[post("/cases/{id}/appeals")]
async fn appeal_file(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<CaseId>,
    body: Body<NewAppeal>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Liaison])?;
    let row = app.db.write(move |tx| appeals::file(tx, &who, *id, &body.0.reason)).await?;
    Ok(HttpResponse::Created().json(Appeal::new(row)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AppealFilter {
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only of this case.
    case_id: Option<CaseId>,
    /// Only those that wait for a decision, or only those that are decided.
    open: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<AppealId>,
}

#[derive(Serialize, ToSchema)]
struct Appeals {
    items: Vec<Appeal>,
    next: Option<AppealId>,
}

/// Appeals, the last first; a liaison sees those of the own unit.
#[utoipa::path(tag = "workbench", params(AppealFilter), responses((status = 200, body = Appeals)))]
#[get("/workbench/appeals")]
async fn appeal_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<AppealFilter>,
) -> Result<web::Json<Appeals>> {
    let unit = caller.user()?.only_unit()?;
    let AppealFilter { unit_id, case_id, open, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let only = Appealed { unit_id: unit.or(unit_id), case_id, open };
    let rows = app.db.read(move |db| appeals::page(db, &only, cursor, limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.id);
    Ok(web::Json(Appeals { items: rows.into_iter().map(Appeal::new).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AppealDecision {
    exempt: bool,
    /// 1–1000 characters.
    words: String,
}

/// Decide an appeal.
#[utoipa::path(
    tag = "workbench",
    params(("id" = AppealId, Path)),
    request_body = AppealDecision,
    responses((status = 200, body = Appeal))
)]
#[post("/workbench/appeals/{id}/decision")]
async fn appeal_decide(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<AppealId>,
    body: Body<AppealDecision>,
) -> Result<web::Json<Appeal>> {
    let who = caller.role(DISPATCHERS)?;
    let AppealDecision { exempt, words } = body.0;
    let row = app.db.write(move |tx| appeals::decide(tx, &who, *id, exempt, &words)).await?;
    Ok(web::Json(Appeal::new(row)))
}

/// Words that are said again and again.
#[derive(Serialize, ToSchema)]
struct Template {
    id: TemplateId,
    /// For which command of the loop.
    command: String,
    title: String,
    text: String,
    class_code: Option<String>,
    made_by: UserId,
    made_at: DateTime<Utc>,
}

impl Template {
    fn new(row: TemplateRow) -> Template {
        let TemplateRow { id, command, title, text, class_code, made_by, made_at } = row;
        Template { id, command, title, text, class_code, made_by, made_at: made_at.0 }
    }
}

#[derive(Serialize, ToSchema)]
struct Templates {
    items: Vec<Template>,
}

/// Every template, by command and title; at most 500.
#[utoipa::path(tag = "workbench", responses((status = 200, body = Templates)))]
#[get("/workbench/templates")]
async fn template_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Templates>> {
    caller.user()?;
    let rows = app.db.read(actions::templates).await?;
    Ok(web::Json(Templates { items: rows.into_iter().map(Template::new).collect() }))
}

/// Keep words.
#[utoipa::path(tag = "workbench", request_body = NewTemplate, responses((status = 201, body = Template)))]
#[post("/workbench/templates")]
async fn template_add(app: web::Data<App>, caller: Caller, body: Body<NewTemplate>) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Dispatcher, Role::Admin])?;
    let row = app.db.write(move |tx| actions::template_add(tx, &who, body.0)).await?;
    Ok(HttpResponse::Created().json(Template::new(row)))
}

/// Forget words.
#[utoipa::path(tag = "workbench", params(("id" = TemplateId, Path)), responses((status = 204)))]
#[delete("/workbench/templates/{id}")]
async fn template_remove(app: web::Data<App>, caller: Caller, id: web::Path<TemplateId>) -> Result<HttpResponse> {
    caller.role(&[Role::Dispatcher, Role::Admin])?;
    app.db.write(move |tx| actions::template_remove(tx, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Saved filters of a list.
#[derive(Serialize, ToSchema)]
struct View {
    id: ViewId,
    owner_id: UserId,
    name: String,
    /// The filters as they stand in the address.
    query: String,
    shared: bool,
    saved_at: DateTime<Utc>,
}

impl View {
    fn new(row: ViewRow) -> View {
        let ViewRow { id, owner_id, name, query, shared, saved_at } = row;
        View { id, owner_id, name, query, shared, saved_at: saved_at.0 }
    }
}

#[derive(Serialize, ToSchema)]
struct Views {
    items: Vec<View>,
}

/// The caller's views, and at the Centre those that others share.
#[utoipa::path(tag = "workbench", responses((status = 200, body = Views)))]
#[get("/workbench/views")]
async fn view_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Views>> {
    let who = caller.user()?;
    let rows = app.db.read(move |db| actions::views(db, &who)).await?;
    Ok(web::Json(Views { items: rows.into_iter().map(View::new).collect() }))
}

/// Save filters, in the place of the caller's view of the same name.
#[utoipa::path(tag = "workbench", request_body = NewView, responses((status = 201, body = View)))]
#[post("/workbench/views")]
async fn view_save(app: web::Data<App>, caller: Caller, body: Body<NewView>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let row = app.db.write(move |tx| actions::view_save(tx, &who, body.0)).await?;
    Ok(HttpResponse::Created().json(View::new(row)))
}

/// Forget an own view.
#[utoipa::path(tag = "workbench", params(("id" = ViewId, Path)), responses((status = 204)))]
#[delete("/workbench/views/{id}")]
async fn view_remove(app: web::Data<App>, caller: Caller, id: web::Path<ViewId>) -> Result<HttpResponse> {
    let who = caller.user()?;
    app.db.write(move |tx| actions::view_remove(tx, &who, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
