//! What can be done with units, people and sessions. Passwords are hashed before, outside of transactions.

use super::{
    county, passwords,
    rules::{self, Actor, Role, UnitClass},
    store::{self, SessionRow, UnitRow, UserRow},
    tokens,
};
use crate::{
    db::{
        Db, Tx,
        feed::Change,
        types::{At, DeviceId, SessionId, UnitId, UserId},
    },
    env::Env,
    error::{Code, Error, Result},
};
use chrono::{DateTime, Datelike, Utc};
use std::collections::{HashMap, HashSet};

const SETUP: &str = "setup_code_sha256";

/// A one-time code for the first administrator, when there is none. Each start makes a new one and voids the last.
///
/// # Errors
/// The engine's own.
pub fn setup_code(tx: &mut Tx) -> Result<Option<String>> {
    if store::admin_exists(tx.db)? {
        store::secret_remove(tx.db, SETUP)?;
        return Ok(None);
    }
    let code = passwords::generate(tx.env());
    store::secret_set(tx.db, SETUP, &tokens::sha256(code.as_bytes()), At(tx.now))?;
    Ok(Some(code))
}

/// Makes the first administrator with the code that the start printed.
///
/// # Errors
/// `code_wrong`, or what [`user_add`] says.
pub fn setup(tx: &mut Tx, code: &str, user: NewUser) -> Result<UserRow> {
    let stored = store::secret_get(tx.db, SETUP)?.ok_or(Code::CodeWrong)?;
    if stored != tokens::sha256(code.trim().as_bytes()) || store::admin_exists(tx.db)? {
        return Err(Code::CodeWrong.into());
    }
    store::secret_remove(tx.db, SETUP)?;
    user_add(tx, NewUser { role: Role::Admin, ..user })
}

/// A new account, its password already hashed.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name to sign in with.
    pub username: String,
    /// The person's name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The unit; liaisons must have one.
    pub unit_id: Option<UnitId>,
    /// PHC string.
    pub password_hash: String,
}

/// Adds an account.
///
/// # Errors
/// `value_invalid`, `already_exists`, `not_found` for the unit.
pub fn user_add(tx: &mut Tx, new: NewUser) -> Result<UserRow> {
    rules::username(&new.username)?;
    rules::text("name", &new.name, 64)?;
    match new.unit_id {
        Some(unit) => unit_get(tx.db, unit).map(|_| ())?,
        None if new.role == Role::Liaison => return Err(Code::ValueInvalid.with("unit_id: a liaison has a unit")),
        None => {}
    }
    if store::user_by_username(tx.db, &new.username)?.is_some() {
        return Err(Code::AlreadyExists.with("username"));
    }
    let row = UserRow {
        id: UserId(tx.id()),
        username: new.username,
        name: new.name,
        role: new.role.to_string(),
        unit_id: new.unit_id,
        password_hash: new.password_hash,
        failed_logins: 0,
        locked_until: None,
        disabled_at: None,
        created_at: At(tx.now),
    };
    store::user_add(tx.db, &row)?;
    Ok(row)
}

/// Disables an account and ends its sessions.
///
/// # Errors
/// `not_found`.
pub fn user_disable(tx: &mut Tx, username: &str) -> Result<UserRow> {
    let mut row = store::user_by_username(tx.db, username)?.ok_or_else(|| Error::not_found("user"))?;
    row.disabled_at = Some(At(tx.now));
    store::user_save(tx.db, &row)?;
    store::sessions_end(tx.db, row.id, At(tx.now), "disabled")?;
    Ok(row)
}

/// Gives an account a new password, lifts lock and disabling, and ends its sessions.
///
/// # Errors
/// `not_found`.
pub fn user_reset(tx: &mut Tx, username: &str, password_hash: String) -> Result<UserRow> {
    let mut row = store::user_by_username(tx.db, username)?.ok_or_else(|| Error::not_found("user"))?;
    (row.password_hash, row.failed_logins, row.locked_until, row.disabled_at) = (password_hash, 0, None, None);
    store::user_save(tx.db, &row)?;
    store::sessions_end(tx.db, row.id, At(tx.now), "password_reset")?;
    Ok(row)
}

