-- One life of the data, and the oldest change that is still told.
ALTER TABLE sync_clock ADD COLUMN floor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sync_clock ADD COLUMN generation TEXT NOT NULL DEFAULT '';
UPDATE sync_clock SET generation = coalesce((SELECT convert_from(secret, 'UTF8') FROM server_secrets WHERE name = 'generation'), '');
DELETE FROM server_secrets WHERE name = 'generation';
-- One numbering of a device's operations: a new one begins with each enrolment, restored copy or wiped store.
CREATE TABLE device_epochs (
  device_id UUID NOT NULL REFERENCES devices (id),
  epoch INT NOT NULL,
  reason TEXT NOT NULL CHECK (reason IN ('enrolled','copied','wiped')),
  started_at TIMESTAMPTZ NOT NULL,
  pushes BIGINT NOT NULL DEFAULT 0,
  attempt BIGINT NOT NULL DEFAULT 0,
  attempt_sha256 BYTEA,
  high_seq BIGINT NOT NULL DEFAULT 0,
  received BIGINT NOT NULL DEFAULT 0,
  received_seq BIGINT NOT NULL DEFAULT 0,
  depth BIGINT NOT NULL DEFAULT 0,
  oldest_at TIMESTAMPTZ,
  app TEXT,
  last_push_at TIMESTAMPTZ,
  clock_offset_ms BIGINT,
  storage_persisted BOOLEAN,
  media_waiting BIGINT,
  feed_seq BIGINT NOT NULL DEFAULT 0,
  digest_at TIMESTAMPTZ,
  digest_matched BOOLEAN,
  PRIMARY KEY (device_id, epoch)
);
INSERT INTO device_epochs (device_id, epoch, reason, started_at, high_seq, depth, app, last_push_at)
  SELECT id, epoch, 'enrolled', coalesce(enrolled_at, created_at), high_seq, coalesce(outbox_depth, 0), app, last_push_at
  FROM devices WHERE epoch > 0;
UPDATE device_epochs SET
  received = (SELECT count(DISTINCT seq) FROM sync_ops o WHERE o.device_id = device_epochs.device_id AND o.epoch = device_epochs.epoch),
  received_seq = coalesce((SELECT max(seq) FROM sync_ops o WHERE o.device_id = device_epochs.device_id AND o.epoch = device_epochs.epoch), 0);
ALTER TABLE devices DROP COLUMN high_seq;
ALTER TABLE devices DROP COLUMN outbox_depth;
ALTER TABLE devices DROP COLUMN app;
ALTER TABLE devices DROP COLUMN last_push_at;
-- What the result of an operation holds besides.
ALTER TABLE sync_ops DROP COLUMN raw_sha256;
ALTER TABLE sync_ops ADD COLUMN was_epoch INT;
ALTER TABLE sync_ops ADD COLUMN was_seq BIGINT;
ALTER TABLE sync_ops ADD COLUMN corrected_at TIMESTAMPTZ;
ALTER TABLE sync_ops ADD COLUMN time_confidence TEXT NOT NULL DEFAULT 'suspect' CHECK (time_confidence IN ('good','aged','suspect'));
ALTER TABLE sync_ops ADD COLUMN adjusted TEXT;
ALTER TABLE sync_ops ADD COLUMN resolved_by UUID;
ALTER TABLE sync_ops ADD COLUMN resolved_at TIMESTAMPTZ;
ALTER TABLE sync_ops ADD COLUMN resolution TEXT CHECK (resolution IN ('apply','discard'));
ALTER TABLE sync_ops ADD COLUMN resolution_reason TEXT;
CREATE INDEX sync_ops_review ON sync_ops (op_id) WHERE status IN ('conflict','held','quarantined');
CREATE INDEX sync_ops_was ON sync_ops (device_id, was_epoch, was_seq) WHERE was_epoch IS NOT NULL;
ALTER TABLE sync_raw ADD COLUMN resolved_by UUID;
ALTER TABLE sync_raw ADD COLUMN resolved_at TIMESTAMPTZ;
ALTER TABLE sync_raw ADD COLUMN resolution_reason TEXT;
CREATE INDEX sync_raw_review ON sync_raw (id) WHERE resolved_at IS NULL;
