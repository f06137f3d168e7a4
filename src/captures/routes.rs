//! Capture records over HTTP.

use super::{
    actions::{self, Wanted},
    view::{Capture, CapturesRequest, CapturesResponse, ChainStatus},
};
use crate::{
    app::App,
    db::types::{CaptureId, DeviceId, EvidenceId},
    error::{Code, Error, Result},
    evidence::{self, rules::Viewer},
    http::{auth::Caller, body, table::Routes},
    identity::rules::CENTRE,
};
use actix_web::{HttpRequest, get, post, web};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(captures_send).service(captures_list).service(captures_chain);
}

/// The most records of one request.
pub const MOST_RECORDS: usize = 100;
/// The largest request, bytes of JSON.
pub const MOST_BYTES: usize = 1024 * 1024;

/// Bring signed capture records home. Answers 200 whatever became of each one; none is ever refused or lost.
#[utoipa::path(
    tag = "captures",
    request_body = CapturesRequest,
    responses((status = 200, body = CapturesResponse))
)]
#[post("/captures")]
async fn captures_send(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<CapturesResponse>> {
    let sender = caller.device()?.id;
    let bytes = body::read(&request, payload.into_inner(), MOST_BYTES).await?;
    // U+0000 inside a record is that record's business.
    let records = body::shape::<CapturesRequest>(&bytes)?.records;
    if records.len() > MOST_RECORDS {
        return Err(Code::BodyTooLarge.with(format!("records: at most {MOST_RECORDS}")));
    }
    let raws: Vec<Vec<u8>> = records.into_iter().map(|record| record.get().as_bytes().to_vec()).collect();
    let named: BTreeSet<DeviceId> = raws.iter().filter_map(|raw| actions::named(raw)).collect();
    let named: Vec<DeviceId> = named.into_iter().collect();
    let keys = app.db.read(move |db| actions::keys_of(db, &named)).await?;
    let examine = move || raws.into_iter().map(|raw| actions::examine(raw, &keys)).collect();
    let examined = web::block(examine).await.map_err(Error::internal)?;
    let (results, beacon) =
        app.db.write(move |tx| Ok((actions::take(tx, sender, examined)?, actions::beacon(tx.db)?))).await?;
    Ok(web::Json(CapturesResponse { server_time: app.env.now(), results, beacon }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CapturePage {
    /// Only what names this file; for whoever may see the file.
    evidence_id: Option<EvidenceId>,
    /// Only this device's chains; for the Centre, and for the device itself.
    device_id: Option<DeviceId>,
    /// 1–200; 50 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CaptureList {
    items: Vec<Capture>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Capture records, newest first. A file that none names was not signed by a device (未签名).
#[utoipa::path(tag = "captures", params(CapturePage), responses((status = 200, body = CaptureList)))]
#[get("/captures")]
async fn captures_list(
    app: web::Data<App>,
    caller: Caller,
    page: web::Query<CapturePage>,
) -> Result<web::Json<CaptureList>> {
    let (viewer, itself) = match caller.not_revoked()? {
        Caller::User(actor) => (Viewer::person(&actor), None),
        Caller::Device(device) => (Viewer::device(device.id), Some(device.id)),
    };
    if page.evidence_id.is_none() && !viewer.centre && (itself.is_none() || page.device_id != itself) {
        return Err(Code::RoleForbidden.into());
    }
    let limit = page.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–200"));
    }
    let before = match &page.cursor {
        Some(cursor) => {
            let text = app.keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
            let id = text.strip_prefix("capture:").and_then(|id| id.parse::<CaptureId>().ok());
            Some(id.ok_or(Code::CursorInvalid)?)
        }
        None => None,
    };
    let (evidence, device) = (page.evidence_id, page.device_id);
    let list = move |db: &mut crate::db::Db| {
        let seen = evidence.map(|id| evidence::actions::seen(db, &viewer, id)).transpose()?;
        actions::list(db, &Wanted { device, sha256: seen.map(|row| row.sha256), before }, limit)
    };
    let (items, last) = app.db.read(list).await?;
    Ok(web::Json(CaptureList { items, next: last.map(|id| app.keys.seal(&format!("capture:{id}"))) }))
}

/// How a device's chains stand: what is missing, what is there twice, what was changed.
#[utoipa::path(tag = "captures", params(("device_id" = DeviceId, Path)), responses((status = 200, body = ChainStatus)))]
#[get("/captures/chains/{device_id}")]
async fn captures_chain(
    app: web::Data<App>,
    caller: Caller,
    device: web::Path<DeviceId>,
) -> Result<web::Json<ChainStatus>> {
    caller.not_revoked()?.role(CENTRE)?;
    Ok(web::Json(app.db.read(move |db| actions::chain(db, *device)).await?))
}
