//! The HTTP edge: the route table, and nothing about the trade.

pub mod auth;
pub mod body;
pub mod edge;
mod health;
mod pages;
pub mod problem;
pub mod server;

use crate::error::{Code, Error};
use actix_web::web;
use utoipa::openapi::{
    OpenApi,
    security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_actix_web::{AppExt, scope, service_config::ServiceConfig};

/// Every documented route.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(scope::scope("/api/v1").configure(areas)).configure(health::routes);
}

fn areas(cfg: &mut ServiceConfig) {
    crate::identity::routes::routes(cfg);
    crate::cases::routes::routes(cfg);
    crate::spotchecks::routes::routes(cfg);
    crate::sync::routes::routes(cfg);
}

/// The OpenAPI document of all routes, as `api-spec/openapi.json` holds it.
pub fn openapi() -> OpenApi {
    let (_, mut api) = actix_web::App::new().into_utoipa_app().configure(routes).split_for_parts();
    api.info = utoipa::openapi::InfoBuilder::new()
        .title("chengguan")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Field-sync platform of a county's urban management. Errors are RFC 9457 problems; see problems.md. \
             Sync semantics: sync.md.",
        ))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    api.components.get_or_insert_default().security_schemes.insert("bearer".to_owned(), bearer.into());
    api
}

/// Bare paths, wrong parameters: our problems instead of the framework's text.
fn parameter_errors(cfg: &mut web::ServiceConfig) {
    cfg.app_data(web::PathConfig::default().error_handler(|_, _| Error::from(Code::NotFound).into())).app_data(
        web::QueryConfig::default().error_handler(|error, _| Code::ParameterInvalid.with(error.to_string()).into()),
    );
}
