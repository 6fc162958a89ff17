-- The same, in an order that can be read in pages, however many end at once. The stronger lock first.
DROP INDEX sessions_revoked_at;
CREATE INDEX sessions_revoked_in_order ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
