-- How each stored photo looks. A row without hashes is a place in the queue of those that are still to be hashed.
CREATE TABLE photo_hashes (
  evidence_id TEXT NOT NULL PRIMARY KEY REFERENCES evidence (id),
  state TEXT NOT NULL CHECK (state IN ('waiting','hashed','unreadable')),
  queued_at INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  seq INTEGER UNIQUE,
  coarse BLOB,
  fine BLOB,
  CHECK ((state = 'hashed') = (seq IS NOT NULL AND coarse IS NOT NULL AND fine IS NOT NULL))
) STRICT;
CREATE INDEX photo_hashes_waiting ON photo_hashes (lease_until) WHERE state = 'waiting';
CREATE TABLE photo_hash_clock (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  n INTEGER NOT NULL
) STRICT;
INSERT INTO photo_hash_clock VALUES (1, 0);
INSERT INTO photo_hashes (evidence_id, state, queued_at, lease_until)
  SELECT id, 'waiting', stored_at, stored_at FROM evidence
  WHERE state = 'stored' AND json_extract(facts, '$.kind') IN ('jpeg','png');
-- Two photos that show the same picture: the later one and the earlier one.
CREATE TABLE photo_pairs (
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  other_id TEXT NOT NULL REFERENCES evidence (id),
  distance INTEGER NOT NULL,
  found_at INTEGER NOT NULL,
  PRIMARY KEY (evidence_id, other_id)
) STRICT;
CREATE INDEX photo_pairs_other ON photo_pairs (other_id);
-- The same picture where another one was due: a person decides.
CREATE TABLE photo_matches (
  id TEXT NOT NULL PRIMARY KEY,
  class TEXT NOT NULL CHECK (class IN ('exact_reuse','near_reuse','before_after_same')),
  distance INTEGER NOT NULL,
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  other_id TEXT NOT NULL REFERENCES evidence (id),
  other_kind TEXT NOT NULL,
  other_target TEXT NOT NULL,
  found_at INTEGER NOT NULL,
  decision TEXT CHECK (decision IN ('reuse','legitimate')),
  reason TEXT,
  decided_by TEXT REFERENCES users (id),
  decided_at INTEGER,
  UNIQUE (evidence_id, target_kind, target_id, other_id, other_kind, other_target),
  CHECK ((decision IS NULL) = (decided_at IS NULL))
) STRICT;
CREATE INDEX photo_matches_open ON photo_matches (id) WHERE decision IS NULL;
CREATE INDEX photo_matches_closing ON photo_matches (target_kind, target_id) WHERE class = 'before_after_same';
-- Where a recording was made, point by point, from a file beside it.
CREATE TABLE evidence_tracks (
  evidence_id TEXT NOT NULL REFERENCES evidence (id),
  of_sha256 TEXT NOT NULL CHECK (length(of_sha256) = 64),
  datum TEXT NOT NULL,
  points BLOB,
  PRIMARY KEY (evidence_id, of_sha256)
) STRICT;
CREATE INDEX evidence_tracks_of ON evidence_tracks (of_sha256);
