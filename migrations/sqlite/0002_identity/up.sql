CREATE TABLE units (
  id TEXT NOT NULL PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;
-- Membership of A and B may change once a year; the results of past years must not change with it.
CREATE TABLE unit_classes (
  unit_id TEXT NOT NULL REFERENCES units (id),
  year INTEGER NOT NULL CHECK (year BETWEEN 2000 AND 2200),
  class TEXT NOT NULL CHECK (class IN ('A','B')),
  PRIMARY KEY (unit_id, year)
) STRICT;
CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('inspector','officer','spot_checker','liaison','dispatcher','verifier','supervisor','admin')),
  unit_id TEXT REFERENCES units (id),
  password_hash TEXT NOT NULL,
  failed_logins INTEGER NOT NULL DEFAULT 0,
  locked_until INTEGER,
  disabled_at INTEGER,
  created_at INTEGER NOT NULL,
  CHECK (role <> 'liaison' OR unit_id IS NOT NULL)
) STRICT;
CREATE TABLE devices (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('handheld','camera','dock')),
  public_key BLOB,
  enrolment_code_sha256 BLOB,
  enrolment_expires_at INTEGER,
  enrolled_at INTEGER,
  revoked_at INTEGER,
  epoch INTEGER NOT NULL DEFAULT 1,
  high_seq INTEGER NOT NULL DEFAULT 0,
  outbox_depth INTEGER,
  app TEXT,
  last_push_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  device_id TEXT REFERENCES devices (id),
  refresh_sha256 BLOB NOT NULL,
  previous_refresh_sha256 BLOB,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  end_reason TEXT
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
