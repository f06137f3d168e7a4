//! Sending originals and thumbnails: from the disk, with flat memory, never under an upload's lock.

use super::{
    custody::actions::Opened,
    range::{Wanted, wanted},
    rules::OCTETS,
    store::EvidenceRow,
    thumbnail::{self, ThumbnailError},
};
use crate::{
    app::App,
    error::{Code, Error, Result},
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{Method, StatusCode, header},
    web::Bytes,
};
use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is read and sent at a time, bytes.
const BLOCK: u64 = 128 * 1024;
/// The edges thumbnails are made for, pixels; a request gets the next larger one, so that few variants exist.
const EDGES: [u32; 4] = [160, 320, 640, 1280];
/// Pixels above which a picture is decoded alone.
const LARGE: u64 = 16_000_000;

/// The original, whole or in part.
///
/// # Errors
/// `range_invalid`.
pub(super) async fn original(app: &App, request: &HttpRequest, opened: &Opened) -> Result<HttpResponse> {
    let row = opened.row();
    let etag = format!("\"{}\"", row.sha256);
    if matches(request, header::IF_NONE_MATCH, &etag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, etag))
            .insert_header((header::CACHE_CONTROL, caching(opened)))
            .finish());
    }
    let path = app.blobs.original(&row.sha256);
    let (file, length) = blocking(move || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    })
    .await?;
    let range = request.headers().get(header::RANGE).and_then(|v| v.to_str().ok());
    // A range of a file that changed meanwhile would be stitched to other bytes: `If-Range` asks for all of it then.
    let fresh = !request.headers().contains_key(header::IF_RANGE) || matches(request, header::IF_RANGE, &etag);
    let wanted = wanted(range.filter(|_| fresh && request.method() == Method::GET), length);
    let (status, from, to) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, length),
        Wanted::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        Wanted::Outside => {
            let mut response = HttpResponse::from_error(Error::from(Code::RangeInvalid));
            put(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
            return Ok(response);
        }
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, etag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, caching(opened)))
        .insert_header((header::CONTENT_TYPE, served_type(row)))
        .insert_header((header::CONTENT_DISPOSITION, disposition(row)))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
    if !["image/", "video/"].iter().any(|kind| served_type(row).starts_with(kind)) {
        // Keeps the compressing middleware away, as those types do: lengths and ranges are those of the original.
        response.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        response.insert_header((header::CONTENT_RANGE, format!("bytes {from}-{}/{length}", to - 1)));
    }
    if request.method() == Method::HEAD {
        return Ok(response.body(SizedStream::new(length, futures_util::stream::empty::<io::Result<Bytes>>())));
    }
    Ok(response.body(SizedStream::new(to - from, blocks(Arc::new(file), from, to))))
}

/// The bytes `from..to` of a file, a block at a time, as fast as the reader takes them.
fn blocks(file: Arc<File>, from: u64, to: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(from, move |at| {
        let file = file.clone();
        async move {
            if at >= to {
                return None;
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; usize::try_from((to - at).min(BLOCK)).unwrap_or_default()];
                file.read_exact_at(&mut block, at).map(|()| Bytes::from(block))
            });
            let block = read.await.map_err(io::Error::other).and_then(|block| block);
            let next = block.as_ref().map_or(to, |block| at + block.len() as u64);
            Some((block, next))
        }
    })
}

/// A reader's own copy is asked about each time; of what is restricted there is none.
fn caching(opened: &Opened) -> &'static str {
    if opened.is_restricted() { "private, no-store" } else { "private, no-cache" }
}

fn matches(request: &HttpRequest, name: header::HeaderName, etag: &str) -> bool {
    let value = request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag)
}

/// The type that the first bytes told: a fixed list without anything a browser would run.
fn served_type(row: &EvidenceRow) -> String {
    let told = row.facts.as_ref().and_then(|f| f.0.get("media_type")).and_then(|v| v.as_str());
    told.unwrap_or(OCTETS).to_owned()
}

/// An attachment under the shown name, for old readers in ASCII and for all others in UTF-8 (RFC 5987).
fn disposition(row: &EvidenceRow) -> String {
    let name = row.filename.clone().unwrap_or_else(|| row.sha256.clone());
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// A small upright JPEG; made once, kept beside the originals.
///
/// # Errors
/// `thumbnail_unavailable`.
pub(super) async fn small(app: &App, request: &HttpRequest, opened: &Opened, edge: u32) -> Result<HttpResponse> {
    let row = opened.row();
    let edge = EDGES.into_iter().find(|e| *e >= edge).unwrap_or(EDGES[3]);
    let etag = format!("\"{}-{edge}\"", row.sha256);
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, etag.clone())).insert_header((header::CACHE_CONTROL, caching(opened)));
    if matches(request, header::IF_NONE_MATCH, &etag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let suffix = format!("-{edge}.jpg");
    let (disk, sha256, ending) = (app.blobs.clone(), row.sha256.clone(), suffix.clone());
    let kept = blocking(move || Ok(disk.derived(&sha256, &ending))).await?;
    let picture = match kept {
        Some(picture) => picture,
        None => make(app, row, edge, suffix).await?,
    };
    Ok(response.content_type("image/jpeg").body(picture))
}

/// Decoding a large photo takes hundreds of megabytes for a moment: two at a time, a large one alone.
static DECODERS: Semaphore = Semaphore::const_new(2);

/// A place among those who decode a photo.
pub(super) async fn decoder(row: &EvidenceRow) -> Result<SemaphorePermit<'static>> {
    let fact = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name)).and_then(serde_json::Value::as_u64);
    let pixels = fact("width").unwrap_or(u64::MAX).saturating_mul(fact("height").unwrap_or(1));
    DECODERS.acquire_many(if pixels > LARGE { 2 } else { 1 }).await.map_err(Error::internal)
}

async fn make(app: &App, row: &EvidenceRow, edge: u32, suffix: String) -> Result<Vec<u8>> {
    let fact = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name)).and_then(serde_json::Value::as_u64);
    let orientation = fact("orientation").and_then(|o| u8::try_from(o).ok());
    let _place = decoder(row).await?;
    let (disk, sha256, unique) = (app.blobs.clone(), row.sha256.clone(), app.env.id().to_string());
    let made = tokio::task::spawn_blocking(move || {
        let picture = thumbnail::make(&disk.original(&sha256), edge, orientation)?;
        // A full disk must not hide a picture that is there.
        if let Err(error) = disk.keep_derived(&sha256, &suffix, &unique, &picture) {
            tracing::warn!(%error, sha256, "a thumbnail could not be kept");
        }
        Ok(picture)
    });
    made.await.map_err(Error::internal)?.map_err(|error: ThumbnailError| match error {
        ThumbnailError::Io(error) => Error::internal(error),
        other => Code::ThumbnailUnavailable.with(other.to_string()),
    })
}

pub(super) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(Error::internal)?.map_err(Error::internal)
}

fn put(response: &mut HttpResponse, name: header::HeaderName, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
