//! How evidence is kept, over HTTP: retention, holds, deletions.

use super::{Aged, Kept};
use crate::{
    app::App,
    db::types::{At, DeletionId, EvidenceId, HoldId, UserId},
    error::{Code, Result},
    evidence::{
        custody::{
            keeping,
            routes::{Page, actor, limit, unsealed},
            rules::{self, DeletionState, KEEPERS, PROPOSERS, RetentionClass},
            store::{DeletionRow, HoldRow},
            sweep::terms,
        },
        rules::Viewer,
        view::Evidence,
    },
    http::{auth::Caller, body::Body, table::Routes},
    identity::rules::CENTRE,
};
use actix_web::{HttpRequest, HttpResponse, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts them under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(retention_due)
        .service(deletion_list)
        .service(retention_get)
        .service(retention_set)
        .service(hold_set)
        .service(hold_lift)
        .service(deletion_propose)
        .service(deletion_approve)
        .service(deletion_undo);
}

/// A legal hold.
#[derive(Serialize, ToSchema)]
struct Hold {
    id: HoldId,
    reason: String,
    set_by: UserId,
    set_at: DateTime<Utc>,
    lifted_by: Option<UserId>,
    lifted_at: Option<DateTime<Utc>>,
    lift_reason: Option<String>,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Hold {
        Hold {
            id: row.id,
            reason: row.reason,
            set_by: row.set_by,
            set_at: row.set_at.0,
            lifted_by: row.lifted_by,
            lifted_at: row.lifted_at.map(|at| at.0),
            lift_reason: row.lift_reason,
        }
    }
}

/// A deletion, from its proposal to its end.
#[derive(Serialize, ToSchema)]
struct Deletion {
    id: DeletionId,
    evidence_id: EvidenceId,
    state: DeletionState,
    reason: String,
    proposed_by: UserId,
    proposed_at: DateTime<Utc>,
    approved_by: Option<UserId>,
    approved_at: Option<DateTime<Utc>>,
    approval_reason: Option<String>,
    /// When the bytes go, or went; until then it can be undone.
    delete_at: Option<DateTime<Utc>>,
    /// Nobody, when a hold, a record that the evidence proves, or its own bytes undid it: then the reason is a code.
    undone_by: Option<UserId>,
    undone_at: Option<DateTime<Utc>>,
    undo_reason: Option<String>,
    /// When the evidence counted as deleted.
    done_at: Option<DateTime<Utc>>,
    /// When the last byte was gone.
    bytes_removed_at: Option<DateTime<Utc>>,
}

impl Deletion {
    fn of(row: DeletionRow) -> Result<Deletion> {
        let at = |at: Option<At>| at.map(|at| at.0);
        Ok(Deletion {
            id: row.id,
            evidence_id: row.evidence_id,
            state: row.state.parse()?,
            reason: row.reason,
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at.0,
            approved_by: row.approved_by,
            approved_at: at(row.approved_at),
            approval_reason: row.approval_reason,
            delete_at: at(row.delete_at),
            undone_by: row.undone_by,
            undone_at: at(row.undone_at),
            undo_reason: row.undo_reason,
            done_at: at(row.done_at),
            bytes_removed_at: at(row.bytes_removed_at),
        })
    }
}

/// How a piece is kept.
#[derive(Serialize, ToSchema)]
struct RetentionOfEvidence {
    /// The strongest of its reasons.
    class: RetentionClass,
    /// What a person asked for; `general` when nobody did.
    raised_to: RetentionClass,
    /// From then on its deletion may be proposed; null while a reason has no end.
    delete_after: Option<DateTime<Utc>>,
    /// Its holds, lifted ones too, oldest first.
    holds: Vec<Hold>,
    /// Its last deletion, whatever became of it.
    deletion: Option<Deletion>,
}

