CREATE TABLE spot_sites (
  id UUID NOT NULL PRIMARY KEY,
  unit_id UUID NOT NULL REFERENCES units (id),
  kind TEXT NOT NULL CHECK (kind IN ('main_road','back_street','residential','market','construction','toilet','other')),
  slot INT NOT NULL CHECK (slot BETWEEN 1 AND 9),
  name TEXT NOT NULL,
  address TEXT,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  ver BIGINT NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL,
  UNIQUE (unit_id, slot)
);
CREATE TABLE spot_checks (
  id UUID NOT NULL PRIMARY KEY,
  site_id UUID NOT NULL REFERENCES spot_sites (id),
  unit_id UUID NOT NULL REFERENCES units (id),
  week TEXT NOT NULL,
  score INT NOT NULL CHECK (score BETWEEN 0 AND 100000),
  items JSONB NOT NULL,
  note TEXT,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  accuracy_m DOUBLE PRECISION,
  checked_at TIMESTAMPTZ NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  actor_id UUID NOT NULL REFERENCES users (id),
  device_id UUID,
  op_id UUID
);
CREATE INDEX spot_checks_week ON spot_checks (week, unit_id, id);
CREATE INDEX spot_checks_site ON spot_checks (site_id, id);
