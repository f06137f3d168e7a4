-- Evidence may be deleted: its row stays and says so. SQLite can't change a CHECK, so the column is made anew.
ALTER TABLE evidence ADD COLUMN new_state TEXT NOT NULL DEFAULT 'declared' CHECK (new_state IN ('declared','stored','deleted'));
UPDATE evidence SET new_state = state;
ALTER TABLE evidence DROP COLUMN state;
ALTER TABLE evidence RENAME COLUMN new_state TO state;
-- Who may open it how, how long a person wants it kept, when its bytes go, and what it was made of.
ALTER TABLE evidence ADD COLUMN access_class TEXT NOT NULL DEFAULT 'normal' CHECK (access_class IN ('normal','restricted'));
ALTER TABLE evidence ADD COLUMN retention_class TEXT NOT NULL DEFAULT 'general' CHECK (retention_class IN ('general','case_linked','key'));
ALTER TABLE evidence ADD COLUMN delete_at INTEGER;
ALTER TABLE evidence ADD COLUMN derived_from TEXT REFERENCES evidence (id);
CREATE INDEX evidence_age ON evidence (stored_at, id) WHERE state = 'stored' AND delete_at IS NULL;
-- Who did what with a piece of evidence; each line is a leaf of the log too.
CREATE TABLE custody_events (
  id TEXT NOT NULL PRIMARY KEY,
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  action TEXT NOT NULL,
  user_id TEXT REFERENCES users (id),
  device_id TEXT REFERENCES devices (id),
  at INTEGER NOT NULL,
  reason TEXT,
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  request_id TEXT,
  log_entry_id TEXT NOT NULL REFERENCES log_entries (id)
) STRICT;
CREATE INDEX custody_events_evidence ON custody_events (evidence_id, id);
CREATE TRIGGER custody_events_change BEFORE UPDATE ON custody_events
BEGIN SELECT RAISE(ABORT, 'custody events are never changed'); END;
CREATE TRIGGER custody_events_removal BEFORE DELETE ON custody_events
BEGIN SELECT RAISE(ABORT, 'custody events are never removed'); END;
-- Why a piece must be kept whatever the calendar says.
CREATE TABLE evidence_holds (
  id TEXT NOT NULL PRIMARY KEY,
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  reason TEXT NOT NULL,
  set_by TEXT NOT NULL REFERENCES users (id),
  set_at INTEGER NOT NULL,
  lifted_by TEXT REFERENCES users (id),
  lifted_at INTEGER,
  lift_reason TEXT
) STRICT;
CREATE INDEX evidence_holds_evidence ON evidence_holds (evidence_id);
-- The way to a deletion: proposed by one, approved by another, undone by either, done a week later.
CREATE TABLE evidence_deletions (
  id TEXT NOT NULL PRIMARY KEY,
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  state TEXT NOT NULL CHECK (state IN ('proposed','approved','undone','done')),
  reason TEXT NOT NULL,
  proposed_by TEXT NOT NULL REFERENCES users (id),
  proposed_at INTEGER NOT NULL,
  approved_by TEXT REFERENCES users (id),
  approved_at INTEGER,
  approval_reason TEXT,
  delete_at INTEGER,
  undone_by TEXT REFERENCES users (id),
  undone_at INTEGER,
  undo_reason TEXT,
  done_at INTEGER,
  removing_until INTEGER,
  bytes_removed_at INTEGER,
  CHECK (approved_by <> proposed_by)
) STRICT;
CREATE UNIQUE INDEX evidence_deletions_open ON evidence_deletions (evidence_id) WHERE state IN ('proposed','approved');
CREATE INDEX evidence_deletions_state ON evidence_deletions (state, id);
CREATE INDEX evidence_deletions_bytes ON evidence_deletions (id) WHERE state = 'done' AND bytes_removed_at IS NULL;
CREATE INDEX evidence_deletions_evidence ON evidence_deletions (evidence_id);
