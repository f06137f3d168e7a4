-- The sample library: any number of sites per unit and kind, each with a code of its own. The constraint on slots is part
-- of the table, so both tables are made anew.
CREATE TEMPORARY TABLE sites_before AS SELECT s.*, u.code AS unit_code FROM spot_sites s JOIN units u ON u.id = s.unit_id;
CREATE TEMPORARY TABLE checks_before AS SELECT * FROM spot_checks;
DROP TABLE spot_checks;
DROP TABLE spot_sites;
CREATE TABLE spot_sites (
  id TEXT NOT NULL PRIMARY KEY,
  unit_id TEXT NOT NULL REFERENCES units (id),
  code TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('main_road','back_street','residential','market','construction','toilet','other')),
  name TEXT NOT NULL,
  address TEXT,
  lat REAL,
  lon REAL,
  geometry TEXT,
  active_from TEXT CHECK (length(active_from) = 10),
  struck_at INTEGER,
  strike_reason TEXT,
  ver INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX spot_sites_unit ON spot_sites (unit_id, code);
INSERT INTO spot_sites
  SELECT id, unit_id, unit_code || '-' || kind || '-' || printf('%03d', slot), kind, name, address, lat, lon, NULL, NULL, NULL, NULL,
    ver, updated_at
  FROM sites_before;
-- `pick_id` and what follows came with the draw: a record without it is one of an app that did not know the draw.
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
  op_id TEXT,
  pick_id TEXT,
  recheck INTEGER NOT NULL,
  checklist_version INTEGER,
  answers TEXT CHECK (answers IS NULL OR json_valid(answers)),
  arrived_at INTEGER,
  left_at INTEGER,
  distance_m REAL,
  outside_fence INTEGER,
  unreachable TEXT,
  signature_sha256 TEXT,
  seal_sha256 TEXT
) STRICT;
INSERT INTO spot_checks
  SELECT id, site_id, unit_id, week, score, items, note, lat, lon, accuracy_m, checked_at, recorded_at, actor_id, device_id, op_id,
    NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM checks_before;
DROP TABLE sites_before;
DROP TABLE checks_before;
CREATE INDEX spot_checks_week ON spot_checks (week, unit_id, id);
CREATE INDEX spot_checks_site ON spot_checks (site_id, id);
CREATE INDEX spot_checks_unit ON spot_checks (unit_id, id);
CREATE INDEX spot_checks_actor ON spot_checks (actor_id, id);
-- What a site was after each change; never changed, never deleted.
CREATE TABLE spot_site_versions (
  site_id TEXT NOT NULL REFERENCES spot_sites (id),
  ver INTEGER NOT NULL,
  change TEXT NOT NULL CHECK (change IN ('enter','correct','strike','reinstate')),
  reason TEXT,
  site TEXT NOT NULL CHECK (json_valid(site)),
  changed_by TEXT REFERENCES users (id),
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (site_id, ver)
) STRICT;
-- Which kinds stand in for one that a unit lacks (顺位补抽); version 0 came with the program.
CREATE TABLE spot_substitutions (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
  stand_ins TEXT NOT NULL CHECK (json_valid(stand_ins)),
  source TEXT NOT NULL,
  set_by TEXT NOT NULL REFERENCES users (id),
  set_at INTEGER NOT NULL
) STRICT;
-- What is looked at, at a site of each kind; version 1 came with the program.
CREATE TABLE spot_checklists (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 1),
  kinds TEXT NOT NULL CHECK (json_valid(kinds)),
  source TEXT NOT NULL,
  set_by TEXT NOT NULL REFERENCES users (id),
  set_at INTEGER NOT NULL
) STRICT;
CREATE TABLE spot_team_members (
  user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
  team TEXT NOT NULL
) STRICT;
-- One draw a week. `frame` and `result` are the bytes that were hashed.
CREATE TABLE draws (
  week TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('framed','sealed','drawn')),
  frame TEXT NOT NULL,
  frame_sha256 TEXT NOT NULL,
  frame_entry TEXT NOT NULL,
  framed_by TEXT NOT NULL REFERENCES users (id),
  framed_at INTEGER NOT NULL,
  commit_until INTEGER NOT NULL,
  nonce TEXT NOT NULL,
  lottery_at INTEGER NOT NULL,
  sources TEXT CHECK (sources IS NULL OR json_valid(sources)),
  typed_by TEXT REFERENCES users (id),
  confirmed_by TEXT REFERENCES users (id),
  seed TEXT,
  sealed_at INTEGER,
  result TEXT,
  result_sha256 TEXT,
  result_entry TEXT,
  drawn_at INTEGER,
  CHECK ((state = 'framed') = (seed IS NULL)),
  CHECK ((state = 'drawn') = (result IS NOT NULL))
) STRICT;
CREATE TABLE draw_commitments (
  week TEXT NOT NULL REFERENCES draws (week),
  unit_id TEXT NOT NULL REFERENCES units (id),
  commitment TEXT NOT NULL,
  committed_by TEXT NOT NULL REFERENCES users (id),
  committed_at INTEGER NOT NULL,
  nonce TEXT,
  opened_at INTEGER,
  PRIMARY KEY (week, unit_id)
) STRICT;
-- The visits of a draw: turn 0 was drawn, turn n is the n-th that took its place. A re-check has the slot of what it checks.
CREATE TABLE draw_picks (
  id TEXT NOT NULL PRIMARY KEY,
  week TEXT NOT NULL REFERENCES draws (week),
  unit_id TEXT NOT NULL REFERENCES units (id),
  slot INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 9),
  turn INTEGER NOT NULL CHECK (turn >= 0),
  recheck INTEGER NOT NULL,
  kind TEXT NOT NULL,
  site_id TEXT NOT NULL REFERENCES spot_sites (id),
  team TEXT NOT NULL,
  day TEXT NOT NULL CHECK (length(day) = 10),
  band TEXT NOT NULL,
  visit_order INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open','visited','unreachable')),
  check_id TEXT,
  UNIQUE (week, unit_id, slot, turn, recheck)
) STRICT;
CREATE INDEX draw_picks_team ON draw_picks (team, day);
