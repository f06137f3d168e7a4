-- The words of a case in one piece, folded, and what is looked up: each character and each pair of neighbours.
CREATE TABLE case_words (
  n INTEGER NOT NULL PRIMARY KEY,
  case_id TEXT NOT NULL UNIQUE REFERENCES cases (id),
  words TEXT NOT NULL,
  grams TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE case_grams USING fts5 (grams, content = 'case_words', content_rowid = 'n', detail = none, columnsize = 0);
CREATE TRIGGER case_words_added AFTER INSERT ON case_words BEGIN
  INSERT INTO case_grams (rowid, grams) VALUES (new.n, new.grams);
END;
CREATE TRIGGER case_words_changed AFTER UPDATE ON case_words BEGIN
  INSERT INTO case_grams (case_grams, rowid, grams) VALUES ('delete', old.n, old.grams);
  INSERT INTO case_grams (rowid, grams) VALUES (new.n, new.grams);
END;
-- A dispatcher has a case in hand (认领), as long as it stands where it stood then.
CREATE TABLE case_claims (
  case_id TEXT NOT NULL PRIMARY KEY REFERENCES cases (id),
  state TEXT NOT NULL,
  claimed_by TEXT NOT NULL REFERENCES users (id),
  claimed_at INTEGER NOT NULL
) STRICT;
-- A unit was urged (催办), or a supervision letter was drafted (督办函草稿); by nobody when the clock did it.
CREATE TABLE case_urgings (
  id TEXT NOT NULL PRIMARY KEY,
  case_id TEXT NOT NULL REFERENCES cases (id),
  unit_id TEXT NOT NULL REFERENCES units (id),
  kind TEXT NOT NULL CHECK (kind IN ('half','letter_draft','person')),
  due_at INTEGER NOT NULL,
  used_percent INTEGER NOT NULL,
  text TEXT NOT NULL,
  urged_by TEXT REFERENCES users (id),
  urged_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX case_urgings_once ON case_urgings (case_id, due_at, kind) WHERE urged_by IS NULL;
CREATE INDEX case_urgings_unit ON case_urgings (unit_id, id);
CREATE INDEX case_urgings_case ON case_urgings (case_id, id);
-- A unit asks that a case's being late is not held against it (申诉). The fact stays.
CREATE TABLE case_appeals (
  id TEXT NOT NULL PRIMARY KEY,
  case_id TEXT NOT NULL UNIQUE REFERENCES cases (id),
  unit_id TEXT NOT NULL REFERENCES units (id),
  due_at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  filed_by TEXT NOT NULL REFERENCES users (id),
  filed_at INTEGER NOT NULL,
  exempt INTEGER,
  words TEXT,
  decided_by TEXT REFERENCES users (id),
  decided_at INTEGER
) STRICT;
CREATE INDEX case_appeals_unit ON case_appeals (unit_id, id);
CREATE INDEX case_appeals_open ON case_appeals (id) WHERE decided_at IS NULL;
-- Words that are said again and again, for one command of the loop.
CREATE TABLE case_templates (
  id TEXT NOT NULL PRIMARY KEY,
  command TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  class_code TEXT,
  made_by TEXT NOT NULL REFERENCES users (id),
  made_at INTEGER NOT NULL
) STRICT;
-- Filters of a list that somebody wants again; the query as it stands in the address.
CREATE TABLE saved_views (
  id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  query TEXT NOT NULL,
  shared INTEGER NOT NULL,
  saved_at INTEGER NOT NULL,
  UNIQUE (owner_id, name)
) STRICT;
CREATE INDEX cases_running ON cases (due_at) WHERE closed_at IS NULL;
CREATE INDEX cases_extension ON cases (id) WHERE extension_until IS NOT NULL;
CREATE INDEX cases_hold ON cases (id) WHERE hold_reason IS NOT NULL;
CREATE INDEX cases_closed ON cases (unit_id, closed_at) WHERE closed_at IS NOT NULL;
