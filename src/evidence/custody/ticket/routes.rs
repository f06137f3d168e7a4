//! Tickets over HTTP.

use crate::{
    app::App,
    db::types::{EvidenceId, UserId},
    error::{Code, Error, Result},
    evidence::{
        content,
        custody::{
            actions::{Act, Bytes, Look},
            routes::{look, opened_by, request_id},
            rules::Purpose,
        },
        rules::{Owner, Viewer},
    },
    http::{auth::Caller, body::Body, table::Routes},
    identity,
};
use actix_web::{HttpRequest, HttpResponse, post, route, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long an address is good for: as long as somebody watches a film.
const LIFE: TimeDelta = TimeDelta::hours(1);
/// What keeps other sealed texts from passing as tickets.
const MARK: &str = "ticket:";

/// Mounts them under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(evidence_ticket).service(evidence_bytes);
}

/// What a ticket says.
#[derive(Serialize, Deserialize)]
struct Ticket {
    evidence: EvidenceId,
    user: UserId,
    purpose: Purpose,
    reason: Option<String>,
    until: DateTime<Utc>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TicketToMake {
    /// `seen` when it is shown here, `downloaded` when it is kept: the word for the record.
    purpose: Purpose,
}

#[derive(Serialize, ToSchema)]
struct TicketMade {
    /// Where the bytes are, for whoever holds this address.
    url: String,
    expires_at: DateTime<Utc>,
}

/// An address of the original for a player or a download. The look is on record before it is given.
#[utoipa::path(
    tag = "evidence",
    params(("id" = EvidenceId, Path), ("X-Access-Reason" = Option<String>, Header)),
    request_body = TicketToMake,
    responses((status = 201, body = TicketMade))
)]
#[post("/evidence/{id}/ticket")]
async fn evidence_ticket(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<TicketToMake>,
) -> Result<HttpResponse> {
    let user = caller.user()?;
    let purpose = body.0.purpose;
    let look = look(&request, Caller::User(user.clone()), *id, None)?;
    let until = app.env.now() + LIFE;
    let ticket = Ticket { evidence: *id, user: user.user_id, purpose, reason: look.act.reason.clone(), until };
    opened_by(&app, look, Bytes::Original(purpose)).await?;
    let sealed = app.keys.seal(&format!("{MARK}{}", serde_json::to_string(&ticket).map_err(Error::internal)?));
    let url = format!("/api/v1/evidence/{id}/bytes?ticket={sealed}");
    Ok(HttpResponse::Created().json(TicketMade { url, expires_at: until }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Shown {
    /// From the address that was given.
    ticket: String,
}

/// The original's bytes for whoever holds a ticket, as `/content` sends them.
#[utoipa::path(
    method(get, head),
    tag = "evidence",
    params(("id" = EvidenceId, Path), Shown, ("Range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304),
        (status = 416),
    )
)]
#[route("/evidence/{id}/bytes", method = "GET", method = "HEAD")]
async fn evidence_bytes(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<EvidenceId>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse> {
    let text = app.keys.unseal(&shown.ticket).ok_or(Code::TokenInvalid)?;
    let ticket = text.strip_prefix(MARK).and_then(|text| serde_json::from_str::<Ticket>(text).ok());
    let ticket = ticket.filter(|ticket| ticket.evidence == *id).ok_or(Code::TokenInvalid)?;
    if ticket.until <= app.env.now() {
        return Err(Code::TokenExpired.into());
    }
    let user = ticket.user;
    let actor = app.db.read(move |db| identity::actions::person_by_id(db, user)).await?;
    let act = Act { who: Owner::person(&actor), reason: ticket.reason, request_id: request_id(&request) };
    let look = Look { viewer: Viewer::person(&actor), act, id: *id };
    let opened = opened_by(&app, look, Bytes::Original(ticket.purpose)).await?;
    content::original(&app, &request, &opened).await
}
