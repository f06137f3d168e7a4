DROP INDEX cases_place;
DROP TABLE spot_events;
DROP TABLE spot_cases;
DROP TABLE spots;
