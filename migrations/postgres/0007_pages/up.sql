-- A page of what somebody may see walks, for each reason to see it, an index in the order of ids.
CREATE INDEX evidence_user ON evidence (user_id, id);
CREATE INDEX evidence_declarer ON evidence (device_id, id);
CREATE INDEX uploads_accepted ON uploads (owner, evidence_id) WHERE state = 'accepted';
CREATE INDEX spot_checks_unit ON spot_checks (unit_id, id);
CREATE INDEX spot_checks_actor ON spot_checks (actor_id, id);
