-- The transparency log: facts that must not change unseen, in one Merkle tree (RFC 6962). A fact is written in the
-- transaction that makes it true and gets its place in the tree a moment later.
CREATE TABLE log_entries (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  leaf TEXT NOT NULL,
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  recorded_at INTEGER NOT NULL,
  leaf_index INTEGER UNIQUE CHECK (leaf_index >= 0),
  sequenced_at INTEGER
) STRICT;
CREATE INDEX log_entries_subject ON log_entries (subject, id);
CREATE INDEX log_entries_hash ON log_entries (leaf_hash);
CREATE INDEX log_entries_waiting ON log_entries (id) WHERE leaf_index IS NULL;
-- The tree's hashes, 256 in a tile: level 0 holds those of the leaves, each level above the roots of full tiles below.
CREATE TABLE log_tiles (
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
  idx INTEGER NOT NULL CHECK (idx >= 0),
  hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192),
  PRIMARY KEY (level, idx)
) STRICT;
-- The tree as it stands; also the lock of whoever gives places.
CREATE TABLE log_head (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL
) STRICT;
INSERT INTO log_head (id, size) VALUES (1, 0);
-- What was signed: the newest, and one of each ten minutes.
CREATE TABLE log_checkpoints (
  size INTEGER NOT NULL PRIMARY KEY CHECK (size > 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  signed_at INTEGER NOT NULL
) STRICT;
