DROP INDEX spot_checks_actor;
DROP INDEX spot_checks_unit;
DROP INDEX uploads_accepted;
DROP INDEX evidence_declarer;
DROP INDEX evidence_user;
