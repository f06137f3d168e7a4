//! The log over HTTP: checkpoints and proofs for everybody, the facts themselves for the Centre.

use super::{actions, rules::Kind, store::Entry};
use crate::{
    app::App,
    blob::digest,
    db::types::LogEntryId,
    error::{Code, Result},
    http::{auth::Caller, table::Routes},
    identity::{rules::CENTRE, tokens::hex},
};
use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(log_key).service(log_checkpoint).service(log_proof).service(log_consistency).service(log_entries);
}

#[derive(Serialize, ToSchema)]
struct LogKeyView {
    /// The log's name, also the origin of its checkpoints.
    name: String,
    /// The key as verifiers of signed notes take it: `name+id+key` (C2SP signed-note). Keep it apart from the evidence.
    verifier: String,
}

/// The key that signs the log's checkpoints.
#[utoipa::path(tag = "log", responses((status = 200, body = LogKeyView)))]
#[get("/log/key")]
async fn log_key(app: web::Data<App>) -> web::Json<LogKeyView> {
    let name = app.log.name();
    web::Json(LogKeyView { name: name.name(), verifier: name.verifier() })
}

/// The newest checkpoint, a signed note (C2SP tlog-checkpoint).
#[utoipa::path(tag = "log", responses((status = 200, content_type = "text/plain", body = String)))]
#[get("/log/checkpoint")]
async fn log_checkpoint(app: web::Data<App>) -> Result<HttpResponse> {
    let newest = app.db.read(actions::newest).await?.ok_or(Code::LogPending)?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(newest.note))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Leaf {
    /// SHA-256 of a zero byte and the leaf, hexadecimal.
    leaf_hash: String,
}

#[derive(Serialize, ToSchema)]
struct Inclusion {
    /// The leaf's place.
    index: i64,
    /// Leaves of the tree that the path leads to.
    size: i64,
    /// Hashes from the leaf to the root, nearest first, hexadecimal.
    path: Vec<String>,
    /// The signed note of that tree.
    checkpoint: String,
}

/// The proof that a leaf is in the log (RFC 6962 §2.1.1), in the newest signed tree.
#[utoipa::path(tag = "log", params(Leaf), responses((status = 200, body = Inclusion)))]
#[get("/log/proof")]
async fn log_proof(app: web::Data<App>, leaf: web::Query<Leaf>) -> Result<web::Json<Inclusion>> {
    let wrong = || Code::ParameterInvalid.with("leaf_hash: 64 hexadecimal digits");
    let hash = digest::sha256_text(&leaf.leaf_hash).and_then(|text| digest::bytes(&text)).ok_or_else(wrong)?;
    let proof = app
        .db
        .read(move |db| {
            db.snapshot(|db| {
                let entry = actions::by_hash(db, &hash)?.ok_or(Code::NotFound)?;
                let newest = actions::newest(db)?.ok_or(Code::LogPending)?;
                let path = actions::inclusion(db, &entry, newest.size)?;
                Ok(Inclusion {
                    index: entry.leaf_index.unwrap_or_default(),
                    size: newest.size,
                    path: path.iter().map(|hash| hex(hash)).collect(),
                    checkpoint: newest.note,
                })
            })
        })
        .await?;
    Ok(web::Json(proof))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Span {
    /// Leaves of the earlier tree, 1 or more.
    from: i64,
    /// Leaves of the later tree; the newest signed one when absent.
    to: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Consistency {
    /// Leaves of the earlier tree.
    from: i64,
    /// Leaves of the later tree.
    to: i64,
    /// Hashes (RFC 6962 §2.1.2), hexadecimal.
    path: Vec<String>,
}

/// The proof that an earlier tree is the beginning of a later one (RFC 6962 §2.1.2).
#[utoipa::path(tag = "log", params(Span), responses((status = 200, body = Consistency)))]
#[get("/log/consistency")]
async fn log_consistency(app: web::Data<App>, span: web::Query<Span>) -> Result<web::Json<Consistency>> {
    let (from, to) = (span.from, span.to);
    let proof = app
        .db
        .read(move |db| {
            db.snapshot(|db| {
                let newest = actions::newest(db)?.ok_or(Code::LogPending)?;
                let to = to.unwrap_or(newest.size);
                let path = actions::consistency(db, from, to)?;
                Ok(Consistency { from, to, path: path.iter().map(|hash| hex(hash)).collect() })
            })
        })
        .await?;
    Ok(web::Json(proof))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntriesPage {
    /// Only facts about this, `evidence:<id>`.
    subject: Option<String>,
    /// Only facts of this kind.
    kind: Option<Kind>,
    /// 1–200; 50 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct LogEntry {
    id: LogEntryId,
    kind: Kind,
    /// What it is about.
    subject: String,
    /// The leaf, canonical JSON (RFC 8785).
    leaf: String,
    /// Hexadecimal.
    leaf_hash: String,
    recorded_at: DateTime<Utc>,
    /// Its place; null until it has one, about a second.
    index: Option<i64>,
}

impl TryFrom<Entry> for LogEntry {
    type Error = crate::error::Error;
    fn try_from(entry: Entry) -> Result<LogEntry> {
        Ok(LogEntry {
            id: entry.id,
            kind: entry.kind.parse()?,
            subject: entry.subject,
            leaf: entry.leaf,
            leaf_hash: hex(&entry.leaf_hash),
            recorded_at: entry.recorded_at.0,
            index: entry.leaf_index,
        })
    }
}

#[derive(Serialize, ToSchema)]
struct LogEntries {
    items: Vec<LogEntry>,
    /// Opaque; null on the last page.
    next: Option<String>,
}

/// Facts of the log, newest first.
#[utoipa::path(tag = "log", params(EntriesPage), responses((status = 200, body = LogEntries)))]
#[get("/log/entries")]
async fn log_entries(
    app: web::Data<App>,
    caller: Caller,
    page: web::Query<EntriesPage>,
) -> Result<web::Json<LogEntries>> {
    caller.role(CENTRE)?;
    let limit = page.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Code::ParameterInvalid.with("limit: 1–200"));
    }
    let before = match &page.cursor {
        Some(cursor) => {
            let text = app.keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
            let id = text.strip_prefix("log:").and_then(|id| id.parse::<LogEntryId>().ok());
            Some(id.ok_or(Code::CursorInvalid)?)
        }
        None => None,
    };
    let (subject, kind) = (page.subject.clone(), page.kind);
    if !subject.as_ref().is_none_or(|subject| subject.len() <= 100 && subject.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Code::ParameterInvalid.with("subject: such as evidence:<id>"));
    }
    let mut rows = app
        .db
        .read(move |db| {
            actions::list(db, subject.as_deref(), kind, before, i64::try_from(limit + 1).unwrap_or(i64::MAX))
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| app.keys.seal(&format!("log:{}", row.id)));
    let items = rows.into_iter().map(LogEntry::try_from).collect::<Result<_>>()?;
    Ok(web::Json(LogEntries { items, next }))
}
