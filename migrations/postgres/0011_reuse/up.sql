-- How each stored photo looks. A row without hashes is a place in the queue of those that are still to be hashed.
CREATE TABLE photo_hashes (
  evidence_id UUID NOT NULL PRIMARY KEY REFERENCES evidence (id),
  state TEXT NOT NULL CHECK (state IN ('waiting','hashed','unreadable')),
  queued_at TIMESTAMPTZ NOT NULL,
  lease_until TIMESTAMPTZ NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  seq BIGINT UNIQUE,
  coarse BYTEA,
  fine BYTEA,
  CHECK ((state = 'hashed') = (seq IS NOT NULL AND coarse IS NOT NULL AND fine IS NOT NULL))
);
CREATE INDEX photo_hashes_waiting ON photo_hashes (lease_until) WHERE state = 'waiting';
CREATE TABLE photo_hash_clock (
  id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
  n BIGINT NOT NULL
);
INSERT INTO photo_hash_clock VALUES (1, 0);
INSERT INTO photo_hashes (evidence_id, state, queued_at, lease_until)
  SELECT id, 'waiting', stored_at, stored_at FROM evidence
  WHERE state = 'stored' AND facts->>'kind' IN ('jpeg','png');
-- Two photos that show the same picture: the later one and the earlier one.
CREATE TABLE photo_pairs (
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  other_id UUID NOT NULL REFERENCES evidence (id),
  distance INTEGER NOT NULL,
  found_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (evidence_id, other_id)
);
CREATE INDEX photo_pairs_other ON photo_pairs (other_id);
-- The same picture where another one was due: a person decides.
CREATE TABLE photo_matches (
  id UUID NOT NULL PRIMARY KEY,
  class TEXT NOT NULL CHECK (class IN ('exact_reuse','near_reuse','before_after_same')),
  distance INTEGER NOT NULL,
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  other_id UUID NOT NULL REFERENCES evidence (id),
  other_kind TEXT NOT NULL,
  other_target TEXT NOT NULL,
  found_at TIMESTAMPTZ NOT NULL,
  decision TEXT CHECK (decision IN ('reuse','legitimate')),
  reason TEXT,
  decided_by UUID REFERENCES users (id),
  decided_at TIMESTAMPTZ,
  UNIQUE (evidence_id, target_kind, target_id, other_id, other_kind, other_target),
  CHECK ((decision IS NULL) = (decided_at IS NULL))
);
CREATE INDEX photo_matches_open ON photo_matches (id) WHERE decision IS NULL;
CREATE INDEX photo_matches_closing ON photo_matches (target_kind, target_id) WHERE class = 'before_after_same';
-- Where a recording was made, point by point, from a file beside it.
CREATE TABLE evidence_tracks (
  evidence_id UUID NOT NULL REFERENCES evidence (id),
  of_sha256 TEXT NOT NULL CHECK (length(of_sha256) = 64),
  datum TEXT NOT NULL,
  points BYTEA,
  PRIMARY KEY (evidence_id, of_sha256)
);
CREATE INDEX evidence_tracks_of ON evidence_tracks (of_sha256);
