-- The change feed, and the operations with their results: what sync stands on.
CREATE TABLE sync_clock (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  n INTEGER NOT NULL
) STRICT;
INSERT INTO sync_clock (id, n) VALUES (1, 0);
CREATE TABLE changes (
  seq INTEGER NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  keys_before TEXT NOT NULL,
  keys_after TEXT NOT NULL,
  op_id TEXT,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_op ON changes (op_id, seq) WHERE op_id IS NOT NULL;
CREATE TABLE sync_ops (
  op_id TEXT NOT NULL PRIMARY KEY,
  device_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  actor_id TEXT,
  session_id TEXT,
  op_type TEXT NOT NULL,
  op_version INTEGER NOT NULL,
  target_kind TEXT,
  target_id TEXT,
  raw BLOB NOT NULL,
  raw_sha256 BLOB NOT NULL,
  occurred_at INTEGER,
  received_at INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('applied','merged','superseded','conflict','held','quarantined','rejected')),
  code TEXT,
  detail TEXT,
  ver INTEGER,
  result_seq INTEGER,
  conflict_id TEXT,
  winner_op TEXT,
  waiting TEXT NOT NULL CHECK (json_valid(waiting))
) STRICT;
CREATE INDEX sync_ops_device ON sync_ops (device_id, epoch, seq);
CREATE TABLE sync_waits (
  wait_key TEXT NOT NULL,
  op_id TEXT NOT NULL REFERENCES sync_ops (op_id),
  PRIMARY KEY (wait_key, op_id)
) STRICT;
CREATE INDEX sync_waits_op ON sync_waits (op_id);
CREATE TABLE sync_raw (
  id TEXT NOT NULL PRIMARY KEY,
  device_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  code TEXT NOT NULL,
  raw BLOB NOT NULL,
  raw_sha256 BLOB NOT NULL,
  UNIQUE (device_id, raw_sha256)
) STRICT;
CREATE TABLE server_secrets (
  name TEXT NOT NULL PRIMARY KEY,
  secret BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
