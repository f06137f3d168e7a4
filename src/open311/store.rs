//! Rows of what came by Open311, with what became of it.

use super::rules::Asked;
use crate::{
    db::{
        Db,
        schema::{case_events, cases, open311_requests, units},
        types::{At, CaseId, EventId, Json, UnitId},
    },
    error::Result,
};
use diesel::prelude::*;

/// What was told.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = open311_requests)]
pub(super) struct RequestRow {
    pub(super) case_id: CaseId,
    /// Whose key.
    pub(super) api_key: String,
    pub(super) service_code: String,
    pub(super) service_name: String,
    pub(super) description: String,
    pub(super) address_id: Option<String>,
    pub(super) media_url: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) device_id: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) received_at: At,
}

/// What the case says now.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = cases)]
pub(super) struct CaseNow {
    pub(super) number: String,
    pub(super) state: String,
    pub(super) address: Option<String>,
    pub(super) lat: Option<f64>,
    pub(super) lon: Option<f64>,
    pub(super) datum: Option<String>,
    pub(super) unit_id: Option<UnitId>,
    pub(super) due_at: Option<At>,
    pub(super) updated_at: At,
}

/// A request and its case.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) told: RequestRow,
    pub(super) case: CaseNow,
    /// The responsible unit's name.
    pub(super) unit: Option<String>,
}

/// A step of a case, and the case's number.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Update {
    pub(super) id: EventId,
    pub(super) number: String,
    pub(super) at: At,
    pub(super) command: String,
    /// The stage after it.
    pub(super) state: String,
    pub(super) args: Json,
}

/// Steps of requests that changed them, of these commands, oldest first.
pub(super) fn updates(db: &mut Db, commands: &[&str], (from, until): (At, At), limit: i64) -> Result<Vec<Update>> {
    Ok(open311_requests::table
        .inner_join(cases::table.on(cases::id.eq(open311_requests::case_id)))
        .inner_join(case_events::table.on(case_events::case_id.eq(open311_requests::case_id)))
        // A case changed last at its last step.
        .filter(cases::updated_at.ge(from))
        .filter(case_events::ver.is_not_null())
        .filter(case_events::command.eq_any(commands.to_vec()))
        .filter(case_events::at.between(from, until))
        .order((case_events::at, case_events::id))
        .limit(limit)
        .select((
            case_events::id,
            cases::number,
            case_events::at,
            case_events::command,
            case_events::state,
            case_events::args,
        ))
        .load(db)?)
}

pub(super) fn request_add(db: &mut Db, row: &RequestRow) -> Result<()> {
    diesel::insert_into(open311_requests::table).values(row).execute(db)?;
    Ok(())
}

/// Requests that came with a key after a moment.
pub(super) fn count_since(db: &mut Db, key: &str, since: At) -> Result<i64> {
    Ok(open311_requests::table
        .filter(open311_requests::api_key.eq(key))
        .filter(open311_requests::received_at.gt(since))
        .count()
        .get_result(db)?)
}

pub(super) fn request_get(db: &mut Db, case: CaseId) -> Result<Option<RequestRow>> {
    Ok(open311_requests::table.find(case).select(RequestRow::as_select()).get_result(db).optional()?)
}

/// The number of the case that a request became.
pub(super) fn number_of(db: &mut Db, case: CaseId) -> Result<Option<String>> {
    Ok(open311_requests::table
        .inner_join(cases::table.on(cases::id.eq(open311_requests::case_id)))
        .filter(open311_requests::case_id.eq(case))
        .select(cases::number)
        .get_result(db)
        .optional()?)
}

/// What is asked for, newest first.
pub(super) fn requests(db: &mut Db, asked: &Asked, limit: i64) -> Result<Vec<Kept>> {
    let mut query = open311_requests::table
        .inner_join(cases::table.on(cases::id.eq(open311_requests::case_id)))
        .select((RequestRow::as_select(), CaseNow::as_select()))
        .order(open311_requests::case_id.desc())
        .limit(limit)
        .into_boxed();
    if asked.numbers.is_empty() {
        query = query.filter(open311_requests::received_at.ge(At(asked.from)));
        query = query.filter(open311_requests::received_at.le(At(asked.until)));
        if !asked.service_codes.is_empty() {
            query = query.filter(open311_requests::service_code.eq_any(asked.service_codes.clone()));
        }
        let over = ["closed", "void"];
        query = match asked.closed {
            None => query,
            Some(true) => query.filter(cases::state.eq_any(over)),
            Some(false) => query.filter(cases::state.ne_all(over)),
        };
    } else {
        query = query.filter(cases::number.eq_any(asked.numbers.clone()));
    }
    let rows: Vec<(RequestRow, CaseNow)> = query.load(db)?;
    let names: Vec<(UnitId, String)> = units::table.select((units::id, units::name)).load(db)?;
    let name = |id: UnitId| names.iter().find(|(unit, _)| *unit == id).map(|(_, name)| name.clone());
    Ok(rows.into_iter().map(|(told, case)| Kept { unit: case.unit_id.and_then(name), told, case }).collect())
}
