DROP INDEX case_events_actor;
DROP TABLE device_repairs;
DROP TABLE camera_assignments;
DROP TABLE clips;
