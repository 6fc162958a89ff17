-- The same, in an order that can be read in pages, however many end at once.
CREATE INDEX sessions_revoked_in_order ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
DROP INDEX sessions_revoked_at;
