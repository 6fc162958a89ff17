-- The revocations that an access token may still be alive of: what the feed begins with.
CREATE INDEX sessions_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
