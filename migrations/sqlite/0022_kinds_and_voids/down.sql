DROP INDEX cases_void_reported;
DROP INDEX cases_void;
DROP INDEX cases_where;
ALTER TABLE cases DROP COLUMN class_kind;
