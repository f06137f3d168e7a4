-- Grid units (单元网格): a GeoJSON geometry in WGS-84 or CGCS2000, and the box around it, by which points are looked up.
CREATE TABLE grids (
  code TEXT NOT NULL PRIMARY KEY CHECK (length(code) BETWEEN 14 AND 16),
  name TEXT NOT NULL,
  shape TEXT NOT NULL CHECK (json_valid(shape)),
  west REAL NOT NULL,
  south REAL NOT NULL,
  east REAL NOT NULL,
  north REAL NOT NULL,
  imported_at INTEGER NOT NULL
) STRICT;
-- Who is responsible: area (a grid's code or the beginning of one, empty for everywhere) × class (likewise) × hours of
-- the day (minutes after local midnight, half-open; past midnight when they end before they begin). A row that no longer
-- holds stays, with its end.
CREATE TABLE responsibilities (
  id TEXT NOT NULL PRIMARY KEY,
  area TEXT NOT NULL,
  class_kind TEXT CHECK (class_kind IN ('component','event')),
  class_code TEXT NOT NULL,
  from_min INTEGER CHECK (from_min BETWEEN 0 AND 1439),
  until_min INTEGER CHECK (until_min BETWEEN 0 AND 1440),
  unit_id TEXT NOT NULL REFERENCES units (id),
  ruling INTEGER NOT NULL CHECK (ruling IN (0, 1)),
  reason TEXT NOT NULL,
  set_by TEXT REFERENCES users (id),
  set_at INTEGER NOT NULL,
  ended_by TEXT REFERENCES users (id),
  ended_at INTEGER
) STRICT;
