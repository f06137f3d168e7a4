//! tus 1.0.0 over HTTP, at `/api/v1/uploads`.
//!
//! Credentials are read inside the handlers, not by an extractor: a client must get the protocol's headers on every
//! answer, and a HEAD must not become a 5xx because the database was busy while it was authenticated.

use super::{
    actions::{self, Creation},
    append::{Append, append},
    blocks::Tray,
    create::{create, create_whole},
    finish::{Verdict, await_verdict, blocking, discard},
    headers,
    live::Claim,
    rules::{self, UploadState, WHOLE, one_digest},
    source::Source,
    store::UploadRow,
    writer::Ended,
};
use crate::{
    app::App,
    blob::digest::{self, Algorithm},
    db::types::{EvidenceId, UploadId},
    error::{Code, Error, Result},
    evidence::routes::parties,
    http::{
        auth::{self, Caller},
        intake::{Sipped, sipped},
        problem::catalogue,
        table::Routes,
    },
};
use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::{
        ConnectionType, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    patch, post, route, web,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

const BASE: &str = "/api/v1/uploads";

/// Mounts the uploads under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(upload_options)
        .service(upload_create)
        .service(upload_head)
        .service(upload_append)
        .service(upload_remove)
        .service(upload_override)
        .service(upload_status);
}

/// What this server speaks.
#[utoipa::path(options, path = "/uploads", tag = "uploads", responses((status = 204)))]
#[route("/uploads", method = "OPTIONS")]
async fn upload_options(app: web::Data<App>) -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    put(&mut response, "tus-version", headers::VERSION);
    put(&mut response, "tus-extension", headers::EXTENSIONS);
    put(&mut response, "tus-checksum-algorithm", Algorithm::NAMES);
    put(&mut response, "tus-max-size", &app.config.max_upload_bytes.to_string());
    spoken(response)
}

/// Create an upload; with a body of `application/offset+octet-stream`, begin it too.
#[utoipa::path(
    tag = "uploads",
    params(
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = Option<i64>, Header),
        ("Upload-Defer-Length" = Option<String>, Header, description = "1, instead of Upload-Length"),
        ("Upload-Metadata" = Option<String>, Header, description = "sha256, filename, filetype, captured_at, lat, lon, \
            datum, accuracy_m, fix_age_s, source, case_id, role"),
        ("Repr-Digest" = Option<String>, Header, description = "sha-256=:…: of the whole file"),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 201))
)]
#[post("/uploads")]
async fn upload_create(app: web::Data<App>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let app = app.into_inner();
    answer(creation(&app, &request, sipped(&request, body)).await)
}

async fn creation(app: &Arc<App>, request: &HttpRequest, body: Sipped) -> Result<HttpResponse> {
    version(request)?;
    let (owner, viewer) = parties(&caller(app, request).await?.not_revoked()?);
    let key = owner.key();
    let length = headers::length(text(request, "upload-length")?, text(request, "upload-defer-length")?)?;
    let metadata = text(request, "upload-metadata")?.unwrap_or_default().to_owned();
    let said = rules::declaration(&metadata)?;
    let named = Some(said.sha256.clone()).filter(|sha256| !sha256.is_empty());
    let sha256 = one_digest(named.as_deref(), repr_digest(request)?)?;
    let idempotency = text(request, "idempotency-key")?.map(headers::idempotency_key).transpose()?;
    if app.config.require_digest && sha256.is_none() {
        return Err(Code::TusHeaderInvalid.with("a SHA-256 is required: Repr-Digest, or sha256 in Upload-Metadata"));
    }
    let begins = headers::is_offset_octets(text(request, "content-type")?);
    let with = Append { checksum: checksum(request)?, content_length: content_length(request)?, ..Append::default() };
    if begins && length.zip(with.content_length).is_some_and(|(length, body)| body > length) {
        return Err(Code::LengthExceeded.into());
    }
    let quota = app.config.quota_bytes;
    let asked = Creation { owner, viewer, length, metadata, said, sha256, key: idempotency, quota };
    let (mut body, mut begun) = (Source::new(body, with.content_length), Tray::new(&app.uploads.blocks));
    let is_whole = length == with.content_length && length.is_some_and(|length| (1..=WHOLE).contains(&length));
    if begins && is_whole && with.checksum.is_none() {
        let _place = app.uploads.place(&key)?;
        if let Some(row) = create_whole(app, &asked, &mut begun, &mut body).await? {
            return Ok(created(app, &row, Ok(Ended::At(row.durable_offset))));
        }
    }
    let (row, is_new) = create(app, asked).await?;
    let ended = if is_new && begins {
        append(app, &key, row.id, with, begun, body).await
    } else if is_new && length == Some(0) {
        let (nothing, with) = (futures_util::stream::empty(), Append { content_length: Some(0), ..Append::default() });
        append(app, &key, row.id, with, begun, Source::new(nothing, Some(0))).await
    } else {
        Ok(Ended::At(row.durable_offset))
    };
    Ok(created(app, &row, ended))
}

