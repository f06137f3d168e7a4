-- Evidence may be deleted: its row stays and says so.
ALTER TABLE evidence DROP CONSTRAINT evidence_state_check;
ALTER TABLE evidence ADD CONSTRAINT evidence_state_check CHECK (state IN ('declared','stored','deleted'));
-- Who may open it how, how long a person wants it kept, when its bytes go, and what it was made of.
ALTER TABLE evidence ADD COLUMN access_class TEXT NOT NULL DEFAULT 'normal' CHECK (access_class IN ('normal','restricted'));
ALTER TABLE evidence ADD COLUMN retention_class TEXT NOT NULL DEFAULT 'general' CHECK (retention_class IN ('general','case_linked','key'));
ALTER TABLE evidence ADD COLUMN delete_at TIMESTAMPTZ;
ALTER TABLE evidence ADD COLUMN derived_from UUID REFERENCES evidence (id);
CREATE INDEX evidence_age ON evidence (stored_at, id) WHERE state = 'stored' AND delete_at IS NULL;
-- Who did what with a piece of evidence; each line is a leaf of the log too.
CREATE TABLE custody_events (
  id UUID NOT NULL PRIMARY KEY,
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  action TEXT NOT NULL,
  user_id UUID REFERENCES users (id),
  device_id UUID REFERENCES devices (id),
  at TIMESTAMPTZ NOT NULL,
  reason TEXT,
  detail JSONB NOT NULL,
  request_id TEXT,
  log_entry_id UUID NOT NULL REFERENCES log_entries (id)
);
CREATE INDEX custody_events_evidence ON custody_events (evidence_id, id);
CREATE FUNCTION custody_events_stay() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'custody events are never changed or removed'; END $$;
CREATE TRIGGER custody_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_events
  FOR EACH STATEMENT EXECUTE FUNCTION custody_events_stay();
-- Why a piece must be kept whatever the calendar says.
CREATE TABLE evidence_holds (
  id UUID NOT NULL PRIMARY KEY,
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  reason TEXT NOT NULL,
  set_by UUID NOT NULL REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL,
  lifted_by UUID REFERENCES users (id),
  lifted_at TIMESTAMPTZ,
  lift_reason TEXT
);
CREATE INDEX evidence_holds_evidence ON evidence_holds (evidence_id);
-- The way to a deletion: proposed by one, approved by another, undone by either, done a week later.
CREATE TABLE evidence_deletions (
  id UUID NOT NULL PRIMARY KEY,
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  state TEXT NOT NULL CHECK (state IN ('proposed','approved','undone','done')),
  reason TEXT NOT NULL,
  proposed_by UUID NOT NULL REFERENCES users (id),
  proposed_at TIMESTAMPTZ NOT NULL,
  approved_by UUID REFERENCES users (id),
  approved_at TIMESTAMPTZ,
  approval_reason TEXT,
  delete_at TIMESTAMPTZ,
  undone_by UUID REFERENCES users (id),
  undone_at TIMESTAMPTZ,
  undo_reason TEXT,
  done_at TIMESTAMPTZ,
  removing_until TIMESTAMPTZ,
  bytes_removed_at TIMESTAMPTZ,
  CHECK (approved_by <> proposed_by)
);
CREATE UNIQUE INDEX evidence_deletions_open ON evidence_deletions (evidence_id) WHERE state IN ('proposed','approved');
CREATE INDEX evidence_deletions_state ON evidence_deletions (state, id);
CREATE INDEX evidence_deletions_bytes ON evidence_deletions (id) WHERE state = 'done' AND bytes_removed_at IS NULL;
CREATE INDEX evidence_deletions_evidence ON evidence_deletions (evidence_id);
