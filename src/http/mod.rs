//! The HTTP edge: the route table, and nothing about the trade.

pub mod auth;
pub mod body;
pub mod edge;
mod health;
pub mod intake;
mod metrics;
mod pages;
pub mod parameter;
pub mod print;
pub mod problem;
pub mod server;
pub mod table;
mod unknown;

use crate::error::{Code, Error};
use actix_web::web;
use table::Routes;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Content, OpenApi, Ref, ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_actix_web::{AppExt, scope, service_config::ServiceConfig};

/// Every route of the API.
fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::scope(API).configure(|cfg| areas(&mut Routes::Served(cfg))));
    beside(&mut Routes::Served(cfg));
}

fn documented(cfg: &mut ServiceConfig) {
    cfg.service(scope::scope(API).configure(|cfg: &mut ServiceConfig| areas(&mut Routes::Documented(cfg))));
    beside(&mut Routes::Documented(cfg));
}

const API: &str = "/api/v1";

fn beside(cfg: &mut Routes) {
    cfg.configure(crate::ogc::routes::routes)
        .configure(crate::open311::routes::routes)
        .configure(health::routes)
        .configure(metrics::routes);
}

fn areas(cfg: &mut Routes) {
    crate::identity::routes::routes(cfg);
    crate::calendar::routes::routes(cfg);
    crate::catalogue::routes::routes(cfg);
    crate::grids::routes::routes(cfg);
    crate::basemap::routes::routes(cfg);
    crate::spots::routes::routes(cfg);
    crate::cases::routes::routes(cfg);
    crate::city::routes::routes(cfg);
    crate::statistics::routes::routes(cfg);
    crate::workbench::routes::routes(cfg);
    crate::spotchecks::routes::routes(cfg);
    crate::supervision::routes::routes(cfg);
    crate::merits::routes::routes(cfg);
    crate::assessment::routes::routes(cfg);
    crate::selfeval::routes::routes(cfg);
    crate::clips::routes::routes(cfg);
    crate::opendata::routes::routes(cfg);
    crate::open311::routes::centre_routes(cfg);
    crate::sync::routes::routes(cfg);
    crate::evidence::routes::routes(cfg);
    crate::captures::routes::routes(cfg);
    crate::tlog::routes::routes(cfg);
}

/// The OpenAPI document of all routes, as `api-spec/openapi.json` holds it.
pub fn openapi() -> OpenApi {
    let (_, mut api) = actix_web::App::new().into_utoipa_app().configure(documented).split_for_parts();
    api.info = utoipa::openapi::InfoBuilder::new()
        .title("chengguan")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Field-sync platform of a county's urban management. Errors are RFC 9457 problems; see problems.md. \
             Sync semantics: sync.md.",
        ))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = api.components.get_or_insert_default();
    components.security_schemes.insert("bearer".to_owned(), bearer.into());
    components.schemas.insert("Problem".to_owned(), problem::Problem::schema());
    components.schemas.insert("FileFault".to_owned(), crate::error::FileFault::schema());
    // What only parameters name is not collected from them.
    macro_rules! named {
        ($($schema:ty),*) => {$(
            components.schemas.insert(<$schema>::name().into_owned(), <$schema>::schema());
        )*};
    }
    named!(
        crate::cases::routes::CaseOrder,
        crate::catalogue::sheets::TableFormat,
        crate::document::Format,
        crate::ogc::routes::Form,
        crate::opendata::routes::ExportFormat,
        crate::spotchecks::library::files::SiteFormat,
        crate::statistics::rules::Figure
    );
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let refusal = ResponseBuilder::new().description("A refusal").content("application/problem+json", content).build();
    for item in api.paths.paths.values_mut() {
        // A handler of both GET and HEAD has one name, but the document needs two.
        if let (Some(get), Some(head)) = (&item.get, &mut item.head)
            && get.operation_id == head.operation_id
        {
            head.operation_id = head.operation_id.take().map(|name| name + "_head");
        }
        let (common, rare) = ([&mut item.get, &mut item.put, &mut item.post], [&mut item.delete, &mut item.head]);
        let operations = common.into_iter().chain(rare).chain([&mut item.patch, &mut item.options]);
        for operation in operations.flatten() {
            operation.responses.responses.insert("default".to_owned(), refusal.clone().into());
            if !operation.operation_id.as_deref().is_some_and(|name| PUBLIC.contains(&name)) {
                operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
            }
        }
    }
    api
}

/// The operations that take no token: those that give one, the one whose messages the city signs, those that have keys of
/// their own by the standard they follow, what a tus client asks first, what proves something to somebody outside, and the
/// two that a supervisor of processes asks.
const PUBLIC: &[&str] = &[
    "setup",
    "login",
    "refresh",
    "device_enrol",
    "upload_options",
    "sync_receipt_key",
    "city_message_post",
    "open311_discovery",
    "open311_services",
    "open311_service",
    "open311_token",
    "open311_request_page",
    "open311_request_post",
    "open311_request_get",
    "open311_updates",
    "draw_verifier",
    "log_key",
    "log_checkpoint",
    "log_proof",
    "log_consistency",
    "evidence_bytes",
    "evidence_bytes_head",
    "healthz",
    "metrics",
    "readyz",
];

/// Bare paths, wrong parameters: our problems instead of the framework's text.
fn parameter_errors(cfg: &mut web::ServiceConfig) {
    cfg.app_data(web::PathConfig::default().error_handler(|_, _| Error::from(Code::NotFound).into())).app_data(
        web::QueryConfig::default().error_handler(|error, _| Code::ParameterInvalid.with(error.to_string()).into()),
    );
}
