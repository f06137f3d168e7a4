DROP TABLE working_slots;
DROP TABLE calendar_days;
DROP TABLE calendar_years;
