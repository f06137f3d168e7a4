DROP INDEX uploads_owner_state;
