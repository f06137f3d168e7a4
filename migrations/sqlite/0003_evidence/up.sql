-- What a photo or video is, where and when it was taken as the device says, and what the file itself says.
CREATE TABLE evidence (
  id TEXT NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  media_type TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('declared','stored')),
  filename TEXT,
  captured_at INTEGER,
  lat REAL,
  lon REAL,
  datum TEXT,
  wgs84_lat REAL,
  wgs84_lon REAL,
  accuracy_m REAL,
  fix_age_s REAL,
  position_source TEXT,
  role TEXT,
  device_id TEXT REFERENCES devices (id),
  user_id TEXT REFERENCES users (id),
  declared_at INTEGER NOT NULL,
  stored_at INTEGER,
  facts TEXT CHECK (json_valid(facts)),
  flags TEXT NOT NULL CHECK (json_valid(flags))
) STRICT;
CREATE INDEX evidence_device ON evidence (device_id, declared_at);
-- What a piece of evidence belongs to. Bytes are shared, links are not.
CREATE TABLE evidence_links (
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  role TEXT NOT NULL,
  need TEXT NOT NULL CHECK (need IN ('none','before_close')),
  op_id TEXT,
  user_id TEXT,
  linked_at INTEGER NOT NULL,
  PRIMARY KEY (evidence_id, target_kind, target_id, role)
) STRICT;
CREATE INDEX evidence_links_target ON evidence_links (target_kind, target_id);
CREATE TABLE uploads (
  id TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  device_id TEXT REFERENCES devices (id),
  user_id TEXT REFERENCES users (id),
  length INTEGER CHECK (length >= 0),
  durable_offset INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  declared_sha256 TEXT,
  idempotency_key TEXT,
  filename TEXT,
  media_type TEXT,
  state TEXT NOT NULL CHECK (state IN ('open','finalizing','accepted','rejected','lost','removed','expired')),
  writer_epoch INTEGER NOT NULL DEFAULT 0,
  evidence_id TEXT REFERENCES evidence (id),
  actual_sha256 TEXT,
  created_at INTEGER NOT NULL,
  progressed_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (owner, idempotency_key)
) STRICT;
CREATE INDEX uploads_state ON uploads (state, expires_at);
CREATE INDEX uploads_digest ON uploads (owner, declared_sha256);
CREATE INDEX uploads_evidence ON uploads (evidence_id);
