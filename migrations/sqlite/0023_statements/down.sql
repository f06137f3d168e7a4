DROP INDEX uploads_accepted;
CREATE INDEX uploads_accepted ON uploads (owner, evidence_id) WHERE state = 'accepted';
