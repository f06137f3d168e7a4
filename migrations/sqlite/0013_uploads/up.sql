-- What one owner's unfinished uploads hold is asked at every creation.
CREATE INDEX uploads_owner_state ON uploads (owner, state);
