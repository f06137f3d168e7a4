//! Cases over HTTP: report, command, list, look at.

use super::{
    actions::{self, Cause, Outcome},
    clock::{StageClock, ate},
    queue::Queue,
    report::{Position, Report},
    rules::{Command, Stage, State, VoidReason},
    store::{CaseRow, EventRow, Only, Page},
    words::Search,
};
use crate::{
    app::App,
    calendar::rules::{Due, Limit, Pause},
    catalogue::rules::ClassKind,
    db::types::{At, CaseId, DeviceId, EventId, OpId, UnitId, UserId},
    error::{Code, Result},
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        table::Routes,
    },
    identity::rules::text_enum,
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(case_report)
        .service(case_page)
        .service(case_get)
        .service(case_timeline)
        .service(case_clocks)
        .service(case_command);
}

/// A case as people and devices see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Case {
    id: CaseId,
    number: String,
    ver: i64,
    #[schema(value_type = Stage)]
    state: String,
    title: String,
    description: String,
    /// Components or events; null while nobody said.
    class_kind: Option<ClassKind>,
    class_code: Option<String>,
    address: Option<String>,
    position: Option<Position>,
    unit_id: Option<UnitId>,
    reported_by: UserId,
    reported_at: DateTime<Utc>,
    dispatched_at: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
    /// What the deadline was computed from; null when it was named.
    limit: Option<Limit>,
    /// Its clock stands still (挂账).
    on_hold: bool,
    /// Why the unit asks to stop the clock, while that waits for a decision.
    hold_reason: Option<String>,
    handled_at: Option<DateTime<Utc>>,
    applied_at: Option<DateTime<Utc>>,
    /// The city's collector found it solved.
    passed: bool,
    /// An extension that waits for a decision.
    extension: Option<Extension>,
    extension_count: i32,
    rework_count: i32,
    /// 0 普通, 1 紧急, 2 特急.
    priority: i32,
    closed_at: Option<DateTime<Utc>>,
    /// Closed before its deadline.
    timely: Option<bool>,
    #[schema(value_type = Option<VoidReason>)]
    void_reason: Option<String>,
    updated_at: DateTime<Utc>,
    /// Past its deadline and not closed, at the moment of the answer.
    overdue: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Extension {
    until: DateTime<Utc>,
    reason: String,
}

impl Case {
    /// The view of a row at a moment.
    pub fn new(row: CaseRow, now: DateTime<Utc>) -> Case {
        let (overdue, class_kind) = (actions::overdue(&row, now), row.kind());
        let place = row.place().ok();
        let position = match (row.lat, row.lon, row.datum) {
            (Some(lat), Some(lon), Some(datum)) => Some(Position { lat, lon, datum }),
            _ => None,
        };
        let reason = row.extension_reason.unwrap_or_default();
        Case {
            id: row.id,
            number: row.number,
            ver: row.ver,
            state: row.state,
            title: row.title,
            description: row.description,
            class_kind,
            class_code: row.class_code,
            address: row.address,
            position,
            unit_id: row.unit_id,
            reported_by: row.reported_by,
            reported_at: row.reported_at.0,
            dispatched_at: row.dispatched_at.map(|at| at.0),
            due_at: row.due_at.map(|at| at.0),
            limit: place.as_ref().and_then(State::assignment).and_then(|a| a.limit),
            on_hold: place.as_ref().is_some_and(State::on_hold),
            hold_reason: row.hold_reason,
            handled_at: row.handled_at.map(|at| at.0),
            applied_at: row.applied_at.map(|at| at.0),
            passed: row.passed,
            extension: row.extension_until.map(|until| Extension { until: until.0, reason }),
            extension_count: row.extension_count,
            rework_count: row.rework_count,
            priority: row.priority,
            closed_at: row.closed_at.map(|at| at.0),
            timely: row.timely,
            void_reason: row.void_reason,
            updated_at: row.updated_at.0,
            overdue,
        }
    }
}

/// A report; the id may be made by the sender, so that a repeat can be told from a second report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCase {
    id: Option<CaseId>,
    #[serde(flatten)]
    #[schema(inline)]
    report: Report,
}

