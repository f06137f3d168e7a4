//! Reading a JSON body: bounded, inflated, free of U+0000, and strict about its shape.

use crate::{
    db::types::holds_nul,
    error::{Code, Error, Result},
};
use actix_web::{
    FromRequest, HttpRequest,
    dev::{Decompress, Payload},
    http::header,
};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

/// The largest JSON body of an ordinary operation, bytes.
pub const ORDINARY: usize = 256 * 1024;

/// A JSON body of at most `LIMIT` bytes after decompression.
pub struct Body<T, const LIMIT: usize = ORDINARY>(pub T);

impl<T: DeserializeOwned + 'static, const LIMIT: usize> FromRequest for Body<T, LIMIT> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(&request, payload, LIMIT).await?;
            Ok(Body(parse(&bytes)?))
        })
    }
}

/// Reads a JSON body's bytes.
///
/// # Errors
/// `media_type_unsupported`, `body_too_large` or `body_interrupted`.
pub async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Vec<u8>> {
    read_as(request, payload, "application/json", limit).await
}

/// Reads a body's bytes of one media type.
///
/// # Errors
/// `media_type_unsupported`, `body_too_large` or `body_interrupted`.
pub async fn read_as(request: &HttpRequest, payload: Payload, media_type: &str, limit: usize) -> Result<Vec<u8>> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(media_type)) {
        return Err(Code::MediaTypeUnsupported.with(media_type));
    }
    let mut stream = Decompress::from_headers(payload, request.headers());
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| Code::BodyInterrupted.with(e.to_string()))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Code::BodyTooLarge.with(format!("{limit} bytes at most")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Parses JSON into the documented shape.
///
/// # Errors
/// `json_malformed` when it is no JSON, `nul_character`, `body_invalid` with the field otherwise.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if holds_nul(bytes) {
        return Err(Code::NulCharacter.into());
    }
    shape(bytes)
}

/// Parses JSON into the documented shape, U+0000 or not.
///
/// # Errors
/// `json_malformed` when it is no JSON, `body_invalid` with the field otherwise.
pub fn shape<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // Serde would read a struct from a list of its values too; no document of ours allows that.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Code::BodyInvalid.with("must be an object"));
    }
    // serde_json calls a list in place of a word a syntax error; whatever is JSON at all has only the wrong shape.
    serde_json::from_slice(bytes).map_err(|e| match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => Code::BodyInvalid.with(e.to_string()),
        Err(_) => Code::JsonMalformed.with(e.to_string()),
    })
}