/// The answer to a creation. The address holds the upload's own key: whoever was given it may go on when the token that
/// began it has run out. Stock clients keep nothing but this address, and begin anew after a 401.
fn created(app: &App, row: &UploadRow, ended: Result<Ended>) -> HttpResponse {
    let mut response = match ended {
        Ok(Ended::At(offset)) => {
            let mut response = HttpResponse::Created().finish();
            put(&mut response, "upload-offset", &offset.to_string());
            if let (Some(evidence), Some(sha256)) = (row.evidence_id, &row.actual_sha256) {
                became(&mut response, evidence, sha256);
            }
            response
        }
        Ok(Ended::Decided(Verdict::Accepted { evidence, sha256 })) => {
            let mut response = HttpResponse::Created().finish();
            put(&mut response, "upload-offset", &row.length.unwrap_or_default().to_string());
            became(&mut response, evidence, &sha256);
            response
        }
        ended => after(ended, row.length),
    };
    put(&mut response, "location", &format!("{BASE}/{}?key={}", row.id, app.keys.mark(&marked(row.id))));
    // Only what is unfinished expires.
    if row.evidence_id.is_none() && !response.headers().contains_key("content-location") {
        put(&mut response, "upload-expires", &headers::http_date(row.expires_at.0));
    }
    response
}

/// How far is it? Stops whoever writes, so that the answer is the truth and the next PATCH is not refused.
#[utoipa::path(head, path = "/uploads/{id}", tag = "uploads", params(("id" = UploadId, Path), ("key" = Option<String>, Query, description = "as Location gave it; instead of a token")), responses((status = 200), (status = 410), (status = 423)))]
#[route("/uploads/{id}", method = "HEAD")]
async fn upload_head(app: web::Data<App>, request: HttpRequest, id: web::Path<UploadId>) -> HttpResponse {
    head(&app.into_inner(), &request, *id).await
}

async fn head(app: &Arc<App>, request: &HttpRequest, id: UploadId) -> HttpResponse {
    let found = async {
        version(request)?;
        let key = holder(app, request, id).await?;
        truth(app, &key, id).await
    };
    match found.await {
        Ok(row) => {
            let mut response = HttpResponse::Ok().finish();
            described(&mut response, &row);
            spoken(response)
        }
        // Stock clients forget the upload and begin anew after a 5xx; 423 makes them ask again.
        Err(error) if catalogue(error.code).0 >= 500 => {
            answer(Err(Error { cause: Some(error.to_string()), ..Code::UploadFinalizing.into() }))
        }
        Err(error) => answer(Err(error)),
    }
}

