DELETE FROM score_lines WHERE record_kind = 'correction';
ALTER TABLE score_lines DROP CONSTRAINT score_lines_record_kind_check;
ALTER TABLE score_lines ADD CONSTRAINT score_lines_record_kind_check
  CHECK (record_kind IN ('case','spot_check','letter','merit','objection'));
ALTER TABLE assessment_months ADD COLUMN pack TEXT;
UPDATE assessment_months SET (pack, pack_sha256) =
  (SELECT pack, pack_sha256 FROM score_editions
   WHERE score_editions.month = assessment_months.month AND score_editions.edition = 1);
ALTER TABLE assessment_months DROP COLUMN correction;
ALTER TABLE assessment_months DROP COLUMN edition;
DROP TABLE score_editions;
