//! The Centre's side of sync over HTTP.

use crate::{
    app::App,
    db::types::{DeviceId, OpId},
    error::{Code, Result},
    http::{
        auth::Caller,
        body::Body,
        parameter::{self, page_limit},
        table::Routes,
    },
    identity::{
        rules::{CENTRE, Role, text},
        tokens::PublicJwk,
    },
    sync::{
        health::{self, DeviceHealth, Losses},
        record::Decision,
        review::{self, RawBytes, Sides, Waiting},
        store::ReviewPage,
        wire::Status,
    },
};
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts it under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(review_list)
        .service(review_raw_list)
        .service(review_raw_resolve)
        .service(review_get)
        .service(review_decide)
        .service(sync_health)
        .service(sync_losses)
        .service(sync_receipt)
        .service(sync_receipt_key);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `conflict`, `held` or `quarantined`; all of them by default.
    status: Option<Status>,
    /// `false` also lists what waits for another operation; by default a chain is one entry.
    heads: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<OpId>,
}

#[derive(Serialize, ToSchema)]
struct Reviews {
    items: Vec<Waiting>,
    /// Give it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<OpId>,
}

const OPEN: [Status; 3] = [Status::Conflict, Status::Held, Status::Quarantined];

/// What waits for a person, oldest first.
#[utoipa::path(tag = "sync", params(Filter), responses((status = 200, body = Reviews)))]
#[get("/sync/reviews")]
async fn review_list(app: web::Data<App>, caller: Caller, filter: web::Query<Filter>) -> Result<web::Json<Reviews>> {
    caller.role(CENTRE)?;
    let Filter { status, heads, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let statuses = match status {
        Some(status) if !OPEN.contains(&status) => {
            return Err(Code::ParameterInvalid.with("status: conflict, held or quarantined"));
        }
        Some(status) => vec![status],
        None => OPEN.to_vec(),
    };
    let page = ReviewPage { statuses, heads: heads.unwrap_or(true), after: cursor, limit };
    let items = app.db.read(move |db| review::queue(db, &page)).await?;
    let next = parameter::next(&items, limit, |last| last.result.op_id).flatten();
    Ok(web::Json(Reviews { items, next }))
}

/// One of them, with both sides and what builds on it.
#[utoipa::path(tag = "sync", params(("op_id" = OpId, Path)), responses((status = 200, body = Sides)))]
#[get("/sync/reviews/{op_id}")]
async fn review_get(app: web::Data<App>, caller: Caller, op_id: web::Path<OpId>) -> Result<web::Json<Sides>> {
    let who = caller.role(CENTRE)?;
    let now = app.env.now();
    let sides = app.db.read(move |db| db.snapshot(|db| review::sides(db, &who, *op_id, now))).await?;
    Ok(web::Json(sides))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Word {
    /// `apply`: it takes effect now, and what builds on it is judged in order. `discard`: it is kept, but takes no
    /// effect, nor does what builds on it.
    decision: Decision,
    /// 1–2000 characters; must be given to discard.
    reason: Option<String>,
}

/// Decide. An operation that can not apply as things stand is refused with the reason, and stays as it was.
#[utoipa::path(
    tag = "sync",
    params(("op_id" = OpId, Path)),
    request_body = Word,
    responses((status = 200, body = Sides))
)]
#[post("/sync/reviews/{op_id}/decision")]
async fn review_decide(
    app: web::Data<App>,
    caller: Caller,
    op_id: web::Path<OpId>,
    body: Body<Word>,
) -> Result<web::Json<Sides>> {
    let who = caller.role(&[Role::Dispatcher])?;
    let Word { decision, reason } = body.0;
    match &reason {
        Some(reason) => text("reason", reason, 2000)?,
        None if decision == Decision::Discard => return Err(Code::ValueInvalid.with("reason: must be given")),
        None => {}
    }
    let (id, reviewer, now) = (*op_id, who.user_id, app.env.now());
    let decided = move |tx: &mut crate::db::Tx| review::decide(tx, id, decision, reviewer, reason.as_deref());
    let sides = app.db.write_and_read(decided, move |tx, ()| review::sides(tx.db, &who, id, now)).await?;
    Ok(web::Json(sides))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct RawPage {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<OpId>,
}

#[derive(Serialize, ToSchema)]
struct RawList {
    items: Vec<RawBytes>,
    /// Give it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<OpId>,
}

/// Bytes that were no operation, oldest first, until somebody has looked at them.
#[utoipa::path(tag = "sync", params(RawPage), responses((status = 200, body = RawList)))]
#[get("/sync/reviews/raw")]
async fn review_raw_list(app: web::Data<App>, caller: Caller, page: web::Query<RawPage>) -> Result<web::Json<RawList>> {
    caller.role(CENTRE)?;
    let RawPage { limit, cursor } = page.into_inner();
    let limit = page_limit(limit)?;
    let items = app.db.read(move |db| review::raw_queue(db, cursor, limit)).await?;
    let next = parameter::next(&items, limit, |last| last.id);
    Ok(web::Json(RawList { items, next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RawWord {
    /// What became of them, 1–2000 characters.
    reason: String,
}

/// Note what became of such bytes. They stay stored.
#[utoipa::path(tag = "sync", params(("id" = OpId, Path)), request_body = RawWord, responses((status = 204)))]
#[post("/sync/reviews/raw/{id}/decision")]
async fn review_raw_resolve(
    app: web::Data<App>,
    caller: Caller,
    id: web::Path<OpId>,
    body: Body<RawWord>,
) -> Result<HttpResponse> {
    let who = caller.role(&[Role::Dispatcher])?;
    let RawWord { reason } = body.0;
    text("reason", &reason, 2000)?;
    app.db.write(move |tx| review::raw_resolve(tx, *id, who.user_id, &reason)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize, ToSchema)]
struct Board {
    items: Vec<DeviceHealth>,
}

/// How every device is.
#[utoipa::path(tag = "sync", responses((status = 200, body = Board)))]
#[get("/sync/health")]
async fn sync_health(app: web::Data<App>, caller: Caller) -> Result<web::Json<Board>> {
    caller.role(CENTRE)?;
    let items = app.db.read(|db| db.snapshot(health::board)).await?;
    Ok(web::Json(Board { items }))
}

#[derive(Serialize, ToSchema)]
struct LossLedger {
    items: Vec<Losses>,
}

/// What a device made, epoch by epoch, and what of it never arrived.
#[utoipa::path(tag = "sync", params(("device_id" = DeviceId, Path)), responses((status = 200, body = LossLedger)))]
#[get("/sync/health/{device_id}/losses")]
async fn sync_losses(
    app: web::Data<App>,
    caller: Caller,
    device_id: web::Path<DeviceId>,
) -> Result<web::Json<LossLedger>> {
    caller.role(CENTRE)?;
    let items = app.db.read(move |db| db.snapshot(|db| health::ledger(db, *device_id))).await?;
    Ok(web::Json(LossLedger { items }))
}

#[derive(Serialize, ToSchema)]
struct SignedReceipt {
    /// A compact JWS (RFC 7515), ES256, `typ: receipt+jwt`; its claims are what `claims` shows.
    receipt: String,
    /// What it says.
    claims: health::Receipt,
}

/// A signed receipt of an operation, for the person who made it, the device it was made on, and the Centre.
#[utoipa::path(tag = "sync", params(("op_id" = OpId, Path)), responses((status = 200, body = SignedReceipt)))]
#[get("/sync/ops/{op_id}/receipt")]
async fn sync_receipt(app: web::Data<App>, caller: Caller, op_id: web::Path<OpId>) -> Result<web::Json<SignedReceipt>> {
    let now = app.env.now();
    let seen = move |row: &crate::sync::store::OpRow| match &caller {
        Caller::User(who) => CENTRE.contains(&who.role) || row.actor_id == Some(who.user_id),
        Caller::Device(device) => row.device_id == device.id,
    };
    let claims = app.db.read(move |db| db.snapshot(|db| health::receipt(db, *op_id, now, seen))).await?;
    Ok(web::Json(SignedReceipt { receipt: app.keys.sign_receipt(&claims)?, claims }))
}

/// The public key that signs receipts (RFC 7517).
#[utoipa::path(tag = "sync", responses((status = 200, body = PublicJwk)))]
#[get("/sync/receipt-key")]
async fn sync_receipt_key(app: web::Data<App>) -> web::Json<PublicJwk> {
    web::Json(app.keys.public())
}
