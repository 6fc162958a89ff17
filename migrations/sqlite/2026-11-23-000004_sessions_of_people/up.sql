-- What users see of their sessions. The time of the last use is written behind, in batches.
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
ALTER TABLE sessions ADD COLUMN ip TEXT;

-- Time since which a user may not log in.
ALTER TABLE users ADD COLUMN disabled_at BIGINT;
