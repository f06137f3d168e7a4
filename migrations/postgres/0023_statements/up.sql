-- As on SQLite, where it saves planning. Only accepted uploads have evidence.
DROP INDEX uploads_accepted;
CREATE INDEX uploads_accepted ON uploads (owner, evidence_id) WHERE evidence_id IS NOT NULL;
