-- The exchange with the city. `seq` of `in` is the last message that was applied, of `out` the last that was given.
CREATE TABLE city_directions (
  direction TEXT NOT NULL PRIMARY KEY CHECK (direction IN ('in','out')),
  seq BIGINT NOT NULL,
  enabled BOOLEAN NOT NULL DEFAULT FALSE,
  held_by TEXT,
  held_until TIMESTAMPTZ
);
INSERT INTO city_directions (direction, seq) VALUES ('in', 0), ('out', 0);
-- Cases that the city sent: its number, its deadline, and the state that both sides know from what they told each other.
CREATE TABLE city_cases (
  city_number TEXT NOT NULL PRIMARY KEY,
  case_id UUID NOT NULL UNIQUE REFERENCES cases (id),
  state TEXT NOT NULL CHECK (state IN ('received','handled','verifying','rework','passed','closed','returned')),
  due_at TIMESTAMPTZ NOT NULL,
  unit_code TEXT,
  line BIGINT NOT NULL,
  dispatch JSONB NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL
);
-- Every message of the city as it came; without outcome while one before it is missing.
CREATE TABLE city_inbox (
  msg_id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  envelope JSONB NOT NULL,
  outcome TEXT CHECK (outcome IN ('ok','invalid')),
  reason TEXT,
  detail TEXT,
  county_number TEXT,
  received_at TIMESTAMPTZ NOT NULL,
  applied_at TIMESTAMPTZ
);
-- Every message to the city, written with the step it tells of. One that was given up is replaced under its number.
CREATE TABLE city_outbox (
  msg_id UUID NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  case_id UUID REFERENCES cases (id),
  body JSONB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued','delivered','refused','replaced')),
  attempts INTEGER NOT NULL,
  next_try_at TIMESTAMPTZ NOT NULL,
  last_error TEXT,
  queued_at TIMESTAMPTZ NOT NULL,
  settled_at TIMESTAMPTZ,
  settled_by UUID REFERENCES users (id),
  settled_note TEXT
);
CREATE UNIQUE INDEX city_outbox_seq ON city_outbox (seq) WHERE state <> 'replaced';
CREATE INDEX city_outbox_state ON city_outbox (state, seq);
CREATE TABLE city_codes (
  kind TEXT NOT NULL CHECK (kind IN ('unit','class')),
  city_code TEXT NOT NULL,
  county_code TEXT NOT NULL,
  PRIMARY KEY (kind, city_code)
);
-- What the city's lists said, compared when they came; `seq` is that of the message.
CREATE TABLE city_reconciliations (
  seq BIGINT NOT NULL PRIMARY KEY,
  received_at TIMESTAMPTZ NOT NULL,
  items INTEGER NOT NULL,
  in_flight INTEGER NOT NULL,
  differences JSONB NOT NULL
);
