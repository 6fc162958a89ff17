DROP INDEX users_to_fold;
DROP INDEX users_folded_email;
DROP INDEX users_folded_username;
ALTER TABLE users DROP COLUMN folded_email;
ALTER TABLE users DROP COLUMN folded_username;