/// Report a case.
#[utoipa::path(tag = "cases", request_body = NewCase, responses((status = 201, body = Case)))]
#[post("/cases")]
async fn case_report(app: web::Data<App>, caller: Caller, body: Body<NewCase>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let NewCase { id, report } = body.0;
    let now = app.env.now();
    let id = id.unwrap_or_else(|| CaseId(app.env.id()));
    let cause = Cause { op: None, device: who.device_id, occurred_at: now };
    let reporter = who.clone();
    app.db.write(move |tx| actions::case_report(tx, &reporter, id, report, cause)).await?;
    // Read again: the number is given when the transaction ends.
    let row = app.db.read(move |db| actions::case_get(db, &who, id)).await?;
    Ok(HttpResponse::Created().json(Case::new(row, now)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only in this stage.
    state: Option<Stage>,
    /// Only void ones, for this reason: `self_handled` (自行处置) …
    void_reason: Option<VoidReason>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
    /// Only what waits for this.
    queue: Option<Queue>,
    /// Only of this class; the first two digits mean the big class.
    class_code: Option<String>,
    /// Only reported from here on.
    from: Option<DateTime<Utc>>,
    /// Only reported before this.
    until: Option<DateTime<Utc>>,
    /// Only what the caller has claimed.
    mine: Option<bool>,
    /// Only with these words in title, address or description; 1–100 characters.
    q: Option<String>,
    /// `newest` reports first, the default, or `oldest`.
    order: Option<CaseOrder>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<CaseId>,
}

text_enum! {
    /// Which report comes first.
    CaseOrder {
        /// The last one.
        Newest = "newest",
        /// The first one.
        Oldest = "oldest",
    }
}

#[derive(Serialize, ToSchema)]
struct Cases {
    items: Vec<Case>,
    /// Give it as `cursor` for the next page; absent on the last.
    next: Option<CaseId>,
}

/// The cases the caller may see, newest first.
#[utoipa::path(tag = "cases", params(Filter), responses((status = 200, body = Cases)))]
#[get("/cases")]
async fn case_page(app: web::Data<App>, caller: Caller, filter: web::Query<Filter>) -> Result<web::Json<Cases>> {
    let who = caller.user()?;
    let filter = filter.into_inner();
    let (limit, now) = (page_limit(filter.limit)?, app.env.now());
    let only = Only {
        state: filter.state,
        unit_id: filter.unit_id,
        void_reason: filter.void_reason,
        queue: filter.queue,
        class_code: parameter::text("class_code", filter.class_code)?,
        from: parameter::in_calendar("from", filter.from)?.map(At),
        until: parameter::in_calendar("until", filter.until)?.map(At),
        claimed_by: filter.mine.unwrap_or(false).then_some(who.user_id),
        search: parameter::text("q", filter.q)?.map(|words| Search::new(&words)).transpose()?,
    };
    let oldest_first = filter.order == Some(CaseOrder::Oldest);
    let page = Page { sight: actions::sight(&who), only, oldest_first, after: filter.cursor, limit, now: At(now) };
    let rows = app.db.read(move |db| actions::case_page(db, &page)).await?;
    let next = parameter::next(&rows, limit, |r| r.id);
    Ok(web::Json(Cases { items: rows.into_iter().map(|row| Case::new(row, now)).collect(), next }))
}

/// One case.
#[utoipa::path(tag = "cases", params(("id" = CaseId, Path)), responses((status = 200, body = Case)))]
#[get("/cases/{id}")]
async fn case_get(app: web::Data<App>, caller: Caller, id: web::Path<CaseId>) -> Result<web::Json<Case>> {
    let who = caller.user()?;
    let row = app.db.read(move |db| actions::case_get(db, &who, *id)).await?;
    Ok(web::Json(Case::new(row, app.env.now())))
}

/// Where the time of a case went.
#[derive(Serialize, ToSchema)]
struct CaseClocks {
    /// The limit it was dispatched with; null when the deadline was named, or before the first dispatch.
    limit: Option<Limit>,
    /// The case's deadline, extensions and holds included.
    due_at: Option<DateTime<Utc>>,
    /// When the limit runs out by the calendar that holds now, with every stretch that counts or does not. The case's own
    /// deadline was fixed when it was dispatched, and an extension may have moved it.
    due: Option<Due>,
    /// How much of the limit the unit has used: counted seconds up to its application, or up to now.
    used_s: Option<i64>,
    /// The limit in counted seconds.
    limit_s: Option<i64>,
    /// When the clock stood still (挂账).
    pauses: Vec<Pause>,
    /// Which stage had the case when, oldest first.
    stages: Vec<StageTime>,
    /// The stage that took most of the counted time.
    ate: Option<StageClock>,
}

#[derive(Serialize, ToSchema)]
struct StageTime {
    stage: StageClock,
    from: DateTime<Utc>,
    /// Until the moment of the answer for the stage that has it.
    until: DateTime<Utc>,
    /// Seconds by the measure of the case's limit.
    counted_s: i64,
}

/// Why the deadline is when it is, and which stage took the time.
#[utoipa::path(tag = "cases", params(("id" = CaseId, Path)), responses((status = 200, body = CaseClocks)))]
#[get("/cases/{id}/clocks")]
async fn case_clocks(app: web::Data<App>, caller: Caller, id: web::Path<CaseId>) -> Result<web::Json<CaseClocks>> {
    let (who, now) = (caller.user()?, app.env.now());
    let clocks = app.db.read(move |db| db.snapshot(|db| actions::case_clocks(db, &who, *id, now))).await?;
    let ate = ate(&clocks.stretches);
    let stages = clocks.stretches.into_iter().map(|stretch| StageTime {
        stage: stretch.clock,
        from: stretch.from,
        until: stretch.until,
        counted_s: stretch.counted.num_seconds(),
    });
    let limit = clocks.charge.as_ref().and_then(|a| a.limit);
    Ok(web::Json(CaseClocks {
        limit,
        due_at: clocks.charge.as_ref().map(|a| a.due_at),
        due: clocks.due,
        used_s: clocks.used.map(|used| used.num_seconds()),
        limit_s: limit.map(|limit| limit.span().num_seconds()),
        stages: stages.collect(),
        ate,
        pauses: clocks.charge.map(|a| a.pauses).unwrap_or_default(),
    }))
}

/// One line of a timeline.
#[derive(Serialize, ToSchema)]
struct Event {
    id: EventId,
    /// Its place in the timeline, from 1, dense.
    seq: i64,
    /// The version it made; none for a remark or a step that somebody had already taken.
    ver: Option<i64>,
    at: DateTime<Utc>,
    /// When the person acted, by the device's clock.
    occurred_at: DateTime<Utc>,
    actor_id: UserId,
    actor_name: String,
    device_id: Option<DeviceId>,
    op_id: Option<OpId>,
    command: String,
    /// `applied` or `superseded`.
    outcome: String,
    #[schema(value_type = Stage)]
    state: String,
    note: Option<String>,
    #[schema(value_type = Object)]
    args: serde_json::Value,
}

impl Event {
    fn new((row, actor_name): (EventRow, String)) -> Event {
        Event {
            id: row.id,
            seq: row.seq,
            ver: row.ver,
            at: row.at.0,
            occurred_at: row.occurred_at.0,
            actor_id: row.actor_id,
            actor_name,
            device_id: row.device_id,
            op_id: row.op_id,
            command: row.command,
            outcome: row.outcome,
            state: row.state,
            note: row.note,
            args: row.args.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TimelineFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Timeline {
    items: Vec<Event>,
    next: Option<i64>,
}

/// What happened to a case, oldest first.
#[utoipa::path(tag = "cases", params(("id" = CaseId, Path), TimelineFilter), responses((status = 200, body = Timeline)))]
#[get("/cases/{id}/timeline")]
async fn case_timeline(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<CaseId>,
    filter: web::Query<TimelineFilter>,
) -> Result<web::Json<Timeline>> {
    let who = caller.user()?;
    let limit = page_limit(filter.limit)?;
    let after = filter.cursor.unwrap_or(0);
    let rows = app.db.read(move |db| actions::case_timeline(db, &who, *id, after, limit)).await?;
    let next = parameter::next(&rows, limit, |r| r.0.seq);
    Ok(web::Json(Timeline { items: rows.into_iter().map(Event::new).collect(), next }))
}

/// A command and the version the sender saw.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CaseCommand {
    #[serde(flatten)]
    #[schema(inline)]
    command: Command,
    /// Refuse with `version_stale` when the case has another version by now.
    base_ver: Option<i64>,
}

/// Do something with a case: the same commands as in sync, without `case.`.
#[utoipa::path(
    tag = "cases",
    params(("id" = CaseId, Path)),
    request_body = CaseCommand,
    responses((status = 200, body = Case))
)]
#[post("/cases/{id}/commands")]
async fn case_command(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<CaseId>,
    body: Body<CaseCommand>,
) -> Result<web::Json<Case>> {
    let who = caller.user()?;
    let CaseCommand { command, base_ver } = body.0;
    let now = app.env.now();
    let cause = Cause { op: None, device: who.device_id, occurred_at: now };
    let row = app
        .db
        .write(move |tx| {
            if base_ver.is_some_and(|ver| actions::case_get(tx.db, &who, *id).is_ok_and(|row| row.ver != ver)) {
                return Err(Code::VersionStale.into());
            }
            match actions::case_command(tx, &who, *id, &command, cause)? {
                Outcome::Applied(row) | Outcome::Merged(row, _) => Ok(row),
                // Somebody at a screen is told; only offline work is kept as superseded.
                Outcome::Superseded { .. } => Err(Code::AlreadyDone.into()),
                Outcome::Waits { evidence } => Err(Code::EvidenceMissing.with(evidence.join(" "))),
                Outcome::Doubted(doubt) => Err(Code::PhotoReuseUndecided.with(doubt.as_str())),
                Outcome::Refused { case, .. } => Err(Code::StageForbids.with(case.state)),
                Outcome::Contested { fields, .. } => Err(Code::FieldChanged.with(fields.join(" "))),
            }
        })
        .await?;
    Ok(web::Json(Case::new(*row, now)))
}
