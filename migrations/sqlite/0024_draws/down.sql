DROP TABLE draw_picks;
DROP TABLE draw_commitments;
DROP TABLE draws;
DROP TABLE spot_team_members;
DROP TABLE spot_checklists;
DROP TABLE spot_substitutions;
DROP TABLE spot_site_versions;
-- Back to nine slots: what has none goes, with its records.
CREATE TABLE sites_kept AS
  SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY unit_id, kind ORDER BY code) + CASE kind WHEN 'main_road' THEN 0 WHEN 'back_street' THEN 2
      WHEN 'residential' THEN 4 WHEN 'market' THEN 5 WHEN 'construction' THEN 6 WHEN 'toilet' THEN 7 ELSE 8 END AS slot,
      ROW_NUMBER() OVER (PARTITION BY unit_id, kind ORDER BY code) AS place
    FROM spot_sites
  ) numbered WHERE place <= CASE WHEN kind IN ('main_road','back_street') THEN 2 ELSE 1 END;
CREATE TABLE checks_kept AS SELECT * FROM spot_checks WHERE site_id IN (SELECT id FROM sites_kept);
DROP TABLE spot_checks;
DROP TABLE spot_sites;
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
CREATE INDEX spot_checks_unit ON spot_checks (unit_id, id);
CREATE INDEX spot_checks_actor ON spot_checks (actor_id, id);
INSERT INTO spot_sites SELECT id, unit_id, kind, slot, name, address, lat, lon, ver, updated_at FROM sites_kept;
INSERT INTO spot_checks SELECT id, site_id, unit_id, week, score, items, note, lat, lon, accuracy_m, checked_at, recorded_at, actor_id, device_id, op_id FROM checks_kept;
DROP TABLE sites_kept;
DROP TABLE checks_kept;
