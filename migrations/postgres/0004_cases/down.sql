DROP TABLE case_numbers;
DROP TABLE case_events;
DROP TABLE cases;