/// All accounts by user name.
///
/// # Errors
/// The engine's own.
pub fn user_list(db: &mut Db) -> Result<Vec<UserRow>> {
    store::user_list(db)
}

/// The account with this user name, for checking its password outside of the transaction.
///
/// # Errors
/// The engine's own.
pub fn user_by_username(db: &mut Db, username: &str) -> Result<Option<UserRow>> {
    store::user_by_username(db, username)
}

/// Names for timelines.
///
/// # Errors
/// The engine's own.
pub fn user_names(db: &mut Db, ids: &[UserId]) -> Result<HashMap<UserId, String>> {
    Ok(store::user_names(db, ids)?.into_iter().collect())
}

/// What a sign-in gives.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub user: UserRow,
    /// The session.
    pub session: SessionId,
    /// Works once.
    pub refresh_token: String,
}

/// Decides a sign-in whose password was checked outside. A wrong one is counted, so it returns `Ok(Err(..))`: the
/// count must be committed.
///
/// # Errors
/// The engine's own.
pub fn login(
    tx: &mut Tx,
    username: &str,
    password_matches: bool,
    device: Option<DeviceId>,
) -> Result<Result<SignedIn>> {
    let Some(mut user) = store::user_by_username(tx.db, username)? else {
        return Ok(Err(Code::CredentialsWrong.into()));
    };
    if user.locked_until.is_some_and(|until| until.0 > tx.now) {
        return Ok(Err(Code::AccountLocked.into()));
    }
    if !password_matches {
        user.failed_logins += 1;
        if user.failed_logins >= rules::LOCK_AFTER {
            (user.failed_logins, user.locked_until) = (0, Some(At(tx.now + rules::LOCK_FOR)));
        }
        store::user_save(tx.db, &user)?;
        return Ok(Err(Code::CredentialsWrong.into()));
    }
    if user.disabled_at.is_some() {
        return Ok(Err(Code::AccountDisabled.into()));
    }
    if user.failed_logins != 0 || user.locked_until.is_some() {
        (user.failed_logins, user.locked_until) = (0, None);
        store::user_save(tx.db, &user)?;
    }
    let secret = tokens::hex(&tx.env().bytes::<32>());
    let session = SessionRow {
        id: SessionId(tx.id()),
        user_id: user.id,
        device_id: device,
        refresh_sha256: tokens::sha256(secret.as_bytes()),
        previous_refresh_sha256: None,
        created_at: At(tx.now),
        expires_at: At(tx.now + rules::SESSION_FOR),
        ended_at: None,
        end_reason: None,
    };
    store::session_add(tx.db, &session)?;
    if let Some(device) = device {
        tx.settle(login_key(user.id, device));
    }
    Ok(Ok(SignedIn { user, refresh_token: format!("{}.{secret}", session.id), session: session.id }))
}

/// What operations held for `reauth` wait for.
pub fn login_key(user: UserId, device: DeviceId) -> String {
    format!("login:{user}:{device}")
}

/// Exchanges a refresh token for a new one. Reuse ends the session, which must be committed: `Ok(Err(..))`.
///
/// # Errors
/// The engine's own.
pub fn refresh(tx: &mut Tx, refresh_token: &str) -> Result<Result<SignedIn>> {
    let Some((id, secret)) = refresh_token.split_once('.') else { return Ok(Err(Code::TokenInvalid.into())) };
    let Ok(id) = id.parse::<SessionId>() else { return Ok(Err(Code::TokenInvalid.into())) };
    let Some((mut session, user)) = store::session_get(tx.db, id)? else {
        return Ok(Err(Code::TokenInvalid.into()));
    };
    let hash = tokens::sha256(secret.as_bytes());
    if let Err(error) = session_live(&session, &user, tx.now) {
        return Ok(Err(error));
    }
    if session.previous_refresh_sha256.as_ref() == Some(&hash) {
        (session.ended_at, session.end_reason) = (Some(At(tx.now)), Some("refresh_reused".into()));
        store::session_save(tx.db, &session)?;
        return Ok(Err(Code::RefreshReused.into()));
    }
    if session.refresh_sha256 != hash {
        return Ok(Err(Code::TokenInvalid.into()));
    }
    let secret = tokens::hex(&tx.env().bytes::<32>());
    session.previous_refresh_sha256 = Some(hash);
    session.refresh_sha256 = tokens::sha256(secret.as_bytes());
    store::session_save(tx.db, &session)?;
    Ok(Ok(SignedIn { user, refresh_token: format!("{id}.{secret}"), session: id }))
}

