-- Sets of rules; one that nobody approved holds for no month. Version 0 came with the program and has no row.
CREATE TABLE assessment_rules (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
  body TEXT NOT NULL CHECK (json_valid(body)),
  effective_from TEXT NOT NULL CHECK (length(effective_from) = 7),
  note TEXT NOT NULL,
  drafted_by TEXT NOT NULL REFERENCES users (id),
  drafted_at INTEGER NOT NULL,
  approved_by TEXT REFERENCES users (id),
  approved_at INTEGER
) STRICT;
-- A month with what it was computed from; `month` is `2026-10`.
CREATE TABLE assessment_months (
  month TEXT NOT NULL PRIMARY KEY CHECK (length(month) = 7),
  phase TEXT NOT NULL CHECK (phase IN ('trial','open','published')),
  rules_version INTEGER NOT NULL,
  rules TEXT NOT NULL CHECK (json_valid(rules)),
  inputs TEXT NOT NULL CHECK (json_valid(inputs)),
  as_of INTEGER NOT NULL,
  run_by TEXT NOT NULL REFERENCES users (id),
  opened_by TEXT REFERENCES users (id),
  opened_at INTEGER,
  objections_until INTEGER,
  published_by TEXT REFERENCES users (id),
  published_at INTEGER,
  pack TEXT,
  pack_sha256 TEXT
) STRICT;
CREATE TABLE score_lines (
  month TEXT NOT NULL REFERENCES assessment_months (month),
  n INTEGER NOT NULL CHECK (n > 0),
  unit_id TEXT NOT NULL REFERENCES units (id),
  part TEXT NOT NULL CHECK (part IN ('digital_cases','spot_checks','supervision','merits')),
  item TEXT NOT NULL,
  record_kind TEXT CHECK (record_kind IN ('case','spot_check','letter','merit','objection')),
  record_id TEXT,
  delta INTEGER NOT NULL,
  why TEXT NOT NULL,
  counters INTEGER,
  PRIMARY KEY (month, n)
) STRICT;
CREATE INDEX score_lines_unit ON score_lines (month, unit_id, n);
CREATE TABLE score_totals (
  month TEXT NOT NULL REFERENCES assessment_months (month),
  unit_id TEXT NOT NULL REFERENCES units (id),
  class TEXT CHECK (class IN ('A','B')),
  total INTEGER NOT NULL,
  digital_cases INTEGER NOT NULL,
  spot_checks INTEGER NOT NULL,
  supervision INTEGER NOT NULL,
  merits INTEGER NOT NULL,
  spot_low INTEGER NOT NULL,
  spot_high INTEGER NOT NULL,
  cases INTEGER NOT NULL,
  checks INTEGER NOT NULL,
  rank INTEGER,
  band INTEGER,
  veto INTEGER NOT NULL,
  PRIMARY KEY (month, unit_id)
) STRICT;
-- A unit's objection to one of its lines (申诉), and each of its three steps.
CREATE TABLE score_objections (
  id TEXT NOT NULL PRIMARY KEY,
  month TEXT NOT NULL REFERENCES assessment_months (month),
  line INTEGER NOT NULL,
  unit_id TEXT NOT NULL REFERENCES units (id),
  reason TEXT NOT NULL,
  filed_by TEXT NOT NULL REFERENCES users (id),
  filed_at INTEGER NOT NULL,
  steps INTEGER NOT NULL CHECK (steps BETWEEN 0 AND 3),
  verdict TEXT CHECK (verdict IN ('upheld','dismissed')),
  UNIQUE (month, line)
) STRICT;
CREATE TABLE score_objection_steps (
  objection_id TEXT NOT NULL REFERENCES score_objections (id),
  step INTEGER NOT NULL CHECK (step BETWEEN 1 AND 3),
  verdict TEXT NOT NULL CHECK (verdict IN ('upheld','dismissed')),
  delta INTEGER NOT NULL,
  words TEXT NOT NULL,
  decided_by TEXT NOT NULL REFERENCES users (id),
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (objection_id, step)
) STRICT;
