//! `/api/v1/letters`.

use super::{
    actions::{self, Whole},
    rules::{Command, Draft, LetterKind, LetterQueue, LetterStage},
    store::{Counts, Only, StepRow},
};
use crate::{
    app::App,
    calendar::rules::{Limit, LimitKind},
    db::types::{CaseId, LetterId, LetterStepId, SpotId, UnitId, UserId},
    document::Format,
    error::Result,
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        print::printed,
        table::Routes,
    },
    identity::rules::Role,
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(letter_page)
        .service(letter_draft)
        .service(letter_counts)
        .service(letter_get)
        .service(letter_cases)
        .service(letter_timeline)
        .service(letter_document)
        .service(letter_command);
}

/// A supervision letter (督办函).
#[derive(Serialize, ToSchema)]
struct Letter {
    id: LetterId,
    /// `中城督办〔2026〕12号`; null while it is not issued.
    number: Option<String>,
    unit_id: UnitId,
    #[schema(value_type = LetterKind)]
    kind: String,
    subject: String,
    text: String,
    /// Where the task comes from.
    note: Option<String>,
    case_ids: Vec<CaseId>,
    spot_ids: Vec<SpotId>,
    #[schema(value_type = LetterStage)]
    state: String,
    /// How long it gives from its issue on; null when it names a day.
    limit: Option<Limit>,
    /// The deadline, after any granted extension; null for a draft that gives a limit.
    due_at: Option<DateTime<Utc>>,
    /// The later deadline that is asked for.
    extension_until: Option<DateTime<Utc>>,
    replied_at: Option<DateTime<Utc>>,
    /// Thousandths of a point, 0–100000; null while it is not graded.
    score: Option<i32>,
    /// 逾期督办等级: 0 in time, 1 at the deadline, 2 two working days later, 3 five working days later.
    level: i32,
    ver: i64,
    /// Who drafted it, or took the draft over; null while it is the clock's.
    drafted_by: Option<UserId>,
    drafted_at: DateTime<Utc>,
    issued_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
    graded_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
}

