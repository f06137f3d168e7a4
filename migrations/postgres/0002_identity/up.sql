CREATE TABLE units (
  id UUID NOT NULL PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL
);
-- Membership of A and B may change once a year; the results of past years must not change with it.
CREATE TABLE unit_classes (
  unit_id UUID NOT NULL REFERENCES units (id),
  year INT NOT NULL CHECK (year BETWEEN 2000 AND 2200),
  class TEXT NOT NULL CHECK (class IN ('A','B')),
  PRIMARY KEY (unit_id, year)
);
CREATE TABLE users (
  id UUID NOT NULL PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('inspector','officer','spot_checker','liaison','dispatcher','verifier','supervisor','admin')),
  unit_id UUID REFERENCES units (id),
  password_hash TEXT NOT NULL,
  failed_logins INT NOT NULL DEFAULT 0,
  locked_until TIMESTAMPTZ,
  disabled_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL,
  CHECK (role <> 'liaison' OR unit_id IS NOT NULL)
);
CREATE TABLE devices (
  id UUID NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('handheld','camera','dock')),
  public_key BYTEA,
  enrolment_code_sha256 BYTEA,
  enrolment_expires_at TIMESTAMPTZ,
  enrolled_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ,
  epoch INT NOT NULL DEFAULT 1,
  high_seq BIGINT NOT NULL DEFAULT 0,
  outbox_depth BIGINT,
  app TEXT,
  last_push_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE sessions (
  id UUID NOT NULL PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users (id),
  device_id UUID REFERENCES devices (id),
  refresh_sha256 BYTEA NOT NULL,
  previous_refresh_sha256 BYTEA,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  end_reason TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
