-- Whether the class of a case is one of components or of events: a code alone does not say. Null where nobody said.
ALTER TABLE cases ADD COLUMN class_kind TEXT CHECK (class_kind IN ('component','event'));
-- A rectangle on the map is looked for in the order of a list, newest first, without reading the cases outside of it.
CREATE INDEX cases_where ON cases (id, lat, lon);
-- Cases that were never dispatched, by the reason: listed newest first, and counted by when they were reported.
CREATE INDEX cases_void ON cases (void_reason, id) WHERE void_reason IS NOT NULL;
CREATE INDEX cases_void_reported ON cases (void_reason, reported_at) WHERE void_reason IS NOT NULL;
