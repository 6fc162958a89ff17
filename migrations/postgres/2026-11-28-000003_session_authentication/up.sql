-- How and when the user of a session authenticated. `amr` holds method names separated by spaces
-- (RFC 8176). `auth_time` is in milliseconds since the Unix epoch. Both are NULL in sessions of the
-- previous version, which began with a password at `created_at`.
ALTER TABLE sessions ADD COLUMN amr TEXT;
ALTER TABLE sessions ADD COLUMN auth_time BIGINT;
