ALTER TABLE cases DROP COLUMN hold_reason;
ALTER TABLE cases DROP COLUMN pauses;
ALTER TABLE cases DROP COLUMN limit_tenths;
ALTER TABLE cases DROP COLUMN limit_kind;
