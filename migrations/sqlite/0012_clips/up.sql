-- A body camera's video: who wore the camera, when it was recorded, what case it belongs to. `recorded_at` is the
-- camera's own word and stays; `started_at` and `ended_at` have the known error of its clock taken off.
CREATE TABLE clips (
  evidence_id TEXT NOT NULL PRIMARY KEY REFERENCES evidence (id),
  camera TEXT NOT NULL,
  device_id TEXT REFERENCES devices (id),
  user_id TEXT REFERENCES users (id),
  user_from TEXT CHECK (user_from IN ('roster','name')),
  recorded_at INTEGER NOT NULL,
  recorded_from TEXT NOT NULL CHECK (recorded_from IN ('name','file','mtime','device','received')),
  clock_offset_ms INTEGER,
  clock_from TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL CHECK (ended_at >= started_at),
  key_file INTEGER NOT NULL,
  doubts TEXT NOT NULL CHECK (json_valid(doubts)),
  state TEXT NOT NULL CHECK (state IN ('unclaimed','proposed','linked','dismissed')),
  best_case TEXT REFERENCES cases (id),
  best_score INTEGER CHECK (best_score BETWEEN 0 AND 1000),
  judged_at INTEGER NOT NULL,
  decided_by TEXT REFERENCES users (id),
  decided_at INTEGER,
  reason TEXT,
  arrived_at INTEGER NOT NULL,
  CHECK ((best_case IS NULL) = (best_score IS NULL)),
  CHECK ((user_id IS NULL) = (user_from IS NULL))
) STRICT;
CREATE INDEX clips_state ON clips (state, evidence_id);
CREATE INDEX clips_camera ON clips (camera, started_at);
CREATE INDEX clips_user ON clips (user_id, evidence_id);
CREATE INDEX clips_started ON clips (started_at);
-- The roster: who carries which camera on which shift. One camera is with one person at a time.
CREATE TABLE camera_assignments (
  id TEXT NOT NULL PRIMARY KEY,
  camera TEXT NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id),
  from_at INTEGER NOT NULL,
  until_at INTEGER NOT NULL CHECK (until_at > from_at),
  set_by TEXT REFERENCES users (id),
  set_at INTEGER NOT NULL,
  UNIQUE (camera, from_at)
) STRICT;
CREATE INDEX camera_assignments_user ON camera_assignments (user_id, from_at);
-- Devices that wait for repair (待修).
CREATE TABLE device_repairs (
  device_id TEXT NOT NULL PRIMARY KEY REFERENCES devices (id),
  reason TEXT NOT NULL,
  set_by TEXT NOT NULL REFERENCES users (id),
  set_at INTEGER NOT NULL
) STRICT;
-- What an officer did about a time, for proposals.
CREATE INDEX case_events_actor ON case_events (actor_id, occurred_at);
