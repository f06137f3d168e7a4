//! `/open311/v2`: GeoReport v2; and `/api/v1/open311`: whom the Centre may ask.

use super::{
    actions,
    documents::{self, Document},
    rules::{self, Asked, Fault, Fields, MOST, PER_MINUTE, Refusal, Told},
};
use crate::{
    app::App,
    catalogue::{self, rules::CaseClass},
    db::types::CaseId,
    error::Result,
    http::{auth::Caller, body, problem, table::Routes},
    identity::rules::Role,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, get,
    http::{StatusCode, header},
    post, web,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Mounts the standard's paths at the root.
pub fn routes(cfg: &mut Routes) {
    cfg.service(open311_discovery)
        .service(open311_services)
        .service(open311_service)
        .service(open311_token)
        .service(open311_request_page)
        .service(open311_request_post)
        .service(open311_request_get)
        .service(open311_updates);
}

/// Mounts what the Centre sees under `/api/v1`.
pub fn centre_routes(cfg: &mut Routes) {
    cfg.service(open311_contact);
}

/// The largest report, bytes: 4000 characters in the form's coding, and the rest.
const LARGEST: usize = 128 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// The address of the facade, as the reader reaches it.
fn base(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    format!("{}://{}/open311/v2", connection.scheme(), connection.host())
}

/// Answers in the form that the path's ending names, refusals too.
fn answer(format: &str, status: StatusCode, outcome: Result<Document, Refusal>) -> HttpResponse {
    let (status, document) = match outcome {
        Ok(document) => (status, document),
        Err(refusal) => {
            let fault = fault_of(refusal);
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, documents::errors(&fault))
        }
    };
    let mut response = HttpResponseBuilder::new(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.insert_header((header::RETRY_AFTER, "10"));
    }
    if format == "xml" {
        response.content_type("text/xml; charset=utf-8").body(document.xml())
    } else {
        response.content_type("application/json; charset=utf-8").body(document.json())
    }
}

fn fault_of(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Fault(fault) => fault,
        Refusal::Error(error) => {
            if error.cause.is_some() {
                tracing::error!(code = error.code.as_str(), cause = ?error.cause, "an Open311 request failed");
            }
            let (status, chinese, _) = problem::catalogue(error.code);
            let detail = error.detail.map(|detail| format!("（{detail}）")).unwrap_or_default();
            // The standard knows 400 for whatever is wrong with a report.
            let status = if status == 422 { 400 } else { status };
            Fault::new(status, format!("{chinese}{detail}"))
        }
    }
}

/// The fields of the query, when there is a facade and the question is about this county.
fn asked(app: &App, request: &HttpRequest) -> Result<Fields, Refusal> {
    if app.config.open311_keys.is_empty() {
        return Err(Fault::new(404, "本平台未启用 Open311 接口").into());
    }
    let fields = Fields::read(request.query_string().as_bytes())?;
    fields.jurisdiction()?;
    Ok(fields)
}

async fn classes(app: &App) -> Result<Cow<'static, [CaseClass]>> {
    Ok(app.db.read(|db| catalogue::actions::classes(db, None)).await?.1)
}

