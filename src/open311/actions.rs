//! What a report by Open311 does, in an open transaction.

use super::{
    rules::{Contact, PER_MINUTE, Told, telling, told},
    store::{self, RequestRow, Update},
};
use crate::{
    cases::{self, actions::Cause},
    db::{
        Db, Tx,
        types::{At, CaseId, SessionId},
    },
    error::{Error, Result},
    identity::{
        self,
        actions::NewUser,
        rules::{Actor, Role},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub(super) use store::{number_of, requests};

/// What became of requests between two moments, oldest first, with the words for it.
///
/// # Errors
/// The engine's own.
pub(super) fn updates(
    db: &mut Db,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<(Update, &'static str)>> {
    let steps = store::updates(db, &told(), (At(from), At(until)), limit)?;
    let worded = |step: Update| telling(&step.command, &step.args.0).map(|words| (step, words));
    Ok(steps.into_iter().filter_map(worded).collect())
}

/// The account that reports of the public stand under; nobody can sign in to it.
const ACCOUNT: &str = "open311";

fn the_public(tx: &mut Tx) -> Result<Actor> {
    let row = match identity::actions::user_by_username(tx.db, ACCOUNT)? {
        Some(row) => row,
        None => {
            let user = NewUser {
                username: ACCOUNT.into(),
                name: "公众（Open311）".into(),
                role: Role::Inspector,
                unit_id: None,
                // No hash of any password.
                password_hash: "!".into(),
            };
            identity::actions::user_add(tx, user)?;
            identity::actions::user_disable(tx, ACCOUNT)?
        }
    };
    let session_id = SessionId(Uuid::nil());
    Ok(Actor { user_id: row.id, name: row.name, role: Role::Inspector, unit_id: None, session_id, device_id: None })
}

/// Makes a case of a report by the holder of a key, and gives its number; nothing when the key has reported too often in
/// the last minute.
///
/// # Errors
/// What the case desk says.
pub(super) fn report(tx: &mut Tx, holder: &str, told: Told) -> Result<Option<String>> {
    let since = At(tx.now - TimeDelta::minutes(1));
    if store::count_since(tx.db, holder, since)? >= PER_MINUTE {
        return Ok(None);
    }
    let public = the_public(tx)?;
    let id = CaseId(tx.id());
    let Told { service_code, service_name, description, address_id, media_url, contact, report } = told;
    let cause = Cause { op: None, device: None, occurred_at: tx.now };
    cases::actions::case_report(tx, &public, id, report, cause)?;
    let Contact { email, phone, first_name, last_name, device_id, account_id } = contact;
    let row = RequestRow {
        case_id: id,
        api_key: holder.to_owned(),
        service_code,
        service_name,
        description,
        address_id,
        media_url,
        email,
        phone,
        first_name,
        last_name,
        device_id,
        account_id,
        received_at: At(tx.now),
    };
    store::request_add(tx.db, &row)?;
    store::number_of(tx.db, id)
}

/// What was told, with the contact.
///
/// # Errors
/// `not_found`.
pub(super) fn request_get(db: &mut Db, case: CaseId) -> Result<RequestRow> {
    store::request_get(db, case)?.ok_or_else(|| Error::not_found("request"))
}
