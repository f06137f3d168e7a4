-- A condition on a value makes SQLite plan a statement anew whenever the value is given as a parameter; one on NULL does
-- not. Only accepted uploads have evidence.
DROP INDEX uploads_accepted;
CREATE INDEX uploads_accepted ON uploads (owner, evidence_id) WHERE evidence_id IS NOT NULL;
