DELETE FROM score_lines WHERE record_kind = 'correction';
ALTER TABLE score_lines ADD COLUMN old_kind TEXT CHECK (old_kind IN ('case','spot_check','letter','merit','objection'));
UPDATE score_lines SET old_kind = record_kind;
ALTER TABLE score_lines DROP COLUMN record_kind;
ALTER TABLE score_lines RENAME COLUMN old_kind TO record_kind;
ALTER TABLE assessment_months ADD COLUMN pack TEXT;
UPDATE assessment_months SET (pack, pack_sha256) =
  (SELECT pack, pack_sha256 FROM score_editions
   WHERE score_editions.month = assessment_months.month AND score_editions.edition = 1);
ALTER TABLE assessment_months DROP COLUMN correction;
ALTER TABLE assessment_months DROP COLUMN edition;
DROP TABLE score_editions;
