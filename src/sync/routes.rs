//! Sync over HTTP.

use super::{
    pull::{self, Reader},
    push::{self, CHUNK, Sender},
    wire::{Changes, MAX_OPS, MAX_PUSH_BYTES, PROTOCOL, PushRequest, PushResponse, Snapshot},
};
use crate::{
    app::App,
    error::{Code, Result},
    http::{auth::Caller, body},
};
use actix_web::{HttpRequest, get, post, web};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(sync_push).service(sync_changes).service(sync_snapshot);
}

/// Bring operations home. Answers 200 whatever became of each one.
#[utoipa::path(tag = "sync", request_body = PushRequest, responses((status = 200, body = PushResponse)))]
#[post("/sync/push")]
async fn sync_push(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<PushResponse>> {
    let device = caller.device()?;
    let bytes = body::read(&request, payload.into_inner(), MAX_PUSH_BYTES).await?;
    let push = envelope(&bytes)?;
    if push.device != device.id {
        return Err(Code::BodyInvalid.with("device: is not the sender"));
    }
    let sender = Sender { device: push.device, epoch: push.epoch, app: push.app, outbox: push.outbox };
    let ops: Vec<Vec<u8>> = push.ops.iter().map(|op| op.get().as_bytes().to_vec()).collect();
    let mut results = Vec::with_capacity(ops.len());
    let mut unprocessed_from = None;
    // An empty push is a heartbeat: it still brings the device's state.
    let chunks: Vec<Vec<Vec<u8>>> =
        if ops.is_empty() { vec![vec![]] } else { ops.chunks(CHUNK).map(<[_]>::to_vec).collect() };
    for chunk in chunks {
        let from = sender.clone();
        let taken = app.db.write(move |tx| push::take(tx, &from, &chunk)).await;
        match taken {
            Ok(taken) => results.extend(app.db.read(move |db| push::results(db, taken)).await?),
            // What is committed is answered; the rest comes again.
            Err(error) if error.code == Code::Busy && !results.is_empty() => {
                unprocessed_from = Some(results.len());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let (id, epoch) = (sender.device, sender.epoch);
    // Only below what arrived: what is still queued on the device is not missing.
    let missing_seqs = match newest_seq(&ops) {
        0 => vec![],
        newest => app.db.read(move |db| push::missing_seqs(db, id, epoch, newest)).await?,
    };
    Ok(web::Json(PushResponse {
        generation: app.keys.generation.clone(),
        server_time: app.env.now(),
        results,
        unprocessed_from,
        retry_after_ms: if unprocessed_from.is_some() { 500 } else { 0 },
        missing_seqs,
    }))
}

fn newest_seq(ops: &[Vec<u8>]) -> i64 {
    #[derive(Deserialize)]
    struct Seq {
        seq: i64,
    }
    ops.iter().filter_map(|raw| serde_json::from_slice::<Seq>(raw).ok()).map(|s| s.seq).max().unwrap_or(0)
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
    Ok(push)
}

#[derive(Deserialize, IntoParams)]
struct From {
    /// Where the last page ended, or a snapshot's cursor.
    cursor: String,
    /// 1–1000, 500 by default.
    limit: Option<i64>,
}

/// What changed since a cursor, for this reader's eyes.
#[utoipa::path(tag = "sync", params(From), responses((status = 200, body = Changes)))]
#[get("/sync/changes")]
async fn sync_changes(app: web::Data<App>, caller: Caller, from: web::Query<From>) -> Result<web::Json<Changes>> {
    let who = caller.user()?;
    let From { cursor: prev, limit } = from.into_inner();
    let limit = limit.unwrap_or(500);
    if !(1..=pull::MAX_LIMIT).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–1000"));
    }
    let (inner, after, now) = (app.clone(), prev.clone(), app.env.now());
    let page = app
        .db
        .read(move |db| {
            db.snapshot(|db| {
                let reader = Reader::new(db, who)?;
                pull::changes(db, &inner.keys, &reader, &after, limit, now)
            })
        })
        .await?;
    Ok(web::Json(Changes {
        generation: app.keys.generation.clone(),
        server_time: now,
        prev,
        next: page.next,
        has_more: page.has_more,
        changes: page.changes,
        next_poll_s: if page.has_more { 0 } else { 30 },
    }))
}

#[derive(Deserialize, IntoParams)]
struct SnapshotQuery {
    /// `next_page` of the page before; absent for the first.
    page: Option<String>,
}

/// Everything this reader may see, page by page, and the cursor to go on from.
#[utoipa::path(tag = "sync", params(SnapshotQuery), responses((status = 200, body = Snapshot)))]
#[get("/sync/snapshot")]
async fn sync_snapshot(
    app: web::Data<App>,
    caller: Caller,
    query: web::Query<SnapshotQuery>,
) -> Result<web::Json<Snapshot>> {
    let who = caller.user()?;
    let (inner, now) = (app.clone(), app.env.now());
    let page = app
        .db
        .read(move |db| {
            db.snapshot(|db| {
                let reader = Reader::new(db, who)?;
                pull::snapshot(db, &inner.keys, &reader, query.page.as_deref(), now)
            })
        })
        .await?;
    Ok(web::Json(Snapshot {
        generation: app.keys.generation.clone(),
        server_time: now,
        cursor: page.cursor,
        next_page: page.next_page,
        items: page.items,
    }))
}
