ALTER TABLE one_time_codes DROP COLUMN email;
DROP INDEX users_delete_at;
ALTER TABLE users DROP COLUMN delete_at;
