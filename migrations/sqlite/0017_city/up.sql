-- The exchange with the city. `seq` of `in` is the last message that was applied, of `out` the last that was given.
CREATE TABLE city_directions (
  direction TEXT NOT NULL PRIMARY KEY CHECK (direction IN ('in','out')),
  seq INTEGER NOT NULL,
  enabled INTEGER NOT NULL DEFAULT FALSE,
  held_by TEXT,
  held_until INTEGER
) STRICT;
INSERT INTO city_directions (direction, seq) VALUES ('in', 0), ('out', 0);
-- Cases that the city sent: its number, its deadline, and the state that both sides know from what they told each other.
CREATE TABLE city_cases (
  city_number TEXT NOT NULL PRIMARY KEY,
  case_id TEXT NOT NULL UNIQUE REFERENCES cases (id),
  state TEXT NOT NULL CHECK (state IN ('received','handled','verifying','rework','passed','closed','returned')),
  due_at INTEGER NOT NULL,
  unit_code TEXT,
  line INTEGER NOT NULL,
  dispatch TEXT NOT NULL CHECK (json_valid(dispatch)),
  received_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
-- Every message of the city as it came; without outcome while one before it is missing.
CREATE TABLE city_inbox (
  msg_id TEXT NOT NULL PRIMARY KEY,
  seq INTEGER NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  envelope TEXT NOT NULL CHECK (json_valid(envelope)),
  outcome TEXT CHECK (outcome IN ('ok','invalid')),
  reason TEXT,
  detail TEXT,
  county_number TEXT,
  received_at INTEGER NOT NULL,
  applied_at INTEGER
) STRICT;
-- Every message to the city, written with the step it tells of. One that was given up is replaced under its number.
CREATE TABLE city_outbox (
  msg_id TEXT NOT NULL PRIMARY KEY,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  case_id TEXT REFERENCES cases (id),
  body TEXT NOT NULL CHECK (json_valid(body)),
  state TEXT NOT NULL CHECK (state IN ('queued','delivered','refused','replaced')),
  attempts INTEGER NOT NULL,
  next_try_at INTEGER NOT NULL,
  last_error TEXT,
  queued_at INTEGER NOT NULL,
  settled_at INTEGER,
  settled_by TEXT REFERENCES users (id),
  settled_note TEXT
) STRICT;
CREATE UNIQUE INDEX city_outbox_seq ON city_outbox (seq) WHERE state <> 'replaced';
CREATE INDEX city_outbox_state ON city_outbox (state, seq);
CREATE TABLE city_codes (
  kind TEXT NOT NULL CHECK (kind IN ('unit','class')),
  city_code TEXT NOT NULL,
  county_code TEXT NOT NULL,
  PRIMARY KEY (kind, city_code)
) STRICT;
-- What the city's lists said, compared when they came; `seq` is that of the message.
CREATE TABLE city_reconciliations (
  seq INTEGER NOT NULL PRIMARY KEY,
  received_at INTEGER NOT NULL,
  items INTEGER NOT NULL,
  in_flight INTEGER NOT NULL,
  differences TEXT NOT NULL CHECK (json_valid(differences))
) STRICT;
