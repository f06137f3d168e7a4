//! Redactions over HTTP.

use super::{
    actions::{self, Drawn},
    render,
};
use crate::{
    app::App,
    blob::digest::hex,
    db::types::EvidenceId,
    error::{Code, Error, Result},
    evidence::{
        content,
        custody::{
            actions::{Look, opened_to_redact},
            routes::actor,
            rules::{MOST_REGIONS, Region, Style},
            sweep,
        },
        media,
        rules::Viewer,
        store::EvidenceRow,
        thumbnail::{MAX_FILE_BYTES, ThumbnailError},
        view::Evidence,
    },
    http::{auth::Caller, body::Body, table::Routes},
    identity::{rules::Role, tokens},
};
use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Deserialize;
use std::io::{self, Read};
use utoipa::ToSchema;

/// Mounts them under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(evidence_redact);
}

/// The Centre hands pictures out; the inspectors look at how.
const REDACTORS: &[Role] = &[Role::Dispatcher, Role::Supervisor];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RedactionToMake {
    /// 1–50 rectangles of the upright picture, thousandths of its width and height.
    regions: Vec<Region>,
    style: Style,
    /// 1–500 characters.
    reason: String,
}

/// Make a redacted copy of a photo: new evidence, without anything of the original's but the pixels that are not
/// covered. The same regions again answer 200.
#[utoipa::path(
    tag = "custody",
    params(("id" = EvidenceId, Path)),
    request_body = RedactionToMake,
    responses((status = 201, body = Evidence), (status = 200, body = Evidence))
)]
#[post("/evidence/{id}/redactions")]
async fn evidence_redact(
    app: web::Data<App>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<EvidenceId>,
    body: Body<RedactionToMake>,
) -> Result<HttpResponse> {
    let RedactionToMake { regions, style, reason } = body.0;
    let (actor, act) = actor(&request, caller, REDACTORS, &reason)?;
    if !(1..=MOST_REGIONS).contains(&regions.len()) {
        return Err(Code::ValueInvalid.with(format!("regions: 1–{MOST_REGIONS}")));
    }
    regions.iter().try_for_each(Region::check)?;
    let look = Look { viewer: Viewer::person(&actor), act: act.clone(), id: *id };
    let opened = app.db.read(move |db| opened_to_redact(db, &look)).await?;
    let picture = draw(&app, opened.row(), regions.clone(), style).await?;
    let (sha256, size) = (hex(&tokens::sha256(&picture)), i64::try_from(picture.len()).map_err(Error::internal)?);
    let facts = media::read_bytes(&picture, "image/jpeg");
    sweep::admit(&app, &sha256, act.who).await?;
    let (disk, originals, name) = (app.blobs.clone(), app.originals.clone(), app.env.id().to_string());
    content::blocking(move || {
        let read = disk.stage_whole(&name, std::iter::once(picture.as_slice()))?;
        originals.put(&disk.staged(&name), &read, true)?;
        // A bucket took a copy.
        disk.discard(&name)
    })
    .await?;
    let drawn = Drawn { original: *id, sha256, size, facts, regions, style };
    let (evidence, is_new) = app.db.write(move |tx| actions::keep(tx, drawn, &act)).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(evidence))
}

async fn draw(app: &App, row: &EvidenceRow, regions: Vec<Region>, style: Style) -> Result<Vec<u8>> {
    let fact = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name));
    // A film of gigabytes is not even opened.
    if !fact("media_type").and_then(|v| v.as_str()).is_some_and(|told| ["image/jpeg", "image/png"].contains(&told)) {
        return Err(Code::RedactionUnavailable.into());
    }
    let orientation = fact("orientation").and_then(serde_json::Value::as_u64).and_then(|o| u8::try_from(o).ok());
    let (originals, sha256) = (app.originals.clone(), row.sha256.clone());
    let _place = content::decoder(row).await?;
    let drawn = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let (source, _) = originals.open(&sha256)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        source.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        render(&bytes, orientation, &regions, style)
    });
    drawn.await.map_err(Error::internal)?.map_err(|error| match error {
        ThumbnailError::Io(error) => Error::internal(error),
        other => Code::RedactionUnavailable.with(other.to_string()),
    })
}
