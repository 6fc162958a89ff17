-- The revocations of sessions whose access tokens may still be valid: the feed begins with them.
CREATE INDEX sessions_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
