//! What a monitoring system reads: the text format of Prometheus.

use super::table::Routes;
use crate::{app::App, error::Result, evidence::uploads};
use actix_web::{HttpResponse, get, web};

pub(super) fn routes(cfg: &mut Routes) {
    cfg.service(metrics);
}

/// Counters and gauges; counts only, nothing about cases or people. A public proxy should not pass it on.
#[utoipa::path(tag = "operation", responses((status = 200, body = String, content_type = "text/plain")))]
#[get("/metrics")]
async fn metrics(app: web::Data<App>) -> Result<HttpResponse> {
    let text = uploads::metrics_text(&app).await?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(HttpResponse::Ok().insert_header(("Content-Type", kind)).insert_header(("Cache-Control", "no-store")).body(text))
}
