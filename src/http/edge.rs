//! What every request passes: a request id, one log line, the error in the reader's language, safe headers.

use super::problem::{self, Language};
use crate::{
    app::App,
    config::basemap::Basemap,
    error::{Code, Error},
};
use actix_web::{
    HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

/// The id of the current request, in its extensions.
#[derive(Clone)]
pub struct RequestId(pub String);

/// Everything is served from here, and nothing else may be loaded; a clip is played before it is uploaded.
const POLICY: &str = "default-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'self'";
/// The documentation's page brings styles and pictures inside its own files.
const DOCS_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                           frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The middleware.
///
/// # Errors
/// What an inner middleware failed with; handlers' failures come as responses.
pub async fn edge(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let app = request.app_data::<web::Data<App>>().expect("the composition root puts App in").clone();
    let id = app.env.id().simple().to_string();
    let started = app.env.now();
    let language = Language::from_header(header_text(&request, header::ACCEPT_LANGUAGE));
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let response = next.call(request).await?;
    let mut response = explain(response, language, &id);
    let status = response.status().as_u16();
    let ms = (app.env.now() - started).num_milliseconds();
    tracing::info!(request_id = %id, %method, %path, status, ms, "request");
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value)
            && !headers.contains_key(name)
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("x-request-id", &id);
    put("x-content-type-options", "nosniff");
    match &app.config.basemap {
        Some(Basemap::Template { origin, .. }) if path.starts_with("/field/") => {
            put("content-security-policy", &format!("{POLICY}; connect-src 'self' {origin}"));
        }
        _ => put("content-security-policy", if path.starts_with("/docs/") { DOCS_POLICY } else { POLICY }),
    }
    put("referrer-policy", "no-referrer");
    if path.starts_with("/api/") {
        put("cache-control", "no-store");
    }
    Ok(response)
}

fn header_text(request: &ServiceRequest, name: HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|v| v.to_str().ok())
}

/// Turns our errors into problems in the reader's language, and the framework's bare 4xx into problems at all.
fn explain(response: ServiceResponse<BoxBody>, language: Language, id: &str) -> ServiceResponse<BoxBody> {
    let ours = response.response().error().and_then(|e| e.as_error::<Error>()).cloned();
    let error = match ours {
        Some(error) => error,
        None => {
            let bare = matches!(response.response().body().size(), actix_web::body::BodySize::None)
                || response.response().body().size().is_eof();
            let status = response.status();
            let foreign = response.response().error().map(ToString::to_string);
            match status {
                _ if !(bare || foreign.is_some()) || status.as_u16() < 400 => return response,
                StatusCode::NOT_FOUND => Code::RouteUnknown.into(),
                StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed.into(),
                StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge.into(),
                _ if status.is_client_error() => match foreign {
                    Some(detail) => Code::ParameterInvalid.with(detail),
                    None => return response,
                },
                _ => Error::internal(foreign.unwrap_or_default()),
            }
        }
    };
    if let Some(cause) = &error.cause {
        let code = error.code.as_str();
        if error.code == Code::Internal {
            tracing::error!(request_id = %id, code, cause, "failed");
        } else {
            tracing::warn!(request_id = %id, code, cause, "refused");
        }
    }
    let mut fresh = problem::response(&error, language, Some(id.to_owned()));
    // Protocol headers that the handler had set stay: a tus client reads them on errors too.
    for (name, value) in response.headers() {
        if !fresh.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            fresh.headers_mut().insert(name.clone(), value.clone());
        }
    }
    if response.response().head().connection_type() == ConnectionType::Close {
        fresh.head_mut().set_connection_type(ConnectionType::Close);
    }
    response.into_response(fresh)
}
