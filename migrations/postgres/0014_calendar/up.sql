-- When is worked. A year's list replaces the one that came with the program; `day` and `from_day` are ISO dates.
CREATE TABLE calendar_years (
  year INTEGER NOT NULL PRIMARY KEY CHECK (year BETWEEN 2007 AND 2100),
  source TEXT NOT NULL,
  imported_by UUID REFERENCES users (id),
  imported_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE calendar_days (
  day TEXT NOT NULL PRIMARY KEY CHECK (length(day) = 10),
  year INTEGER NOT NULL REFERENCES calendar_years (year),
  kind TEXT NOT NULL CHECK (kind IN ('holiday','workday')),
  name TEXT NOT NULL
);
CREATE INDEX calendar_days_year ON calendar_days (year);
-- The slots of a working day from a day on, minutes after midnight, half-open.
CREATE TABLE working_slots (
  from_day TEXT NOT NULL CHECK (length(from_day) = 10),
  from_min INTEGER NOT NULL CHECK (from_min >= 0),
  until_min INTEGER NOT NULL CHECK (until_min > from_min AND until_min <= 1440),
  set_by UUID REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (from_day, from_min)
);
