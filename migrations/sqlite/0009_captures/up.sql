-- Every key that a device ever enrolled with: what it signed must stay verifiable when it gets another.
CREATE TABLE device_keys (
  device_id TEXT NOT NULL REFERENCES devices (id),
  -- The first epoch it signs in.
  epoch INTEGER NOT NULL,
  public_key BLOB NOT NULL,
  enrolled_at INTEGER NOT NULL,
  PRIMARY KEY (device_id, epoch)
) STRICT;
INSERT INTO device_keys (device_id, epoch, public_key, enrolled_at)
  SELECT id, 1, public_key, enrolled_at FROM devices WHERE public_key IS NOT NULL AND enrolled_at IS NOT NULL;
-- Capture records as they came. What is wrong with one stands beside it; nothing here is ever replaced.
CREATE TABLE captures (
  id TEXT NOT NULL PRIMARY KEY,
  device_id TEXT NOT NULL REFERENCES devices (id),
  sender_id TEXT NOT NULL REFERENCES devices (id),
  epoch INTEGER,
  seq INTEGER,
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  prev TEXT,
  raw BLOB NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('accepted','forked','quarantined')),
  findings TEXT NOT NULL CHECK (json_valid(findings)),
  gap_from INTEGER,
  edited INTEGER NOT NULL CHECK (edited IN (0, 1)),
  received_at INTEGER NOT NULL,
  floor_at INTEGER,
  lower_at INTEGER
) STRICT;
CREATE UNIQUE INDEX captures_chain ON captures (device_id, epoch, seq) WHERE status = 'accepted';
CREATE INDEX captures_place ON captures (device_id, epoch, seq);
CREATE INDEX captures_page ON captures (device_id, id);
CREATE INDEX captures_begin ON captures (device_id, prev) WHERE seq = 1;
CREATE INDEX captures_gaps ON captures (device_id, epoch, seq) WHERE gap_from IS NOT NULL;
CREATE TABLE capture_media (
  capture_id TEXT NOT NULL REFERENCES captures (id),
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (capture_id, sha256)
) STRICT;
CREATE INDEX capture_media_digest ON capture_media (sha256, capture_id);
