-- What was found after a month was published makes a second edition of it; each edition keeps its own pack.
CREATE TABLE score_editions (
  id UUID NOT NULL PRIMARY KEY,
  month TEXT NOT NULL REFERENCES assessment_months (month),
  edition INTEGER CHECK (edition > 0),
  reason TEXT NOT NULL,
  counters JSONB NOT NULL,
  opened_by UUID NOT NULL REFERENCES users (id),
  opened_at TIMESTAMPTZ NOT NULL,
  verdict TEXT CHECK (verdict IN ('upheld','dismissed')),
  words TEXT,
  decided_by UUID REFERENCES users (id),
  decided_at TIMESTAMPTZ,
  pack TEXT,
  pack_sha256 TEXT,
  UNIQUE (month, edition),
  CHECK ((edition IS NULL) = (pack IS NULL)),
  CHECK (edition = 1 OR decided_by <> opened_by)
);
CREATE UNIQUE INDEX score_editions_undecided ON score_editions (month) WHERE decided_at IS NULL;
INSERT INTO score_editions
  (id, month, edition, reason, counters, opened_by, opened_at, verdict, decided_by, decided_at, pack, pack_sha256)
  SELECT gen_random_uuid(), month, 1, '', '[]', opened_by, opened_at, 'upheld', published_by, published_at, pack, pack_sha256
  FROM assessment_months WHERE phase = 'published';
ALTER TABLE assessment_months ADD COLUMN edition INTEGER;
ALTER TABLE assessment_months ADD COLUMN correction TEXT;
UPDATE assessment_months SET edition = 1 WHERE phase = 'published';
ALTER TABLE assessment_months DROP COLUMN pack;
ALTER TABLE score_lines DROP CONSTRAINT score_lines_record_kind_check;
ALTER TABLE score_lines ADD CONSTRAINT score_lines_record_kind_check
  CHECK (record_kind IN ('case','spot_check','letter','merit','objection','correction'));
