-- The sample library: any number of sites per unit and kind, each with a code of its own.
ALTER TABLE spot_sites ADD COLUMN code TEXT;
UPDATE spot_sites s SET code = u.code || '-' || s.kind || '-' || lpad(s.slot::text, 3, '0') FROM units u WHERE u.id = s.unit_id;
ALTER TABLE spot_sites ALTER COLUMN code SET NOT NULL;
ALTER TABLE spot_sites ADD UNIQUE (code);
ALTER TABLE spot_sites DROP COLUMN slot;
ALTER TABLE spot_sites ADD COLUMN geometry TEXT;
ALTER TABLE spot_sites ADD COLUMN active_from TEXT CHECK (length(active_from) = 10);
ALTER TABLE spot_sites ADD COLUMN struck_at TIMESTAMPTZ;
ALTER TABLE spot_sites ADD COLUMN strike_reason TEXT;
CREATE INDEX spot_sites_unit ON spot_sites (unit_id, code);
-- `pick_id` and what follows came with the draw: a record without it is one of an app that did not know the draw.
ALTER TABLE spot_checks ADD COLUMN pick_id UUID;
ALTER TABLE spot_checks ADD COLUMN recheck BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE spot_checks ALTER COLUMN recheck DROP DEFAULT;
ALTER TABLE spot_checks ADD COLUMN checklist_version INTEGER;
ALTER TABLE spot_checks ADD COLUMN answers JSONB;
ALTER TABLE spot_checks ADD COLUMN arrived_at TIMESTAMPTZ;
ALTER TABLE spot_checks ADD COLUMN left_at TIMESTAMPTZ;
ALTER TABLE spot_checks ADD COLUMN distance_m DOUBLE PRECISION;
ALTER TABLE spot_checks ADD COLUMN outside_fence BOOLEAN;
ALTER TABLE spot_checks ADD COLUMN unreachable TEXT;
ALTER TABLE spot_checks ADD COLUMN signature_sha256 TEXT;
ALTER TABLE spot_checks ADD COLUMN seal_sha256 TEXT;
-- What a site was after each change; never changed, never deleted.
CREATE TABLE spot_site_versions (
  site_id UUID NOT NULL REFERENCES spot_sites (id),
  ver BIGINT NOT NULL,
  change TEXT NOT NULL CHECK (change IN ('enter','correct','strike','reinstate')),
  reason TEXT,
  site JSONB NOT NULL,
  changed_by UUID REFERENCES users (id),
  changed_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (site_id, ver)
);
-- Which kinds stand in for one that a unit lacks (顺位补抽); version 0 came with the program.
CREATE TABLE spot_substitutions (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
  stand_ins JSONB NOT NULL,
  source TEXT NOT NULL,
  set_by UUID NOT NULL REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL
);
-- What is looked at, at a site of each kind; version 1 came with the program.
CREATE TABLE spot_checklists (
  version INTEGER NOT NULL PRIMARY KEY CHECK (version > 1),
  kinds JSONB NOT NULL,
  source TEXT NOT NULL,
  set_by UUID NOT NULL REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE spot_team_members (
  user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id),
  team TEXT NOT NULL
);
-- One draw a week. `frame` and `result` are the bytes that were hashed.
CREATE TABLE draws (
  week TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('framed','sealed','drawn')),
  frame TEXT NOT NULL,
  frame_sha256 TEXT NOT NULL,
  frame_entry UUID NOT NULL,
  framed_by UUID NOT NULL REFERENCES users (id),
  framed_at TIMESTAMPTZ NOT NULL,
  commit_until TIMESTAMPTZ NOT NULL,
  nonce TEXT NOT NULL,
  lottery_at TIMESTAMPTZ NOT NULL,
  sources JSONB,
  typed_by UUID REFERENCES users (id),
  confirmed_by UUID REFERENCES users (id),
  seed TEXT,
  sealed_at TIMESTAMPTZ,
  result TEXT,
  result_sha256 TEXT,
  result_entry UUID,
  drawn_at TIMESTAMPTZ,
  CHECK ((state = 'framed') = (seed IS NULL)),
  CHECK ((state = 'drawn') = (result IS NOT NULL))
);
CREATE TABLE draw_commitments (
  week TEXT NOT NULL REFERENCES draws (week),
  unit_id UUID NOT NULL REFERENCES units (id),
  commitment TEXT NOT NULL,
  committed_by UUID NOT NULL REFERENCES users (id),
  committed_at TIMESTAMPTZ NOT NULL,
  nonce TEXT,
  opened_at TIMESTAMPTZ,
  PRIMARY KEY (week, unit_id)
);
-- The visits of a draw: turn 0 was drawn, turn n is the n-th that took its place. A re-check has the slot of what it checks.
CREATE TABLE draw_picks (
  id UUID NOT NULL PRIMARY KEY,
  week TEXT NOT NULL REFERENCES draws (week),
  unit_id UUID NOT NULL REFERENCES units (id),
  slot INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 9),
  turn INTEGER NOT NULL CHECK (turn >= 0),
  recheck BOOLEAN NOT NULL,
  kind TEXT NOT NULL,
  site_id UUID NOT NULL REFERENCES spot_sites (id),
  team TEXT NOT NULL,
  day TEXT NOT NULL CHECK (length(day) = 10),
  band TEXT NOT NULL,
  visit_order INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open','visited','unreachable')),
  check_id UUID,
  UNIQUE (week, unit_id, slot, turn, recheck)
);
CREATE INDEX draw_picks_team ON draw_picks (team, day);
