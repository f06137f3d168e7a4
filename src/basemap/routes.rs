//! The HTTP of the base map.

use super::archive::{Part, part};
use crate::{
    app::App,
    config::basemap::{Basemap, TileDatum},
    error::{Code, Error, Result},
    http::{auth::Caller, table::Routes},
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

/// Registers them.
pub fn routes(cfg: &mut Routes) {
    cfg.service(basemap).service(basemap_archive);
}

/// Where the tiles under a map come from; neither, and there are none.
#[derive(Serialize, ToSchema)]
struct BasemapSource {
    /// The address of a raster tile, with `{z}`, `{x}` and `{y}` in web Mercator.
    template: Option<String>,
    /// The address of a PMTiles archive on this server, to be read by ranges.
    archive: Option<String>,
    /// Of the tiles: `wgs84`, `cgcs2000` or `gcj02`.
    datum: String,
    /// What the map must show of its provider and 审图号, at most 200 characters; none without tiles.
    attribution: Option<String>,
}

/// Where the tiles under a map come from.
#[utoipa::path(tag = "grids", responses((status = 200, body = BasemapSource)))]
#[get("/basemap")]
async fn basemap(app: web::Data<App>, caller: Caller) -> Result<web::Json<BasemapSource>> {
    caller.user()?;
    let (template, archive, datum) = match &app.config.basemap {
        Some(Basemap::Template { url, datum, .. }) => (Some(url.clone()), None, *datum),
        Some(Basemap::Archive { datum, .. }) => (None, Some("/api/v1/basemap/archive".to_owned()), *datum),
        None => (None, None, TileDatum::Wgs84),
    };
    let attribution = app.config.basemap.as_ref().and(app.config.map_attribution.clone());
    Ok(web::Json(BasemapSource { template, archive, datum: datum.as_str().to_owned(), attribution }))
}

/// A part of the county's PMTiles archive: the `Range` that was asked for, at most 4 MiB from its first byte.
#[utoipa::path(
    tag = "grids",
    params(("Range" = Option<String>, Header)),
    responses((status = 206, content_type = "application/octet-stream", body = Vec<u8>), (status = 416))
)]
#[get("/basemap/archive")]
async fn basemap_archive(app: web::Data<App>, caller: Caller, request: HttpRequest) -> Result<HttpResponse> {
    caller.user()?;
    let Some(Basemap::Archive { path, .. }) = &app.config.basemap else { return Err(Code::NotFound.into()) };
    let (path, range) = (path.clone(), request.headers().get(header::RANGE).cloned());
    let range = range.and_then(|value| value.to_str().map(str::to_owned).ok());
    let part = tokio::task::spawn_blocking(move || part(&path, range.as_deref())).await.map_err(Error::internal)?;
    let Part { from, length, changed, bytes } = part.map_err(Error::internal)?.ok_or(Code::RangeInvalid)?;
    let last = from + (bytes.len() as u64).saturating_sub(1);
    Ok(HttpResponse::PartialContent()
        .insert_header((header::CONTENT_RANGE, format!("bytes {from}-{last}/{length}")))
        // A reader that sees another one begins anew with the archive's directory.
        .insert_header((header::ETAG, format!("\"{length}-{changed}\"")))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        // Tiles are compressed already, and a range is one of these very bytes.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .content_type("application/octet-stream")
        .body(bytes))
}
