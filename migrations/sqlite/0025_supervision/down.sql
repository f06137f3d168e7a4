DROP TABLE letter_numbers;
DROP TABLE letter_spots;
DROP TABLE letter_cases;
DROP TABLE letter_steps;
DROP TABLE letters;
