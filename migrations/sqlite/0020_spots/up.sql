-- Places of recurring problems (问题点位), in WGS-84. Counts and first and last moments are those of their records: the
-- cases of `spot_cases` and the observations of `spot_events`.
CREATE TABLE spots (
  id TEXT NOT NULL PRIMARY KEY,
  class_kind TEXT CHECK (class_kind IN ('component','event')),
  class_code TEXT NOT NULL,
  address TEXT,
  lat REAL NOT NULL,
  lon REAL NOT NULL,
  radius_m INTEGER NOT NULL CHECK (radius_m BETWEEN 5 AND 100),
  grid_code TEXT,
  state TEXT NOT NULL CHECK (state IN ('open','closed')),
  closed_at INTEGER,
  cause TEXT CHECK (cause IN ('unclear_ownership','repeat_offender','construction','over_collection','other')),
  cause_note TEXT,
  cause_by TEXT REFERENCES users (id),
  cause_at INTEGER,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  case_count INTEGER NOT NULL,
  observation_count INTEGER NOT NULL,
  recurrence_count INTEGER NOT NULL,
  ver INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX spots_place ON spots (class_code, lat);
CREATE INDEX spots_seen ON spots (last_seen_at);
-- A case belongs to at most one spot. `since_closing_s` says how long the problem had been solved, when it came back.
CREATE TABLE spot_cases (
  case_id TEXT NOT NULL PRIMARY KEY REFERENCES cases (id),
  spot_id TEXT NOT NULL REFERENCES spots (id),
  attached_at INTEGER NOT NULL,
  attached_by TEXT REFERENCES users (id),
  since_closing_s INTEGER
) STRICT;
CREATE INDEX spot_cases_spot ON spot_cases (spot_id, case_id);
-- One line for each thing that was seen or decided; never changed, never deleted. Without actor: the rules did it.
CREATE TABLE spot_events (
  id TEXT NOT NULL PRIMARY KEY,
  spot_id TEXT NOT NULL REFERENCES spots (id),
  ver INTEGER NOT NULL,
  command TEXT NOT NULL CHECK (command IN ('create','attach','recur','detach','observe','set_cause','close')),
  at INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  actor_id TEXT REFERENCES users (id),
  device_id TEXT,
  op_id TEXT,
  case_id TEXT REFERENCES cases (id),
  lat REAL,
  lon REAL,
  since_closing_s INTEGER,
  note TEXT,
  UNIQUE (spot_id, ver)
) STRICT;
-- Cases of a class near a place, in the datum they were reported in.
CREATE INDEX cases_place ON cases (class_code, lat);
