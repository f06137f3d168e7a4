//! Documents for print as answers.

use crate::{
    document::{Document, Format, render},
    error::{Error, Result},
};
use actix_web::{HttpResponse, http::header, web};

/// A printed page brings its own style, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'";

/// The document as a file of that name, which is ASCII and has no ending yet; a page is shown, the others are saved.
///
/// # Errors
/// `internal`, as [`render`].
pub async fn printed(document: Document, format: Format, name: &str) -> Result<HttpResponse> {
    let bytes = web::block(move || render(&document, format)).await.map_err(Error::internal)??;
    let shown = if format == Format::Html { "inline" } else { "attachment" };
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.media_type())
        .insert_header((header::CONTENT_DISPOSITION, format!("{shown}; filename=\"{name}.{}\"", format.extension())));
    if format == Format::Html {
        response.insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY));
    }
    Ok(response.body(bytes))
}
