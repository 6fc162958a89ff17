-- The id that a user had in the system from which an operator imported the user. NULL: the user was
-- not imported, or had no id there.
ALTER TABLE users ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
