DROP TABLE city_reconciliations;
DROP TABLE city_codes;
DROP TABLE city_outbox;
DROP TABLE city_inbox;
DROP TABLE city_cases;
DROP TABLE city_directions;
