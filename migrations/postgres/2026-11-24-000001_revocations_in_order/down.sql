CREATE INDEX sessions_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
DROP INDEX sessions_revoked_in_order;
