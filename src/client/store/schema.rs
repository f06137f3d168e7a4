//! The client database: its tables for Diesel, and the statements that make them.

diesel::table! {
    use diesel::sql_types::*;
    meta (name) { name -> Text, value -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    base (kind, id) { kind -> Text, id -> Text, ver -> BigInt, gone -> Bool, data -> Text, keys -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    shadow (kind, id) { kind -> Text, id -> Text, ver -> BigInt, data -> Text, keys -> Text, }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::{Uid, Utc};
    outbox (place) {
        place -> BigInt, epoch -> Integer, seq -> BigInt, op_id -> Uid, chains -> Bool, target_kind -> Text,
        target_id -> Text, made_at -> Utc, raw -> Text, arrived -> Bool,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::{Uid, Utc};
    sent (op_id) {
        op_id -> Uid, place -> BigInt, epoch -> Integer, seq -> BigInt, chains -> Bool, target_kind -> Text,
        target_id -> Text, made_at -> Utc, raw -> Text, answered_at -> Utc, status -> Text, code -> Nullable<Text>,
        ver -> Nullable<BigInt>, result_seq -> Nullable<BigInt>, result -> Text,
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

diesel::table! {
    use diesel::sql_types::*;
    media_of (sha256, kind, id) { sha256 -> Text, kind -> Text, id -> Text, }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::db::types::Utc;
    captures (place) {
        place -> BigInt, epoch -> Integer, seq -> BigInt, sha256 -> Text, raw -> Text, answered_at -> Nullable<Utc>,
        status -> Nullable<Text>,
    }
}

/// The signed records; `place` is the order of signing.
macro_rules! captures {
    () => {
        "
CREATE TABLE captures (
  place INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, sha256 TEXT NOT NULL UNIQUE,
  raw TEXT NOT NULL, answered_at INTEGER, status TEXT
) STRICT;
CREATE INDEX captures_waiting ON captures (place) WHERE answered_at IS NULL;"
    };
}

/// The tables of operations, and which record a file belongs to. `place` is the order of making, over both tables and
/// for ever; `epoch` and `seq` are the label, which a new epoch changes.
macro_rules! operations {
    () => {
        "
CREATE TABLE outbox (
  place INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, op_id TEXT NOT NULL UNIQUE,
  chains INTEGER NOT NULL, target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL, raw TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_target ON outbox (target_kind, target_id);
CREATE TABLE sent (
  op_id TEXT PRIMARY KEY, place INTEGER NOT NULL UNIQUE, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  chains INTEGER NOT NULL, target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL,
  raw TEXT NOT NULL, answered_at INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, ver INTEGER, result_seq INTEGER,
  result TEXT NOT NULL
) STRICT;
CREATE INDEX sent_target ON sent (target_kind, target_id);
CREATE TABLE media_of (
  sha256 TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (sha256, kind, id)
) STRICT;
CREATE INDEX media_of_record ON media_of (kind, id);
CREATE TABLE shadow (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, data TEXT NOT NULL, keys TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX base_gone ON base (gone) WHERE gone = 1;"
    };
}

/// Whether the server has had the operation under its number: one that is asked for again after a snapshot.
macro_rules! arrived {
    () => {
        "ALTER TABLE outbox ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;"
    };
}

/// Times are microseconds since 1970, ids text, as in the server's own SQLite; `keys` are separated by spaces.
pub(super) const SCHEMA: &str = concat!(
    "
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE base (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL,
  keys TEXT NOT NULL DEFAULT '', PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE media (
  sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL, mime TEXT NOT NULL, filename TEXT NOT NULL,
  captured_at INTEGER, added_at INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting','stored','refused')),
  upload_url TEXT, reason TEXT, receipt TEXT
) STRICT;",
    operations!(),
    captures!(),
    arrived!(),
    "
PRAGMA user_version = 4;
COMMIT;"
);

/// From version 3.
pub(super) const FROM_3: &str = concat!("BEGIN IMMEDIATE;", arrived!(), "PRAGMA user_version = 4;", "COMMIT;");

/// From version 2 to 3.
pub(super) const FROM_2: &str = concat!("BEGIN IMMEDIATE;", captures!(), "PRAGMA user_version = 3;", "COMMIT;");

/// From version 1 to 2, with whatever waits in it: operations keep their bytes and their order. The records have no keys yet,
/// so a whole snapshot follows; until then they stay readable.
pub(super) const FROM_1: &str = concat!(
    "
BEGIN IMMEDIATE;
DROP INDEX sent_target;
ALTER TABLE outbox RENAME TO outbox_1;
ALTER TABLE sent RENAME TO sent_1;
DROP TABLE shadow;
ALTER TABLE base ADD COLUMN keys TEXT NOT NULL DEFAULT '';",
    operations!(),
    "
CREATE TEMP TABLE placed AS
  SELECT op_id, ROW_NUMBER() OVER (ORDER BY epoch, seq) AS place
  FROM (SELECT op_id, epoch, seq FROM outbox_1 UNION SELECT op_id, epoch, seq FROM sent_1);
INSERT INTO outbox
  SELECT p.place, o.epoch, o.seq, o.op_id, o.chains, o.target_kind, o.target_id, o.made_at, o.raw
  FROM outbox_1 o JOIN placed p ON p.op_id = o.op_id;
INSERT INTO sent
  SELECT s.op_id, p.place, s.epoch, s.seq, s.chains, s.target_kind, s.target_id, s.made_at, s.raw, s.answered_at,
         s.status, s.code, s.ver, s.result_seq, s.result
  FROM sent_1 s JOIN placed p ON p.op_id = s.op_id WHERE s.op_id NOT IN (SELECT op_id FROM outbox_1);
INSERT OR IGNORE INTO media_of
  SELECT json_extract(e.value, '$.sha256'), o.target_kind, o.target_id
  FROM (SELECT raw, target_kind, target_id FROM outbox_1 UNION ALL SELECT raw, target_kind, target_id FROM sent_1) o,
       json_each(o.raw, '$.evidence') e;
INSERT OR REPLACE INTO meta SELECT 'next_place', CAST(COALESCE(MAX(place), 0) + 1 AS TEXT) FROM placed;
DELETE FROM meta WHERE name = 'position';
DROP TABLE placed;
DROP TABLE outbox_1;
DROP TABLE sent_1;
PRAGMA user_version = 2;
COMMIT;"
);

/// The version of [`SCHEMA`].
pub(super) const VERSION: i32 = 4;