/// Ends a session.
///
/// # Errors
/// The engine's own.
pub fn logout(tx: &mut Tx, session: SessionId) -> Result<()> {
    if let Some((mut session, _)) = store::session_get(tx.db, session)? {
        (session.ended_at, session.end_reason) = (Some(At(tx.now)), Some("logout".into()));
        store::session_save(tx.db, &session)?;
    }
    Ok(())
}

fn session_live(session: &SessionRow, user: &UserRow, now: DateTime<Utc>) -> Result<()> {
    if user.disabled_at.is_some() {
        return Err(Code::AccountDisabled.into());
    }
    if session.ended_at.is_some() || session.expires_at.0 <= now {
        return Err(Code::SessionEnded.into());
    }
    Ok(())
}

fn actor(session: &SessionRow, user: UserRow) -> Result<Actor> {
    acting(user, session.id, session.device_id)
}

fn acting(user: UserRow, session_id: SessionId, device_id: Option<DeviceId>) -> Result<Actor> {
    let role = user.role.parse().map_err(|_| Error::internal("a stored role is unknown"))?;
    Ok(Actor { user_id: user.id, name: user.name, role, unit_id: user.unit_id, session_id, device_id })
}

/// A person outside of a session: for what is done on the machine itself, or in their name.
///
/// # Errors
/// `not_found`, or `account_disabled`.
pub fn person(db: &mut Db, username: &str) -> Result<Actor> {
    outside(store::user_by_username(db, username)?)
}

/// As [`person`], by id.
///
/// # Errors
/// The same.
pub fn person_by_id(db: &mut Db, id: UserId) -> Result<Actor> {
    outside(store::user_get(db, id)?)
}

fn outside(user: Option<UserRow>) -> Result<Actor> {
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    if user.disabled_at.is_some() {
        return Err(Code::AccountDisabled.into());
    }
    acting(user, SessionId(uuid::Uuid::nil()), None)
}

/// The person behind a live session.
///
/// # Errors
/// `session_ended` or `account_disabled`.
pub fn session_actor(db: &mut Db, session: SessionId, now: DateTime<Utc>) -> Result<Actor> {
    let (session, user) = store::session_get(db, session)?.ok_or(Code::SessionEnded)?;
    session_live(&session, &user, now)?;
    actor(&session, user)
}

/// Sessions with the people they belong to.
///
/// # Errors
/// The engine's own.
pub fn sessions_by_id(db: &mut Db, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
    store::sessions_get(db, ids)
}

/// The person behind an operation made on a device: the session must be theirs, begun on that very device, and must
/// not have ended when they acted. An expired access token plays no part: work done offline is never refused for it.
///
/// # Errors
/// `reauth`, when the person must sign in on the device again.
pub fn op_actor(
    session: &SessionRow,
    account: UserRow,
    user: UserId,
    device: DeviceId,
    occurred_at: DateTime<Utc>,
) -> Result<Actor> {
    let until = session.ended_at.map_or(session.expires_at, |end| end.min(session.expires_at)).0;
    let own = session.user_id == user && session.device_id == Some(device);
    if !own || account.disabled_at.is_some() || occurred_at > until {
        return Err(Code::Reauth.into());
    }
    actor(session, account)
}