/// The row once nobody writes and everything is decided.
async fn truth(app: &Arc<App>, key: &str, id: UploadId) -> Result<UploadRow> {
    let load = || {
        let key = key.to_owned();
        app.db.read(move |db| actions::own(db, &key, id))
    };
    let mut row = load().await?;
    if matches!(row.state.parse()?, UploadState::Open | UploadState::Finalizing) {
        let mut guard = app.uploads.take(id, Claim::Over).await?;
        row = load().await?;
        if row.state == UploadState::Finalizing.as_str() {
            await_verdict(app, guard, row).await?;
            row = load().await?;
        } else if row.state == UploadState::Open.as_str() && !guard.held.checked {
            let (disk, offset) = (app.blobs.clone(), row.durable_offset);
            let length = blocking(move || disk.staged_length(&id.to_string())).await?;
            if i64::try_from(length).unwrap_or(i64::MAX) < offset {
                tracing::error!(upload = %id, offset, "acknowledged bytes are missing on the disk");
                app.db.write(move |tx| actions::lose(tx, id)).await?;
                return Err(Code::UploadGone.into());
            }
            guard.held.checked = true;
        }
    }
    if actions::is_dead(&row) { Err(Code::UploadGone.with(row.state)) } else { Ok(row) }
}

/// Bring bytes.
#[utoipa::path(
    tag = "uploads",
    params(
        ("id" = UploadId, Path),
        ("key" = Option<String>, Query, description = "as Location gave it; instead of a token"),
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = i64, Header),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1, sha256 or crc32 of this body"),
        ("Upload-Length" = Option<i64>, Header, description = "once, when it was deferred"),
        ("Repr-Digest" = Option<String>, Header, description = "once, when it was not known before"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204), (status = 409), (status = 410), (status = 413), (status = 423), (status = 460), (status = 507))
)]
#[patch("/uploads/{id}")]
async fn upload_append(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<UploadId>,
    body: web::Payload,
) -> HttpResponse {
    answer(bring(&app.into_inner(), &request, *id, sipped(&request, body)).await)
}

async fn bring(app: &Arc<App>, request: &HttpRequest, id: UploadId, body: Sipped) -> Result<HttpResponse> {
    version(request)?;
    let key = holder(app, request, id).await?;
    if !headers::is_offset_octets(text(request, "content-type")?) {
        return Err(Code::MediaTypeUnsupported.with("application/offset+octet-stream"));
    }
    let offset =
        text(request, "upload-offset")?.ok_or_else(|| Code::TusHeaderInvalid.with("Upload-Offset is required"))?;
    let with = Append {
        offset: headers::count("Upload-Offset", offset)?,
        length: text(request, "upload-length")?.map(|t| headers::count("Upload-Length", t)).transpose()?,
        sha256: repr_digest(request)?,
        checksum: checksum(request)?,
        content_length: content_length(request)?,
    };
    let length = with.length;
    let (begun, body) = (Tray::new(&app.uploads.blocks), Source::new(body, with.content_length));
    let ended = append(app, &key, id, with, begun, body).await;
    let row = app.db.read(move |db| actions::any(db, id)).await;
    let length = row.as_ref().ok().and_then(|row| row.length).or(length);
    let mut response = after(ended, length);
    if response.status() == StatusCode::CONFLICT {
        app.uploads.metrics.conflict();
    }
    if let Ok(row) = row
        && row.state == UploadState::Open.as_str()
    {
        put(&mut response, "upload-expires", &headers::http_date(row.expires_at.0));
    }
    Ok(response)
}

/// The answer to bytes.
fn after(ended: Result<Ended>, length: Option<i64>) -> HttpResponse {
    let mut response = match ended {
        Ok(Ended::At(offset)) => {
            let mut response = HttpResponse::NoContent().finish();
            put(&mut response, "upload-offset", &offset.to_string());
            response
        }
        Ok(Ended::Decided(Verdict::Accepted { evidence, sha256 })) => {
            let mut response = HttpResponse::NoContent().finish();
            put(&mut response, "upload-offset", &length.unwrap_or_default().to_string());
            became(&mut response, evidence, &sha256);
            response
        }
        Ok(Ended::Decided(Verdict::Rejected { expected, actual })) => {
            let detail = format!("declared sha256 {expected}, stored bytes have {actual}");
            HttpResponse::from_error(Code::ChecksumMismatch.with(detail))
        }
        Ok(Ended::Decided(Verdict::Lost)) => HttpResponse::from_error(Error::from(Code::UploadGone)),
        Ok(Ended::Decided(Verdict::Undecided)) => HttpResponse::from_error(Error::from(Code::UploadFinalizing)),
        Ok(Ended::Refused(error, offset)) => {
            let taken_over = error.code == Code::UploadTakenOver;
            let mut response = HttpResponse::from_error(error);
            put(&mut response, "upload-offset", &offset.to_string());
            if taken_over {
                // The rest of the body is on its way to nobody.
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            response
        }
        Err(error) => HttpResponse::from_error(error),
    };
    if response.status() == StatusCode::NO_CONTENT {
        put(&mut response, "cache-control", "no-store");
    }
    response
}

/// Give an upload up.
#[utoipa::path(
    tag = "uploads",
    params(("id" = UploadId, Path), ("key" = Option<String>, Query, description = "as Location gave it; instead of a token")),
    responses((status = 204), (status = 403), (status = 410))
)]
#[delete("/uploads/{id}")]
async fn upload_remove(app: web::Data<App>, request: HttpRequest, id: web::Path<UploadId>) -> HttpResponse {
    answer(removal(&app.into_inner(), &request, *id).await)
}

