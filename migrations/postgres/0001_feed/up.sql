-- The change feed, and the operations with their results: what sync stands on.
CREATE TABLE sync_clock (
  id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
  n BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO sync_clock (id, n) VALUES (1, 0);
CREATE TABLE changes (
  seq BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  keys_before TEXT NOT NULL,
  keys_after TEXT NOT NULL,
  op_id UUID,
  changed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX changes_op ON changes (op_id, seq) WHERE op_id IS NOT NULL;
CREATE TABLE sync_ops (
  op_id UUID NOT NULL PRIMARY KEY,
  device_id UUID NOT NULL,
  epoch INT NOT NULL,
  seq BIGINT NOT NULL,
  actor_id UUID,
  session_id UUID,
  op_type TEXT NOT NULL,
  op_version INT NOT NULL,
  target_kind TEXT,
  target_id TEXT,
  raw BYTEA NOT NULL,
  raw_sha256 BYTEA NOT NULL,
  occurred_at TIMESTAMPTZ,
  received_at TIMESTAMPTZ NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('applied','merged','superseded','conflict','held','quarantined','rejected')),
  code TEXT,
  detail TEXT,
  ver BIGINT,
  result_seq BIGINT,
  conflict_id UUID,
  winner_op UUID,
  waiting JSONB NOT NULL
);
CREATE INDEX sync_ops_device ON sync_ops (device_id, epoch, seq);
CREATE TABLE sync_waits (
  wait_key TEXT NOT NULL,
  op_id UUID NOT NULL REFERENCES sync_ops (op_id),
  PRIMARY KEY (wait_key, op_id)
);
CREATE INDEX sync_waits_op ON sync_waits (op_id);
CREATE TABLE sync_raw (
  id UUID NOT NULL PRIMARY KEY,
  device_id UUID NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  code TEXT NOT NULL,
  raw BYTEA NOT NULL,
  raw_sha256 BYTEA NOT NULL,
  UNIQUE (device_id, raw_sha256)
);
CREATE TABLE server_secrets (
  name TEXT NOT NULL PRIMARY KEY,
  secret BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
