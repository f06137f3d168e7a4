-- What was found after a month was published makes a second edition of it; each edition keeps its own pack.
CREATE TABLE score_editions (
  id TEXT NOT NULL PRIMARY KEY,
  month TEXT NOT NULL REFERENCES assessment_months (month),
  edition INTEGER CHECK (edition > 0),
  reason TEXT NOT NULL,
  counters TEXT NOT NULL CHECK (json_valid(counters)),
  opened_by TEXT NOT NULL REFERENCES users (id),
  opened_at INTEGER NOT NULL,
  verdict TEXT CHECK (verdict IN ('upheld','dismissed')),
  words TEXT,
  decided_by TEXT REFERENCES users (id),
  decided_at INTEGER,
  pack TEXT,
  pack_sha256 TEXT,
  UNIQUE (month, edition),
  CHECK ((edition IS NULL) = (pack IS NULL)),
  CHECK (edition = 1 OR decided_by <> opened_by)
) STRICT;
CREATE UNIQUE INDEX score_editions_undecided ON score_editions (month) WHERE decided_at IS NULL;
INSERT INTO score_editions
  (id, month, edition, reason, counters, opened_by, opened_at, verdict, decided_by, decided_at, pack, pack_sha256)
  SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
    || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    month, 1, '', '[]', opened_by, opened_at, 'upheld', published_by, published_at, pack, pack_sha256
  FROM assessment_months WHERE phase = 'published';
ALTER TABLE assessment_months ADD COLUMN edition INTEGER;
ALTER TABLE assessment_months ADD COLUMN correction TEXT;
UPDATE assessment_months SET edition = 1 WHERE phase = 'published';
ALTER TABLE assessment_months DROP COLUMN pack;
-- SQLite can't change a CHECK, so the column is made anew.
ALTER TABLE score_lines ADD COLUMN new_kind TEXT
  CHECK (new_kind IN ('case','spot_check','letter','merit','objection','correction'));
UPDATE score_lines SET new_kind = record_kind;
ALTER TABLE score_lines DROP COLUMN record_kind;
ALTER TABLE score_lines RENAME COLUMN new_kind TO record_kind;