async fn removal(app: &Arc<App>, request: &HttpRequest, id: UploadId) -> Result<HttpResponse> {
    version(request)?;
    let key = holder(app, request, id).await?;
    app.db.read(move |db| actions::own(db, &key, id)).await?;
    let _guard = app.uploads.take(id, Claim::Over).await?;
    app.db.write(move |tx| actions::remove(tx, id)).await?;
    discard(app, id).await;
    Ok(HttpResponse::NoContent().finish())
}

/// PATCH, HEAD or DELETE for clients that can't send them: `X-HTTP-Method-Override` names the method.
#[utoipa::path(
    tag = "uploads",
    params(
        ("id" = UploadId, Path),
        ("key" = Option<String>, Query, description = "as Location gave it; instead of a token"),
        ("X-HTTP-Method-Override" = String, Header),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 200), (status = 204), (status = 405))
)]
#[post("/uploads/{id}")]
async fn upload_override(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<UploadId>,
    body: web::Payload,
) -> HttpResponse {
    let app = app.into_inner();
    match text(&request, "x-http-method-override") {
        Ok(Some("PATCH")) => answer(bring(&app, &request, *id, sipped(&request, body)).await),
        Ok(Some("DELETE")) => answer(removal(&app, &request, *id).await),
        Ok(Some("HEAD")) => head(&app, &request, *id).await,
        Ok(_) => answer(Err(Code::MethodNotAllowed.into())),
        Err(error) => answer(Err(error)),
    }
}

/// An upload as operators see it.
#[derive(Serialize, ToSchema)]
struct Upload {
    id: UploadId,
    owner: String,
    #[schema(value_type = UploadState)]
    state: String,
    /// Durable bytes.
    offset: i64,
    /// Bytes; null while deferred.
    length: Option<i64>,
    filename: Option<String>,
    media_type: Option<String>,
    /// `Upload-Metadata` as it came.
    metadata: String,
    declared_sha256: Option<String>,
    /// Of the stored bytes, once they were read back.
    actual_sha256: Option<String>,
    evidence_id: Option<EvidenceId>,
    created_at: DateTime<Utc>,
    progressed_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<UploadRow> for Upload {
    fn from(row: UploadRow) -> Upload {
        Upload {
            id: row.id,
            owner: row.owner,
            state: row.state,
            offset: row.durable_offset,
            length: row.length,
            filename: row.filename,
            media_type: row.media_type,
            metadata: row.metadata,
            declared_sha256: row.declared_sha256,
            actual_sha256: row.actual_sha256,
            evidence_id: row.evidence_id,
            created_at: row.created_at.0,
            progressed_at: row.progressed_at.0,
            expires_at: row.expires_at.0,
        }
    }
}

/// How an upload stands, without disturbing it. The Centre sees everybody's.
#[utoipa::path(tag = "uploads", params(("id" = UploadId, Path)), responses((status = 200, body = Upload)))]
#[get("/uploads/{id}")]
async fn upload_status(app: web::Data<App>, caller: Caller, id: web::Path<UploadId>) -> Result<web::Json<Upload>> {
    let (owner, viewer) = parties(&caller);
    let key = owner.key();
    let row =
        app.db.read(move |db| if viewer.centre { actions::any(db, *id) } else { actions::own(db, &key, *id) }).await?;
    Ok(web::Json(row.into()))
}

async fn caller(app: &App, request: &HttpRequest) -> Result<Caller> {
    auth::authenticate(app, auth::bearer(request)?).await
}

/// On whose behalf a request goes on with an upload: that of its token, or of the upload's own key when the token has run
/// out or is somebody else's. A device that was revoked in mid upload may still end it with its own token: what it took
/// before is evidence all the same, and is marked. The key alone does not help it.
async fn holder(app: &App, request: &HttpRequest, id: UploadId) -> Result<String> {
    let by_token = caller(app, request).await.map(|caller| parties(&caller).0.key());
    let pairs = request.query_string().split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, mark)) = pairs.into_iter().find(|(name, _)| *name == "key") else { return by_token };
    if !app.keys.is_marked(&marked(id), mark) {
        return by_token;
    }
    app.db
        .read(move |db| match by_token {
            Ok(key) if actions::own(db, &key, id).is_ok() => Ok(key),
            _ => actions::holder(db, id),
        })
        .await
}