impl Letter {
    fn new((row, bases): Whole) -> Letter {
        let kind: Option<LimitKind> = row.limit_kind.as_deref().and_then(|kind| kind.parse().ok());
        let limit = kind.zip(row.limit_tenths).and_then(|(kind, tenths)| Limit::of_tenths(kind, tenths).ok());
        Letter {
            id: row.id,
            number: row.number,
            unit_id: row.unit_id,
            kind: row.kind,
            subject: row.subject,
            text: row.text,
            note: row.note,
            case_ids: bases.cases,
            spot_ids: bases.spots,
            state: row.state,
            limit,
            due_at: row.due_at.map(|at| at.0),
            extension_until: row.extension_until.map(|at| at.0),
            replied_at: row.replied_at.map(|at| at.0),
            score: row.score,
            level: row.level,
            ver: row.ver,
            drafted_by: row.drafted_by,
            drafted_at: row.drafted_at.0,
            issued_at: row.issued_at.map(|at| at.0),
            received_at: row.received_at.map(|at| at.0),
            graded_at: row.graded_at.map(|at| at.0),
            updated_at: row.updated_at.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LetterFilter {
    /// Only to this unit.
    unit_id: Option<UnitId>,
    /// Only at this stage.
    state: Option<LetterStage>,
    /// Only of this kind.
    kind: Option<LetterKind>,
    /// Only those that wait for this.
    #[param(inline)]
    queue: Option<LetterQueue>,
    /// Only about this case.
    case_id: Option<CaseId>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<LetterId>,
}

#[derive(Serialize, ToSchema)]
struct Letters {
    items: Vec<Letter>,
    next: Option<LetterId>,
}

/// Letters, the last drafted first; a liaison sees those that were issued to the own unit.
#[utoipa::path(tag = "letters", params(LetterFilter), responses((status = 200, body = Letters)))]
#[get("/letters")]
async fn letter_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<LetterFilter>,
) -> Result<web::Json<Letters>> {
    let who = caller.user()?;
    let LetterFilter { unit_id, state, kind, queue, case_id, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let only = Only { unit_id, state, kind, queue, case_id };
    let rows = app.db.read(move |db| db.snapshot(|db| actions::page(db, &who, &only, cursor, limit))).await?;
    let next = parameter::next(&rows, limit, |(row, _)| row.id);
    Ok(web::Json(Letters { items: rows.into_iter().map(Letter::new).collect(), next }))
}

/// Draft a letter.
#[utoipa::path(tag = "letters", request_body = Draft, responses((status = 201, body = Letter)))]
#[post("/letters")]
async fn letter_draft(app: web::Data<App>, caller: Caller, body: Body<Draft>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let letter = app
        .db
        .write(move |tx| {
            let row = actions::draft(tx, &who, body.0)?;
            actions::whole(tx.db, row)
        })
        .await?;
    Ok(HttpResponse::Created().json(Letter::new(letter)))
}

/// How many letters stand where.
#[derive(Serialize, ToSchema)]
struct LetterCounts {
    /// By stage; stages without letters are left out.
    states: Vec<StageCount>,
    /// Those that ask for a later deadline.
    extensions: i64,
    /// Those that are late and not answered, by level.
    levels: Vec<LevelCount>,
}

#[derive(Serialize, ToSchema)]
struct StageCount {
    #[schema(value_type = LetterStage)]
    state: String,
    letters: i64,
}

#[derive(Serialize, ToSchema)]
struct LevelCount {
    /// 1–3.
    level: i32,
    letters: i64,
}

/// How many letters stand where: all at the Centre, those that were issued to the own unit for its liaison.
#[utoipa::path(tag = "letters", responses((status = 200, body = LetterCounts)))]
#[get("/letters/counts")]
async fn letter_counts(app: web::Data<App>, caller: Caller) -> Result<web::Json<LetterCounts>> {
    let who = caller.user()?;
    let Counts { states, extensions, levels } =
        app.db.read(move |db| db.snapshot(|db| actions::counts(db, &who))).await?;
    Ok(web::Json(LetterCounts {
        states: states.into_iter().map(|(state, letters)| StageCount { state, letters }).collect(),
        extensions,
        levels: levels.into_iter().map(|(level, letters)| LevelCount { level, letters }).collect(),
    }))
}

/// A letter.
#[utoipa::path(tag = "letters", params(("id" = LetterId, Path)), responses((status = 200, body = Letter)))]
#[get("/letters/{id}")]
async fn letter_get(app: web::Data<App>, caller: Caller, id: web::Path<LetterId>) -> Result<web::Json<Letter>> {
    let who = caller.user()?;
    let read = move |db: &mut _| {
        let row = actions::get(db, &who, *id)?;
        actions::whole(db, row)
    };
    let letter = app.db.read(move |db| db.snapshot(read)).await?;
    Ok(web::Json(Letter::new(letter)))
}

/// A case that a letter is about.
#[derive(Serialize, ToSchema)]
struct LetterCase {
    id: CaseId,
    number: String,
    title: String,
}

#[derive(Serialize, ToSchema)]
struct LetterCases {
    /// At most 50.
    items: Vec<LetterCase>,
}

/// The cases that a letter is about, by number.
#[utoipa::path(tag = "letters", params(("id" = LetterId, Path)), responses((status = 200, body = LetterCases)))]
#[get("/letters/{id}/cases")]
async fn letter_cases(app: web::Data<App>, caller: Caller, id: web::Path<LetterId>) -> Result<web::Json<LetterCases>> {
    let who = caller.user()?;
    let rows = app.db.read(move |db| db.snapshot(|db| actions::cases_of(db, &who, *id))).await?;
    let items = rows.into_iter().map(|(id, number, title)| LetterCase { id, number, title }).collect();
    Ok(web::Json(LetterCases { items }))
}

/// A line of a letter's timeline.
#[derive(Serialize, ToSchema)]
struct LetterStep {
    id: LetterStepId,
    /// Its place, from 1, dense: the version it made.
    ver: i64,
    at: DateTime<Utc>,
    /// Null when the clock did it.
    actor_id: Option<UserId>,
    name: Option<String>,
    /// `draft`, `add`, `settle`, `remind`, `escalate`, or a command's word.
    command: String,
    #[schema(value_type = LetterStage)]
    state: String,
    words: Option<String>,
    /// SHA-256 of the evidence that came with it.
    #[schema(value_type = Vec<String>)]
    evidence: Value,
    /// What else was said, such as the deadline, the level or the whole draft.
    #[schema(value_type = Object)]
    args: Value,
}

impl LetterStep {
    fn new((row, name): (StepRow, Option<String>)) -> LetterStep {
        LetterStep {
            id: row.id,
            ver: row.ver,
            at: row.at.0,
            actor_id: row.actor_id,
            name,
            command: row.command,
            state: row.state,
            words: row.words,
            evidence: row.evidence.0,
            args: row.args.0,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct LetterTimeline {
    items: Vec<LetterStep>,
    next: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TimelineFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// Everything that was done with a letter, oldest first; for its unit from the issue on.
#[utoipa::path(
    tag = "letters",
    params(("id" = LetterId, Path), TimelineFilter),
    responses((status = 200, body = LetterTimeline))
)]
#[get("/letters/{id}/timeline")]
async fn letter_timeline(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<LetterId>,
    filter: web::Query<TimelineFilter>,
) -> Result<web::Json<LetterTimeline>> {
    let who = caller.user()?;
    let TimelineFilter { limit, cursor } = filter.into_inner();
    let (limit, after) = (page_limit(limit)?, cursor.unwrap_or(0));
    let read = move |db: &mut _| actions::timeline(db, &who, *id, after, limit);
    let rows = app.db.read(move |db| db.snapshot(read)).await?;
    let next = parameter::next(&rows, limit, |(row, _)| row.ver);
    Ok(web::Json(LetterTimeline { items: rows.into_iter().map(LetterStep::new).collect(), next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LetterPrinted {
    /// What kind of file; a page by default.
    format: Option<Format>,
}

/// A letter for print.
#[utoipa::path(
    tag = "letters",
    params(("id" = LetterId, Path), LetterPrinted),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>))
)]
#[get("/letters/{id}/document")]
async fn letter_document(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<LetterId>,
    asked: web::Query<LetterPrinted>,
) -> Result<HttpResponse> {
    let who = caller.user()?;
    let (office, now) = (app.config.letters.office.clone(), app.env.now());
    let (format, name) = (asked.format.unwrap_or(Format::Html), format!("letter-{id}"));
    let read = move |db: &mut _| actions::paper(db, &who, *id, &office, now);
    let paper = app.db.read(move |db| db.snapshot(read)).await?;
    printed(paper.laid_out(), format, &name).await
}

/// A command and the version the sender saw.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LetterCommand {
    #[serde(flatten)]
    #[schema(inline)]
    command: Command,
    /// Refuse with `version_stale` when the letter has another version by now.
    base_ver: Option<i64>,
}

/// Do something with a letter: the unit's liaison receives, replies and asks for more time, the Centre drafts, the
/// county's office issues, grades and grants.
#[utoipa::path(
    tag = "letters",
    params(("id" = LetterId, Path)),
    request_body = LetterCommand,
    responses((status = 200, body = Letter))
)]
#[post("/letters/{id}/commands")]
async fn letter_command(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<LetterId>,
    body: Body<LetterCommand>,
) -> Result<web::Json<Letter>> {
    let who = caller.role(&[Role::Liaison, Role::Dispatcher, Role::Supervisor, Role::Admin])?;
    let LetterCommand { command, base_ver } = body.0;
    let prefix = app.config.letters.prefix.clone();
    let letter = app
        .db
        .write(move |tx| {
            let row = actions::command(tx, &who, *id, command, base_ver, &prefix)?;
            actions::whole(tx.db, row)
        })
        .await?;
    Ok(web::Json(Letter::new(letter)))
}
