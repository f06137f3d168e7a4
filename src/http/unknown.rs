//! The answer to a request that no route takes: 405 where the path is documented with other methods, 404 elsewhere.

use crate::error::{Code, Error};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
};
use std::sync::LazyLock;
use utoipa::openapi::PathItem;

/// Each documented path in its segments, and its methods as `Allow` lists them.
static DOCUMENTED: LazyLock<Vec<(Vec<String>, String)>> = LazyLock::new(|| {
    let paths = super::openapi().paths.paths;
    paths.into_iter().map(|(path, item)| (path.split('/').map(str::to_owned).collect(), methods(&item))).collect()
});

fn methods(item: &PathItem) -> String {
    let documented = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
        ("OPTIONS", &item.options),
    ];
    let names = documented.into_iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| name);
    names.collect::<Vec<_>>().join(", ")
}

/// The default service.
pub(super) async fn unknown(request: HttpRequest) -> HttpResponse {
    let Some((_, allowed)) = DOCUMENTED.iter().find(|(segments, _)| is_at(segments, request.path())) else {
        return HttpResponse::from_error(Error::from(Code::RouteUnknown));
    };
    let mut response = HttpResponse::from_error(Error::from(Code::MethodNotAllowed));
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

fn is_at(segments: &[String], path: &str) -> bool {
    let mut theirs = path.split('/');
    let all = segments.iter().all(|our| theirs.next().is_some_and(|their| our == their || our.starts_with('{')));
    all && theirs.next().is_none()
}
