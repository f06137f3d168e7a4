//! What the dock knows of each file; survives anything but the loss of its own disk.

use super::{recording::Recording, scan::Found};
use crate::{
    client::{ClientError, Result, store},
    db::types::At,
    identity::rules::text_enum,
};
use chrono::{DateTime, Utc};
use diesel::{connection::SimpleConnection, prelude::*, sqlite::SqliteConnection};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::Utc;
    dock_files (id) {
        id -> BigInt,
        path -> Text,
        size -> BigInt,
        mtime -> Utc,
        mime -> Text,
        sha256 -> Nullable<Text>,
        captured_at -> Nullable<Utc>,
        captured_from -> Nullable<Text>,
        upload_url -> Nullable<Text>,
        state -> Text,
        reason -> Nullable<Text>,
        receipt -> Nullable<Text>,
        found_at -> Utc,
        changed_at -> Utc,
        camera -> Nullable<Text>,
        recording -> Nullable<Text>,
        wiped_at -> Nullable<Utc>,
    }
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS dock_files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
  mime TEXT NOT NULL, sha256 TEXT, captured_at INTEGER, captured_from TEXT, upload_url TEXT,
  state TEXT NOT NULL CHECK (state IN ('found','hashed','uploading','receipted','failed')),
  reason TEXT, receipt TEXT, found_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  UNIQUE (path, size, mtime)
) STRICT;";

/// From the ledger that knew no cameras. Its receipts were not signed: those files are asked about again.
const WITH_CAMERAS: &str = "
ALTER TABLE dock_files ADD COLUMN camera TEXT;
ALTER TABLE dock_files ADD COLUMN recording TEXT;
ALTER TABLE dock_files ADD COLUMN wiped_at INTEGER;
UPDATE dock_files SET state = 'hashed', receipt = NULL, upload_url = NULL WHERE state = 'receipted';";

text_enum! {
    /// How far a file has come.
    LedgerState {
        /// Complete on the card.
        Found = "found",
        /// Its hash is known.
        Hashed = "hashed",
        /// The server has an upload for it.
        Uploading = "uploading",
        /// The server has signed that it has it; safe to wipe.
        Receipted = "receipted",
        /// It can't be read, or the server will not take it; keep it.
        Failed = "failed",
    }
}

/// One file at one time: a changed file is another line.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize)]
pub struct Line {
    /// Its number here.
    pub id: i64,
    /// Where it lay.
    pub path: String,
    /// Bytes.
    pub size: i64,
    /// Last change.
    pub mtime: At,
    /// Media type.
    pub mime: String,
    /// Hexadecimal.
    pub sha256: Option<String>,
    /// When it was taken.
    pub captured_at: Option<At>,
    /// Who says so: `name`, `file` or `mtime`.
    pub captured_from: Option<String>,
    /// Where the upload goes on.
    pub upload_url: Option<String>,
    /// A [`LedgerState`].
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// The receipt, JSON.
    #[serde(skip)]
    pub receipt: Option<String>,
    /// When it was first complete.
    pub found_at: At,
    /// When this line changed.
    pub changed_at: At,
    /// The camera's serial.
    pub camera: Option<String>,
    /// A [`Recording`], JSON.
    #[serde(skip)]
    pub recording: Option<String>,
    /// When it was removed from the card.
    pub wiped_at: Option<At>,
}

/// What is known of a file once it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Hexadecimal.
    pub sha256: String,
    /// Whose, when, how important.
    pub recording: Recording,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// The ledger; in the same SQLite file as the dock's identity.
pub struct Ledger {
    db: SqliteConnection,
}

