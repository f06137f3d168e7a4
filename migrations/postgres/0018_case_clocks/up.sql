-- The limit that a case was dispatched with, the times in which it stood still (挂账), and a hold that waits for a decision.
ALTER TABLE cases ADD COLUMN limit_kind TEXT CHECK (limit_kind IN ('urgent_hour','natural_day','work_hour','work_day'));
ALTER TABLE cases ADD COLUMN limit_tenths INTEGER CHECK (limit_tenths BETWEEN 1 AND 10000);
ALTER TABLE cases ADD COLUMN pauses JSONB NOT NULL DEFAULT '[]';
ALTER TABLE cases ADD COLUMN hold_reason TEXT;