/// What the key of an upload is a mark of.
fn marked(id: UploadId) -> String {
    format!("upload {id}")
}

fn version(request: &HttpRequest) -> Result<()> {
    if text(request, "tus-resumable")? == Some(headers::VERSION) { Ok(()) } else { Err(Code::TusVersion.into()) }
}

/// A header's text; said twice it would be read differently by each server on the way.
fn text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>> {
    let mut values = request.headers().get_all(name);
    let (Some(value), None) = (values.next(), values.next()) else {
        return match request.headers().contains_key(name) {
            true => Err(Code::TusHeaderInvalid.with(format!("{name}: more than once"))),
            false => Ok(None),
        };
    };
    value.to_str().map(Some).map_err(|_| Code::TusHeaderInvalid.with(format!("{name}: not ASCII")))
}

fn content_length(request: &HttpRequest) -> Result<Option<i64>> {
    text(request, "content-length")?.map(|t| headers::count("Content-Length", t)).transpose()
}

fn checksum(request: &HttpRequest) -> Result<Option<(Algorithm, Vec<u8>)>> {
    text(request, "upload-checksum")?.map(headers::checksum).transpose()
}

fn repr_digest(request: &HttpRequest) -> Result<Option<String>> {
    Ok(text(request, "repr-digest")?.map(headers::repr_digest).transpose()?.flatten())
}

/// Everything a HEAD tells.
fn described(response: &mut HttpResponse, row: &UploadRow) {
    put(response, "cache-control", "no-store");
    put(response, "upload-offset", &row.durable_offset.to_string());
    match row.length {
        Some(length) => put(response, "upload-length", &length.to_string()),
        None => put(response, "upload-defer-length", "1"),
    }
    if !row.metadata.is_empty() {
        put(response, "upload-metadata", &row.metadata);
    }
    match (row.evidence_id, &row.actual_sha256) {
        (Some(evidence), Some(sha256)) => became(response, evidence, sha256),
        _ => put(response, "upload-expires", &headers::http_date(row.expires_at.0)),
    }
}

fn became(response: &mut HttpResponse, evidence: EvidenceId, sha256: &str) {
    put(response, "repr-digest", &digest::repr_digest(sha256));
    put(response, "content-location", &format!("/api/v1/evidence/{evidence}"));
}

fn put(response: &mut HttpResponse, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

fn spoken(mut response: HttpResponse) -> HttpResponse {
    put(&mut response, "tus-resumable", headers::VERSION);
    response
}

/// The answer with the protocol's own headers, on errors too.
fn answer(result: Result<HttpResponse>) -> HttpResponse {
    let mut response = spoken(result.unwrap_or_else(HttpResponse::from_error));
    if response.status() == StatusCode::PRECONDITION_FAILED {
        put(&mut response, "tus-version", headers::VERSION);
    }
    response
}
