//! Custody over HTTP: the door that every byte passes, the record, and who may open what.

use super::{
    actions::{self, Act, Bytes, Look, OldLink, Opened},
    keeping, redact,
    rules::{self, AccessClass, Action},
    store::EventRow,
    ticket,
};
use crate::{
    app::App,
    db::types::{CustodyEventId, DeviceId, EvidenceId, LogEntryId, UserId},
    error::{Code, Result},
    evidence::{routes::parties, rules::Viewer, view::Evidence},
    http::{auth::Caller, body::Body, edge::RequestId, table::Routes},
    identity::rules::{Actor, CENTRE, Role},
};
use actix_web::{HttpMessage, HttpRequest, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`; before `/evidence/{id}`, which would take its lists for ids.
pub fn routes(cfg: &mut Routes) {
    cfg.configure(keeping::routes::routes)
        .configure(redact::routes::routes)
        .configure(ticket::routes::routes)
        .service(custody_list)
        .service(access_set)
        .service(evidence_unlink);
}

/// The header in which a reason comes, percent-encoded UTF-8.
pub const REASON_HEADER: &str = "X-Access-Reason";

/// Opens evidence for whoever asks: the look is on record, and committed, when this returns.
///
/// # Errors
/// As [`actions::open`], `device_revoked`, or `parameter_invalid` for a reason that can't be read.
pub(in crate::evidence) async fn opened(
    app: &App,
    request: &HttpRequest,
    caller: Caller,
    id: EvidenceId,
    bytes: Bytes,
    reason: Option<&str>,
) -> Result<Opened> {
    opened_by(app, look(request, caller, id, reason)?, bytes).await
}

/// The same for a look that is known already.
///
/// # Errors
/// As [`actions::open`].
pub(in crate::evidence) async fn opened_by(app: &App, look: Look, bytes: Bytes) -> Result<Opened> {
    let (now, again) = (app.env.now(), look.clone());
    if let Some(opened) = app.db.read(move |db| actions::opened_already(db, now, &again, bytes)).await? {
        return Ok(opened);
    }
    app.db.write(move |tx| actions::open(tx, &look, bytes)).await
}

/// The record of a piece for whoever asks; the look is on record.
///
/// # Errors
/// As [`opened`].
pub(in crate::evidence) async fn shown(
    app: &App,
    request: &HttpRequest,
    caller: Caller,
    id: EvidenceId,
    reason: Option<&str>,
) -> Result<Evidence> {
    let look = look(request, caller, id, reason)?;
    let (now, again) = (app.env.now(), look.clone());
    if let Some(evidence) = app.db.read(move |db| actions::shown_already(db, now, &again)).await? {
        return Ok(evidence);
    }
    app.db.write(move |tx| actions::show(tx, &look)).await
}

pub(in crate::evidence) fn look(
    request: &HttpRequest,
    caller: Caller,
    id: EvidenceId,
    reason: Option<&str>,
) -> Result<Look> {
    let (who, viewer) = parties(&caller.not_revoked()?);
    let header = request.headers().get(REASON_HEADER);
    let wrong = || Code::ParameterInvalid.with(format!("{REASON_HEADER}: percent-encoded UTF-8"));
    let reason = match (header, reason) {
        (Some(value), _) => Some(value.to_str().ok().and_then(percent_decoded).ok_or_else(wrong)?),
        (None, given) => given.map(str::to_owned),
    };
    let unfit = |error: crate::error::Error| Code::ParameterInvalid.with(error.detail.unwrap_or_default());
    let reason = reason.map(|text| rules::reason(&text)).transpose().map_err(unfit)?;
    Ok(Look { viewer, act: Act { who, reason, request_id: request_id(request) }, id })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn request_id(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<RequestId>().map(|id| id.0.clone())
}

/// A person of one of these roles who gives a reason.
pub(super) fn actor(request: &HttpRequest, caller: Caller, roles: &[Role], reason: &str) -> Result<(Actor, Act)> {
    let actor = caller.role(roles)?;
    let act = actions::act_of(&actor, reason, request_id(request))?;
    Ok((actor, act))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// 1–200; 50 when absent.
    pub(super) limit: Option<usize>,
    /// `next` of the page before.
    pub(super) cursor: Option<String>,
}

pub(super) fn limit(given: Option<usize>) -> Result<usize> {
    let limit = given.unwrap_or(50);
    if (1..=200).contains(&limit) { Ok(limit) } else { Err(Code::ParameterInvalid.with("limit: 1–200")) }
}

/// What a sealed cursor of a kind says.
pub(super) fn unsealed(app: &App, kind: &str, cursor: Option<&str>) -> Result<Option<String>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let text = app.keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
    let said = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':'));
    said.map(|said| Some(said.to_owned())).ok_or_else(|| Code::CursorInvalid.into())
}

/// A line of the record of who did what.
#[derive(Serialize, ToSchema)]
struct CustodyEvent {
    id: CustodyEventId,
    action: Action,
    /// The person.
    user_id: Option<UserId>,
    /// The device, or the one the person's session is bound to.
    device_id: Option<DeviceId>,
    at: DateTime<Utc>,
    /// Why, in the person's words.
    reason: Option<String>,
    /// What exactly. `seen`, `downloaded`: `{what: record|picture|original}`; links: `{target_kind, target_id, role}`;
    /// `class_changed`: `{what: access|retention, from, to}`; `redacted`: `{derived, sha256, style, regions}`; …
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// The request, as the server's own log names it.
    request_id: Option<String>,
    /// The leaf of the transparency log that says the same.
    log_entry_id: LogEntryId,
}

impl CustodyEvent {
    fn of(row: EventRow) -> Result<CustodyEvent> {
        Ok(CustodyEvent {
            id: row.id,
            action: row.action.parse()?,
            user_id: row.user_id,
            device_id: row.device_id,
            at: row.at.0,
            reason: row.reason,
            detail: row.detail.0,
            request_id: row.request_id,
            log_entry_id: row.log_entry_id,
        })
    }
}

#[derive(Serialize, ToSchema)]
struct CustodyEvents {
    items: Vec<CustodyEvent>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Who opened and changed a piece of evidence, newest first.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path), Page),
    responses((status = 200, body = CustodyEvents))
)]
#[get("/evidence/{id}/custody")]
async fn custody_list(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
    page: web::Query<Page>,
) -> Result<web::Json<CustodyEvents>> {
    let viewer = Viewer::person(&caller.role(CENTRE)?);
    let limit = limit(page.limit)?;
    let said = unsealed(&app, "custody", page.cursor.as_deref())?;
    let before = said.map(|id| id.parse::<CustodyEventId>().map_err(|_| Code::CursorInvalid)).transpose()?;
    let (rows, last) = app.db.read(move |db| actions::events(db, &viewer, *id, before, limit)).await?;
    let items = rows.into_iter().map(CustodyEvent::of).collect::<Result<_>>()?;
    Ok(web::Json(CustodyEvents { items, next: last.map(|id| app.keys.seal(&format!("custody:{id}"))) }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccessToSet {
    class: AccessClass,
    /// 1–500 characters.
    reason: String,
}

/// Say who may open it how: `restricted` takes a reason each time.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = AccessToSet,
    responses((status = 200, body = Evidence))
)]
#[put("/evidence/{id}/access-class")]
async fn access_set(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<AccessToSet>,
) -> Result<web::Json<Evidence>> {
    let (_, act) = actor(&request, caller, &[Role::Supervisor], &body.0.reason)?;
    let class = body.0.class;
    Ok(web::Json(app.db.write(move |tx| actions::set_access(tx, *id, class, &act)).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkToRemove {
    /// `case` or `spot_check`.
    target_kind: String,
    /// The record's id.
    target_id: String,
    /// What it shows there.
    role: String,
    /// 1–500 characters.
    reason: String,
}

/// Take back that it belongs to a record. What a case waits for to be closed stays.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = LinkToRemove,
    responses((status = 200, body = Evidence))
)]
#[post("/evidence/{id}/unlink")]
async fn evidence_unlink(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<LinkToRemove>,
) -> Result<web::Json<Evidence>> {
    let (_, act) = actor(&request, caller, &[Role::Dispatcher], &body.0.reason)?;
    let link = OldLink { kind: body.0.target_kind, id: body.0.target_id, role: body.0.role };
    Ok(web::Json(app.db.write(move |tx| actions::unlink(tx, *id, &link, &act)).await?))
}
