//! Declaring, listing and reading evidence over HTTP. Uploads have their own routes.

use super::{
    actions, content,
    custody::{
        self,
        actions::Bytes,
        routes::{opened, shown},
        rules::Purpose,
    },
    datum::Datum,
    receipt::FileReceipt,
    rules::{Gps, NewEvidence, Owner, Sidecar, Viewer},
    view::Evidence,
};
use crate::{
    app::App,
    db::types::{CaseId, EvidenceId},
    error::{Code, Result},
    http::{auth::Caller, body::Body, table::Routes},
};
use actix_web::{HttpRequest, HttpResponse, get, http::Method, post, route, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.configure(super::reuse::routes::routes)
        .configure(custody::routes::routes)
        .service(evidence_declare)
        .service(evidence_list)
        .service(evidence_get)
        .service(evidence_content)
        .service(evidence_thumbnail)
        .service(super::tracks::routes::evidence_track)
        .service(evidence_receipt)
        .configure(super::uploads::routes::routes);
}

/// Who declares and who looks, from a caller who was not revoked.
pub(super) fn parties(caller: &Caller) -> (Owner, Viewer) {
    match caller {
        Caller::User(actor) => (Owner::person(actor), Viewer::person(actor)),
        Caller::Device(device) => (Owner::device(device.id), Viewer::device(device.id)),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EvidenceToDeclare {
    /// 64 hexadecimal digits.
    sha256: String,
    /// Bytes.
    size: i64,
    media_type: String,
    filename: Option<String>,
    captured_at: DateTime<Utc>,
    gps: Option<Gps>,
    /// The case it belongs to; may arrive later than this.
    case_id: Option<CaseId>,
    /// What it shows there: `before`, `after`, …
    role: Option<String>,
    /// The digest of the recording beside which this track lies.
    sidecar_of: Option<String>,
    /// What the positions of a track are in, when it does not say: `wgs84` by default.
    #[schema(value_type = Option<String>)]
    track_datum: Option<Datum>,
}

/// Declare a photo or video before its bytes travel. The same declaration again answers 200.
#[utoipa::path(
    tag = "evidence",
    request_body = EvidenceToDeclare,
    responses((status = 201, body = Evidence), (status = 200, body = Evidence))
)]
#[post("/evidence")]
async fn evidence_declare(app: web::Data<App>, caller: Caller, body: Body<EvidenceToDeclare>) -> Result<HttpResponse> {
    let (owner, viewer) = parties(&caller.not_revoked()?);
    let body = body.0;
    let new = NewEvidence {
        sha256: body.sha256,
        size: body.size,
        media_type: body.media_type,
        filename: body.filename,
        captured_at: Some(body.captured_at),
        gps: body.gps,
        case_id: body.case_id,
        role: body.role,
        sidecar: body
            .sidecar_of
            .map(|of_sha256| Sidecar { of_sha256, datum: body.track_datum.unwrap_or(Datum::Wgs84) }),
    };
    let (evidence, is_new) = app.db.write(move |tx| actions::register(tx, &owner, &viewer, new)).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(evidence))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EvidencePage {
    /// Only what is linked to this case.
    case_id: Option<CaseId>,
    /// 1–200; 50 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct EvidenceList {
    items: Vec<Evidence>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Evidence the caller may see, newest first.
#[utoipa::path(tag = "evidence", params(EvidencePage), responses((status = 200, body = EvidenceList)))]
#[get("/evidence")]
async fn evidence_list(
    app: web::Data<App>,
    caller: Caller,
    page: web::Query<EvidencePage>,
) -> Result<web::Json<EvidenceList>> {
    let (_, viewer) = parties(&caller.not_revoked()?);
    let limit = page.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–200"));
    }
    let before = match &page.cursor {
        Some(cursor) => {
            let text = app.keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
            let id = text.strip_prefix("evidence:").and_then(|id| id.parse::<EvidenceId>().ok());
            Some(id.ok_or(Code::CursorInvalid)?)
        }
        None => None,
    };
    let case = page.case_id;
    let (items, last) = app.db.read(move |db| actions::list(db, &viewer, case, before, limit)).await?;
    let items = items.into_iter().map(|item| item.with_poster(app.ffmpeg.is_some())).collect();
    Ok(web::Json(EvidenceList { items, next: last.map(|id| app.keys.seal(&format!("evidence:{id}"))) }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Reason {
    /// Why restricted evidence is opened, 1–500 characters; the header `X-Access-Reason` goes before it.
    reason: Option<String>,
}

/// One piece of evidence. Restricted evidence is masked for whoever gives no reason.
#[utoipa::path(
    tag = "evidence",
    params(("id" = EvidenceId, Path), Reason, ("X-Access-Reason" = Option<String>, Header)),
    responses((status = 200, body = Evidence))
)]
#[get("/evidence/{id}")]
async fn evidence_get(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    asked: web::Query<Reason>,
) -> Result<web::Json<Evidence>> {
    let found = shown(&app, &request, caller, *id, asked.reason.as_deref()).await?;
    Ok(web::Json(found.with_poster(app.ffmpeg.is_some())))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Opening {
    /// `seen` when it is shown here, `downloaded` (the default) when it is kept: the word for the record.
    purpose: Option<Purpose>,
    /// Why restricted evidence is opened, 1–500 characters; the header `X-Access-Reason` goes before it.
    reason: Option<String>,
}

/// The original's bytes; `Range`, `If-Range` and `If-None-Match` are understood. Each look is on record before the first
/// byte is sent; the requests of one person within ten minutes are one look.
#[utoipa::path(
    method(get, head),
    tag = "evidence",
    params(
        ("id" = EvidenceId, Path),
        Opening,
        ("Range" = Option<String>, Header),
        ("X-Access-Reason" = Option<String>, Header),
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304),
        (status = 416),
    )
)]
#[route("/evidence/{id}/content", method = "GET", method = "HEAD")]
async fn evidence_content(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    asked: web::Query<Opening>,
) -> Result<HttpResponse> {
    let bytes = match *request.method() {
        Method::HEAD => Bytes::Count,
        _ => Bytes::Original(asked.purpose.unwrap_or(Purpose::Downloaded)),
    };
    let opened = opened(&app, &request, caller, *id, bytes, asked.reason.as_deref()).await?;
    content::original(&app, &request, &opened).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Size {
    /// The longer side, pixels, 16–1280; the next larger of 160, 320, 640, 1280 is sent.
    edge: Option<u32>,
    /// Why restricted evidence is opened, 1–500 characters; the header `X-Access-Reason` goes before it.
    reason: Option<String>,
}

/// A small upright JPEG of a photo. From 640 pixels on it counts as a look.
#[utoipa::path(
    tag = "evidence",
    params(("id" = EvidenceId, Path), Size, ("X-Access-Reason" = Option<String>, Header)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 304))
)]
#[get("/evidence/{id}/thumbnail")]
async fn evidence_thumbnail(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    size: web::Query<Size>,
) -> Result<HttpResponse> {
    let edge = size.edge.unwrap_or(320);
    if !(16..=1280).contains(&edge) {
        return Err(Code::ParameterInvalid.with("edge: 16–1280"));
    }
    let opened = opened(&app, &request, caller, *id, Bytes::Picture(edge), size.reason.as_deref()).await?;
    content::small(&app, &request, &opened, edge).await
}