/// Where the facade is and what it speaks (Open311 service discovery).
#[utoipa::path(
    tag = "open311",
    params(("format" = String, Path, description = "json or xml")),
    responses((status = 200, content((Object = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/discovery.{format:json|xml}")]
async fn open311_discovery(app: web::Data<App>, request: HttpRequest, format: web::Path<String>) -> HttpResponse {
    let outcome = asked(&app, &request).map(|_| documents::discovery(&base(&request)));
    answer(&format, StatusCode::OK, outcome)
}

/// The services: the classes of the catalogue in force. `jurisdiction_id` may be 431221.
#[utoipa::path(
    tag = "open311",
    params(("format" = String, Path, description = "json or xml")),
    responses((status = 200, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/services.{format:json|xml}")]
async fn open311_services(app: web::Data<App>, request: HttpRequest, format: web::Path<String>) -> HttpResponse {
    let outcome = async {
        asked(&app, &request)?;
        Ok(documents::services(&classes(&app).await?))
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// What a report of a service may say more: which of the filing conditions holds (`attribute[condition]`).
#[utoipa::path(
    tag = "open311",
    params(
        ("code" = String, Path, description = "service_code"),
        ("format" = String, Path, description = "json or xml")
    ),
    responses((status = 200, content((Object = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/services/{code}.{format:json|xml}")]
async fn open311_service(app: web::Data<App>, request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (code, format) = path.into_inner();
    let outcome = async {
        asked(&app, &request)?;
        Ok(documents::service(rules::service(&classes(&app).await?, &code)?))
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// The number behind a token. Reports get their number at once, so a token is only the case's id.
#[utoipa::path(
    tag = "open311",
    params(
        ("token" = String, Path, description = "the case's id"),
        ("format" = String, Path, description = "json or xml")
    ),
    responses((status = 200, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/tokens/{token}.{format:json|xml}")]
async fn open311_token(app: web::Data<App>, request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (token, format) = path.into_inner();
    let outcome = async {
        asked(&app, &request)?;
        let unknown = || Fault::new(404, format!("没有 token {token}"));
        let id: CaseId = token.parse().map_err(|_| unknown())?;
        let number = app.db.read(move |db| actions::number_of(db, id)).await?.ok_or_else(unknown)?;
        Ok(documents::token(&number, &token))
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// What came by Open311, newest first, 1000 at most: with these `service_request_id`s, or of these `service_code`s, with
/// this `status` (`open`, `closed`), from `start_date` to `end_date` (90 days at most; the last 90 days by default).
#[utoipa::path(
    tag = "open311",
    params(("format" = String, Path, description = "json or xml")),
    responses((status = 200, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/requests.{format:json|xml}")]
async fn open311_request_page(app: web::Data<App>, request: HttpRequest, format: web::Path<String>) -> HttpResponse {
    let outcome = async {
        let asked = Asked::read(&asked(&app, &request)?, app.env.now())?;
        Ok(documents::requests(&app.db.read(move |db| actions::requests(db, &asked, MOST)).await?))
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// One request, by its number.
#[utoipa::path(
    tag = "open311",
    params(
        ("id" = String, Path, description = "service_request_id"),
        ("format" = String, Path, description = "json or xml")
    ),
    responses((status = 200, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/requests/{id}.{format:json|xml}")]
async fn open311_request_get(
    app: web::Data<App>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (id, format) = path.into_inner();
    let outcome = async {
        asked(&app, &request)?;
        let unknown = Fault::new(404, format!("没有 service_request_id {id}"));
        if id.contains('\0') {
            return Err(unknown.into());
        }
        let now = app.env.now();
        let only = Asked { numbers: vec![id], ..Asked::read(&Fields::default(), now)? };
        let found = app.db.read(move |db| actions::requests(db, &only, 1)).await?;
        if found.is_empty() { Err(unknown.into()) } else { Ok(documents::requests(&found)) }
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// What became of the requests (the updates extension of FixMyStreet): the steps between `start_date` and `end_date`, oldest
/// first, 1000 at most; further ones from the last `updated_datetime` on, known again by `update_id`. `description` is a
/// fixed text for each step, `extended_attributes` has the stage. By default those of the last 90 days.
#[utoipa::path(
    tag = "open311",
    params(("format" = String, Path, description = "json or xml")),
    responses((status = 200, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[get("/open311/v2/servicerequestupdates.{format:json|xml}")]
async fn open311_updates(app: web::Data<App>, request: HttpRequest, format: web::Path<String>) -> HttpResponse {
    let outcome = async {
        let span = rules::span(&asked(&app, &request)?, app.env.now())?;
        Ok(documents::updates(&app.db.read(move |db| actions::updates(db, span, MOST)).await?))
    };
    answer(&format, StatusCode::OK, outcome.await)
}

/// Report something: `api_key`, `service_code`, a place (`lat` and `long` in WGS-84, `address_string` or `address_id`),
/// `description`, `attribute[condition]`, `media_url`, and whom to ask (`email`, `phone`, `first_name`, `last_name`,
/// `device_id`, `account_id`), as a form.
#[utoipa::path(
    tag = "open311",
    params(("format" = String, Path, description = "json or xml")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 201, content((Vec<Object> = "application/json"), (String = "text/xml"))))
)]
#[post("/open311/v2/requests.{format:json|xml}")]
async fn open311_request_post(
    app: web::Data<App>,
    request: HttpRequest,
    format: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let outcome = take(&app, &request, payload).await;
    answer(&format, StatusCode::CREATED, outcome)
}

async fn take(app: &App, request: &HttpRequest, payload: web::Payload) -> Result<Document, Refusal> {
    let query = asked(app, request)?;
    let form = Fields::read(&body::read_as(request, payload.into_inner(), FORM, LARGEST).await?)?;
    form.jurisdiction()?;
    let holder = rules::key_holder(&app.config.open311_keys, form.get("api_key").or_else(|| query.get("api_key")))?;
    let told = Told::read(&form, &classes(app).await?)?;
    let account = told.contact.account_id.clone();
    let number = app.db.write(move |tx| actions::report(tx, &holder, told)).await?;
    let often = || Fault::new(429, format!("每分钟不超过 {PER_MINUTE} 件，请稍后再试"));
    let number = number.ok_or_else(often)?;
    Ok(documents::accepted(&number, account.as_deref()))
}

/// What was told by Open311, and by whom.
#[derive(Serialize, ToSchema)]
struct Open311Contact {
    case_id: CaseId,
    /// The name of the key it came with.
    api_key: String,
    service_code: String,
    description: String,
    media_url: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    device_id: Option<String>,
    account_id: Option<String>,
    received_at: DateTime<Utc>,
}

/// Whom to ask about a case that came by Open311. Who looks is logged.
#[utoipa::path(
    tag = "open311",
    params(("id" = CaseId, Path, description = "the case")),
    responses((status = 200, body = Open311Contact))
)]
#[get("/open311/requests/{id}")]
async fn open311_contact(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<CaseId>,
) -> Result<web::Json<Open311Contact>> {
    let who = caller.role(&[Role::Dispatcher])?;
    let row = app.db.read(move |db| actions::request_get(db, *id)).await?;
    tracing::info!(user = %who.user_id, case = %row.case_id, "the contact of a reporter is shown");
    Ok(web::Json(Open311Contact {
        case_id: row.case_id,
        api_key: row.api_key,
        service_code: row.service_code,
        description: row.description,
        media_url: row.media_url,
        email: row.email,
        phone: row.phone,
        first_name: row.first_name,
        last_name: row.last_name,
        device_id: row.device_id,
        account_id: row.account_id,
        received_at: row.received_at.0,
    }))
}
