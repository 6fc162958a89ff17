DROP TRIGGER users_count_revision;
ALTER TABLE users DROP COLUMN revision;