impl RetentionOfEvidence {
    fn of(kept: Kept) -> Result<RetentionOfEvidence> {
        Ok(RetentionOfEvidence {
            class: kept.retention.class,
            raised_to: kept.row.retention_class.parse()?,
            delete_after: kept.retention.delete_after,
            holds: kept.holds.into_iter().map(Hold::from).collect(),
            deletion: kept.deletion.map(Deletion::of).transpose()?,
        })
    }
}

/// How long it is kept and why; its holds and its deletion.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    responses((status = 200, body = RetentionOfEvidence))
)]
#[get("/evidence/{id}/retention")]
async fn retention_get(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
) -> Result<web::Json<RetentionOfEvidence>> {
    let (viewer, terms) = (Viewer::person(&caller.role(CENTRE)?), terms(&app));
    let kept = app.db.read(move |db| keeping::kept(db, &viewer, *id, terms)).await?;
    Ok(web::Json(RetentionOfEvidence::of(kept)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionToSet {
    /// `general`, `case_linked` or `key`. The Centre raises it; only the inspectors lower it.
    class: RetentionClass,
    /// 1–500 characters.
    reason: String,
}

/// Ask for it to be kept longer. The longest of all reasons counts.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = RetentionToSet,
    responses((status = 200, body = RetentionOfEvidence))
)]
#[put("/evidence/{id}/retention")]
async fn retention_set(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<RetentionToSet>,
) -> Result<web::Json<RetentionOfEvidence>> {
    let (actor, act) = actor(&request, caller, KEEPERS, &body.0.reason)?;
    let (class, terms, viewer) = (body.0.class, terms(&app), Viewer::person(&actor));
    let kept = app.db.write(move |tx| {
        keeping::set_class(tx, *id, actor.role, class, &act)?;
        keeping::kept(tx.db, &viewer, *id, terms)
    });
    Ok(web::Json(RetentionOfEvidence::of(kept.await?)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Because {
    /// 1–500 characters.
    reason: String,
}

/// Set a legal hold; a deletion that was proposed or approved is undone by it.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = Because,
    responses((status = 201, body = Hold))
)]
#[post("/evidence/{id}/holds")]
async fn hold_set(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<Because>,
) -> Result<HttpResponse> {
    let (_, act) = actor(&request, caller, KEEPERS, &body.0.reason)?;
    let hold = app.db.write(move |tx| keeping::set_hold(tx, *id, &act)).await?;
    Ok(HttpResponse::Created().json(Hold::from(hold)))
}

/// Lift one legal hold; others stand.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path), ("hold_id" = HoldId, Path)),
    request_body = Because,
    responses((status = 200, body = Hold))
)]
#[post("/evidence/{id}/holds/{hold_id}/lift")]
async fn hold_lift(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    ids: web::Path<(EvidenceId, HoldId)>,
    body: Body<Because>,
) -> Result<web::Json<Hold>> {
    let (_, act) = actor(&request, caller, rules::APPROVERS, &body.0.reason)?;
    let (id, hold) = *ids;
    let hold = app.db.write(move |tx| keeping::lift_hold(tx, id, hold, &act)).await?;
    Ok(web::Json(hold.into()))
}

/// Propose a deletion: the first of two people, of the Centre.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = Because,
    responses((status = 201, body = Deletion))
)]
#[post("/evidence/{id}/deletion")]
async fn deletion_propose(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<Because>,
) -> Result<HttpResponse> {
    let (actor, act) = actor(&request, caller, PROPOSERS, &body.0.reason)?;
    let terms = terms(&app);
    let deletion = app.db.write(move |tx| keeping::propose(tx, *id, actor.role, terms, &act)).await?;
    Ok(HttpResponse::Created().json(Deletion::of(deletion)?))
}

