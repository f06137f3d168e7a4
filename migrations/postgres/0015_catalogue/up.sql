-- What cases are about. Every import is a version of its own and stays; the last one is in force. While there is none,
-- the catalogue that comes with the program is.
CREATE TABLE catalogue_versions (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version >= 1),
  source TEXT NOT NULL,
  imported_by UUID REFERENCES users (id),
  imported_at TIMESTAMPTZ NOT NULL
);
-- `code` is big and small class together; leading zeros count. Components and events number theirs apart.
CREATE TABLE catalogue_classes (
  version INTEGER NOT NULL REFERENCES catalogue_versions (version),
  scheme_version TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('component','event')),
  code TEXT NOT NULL CHECK (length(code) BETWEEN 4 AND 5),
  big_name TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (version, scheme_version, kind, code)
);
CREATE INDEX catalogue_classes_code ON catalogue_classes (scheme_version, kind, code, version);
CREATE TABLE catalogue_conditions (
  version INTEGER NOT NULL,
  scheme_version TEXT NOT NULL,
  kind TEXT NOT NULL,
  code TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number >= 1),
  filing TEXT NOT NULL,
  closing TEXT NOT NULL,
  limit_kind TEXT NOT NULL CHECK (limit_kind IN ('urgent_hour','natural_day','work_hour','work_day')),
  limit_tenths INTEGER NOT NULL CHECK (limit_tenths >= 1),
  remark TEXT NOT NULL,
  PRIMARY KEY (version, scheme_version, kind, code, number),
  FOREIGN KEY (version, scheme_version, kind, code)
    REFERENCES catalogue_classes (version, scheme_version, kind, code)
);
