CREATE TABLE cases (
  id TEXT NOT NULL PRIMARY KEY,
  number TEXT NOT NULL UNIQUE,
  ver INTEGER NOT NULL,
  lines INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('reported','dispatched','handled','closing_applied','verifying','verified','closed','void','returned')),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  class_code TEXT,
  address TEXT,
  lat REAL,
  lon REAL,
  datum TEXT,
  unit_id TEXT REFERENCES units (id),
  reported_by TEXT NOT NULL REFERENCES users (id),
  reported_at INTEGER NOT NULL,
  dispatched_at INTEGER,
  due_at INTEGER,
  handled_at INTEGER,
  applied_at INTEGER,
  passed INTEGER NOT NULL DEFAULT FALSE,
  extension_until INTEGER,
  extension_reason TEXT,
  extension_count INTEGER NOT NULL DEFAULT 0,
  rework_count INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL DEFAULT 0,
  closed_at INTEGER,
  timely INTEGER,
  void_reason TEXT,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX cases_state ON cases (state, id);
CREATE INDEX cases_unit ON cases (unit_id, id);
CREATE INDEX cases_reporter ON cases (reported_by, id);
CREATE INDEX cases_due ON cases (due_at);
-- One line for each thing that was done or said; never changed, never deleted.
CREATE TABLE case_events (
  id TEXT NOT NULL PRIMARY KEY,
  case_id TEXT NOT NULL REFERENCES cases (id),
  seq INTEGER NOT NULL,
  ver INTEGER,
  at INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  actor_id TEXT NOT NULL REFERENCES users (id),
  device_id TEXT,
  op_id TEXT,
  command TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('applied','superseded')),
  state TEXT NOT NULL,
  note TEXT,
  args TEXT NOT NULL CHECK (json_valid(args)),
  UNIQUE (case_id, seq),
  UNIQUE (case_id, ver)
) STRICT;
CREATE TABLE case_numbers (
  day TEXT NOT NULL PRIMARY KEY,
  last INTEGER NOT NULL
) STRICT;
