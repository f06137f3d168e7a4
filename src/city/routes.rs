//! `/api/v1/city`: the messages of the city's platform, and what the Centre sees and settles of the exchange.

use super::{
    actions::{self, Standing},
    import::routes::city_import,
    outbox::{self, OutboxState},
    rules::{CodeKind, ExchangeState, due_differs},
    store::{CodeRow, InboxRow, LinkRow, OutboxRow, ReconciliationRow},
    wire::{self, Envelope, Reply},
};
use crate::{
    app::App,
    db::types::{At, CaseId, MessageId, UserId},
    error::{Code, Error, Result},
    http::{
        auth::Caller,
        body::{self, Body},
        parameter::{next, page_limit, text},
        table::Routes,
    },
    identity::rules::{CENTRE, Role, text_enum},
};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(city_message_post)
        .service(city_import)
        .service(city_status)
        .service(city_case_page)
        .service(city_inbox)
        .service(city_outbox)
        .service(city_resend)
        .service(city_give_up)
        .service(city_reconciliations)
        .service(city_codes)
        .service(city_code_put)
        .service(city_code_delete);
}

/// The largest message, bytes: a list names thousands of cases.
const MAX_MESSAGE: usize = 4 << 20;

/// Take a message of the city's platform. Its bytes are signed: `x-exchange-key` names the key, `x-exchange-signature` is
/// the HMAC-SHA-256 in lower-case hexadecimal. Unknown fields are kept.
#[utoipa::path(
    tag = "city",
    request_body(content = Envelope, content_type = "application/vnd.zfcg-exchange+json"),
    responses((status = 200, body = Reply))
)]
#[post("/city/messages")]
async fn city_message_post(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<Reply>> {
    let Some(city) = &app.config.city else { return Err(Error::not_found("city link")) };
    let value = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let plain = value("content-type").starts_with("application/json");
    let kind = if plain { "application/json" } else { wire::MEDIA_TYPE };
    let bytes = body::read_as(&request, payload.into_inner(), kind, MAX_MESSAGE).await?;
    let secret = city.secret(value(wire::KEY_HEADER)).ok_or(Code::SignatureWrong)?;
    if !wire::is_signed(secret, &bytes, value(wire::SIGNATURE_HEADER)) {
        return Err(Code::SignatureWrong.into());
    }
    let (envelope, whole) = message(&bytes)?;
    Ok(web::Json(app.db.write(move |tx| actions::receive(tx, &envelope, whole)).await?))
}

/// Reads a message of the city: its envelope, checked, and the whole of it.
///
/// # Errors
/// `json_malformed`, `nul_character`, `body_invalid`, `value_invalid`.
pub fn message(bytes: &[u8]) -> Result<(Envelope, Value)> {
    let whole: Value = body::parse(bytes)?;
    let envelope: Envelope = wire::shape(&whole)?;
    envelope.check(wire::INBOUND)?;
    Ok((envelope, whole))
}

/// How the exchange stands.
#[derive(Serialize, ToSchema)]
struct CityStatus {
    /// Whether there is a link.
    linked: bool,
    /// The city's last message that was applied.
    applied_seq: i64,
    /// Messages that wait for one before them.
    waiting: i64,
    /// When the newest came.
    heard_at: Option<DateTime<Utc>>,
    /// The last number of a message to the city.
    given_seq: i64,
    /// Messages to be sent.
    queued: i64,
    /// Since when the first of them waits.
    queued_since: Option<DateTime<Utc>>,
    /// What its last try said.
    last_error: Option<String>,
    /// Dead letters that a person should look at.
    dead: i64,
}

impl From<Standing> for CityStatus {
    fn from(standing: Standing) -> CityStatus {
        let (queued_since, last_error) =
            standing.first.map_or((None, None), |row| (Some(row.queued_at.0), row.last_error));
        CityStatus {
            linked: standing.linked,
            applied_seq: standing.applied_seq,
            waiting: standing.waiting,
            heard_at: standing.heard_at.map(|at| at.0),
            given_seq: standing.given_seq,
            queued: standing.queued,
            queued_since,
            last_error,
            dead: standing.dead,
        }
    }
}

/// How the exchange with the city stands.
#[utoipa::path(tag = "city", responses((status = 200, body = CityStatus)))]
#[get("/city/status")]
async fn city_status(app: web::Data<App>, caller: Caller) -> Result<web::Json<CityStatus>> {
    caller.role(CENTRE)?;
    Ok(web::Json(app.db.read(actions::standing).await?.into()))
}

/// A case of the city's beside ours.
#[derive(Serialize, ToSchema)]
struct CityCase {
    city_number: String,
    case_id: CaseId,
    number: String,
    /// What both sides know.
    #[schema(value_type = ExchangeState)]
    state: String,
    /// The city's deadline.
    city_due_at: DateTime<Utc>,
    /// Ours; none before a unit has it.
    due_at: Option<DateTime<Utc>>,
    /// Whether the two are not the same.
    due_differs: bool,
    /// The unit that the city thinks of, by the city's code.
    city_unit_code: Option<String>,
    /// What the city said of it, whole.
    #[schema(value_type = Object)]
    dispatch: Value,
    received_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<(LinkRow, String, Option<At>)> for CityCase {
    fn from((row, number, due_at): (LinkRow, String, Option<At>)) -> CityCase {
        let due_at = due_at.map(|at| at.0);
        CityCase {
            city_number: row.city_number,
            case_id: row.case_id,
            number,
            state: row.state,
            city_due_at: row.due_at.0,
            due_at,
            due_differs: due_differs(due_at, row.due_at.0),
            city_unit_code: row.unit_code,
            dispatch: row.dispatch.0,
            received_at: row.received_at.0,
            updated_at: row.updated_at.0,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct CaseFilter {
    /// Only those whose two deadlines differ.
    due_differs: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CityCases {
    items: Vec<CityCase>,
    /// Give it as `cursor` for the next page; absent on the last.
    next: Option<String>,
}

/// The cases that the city sent, by its number.
#[utoipa::path(tag = "city", params(CaseFilter), responses((status = 200, body = CityCases)))]
#[get("/city/cases")]
async fn city_case_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<CaseFilter>,
) -> Result<web::Json<CityCases>> {
    caller.role(CENTRE)?;
    let CaseFilter { due_differs, limit, cursor } = filter.into_inner();
    let (limit, cursor) = (page_limit(limit)?, text("cursor", cursor)?);
    let differs = due_differs.unwrap_or(false);
    let rows = app.db.read(move |db| actions::link_page(db, differs, cursor.as_deref(), limit)).await?;
    let items: Vec<CityCase> = rows.into_iter().map(CityCase::from).collect();
    Ok(web::Json(CityCases { next: next(&items, limit, |case| case.city_number.clone()), items }))
}

text_enum! {
    /// What became of a message of the city's.
    InboxOutcome {
        /// Applied.
        Ok = "ok",
        /// Refused.
        Invalid = "invalid",
        /// It waits for one before it.
        Waiting = "waiting",
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct InboxFilter {
    /// Only these.
    outcome: Option<InboxOutcome>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// A message of the city's.
#[derive(Serialize, ToSchema)]
struct InboxMessage {
    msg_id: String,
    seq: i64,
    kind: String,
    outcome: InboxOutcome,
    reason: Option<String>,
    detail: Option<String>,
    /// As it came.
    #[schema(value_type = Object)]
    envelope: Value,
    received_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
}

impl From<InboxRow> for InboxMessage {
    fn from(row: InboxRow) -> InboxMessage {
        let outcome = match row.outcome.as_deref() {
            Some("ok") => InboxOutcome::Ok,
            Some(_) => InboxOutcome::Invalid,
            None => InboxOutcome::Waiting,
        };
        InboxMessage {
            msg_id: row.msg_id,
            seq: row.seq,
            kind: row.kind,
            outcome,
            reason: row.reason,
            detail: row.detail,
            envelope: row.envelope.0,
            received_at: row.received_at.0,
            applied_at: row.applied_at.map(|at| at.0),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct CityInbox {
    items: Vec<InboxMessage>,
    next: Option<i64>,
}

/// The messages of the city, newest first.
#[utoipa::path(tag = "city", params(InboxFilter), responses((status = 200, body = CityInbox)))]
#[get("/city/inbox")]
async fn city_inbox(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<InboxFilter>,
) -> Result<web::Json<CityInbox>> {
    caller.role(CENTRE)?;
    let InboxFilter { outcome, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let outcome = outcome.map(|outcome| (outcome != InboxOutcome::Waiting).then(|| outcome.as_str()));
    let rows = app.db.read(move |db| actions::inbox_page(db, outcome, cursor, limit)).await?;
    let items: Vec<InboxMessage> = rows.into_iter().map(InboxMessage::from).collect();
    Ok(web::Json(CityInbox { next: next(&items, limit, |message| message.seq), items }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OutboxFilter {
    /// Only in this state.
    state: Option<OutboxState>,
    /// Only dead letters that nobody has settled: refused by the city, or tried ten times or more.
    dead: Option<bool>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// A message to the city.
#[derive(Serialize, ToSchema)]
struct OutboxMessage {
    msg_id: MessageId,
    seq: i64,
    kind: String,
    case_id: Option<CaseId>,
    #[schema(value_type = OutboxState)]
    state: String,
    attempts: i32,
    next_try_at: DateTime<Utc>,
    /// What the last try said.
    last_error: Option<String>,
    #[schema(value_type = Object)]
    body: Value,
    queued_at: DateTime<Utc>,
    /// When it was delivered, sent anew or given up.
    settled_at: Option<DateTime<Utc>>,
    settled_by: Option<UserId>,
    /// Why it was given up, or as which message it was sent anew.
    settled_note: Option<String>,
}

impl From<OutboxRow> for OutboxMessage {
    fn from(row: OutboxRow) -> OutboxMessage {
        OutboxMessage {
            msg_id: row.msg_id,
            seq: row.seq,
            kind: row.kind,
            case_id: row.case_id,
            state: row.state,
            attempts: row.attempts,
            next_try_at: row.next_try_at.0,
            last_error: row.last_error,
            body: row.body.0,
            queued_at: row.queued_at.0,
            settled_at: row.settled_at.map(|at| at.0),
            settled_by: row.settled_by,
            settled_note: row.settled_note,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct CityOutbox {
    items: Vec<OutboxMessage>,
    next: Option<i64>,
}

/// The messages to the city, newest first.
#[utoipa::path(tag = "city", params(OutboxFilter), responses((status = 200, body = CityOutbox)))]
#[get("/city/outbox")]
async fn city_outbox(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<OutboxFilter>,
) -> Result<web::Json<CityOutbox>> {
    caller.role(CENTRE)?;
    let OutboxFilter { state, dead, limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let (state, dead) = (state.map(OutboxState::as_str), dead.unwrap_or(false));
    let rows = app.db.read(move |db| actions::outbox_page(db, state, dead, cursor, limit)).await?;
    let items: Vec<OutboxMessage> = rows.into_iter().map(OutboxMessage::from).collect();
    Ok(web::Json(CityOutbox { next: next(&items, limit, |message| message.seq), items }))
}

/// Who settles dead letters.
const SETTLERS: &[Role] = &[Role::Dispatcher, Role::Admin];

/// Send a dead letter once more: as a new message when the city had refused it, at once when it waits for its next try.
#[utoipa::path(tag = "city", params(("msg_id" = MessageId, Path)), responses((status = 200, body = OutboxMessage)))]
#[post("/city/outbox/{msg_id}/resend")]
async fn city_resend(
    app: web::Data<App>,
    caller: Caller,
    msg_id: web::Path<MessageId>,
) -> Result<web::Json<OutboxMessage>> {
    let who = caller.role(SETTLERS)?;
    Ok(web::Json(app.db.write(move |tx| outbox::resend(tx, who.user_id, *msg_id)).await?.into()))
}

/// Why a message is given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveUp {
    /// 1–500 characters.
    reason: String,
}

/// Give a dead letter up.
#[utoipa::path(
    tag = "city",
    params(("msg_id" = MessageId, Path)),
    request_body = GiveUp,
    responses((status = 200, body = OutboxMessage))
)]
#[post("/city/outbox/{msg_id}/give-up")]
async fn city_give_up(
    app: web::Data<App>,
    caller: Caller,
    msg_id: web::Path<MessageId>,
    body: Body<GiveUp>,
) -> Result<web::Json<OutboxMessage>> {
    let who = caller.role(SETTLERS)?;
    let row = app.db.write(move |tx| outbox::give_up(tx, who.user_id, *msg_id, &body.0.reason)).await?;
    Ok(web::Json(row.into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PageFilter {
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// What came of one list of the city's.
#[derive(Serialize, ToSchema)]
struct Reconciliation {
    /// The list's number.
    seq: i64,
    received_at: DateTime<Utc>,
    /// Cases it named.
    items: i32,
    /// Cases of ours that a message was on its way about; they are not compared.
    in_flight: i32,
    /// What differed: `cityCaseNo`, `city`, `county`.
    #[schema(value_type = Vec<Object>)]
    differences: Value,
}

impl From<ReconciliationRow> for Reconciliation {
    fn from(row: ReconciliationRow) -> Reconciliation {
        Reconciliation {
            seq: row.seq,
            received_at: row.received_at.0,
            items: row.items,
            in_flight: row.in_flight,
            differences: row.differences.0,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Reconciliations {
    items: Vec<Reconciliation>,
    next: Option<i64>,
}

/// The lists of the city that were compared, newest first.
#[utoipa::path(tag = "city", params(PageFilter), responses((status = 200, body = Reconciliations)))]
#[get("/city/reconciliations")]
async fn city_reconciliations(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<PageFilter>,
) -> Result<web::Json<Reconciliations>> {
    caller.role(CENTRE)?;
    let PageFilter { limit, cursor } = filter.into_inner();
    let limit = page_limit(limit)?;
    let rows = app.db.read(move |db| actions::reconciliation_page(db, cursor, limit)).await?;
    let items: Vec<Reconciliation> = rows.into_iter().map(Reconciliation::from).collect();
    Ok(web::Json(Reconciliations { next: next(&items, limit, |list| list.seq), items }))
}

/// What a code of the city's is here.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CityCode {
    kind: CodeKind,
    /// The city's, 1–64 characters; of a class as `event-0405` or `component-0102`.
    city_code: String,
    /// Ours: a unit's code, or a `class_code`.
    county_code: String,
}

#[derive(Serialize, ToSchema)]
struct CityCodes {
    items: Vec<CityCode>,
}

/// The code tables.
#[utoipa::path(tag = "city", responses((status = 200, body = CityCodes)))]
#[get("/city/codes")]
async fn city_codes(app: web::Data<App>, caller: Caller) -> Result<web::Json<CityCodes>> {
    caller.role(CENTRE)?;
    let rows = app.db.read(actions::codes).await?;
    let items = rows
        .into_iter()
        .map(|CodeRow { kind, city_code, county_code }| Ok(CityCode { kind: kind.parse()?, city_code, county_code }));
    Ok(web::Json(CityCodes { items: items.collect::<Result<_>>()? }))
}

/// Say what a code of the city's is here; it holds for messages from then on.
#[utoipa::path(tag = "city", request_body = CityCode, responses((status = 204)))]
#[put("/city/codes")]
async fn city_code_put(app: web::Data<App>, caller: Caller, body: Body<CityCode>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    let CityCode { kind, city_code, county_code } = body.0;
    app.db.write(move |tx| actions::code_put(tx, kind, &city_code, &county_code)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct CodeName {
    /// `unit` or `class`.
    kind: String,
    /// The city's.
    city_code: String,
}

/// Take a line of the code tables back.
#[utoipa::path(tag = "city", params(CodeName), responses((status = 204)))]
#[delete("/city/codes")]
async fn city_code_delete(app: web::Data<App>, caller: Caller, name: web::Query<CodeName>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    let CodeName { kind, city_code } = name.into_inner();
    let kind: CodeKind = kind.parse().map_err(|_| Code::ParameterInvalid.with("kind: unit or class"))?;
    let city_code = text("city_code", Some(city_code))?.unwrap_or_default();
    app.db.write(move |tx| actions::code_remove(tx, kind, &city_code)).await?;
    Ok(HttpResponse::NoContent().finish())
}