/// The bytes of evidence for whoever may see a record that it belongs to, where the caller has found so. The look is on
/// record like any other; restricted evidence takes a reason.
///
/// # Errors
/// As for `/evidence/{id}/content` and `/evidence/{id}/thumbnail`.
pub async fn lent(
    app: &App,
    request: &HttpRequest,
    caller: Caller,
    id: EvidenceId,
    bytes: Bytes,
    reason: Option<&str>,
) -> Result<HttpResponse> {
    let mut look = custody::routes::look(request, caller, id, reason)?;
    look.viewer.centre = true;
    let opened = custody::routes::opened_by(app, look, bytes).await?;
    match bytes {
        Bytes::Picture(edge) => content::small(app, request, &opened, edge).await,
        Bytes::Original(_) | Bytes::Count => content::original(app, request, &opened).await,
    }
}

#[derive(Serialize, ToSchema)]
struct SignedFileReceipt {
    /// A compact JWS (RFC 7515), ES256, `typ: receipt+jwt`; its claims are what `claims` shows. The key is that of
    /// `/api/v1/sync/receipt-key`.
    receipt: String,
    /// For reading without a library.
    claims: FileReceipt,
}

/// A signed receipt of a stored file: with it, the copy on a camera may be removed.
#[utoipa::path(
    tag = "evidence",
    params(("id" = EvidenceId, Path)),
    responses((status = 200, body = SignedFileReceipt))
)]
#[get("/evidence/{id}/receipt")]
async fn evidence_receipt(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<EvidenceId>,
) -> Result<web::Json<SignedFileReceipt>> {
    let (_, viewer) = parties(&caller.not_revoked()?);
    let row = app.db.read(move |db| actions::seen(db, &viewer, *id)).await?;
    let claims = FileReceipt::of(&row, content::verified(&app, &row).await?, app.env.now())?;
    Ok(web::Json(SignedFileReceipt { receipt: app.keys.sign_receipt(&claims)?, claims }))
}
