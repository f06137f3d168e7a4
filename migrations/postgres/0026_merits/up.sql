-- The positive/negative list (正负面清单) of a month; `happened_on` is an ISO date. Whoever entered does not decide.
CREATE TABLE merits (
  id UUID NOT NULL PRIMARY KEY,
  unit_id UUID NOT NULL REFERENCES units (id),
  month TEXT NOT NULL CHECK (length(month) = 7),
  item TEXT NOT NULL CHECK (item IN ('praised','reputation_kept','reputation_won','criticised','fault','exposed','not_reporting')),
  times INTEGER NOT NULL CHECK (times >= 1),
  summary TEXT NOT NULL,
  happened_on TEXT NOT NULL CHECK (length(happened_on) = 10),
  source TEXT NOT NULL,
  evidence JSONB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('entered','approved','refused','withdrawn')),
  entered_by UUID NOT NULL REFERENCES users (id),
  entered_at TIMESTAMPTZ NOT NULL,
  decided_by UUID REFERENCES users (id),
  decided_at TIMESTAMPTZ,
  decision_words TEXT,
  withdrawn_by UUID REFERENCES users (id),
  withdrawn_at TIMESTAMPTZ,
  withdrawn_reason TEXT,
  CHECK (decided_by <> entered_by)
);
CREATE INDEX merits_month ON merits (month, id);
CREATE INDEX merits_unit ON merits (unit_id, id);