/// The actor a held operation gets once its person has signed in again.
///
/// # Errors
/// `reauth`, when the account is gone or disabled.
pub fn op_actor_vouched(db: &mut Db, user: UserId, session: SessionId, device: DeviceId) -> Result<Actor> {
    let user = store::user_get(db, user)?.filter(|u| u.disabled_at.is_none()).ok_or(Code::Reauth)?;
    Ok(Actor {
        user_id: user.id,
        name: user.name,
        role: user.role.parse().map_err(|_| Error::internal("a stored role is unknown"))?,
        unit_id: user.unit_id,
        session_id: session,
        device_id: Some(device),
    })
}

/// Adds a unit with its class of one year.
///
/// # Errors
/// `value_invalid` or `already_exists`.
pub fn unit_add(tx: &mut Tx, code: &str, name: &str, year: i32, class: UnitClass) -> Result<UnitRow> {
    rules::text("code", code, 16)?;
    rules::text("name", name, 64)?;
    if !(2000..=2200).contains(&year) {
        return Err(Code::ValueInvalid.with("year: 2000–2200"));
    }
    if store::unit_by_code(tx.db, code)?.is_some() {
        return Err(Code::AlreadyExists.with("code"));
    }
    if store::unit_name_taken(tx.db, name)? {
        return Err(Code::AlreadyExists.with("name"));
    }
    let row = UnitRow { id: UnitId(tx.id()), code: code.into(), name: name.into(), created_at: At(tx.now) };
    store::unit_add(tx.db, &row)?;
    store::unit_class_set(tx.db, row.id, year, class.as_str())?;
    tx.announce(Change { kind: "unit", id: row.id.to_string(), before: vec![], after: vec!["all".into()], op: None });
    Ok(row)
}

/// Sets a unit's class for one year; other years stay as they were.
///
/// # Errors
/// `not_found`.
pub fn unit_class_set(tx: &mut Tx, code: &str, year: i32, class: UnitClass) -> Result<()> {
    let unit = store::unit_by_code(tx.db, code)?.ok_or_else(|| Error::not_found("unit"))?;
    store::unit_class_set(tx.db, unit.id, year, class.as_str())?;
    let keys = vec!["all".to_owned()];
    tx.announce(Change { kind: "unit", id: unit.id.to_string(), before: keys.clone(), after: keys, op: None });
    Ok(())
}

/// Loads the county's 32 units that are not there yet; returns how many it added.
///
/// # Errors
/// The engine's own.
pub fn county_load(tx: &mut Tx) -> Result<usize> {
    let year = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).year();
    let mut added = 0;
    for (code, name, class) in county::units() {
        if store::unit_by_code(tx.db, &code)?.is_none() {
            unit_add(tx, &code, name, year, class)?;
            added += 1;
        }
    }
    Ok(added)
}

/// A unit.
///
/// # Errors
/// `not_found`.
pub fn unit_get(db: &mut Db, id: UnitId) -> Result<UnitRow> {
    store::unit_get(db, id)?.ok_or_else(|| Error::not_found("unit"))
}

/// A unit by its code.
///
/// # Errors
/// `not_found`.
pub fn unit_by_code(db: &mut Db, code: &str) -> Result<UnitRow> {
    store::unit_by_code(db, code)?.ok_or_else(|| Error::not_found("unit"))
}

/// All units by code with the class that holds in `year`.
///
/// # Errors
/// The engine's own.
pub fn unit_list(db: &mut Db, year: i32) -> Result<Vec<(UnitRow, Option<String>)>> {
    store::unit_list(db, year)
}

/// The ids of all units.
///
/// # Errors
/// The engine's own.
pub fn unit_ids(db: &mut Db) -> Result<HashSet<UnitId>> {
    Ok(store::unit_ids(db)?.into_iter().collect())
}

/// Hashes a password of acceptable form.
///
/// # Errors
/// `value_invalid`.
pub fn password_hash(env: &Env, password: &str) -> Result<String> {
    rules::password(password)?;
    passwords::hash(env, password)
}
