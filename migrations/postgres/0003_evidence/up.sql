-- What a photo or video is, where and when it was taken as the device says, and what the file itself says.
CREATE TABLE evidence (
  id UUID NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  size BIGINT NOT NULL CHECK (size >= 0),
  media_type TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('declared','stored')),
  filename TEXT,
  captured_at TIMESTAMPTZ,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  datum TEXT,
  wgs84_lat DOUBLE PRECISION,
  wgs84_lon DOUBLE PRECISION,
  accuracy_m DOUBLE PRECISION,
  fix_age_s DOUBLE PRECISION,
  position_source TEXT,
  role TEXT,
  device_id UUID REFERENCES devices (id),
  user_id UUID REFERENCES users (id),
  declared_at TIMESTAMPTZ NOT NULL,
  stored_at TIMESTAMPTZ,
  facts JSONB,
  flags JSONB NOT NULL
);
CREATE INDEX evidence_device ON evidence (device_id, declared_at);
-- What a piece of evidence belongs to. Bytes are shared, links are not.
CREATE TABLE evidence_links (
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  role TEXT NOT NULL,
  need TEXT NOT NULL CHECK (need IN ('none','before_close')),
  op_id UUID,
  user_id UUID,
  linked_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (evidence_id, target_kind, target_id, role)
);
CREATE INDEX evidence_links_target ON evidence_links (target_kind, target_id);
CREATE TABLE uploads (
  id UUID NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  device_id UUID REFERENCES devices (id),
  user_id UUID REFERENCES users (id),
  length BIGINT CHECK (length >= 0),
  durable_offset BIGINT NOT NULL,
  metadata TEXT NOT NULL,
  declared_sha256 TEXT,
  idempotency_key TEXT,
  filename TEXT,
  media_type TEXT,
  state TEXT NOT NULL CHECK (state IN ('open','finalizing','accepted','rejected','lost','removed','expired')),
  writer_epoch BIGINT NOT NULL DEFAULT 0,
  evidence_id UUID REFERENCES evidence (id),
  actual_sha256 TEXT,
  created_at TIMESTAMPTZ NOT NULL,
  progressed_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  UNIQUE (owner, idempotency_key)
);
CREATE INDEX uploads_state ON uploads (state, expires_at);
CREATE INDEX uploads_digest ON uploads (owner, declared_sha256);
CREATE INDEX uploads_evidence ON uploads (evidence_id);
