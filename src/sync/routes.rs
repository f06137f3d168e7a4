//! Sync over HTTP.

use super::{
    engine,
    ledger::{self, Ledger},
    pull::{self, RESTORED, SnapshotOf},
    record::{Push, Read},
    source,
    wire::{
        Changes, EpochRequest, EpochResponse, MAX_OPS, MAX_PUSH_BYTES, PROTOCOL, PushRequest, PushResponse,
        RawResponse, Snapshot, Status,
    },
};
use crate::{
    app::App,
    db::{Database, feed},
    error::{Code, Error, Result},
    http::{
        auth::Caller,
        body::{self, Body},
        table::Routes,
    },
    identity::tokens::{hex, sha256},
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(sync_push)
        .service(sync_epoch)
        .service(sync_raw)
        .service(sync_changes)
        .service(sync_snapshot)
        .service(sync_events)
        .configure(super::centre::routes::routes);
}

/// The largest body of `raw`, bytes.
const MAX_RAW_BYTES: usize = 4 * 1024 * 1024;
/// The longest wait for changes, seconds: shorter than what proxies cut.
const MAX_WAIT_S: u64 = 25;

/// Bring operations home. Answers 200 whatever became of each one.
#[utoipa::path(tag = "sync", request_body = PushRequest, responses((status = 200, body = PushResponse)))]
#[post("/sync/push")]
async fn sync_push(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<PushResponse>> {
    let signer = app.verified.device(&app, &request).await?;
    let bytes = body::read(&request, payload.into_inner(), MAX_PUSH_BYTES).await?;
    let asked = envelope(&bytes)?;
    if asked.device != signer.device {
        return Err(Code::BodyInvalid.with("device: is not the sender"));
    }
    let push = Push::of(asked, signer.key, sha256(&bytes), &app.keys);
    let pushed = app.pushes.push(Read::new(push)).await?;
    Ok(web::Json(pushed.token.push_taken(&app.keys, app.env.now(), pushed.results, pushed.missing_seqs)))
}

fn envelope(bytes: &[u8]) -> Result<PushRequest> {
    // U+0000 inside an operation refuses that operation alone, so the envelope is parsed without that check.
    let push: PushRequest = body::shape(bytes)?;
    if push.protocol != PROTOCOL {
        return Err(Code::BodyInvalid.with(format!("protocol: this server speaks {PROTOCOL}")));
    }
    if push.ops.len() > MAX_OPS {
        return Err(Code::BodyTooLarge.with(format!("ops: at most {MAX_OPS}")));
    }
    if push.app.chars().count() > 64 || push.app.contains('\0') {
        return Err(Code::BodyInvalid.with("app: at most 64 characters, no U+0000"));
    }
    if push.attempt < 1 {
        return Err(Code::BodyInvalid.with("attempt: from 1"));
    }
    Ok(push)
}

/// Begin a new epoch: the device's store is a copy of one that went on, or it is new.
#[utoipa::path(tag = "sync", request_body = EpochRequest, responses((status = 200, body = EpochResponse)))]
#[post("/sync/epoch")]
async fn sync_epoch(app: web::Data<App>, caller: Caller, body: Body<EpochRequest>) -> Result<web::Json<EpochResponse>> {
    let device = caller.device()?.id;
    let token = app.db.write(move |tx| engine::begin_epoch(&mut Ledger::new(tx), device, &body.0)).await?;
    Ok(web::Json(token.epoch_begun(&app.keys, app.env.now())))
}

/// Keep bytes that nothing here could read as an operation, for a person to look at.
#[utoipa::path(
    tag = "sync",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = RawResponse))
)]
#[post("/sync/raw")]
async fn sync_raw(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<RawResponse>> {
    let device = caller.device()?.id;
    let bytes = body::read_as(&request, payload.into_inner(), "application/octet-stream", MAX_RAW_BYTES).await?;
    if bytes.is_empty() {
        return Err(Code::BodyInvalid.with("there are no bytes"));
    }
    let digest = hex(&sha256(&bytes));
    app.db.write(move |tx| ledger::raw_keep(tx, device, Code::OpMalformed, &bytes)).await?;
    Ok(web::Json(RawResponse { status: Status::Quarantined, sha256: digest }))
}

#[derive(Deserialize, IntoParams)]
struct From {
    /// Where the last page ended, or a snapshot's cursor.
    cursor: String,
    /// 1–1000, 500 by default.
    limit: Option<i64>,
    /// Wait up to so many seconds, at most 25, when there is nothing yet.
    wait: Option<u64>,
    /// 1 asks for digests on a last page.
    digest: Option<u8>,
    /// The protocol the client reads, 1 by default.
    protocol: Option<u32>,
    /// Name and version of the program, `pwa/2.4.1`.
    app: Option<String>,
}

/// Refuses a client that is too old to understand what it would read. What it has made is still taken: see [`sync_push`].
fn readable(app: &App, protocol: Option<u32>, client: Option<&str>) -> Result<()> {
    if !matches!(protocol, None | Some(PROTOCOL)) {
        return Err(Code::ProtocolUnsupported.with(format!("this server speaks {PROTOCOL}")));
    }
    match client {
        Some(client) if app.config.min_app.refuses(client) => {
            Err(Code::ProtocolUnsupported.with(format!("{client} is too old")))
        }
        _ => Ok(()),
    }
}

/// What changed since a cursor, for this reader's eyes.
#[utoipa::path(tag = "sync", params(From), responses((status = 200, body = Changes)))]
#[get("/sync/changes")]
async fn sync_changes(app: web::Data<App>, caller: Caller, from: web::Query<From>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let From { cursor: prev, limit, wait, digest, protocol, app: client } = from.into_inner();
    readable(&app, protocol, client.as_deref())?;
    let limit = limit.unwrap_or(500);
    if !(1..=pull::MAX_LIMIT).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–1000"));
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.unwrap_or(0).min(MAX_WAIT_S));
    let mut head = app.watcher.listen();
    let (page, now) = loop {
        head.mark_unchanged();
        let (inner, after, who, now) = (app.clone(), prev.clone(), who.clone(), app.env.now());
        let page = app
            .db
            .read(move |db| {
                db.snapshot(|db| {
                    let reader = source::reader(db, who)?;
                    pull::changes(db, &inner.keys, &reader, &after, limit, digest == Some(1), now)
                })
            })
            .await;
        let page = heal(&app.db, page).await?;
        let rung = page.changes.is_empty() && !page.has_more && tokio::time::Instant::now() < deadline;
        if !rung || tokio::time::timeout_at(deadline, head.changed()).await.is_err() {
            break (page, now);
        }
    };
    Ok(fresh(&page.answer(prev, now)))
}

