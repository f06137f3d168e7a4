//! Draws over HTTP: `/api/v1/draws` and `/api/v1/spot-teams`.

use super::{
    actions,
    draw::{Frame, Pack, Source, SourceName},
    rules::{DrawState, NewFrame, PickState, over_at},
    store::{DrawRow, PickRow, TeamMemberRow},
    visits,
};
use crate::{
    app::App,
    db::{
        Db, Tx,
        types::{LogEntryId, PickId, SiteId, SpotCheckId, UnitId, UserId},
    },
    error::{Error, Result},
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, in_calendar, page_limit, text},
        table::Routes,
    },
    identity::rules::{Actor, Role},
    spotchecks::{
        library::{self, routes::Site},
        rules::SiteKind,
    },
};
use actix_web::{HttpResponse, get, http::header, post, put, web};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use utoipa::{IntoParams, ToSchema};

/// Mounts the draws under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(draw_verifier)
        .service(draw_list)
        .service(draw_get)
        .service(draw_pack)
        .service(draw_frame)
        .service(draw_commit)
        .service(draw_open)
        .service(draw_seed)
        .service(draw_confirm)
        .service(draw_run)
        .service(team_list)
        .service(team_put);
}

/// Who runs a draw.
const KEEPERS: &[Role] = &[Role::Dispatcher, Role::Admin];
/// Who may be the second person.
const WITNESSES: &[Role] = &[Role::Dispatcher, Role::Supervisor, Role::Admin];

/// A week's draw, as far as the caller may see it.
#[derive(Serialize, ToSchema)]
struct Draw {
    week: String,
    state: DrawState,
    /// What is drawn from.
    frame: Frame,
    /// SHA-256 of the frame's canonical text (RFC 8785).
    frame_sha256: String,
    /// The entry of the transparency log that says so.
    frame_entry: LogEntryId,
    framed_at: DateTime<Utc>,
    commit_until: DateTime<Utc>,
    lottery_at: DateTime<Utc>,
    /// By the unit's code. Units that are not here, or opened nothing, count as zeros.
    commitments: Vec<Commitment>,
    /// The event's results, once somebody typed them.
    sources: Option<Vec<Source>>,
    typed_by: Option<UserId>,
    confirmed_by: Option<UserId>,
    /// A secret until the week is over, but to the Centre.
    seed: Option<String>,
    sealed_at: Option<DateTime<Utc>>,
    result_sha256: Option<String>,
    result_entry: Option<LogEntryId>,
    drawn_at: Option<DateTime<Utc>>,
    /// From when on everybody sees everything.
    open_from: DateTime<Utc>,
    /// How anybody computes it again from the pack.
    verify: DrawVerification,
    /// The visits that the caller may see: the Centre all; a team those of the day; a unit those that were made; from
    /// `open_from` on everybody all.
    picks: Vec<DrawPick>,
    /// Where these visits and their substitutes are, by code: what a handheld takes along. Only for who goes there.
    sites: Vec<Site>,
}

/// How anybody computes a draw again.
#[derive(Serialize, ToSchema)]
struct DrawVerification {
    /// Where the short verifier in Python is; it takes no token.
    verifier: String,
    /// What is typed beside the downloaded pack: by the verifier, and by this program.
    commands: Vec<String>,
}

impl DrawVerification {
    fn of(week: &str) -> DrawVerification {
        let pack = format!("draw-{week}.json");
        DrawVerification {
            verifier: format!("/api/v1/{VERIFIER}"),
            commands: vec![format!("python3 {VERIFIER} {pack}"), format!("chengguan draw verify {pack}")],
        }
    }
}

/// A unit's part of the seed.
#[derive(Serialize, ToSchema)]
struct Commitment {
    unit: String,
    commitment: String,
    committed_at: DateTime<Utc>,
    opened_at: Option<DateTime<Utc>>,
    /// A secret until the week is over, but to the Centre.
    nonce: Option<String>,
}

/// A visit that a draw decided.
#[derive(Serialize, ToSchema)]
struct DrawPick {
    id: PickId,
    unit_id: UnitId,
    /// 1–9.
    slot: i32,
    /// 0 was drawn, n took the place of n − 1.
    turn: i32,
    /// Whether it is a blind second visit.
    recheck: bool,
    /// The kind that is owed; the site may be of one that stands in.
    #[schema(value_type = SiteKind)]
    kind: String,
    site_id: SiteId,
    site_code: String,
    site_name: String,
    team: String,
    day: String,
    band: String,
    /// The place on the way, from 1.
    visit_order: i32,
    #[schema(value_type = PickState)]
    state: String,
    check_id: Option<SpotCheckId>,
    /// Codes of the next sites in the published order, should this one not be reached. Only for who goes there.
    substitutes: Vec<String>,
}

