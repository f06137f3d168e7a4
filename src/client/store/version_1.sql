-- The client database as its first version made it.
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE base (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE shadow (
  kind TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE outbox (
  epoch INTEGER NOT NULL, seq INTEGER NOT NULL, op_id TEXT NOT NULL UNIQUE, chains INTEGER NOT NULL,
  target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL, raw TEXT NOT NULL,
  PRIMARY KEY (epoch, seq)
) STRICT;
CREATE TABLE sent (
  op_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, chains INTEGER NOT NULL,
  target_kind TEXT NOT NULL, target_id TEXT NOT NULL, made_at INTEGER NOT NULL, raw TEXT NOT NULL,
  answered_at INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, ver INTEGER, result_seq INTEGER, result TEXT NOT NULL
) STRICT;
CREATE INDEX sent_target ON sent (target_kind, target_id);
CREATE TABLE media (
  sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL, mime TEXT NOT NULL, filename TEXT NOT NULL,
  captured_at INTEGER, added_at INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting','stored','refused')),
  upload_url TEXT, reason TEXT, receipt TEXT
) STRICT;
PRAGMA user_version = 1;
COMMIT;
