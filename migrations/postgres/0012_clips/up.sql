-- A body camera's video: who wore the camera, when it was recorded, what case it belongs to. `recorded_at` is the
-- camera's own word and stays; `started_at` and `ended_at` have the known error of its clock taken off.
CREATE TABLE clips (
  evidence_id UUID NOT NULL PRIMARY KEY REFERENCES evidence (id),
  camera TEXT NOT NULL,
  device_id UUID REFERENCES devices (id),
  user_id UUID REFERENCES users (id),
  user_from TEXT CHECK (user_from IN ('roster','name')),
  recorded_at TIMESTAMPTZ NOT NULL,
  recorded_from TEXT NOT NULL CHECK (recorded_from IN ('name','file','mtime','device','received')),
  clock_offset_ms BIGINT,
  clock_from TEXT,
  started_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ NOT NULL CHECK (ended_at >= started_at),
  key_file BOOLEAN NOT NULL,
  doubts JSONB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('unclaimed','proposed','linked','dismissed')),
  best_case UUID REFERENCES cases (id),
  best_score INT CHECK (best_score BETWEEN 0 AND 1000),
  judged_at TIMESTAMPTZ NOT NULL,
  decided_by UUID REFERENCES users (id),
  decided_at TIMESTAMPTZ,
  reason TEXT,
  arrived_at TIMESTAMPTZ NOT NULL,
  CHECK ((best_case IS NULL) = (best_score IS NULL)),
  CHECK ((user_id IS NULL) = (user_from IS NULL))
);
CREATE INDEX clips_state ON clips (state, evidence_id);
CREATE INDEX clips_camera ON clips (camera, started_at);
CREATE INDEX clips_user ON clips (user_id, evidence_id);
CREATE INDEX clips_started ON clips (started_at);
-- The roster: who carries which camera on which shift. One camera is with one person at a time.
CREATE TABLE camera_assignments (
  id UUID NOT NULL PRIMARY KEY,
  camera TEXT NOT NULL,
  user_id UUID NOT NULL REFERENCES users (id),
  from_at TIMESTAMPTZ NOT NULL,
  until_at TIMESTAMPTZ NOT NULL CHECK (until_at > from_at),
  set_by UUID REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL,
  UNIQUE (camera, from_at)
);
CREATE INDEX camera_assignments_user ON camera_assignments (user_id, from_at);
-- Devices that wait for repair (待修).
CREATE TABLE device_repairs (
  device_id UUID NOT NULL PRIMARY KEY REFERENCES devices (id),
  reason TEXT NOT NULL,
  set_by UUID NOT NULL REFERENCES users (id),
  set_at TIMESTAMPTZ NOT NULL
);
-- What an officer did about a time, for proposals.
CREATE INDEX case_events_actor ON case_events (actor_id, occurred_at);