fn view(db: &mut Db, who: &Actor, row: DrawRow, now: DateTime<Utc>) -> Result<Draw> {
    let all = actions::may_see_all(who, &row.week, now)?;
    let rows = visits::seen(db, who, &row.week, now)?;
    let commitments = actions::commitments(db, &row)?.into_iter().map(|(unit, one)| Commitment {
        unit,
        commitment: one.commitment,
        committed_at: one.committed_at.0,
        opened_at: one.opened_at.map(|at| at.0),
        nonce: one.nonce.filter(|_| all),
    });
    let sources = row.sources.map(|sources| serde_json::from_value(sources.0)).transpose();
    let picks = picks(db, who, rows)?;
    Ok(Draw {
        commitments: commitments.collect(),
        sites: if goes(who) { sites_of(db, &picks)? } else { Vec::new() },
        picks,
        open_from: over_at(&row.week)?,
        verify: DrawVerification::of(&row.week),
        week: row.week,
        state: row.state.parse()?,
        frame: serde_json::from_str(&row.frame).map_err(Error::internal)?,
        frame_sha256: row.frame_sha256,
        frame_entry: row.frame_entry,
        framed_at: row.framed_at.0,
        commit_until: row.commit_until.0,
        lottery_at: row.lottery_at.0,
        sources: sources.map_err(Error::internal)?,
        typed_by: row.typed_by,
        confirmed_by: row.confirmed_by,
        seed: row.seed.filter(|_| all),
        sealed_at: row.sealed_at.map(|at| at.0),
        result_sha256: row.result_sha256,
        result_entry: row.result_entry,
        drawn_at: row.drawn_at.map(|at| at.0),
    })
}

/// Who visits sites.
const fn goes(who: &Actor) -> bool {
    matches!(who.role, Role::SpotChecker | Role::Inspector)
}

fn sites_of(db: &mut Db, picks: &[DrawPick]) -> Result<Vec<Site>> {
    let codes: BTreeSet<&String> =
        picks.iter().flat_map(|pick| pick.substitutes.iter().chain([&pick.site_code])).collect();
    let codes: Vec<String> = codes.into_iter().cloned().collect();
    Ok(library::actions::sites_by_code(db, &codes)?.into_iter().map(Site::from).collect())
}

fn picks(db: &mut Db, who: &Actor, rows: Vec<PickRow>) -> Result<Vec<DrawPick>> {
    let ids: Vec<SiteId> = rows.iter().map(|row| row.site_id).collect();
    let sites: HashMap<SiteId, (String, String)> =
        library::actions::sites_by_id(db, &ids)?.into_iter().map(|site| (site.id, (site.code, site.name))).collect();
    let goes = goes(who);
    let pick = |row: PickRow| {
        let substitutes = if goes { visits::substitutes(db, &row)? } else { Vec::new() };
        let (site_code, site_name) = sites.get(&row.site_id).cloned().unwrap_or_default();
        Ok(DrawPick {
            id: row.id,
            unit_id: row.unit_id,
            slot: row.slot,
            turn: row.turn,
            recheck: row.recheck,
            kind: row.kind,
            site_id: row.site_id,
            site_code,
            site_name,
            team: row.team,
            day: row.day,
            band: row.band,
            visit_order: row.visit_order,
            state: row.state,
            check_id: row.check_id,
            substitutes,
        })
    };
    rows.into_iter().map(pick).collect()
}

/// A week's draw in a list.
#[derive(Serialize, ToSchema)]
struct DrawLine {
    week: String,
    #[schema(value_type = DrawState)]
    state: String,
    frame_sha256: String,
    framed_at: DateTime<Utc>,
    commit_until: DateTime<Utc>,
    lottery_at: DateTime<Utc>,
    sealed_at: Option<DateTime<Utc>>,
    result_sha256: Option<String>,
    drawn_at: Option<DateTime<Utc>>,
}

