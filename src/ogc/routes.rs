//! `/ogc`: OGC API – Features.

use super::documents::{self, Asked, GEOJSON, MOST, OPENAPI, USUAL};
use crate::{
    app::App,
    error::{Code, Error, Result},
    http::{auth::Caller, parameter::text, table::Routes},
    identity::rules::{CENTRE, text_enum},
    opendata::{
        actions::{self, Wanted},
        rules::{Bounds, Collection, Span},
    },
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

/// Mounts the area at the root: its address is in people's maps, and does not change with the API's version.
pub fn routes(cfg: &mut Routes) {
    cfg.service(ogc_landing)
        .service(ogc_api)
        .service(ogc_conformance)
        .service(ogc_collections)
        .service(ogc_collection)
        .service(ogc_items)
        .service(ogc_item);
}

text_enum! {
    /// What an answer is written as.
    Form {
        /// The only one.
        Json = "json",
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FormOnly {
    /// Some clients ask for it.
    #[serde(rename = "f")]
    _form: Option<Form>,
}

/// The address of the landing page, as the reader reaches it.
fn base(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    format!("{}://{}/ogc", connection.scheme(), connection.host())
}

fn answer(media_type: &str, document: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(media_type)
        .body(document.to_string())
}

fn json(document: &Value) -> HttpResponse {
    answer("application/json", document)
}

fn collection_of(name: &str) -> Result<Collection> {
    name.parse().map_err(|_| Error::not_found("collection"))
}

/// The landing page, where a client begins.
#[utoipa::path(tag = "ogc", params(FormOnly), responses((status = 200, body = Object)))]
#[get("/ogc")]
async fn ogc_landing(request: HttpRequest, caller: Caller, _: web::Query<FormOnly>) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    Ok(json(&documents::landing(&base(&request))))
}

/// This API in OpenAPI 3.0.
#[utoipa::path(
    tag = "ogc",
    params(FormOnly),
    responses((status = 200, body = Object, content_type = "application/vnd.oai.openapi+json;version=3.0"))
)]
#[get("/ogc/api")]
async fn ogc_api(request: HttpRequest, caller: Caller, _: web::Query<FormOnly>) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    Ok(answer(OPENAPI, &documents::openapi(&base(&request))))
}

/// The classes of the standard that are kept to.
#[utoipa::path(tag = "ogc", params(FormOnly), responses((status = 200, body = Object)))]
#[get("/ogc/conformance")]
async fn ogc_conformance(caller: Caller, _: web::Query<FormOnly>) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    Ok(json(&documents::conformance()))
}

/// The collections: cases, sites, spots, grids.
#[utoipa::path(tag = "ogc", params(FormOnly), responses((status = 200, body = Object)))]
#[get("/ogc/collections")]
async fn ogc_collections(request: HttpRequest, caller: Caller, _: web::Query<FormOnly>) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    Ok(json(&documents::collections(&base(&request))))
}

/// One collection.
#[utoipa::path(
    tag = "ogc",
    params(("collection" = String, Path, description = "cases, sites, spots or grids"), FormOnly),
    responses((status = 200, body = Object))
)]
#[get("/ogc/collections/{collection}")]
async fn ogc_collection(
    request: HttpRequest,
    caller: Caller,
    name: web::Path<String>,
    _: web::Query<FormOnly>,
) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    Ok(json(&documents::collection(&base(&request), collection_of(&name)?)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemsAsked {
    /// Features of the page: 100 by default; more than 1000 are 1000.
    limit: Option<i64>,
    /// West,south,east,north in degrees, CRS84; features without a place are in no rectangle.
    bbox: Option<String>,
    /// RFC 3339 moment, date or interval (`a/b`, `a/..`, `../b`).
    datetime: Option<String>,
    /// From the `next` link of the page before.
    cursor: Option<String>,
    /// Some clients ask for it.
    #[serde(rename = "f")]
    _form: Option<Form>,
}

/// Features of a collection, a page at a time.
#[utoipa::path(
    tag = "ogc",
    params(("collection" = String, Path, description = "cases, sites, spots or grids"), ItemsAsked),
    responses((status = 200, body = Object, content_type = "application/geo+json"))
)]
#[get("/ogc/collections/{collection}/items")]
async fn ogc_items(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    name: web::Path<String>,
    asked: web::Query<ItemsAsked>,
) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    let collection = collection_of(&name)?;
    let ItemsAsked { limit, bbox, datetime, cursor, .. } = asked.into_inner();
    let limit = match limit.unwrap_or(USUAL) {
        n @ 1.. => n.min(MOST),
        _ => return Err(Code::ParameterInvalid.with("limit: 1 or more")),
    };
    let cursor = text("cursor", cursor)?;
    let bounds = bbox.as_deref().map(Bounds::read).transpose()?;
    let during = datetime.as_deref().map(Span::read).transpose()?.unwrap_or_default();
    let wanted = Wanted { bounds, during, now: app.env.now(), ..Wanted::default() };
    let after = cursor.clone();
    // Who asks for the first page wants to know how much there is; further pages need not count again.
    let counted = cursor.is_none() && bounds.is_none();
    let (page, matched) = app
        .db
        .read(move |db| {
            let matched = if counted { Some(actions::count(db, collection, &wanted)?) } else { None };
            Ok((actions::page(db, collection, &wanted, after.as_deref(), limit)?, matched))
        })
        .await?;
    let asked = Asked { limit, bbox: bbox.as_deref(), datetime: datetime.as_deref(), cursor: cursor.as_deref() };
    let links = (&asked, page.next.as_deref());
    let document = documents::items(&base(&request), collection, &page.features, links, matched, app.env.now());
    Ok(answer(GEOJSON, &document))
}

/// One feature.
#[utoipa::path(
    tag = "ogc",
    params(
        ("collection" = String, Path, description = "cases, sites, spots or grids"),
        ("feature" = String, Path, description = "the feature's id"),
        FormOnly
    ),
    responses((status = 200, body = Object, content_type = "application/geo+json"))
)]
#[get("/ogc/collections/{collection}/items/{feature}")]
async fn ogc_item(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    path: web::Path<(String, String)>,
    _: web::Query<FormOnly>,
) -> Result<HttpResponse> {
    caller.role(CENTRE)?;
    let (name, id) = path.into_inner();
    let collection = collection_of(&name)?;
    let id = text("feature", Some(id))?.unwrap_or_default();
    let now = app.env.now();
    let feature = app.db.read(move |db| actions::feature(db, collection, &id, now)).await?;
    Ok(answer(GEOJSON, &documents::item(&base(&request), collection, &feature)))
}
