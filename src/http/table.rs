//! What an area adds its routes to: the server's own table, or the one that writes the OpenAPI document beside.

use actix_web::{dev::HttpServiceFactory, web};
use utoipa_actix_web::{OpenApiFactory, service_config::ServiceConfig};

/// The table. A worker serves it without the document, which would cost each of them megabytes and a part of its start.
pub enum Routes<'a, 's> {
    /// Requests are served from it.
    Served(&'a mut web::ServiceConfig),
    /// The document is written from it.
    Documented(&'a mut ServiceConfig<'s>),
}

impl Routes<'_, '_> {
    /// Adds one operation.
    pub fn service<F: HttpServiceFactory + OpenApiFactory + 'static>(&mut self, operation: F) -> &mut Self {
        match self {
            Routes::Served(table) => drop(table.service(operation)),
            Routes::Documented(table) => drop(table.service(operation)),
        }
        self
    }

    /// Adds the operations of a part.
    pub fn configure(&mut self, part: impl FnOnce(&mut Routes)) -> &mut Self {
        part(self);
        self
    }
}
