-- Sets of rules; one that nobody approved holds for no month. Version 0 came with the program and has no row.
CREATE TABLE assessment_rules (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
  body JSONB NOT NULL,
  effective_from TEXT NOT NULL CHECK (length(effective_from) = 7),
  note TEXT NOT NULL,
  drafted_by UUID NOT NULL REFERENCES users (id),
  drafted_at TIMESTAMPTZ NOT NULL,
  approved_by UUID REFERENCES users (id),
  approved_at TIMESTAMPTZ
);
-- A month with what it was computed from; `month` is `2026-10`.
CREATE TABLE assessment_months (
  month TEXT NOT NULL PRIMARY KEY CHECK (length(month) = 7),
  phase TEXT NOT NULL CHECK (phase IN ('trial','open','published')),
  rules_version INTEGER NOT NULL,
  rules JSONB NOT NULL,
  inputs JSONB NOT NULL,
  as_of TIMESTAMPTZ NOT NULL,
  run_by UUID NOT NULL REFERENCES users (id),
  opened_by UUID REFERENCES users (id),
  opened_at TIMESTAMPTZ,
  objections_until TIMESTAMPTZ,
  published_by UUID REFERENCES users (id),
  published_at TIMESTAMPTZ,
  pack TEXT,
  pack_sha256 TEXT
);
CREATE TABLE score_lines (
  month TEXT NOT NULL REFERENCES assessment_months (month),
  n INTEGER NOT NULL CHECK (n > 0),
  unit_id UUID NOT NULL REFERENCES units (id),
  part TEXT NOT NULL CHECK (part IN ('digital_cases','spot_checks','supervision','merits')),
  item TEXT NOT NULL,
  record_kind TEXT CHECK (record_kind IN ('case','spot_check','letter','merit','objection')),
  record_id UUID,
  delta INTEGER NOT NULL,
  why TEXT NOT NULL,
  counters INTEGER,
  PRIMARY KEY (month, n)
);
CREATE INDEX score_lines_unit ON score_lines (month, unit_id, n);
CREATE TABLE score_totals (
  month TEXT NOT NULL REFERENCES assessment_months (month),
  unit_id UUID NOT NULL REFERENCES units (id),
  class TEXT CHECK (class IN ('A','B')),
  total INTEGER NOT NULL,
  digital_cases INTEGER NOT NULL,
  spot_checks INTEGER NOT NULL,
  supervision INTEGER NOT NULL,
  merits INTEGER NOT NULL,
  spot_low INTEGER NOT NULL,
  spot_high INTEGER NOT NULL,
  cases BIGINT NOT NULL,
  checks BIGINT NOT NULL,
  rank INTEGER,
  band INTEGER,
  veto BOOLEAN NOT NULL,
  PRIMARY KEY (month, unit_id)
);
-- A unit's objection to one of its lines (申诉), and each of its three steps.
CREATE TABLE score_objections (
  id UUID NOT NULL PRIMARY KEY,
  month TEXT NOT NULL REFERENCES assessment_months (month),
  line INTEGER NOT NULL,
  unit_id UUID NOT NULL REFERENCES units (id),
  reason TEXT NOT NULL,
  filed_by UUID NOT NULL REFERENCES users (id),
  filed_at TIMESTAMPTZ NOT NULL,
  steps INTEGER NOT NULL CHECK (steps BETWEEN 0 AND 3),
  verdict TEXT CHECK (verdict IN ('upheld','dismissed')),
  UNIQUE (month, line)
);
CREATE TABLE score_objection_steps (
  objection_id UUID NOT NULL REFERENCES score_objections (id),
  step INTEGER NOT NULL CHECK (step BETWEEN 1 AND 3),
  verdict TEXT NOT NULL CHECK (verdict IN ('upheld','dismissed')),
  delta INTEGER NOT NULL,
  words TEXT NOT NULL,
  decided_by UUID NOT NULL REFERENCES users (id),
  decided_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (objection_id, step)
);
