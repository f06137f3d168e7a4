-- Supervision letters (督办函). A number is given when a letter is issued. `due_at` of a draft is the day asked for, if it
-- is a day; `drafted_by` nobody: the clock drafted it.
CREATE TABLE letters (
  id TEXT NOT NULL PRIMARY KEY,
  number TEXT UNIQUE,
  unit_id TEXT NOT NULL REFERENCES units (id),
  kind TEXT NOT NULL CHECK (kind IN ('repeated','overdue','from_above','complaint','campaign')),
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  note TEXT,
  state TEXT NOT NULL CHECK (state IN ('drafted','issued','received','replied','fulfilled','partly','unfulfilled','withdrawn')),
  limit_kind TEXT CHECK (limit_kind IN ('urgent_hour','natural_day','work_hour','work_day')),
  limit_tenths INTEGER CHECK (limit_tenths > 0),
  due_at INTEGER,
  extension_until INTEGER,
  replied_at INTEGER,
  score INTEGER CHECK (score BETWEEN 0 AND 100000),
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 3),
  reminded INTEGER NOT NULL,
  ver INTEGER NOT NULL,
  drafted_by TEXT REFERENCES users (id),
  drafted_at INTEGER NOT NULL,
  issued_at INTEGER,
  received_at INTEGER,
  graded_at INTEGER,
  updated_at INTEGER NOT NULL,
  CHECK ((number IS NULL) = (issued_at IS NULL)),
  CHECK (issued_at IS NULL OR due_at IS NOT NULL)
) STRICT;
CREATE INDEX letters_unit ON letters (unit_id, id);
CREATE INDEX letters_state ON letters (state, id);
CREATE INDEX letters_due ON letters (due_at);
-- One line for each thing that was done; never changed, never deleted. Without actor: the clock did it.
CREATE TABLE letter_steps (
  id TEXT NOT NULL PRIMARY KEY,
  letter_id TEXT NOT NULL REFERENCES letters (id),
  ver INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor_id TEXT REFERENCES users (id),
  command TEXT NOT NULL,
  state TEXT NOT NULL,
  words TEXT,
  evidence TEXT NOT NULL CHECK (json_valid(evidence)),
  args TEXT NOT NULL CHECK (json_valid(args)),
  UNIQUE (letter_id, ver)
) STRICT;
-- What a letter is about. While it is open, no other one is about the same.
CREATE TABLE letter_cases (
  letter_id TEXT NOT NULL REFERENCES letters (id),
  case_id TEXT NOT NULL REFERENCES cases (id),
  added_at INTEGER NOT NULL,
  open INTEGER NOT NULL,
  PRIMARY KEY (letter_id, case_id)
) STRICT;
CREATE UNIQUE INDEX letter_cases_open ON letter_cases (case_id) WHERE open;
CREATE INDEX letter_cases_case ON letter_cases (case_id);
CREATE TABLE letter_spots (
  letter_id TEXT NOT NULL REFERENCES letters (id),
  spot_id TEXT NOT NULL REFERENCES spots (id),
  added_at INTEGER NOT NULL,
  open INTEGER NOT NULL,
  PRIMARY KEY (letter_id, spot_id)
) STRICT;
CREATE UNIQUE INDEX letter_spots_open ON letter_spots (spot_id) WHERE open;
CREATE INDEX letter_spots_spot ON letter_spots (spot_id);
-- The last number of each year that was given.
CREATE TABLE letter_numbers (
  year INTEGER NOT NULL PRIMARY KEY,
  last INTEGER NOT NULL
) STRICT;