/// Approve it: the second, of the inspectors. The evidence is hidden; in seven days its bytes go.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = Because,
    responses((status = 200, body = Deletion))
)]
#[post("/evidence/{id}/deletion/approve")]
async fn deletion_approve(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<Because>,
) -> Result<web::Json<Deletion>> {
    let (actor, act) = actor(&request, caller, rules::APPROVERS, &body.0.reason)?;
    let terms = terms(&app);
    let deletion = app.db.write(move |tx| keeping::approve(tx, *id, actor.role, terms, &act)).await?;
    Ok(web::Json(Deletion::of(deletion)?))
}

/// Withdraw or refuse a proposal, or take an approved deletion back while the bytes are there.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = Because,
    responses((status = 200, body = Deletion))
)]
#[post("/evidence/{id}/deletion/undo")]
async fn deletion_undo(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<Because>,
) -> Result<web::Json<Deletion>> {
    let (_, act) = actor(&request, caller, KEEPERS, &body.0.reason)?;
    let deletion = app.db.write(move |tx| keeping::undo(tx, *id, &act)).await?;
    Ok(web::Json(Deletion::of(deletion)?))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeletionPage {
    /// Only those that are so far.
    state: Option<DeletionState>,
    /// 1–200; 50 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Deletions {
    items: Vec<Deletion>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Deletions, newest first: what waits for approval, what can be undone, what is done.
#[utoipa::path(tag = "custody", params(DeletionPage), responses((status = 200, body = Deletions)))]
#[get("/evidence/deletions")]
async fn deletion_list(
    app: web::Data<App>,
    caller: Caller,
    page: web::Query<DeletionPage>,
) -> Result<web::Json<Deletions>> {
    caller.role(CENTRE)?;
    let (limit, state) = (limit(page.limit)?, page.state);
    let said = unsealed(&app, "deletion", page.cursor.as_deref())?;
    let before = said.map(|id| id.parse::<DeletionId>().map_err(|_| Code::CursorInvalid)).transpose()?;
    let (rows, last) = app.db.read(move |db| keeping::deletions(db, state, before, limit)).await?;
    let items = rows.into_iter().map(Deletion::of).collect::<Result<_>>()?;
    Ok(web::Json(Deletions { items, next: last.map(|id| app.keys.seal(&format!("deletion:{id}"))) }))
}

/// Evidence whose time is over.
#[derive(Serialize, ToSchema)]
struct DueEvidence {
    evidence: Evidence,
    /// Why it was kept.
    class: RetentionClass,
    /// Until when.
    delete_after: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct RetentionDue {
    /// Fewer than asked for, perhaps none, even when there is more: go on while `next` is not null.
    items: Vec<DueEvidence>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Evidence whose time is over, oldest first. Nothing happens to it until a person proposes its deletion.
#[utoipa::path(tag = "custody", params(Page), responses((status = 200, body = RetentionDue)))]
#[get("/evidence/retention/due")]
async fn retention_due(app: web::Data<App>, caller: Caller, page: web::Query<Page>) -> Result<web::Json<RetentionDue>> {
    caller.role(KEEPERS)?;
    let (limit, now, terms) = (limit(page.limit)?, app.env.now(), terms(&app));
    let said = unsealed(&app, "due", page.cursor.as_deref())?;
    let after = said.map(|said| aged(&said).ok_or(Code::CursorInvalid)).transpose()?;
    let (due, last) = app.db.read(move |db| keeping::due(db, now, terms, after, limit)).await?;
    let items = due.into_iter().map(|due| DueEvidence {
        evidence: due.evidence,
        class: due.retention.class,
        delete_after: due.retention.delete_after,
    });
    let next = last.map(|(at, id)| app.keys.seal(&format!("due:{}:{id}", at.0.timestamp_micros())));
    Ok(web::Json(RetentionDue { items: items.collect(), next }))
}

fn aged(said: &str) -> Option<Aged> {
    let (micros, id) = said.split_once(':')?;
    Some((At(DateTime::from_timestamp_micros(micros.parse().ok()?)?), id.parse().ok()?))
}
