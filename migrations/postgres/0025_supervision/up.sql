-- Supervision letters (督办函). A number is given when a letter is issued. `due_at` of a draft is the day asked for, if it
-- is a day; `drafted_by` nobody: the clock drafted it.
CREATE TABLE letters (
  id UUID NOT NULL PRIMARY KEY,
  number TEXT UNIQUE,
  unit_id UUID NOT NULL REFERENCES units (id),
  kind TEXT NOT NULL CHECK (kind IN ('repeated','overdue','from_above','complaint','campaign')),
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  note TEXT,
  state TEXT NOT NULL CHECK (state IN ('drafted','issued','received','replied','fulfilled','partly','unfulfilled','withdrawn')),
  limit_kind TEXT CHECK (limit_kind IN ('urgent_hour','natural_day','work_hour','work_day')),
  limit_tenths INTEGER CHECK (limit_tenths > 0),
  due_at TIMESTAMPTZ,
  extension_until TIMESTAMPTZ,
  replied_at TIMESTAMPTZ,
  score INTEGER CHECK (score BETWEEN 0 AND 100000),
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 3),
  reminded BOOLEAN NOT NULL,
  ver BIGINT NOT NULL,
  drafted_by UUID REFERENCES users (id),
  drafted_at TIMESTAMPTZ NOT NULL,
  issued_at TIMESTAMPTZ,
  received_at TIMESTAMPTZ,
  graded_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ NOT NULL,
  CHECK ((number IS NULL) = (issued_at IS NULL)),
  CHECK (issued_at IS NULL OR due_at IS NOT NULL)
);
CREATE INDEX letters_unit ON letters (unit_id, id);
CREATE INDEX letters_state ON letters (state, id);
CREATE INDEX letters_due ON letters (due_at);
-- One line for each thing that was done; never changed, never deleted. Without actor: the clock did it.
CREATE TABLE letter_steps (
  id UUID NOT NULL PRIMARY KEY,
  letter_id UUID NOT NULL REFERENCES letters (id),
  ver BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  actor_id UUID REFERENCES users (id),
  command TEXT NOT NULL,
  state TEXT NOT NULL,
  words TEXT,
  evidence JSONB NOT NULL,
  args JSONB NOT NULL,
  UNIQUE (letter_id, ver)
);
-- What a letter is about. While it is open, no other one is about the same.
CREATE TABLE letter_cases (
  letter_id UUID NOT NULL REFERENCES letters (id),
  case_id UUID NOT NULL REFERENCES cases (id),
  added_at TIMESTAMPTZ NOT NULL,
  open BOOLEAN NOT NULL,
  PRIMARY KEY (letter_id, case_id)
);
CREATE UNIQUE INDEX letter_cases_open ON letter_cases (case_id) WHERE open;
CREATE INDEX letter_cases_case ON letter_cases (case_id);
CREATE TABLE letter_spots (
  letter_id UUID NOT NULL REFERENCES letters (id),
  spot_id UUID NOT NULL REFERENCES spots (id),
  added_at TIMESTAMPTZ NOT NULL,
  open BOOLEAN NOT NULL,
  PRIMARY KEY (letter_id, spot_id)
);
CREATE UNIQUE INDEX letter_spots_open ON letter_spots (spot_id) WHERE open;
CREATE INDEX letter_spots_spot ON letter_spots (spot_id);
-- The last number of each year that was given.
CREATE TABLE letter_numbers (
  year INTEGER NOT NULL PRIMARY KEY,
  last INTEGER NOT NULL
);