/// A cursor of a life of the data that nobody here remembers begins a new one, so that the devices send again what that
/// life had answered.
async fn heal<T>(db: &Database, page: Result<T>) -> Result<T> {
    match &page {
        Err(error) if error.cause.as_deref() == Some(RESTORED) => {
            tracing::warn!("{RESTORED}");
            db.write(|tx| feed::begin_generation(tx, "").map(drop)).await?;
            Err(Code::GenerationChanged.into())
        }
        _ => page,
    }
}

/// An answer that no cache between may keep: the same address means another page tomorrow.
fn fresh(body: &impl serde::Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(json) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("application/json")
            .body(json),
        Err(error) => HttpResponse::from_error(Error::internal(error)),
    }
}

#[derive(Deserialize, IntoParams)]
struct SnapshotQuery {
    /// `next_page` of the page before; absent for the first.
    page: Option<String>,
    /// A cursor of other keys: only what it does not know is asked for, and reading goes on from it.
    since: Option<String>,
    /// Only what these keys show, separated by commas; goes with `since`.
    keys: Option<String>,
    /// The protocol the client reads, 1 by default.
    protocol: Option<u32>,
    /// Name and version of the program, `pwa/2.4.1`.
    app: Option<String>,
}

/// What this reader may see, page by page, and the cursor to go on from.
#[utoipa::path(tag = "sync", params(SnapshotQuery), responses((status = 200, body = Snapshot)))]
#[get("/sync/snapshot")]
async fn sync_snapshot(app: web::Data<App>, caller: Caller, query: web::Query<SnapshotQuery>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let SnapshotQuery { page, since, keys, protocol, app: client } = query.into_inner();
    readable(&app, protocol, client.as_deref())?;
    if keys.is_some() && since.is_none() {
        return Err(Code::ParameterInvalid.with("keys: goes with since"));
    }
    let keys = keys.map(|keys| keys.split(',').map(str::to_owned).collect());
    let (inner, now) = (app.clone(), app.env.now());
    let page = app
        .db
        .read(move |db| {
            db.snapshot(|db| {
                let reader = source::reader(db, who)?;
                let page = pull::snapshot(db, &inner.keys, &reader, SnapshotOf { page, since, keys }, now)?;
                Ok((page, reader.keys))
            })
        })
        .await;
    let (page, scope) = heal(&app.db, page).await?;
    Ok(fresh(&page.answer(scope, now)))
}

/// The longest that one stream of pokes lasts, seconds; a reader then opens the next, its rights looked at anew.
const MAX_EVENTS_S: u64 = 600;

#[derive(Deserialize, IntoParams)]
struct Events {
    /// End after so many seconds, at most and by default 600.
    r#for: Option<u64>,
}

/// Pokes: a line whenever something changed, `data: {"seq":n}`. It says only that a pull may be worth while.
#[utoipa::path(tag = "sync", params(Events), responses((status = 200, body = String, content_type = "text/event-stream")))]
#[get("/sync/events")]
async fn sync_events(app: web::Data<App>, caller: Caller, events: web::Query<Events>) -> Result<HttpResponse> {
    let who = caller.user()?;
    let seconds = events.r#for.unwrap_or(MAX_EVENTS_S).min(MAX_EVENTS_S);
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let reader = app.db.read(move |db| source::reader(db, who).map(|_| feed::life(db)).and_then(|life| life)).await?;
    let first = stream::iter([Ok(poke(reader.head))]);
    let head = app.watcher.listen();
    let later = stream::unfold(head, move |mut head| async move {
        // A comment now and then keeps proxies from closing what looks idle.
        let pause = (tokio::time::Instant::now() + Duration::from_secs(20)).min(end);
        let line = match tokio::time::timeout_at(pause, head.changed()).await {
            Ok(Ok(())) => poke(*head.borrow_and_update()),
            Ok(Err(_)) => return None,
            Err(_) if pause == end => return None,
            Err(_) => web::Bytes::from_static(b": \n\n"),
        };
        Some((Ok::<_, Error>(line), head))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .content_type("text/event-stream")
        .streaming(first.chain(later)))
}

fn poke(seq: i64) -> web::Bytes {
    format!("event: poke\ndata: {{\"seq\":{seq}}}\n\n").into()
}
