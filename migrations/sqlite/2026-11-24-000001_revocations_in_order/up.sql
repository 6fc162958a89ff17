-- The same index, in an order that can be read in pages, however many sessions end at once. The
-- statement with the stronger lock comes first.
DROP INDEX sessions_revoked_at;
CREATE INDEX sessions_revoked_in_order ON sessions (revoked_at, id) WHERE revoked_at IS NOT NULL;
