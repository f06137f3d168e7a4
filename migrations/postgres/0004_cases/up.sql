CREATE TABLE cases (
  id UUID NOT NULL PRIMARY KEY,
  number TEXT NOT NULL UNIQUE,
  ver BIGINT NOT NULL,
  lines BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('reported','dispatched','handled','closing_applied','verifying','verified','closed','void','returned')),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  class_code TEXT,
  address TEXT,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  datum TEXT,
  unit_id UUID REFERENCES units (id),
  reported_by UUID NOT NULL REFERENCES users (id),
  reported_at TIMESTAMPTZ NOT NULL,
  dispatched_at TIMESTAMPTZ,
  due_at TIMESTAMPTZ,
  handled_at TIMESTAMPTZ,
  applied_at TIMESTAMPTZ,
  passed BOOLEAN NOT NULL DEFAULT FALSE,
  extension_until TIMESTAMPTZ,
  extension_reason TEXT,
  extension_count INT NOT NULL DEFAULT 0,
  rework_count INT NOT NULL DEFAULT 0,
  priority INT NOT NULL DEFAULT 0,
  closed_at TIMESTAMPTZ,
  timely BOOLEAN,
  void_reason TEXT,
  updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX cases_state ON cases (state, id);
CREATE INDEX cases_unit ON cases (unit_id, id);
CREATE INDEX cases_reporter ON cases (reported_by, id);
CREATE INDEX cases_due ON cases (due_at);
-- One line for each thing that was done or said; never changed, never deleted.
CREATE TABLE case_events (
  id UUID NOT NULL PRIMARY KEY,
  case_id UUID NOT NULL REFERENCES cases (id),
  seq BIGINT NOT NULL,
  ver BIGINT,
  at TIMESTAMPTZ NOT NULL,
  occurred_at TIMESTAMPTZ NOT NULL,
  actor_id UUID NOT NULL REFERENCES users (id),
  device_id UUID,
  op_id UUID,
  command TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('applied','superseded')),
  state TEXT NOT NULL,
  note TEXT,
  args JSONB NOT NULL,
  UNIQUE (case_id, seq),
  UNIQUE (case_id, ver)
);
CREATE TABLE case_numbers (
  day TEXT NOT NULL PRIMARY KEY,
  last BIGINT NOT NULL
);
