//! What a device keeps: its own SQLite file, durable before anybody is told "saved".
//!
//! The schema is the client's own (`user_version` counts it) and has nothing to do with the server's. `outbox` holds what
//! no answer has come for, `sent` what was answered, `base` what the server last said, `media` the files, `captures` what was signed.

mod captures;
mod epochs;
mod feed;
mod keep;
mod media;
mod outbox;
mod schema;

pub use super::keep::{Position, Queued};
pub use captures::CaptureDraft;
pub use media::{Media, MediaState};
pub use outbox::{Attachment, Draft, Sent, Unseen};

use super::{
    ClientError, Result,
    device::{ClockOffset, Identity},
};
use crate::{
    db::types::{SessionId, UnitId, UserId},
    identity::rules::Role,
};
use chrono::{DateTime, Utc};
use diesel::{
    connection::{Connection, SimpleConnection},
    prelude::*,
    sqlite::SqliteConnection,
};
use schema::meta;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;

/// A device's database.
pub struct Store {
    pub(super) db: SqliteConnection,
}

/// The person signed in on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session; goes into every operation.
    pub session_id: SessionId,
    /// The person.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Their unit.
    pub unit_id: Option<UnitId>,
    /// For reading.
    pub access_token: String,
    /// For the next access token; works once.
    pub refresh_token: String,
}

#[derive(QueryableByName)]
struct UserVersion {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    user_version: i32,
}

impl Store {
    /// Opens the file, making it readable by its owner alone when it is new: it holds the device's key.
    ///
    /// # Errors
    /// [`ClientError::Store`], also for a file of a newer version of this program.
    pub fn open(path: &Path) -> Result<Store> {
        let mut db = open(path)?;
        let found: UserVersion = diesel::sql_query("PRAGMA user_version").get_result(&mut db)?;
        match found.user_version {
            0 => db.batch_execute(schema::SCHEMA)?,
            schema::VERSION => {}
            older @ 1..schema::VERSION => {
                let steps = [(1, schema::FROM_1), (2, schema::FROM_2), (3, schema::FROM_3)];
                for (_, step) in steps.into_iter().filter(|(from, _)| *from >= older) {
                    db.batch_execute(step)?;
                }
            }
            newer => {
                return Err(ClientError::Store(format!(
                    "{} was written by a newer version of this program (schema {newer}, this one knows {})",
                    path.display(),
                    schema::VERSION
                )));
            }
        }
        Ok(Store { db })
    }

    /// Who this device is.
    ///
    /// # Errors
    /// [`ClientError::NotEnrolled`].
    pub fn identity(&mut self) -> Result<Identity> {
        self.get("identity")?.ok_or(ClientError::NotEnrolled)
    }

    /// Stores who this device is. What still waits gets numbers of the new epoch, from 1 on.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn set_identity(&mut self, identity: &Identity, offset: ClockOffset) -> Result<()> {
        self.db.immediate_transaction(|db| {
            put(db, "offset", &offset)?;
            epochs::enter(db, identity, None)
        })
    }

    /// Puts a key that survived into a new store: the device asks for an epoch before it sends anything. What was in the
    /// old store is gone, and the server will say so.
    ///
    /// # Errors
    /// [`ClientError::Store`], also when this store belongs to a device already.
    pub fn adopt(&mut self, identity: &Identity) -> Result<()> {
        self.db.immediate_transaction(|db| {
            if get::<Identity>(db, "identity")?.is_some() {
                return Err(ClientError::Store("this store belongs to a device already".into()));
            }
            epochs::enter(db, &Identity { epoch: 0, ..identity.clone() }, None)
        })
    }

    /// The clock's measured offset.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn offset(&mut self) -> Result<Option<ClockOffset>> {
        self.get("offset")
    }

    /// Stores a measurement of the clock's offset.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn set_offset(&mut self, offset: ClockOffset) -> Result<()> {
        put(&mut self.db, "offset", &offset)
    }

    /// The person signed in.
    ///
    /// # Errors
    /// [`ClientError::NotSignedIn`].
    pub fn session(&mut self) -> Result<Session> {
        self.get("session")?.ok_or(ClientError::NotSignedIn)
    }

    /// Stores the session, or forgets it. The outbox is not touched: it goes with the device's key.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn set_session(&mut self, session: Option<&Session>) -> Result<()> {
        match session {
            Some(session) => put(&mut self.db, "session", session),
            None => {
                diesel::delete(meta::table.find("session")).execute(&mut self.db)?;
                Ok(())
            }
        }
    }

    /// A note of the caller's own.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn note(&mut self, name: &str) -> Result<Option<String>> {
        self.get(&format!("note:{name}"))
    }

    /// Keeps a note of the caller's own.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn set_note(&mut self, name: &str, value: &str) -> Result<()> {
        put(&mut self.db, &format!("note:{name}"), &value)
    }

    pub(super) fn get<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>> {
        get(&mut self.db, name)
    }
}

/// Opens a client database: private, WAL, and durable at every commit.
///
/// # Errors
/// [`ClientError::Store`], with the path.
pub fn open(path: &Path) -> Result<SqliteConnection> {
    use std::os::unix::fs::OpenOptionsExt;
    let fail = |e: &dyn std::fmt::Display| ClientError::Store(format!("{}: {e}", path.display()));
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| fail(&e))?;
    }
    // SQLite gives its -wal and -shm files the mode of the database itself.
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    drop(opened.map_err(|e| fail(&e))?);
    let url = path.to_str().ok_or_else(|| fail(&"the path is not UTF-8"))?;
    let mut db = SqliteConnection::establish(url).map_err(|e| fail(&e))?;
    db.batch_execute(
        "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    )
    .map_err(|e| fail(&e))?;
    Ok(db)
}

fn get<T: DeserializeOwned>(db: &mut SqliteConnection, name: &str) -> Result<Option<T>> {
    let text: Option<String> = meta::table.find(name).select(meta::value).first(db).optional()?;
    text.map(|text| serde_json::from_str(&text).map_err(|e| ClientError::Store(format!("{name}: {e}")))).transpose()
}

fn put(db: &mut SqliteConnection, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|e| ClientError::Store(format!("{name}: {e}")))?;
    diesel::replace_into(meta::table).values((meta::name.eq(name), meta::value.eq(text))).execute(db)?;
    Ok(())
}

/// A moment as the stored whole microseconds can hold it: what is read back equals what was kept.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    chrono::SubsecRound::trunc_subsecs(at, 6)
}

#[cfg(test)]
mod tests;
