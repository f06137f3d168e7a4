DROP TABLE score_objection_steps;
DROP TABLE score_objections;
DROP TABLE score_totals;
DROP TABLE score_lines;
DROP TABLE assessment_months;
DROP TABLE assessment_rules;