impl Ledger {
    /// Opens it.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn open(path: &Path) -> Result<Ledger> {
        let mut db = store::open(path)?;
        db.batch_execute(SCHEMA)?;
        let columns: Count =
            diesel::sql_query("SELECT count(*) AS n FROM pragma_table_info('dock_files') WHERE name = 'camera'")
                .get_result(&mut db)?;
        if columns.n == 0 {
            db.immediate_transaction(|db| db.batch_execute(WITH_CAMERAS))?;
        }
        Ok(Ledger { db })
    }

    /// The line of a complete file; a new one when the file is new or has changed. The flag says which.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn enter(&mut self, found: &Found, now: DateTime<Utc>) -> Result<(Line, bool)> {
        let path = text(&found.path)?;
        let size = i64::try_from(found.size).unwrap_or(i64::MAX);
        let known = dock_files::table.filter(
            dock_files::path.eq(path).and(dock_files::size.eq(size)).and(dock_files::mtime.eq(At(found.mtime))),
        );
        if let Some(line) = known.first::<Line>(&mut self.db).optional()? {
            return Ok((line, false));
        }
        let row = (
            dock_files::path.eq(path),
            dock_files::size.eq(size),
            dock_files::mtime.eq(At(found.mtime)),
            dock_files::mime.eq(found.mime),
            dock_files::state.eq(LedgerState::Found.as_str()),
            dock_files::found_at.eq(At(now)),
            dock_files::changed_at.eq(At(now)),
        );
        diesel::insert_into(dock_files::table).values(row).execute(&mut self.db)?;
        Ok((known.first(&mut self.db)?, true))
    }

    /// The file was read.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn hashed(&mut self, id: i64, hashed: &Hashed, now: DateTime<Utc>) -> Result<()> {
        let recording = serde_json::to_string(&hashed.recording).map_err(|e| ClientError::Store(e.to_string()))?;
        let change = (
            dock_files::sha256.eq(&hashed.sha256),
            dock_files::captured_at.eq(At(hashed.recording.at)),
            dock_files::captured_from.eq(&hashed.recording.from),
            dock_files::camera.eq(&hashed.recording.camera),
            dock_files::recording.eq(recording),
            dock_files::state.eq(LedgerState::Hashed.as_str()),
            dock_files::reason.eq(None::<String>),
            dock_files::changed_at.eq(At(now)),
        );
        diesel::update(dock_files::table.find(id)).set(change).execute(&mut self.db)?;
        Ok(())
    }

    /// Its upload goes on there, or must begin anew.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn moved(&mut self, id: i64, url: Option<&str>, now: DateTime<Utc>) -> Result<()> {
        let state = if url.is_some() { LedgerState::Uploading } else { LedgerState::Hashed };
        let change =
            (dock_files::upload_url.eq(url), dock_files::state.eq(state.as_str()), dock_files::changed_at.eq(At(now)));
        diesel::update(dock_files::table.find(id)).set(change).execute(&mut self.db)?;
        Ok(())
    }

    /// The server has it.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn receipted(&mut self, id: i64, receipt: &str, now: DateTime<Utc>) -> Result<()> {
        let change = (
            dock_files::receipt.eq(receipt),
            dock_files::state.eq(LedgerState::Receipted.as_str()),
            dock_files::reason.eq(None::<String>),
            dock_files::changed_at.eq(At(now)),
        );
        diesel::update(dock_files::table.find(id)).set(change).execute(&mut self.db)?;
        Ok(())
    }

    /// It is no longer on the card.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn wiped(&mut self, id: i64, now: DateTime<Utc>) -> Result<()> {
        let change = (dock_files::wiped_at.eq(At(now)), dock_files::changed_at.eq(At(now)));
        diesel::update(dock_files::table.find(id)).set(change).execute(&mut self.db)?;
        Ok(())
    }

    /// It can't be sent.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn failed(&mut self, id: i64, reason: &str, now: DateTime<Utc>) -> Result<()> {
        let change = (
            dock_files::state.eq(LedgerState::Failed.as_str()),
            dock_files::reason.eq(reason),
            dock_files::upload_url.eq(None::<String>),
            dock_files::changed_at.eq(At(now)),
        );
        diesel::update(dock_files::table.find(id)).set(change).execute(&mut self.db)?;
        Ok(())
    }

    /// One line.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn line(&mut self, id: i64) -> Result<Line> {
        Ok(dock_files::table.find(id).first(&mut self.db)?)
    }

    /// The hash of the file that lay there last, once it was read.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn sha256_of(&mut self, path: &Path) -> Result<Option<String>> {
        let newest = dock_files::table.filter(dock_files::path.eq(text(path)?)).order(dock_files::id.desc());
        Ok(newest.select(dock_files::sha256).first(&mut self.db).optional()?.flatten())
    }

    /// All lines, oldest first.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn lines(&mut self) -> Result<Vec<Line>> {
        Ok(dock_files::table.order(dock_files::id).load(&mut self.db)?)
    }

    /// How many lines are in each state: found, hashed, uploading, receipted, failed.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn counts(&mut self) -> Result<Vec<(String, i64)>> {
        let counts = dock_files::table
            .group_by(dock_files::state)
            .select((dock_files::state, diesel::dsl::count_star()))
            .order(dock_files::state)
            .load(&mut self.db)?;
        Ok(counts)
    }
}