impl From<DrawRow> for DrawLine {
    fn from(row: DrawRow) -> DrawLine {
        DrawLine {
            week: row.week,
            state: row.state,
            frame_sha256: row.frame_sha256,
            framed_at: row.framed_at.0,
            commit_until: row.commit_until.0,
            lottery_at: row.lottery_at.0,
            sealed_at: row.sealed_at.map(|at| at.0),
            result_sha256: row.result_sha256,
            drawn_at: row.drawn_at.map(|at| at.0),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DrawFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Draws {
    /// Newest first.
    items: Vec<DrawLine>,
    /// Null on the last page.
    next: Option<String>,
}

/// All draws.
#[utoipa::path(tag = "draws", params(DrawFilter), responses((status = 200, body = Draws)))]
#[get("/draws")]
async fn draw_list(app: web::Data<App>, caller: Caller, filter: web::Query<DrawFilter>) -> Result<web::Json<Draws>> {
    caller.user()?;
    let DrawFilter { limit, cursor } = filter.into_inner();
    let (limit, before) = (page_limit(limit)?, text("cursor", cursor)?);
    let rows = app.db.read(move |db| actions::draw_page(db, before.as_deref(), limit)).await?;
    let next = parameter::next(&rows, limit, |row| row.week.clone());
    Ok(web::Json(Draws { items: rows.into_iter().map(DrawLine::from).collect(), next }))
}

/// A week's draw, as far as the caller may see it.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    responses((status = 200, body = Draw))
)]
#[get("/draws/{week}")]
async fn draw_get(app: web::Data<App>, caller: Caller, week: web::Path<String>) -> Result<web::Json<Draw>> {
    let (who, now) = (caller.user()?, app.env.now());
    over_at(&week)?;
    let draw = app.db.read(move |db| actions::draw_get(db, &week).and_then(|row| view(db, &who, row, now))).await?;
    Ok(web::Json(draw))
}

/// The verifier's file name.
const VERIFIER: &str = "draw-verify.py";

/// The short verifier in Python, as `api-spec/draw.md` describes it: for whoever wants to check a pack, also from outside.
#[utoipa::path(tag = "draws", responses((status = 200, content_type = "text/x-python", body = String)))]
#[get("/draw-verify.py")]
async fn draw_verifier() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/x-python; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{VERIFIER}\"")))
        .body(include_str!("../../../api-spec/draw-verify.py"))
}

/// All that a verifier needs, in one file: for the Centre once drawn, for everybody once the week is over.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    responses((status = 200, body = Pack))
)]
#[get("/draws/{week}/pack")]
async fn draw_pack(app: web::Data<App>, caller: Caller, week: web::Path<String>) -> Result<HttpResponse> {
    let (who, now) = (caller.user()?, app.env.now());
    over_at(&week)?;
    let name = format!("attachment; filename=\"draw-{week}.json\"");
    let pack = app.db.read(move |db| actions::pack(db, &who, &week, now)).await?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_DISPOSITION, name)).json(pack))
}

/// What a frame is made with; the units, sites, teams and rules of substitution are those of this moment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FrameToMake {
    /// Until when units may commit to a nonce.
    commit_until: DateTime<Utc>,
    /// When the public event takes place: after `commit_until`, before the first day.
    lottery_at: DateTime<Utc>,
    /// 双色球 with the seven digits of its draw, and 福彩3D after it if wanted; or 骰子 with the week.
    sources: Vec<SourceName>,
    /// The week's working days by the calendar, make-up days among them and holidays not, when none are named.
    #[serde(default)]
    days: Vec<NaiveDate>,
    /// Such as `09:00-11:30`; a morning and an afternoon when none are named.
    #[serde(default)]
    bands: Vec<String>,
    /// A site without a visit for so many weeks has two tickets, 1–52; without it every site has one.
    double_after_weeks: Option<u32>,
}

/// Publish what a week is drawn from, and put its hash into the transparency log.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    request_body = FrameToMake,
    responses((status = 200, body = Draw))
)]
#[post("/draws/{week}/frame")]
async fn draw_frame(
    app: web::Data<App>,
    caller: Caller,
    week: web::Path<String>,
    body: Body<FrameToMake>,
) -> Result<web::Json<Draw>> {
    let who = caller.role(KEEPERS)?;
    let FrameToMake { commit_until, lottery_at, sources, days, bands, double_after_weeks } = body.0;
    in_calendar("commit_until", Some(commit_until))?;
    in_calendar("lottery_at", Some(lottery_at))?;
    let week = week.into_inner();
    let new = NewFrame { week, commit_until, lottery_at, sources, days, bands, double_after_weeks };
    then(app, who, move |tx, who| actions::frame(tx, who.user_id, new)).await
}

