CREATE TABLE spot_sites (
  id TEXT NOT NULL PRIMARY KEY,
  unit_id TEXT NOT NULL REFERENCES units (id),
  kind TEXT NOT NULL CHECK (kind IN ('main_road','back_street','residential','market','construction','toilet','other')),
  slot INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 9),
  name TEXT NOT NULL,
  address TEXT,
  lat REAL,
  lon REAL,
  ver INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (unit_id, slot)
) STRICT;
CREATE TABLE spot_checks (
  id TEXT NOT NULL PRIMARY KEY,
  site_id TEXT NOT NULL REFERENCES spot_sites (id),
  unit_id TEXT NOT NULL REFERENCES units (id),
  week TEXT NOT NULL,
  score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100000),
  items TEXT NOT NULL CHECK (json_valid(items)),
  note TEXT,
  lat REAL,
  lon REAL,
  accuracy_m REAL,
  checked_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  actor_id TEXT NOT NULL REFERENCES users (id),
  device_id TEXT,
  op_id TEXT
) STRICT;
CREATE INDEX spot_checks_week ON spot_checks (week, unit_id, id);
CREATE INDEX spot_checks_site ON spot_checks (site_id, id);
