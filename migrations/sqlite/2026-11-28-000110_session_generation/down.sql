ALTER TABLE blacklist DROP COLUMN retries_elsewhere;
ALTER TABLE blacklist DROP COLUMN origin;
DROP INDEX sessions_voided;
ALTER TABLE sessions DROP COLUMN voided_at;
ALTER TABLE sessions DROP COLUMN rotated_at;
ALTER TABLE sessions DROP COLUMN generation;
