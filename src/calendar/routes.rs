//! `/api/v1/calendar`.

use super::{
    actions::{self, Known},
    rules::{Due, Limit, Pause, SlotTable, SpecialDay},
};
use crate::{
    app::App,
    error::{Code, Result},
    http::{auth::Caller, body::Body, parameter::in_calendar, table::Routes},
    identity::rules::Role,
};
use actix_web::{HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(calendar_get).service(due_post).service(year_put).service(slots_put).service(slots_delete);
}

/// When is worked: what a client needs to compute the same deadlines.
#[derive(Serialize, ToSchema)]
struct WorkingCalendar {
    /// By their first day; the first one also holds for what lies before.
    slots: Vec<SlotTable>,
    /// Days that are not what their weekday says, in order.
    days: Vec<SpecialDay>,
    /// The years whose holidays are known. A deadline beyond the last one may have to move.
    known_years: Vec<i32>,
    /// Those of them that somebody imported; the others came with the program.
    imports: Vec<YearImport>,
}

#[derive(Serialize, ToSchema)]
struct YearImport {
    year: i32,
    /// Where the list comes from.
    source: String,
    imported_at: DateTime<Utc>,
}

impl From<Known> for WorkingCalendar {
    fn from(known: Known) -> WorkingCalendar {
        let imports = known.imported.into_iter();
        let imports =
            imports.map(|row| YearImport { year: row.year, source: row.source, imported_at: row.imported_at.0 });
        WorkingCalendar { slots: known.tables, days: known.days, known_years: known.years, imports: imports.collect() }
    }
}

/// The working calendar.
#[utoipa::path(tag = "calendar", responses((status = 200, body = WorkingCalendar)))]
#[get("/calendar")]
async fn calendar_get(app: web::Data<App>, caller: Caller) -> Result<web::Json<WorkingCalendar>> {
    caller.user()?;
    Ok(web::Json(app.db.read(actions::known).await?.into()))
}

/// A limit, its start and its pauses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DueQuestion {
    /// When it starts.
    start: DateTime<Utc>,
    /// How long it is.
    limit: Limit,
    /// When it stood still; at most 100.
    #[serde(default)]
    pauses: Vec<Pause>,
}

/// When a limit runs out, and every stretch on the way with its reason.
#[utoipa::path(tag = "calendar", request_body = DueQuestion, responses((status = 200, body = Due)))]
#[post("/calendar/due")]
async fn due_post(app: web::Data<App>, caller: Caller, body: Body<DueQuestion>) -> Result<web::Json<Due>> {
    caller.user()?;
    let DueQuestion { start, limit, pauses } = body.0;
    // A limit is followed for forty years, and must end in a year of four digits.
    in_calendar("start", Some(start))?;
    if start.year() > 9900 {
        return Err(Code::ParameterInvalid.with("start: year 1970–9900"));
    }
    if pauses.len() > 100 {
        return Err(Code::ValueInvalid.with("pauses: at most 100"));
    }
    for pause in &pauses {
        in_calendar("from", Some(pause.from))?;
        in_calendar("until", pause.until)?;
        if pause.until.is_some_and(|until| until <= pause.from) {
            return Err(Code::ValueInvalid.with("pauses: until after from"));
        }
    }
    let calendar = app.db.read(actions::calendar).await?;
    Ok(web::Json(calendar.due(start, limit, &pauses)))
}

/// Holidays and make-up days of one year.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct YearList {
    /// Where it comes from: the notice's number or address, 1–200 characters.
    source: String,
    /// At least one.
    days: Vec<SpecialDay>,
}

/// Put a year's holidays in the place of those known before. Deadlines that were issued stay.
#[utoipa::path(
    tag = "calendar",
    request_body = YearList,
    params(("year" = i32, Path, description = "2007–2100")),
    responses((status = 200, body = WorkingCalendar))
)]
#[put("/calendar/years/{year}")]
async fn year_put(
    app: web::Data<App>,
    caller: Caller,
    year: web::Path<i32>,
    body: Body<YearList>,
) -> Result<web::Json<WorkingCalendar>> {
    let who = caller.role(&[Role::Admin])?;
    let YearList { source, days } = body.0;
    let known = app
        .db
        .write(move |tx| {
            actions::import_year(tx, Some(who.user_id), *year, &source, &days)?;
            actions::known(tx.db)
        })
        .await?;
    Ok(web::Json(known.into()))
}

/// Set the working slots from a day on. Deadlines that were issued stay.
#[utoipa::path(tag = "calendar", request_body = SlotTable, responses((status = 200, body = WorkingCalendar)))]
#[put("/calendar/slots")]
async fn slots_put(app: web::Data<App>, caller: Caller, body: Body<SlotTable>) -> Result<web::Json<WorkingCalendar>> {
    let who = caller.role(&[Role::Admin])?;
    let known = app
        .db
        .write(move |tx| {
            actions::set_slots(tx, Some(who.user_id), &body.0)?;
            actions::known(tx.db)
        })
        .await?;
    Ok(web::Json(known.into()))
}

/// Take back the working slots that begin on a day.
#[utoipa::path(
    tag = "calendar",
    params(("from_day" = NaiveDate, Path, description = "their first day")),
    responses((status = 204))
)]
#[delete("/calendar/slots/{from_day}")]
async fn slots_delete(app: web::Data<App>, caller: Caller, from_day: web::Path<NaiveDate>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    app.db.write(move |tx| actions::remove_slots(tx, *from_day)).await?;
    Ok(HttpResponse::NoContent().finish())
}
