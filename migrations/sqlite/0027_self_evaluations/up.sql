-- Self-evaluations of a year (绩效自评). Each save is a version; a submitted one never changes.
CREATE TABLE self_evaluations (
  year INTEGER NOT NULL CHECK (year BETWEEN 2000 AND 2100),
  version INTEGER NOT NULL CHECK (version > 0),
  tables TEXT NOT NULL CHECK (json_valid(tables)),
  acknowledgements TEXT CHECK (json_valid(acknowledgements)),
  saved_by TEXT NOT NULL REFERENCES users (id),
  saved_at INTEGER NOT NULL,
  submitted_by TEXT REFERENCES users (id),
  submitted_at INTEGER,
  PRIMARY KEY (year, version),
  CHECK ((submitted_at IS NULL) = (submitted_by IS NULL)),
  CHECK ((submitted_at IS NULL) = (acknowledgements IS NULL))
) STRICT;
