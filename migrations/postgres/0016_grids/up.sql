-- Grid units (单元网格): a GeoJSON geometry in WGS-84 or CGCS2000, and the box around it, by which points are looked up.
CREATE TABLE grids (
  code TEXT NOT NULL PRIMARY KEY CHECK (length(code) BETWEEN 14 AND 16),
  name TEXT NOT NULL,
  shape JSONB NOT NULL,
  west DOUBLE PRECISION NOT NULL,
  south DOUBLE PRECISION NOT NULL,
  east DOUBLE PRECISION NOT NULL,
  north DOUBLE PRECISION NOT NULL,
  imported_at TIMESTAMPTZ NOT NULL
);
-- Who is responsible: area (a grid's code or the beginning of one, empty for everywhere) × class (likewise) × hours of
-- the day (minutes after local midnight, half-open; past midnight when they end before they begin). A row that no longer
-- holds stays, with its end.
CREATE TABLE responsibilities (
  id UUID NOT NULL PRIMARY KEY,
  area TEXT NOT NULL,
  class_kind TEXT CHECK (class_kind IN ('component','event')),
  class_code TEXT NOT NULL,
  from_min INTEGER CHECK (from_min BETWEEN 0 AND 1439),
  until_min INTEGER CHECK (until_min BETWEEN 0 AND 1440),
  unit_id UUID NOT NULL REFERENCES units (id),
  ruling BOOLEAN NOT NULL,
  reason TEXT NOT NULL,
  set_by UUID REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL,
  ended_by UUID REFERENCES users (id),
  ended_at TIMESTAMPTZ
);
