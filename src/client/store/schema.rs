//! The client database: its tables for Diesel, and the statements that make them.

diesel::table! {
    use diesel::sql_types::*;
    meta (name) { name -> Text, value -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    base (kind, id) { kind -> Text, id -> Text, ver -> BigInt, gone -> Bool, data -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    shadow (kind, id) { kind -> Text, id -> Text, ver -> BigInt, gone -> Bool, data -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::{Uid, Utc};
    outbox (epoch, seq) {
        epoch -> Integer, seq -> BigInt, op_id -> Uid, chains -> Bool, target_kind -> Text, target_id -> Text,
        made_at -> Utc, raw -> Text,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::{Uid, Utc};
    sent (op_id) {
        op_id -> Uid, epoch -> Integer, seq -> BigInt, chains -> Bool, target_kind -> Text, target_id -> Text,
        made_at -> Utc, raw -> Text, answered_at -> Utc, status -> Text, code -> Nullable<Text>, ver -> Nullable<BigInt>,
        result_seq -> Nullable<BigInt>, result -> Text,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::Utc;
    media (sha256) {
        sha256 -> Text, path -> Text, size -> BigInt, mime -> Text, filename -> Text, captured_at -> Nullable<Utc>,
        added_at -> Utc, state -> Text, upload_url -> Nullable<Text>, reason -> Nullable<Text>, receipt -> Nullable<Text>,
    }
}

/// Times are microseconds since 1970, ids text, as in the server's own SQLite.
pub(super) const SCHEMA: &str = "
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE base (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE shadow (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE outbox (
  epoch INTEGER NOT NULL, seq INTEGER NOT NULL, op_id TEXT NOT NULL UNIQUE, chains INTEGER NOT NULL,
  target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL, raw TEXT NOT NULL,
  PRIMARY KEY (epoch, seq)
) STRICT;
CREATE TABLE sent (
  op_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, chains INTEGER NOT NULL,
  target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL, raw TEXT NOT NULL,
  answered_at INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, ver INTEGER, result_seq INTEGER, result TEXT NOT NULL
) STRICT;
CREATE INDEX sent_target ON sent (target_kind, target_id);
CREATE TABLE media (
  sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL, mime TEXT NOT NULL, filename TEXT NOT NULL,
  captured_at INTEGER, added_at INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting','stored','refused')),
  upload_url TEXT, reason TEXT, receipt TEXT
) STRICT;
PRAGMA user_version = 1;
COMMIT;";

/// The version of [`SCHEMA`].
pub(super) const VERSION: i32 = 1;
