//! Rows of units, people, sessions, devices and the server's secrets.

use crate::{
    db::{
        Db, Each,
        schema::{device_epochs, device_keys, devices, server_secrets, sessions, unit_classes, units, users},
        types::{At, DeviceId, SessionId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{prelude::*, upsert::excluded};

/// A unit.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = units)]
pub struct UnitRow {
    /// Its id.
    pub id: UnitId,
    /// Short code, `A01`.
    pub code: String,
    /// Full name.
    pub name: String,
    /// When it was entered.
    pub created_at: At,
}

/// A person's account.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// The name to sign in with.
    pub username: String,
    /// The person's name.
    pub name: String,
    /// See `rules::Role`.
    pub role: String,
    /// The person's unit.
    pub unit_id: Option<UnitId>,
    /// PHC string.
    pub password_hash: String,
    /// Wrong passwords in a row.
    pub failed_logins: i32,
    /// Locked until then.
    pub locked_until: Option<At>,
    /// Disabled since then.
    pub disabled_at: Option<At>,
    /// When it was made.
    pub created_at: At,
}

/// A device.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = devices, treat_none_as_null = true)]
pub struct DeviceRow {
    /// Its id.
    pub id: DeviceId,
    /// The label on it.
    pub name: String,
    /// See `rules::DeviceKind`.
    pub kind: String,
    /// SEC 1 point of its P-256 key, once enrolled.
    pub public_key: Option<Vec<u8>>,
    /// Hash of the one-time code, until used.
    pub enrolment_code_sha256: Option<Vec<u8>>,
    /// The code works until then.
    pub enrolment_expires_at: Option<At>,
    /// When it was enrolled.
    pub enrolled_at: Option<At>,
    /// When it was revoked.
    pub revoked_at: Option<At>,
    /// The newest of its epochs.
    pub epoch: i32,
    /// When it was entered.
    pub created_at: At,
}

/// One numbering of a device's operations, and what its last push said of the device.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = device_epochs, treat_none_as_null = true)]
pub struct EpochRow {
    /// The device.
    pub device_id: DeviceId,
    /// Its number, from 1.
    pub epoch: i32,
    /// `enrolled`, `copied` or `wiped`.
    pub reason: String,
    /// When it began.
    pub started_at: At,
    /// Pushes that were taken in it.
    pub pushes: i64,
    /// The number of the newest try that was taken.
    pub attempt: i64,
    /// SHA-256 of that push: the network may deliver it twice.
    pub attempt_sha256: Option<Vec<u8>>,
    /// The highest sequence number that the device spoke of.
    pub high_seq: i64,
    /// Operations with different sequence numbers that arrived.
    pub received: i64,
    /// The highest sequence number that arrived.
    pub received_seq: i64,
    /// Operations that waited on the device.
    pub depth: i64,
    /// When the oldest of them was made.
    pub oldest_at: Option<At>,
    /// Name and version of the client.
    pub app: Option<String>,
    /// When it last pushed.
    pub last_push_at: Option<At>,
    /// Device clock minus server clock, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Whether its storage is safe from eviction.
    pub storage_persisted: Option<bool>,
    /// Files that waited for their upload.
    pub media_waiting: Option<i64>,
    /// The place in the feed up to which it had read.
    pub feed_seq: i64,
    /// When it last compared digests.
    pub digest_at: Option<At>,
    /// Whether they agreed.
    pub digest_matched: Option<bool>,
}

impl EpochRow {
    /// A numbering in which nothing has happened.
    pub fn new(device_id: DeviceId, epoch: i32, reason: &str, started_at: At) -> EpochRow {
        EpochRow {
            device_id,
            epoch,
            reason: reason.to_owned(),
            started_at,
            pushes: 0,
            attempt: 0,
            attempt_sha256: None,
            high_seq: 0,
            received: 0,
            received_seq: 0,
            depth: 0,
            oldest_at: None,
            app: None,
            last_push_at: None,
            clock_offset_ms: None,
            storage_persisted: None,
            media_waiting: None,
            feed_seq: 0,
            digest_at: None,
            digest_matched: None,
        }
    }
}

/// One sign-in.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// On which device, when it proved one.
    pub device_id: Option<DeviceId>,
    /// Hash of the refresh token that works.
    pub refresh_sha256: Vec<u8>,
    /// Hash of the one before: its second use ends the session.
    pub previous_refresh_sha256: Option<Vec<u8>>,
    /// When it began.
    pub created_at: At,
    /// It can't be refreshed after that.
    pub expires_at: At,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

pub(super) fn unit_add(db: &mut Db, row: &UnitRow) -> Result<()> {
    diesel::insert_into(units::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn unit_class_set(db: &mut Db, unit: UnitId, year: i32, class: &str) -> Result<()> {
    let values = (unit_classes::unit_id.eq(unit), unit_classes::year.eq(year), unit_classes::class.eq(class));
    Each(
        diesel::insert_into(unit_classes::table)
            .values(values)
            .on_conflict((unit_classes::unit_id, unit_classes::year))
            .do_update()
            .set(unit_classes::class.eq(class)),
    )
    .execute(db)?;
    Ok(())
}

pub(super) fn unit_by_code(db: &mut Db, code: &str) -> Result<Option<UnitRow>> {
    Ok(units::table.filter(units::code.eq(code)).select(UnitRow::as_select()).get_result(db).optional()?)
}

pub(super) fn unit_get(db: &mut Db, id: UnitId) -> Result<Option<UnitRow>> {
    Ok(units::table.find(id).select(UnitRow::as_select()).get_result(db).optional()?)
}

pub(super) fn unit_name_taken(db: &mut Db, name: &str) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(units::table.filter(units::name.eq(name)))).get_result(db)?)
}

/// All units by code, each with the class of the newest year up to `year`.
pub(super) fn unit_list(db: &mut Db, year: i32) -> Result<Vec<(UnitRow, Option<String>)>> {
    let all: Vec<UnitRow> = units::table.order(units::code.asc()).select(UnitRow::as_select()).load(db)?;
    let classes: Vec<(UnitId, String)> = unit_classes::table
        .filter(unit_classes::year.le(year))
        .order(unit_classes::year.asc())
        .select((unit_classes::unit_id, unit_classes::class))
        .load(db)?;
    let newest: std::collections::HashMap<UnitId, String> = classes.into_iter().collect();
    Ok(all.into_iter().map(|unit| (unit.clone(), newest.get(&unit.id).cloned())).collect())
}

pub(super) fn user_add(db: &mut Db, row: &UserRow) -> Result<()> {
    diesel::insert_into(users::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn user_save(db: &mut Db, row: &UserRow) -> Result<()> {
    diesel::update(users::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn user_get(db: &mut Db, id: UserId) -> Result<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).get_result(db).optional()?)
}

pub(super) fn user_by_username(db: &mut Db, username: &str) -> Result<Option<UserRow>> {
    Ok(users::table.filter(users::username.eq(username)).select(UserRow::as_select()).get_result(db).optional()?)
}

pub(super) fn user_list(db: &mut Db) -> Result<Vec<UserRow>> {
    Ok(users::table.order(users::username.asc()).select(UserRow::as_select()).load(db)?)
}

pub(super) fn user_names(db: &mut Db, ids: &[UserId]) -> Result<Vec<(UserId, String)>> {
    Ok(users::table.filter(users::id.eq_any(ids)).select((users::id, users::name)).load(db)?)
}

pub(super) fn admin_exists(db: &mut Db) -> Result<bool> {
    let admins = users::table.filter(users::role.eq("admin")).filter(users::disabled_at.is_null());
    Ok(admins.count().get_result::<i64>(db)? > 0)
}

pub(super) fn session_add(db: &mut Db, row: &SessionRow) -> Result<()> {
    diesel::insert_into(sessions::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn session_save(db: &mut Db, row: &SessionRow) -> Result<()> {
    diesel::update(sessions::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn session_get(db: &mut Db, id: SessionId) -> Result<Option<(SessionRow, UserRow)>> {
    Ok(sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::id.eq(id))
        .select((SessionRow::as_select(), UserRow::as_select()))
        .get_result(db)
        .optional()?)
}

pub(super) fn sessions_end(db: &mut Db, user: UserId, at: At, reason: &str) -> Result<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::ended_at.is_null()))
        .set((sessions::ended_at.eq(Some(at)), sessions::end_reason.eq(Some(reason))))
        .execute(db)?;
    Ok(())
}

pub(super) fn device_add(db: &mut Db, row: &DeviceRow) -> Result<()> {
    diesel::insert_into(devices::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn device_save(db: &mut Db, row: &DeviceRow) -> Result<()> {
    diesel::update(devices::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

/// Keeps the key that a device has just enrolled with.
pub(super) fn device_key_add(db: &mut Db, row: &DeviceRow) -> Result<()> {
    let key = (
        device_keys::device_id.eq(row.id),
        device_keys::epoch.eq(row.epoch),
        device_keys::public_key.eq(row.public_key.as_deref().unwrap_or_default()),
        device_keys::enrolled_at.eq(row.enrolled_at.unwrap_or(row.created_at)),
    );
    diesel::insert_into(device_keys::table).values(key).execute(db)?;
    Ok(())
}

pub(super) fn device_get(db: &mut Db, id: DeviceId) -> Result<Option<DeviceRow>> {
    Ok(devices::table.find(id).select(DeviceRow::as_select()).get_result(db).optional()?)
}

pub(super) fn devices_get(db: &mut Db, ids: &[DeviceId]) -> Result<Vec<DeviceRow>> {
    Ok(devices::table.filter(devices::id.eq_any(ids)).select(DeviceRow::as_select()).load(db)?)
}

/// The epochs of these devices with their rows locked until the transaction ends, in one order for everybody, so that
/// two pushes of one device take turns and no two transactions wait for each other.
pub(super) fn epochs_locked(db: &mut Db, ids: &[DeviceId]) -> Result<Vec<EpochRow>> {
    let wanted = device_epochs::table.filter(device_epochs::device_id.eq_any(ids));
    if let Db::Postgres(c) = db {
        let ordered = wanted.order((device_epochs::device_id.asc(), device_epochs::epoch.asc()));
        return Ok(ordered.select(EpochRow::as_select()).for_update().load(c)?);
    }
    // SQLite has one writer: the transaction itself is the lock.
    Ok(wanted.select(EpochRow::as_select()).load(db)?)
}

/// The epochs of a device, newest first.
pub(super) fn epochs_of(db: &mut Db, id: DeviceId) -> Result<Vec<EpochRow>> {
    Ok(device_epochs::table
        .filter(device_epochs::device_id.eq(id))
        .order(device_epochs::epoch.desc())
        .select(EpochRow::as_select())
        .load(db)?)
}

/// The epochs in which a device made more than arrived.
pub(super) fn epochs_incomplete(db: &mut Db) -> Result<Vec<EpochRow>> {
    Ok(device_epochs::table
        .filter(device_epochs::high_seq.gt(device_epochs::received))
        .select(EpochRow::as_select())
        .load(db)?)
}

/// The newest epoch of each device.
pub(super) fn epochs_newest(db: &mut Db) -> Result<Vec<EpochRow>> {
    Ok(device_epochs::table
        .inner_join(devices::table.on(devices::id.eq(device_epochs::device_id)))
        .filter(devices::epoch.eq(device_epochs::epoch))
        .select(EpochRow::as_select())
        .load(db)?)
}

pub(super) fn epoch_add(db: &mut Db, row: &EpochRow) -> Result<()> {
    diesel::insert_into(device_epochs::table).values(row).execute(db)?;
    Ok(())
}

macro_rules! replaced {
    ($($column:ident)*) => { ($(device_epochs::$column.eq(excluded(device_epochs::$column)),)*) };
}

/// What pushes change of their epochs. PostgreSQL takes them in one statement, SQLite has no round trip to save.
pub(super) fn epochs_save(db: &mut Db, rows: &[EpochRow]) -> Result<()> {
    if let (Db::Postgres(c), 2..) = (&mut *db, rows.len()) {
        diesel::insert_into(device_epochs::table)
            .values(rows)
            .on_conflict((device_epochs::device_id, device_epochs::epoch))
            .do_update()
            .set(replaced!(
                pushes attempt attempt_sha256 high_seq received received_seq depth oldest_at app last_push_at clock_offset_ms
                storage_persisted media_waiting feed_seq digest_at digest_matched
            ))
            .execute(c)?;
        return Ok(());
    }
    for row in rows {
        diesel::update(device_epochs::table.find((row.device_id, row.epoch))).set(row).execute(db)?;
    }
    Ok(())
}

/// The place in the feed that the slowest device has passed: of each device that can still read, its newest epoch.
pub(super) fn feed_seq_least(db: &mut Db) -> Result<Option<i64>> {
    Ok(device_epochs::table
        .inner_join(devices::table.on(devices::id.eq(device_epochs::device_id)))
        .filter(devices::epoch.eq(device_epochs::epoch))
        .filter(devices::revoked_at.is_null())
        .filter(devices::kind.eq("handheld"))
        .select(diesel::dsl::min(device_epochs::feed_seq))
        .get_result(db)?)
}

pub(super) fn unit_ids(db: &mut Db) -> Result<Vec<UnitId>> {
    Ok(units::table.select(units::id).load(db)?)
}

/// Sessions with their people.
pub(super) fn sessions_get(db: &mut Db, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
    Ok(sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::id.eq_any(ids))
        .select((SessionRow::as_select(), UserRow::as_select()))
        .load(db)?)
}

pub(super) fn device_by_name(db: &mut Db, name: &str) -> Result<Option<DeviceRow>> {
    Ok(devices::table.filter(devices::name.eq(name)).select(DeviceRow::as_select()).get_result(db).optional()?)
}

pub(super) fn device_by_code(db: &mut Db, code_sha256: &[u8]) -> Result<Option<DeviceRow>> {
    Ok(devices::table
        .filter(devices::enrolment_code_sha256.eq(code_sha256))
        .select(DeviceRow::as_select())
        .get_result(db)
        .optional()?)
}

pub(super) fn device_list(db: &mut Db) -> Result<Vec<DeviceRow>> {
    Ok(devices::table.order(devices::name.asc()).select(DeviceRow::as_select()).load(db)?)
}

pub(super) fn secret_get(db: &mut Db, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(server_secrets::table.find(name).select(server_secrets::secret).get_result(db).optional()?)
}

pub(super) fn secret_set(db: &mut Db, name: &str, secret: &[u8], at: At) -> Result<()> {
    let values = (server_secrets::name.eq(name), server_secrets::secret.eq(secret), server_secrets::created_at.eq(at));
    Each(
        diesel::insert_into(server_secrets::table)
            .values(values)
            .on_conflict(server_secrets::name)
            .do_update()
            .set((server_secrets::secret.eq(secret), server_secrets::created_at.eq(at))),
    )
    .execute(db)?;
    Ok(())
}

/// Keeps a secret unless there is one.
pub(super) fn secret_add(db: &mut Db, name: &str, secret: &[u8], at: At) -> Result<()> {
    let values = (server_secrets::name.eq(name), server_secrets::secret.eq(secret), server_secrets::created_at.eq(at));
    Each(diesel::insert_into(server_secrets::table).values(values).on_conflict(server_secrets::name).do_nothing())
        .execute(db)?;
    Ok(())
}

pub(super) fn secret_remove(db: &mut Db, name: &str) -> Result<()> {
    diesel::delete(server_secrets::table.find(name)).execute(db)?;
    Ok(())
}