impl Line {
    /// Its path.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.path)
    }

    /// What reading it told, once it was read.
    pub fn hashed(&self) -> Option<Hashed> {
        let recording = serde_json::from_str(self.recording.as_deref()?).ok()?;
        Some(Hashed { sha256: self.sha256.clone()?, recording })
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| ClientError::File(format!("{}: the name is not UTF-8; rename it", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn a_changed_file_is_another_line_and_a_receipt_stays_with_its_own() {
        let env = Env::system();
        let path = std::env::temp_dir().join(format!("chengguan-ledger-{}.db", env.id()));
        let mut ledger = Ledger::open(&path).unwrap();
        let now = env.now();
        let found = Found { path: "/card/A.mp4".into(), size: 3, mtime: now, mime: "video/mp4" };
        let (line, fresh) = ledger.enter(&found, now).unwrap();
        assert!(fresh);
        let seen = crate::dock::recording::Seen {
            mount: "C1",
            inside: Path::new("A.mp4"),
            container: None,
            duration_ms: None,
            mtime: now,
            now,
            measured: None,
        };
        let recording = Recording::of(&seen, &crate::dock::config::Config::default());
        let hashed = Hashed { sha256: "ab".into(), recording };
        ledger.hashed(line.id, &hashed, now).unwrap();
        ledger.moved(line.id, Some("/u/1"), now).unwrap();
        // As after a kill.
        let mut ledger = Ledger::open(&path).unwrap();
        let (again, fresh) = ledger.enter(&found, now).unwrap();
        assert_eq!(
            (again.id, fresh, again.upload_url.as_deref(), again.state.as_str()),
            (line.id, false, Some("/u/1"), "uploading")
        );
        assert_eq!((again.hashed(), again.camera.as_deref()), (Some(hashed), Some("C1")));
        ledger.receipted(line.id, "{}", now).unwrap();
        let (other, fresh) = ledger.enter(&Found { size: 4, ..found }, now).unwrap();
        assert!(fresh && other.id != line.id && other.receipt.is_none());
        assert_eq!(ledger.counts().unwrap(), [("found".to_owned(), 1), ("receipted".to_owned(), 1)]);
        drop(std::fs::remove_file(path));
    }
    #[test]
    fn a_ledger_without_signed_receipts_asks_for_them() {
        let env = Env::system();
        let path = std::env::temp_dir().join(format!("chengguan-ledger-{}.db", env.id()));
        let mut db = store::open(&path).unwrap();
        db.batch_execute(SCHEMA).unwrap();
        db.batch_execute(
            "INSERT INTO dock_files (path, size, mtime, mime, sha256, state, receipt, found_at, changed_at) VALUES
             ('/card/A.mp4', 3, 0, 'video/mp4', 'ab', 'receipted', '{}', 0, 0),
             ('/card/B.mp4', 3, 0, 'video/mp4', 'cd', 'failed', NULL, 0, 0)",
        )
        .unwrap();
        for _ in 0..2 {
            let lines = Ledger::open(&path).unwrap().lines().unwrap();
            let states: Vec<(&str, bool)> = lines.iter().map(|l| (l.state.as_str(), l.receipt.is_some())).collect();
            assert_eq!(states, [("hashed", false), ("failed", false)]);
            assert!(lines[0].hashed().is_none(), "it is read again: whose it is was not asked then");
        }
        drop(std::fs::remove_file(path));
    }
}
