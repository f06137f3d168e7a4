//! Sending originals and thumbnails: from the disk, with flat memory, never under an upload's lock.

use super::{
    custody::actions::Opened,
    poster::{self, PosterError},
    range::{Wanted, wanted},
    rules::OCTETS,
    store::EvidenceRow,
    thumbnail::{self, ThumbnailError},
};
use crate::{
    app::App,
    blob::Source,
    error::{Code, Error, Result},
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{Method, StatusCode, header},
    web::Bytes,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::io::{self, Read, Seek, SeekFrom};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is read and sent at a time, bytes.
const BLOCK: u64 = 128 * 1024;
/// The edges thumbnails are made for, pixels; a request gets the next larger one, so that few variants exist.
const EDGES: [u32; 4] = [160, 320, 640, 1280];
/// What stands in the place of the picture of a video that has none.
const NO_POSTER: &str = "-no-poster.txt";
/// Pixels above which a picture is decoded alone.
const LARGE: u64 = 16_000_000;

/// Bytes that were read back and accepted so recently need no second look before a receipt.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// Makes sure that the original is in the store; says when its bytes were last read back and had the right digest. What
/// was stored long ago is read again: somebody is about to remove the only other copy.
///
/// # Errors
/// `evidence_not_stored`, also when the store has lost or changed it.
pub(super) async fn verified(app: &App, row: &EvidenceRow) -> Result<DateTime<Utc>> {
    let (now, stored_at) = (app.env.now(), row.stored_at.ok_or(Code::EvidenceNotStored)?.0);
    let (originals, sha256) = (app.originals.clone(), row.sha256.clone());
    let fresh = now - stored_at < FRESH;
    let found = blocking(move || {
        if !fresh {
            return originals.verify(&sha256);
        }
        Ok(originals.open(&sha256)?.map(|(_, length)| (sha256, length)))
    });
    let found = found.await?;
    let whole = found
        .as_ref()
        .is_some_and(|(sha256, length)| *sha256 == row.sha256 && i64::try_from(*length).ok() == Some(row.size));
    if !whole {
        tracing::error!(evidence = %row.id, expected = row.sha256, ?found, "a stored original is missing or damaged");
        return Err(Code::EvidenceNotStored.into());
    }
    Ok(if fresh { stored_at } else { now })
}

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
    let (originals, sha256) = (app.originals.clone(), row.sha256.clone());
    let (source, length) = blocking(move || originals.open(&sha256)).await?.ok_or_else(|| missing(row))?;
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
    Ok(response.body(SizedStream::new(to - from, blocks(source, from, to))))
}

fn missing(row: &EvidenceRow) -> Error {
    Error::internal(format!("the original {} is not in its store", row.sha256))
}

/// The bytes `from..to` of an original, a block at a time, as fast as the reader takes them.
fn blocks(source: Source, from: u64, to: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold((Some(source), from), move |(source, at)| async move {
        let mut source = source.filter(|_| at < to)?;
        let read = tokio::task::spawn_blocking(move || {
            let mut block = vec![0; usize::try_from((to - at).min(BLOCK)).unwrap_or_default()];
            source.seek(SeekFrom::Start(at))?;
            source.read_exact(&mut block)?;
            Ok((Bytes::from(block), source))
        });
        match read.await.map_err(io::Error::other).and_then(|read| read) {
            Ok((block, source)) => {
                let next = at + block.len() as u64;
                Some((Ok(block), (Some(source), next)))
            }
            Err(error) => Some((Err(error), (None, to))),
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
    let (originals, sha256, ending) = (app.originals.clone(), row.sha256.clone(), suffix.clone());
    let kept = blocking(move || originals.derived(&sha256, &ending)).await?;
    let picture = match kept {
        Some(picture) => picture,
        None => make(app, row, edge, suffix).await?,
    };
    Ok(response.content_type("image/jpeg").body(picture))
}

/// Decoding a large photo takes hundreds of megabytes for a moment: two at a time, a large one alone.
static DECODERS: Semaphore = Semaphore::const_new(2);

/// A place among those who decode a picture of so many pixels.
pub(super) async fn place_to_decode(pixels: u64) -> Result<SemaphorePermit<'static>> {
    DECODERS.acquire_many(if pixels > LARGE { 2 } else { 1 }).await.map_err(Error::internal)
}

/// A place among those who decode a photo.
pub(super) async fn decoder(row: &EvidenceRow) -> Result<SemaphorePermit<'static>> {
    let fact = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name)).and_then(serde_json::Value::as_u64);
    let pixels = fact("width").unwrap_or(u64::MAX).saturating_mul(fact("height").unwrap_or(1));
    place_to_decode(pixels).await
}

async fn make(app: &App, row: &EvidenceRow, edge: u32, suffix: String) -> Result<Vec<u8>> {
    let named = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name));
    let fact = |name: &str| named(name).and_then(serde_json::Value::as_u64);
    let orientation = fact("orientation").and_then(|o| u8::try_from(o).ok());
    let _place = decoder(row).await?;
    let (originals, sha256, unique) = (app.originals.clone(), row.sha256.clone(), app.env.id().to_string());
    let is_movie = matches!(named("kind").and_then(serde_json::Value::as_str), Some("mp4" | "quicktime" | "three_gp"));
    let film = if is_movie { Some(app.ffmpeg.clone().ok_or(Code::PosterUnavailable)?) } else { None };
    let length_ms = fact("duration_ms");
    let made = tokio::task::spawn_blocking(move || {
        let picture = match film {
            Some(ffmpeg) => {
                // A video without a picture would keep the decoder busy each time somebody looks at a list.
                if let Some(why) = originals.derived(&sha256, NO_POSTER)? {
                    return Err(NoPicture::Known(String::from_utf8_lossy(&why).into_owned()));
                }
                let Some(file) = originals.file(&sha256, &unique)? else { return Ok(None) };
                let poster = poster::make(&ffmpeg, file.path(), length_ms).inspect_err(|error| {
                    if !matches!(error, PosterError::Io(_)) {
                        drop(originals.keep_derived(&sha256, NO_POSTER, &unique, error.to_string().as_bytes()));
                    }
                })?;
                thumbnail::make_from_bytes(&poster, edge, None)?
            }
            None => {
                let Some((mut source, _)) = originals.open(&sha256)? else { return Ok(None) };
                thumbnail::make(&mut source, edge, orientation)?
            }
        };
        // A full disk must not hide a picture that is there.
        if let Err(error) = originals.keep_derived(&sha256, &suffix, &unique, &picture) {
            tracing::warn!(%error, sha256, "a thumbnail could not be kept");
        }
        Ok(Some(picture))
    });
    let made = made.await.map_err(Error::internal)?.map_err(|error: NoPicture| match error {
        NoPicture::Io(error)
        | NoPicture::Photo(ThumbnailError::Io(error))
        | NoPicture::Film(PosterError::Io(error)) => unread(&error),
        other => Code::ThumbnailUnavailable.with(other.to_string()),
    });
    made?.ok_or_else(|| missing(row))
}

/// A store that does not answer now may answer later.
fn unread(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::HostUnreachable => Error { cause: Some(error.to_string()), ..Code::Busy.into() },
        _ => Error::internal(error),
    }
}

#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Photo(#[from] ThumbnailError),
    #[error(transparent)]
    Film(#[from] PosterError),
    #[error("{0}")]
    Known(String),
}

pub(super) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(Error::internal)?.map_err(|error| unread(&error))
}

fn put(response: &mut HttpResponse, name: header::HeaderName, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
