-- When the account is deleted, in milliseconds since the Unix epoch, unless the user logs in or
-- verifies the address before. NULL: never.
ALTER TABLE users ADD COLUMN delete_at BIGINT;
CREATE INDEX users_delete_at ON users (delete_at) WHERE delete_at IS NOT NULL;
-- The email address to which a code was mailed: that of the user, one that the user does not have
-- yet, or one that the user had before. NULL: the code was printed for an operator, or is of an
-- earlier version.
ALTER TABLE one_time_codes ADD COLUMN email TEXT;
