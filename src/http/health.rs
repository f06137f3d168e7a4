//! Is the process alive, can it work?

use super::table::Routes;
use crate::{app::App, db::feed, error::Result};
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) fn routes(cfg: &mut Routes) {
    cfg.service(healthz).service(readyz);
}

#[derive(Serialize, ToSchema)]
struct Liveness {
    /// Always `ok`.
    status: &'static str,
    version: &'static str,
    server_time: chrono::DateTime<chrono::Utc>,
}

/// The process answers.
#[utoipa::path(tag = "operation", responses((status = 200, body = Liveness)))]
#[get("/healthz")]
async fn healthz(app: web::Data<App>) -> HttpResponse {
    let health = Liveness { status: "ok", version: env!("CARGO_PKG_VERSION"), server_time: app.env.now() };
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(health)
}

/// The database answers too; 503 when it does not.
#[utoipa::path(tag = "operation", responses((status = 200, body = Liveness), (status = 503)))]
#[get("/readyz")]
async fn readyz(app: web::Data<App>) -> Result<HttpResponse> {
    app.db.read(feed::life).await.map_err(|e| crate::error::Error { code: crate::error::Code::Busy, ..e })?;
    let health = Liveness { status: "ok", version: env!("CARGO_PKG_VERSION"), server_time: app.env.now() };
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(health))
}
