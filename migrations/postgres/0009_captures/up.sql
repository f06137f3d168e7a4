-- Every key that a device ever enrolled with: what it signed must stay verifiable when it gets another.
CREATE TABLE device_keys (
  device_id UUID NOT NULL REFERENCES devices (id),
  -- The first epoch it signs in.
  epoch INTEGER NOT NULL,
  public_key BYTEA NOT NULL,
  enrolled_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (device_id, epoch)
);
INSERT INTO device_keys (device_id, epoch, public_key, enrolled_at)
  SELECT id, 1, public_key, enrolled_at FROM devices WHERE public_key IS NOT NULL AND enrolled_at IS NOT NULL;
-- Capture records as they came. What is wrong with one stands beside it; nothing here is ever replaced.
CREATE TABLE captures (
  id UUID NOT NULL PRIMARY KEY,
  device_id UUID NOT NULL REFERENCES devices (id),
  sender_id UUID NOT NULL REFERENCES devices (id),
  epoch INTEGER,
  seq BIGINT,
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  prev TEXT,
  raw BYTEA NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('accepted','forked','quarantined')),
  findings JSONB NOT NULL,
  gap_from BIGINT,
  edited BOOLEAN NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  floor_at TIMESTAMPTZ,
  lower_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX captures_chain ON captures (device_id, epoch, seq) WHERE status = 'accepted';
CREATE INDEX captures_place ON captures (device_id, epoch, seq);
CREATE INDEX captures_page ON captures (device_id, id);
CREATE INDEX captures_begin ON captures (device_id, prev) WHERE seq = 1;
CREATE INDEX captures_gaps ON captures (device_id, epoch, seq) WHERE gap_from IS NOT NULL;
CREATE TABLE capture_media (
  capture_id UUID NOT NULL REFERENCES captures (id),
  sha256 TEXT NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (capture_id, sha256)
);
CREATE INDEX capture_media_digest ON capture_media (sha256, capture_id);