/// Writes, and tells the draw as the caller may see it then.
async fn then(
    app: web::Data<App>,
    who: Actor,
    work: impl FnOnce(&mut Tx, &Actor) -> Result<DrawRow> + Send + 'static,
) -> Result<web::Json<Draw>> {
    let write = move |tx: &mut Tx| {
        let row = work(tx, &who)?;
        view(tx.db, &who, row, tx.now)
    };
    Ok(web::Json(app.db.write(write).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CommitmentToMake {
    /// SHA-256 of the nonce's text, 64 hexadecimal digits.
    commitment: String,
}

/// Commit the caller's unit to a nonce that nobody else knows.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    request_body = CommitmentToMake,
    responses((status = 204))
)]
#[put("/draws/{week}/commitment")]
async fn draw_commit(
    app: web::Data<App>,
    caller: Caller,
    week: web::Path<String>,
    body: Body<CommitmentToMake>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Liaison])?;
    over_at(&week)?;
    app.db.write(move |tx| actions::commit(tx, &who, &week, &body.0.commitment)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NonceToOpen {
    /// 32–128 hexadecimal digits.
    nonce: String,
}

/// Open the nonce of the caller's unit: after the last commitment, before the event.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    request_body = NonceToOpen,
    responses((status = 204))
)]
#[put("/draws/{week}/nonce")]
async fn draw_open(
    app: web::Data<App>,
    caller: Caller,
    week: web::Path<String>,
    body: Body<NonceToOpen>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Liaison])?;
    over_at(&week)?;
    app.db.write(move |tx| actions::open(tx, &who, &week, &body.0.nonce)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The results of the events that the frame names.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Results {
    sources: Vec<Source>,
}

/// Type the event's results.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    request_body = Results,
    responses((status = 200, body = Draw))
)]
#[put("/draws/{week}/seed")]
async fn draw_seed(
    app: web::Data<App>,
    caller: Caller,
    week: web::Path<String>,
    body: Body<Results>,
) -> Result<web::Json<Draw>> {
    let who = caller.role(KEEPERS)?;
    over_at(&week)?;
    then(app, who, move |tx, who| actions::type_results(tx, who.user_id, &week, &body.0.sources)).await
}

/// Type them again, as a second person: the seed is known.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    request_body = Results,
    responses((status = 200, body = Draw))
)]
#[post("/draws/{week}/seed/confirm")]
async fn draw_confirm(
    app: web::Data<App>,
    caller: Caller,
    week: web::Path<String>,
    body: Body<Results>,
) -> Result<web::Json<Draw>> {
    let who = caller.role(WITNESSES)?;
    over_at(&week)?;
    then(app, who, move |tx, who| actions::confirm(tx, who.user_id, &week, &body.0.sources)).await
}

/// Draw: the frame and the seed decide everything; the result's hash goes into the transparency log.
#[utoipa::path(
    tag = "draws",
    params(("week" = String, Path, description = "ISO week, `2026-W47`")),
    responses((status = 200, body = Draw))
)]
#[post("/draws/{week}/run")]
async fn draw_run(app: web::Data<App>, caller: Caller, week: web::Path<String>) -> Result<web::Json<Draw>> {
    let who = caller.role(KEEPERS)?;
    over_at(&week)?;
    then(app, who, move |tx, _| actions::run(tx, &week)).await
}

/// Who is in which team.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TeamMember {
    user_id: UserId,
    /// 1–16 letters, digits, `-` or `_`.
    team: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TeamMembers {
    /// By team.
    members: Vec<TeamMember>,
}

impl From<Vec<TeamMemberRow>> for TeamMembers {
    fn from(rows: Vec<TeamMemberRow>) -> TeamMembers {
        let member = |TeamMemberRow { user_id, team }| TeamMember { user_id, team };
        TeamMembers { members: rows.into_iter().map(member).collect() }
    }
}

/// The teams of the spot checks.
#[utoipa::path(tag = "draws", responses((status = 200, body = TeamMembers)))]
#[get("/spot-teams")]
async fn team_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<TeamMembers>> {
    caller.role(crate::identity::rules::CENTRE)?;
    Ok(web::Json(app.db.read(actions::team_members).await?.into()))
}

/// Say who is in which team, in the place of what was said before.
#[utoipa::path(tag = "draws", request_body = TeamMembers, responses((status = 200, body = TeamMembers)))]
#[put("/spot-teams")]
async fn team_put(app: web::Data<App>, caller: Caller, body: Body<TeamMembers>) -> Result<web::Json<TeamMembers>> {
    caller.role(KEEPERS)?;
    let row = |TeamMember { user_id, team }| TeamMemberRow { user_id, team };
    let rows = body.0.members.into_iter().map(row).collect();
    Ok(web::Json(app.db.write(move |tx| actions::team_members_put(tx, rows)).await?.into()))
}
