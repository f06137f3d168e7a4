-- Self-evaluations of a year (绩效自评). Each save is a version; a submitted one never changes.
CREATE TABLE self_evaluations (
  year INTEGER NOT NULL CHECK (year BETWEEN 2000 AND 2100),
  version INTEGER NOT NULL CHECK (version > 0),
  tables JSONB NOT NULL,
  acknowledgements JSONB,
  saved_by UUID NOT NULL REFERENCES users (id),
  saved_at TIMESTAMPTZ NOT NULL,
  submitted_by UUID REFERENCES users (id),
  submitted_at TIMESTAMPTZ,
  PRIMARY KEY (year, version),
  CHECK ((submitted_at IS NULL) = (submitted_by IS NULL)),
  CHECK ((submitted_at IS NULL) = (acknowledgements IS NULL))
);
