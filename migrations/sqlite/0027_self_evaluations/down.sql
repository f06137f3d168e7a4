DROP TABLE self_evaluations;
