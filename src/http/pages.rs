//! The web client and the API's documentation, all from the binary.

use crate::error::{Code, Error, Result};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use std::sync::LazyLock;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::redirect("/", "/console/"))
        .service(web::redirect("/console", "/console/"))
        .service(web::redirect("/field", "/field/"))
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new(["/openapi.json"]).validator_url("none")))
        .route("/openapi.json", web::get().to(document))
        .service(web::redirect("/ogc/", "/ogc"))
        .route("/{path:(console|field|assets)/.*}", web::get().to(asset));
}

/// The API's document as text, made when it is first asked for: as a tree it takes megabytes of each HTTP thread.
static DOCUMENT: LazyLock<serde_json::Result<String>> = LazyLock::new(|| super::openapi().to_json());

async fn document() -> Result<HttpResponse> {
    let document = DOCUMENT.as_ref().map_err(Error::internal)?;
    Ok(HttpResponse::Ok().content_type(header::ContentType::json()).body(document.as_str()))
}

async fn asset(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse> {
    let path = if path.ends_with('/') { format!("{path}index.html") } else { path.into_inner() };
    let asset = chengguan_web::asset(&path).ok_or_else(|| Error::from(Code::RouteUnknown))?;
    let etag = format!("\"{}\"", asset.etag.trim_matches('"'));
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, keep));
    if known {
        return Ok(response.finish());
    }
    Ok(response.content_type(asset.media_type).body(asset.bytes.into_owned()))
}
